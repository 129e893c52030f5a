//! What reports say of the stock. Every function is one statement: call them in one `read_snapshot` to have them of
//! one moment.

use kernel::{
    AmountMinor, CurrencyCode, LocationCode, OfficeCode, Quantity, Timestamp,
    id::{ItemId, LevelId},
};
use platform_db::{DbError, Session, offices::OfficeHome};

use crate::storage::reports;

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
