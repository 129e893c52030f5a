//! Whether every acknowledged write has exactly one effect, and the feed every event that a write made.
//!
//! Rows of both sides are added up side by side, under what they have in common: each table is read once, along its key,
//! and no row is looked up one by one.

use std::time::Duration;

use kernel::{OfficeCode, RegionTag, Timestamp};

use crate::{DbError, Row, Session, offices::OfficeHome};

/// Events of older writes may be gone: the feed keeps them for 30 days.
const EVENTS_KEPT: Duration = Duration::from_secs(29 * 24 * 3600);

/// Rows that belong to none of the offices (or to no office at all).
macro_rules! is_hidden {
    () => {
        "CASE WHEN d.office IS NULL OR d.office = ANY ($2) THEN 0 ELSE 1 END::INT8 AS hidden"
    };
}

/// Keys that were acknowledged, with other than one audit row; an audit row whose key row is gone is fine. Both ids
/// derive from principal and key alike.
const KEYS: &str = concat!(
    "SELECT x.region, max(x.request_id) AS request_id, sum(x.audits)::INT8 AS found, count(*) OVER () AS faults FROM (\
     SELECT d.region, d.id, d.request_id, 1::INT8 AS keys, 0::INT8 AS audits, ",
    is_hidden!(),
    " FROM unnest($1::TEXT[]) AS r (region) JOIN platform.idempotency_keys AS d ON d.region = r.region \
     WHERE d.status IS NOT NULL \
     UNION ALL \
     SELECT d.region, d.id, d.request_id, 0::INT8 AS keys, 1::INT8 AS audits, ",
    is_hidden!(),
    " FROM unnest($1::TEXT[]) AS r (region) JOIN platform.audit_log AS d ON d.region = r.region\
     ) AS x GROUP BY x.region, x.id \
     HAVING sum(x.hidden) = 0 AND (sum(x.audits) > 1 OR (sum(x.keys) > 0 AND sum(x.audits) <> 1)) \
     ORDER BY x.region, max(x.request_id), x.id LIMIT $3"
);

/// Requests with other events than their audit rows list. A request that wrote to other offices too is not looked at.
const EVENTS: &str = concat!(
    "SELECT x.region, x.request_id, sum(x.listed)::INT8 AS expected, sum(x.kept)::INT8 AS found, \
         count(*) OVER () AS faults FROM (\
     SELECT d.region, d.request_id, coalesce(array_length(d.event_ids, 1), 0)::INT8 AS listed, 0::INT8 AS kept, ",
    is_hidden!(),
    " FROM unnest($1::TEXT[]) AS r (region) JOIN platform.audit_log AS d ON d.region = r.region AND d.at >= $4 \
     UNION ALL \
     SELECT d.region, d.request_id, 0::INT8 AS listed, 1::INT8 AS kept, ",
    is_hidden!(),
    " FROM unnest($1::TEXT[]) AS r (region) JOIN platform.events AS d ON d.region = r.region AND d.time >= $4\
     ) AS x GROUP BY x.region, x.request_id HAVING sum(x.hidden) = 0 AND sum(x.listed) <> sum(x.kept) \
     ORDER BY x.region, x.request_id LIMIT $3"
);

/// Every statement of this module.
pub(crate) const STATEMENTS: &[&str] = &[KEYS, EVENTS];

/// What does not hold of writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsoundWrites {
    /// How often.
    pub count: i64,
    /// The first of them.
    pub first: Vec<UnsoundWrite>,
}

/// A write with other effects than one, or with other events than it made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsoundWrite {
    /// Id of the request that wrote, as text.
    pub request_id: String,
    /// How many there must be.
    pub expected: i64,
    /// How many there are.
    pub found: i64,
}

/// Invariant I6, of keys: every key that was acknowledged for one of the offices (or for none) has exactly one audit
/// row, and no key has more. One statement.
///
/// # Errors
/// [`DbError`].
pub async fn check_keys(
    session: &Session,
    homes: &[OfficeHome],
    limit: i64,
) -> Result<UnsoundWrites, DbError> {
    let (regions, codes) = regions_and_codes(homes);
    let rows = session.rows(KEYS, &[&regions, &codes, &limit]).await?;
    unsound(&rows, |_| Ok(1))
}

/// Invariant I6, of events: of every write the feed has the events that its audit row lists, as long as it keeps them.
/// One statement.
///
/// # Errors
/// [`DbError`].
pub async fn check_events(
    session: &Session,
    homes: &[OfficeHome],
    (now, limit): (Timestamp, i64),
) -> Result<UnsoundWrites, DbError> {
    let (regions, codes) = regions_and_codes(homes);
    let since = now.minus(EVENTS_KEPT);
    let rows = session
        .rows(EVENTS, &[&regions, &codes, &limit, &since])
        .await?;
    unsound(&rows, |row| row.get("expected"))
}

fn regions_and_codes(homes: &[OfficeHome]) -> (Vec<&RegionTag>, Vec<&OfficeCode>) {
    let (mut regions, codes) = OfficeHome::columns(homes);
    regions.sort_unstable();
    regions.dedup();
    (regions, codes)
}

fn unsound(
    rows: &[Row],
    expected: impl Fn(&Row) -> Result<i64, DbError>,
) -> Result<UnsoundWrites, DbError> {
    let count = rows.first().map_or(Ok(0), |row| row.get("faults"))?;
    let first = rows.iter().map(|row| {
        Ok(UnsoundWrite {
            request_id: row.get("request_id")?,
            expected: expected(row)?,
            found: row.get("found")?,
        })
    });
    Ok(UnsoundWrites {
        count,
        first: first.collect::<Result<_, DbError>>()?,
    })
}
