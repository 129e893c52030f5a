//! `warehouse.locations`.

use std::collections::BTreeMap;

use kernel::{LocationCode, OfficeCode, Order, PageRequest, Timestamp};
use platform_db::{DbError, Row, Session};

use super::word;
use crate::domain::location::Location;

macro_rules! select_location {
    ($rest:literal) => {
        select_location!(" ", $rest)
    };
    ($moment:literal, $rest:literal) => {
        concat!(
            "SELECT code, office, name, kind, version, created_at, updated_at \
             FROM warehouse.locations",
            $moment,
            "WHERE ",
            $rest
        )
    };
}

const GET: &str = select_location!(" /* AS OF */ ", "code = $1");
const OFFICES: &str = "SELECT code, office FROM warehouse.locations WHERE code = ANY ($1)";
const LOCK: &str = select_location!("code = $1 FOR UPDATE");
const MANY: &str = select_location!("code = ANY ($1)");
const CODES_AFTER: &str =
    "SELECT code FROM warehouse.locations WHERE code > $1 ORDER BY code LIMIT $2";
const PAGE_DESC: &str = select_location!(
    "($1::TEXT[] IS NULL OR office = ANY ($1::TEXT[])) AND created_at >= $2 AND created_at <= $3 \
     AND (created_at, code) < ($4, $5) ORDER BY created_at DESC, code DESC LIMIT $6"
);
const PAGE_ASC: &str = select_location!(
    "($1::TEXT[] IS NULL OR office = ANY ($1::TEXT[])) AND created_at >= $2 AND created_at <= $3 \
     AND (created_at, code) > ($4, $5) ORDER BY created_at ASC, code ASC LIMIT $6"
);
const INSERT: &str = "INSERT INTO warehouse.locations \
    (code, office, name, kind, version, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $6)";
const UPDATE: &str = "UPDATE warehouse.locations \
    SET name = $2, kind = $3, version = $4, updated_at = $5 WHERE code = $1";

pub(super) const STATEMENTS: &[&str] = &[
    GET,
    OFFICES,
    LOCK,
    MANY,
    CODES_AFTER,
    PAGE_DESC,
    PAGE_ASC,
    INSERT,
    UPDATE,
];

/// Which locations a list shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct LocationFilter {
    /// `None`: of every office.
    pub(crate) offices: Option<Vec<OfficeCode>>,
    /// Made at this time or later.
    pub(crate) created_from: Option<Timestamp>,
    /// Made at this time or earlier.
    pub(crate) created_to: Option<Timestamp>,
}

pub(crate) async fn get(
    session: &Session,
    code: &LocationCode,
) -> Result<Option<Location>, DbError> {
    session
        .row_opt(GET, &[code])
        .await?
        .map(|row| from_row(&row))
        .transpose()
}

/// The offices that those of the locations belong to that there are.
pub(crate) async fn offices_of(
    session: &Session,
    codes: &[LocationCode],
) -> Result<BTreeMap<LocationCode, OfficeCode>, DbError> {
    let rows = session.rows(OFFICES, &[&codes]).await?;
    rows.iter()
        .map(|row| Ok((row.get("code")?, row.get("office")?)))
        .collect()
}

/// The location, locked until the transaction ends.
pub(crate) async fn lock(
    session: &Session,
    code: &LocationCode,
) -> Result<Option<Location>, DbError> {
    session
        .row_opt(LOCK, &[code])
        .await?
        .map(|row| from_row(&row))
        .transpose()
}

/// Those of the locations that there are.
pub(crate) async fn many(
    session: &Session,
    codes: &[LocationCode],
) -> Result<Vec<Location>, DbError> {
    let rows = session.rows(MANY, &[&codes]).await?;
    rows.iter().map(from_row).collect()
}

/// The codes that follow one, in their order.
pub(crate) async fn codes_after(
    session: &Session,
    after: &str,
    limit: i64,
) -> Result<Vec<LocationCode>, DbError> {
    let rows = session.rows(CODES_AFTER, &[&after, &limit]).await?;
    rows.iter().map(|row| row.get("code")).collect()
}

pub(crate) async fn page(
    session: &Session,
    filter: &LocationFilter,
    page: &PageRequest,
) -> Result<Vec<Location>, DbError> {
    let sql = match page.order {
        Order::Desc => PAGE_DESC,
        Order::Asc => PAGE_ASC,
    };
    let (from, to) = page.created(filter.created_from, filter.created_to);
    let (time, code) = page.start();
    let rows = session
        .rows(
            sql,
            &[&filter.offices, &from, &to, &time, &code, &page.fetch()],
        )
        .await?;
    rows.iter().map(from_row).collect()
}

pub(crate) async fn insert(session: &Session, location: &Location) -> Result<u64, DbError> {
    let kind = location.kind.as_str();
    session
        .execute(
            INSERT,
            &[
                &location.code,
                &location.office,
                &location.name,
                &kind,
                &location.version,
                &location.created_at,
            ],
        )
        .await
}

pub(crate) async fn update(session: &Session, location: &Location) -> Result<u64, DbError> {
    let kind = location.kind.as_str();
    session
        .execute(
            UPDATE,
            &[
                &location.code,
                &location.name,
                &kind,
                &location.version,
                &location.updated_at,
            ],
        )
        .await
}

fn from_row(row: &Row) -> Result<Location, DbError> {
    Ok(Location {
        code: row.get("code")?,
        office: row.get("office")?,
        name: row.get("name")?,
        kind: word(row, "kind")?,
        version: row.get("version")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
