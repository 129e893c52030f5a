//! Journal entries. Once recorded, nothing of an entry changes; a second entry may reverse it.

use kernel::{
    AccountCode, AmountMinor, CurrencyCode, Date, OfficeCode, PositiveAmount, Timestamp,
    id::{EntryId, PostingId},
};

/// Something that happened, as the books of one office see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its region is the office's home.
    pub(crate) id: EntryId,
    pub(crate) office: OfficeCode,
    pub(crate) currency: CurrencyCode,
    /// The business date, in the time zone of the office.
    pub(crate) effective_date: Date,
    /// When we learned of it.
    pub(crate) recorded_at: Timestamp,
    /// Subject of the token that recorded it.
    pub(crate) recorded_by: String,
    pub(crate) description: String,
    pub(crate) subject: Option<Subject>,
    /// Made by a rule of another system; `None` for what people post and reverse.
    pub(crate) source: Option<Source>,
    /// The entry that it takes back.
    pub(crate) reverses: Option<EntryId>,
    /// The entry that takes it back, read from that entry's row.
    pub(crate) reversed: Option<Reversed>,
    /// In the order given.
    pub(crate) postings: Vec<Posting>,
}

/// An amount that moves from one account to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Posting {
    pub(crate) id: PostingId,
    pub(crate) debit: AccountCode,
    pub(crate) credit: AccountCode,
    pub(crate) amount: PositiveAmount,
    pub(crate) memo: Option<String>,
}

/// An entry was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reversed {
    /// By this entry.
    pub(crate) by: EntryId,
    /// Its `recorded_at`.
    pub(crate) at: Timestamp,
}

/// What an entry is about: an order, a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// `order`, `transfer`.
    pub kind: String,
    /// Its id.
    pub id: String,
}

/// Which rule made an entry, of what. One source makes one entry: the database refuses a second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Kind of what it was made of: `movement`, `shipment`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Name of the rule, as in `docs/posting-rules.md`: `receipt`.
    pub rule: String,
}

impl Entry {
    /// 1; 2 once another entry takes it back.
    pub(crate) fn version(&self) -> i64 {
        if self.reversed.is_some() { 2 } else { 1 }
    }

    /// When what is shown of it last changed.
    pub(crate) fn updated_at(&self) -> Timestamp {
        self.reversed
            .as_ref()
            .map_or(self.recorded_at, |reversed| reversed.at)
    }
}

/// The sum of amounts; `None` beyond 2^53 − 1.
pub(crate) fn total(amounts: impl Iterator<Item = PositiveAmount>) -> Option<AmountMinor> {
    let sum = amounts.map(|amount| i128::from(amount.get())).sum();
    AmountMinor::from_wide(sum).ok()
}

/// One posting of an account's statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatementLine {
    pub(crate) entry: EntryId,
    pub(crate) effective_date: Date,
    pub(crate) debit: AccountCode,
    pub(crate) credit: AccountCode,
    pub(crate) amount: PositiveAmount,
    pub(crate) memo: Option<String>,
}
