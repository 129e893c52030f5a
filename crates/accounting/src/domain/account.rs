//! Accounts of the chart: the same for every office.

use kernel::{AccountCode, Timestamp};

use super::words;

/// An account of the chart. Each office has a balance of its own on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) code: AccountCode,
    pub(crate) name: String,
    pub(crate) kind: AccountType,
    /// The side that makes its balance larger, for people: sums are debit-positive everywhere.
    pub(crate) normal: Side,
    pub(crate) status: AccountStatus,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

words! {
    /// What an account holds.
    AccountType {
        Asset "asset",
        Liability "liability",
        Equity "equity",
        Revenue "revenue",
        Expense "expense",
    }
}

words! {
    /// A side of an account.
    Side { Debit "debit", Credit "credit", }
}

words! {
    /// Whether an account takes postings.
    AccountStatus { Active "active", }
}
