//! `accounting.periods`: the months that were posted into, closed or reopened.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{Month, OfficeCode, Order, PageRequest, Timestamp};
use platform_db::{DbError, Row, Session, offices::OfficeHome};

use super::word;
use crate::domain::period::{Period, PeriodStatus};

const STATUSES: &str = "SELECT period, status FROM accounting.periods \
    WHERE region = $1 AND office = $2 AND period = ANY ($3::TEXT[])";
const LOCK: &str = "SELECT region, office, period, status, reason, version, created_at, updated_at \
    FROM accounting.periods WHERE region = $1 AND office = $2 AND period = $3 FOR UPDATE";
const INSERT: &str = "INSERT INTO accounting.periods \
    (region, office, period, status, reason, version, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const UPDATE: &str = "UPDATE accounting.periods SET status = $4, reason = $5, version = $6, updated_at = $7 \
    WHERE region = $1 AND office = $2 AND period = $3";

/// What a page takes of period `x`.
macro_rules! taken {
    () => {
        "x.region, x.office, x.period, x.status, x.reason, x.version, x.created_at, x.updated_at \
         FROM accounting.periods AS x"
    };
}

/// A page: each office gives its first rows from one span of the index.
macro_rules! page {
    ($is_behind:literal, $direction:literal) => {
        concat!(
            "SELECT m.region, m.office, m.period, m.status, m.reason, m.version, m.created_at, m.updated_at \
             FROM unnest($1::TEXT[], $2::TEXT[]) AS o (region, office)",
            platform_db::first_of_each!(
                taken!(),
                concat!(
                    "x.region = o.region AND x.office = o.office AND x.created_at >= $3 AND x.created_at <= $4 \
                      AND ($9::TEXT IS NULL OR x.status = $9::TEXT) AND (x.created_at, x.period, x.office) ",
                    $is_behind,
                    " ($5, $6, $7) ORDER BY x.created_at ",
                    $direction,
                    ", x.period ",
                    $direction,
                    " LIMIT $8"
                ),
                "x.region = o.region AND x.office = o.office AND x.period = $6 AND o.region IS NULL"
            ),
            " AS m ORDER BY m.created_at ",
            $direction,
            ", m.period ",
            $direction,
            ", m.office ",
            $direction,
            " LIMIT $8"
        )
    };
}

const PAGE_DESC: &str = page!("<", "DESC");
const PAGE_ASC: &str = page!(">", "ASC");

pub(super) const STATEMENTS: &[&str] = &[STATUSES, LOCK, INSERT, UPDATE, PAGE_DESC, PAGE_ASC];

/// Which periods a list shows.
#[derive(Debug, Clone)]
pub(crate) struct PeriodFilter {
    pub(crate) status: Option<PeriodStatus>,
    /// Made at this time or later.
    pub(crate) created_from: Option<Timestamp>,
    /// Made at this time or earlier.
    pub(crate) created_to: Option<Timestamp>,
}

/// Which of the months were touched before, and whether they take postings.
pub(crate) async fn statuses(
    session: &Session,
    home: &OfficeHome,
    months: &BTreeSet<Month>,
) -> Result<BTreeMap<Month, PeriodStatus>, DbError> {
    let months: Vec<Month> = months.iter().copied().collect();
    let rows = session
        .rows(STATUSES, &[&home.region, &home.office, &months])
        .await?;
    rows.iter()
        .map(|row| Ok((row.get("period")?, word(row, "status")?)))
        .collect()
}

/// The month, locked until the transaction ends; `None` if it was never touched.
pub(crate) async fn lock(
    session: &Session,
    home: &OfficeHome,
    month: Month,
) -> Result<Option<Period>, DbError> {
    session
        .row_opt(LOCK, &[&home.region, &home.office, &month])
        .await?
        .map(|row| from_row(&row))
        .transpose()
}

pub(crate) async fn insert(session: &Session, period: &Period) -> Result<u64, DbError> {
    session
        .execute(
            INSERT,
            &[
                &period.region,
                &period.office,
                &period.month,
                &period.status.as_str(),
                &period.reason,
                &period.version,
                &period.created_at,
                &period.updated_at,
            ],
        )
        .await
}

/// Writes the members that may change.
pub(crate) async fn update(session: &Session, period: &Period) -> Result<u64, DbError> {
    session
        .execute(
            UPDATE,
            &[
                &period.region,
                &period.office,
                &period.month,
                &period.status.as_str(),
                &period.reason,
                &period.version,
                &period.updated_at,
            ],
        )
        .await
}

pub(crate) async fn page(
    session: &Session,
    offices: &[OfficeHome],
    filter: &PeriodFilter,
    page: &PageRequest,
) -> Result<Vec<Period>, DbError> {
    let sql = match page.order {
        Order::Desc => PAGE_DESC,
        Order::Asc => PAGE_ASC,
    };
    let (regions, offices) = OfficeHome::columns(offices);
    let (from, to) = page.created(filter.created_from, filter.created_to);
    let (time, position) = page.start();
    let (month, office) = position.split_once(' ').unwrap_or((position, ""));
    let status = filter.status.map(PeriodStatus::as_str);
    let rows = session
        .rows(
            sql,
            &[
                &regions,
                &offices,
                &from,
                &to,
                &time,
                &month,
                &office,
                &page.fetch(),
                &status,
            ],
        )
        .await?;
    rows.iter().map(from_row).collect()
}

/// A period's place in a page, beside its time: no two have the same.
pub(crate) fn position(month: Month, office: &OfficeCode) -> String {
    format!("{month} {office}")
}

fn from_row(row: &Row) -> Result<Period, DbError> {
    Ok(Period {
        region: row.get("region")?,
        office: row.get("office")?,
        month: row.get("period")?,
        status: word(row, "status")?,
        reason: row.get("reason")?,
        version: row.get("version")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
