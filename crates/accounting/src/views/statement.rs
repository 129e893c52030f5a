//! What moved on one account of one office.

use kernel::{
    AccountCode, AmountMinor, CurrencyCode, Date, OfficeCode, PositiveAmount, Timestamp,
    id::EntryId,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::entry::StatementLine;

/// The postings of an account over a span of effective dates, between its balances. Debit-positive.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = AccountStatement)]
pub(crate) struct StatementView {
    #[schema(value_type = String, example = "1000")]
    pub(crate) account: AccountCode,
    #[schema(value_type = String, example = "ber")]
    pub(crate) office: OfficeCode,
    /// ISO 4217; of every amount here.
    #[schema(value_type = String, example = "EUR")]
    pub(crate) currency: CurrencyCode,
    /// First effective date; null: from the beginning.
    #[schema(value_type = Option<String>, format = Date)]
    pub(crate) from: Option<Date>,
    /// Last effective date; null: whatever is recorded.
    #[schema(value_type = Option<String>, format = Date)]
    pub(crate) to: Option<Date>,
    /// Debits less credits before `from`.
    #[schema(value_type = i64, example = 500_000)]
    pub(crate) opening_minor: AmountMinor,
    /// By effective date, then in the order in which they were recorded.
    pub(crate) postings: Vec<StatementLineView>,
    /// Debits less credits up to the end of `to`.
    #[schema(value_type = i64, example = 380_000)]
    pub(crate) closing_minor: AmountMinor,
    /// With `as_of`: what had been recorded by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub(crate) as_of: Option<Timestamp>,
    /// With `as_of`: whether the same question will always have the same answer.
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) is_final: Option<bool>,
}

/// One posting of a statement.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = StatementPosting)]
pub(crate) struct StatementLineView {
    /// Id of the journal entry.
    #[schema(value_type = String, example = "jrn_eu1_3v9kq2m8x0c7d5f1h4j6n9p2rs")]
    entry: EntryId,
    #[schema(value_type = String, format = Date, example = "2026-11-22")]
    effective_date: Date,
    /// The account debited.
    #[schema(value_type = String, example = "5900")]
    debit: AccountCode,
    /// The account credited.
    #[schema(value_type = String, example = "1000")]
    credit: AccountCode,
    #[schema(value_type = i64, minimum = 1, example = 120_000)]
    amount_minor: PositiveAmount,
    #[schema(example = "November")]
    memo: Option<String>,
}

impl From<StatementLine> for StatementLineView {
    fn from(line: StatementLine) -> Self {
        Self {
            entry: line.entry,
            effective_date: line.effective_date,
            debit: line.debit,
            credit: line.credit,
            amount_minor: line.amount,
            memo: line.memo,
        }
    }
}
