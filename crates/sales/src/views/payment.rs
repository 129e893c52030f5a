//! A payment or a refund as shown.

use kernel::{
    AmountMinor, CurrencyCode, Date, OfficeCode, RegionTag, Reply, Timestamp,
    id::{EntryId, OrderId, PaymentId},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::json_text;
use crate::domain::payment::{Method, Payment, PaymentKind};

/// Money for an order, or money back.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Payment)]
pub(crate) struct PaymentView {
    #[schema(value_type = String, example = "pay_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    id: PaymentId,
    #[schema(value_type = PaymentKindName)]
    kind: PaymentKind,
    #[schema(value_type = String, example = "ord_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    order: OrderId,
    #[schema(value_type = String, example = "ber")]
    office: OfficeCode,
    /// Home region of the office.
    #[schema(value_type = String, example = "eu1")]
    home_region: RegionTag,
    /// The office's.
    #[schema(value_type = String, example = "EUR")]
    currency: CurrencyCode,
    #[schema(value_type = i64, minimum = 1, example = 23_800)]
    amount_minor: AmountMinor,
    /// The part that settled, or opened again, what the order owes (account 1100).
    #[schema(value_type = i64, example = 0)]
    receivable_minor: AmountMinor,
    /// The part that was paid ahead, or was of that (account 2200).
    #[schema(value_type = i64, example = 23_800)]
    deposit_minor: AmountMinor,
    #[schema(value_type = MethodName)]
    method: Method,
    /// What the bank or the provider calls it.
    #[schema(example = "BANK-2026-11-22-0815")]
    external_reference: Option<String>,
    #[schema(value_type = String, example = "jrn_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    journal_entry: EntryId,
    /// The office's day.
    #[schema(value_type = String, format = Date, example = "2026-11-22")]
    effective_date: Date,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Subject of the token.
    #[schema(example = "ada")]
    created_by: String,
}

impl From<&Payment> for PaymentView {
    fn from(payment: &Payment) -> Self {
        Self {
            id: payment.id.clone(),
            kind: payment.kind,
            order: payment.order.clone(),
            office: payment.office.clone(),
            home_region: payment.id.region().clone(),
            currency: payment.currency.clone(),
            amount_minor: payment.amount,
            receivable_minor: payment.split.receivable,
            deposit_minor: payment.split.deposit,
            method: payment.method,
            external_reference: payment.external_reference.clone(),
            journal_entry: payment.journal_entry.clone(),
            effective_date: payment.effective_date,
            created_at: payment.created_at,
            created_by: payment.created_by.clone(),
        }
    }
}

impl PaymentView {
    /// The answer to the write that made it.
    pub(crate) fn reply(&self) -> Reply {
        Reply {
            status: 201,
            location: Some(format!(
                "/v1/sales/orders/{}/payments/{}",
                self.order, self.id
            )),
            version: None,
            body: Some(json_text(self)),
            effect_ids: vec![self.id.to_string(), self.journal_entry.to_string()],
        }
    }
}

/// Which way the money went.
#[derive(Debug, ToSchema)]
#[schema(as = PaymentKind, rename_all = "lowercase")]
#[expect(
    dead_code,
    reason = "describes the words of `PaymentKind` in the OpenAPI document"
)]
pub(crate) enum PaymentKindName {
    Payment,
    Refund,
}

/// How the money went.
#[derive(Debug, ToSchema)]
#[schema(as = PaymentMethod, rename_all = "snake_case")]
#[expect(
    dead_code,
    reason = "describes the words of `Method` in the OpenAPI document"
)]
pub(crate) enum MethodName {
    BankTransfer,
    Card,
    Cash,
    Other,
}
