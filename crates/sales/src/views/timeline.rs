//! The story of an order as shown.

use accounting::reports::{EntryFact, PostingFact};
use kernel::{
    AccountCode, AmountMinor, Date, LocationCode, PositiveAmount, Timestamp,
    id::{EntryId, ItemId, MovementId, OrderId, OrderLineId},
};
use serde::Serialize;
use utoipa::ToSchema;
use warehouse::reports::{MovementFact, ReservationFact};

use crate::storage::timeline::{Cancellation, GoodsFact, PaymentFact};

/// What happened to an order, in all three systems.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Timeline {
    /// Oldest first; what happened at once is told in the order sales, warehouse, accounting.
    pub(crate) data: Vec<Fact>,
}

/// One thing that happened. Members that say nothing of it are left out.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = TimelineFact)]
pub(crate) struct Fact {
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    /// `sales`, `warehouse` or `accounting`.
    #[schema(example = "sales")]
    system: &'static str,
    /// Of sales `created`, `confirmed`, `payment`, `refund`, `shipment`, `return`, `cancelled`, `fulfilled`, `expired`; of
    /// the warehouse `reserved`, `consumed`, `released`, `expired`, `issue`, `return`; of accounting `entry`.
    #[serde(rename = "type")]
    #[schema(example = "shipment")]
    kind: &'static str,
    /// Of the order, payment, shipment, return, reservation, movement or entry.
    #[schema(example = "shp_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    id: String,
    /// The business date, in the time zone of the office.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date, nullable = false, example = "2026-11-22")]
    effective_date: Option<Date>,
    /// Of a payment or refund; of what a shipment invoiced or a return credited, with tax; what moved goods were worth.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, nullable = false, example = 23_800)]
    amount_minor: Option<AmountMinor>,
    /// Lines of which units were cancelled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<CancelledLine>,
    /// The line that stock was put aside for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    line: Option<OrderLineId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false, example = "ber-main")]
    location: Option<LocationCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    item: Option<ItemId>,
    /// Units: of a movement with its sign; of a reservation what it holds, or held in the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 2)]
    quantity: Option<i64>,
    /// Movements of a shipment or return.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    movements: Vec<MovementId>,
    /// Entries of a payment, refund, shipment or return.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    journal_entries: Vec<EntryId>,
    /// What made an entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    source: Option<FactSource>,
    /// Of an entry.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    postings: Vec<FactPosting>,
}

/// Units of a line that were cancelled.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct CancelledLine {
    #[schema(value_type = String)]
    line: OrderLineId,
    #[schema(minimum = 1, example = 1)]
    quantity: i64,
}

/// What made an entry.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct FactSource {
    #[serde(rename = "type")]
    #[schema(example = "shipment")]
    kind: String,
    #[schema(example = "shp_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    id: String,
    /// As in the posting rules.
    #[schema(example = "invoice")]
    rule: String,
}

/// An amount that an entry moved.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct FactPosting {
    #[schema(value_type = String, example = "1100")]
    debit: AccountCode,
    #[schema(value_type = String, example = "4000")]
    credit: AccountCode,
    #[schema(value_type = i64, minimum = 1, example = 20_000)]
    amount_minor: PositiveAmount,
}

impl Fact {
    fn new(at: Timestamp, system: &'static str, kind: &'static str, id: String) -> Self {
        Self {
            at,
            system,
            kind,
            id,
            effective_date: None,
            amount_minor: None,
            lines: Vec::new(),
            line: None,
            location: None,
            item: None,
            quantity: None,
            movements: Vec::new(),
            journal_entries: Vec::new(),
            source: None,
            postings: Vec::new(),
        }
    }

    /// A step of the order itself.
    pub(crate) fn step(at: Timestamp, kind: &'static str, order: &OrderId) -> Self {
        Self::new(at, "sales", kind, order.to_string())
    }

    /// Units cancelled together.
    pub(crate) fn cancelled(at: Timestamp, order: &OrderId, units: &[Cancellation]) -> Self {
        let lines = units.iter().map(|units| CancelledLine {
            line: units.line.clone(),
            quantity: units.quantity,
        });
        Self {
            lines: lines.collect(),
            ..Self::step(at, "cancelled", order)
        }
    }

    pub(crate) fn payment(fact: PaymentFact) -> Self {
        let kind = if fact.is_refund { "refund" } else { "payment" };
        Self {
            effective_date: Some(fact.effective_date),
            amount_minor: Some(fact.amount),
            journal_entries: vec![fact.entry],
            ..Self::new(fact.at, "sales", kind, fact.id.to_string())
        }
    }

    /// `kind`: `shipment` or `return`.
    pub(crate) fn goods(kind: &'static str, fact: GoodsFact) -> Self {
        Self {
            effective_date: Some(fact.effective_date),
            amount_minor: Some(fact.amount),
            movements: fact.movements,
            journal_entries: fact.entries,
            ..Self::new(fact.at, "sales", kind, fact.id)
        }
    }

    pub(crate) fn movement(fact: MovementFact) -> Self {
        let id = fact.id.to_string();
        Self {
            amount_minor: Some(fact.value_delta_minor),
            location: Some(fact.location),
            item: Some(fact.item),
            quantity: Some(fact.delta),
            ..Self::new(fact.recorded_at, "warehouse", fact.kind, id)
        }
    }

    /// That stock was put aside, and what became of it.
    pub(crate) fn reservation(fact: &ReservationFact) -> impl Iterator<Item = Self> {
        let begun = ("reserved", fact.created_at);
        let steps = [Some(begun), fact.ended].into_iter().flatten();
        steps.map(|(kind, at)| Self {
            line: Some(fact.line.clone()),
            location: Some(fact.location.clone()),
            item: Some(fact.item.clone()),
            quantity: Some(fact.quantity.get()),
            ..Self::new(at, "warehouse", kind, fact.id.to_string())
        })
    }

    pub(crate) fn entry(fact: EntryFact) -> Self {
        Self {
            effective_date: Some(fact.effective_date),
            source: fact.source.map(|source| FactSource {
                kind: source.kind,
                id: source.id,
                rule: source.rule,
            }),
            postings: fact.postings.into_iter().map(FactPosting::from).collect(),
            ..Self::new(fact.recorded_at, "accounting", "entry", fact.id.to_string())
        }
    }
}

impl From<PostingFact> for FactPosting {
    fn from(posting: PostingFact) -> Self {
        Self {
            debit: posting.debit,
            credit: posting.credit,
            amount_minor: posting.amount,
        }
    }
}
