//! What happened to a level, once and for ever.

use std::str::FromStr;

use kernel::{
    AmountMinor, CurrencyCode, LocationCode, OfficeCode, Timestamp,
    id::{EntryId, ItemId, MovementId},
};

use super::item::{UnknownWord, words};

/// One change of what a level has on hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Movement {
    pub(crate) id: MovementId,
    pub(crate) office: OfficeCode,
    pub(crate) location: LocationCode,
    pub(crate) item: ItemId,
    pub(crate) sku: String,
    /// Of the office.
    pub(crate) currency: CurrencyCode,
    /// Units that came (positive) or went (negative); never 0.
    pub(crate) delta: i64,
    /// What they were worth, with the same sign or nothing.
    pub(crate) value_delta: AmountMinor,
    pub(crate) kind: MovementKind,
    /// Why, of an adjustment.
    pub(crate) reason: Option<Reason>,
    /// What the client calls it.
    pub(crate) reference: Option<String>,
    /// What it did to the books; `None` where it was worth nothing.
    pub(crate) journal_entry: Option<EntryId>,
    pub(crate) recorded_at: Timestamp,
    /// Subject of the token.
    pub(crate) recorded_by: String,
}

words! {
    /// What kind of change it was.
    MovementKind {
        Receipt "receipt",
        Issue "issue",
        Return "return",
        Adjust "adjust",
        TransferOut "transfer_out",
        TransferIn "transfer_in",
        Opening "opening",
    }
}

words! {
    /// Why a level was adjusted.
    Reason {
        Count "count",
        Damage "damage",
        Theft "theft",
        Found "found",
        Correction "correction",
    }
}
