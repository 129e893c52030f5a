//! What reports say of the stock. Every function is one statement: call them in one `read_snapshot` to have them of
//! one moment.

use kernel::{
    AmountMinor, CurrencyCode, LocationCode, OfficeCode, Quantity, RegionTag, Timestamp,
    id::{ItemId, LevelId, MovementId, OrderLineId, ReservationId},
};
use platform_db::{DbError, Session, offices::OfficeHome};
use uuid::Uuid;

use crate::storage::{facts, reports};

/// Offenders that are named.
const OFFENDERS_MAX: usize = 10;

/// The stock of one item at one location, and what it is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Valued {
    /// The office.
    pub office: OfficeCode,
    /// Where it lies.
    pub location: LocationCode,
    /// The item.
    pub item: ItemId,
    /// Its SKU.
    pub sku: String,
    /// Currency of the value.
    pub currency: CurrencyCode,
    /// More than nothing.
    pub on_hand: Quantity,
    /// `value_minor ÷ on_hand`, half-up.
    pub unit_cost_minor: AmountMinor,
    /// What it cost together, in minor units.
    pub value_minor: AmountMinor,
}

/// What the stock of an office is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfficeValue {
    /// The office.
    pub office: OfficeCode,
    /// Currency of the value.
    pub currency: CurrencyCode,
    /// The sum of its levels, in minor units, exact however large.
    pub value_minor: i128,
}

/// What does not hold of the levels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsoundLevels {
    /// How often a level is not explained.
    pub count: i64,
    /// The first ten times, by region and id.
    pub first: Vec<UnsoundLevel>,
}

/// A level that says something else than what explains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsoundLevel {
    /// The level.
    pub level: LevelId,
    /// Its office.
    pub office: OfficeCode,
    /// `on_hand` or `reserved`.
    pub what: &'static str,
    /// What its movements or its active reservations add up to.
    pub expected: i128,
    /// What it says.
    pub found: i128,
}

/// A change of stock, for those who tell the story of what it was for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovementFact {
    /// The movement.
    pub id: MovementId,
    /// Where.
    pub location: LocationCode,
    /// Of what.
    pub item: ItemId,
    /// Units that came (positive) or went (negative).
    pub delta: i64,
    /// What they were worth.
    pub value_delta_minor: AmountMinor,
    /// `issue`, `return`.
    pub kind: &'static str,
    /// When.
    pub recorded_at: Timestamp,
}

/// Stock put aside for the line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationFact {
    /// The reservation.
    pub id: ReservationId,
    /// The line.
    pub line: OrderLineId,
    /// Where.
    pub location: LocationCode,
    /// Of what.
    pub item: ItemId,
    /// What it holds, or held in the end.
    pub quantity: Quantity,
    /// When it was made.
    pub created_at: Timestamp,
    /// What became of it, `consumed`, `released` or `expired`, and when; `None` while it is active.
    pub ended: Option<(&'static str, Timestamp)>,
}

/// What is put aside for the line of an order for as long as the order wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLine {
    /// The office.
    pub office: OfficeCode,
    /// The line.
    pub line: OrderLineId,
    /// The sum of its active reservations, exact however large.
    pub held: i128,
}

/// Every level with something on hand, by office, location and SKU; with `as_of` as its movements up to then make it.
///
/// # Errors
/// [`DbError`].
pub async fn valuation(
    session: &Session,
    offices: &[OfficeHome],
    as_of: Option<Timestamp>,
) -> Result<Vec<Valued>, DbError> {
    reports::values(session, offices, as_of).await
}

/// What the stock of each office is worth; offices that never had any are left out.
///
/// # Errors
/// [`DbError`].
pub async fn values_by_office(
    session: &Session,
    offices: &[OfficeHome],
    as_of: Option<Timestamp>,
) -> Result<Vec<OfficeValue>, DbError> {
    reports::by_office(session, offices, as_of).await
}

/// Invariant I3: what a level has on hand is the sum of its movements, what it has reserved that of its active
/// reservations.
///
/// # Errors
/// [`DbError`].
pub async fn check_levels(
    session: &Session,
    offices: &[OfficeHome],
) -> Result<UnsoundLevels, DbError> {
    reports::unsound(session, offices, OFFENDERS_MAX).await
}

/// Those of the movements that are in a region, oldest first.
///
/// # Errors
/// [`DbError`].
pub async fn movements(
    session: &Session,
    region: &RegionTag,
    ids: &[Uuid],
) -> Result<Vec<MovementFact>, DbError> {
    facts::movements(session, region, ids).await
}

/// Every reservation ever made for these lines of a region, oldest first.
///
/// # Errors
/// [`DbError`].
pub async fn reservations(
    session: &Session,
    region: &RegionTag,
    lines: &[Uuid],
) -> Result<Vec<ReservationFact>, DbError> {
    facts::reservations(session, region, lines).await
}

/// What is put aside for lines of orders and does not end by itself.
///
/// # Errors
/// [`DbError`].
pub async fn held_for_lines(
    session: &Session,
    offices: &[OfficeHome],
) -> Result<Vec<HeldLine>, DbError> {
    facts::held(session, offices).await
}

/// The SKUs of items.
///
/// # Errors
/// [`DbError`].
pub async fn skus(session: &Session, items: &[ItemId]) -> Result<Vec<(ItemId, String)>, DbError> {
    facts::skus(session, items).await
}
