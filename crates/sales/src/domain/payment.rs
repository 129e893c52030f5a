//! Money for an order, and money back. Rows are only ever added.

use kernel::{
    AmountMinor, CurrencyCode, Date, OfficeCode, Timestamp,
    id::{EntryId, OrderId, PaymentId},
};

use super::{order::Split, words};

words! {
    /// Which way the money went.
    PaymentKind { Payment "payment", Refund "refund", }
}

words! {
    /// How the money went.
    Method { BankTransfer "bank_transfer", Card "card", Cash "cash", Other "other", }
}

/// A payment, or a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payment {
    pub(crate) id: PaymentId,
    pub(crate) office: OfficeCode,
    pub(crate) order: OrderId,
    /// Of the office.
    pub(crate) currency: CurrencyCode,
    pub(crate) kind: PaymentKind,
    /// At least one.
    pub(crate) amount: AmountMinor,
    pub(crate) split: Split,
    pub(crate) method: Method,
    /// What the bank or the provider calls it; unique in its office.
    pub(crate) external_reference: Option<String>,
    pub(crate) journal_entry: EntryId,
    /// The office's day.
    pub(crate) effective_date: Date,
    pub(crate) created_at: Timestamp,
    /// Subject of the token.
    pub(crate) created_by: String,
}
