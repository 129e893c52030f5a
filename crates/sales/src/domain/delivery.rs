//! Goods that left for an order, and goods that came back. Rows are only ever added.

use kernel::{
    AmountMinor, CurrencyCode, Date, OfficeCode, Quantity, Timestamp,
    id::{EntryId, ItemId, MovementId, OrderId, OrderLineId, ReturnId, ShipmentId},
};

use super::{line::Worth, words};

words! {
    /// What becomes of goods that came back.
    Disposition { Restock "restock", Scrap "scrap", }
}

/// What goods of an order that went or came have in common. `Id` is theirs, `L` one of their lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery<Id, L> {
    pub(crate) id: Id,
    pub(crate) office: OfficeCode,
    pub(crate) order: OrderId,
    /// Of the office.
    pub(crate) currency: CurrencyCode,
    /// At least one.
    pub(crate) lines: Vec<L>,
    /// What it invoices, or credits.
    pub(crate) sum: Worth,
    /// What the goods had cost.
    pub(crate) cost: AmountMinor,
    /// Less those that would have moved nothing.
    pub(crate) journal_entries: Vec<EntryId>,
    /// The office's day.
    pub(crate) effective_date: Date,
    pub(crate) created_at: Timestamp,
    /// Subject of the token.
    pub(crate) created_by: String,
}

/// Goods that left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shipment {
    pub(crate) goods: Delivery<ShipmentId, ShipmentLine>,
    pub(crate) carrier: Option<String>,
    pub(crate) tracking: Option<String>,
    /// The deposit applied to what it invoices.
    pub(crate) deposit: AmountMinor,
}

/// Goods that came back.
pub(crate) type Return = Delivery<ReturnId, ReturnLine>;

/// Units of one line of the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Units {
    pub(crate) line: OrderLineId,
    pub(crate) item: ItemId,
    pub(crate) sku: String,
    /// At least one.
    pub(crate) quantity: Quantity,
    pub(crate) worth: Worth,
    /// What they had cost.
    pub(crate) cost: AmountMinor,
}

/// Units that left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShipmentLine {
    pub(crate) units: Units,
    pub(crate) movement: MovementId,
}

/// Units that came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReturnLine {
    pub(crate) units: Units,
    pub(crate) disposition: Disposition,
    pub(crate) reason: String,
    /// Of what was put back on the shelf.
    pub(crate) movement: Option<MovementId>,
}
