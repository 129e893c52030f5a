//! The tables of offices and currencies. Who may change them, and how, is the business of `hub`.
//!
//! A fact that decides a write is read inside its transaction (hard case 20): every function takes the session,
//! and a [`Txn`] is one.

use std::{collections::BTreeMap, str::FromStr};

use kernel::{
    CountryCode, CurrencyCode, LocationCode, OfficeCode, Order, PageRequest, RegionTag, Timestamp,
};

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

/// Why a text is not a status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not one of active, closed")]
pub struct OfficeStatusError;

impl OfficeStatus {
    /// As stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Closed => "closed",
        }
    }
}

impl FromStr for OfficeStatus {
    type Err = OfficeStatusError;

    fn from_str(text: &str) -> Result<Self, OfficeStatusError> {
        match text {
            "active" => Ok(Self::Active),
            "closed" => Ok(Self::Closed),
            _ => Err(OfficeStatusError),
        }
    }
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

const GET: &str = "
    SELECT code, name, country, city, time_zone, currency, latitude, longitude, home_region, default_location,
           default_tax_rate_bp, status, version, created_at, updated_at
    FROM platform.offices /* AS OF */
    WHERE code = $1";

const LOCK: &str = "
    SELECT code, name, country, city, time_zone, currency, latitude, longitude, home_region, default_location,
           default_tax_rate_bp, status, version, created_at, updated_at
    FROM platform.offices
    WHERE code = $1
    FOR UPDATE";

const HOME: &str = "SELECT home_region FROM platform.offices WHERE code = $1";

const HOMES: &str = "SELECT code, home_region FROM platform.offices ORDER BY code";

const ACTIVE: &str = "
    SELECT code, name, country, city, time_zone, currency, latitude, longitude, home_region, default_location,
           default_tax_rate_bp, status, version, created_at, updated_at
    FROM platform.offices
    WHERE status = 'active'
    ORDER BY code";

/// Both keys in one direction, so that a page is one span of the index.
const LIST_DESC: &str = "
    SELECT code, name, country, city, time_zone, currency, latitude, longitude, home_region, default_location,
           default_tax_rate_bp, status, version, created_at, updated_at
    FROM platform.offices
    WHERE ($1::TEXT[] IS NULL OR code = ANY($1))
      AND ($2::TEXT IS NULL OR status = $2)
      AND ($3::TIMESTAMPTZ IS NULL OR created_at >= $3)
      AND ($4::TIMESTAMPTZ IS NULL OR created_at <= $4)
      AND ($5::TIMESTAMPTZ IS NULL OR created_at <= $5)
      AND ($6::TIMESTAMPTZ IS NULL OR (created_at, code) < ($6, $7::TEXT))
    ORDER BY created_at DESC, code DESC
    LIMIT $8";

const LIST_ASC: &str = "
    SELECT code, name, country, city, time_zone, currency, latitude, longitude, home_region, default_location,
           default_tax_rate_bp, status, version, created_at, updated_at
    FROM platform.offices
    WHERE ($1::TEXT[] IS NULL OR code = ANY($1))
      AND ($2::TEXT IS NULL OR status = $2)
      AND ($3::TIMESTAMPTZ IS NULL OR created_at >= $3)
      AND ($4::TIMESTAMPTZ IS NULL OR created_at <= $4)
      AND ($5::TIMESTAMPTZ IS NULL OR created_at <= $5)
      AND ($6::TIMESTAMPTZ IS NULL OR (created_at, code) > ($6, $7::TEXT))
    ORDER BY created_at ASC, code ASC
    LIMIT $8";

const INSERT: &str = "
    INSERT INTO platform.offices
        (code, name, country, city, time_zone, currency, latitude, longitude, home_region, default_location,
         default_tax_rate_bp, status, version, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";

const UPDATE: &str = "
    UPDATE platform.offices
    SET name = $2, city = $3, time_zone = $4, latitude = $5, longitude = $6, default_location = $7,
        default_tax_rate_bp = $8, status = $9, version = $10, updated_at = $11
    WHERE code = $1";

const CURRENCIES: &str =
    "SELECT code, currency FROM platform.offices WHERE code = ANY ($1) ORDER BY code";

const TIME_ZONES: &str =
    "SELECT code, time_zone FROM platform.offices WHERE code = ANY ($1) ORDER BY code";

const HAS_CURRENCY: &str =
    "SELECT EXISTS (SELECT 1 FROM platform.currencies WHERE code = $1) AS found";

/// Every statement of this module.
pub(crate) const STATEMENTS: &[&str] = &[
    GET,
    LOCK,
    HOME,
    HOMES,
    ACTIVE,
    LIST_DESC,
    LIST_ASC,
    INSERT,
    UPDATE,
    CURRENCIES,
    TIME_ZONES,
    HAS_CURRENCY,
];

/// One office.
///
/// # Errors
/// [`DbError`].
pub async fn get(session: &Session, code: &OfficeCode) -> Result<Option<Office>, DbError> {
    session
        .row_opt(GET, &[code])
        .await?
        .map(|row| from_row(&row))
        .transpose()
}

/// One office, locked until the transaction ends, its last change observed.
///
/// # Errors
/// [`DbError`].
pub async fn lock(txn: &Txn<'_>, code: &OfficeCode) -> Result<Option<Office>, DbError> {
    let office = txn
        .row_opt(LOCK, &[code])
        .await?
        .map(|row| from_row(&row))
        .transpose()?;
    if let Some(office) = &office {
        txn.observe(office.updated_at);
    }
    Ok(office)
}

/// The home region of an office. Through [`crate::Directory`] from memory.
///
/// # Errors
/// [`DbError`].
pub async fn home(session: &Session, code: &OfficeCode) -> Result<Option<RegionTag>, DbError> {
    session
        .row_opt(HOME, &[code])
        .await?
        .map(|row| row.get("home_region"))
        .transpose()
}

/// An office, and where its rows live.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OfficeHome {
    /// Home region.
    pub region: RegionTag,
    /// The office.
    pub office: OfficeCode,
}

impl OfficeHome {
    /// The regions and the offices as two columns, for `unnest($1::TEXT[], $2::TEXT[]) AS o (region, office)`.
    #[must_use]
    pub fn columns(homes: &[Self]) -> (Vec<&RegionTag>, Vec<&OfficeCode>) {
        homes
            .iter()
            .map(|home| (&home.region, &home.office))
            .unzip()
    }
}

/// Every office with its home, by code.
///
/// # Errors
/// [`DbError`].
pub async fn homes(session: &Session) -> Result<Vec<OfficeHome>, DbError> {
    let rows = session.rows(HOMES, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(OfficeHome {
                region: row.get("home_region")?,
                office: row.get("code")?,
            })
        })
        .collect()
}

/// The currency in which each of the offices keeps its books.
///
/// # Errors
/// [`DbError`].
pub async fn currencies(
    session: &Session,
    homes: &[OfficeHome],
) -> Result<BTreeMap<OfficeCode, CurrencyCode>, DbError> {
    let (_, codes) = OfficeHome::columns(homes);
    let rows = session.rows(CURRENCIES, &[&codes]).await?;
    rows.iter()
        .map(|row| Ok((row.get("code")?, row.get("currency")?)))
        .collect()
}

/// The time zone of each of the offices.
///
/// # Errors
/// [`DbError`].
pub async fn time_zones(
    session: &Session,
    homes: &[OfficeHome],
) -> Result<BTreeMap<OfficeCode, String>, DbError> {
    let (_, codes) = OfficeHome::columns(homes);
    let rows = session.rows(TIME_ZONES, &[&codes]).await?;
    rows.iter()
        .map(|row| Ok((row.get("code")?, row.get("time_zone")?)))
        .collect()
}

/// A page of offices by (`created_at`, `code`), one more than asked for if there are more.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    session: &Session,
    filter: &OfficeFilter,
    page: &PageRequest,
) -> Result<Vec<Office>, DbError> {
    let sql = match page.order {
        Order::Desc => LIST_DESC,
        Order::Asc => LIST_ASC,
    };
    let after = page.after.as_ref();
    let rows = session
        .rows(
            sql,
            &[
                &filter.codes,
                &filter.status.map(OfficeStatus::as_str),
                &filter.created_from,
                &filter.created_to,
                &page.snapshot,
                &after.map(|position| position.created_at),
                &after.map(|position| position.id.as_str()),
                &(i64::from(page.limit) + 1),
            ],
        )
        .await?;
    rows.iter().map(from_row).collect()
}

/// Every active office, by code.
///
/// # Errors
/// [`DbError`].
pub async fn active(session: &Session) -> Result<Vec<Office>, DbError> {
    session
        .rows(ACTIVE, &[])
        .await?
        .iter()
        .map(from_row)
        .collect()
}

/// Stores a new office. A code that is taken breaks the constraint `offices_pkey`.
///
/// # Errors
/// [`DbError`].
pub async fn insert(txn: &Txn<'_>, office: &Office) -> Result<(), DbError> {
    txn.execute(
        INSERT,
        &[
            &office.code,
            &office.name,
            &office.country,
            &office.city,
            &office.time_zone,
            &office.currency,
            &office.latitude,
            &office.longitude,
            &office.home_region,
            &office.default_location,
            &office.default_tax_rate_bp,
            &office.status.as_str(),
            &office.version,
            &office.created_at,
            &office.updated_at,
        ],
    )
    .await
    .map(drop)
}

/// Stores what may change of an office, its version and its time.
///
/// # Errors
/// [`DbError`].
pub async fn update(txn: &Txn<'_>, office: &Office) -> Result<(), DbError> {
    txn.execute(
        UPDATE,
        &[
            &office.code,
            &office.name,
            &office.city,
            &office.time_zone,
            &office.latitude,
            &office.longitude,
            &office.default_location,
            &office.default_tax_rate_bp,
            &office.status.as_str(),
            &office.version,
            &office.updated_at,
        ],
    )
    .await
    .map(drop)
}

/// Whether books may be kept in the currency.
///
/// # Errors
/// [`DbError`].
pub async fn has_currency(session: &Session, code: &CurrencyCode) -> Result<bool, DbError> {
    session.row(HAS_CURRENCY, &[code]).await?.get("found")
}

fn from_row(row: &Row) -> Result<Office, DbError> {
    let status: String = row.get("status")?;
    Ok(Office {
        code: row.get("code")?,
        name: row.get("name")?,
        country: row.get("country")?,
        city: row.get("city")?,
        time_zone: row.get("time_zone")?,
        currency: row.get("currency")?,
        latitude: row.get("latitude")?,
        longitude: row.get("longitude")?,
        home_region: row.get("home_region")?,
        default_location: row.get("default_location")?,
        default_tax_rate_bp: row.get("default_tax_rate_bp")?,
        status: status
            .parse()
            .map_err(|source: OfficeStatusError| DbError::Decode {
                column: "status".into(),
                source: std::sync::Arc::new(source),
            })?,
        version: row.get("version")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
