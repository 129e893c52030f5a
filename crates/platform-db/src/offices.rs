//! The tables of offices and currencies. Who may change them, and how, is the business of `hub`.

use kernel::{CountryCode, CurrencyCode, LocationCode, OfficeCode, PageRequest, RegionTag, Timestamp};

use crate::{DbError, Row, Session, Txn};

/// A branch with its own books, currency and stock.
#[derive(Debug, Clone, PartialEq)]
pub struct Office {
    /// `ber`
    pub code: OfficeCode,
    /// Display name.
    pub name: String,
    /// Country.
    pub country: CountryCode,
    /// City.
    pub city: String,
    /// IANA time zone.
    pub time_zone: String,
    /// Currency of its books; never changes.
    pub currency: CurrencyCode,
    /// Degrees north, WGS 84.
    pub latitude: f64,
    /// Degrees east, WGS 84.
    pub longitude: f64,
    /// Where its rows live; never changes in v1.
    pub home_region: RegionTag,
    /// Where goods go unless told otherwise.
    pub default_location: LocationCode,
    /// Tax rate in basis points.
    pub default_tax_rate_bp: i64,
    /// Whether it is open.
    pub status: OfficeStatus,
    /// From 1, one more with every change.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Whether an office is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfficeStatus {
    /// It is.
    Active,
    /// It is not.
    Closed,
}

/// Which offices a list shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OfficeFilter {
    /// These only.
    pub codes: Option<Vec<OfficeCode>>,
    /// With this status only.
    pub status: Option<OfficeStatus>,
    /// Made at this time or later.
    pub created_from: Option<Timestamp>,
    /// Made at this time or earlier.
    pub created_to: Option<Timestamp>,
}

/// One office.
///
/// # Errors
/// [`DbError`].
pub async fn get(_session: &Session, _code: &OfficeCode) -> Result<Option<Office>, DbError> {
    unimplemented!()
}

/// One office, locked until the transaction ends.
///
/// # Errors
/// [`DbError`].
pub async fn lock(_txn: &Txn<'_>, _code: &OfficeCode) -> Result<Option<Office>, DbError> {
    unimplemented!()
}

/// A page of offices by (`created_at`, `code`), one more than asked for if there are more.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    _session: &Session,
    _filter: &OfficeFilter,
    _page: &PageRequest,
) -> Result<Vec<Office>, DbError> {
    unimplemented!()
}

/// Every active office, by code.
///
/// # Errors
/// [`DbError`].
pub async fn active(_session: &Session) -> Result<Vec<Office>, DbError> {
    unimplemented!()
}

/// Stores a new office. A code that is taken breaks the constraint `offices_pkey`.
///
/// # Errors
/// [`DbError`].
pub async fn insert(_txn: &Txn<'_>, _office: &Office) -> Result<(), DbError> {
    unimplemented!()
}

/// Stores what may change of an office, and its version.
///
/// # Errors
/// [`DbError`].
pub async fn update(_txn: &Txn<'_>, _office: &Office) -> Result<(), DbError> {
    unimplemented!()
}

/// Whether books may be kept in the currency.
///
/// # Errors
/// [`DbError`].
pub async fn has_currency(_session: &Session, _code: &CurrencyCode) -> Result<bool, DbError> {
    unimplemented!()
}

#[expect(dead_code, reason = "filled in next")]
fn from_row(_row: &Row) -> Result<Office, DbError> {
    unimplemented!()
}
