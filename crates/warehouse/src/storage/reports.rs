//! Sums over levels and movements. Each office's levels are one span of an index, and so are each level's movements
//! and active reservations.

use kernel::{
    OfficeCode, RegionTag, Timestamp,
    id::{ItemId, LevelId},
};
use platform_db::{DbError, Row, Session, offices::OfficeHome};

use super::corrupt;
use crate::{
    domain::level::unit_cost,
    reports::{OfficeValue, UnsoundLevel, UnsoundLevels, Valued},
};

macro_rules! levels {
    () => {
        " FROM unnest($1::TEXT[], $2::TEXT[]) AS o (region, office) \
          JOIN warehouse.stock_levels AS l ON l.region = o.region AND l.office = o.office "
    };
}

/// What the movements of level `l` had summed to at `$3`.
macro_rules! then {
    () => {
        " CROSS JOIN LATERAL (\
              SELECT coalesce(sum(m.delta), 0)::INT8 AS on_hand, \
                  coalesce(sum(m.value_delta_minor), 0)::INT8 AS value_minor \
              FROM warehouse.stock_movements AS m \
              WHERE m.region = l.region AND m.location = l.location AND m.item = l.item AND m.recorded_at <= $3) AS s "
    };
}

const VALUES: &str = concat!(
    "SELECT l.office, l.location, l.item, i.sku, l.currency, l.on_hand, l.value_minor",
    levels!(),
    "JOIN warehouse.items AS i ON i.id = l.item WHERE l.on_hand > 0 ORDER BY l.office, l.location, i.sku"
);
const VALUES_AT: &str = concat!(
    "SELECT l.office, l.location, l.item, i.sku, l.currency, s.on_hand, s.value_minor",
    levels!(),
    "JOIN warehouse.items AS i ON i.id = l.item",
    then!(),
    "WHERE s.on_hand > 0 ORDER BY l.office, l.location, i.sku"
);
const BY_OFFICE: &str = concat!(
    "SELECT l.office, l.currency, sum(l.value_minor)::TEXT AS value_minor",
    levels!(),
    "GROUP BY l.office, l.currency ORDER BY l.office, l.currency"
);
const BY_OFFICE_AT: &str = concat!(
    "SELECT l.office, l.currency, sum(s.value_minor)::TEXT AS value_minor",
    levels!(),
    then!(),
    "GROUP BY l.office, l.currency ORDER BY l.office, l.currency"
);
const UNSOUND: &str = concat!(
    "SELECT l.region, l.id, l.office, l.on_hand, l.reserved, m.moved::TEXT AS moved, r.held::TEXT AS held, \
        (sum(CASE WHEN l.on_hand <> m.moved THEN 1 ELSE 0 END + CASE WHEN l.reserved <> r.held THEN 1 ELSE 0 END) \
            OVER ())::INT8 AS faults",
    levels!(),
    "CROSS JOIN LATERAL (SELECT coalesce(sum(x.delta), 0) AS moved FROM warehouse.stock_movements AS x \
         WHERE x.region = l.region AND x.location = l.location AND x.item = l.item) AS m \
     CROSS JOIN LATERAL (SELECT coalesce(sum(x.quantity), 0) AS held FROM warehouse.reservations AS x \
         WHERE x.region = l.region AND x.location = l.location AND x.item = l.item AND x.status = 'active') AS r \
     WHERE l.on_hand <> m.moved OR l.reserved <> r.held ORDER BY l.region, l.id LIMIT $3"
);
const HAS_STOCK: &str = "SELECT EXISTS (SELECT 1 FROM warehouse.stock_levels WHERE region = $1 AND office = $2 \
    AND (on_hand > 0 OR incoming > 0)) AS found";

pub(super) const STATEMENTS: &[&str] = &[
    VALUES,
    VALUES_AT,
    BY_OFFICE,
    BY_OFFICE_AT,
    UNSOUND,
    HAS_STOCK,
];

/// Levels with something on hand, now or at a moment.
pub(crate) async fn values(
    session: &Session,
    offices: &[OfficeHome],
    as_of: Option<Timestamp>,
) -> Result<Vec<Valued>, DbError> {
    let (regions, codes) = OfficeHome::columns(offices);
    let rows = match as_of {
        None => session.rows(VALUES, &[&regions, &codes]).await?,
        Some(at) => session.rows(VALUES_AT, &[&regions, &codes, &at]).await?,
    };
    rows.iter().map(valued).collect()
}

fn valued(row: &Row) -> Result<Valued, DbError> {
    let (on_hand, value_minor) = (row.get("on_hand")?, row.get("value_minor")?);
    Ok(Valued {
        office: row.get("office")?,
        location: row.get("location")?,
        item: ItemId::new(RegionTag::global(), row.get("item")?),
        sku: row.get("sku")?,
        currency: row.get("currency")?,
        on_hand,
        unit_cost_minor: unit_cost(value_minor, on_hand).unwrap_or_default(),
        value_minor,
    })
}

/// What the levels of each office are worth together, now or at a moment.
pub(crate) async fn by_office(
    session: &Session,
    offices: &[OfficeHome],
    as_of: Option<Timestamp>,
) -> Result<Vec<OfficeValue>, DbError> {
    let (regions, codes) = OfficeHome::columns(offices);
    let rows = match as_of {
        None => session.rows(BY_OFFICE, &[&regions, &codes]).await?,
        Some(at) => session.rows(BY_OFFICE_AT, &[&regions, &codes, &at]).await?,
    };
    rows.iter()
        .map(|row| {
            Ok(OfficeValue {
                office: row.get("office")?,
                currency: row.get("currency")?,
                value_minor: wide(row, "value_minor")?,
            })
        })
        .collect()
}

/// Levels that break invariant I3, and the first `limit` faults.
pub(crate) async fn unsound(
    session: &Session,
    offices: &[OfficeHome],
    limit: usize,
) -> Result<UnsoundLevels, DbError> {
    let (regions, codes) = OfficeHome::columns(offices);
    let rows = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = session.rows(UNSOUND, &[&regions, &codes, &rows]).await?;
    let count = rows.first().map_or(Ok(0), |row| row.get("faults"))?;
    let mut first = Vec::new();
    for row in &rows {
        let level = LevelId::new(row.get("region")?, row.get("id")?);
        let office: OfficeCode = row.get("office")?;
        for (what, sum) in [("on_hand", "moved"), ("reserved", "held")] {
            let (found, expected) = (i128::from(row.get::<i64>(what)?), wide(row, sum)?);
            if found != expected {
                first.push(UnsoundLevel {
                    office: office.clone(),
                    level: level.clone(),
                    what,
                    expected,
                    found,
                });
            }
        }
    }
    first.truncate(limit);
    Ok(UnsoundLevels { count, first })
}

/// Whether anything lies at the office's locations, or is on its way there.
pub(crate) async fn has_stock(session: &Session, home: &OfficeHome) -> Result<bool, DbError> {
    session
        .row(HAS_STOCK, &[&home.region, &home.office])
        .await?
        .get("found")
}

/// A sum that may be larger than 64 bits.
pub(super) fn wide(row: &Row, column: &'static str) -> Result<i128, DbError> {
    row.get::<String>(column)?
        .parse()
        .map_err(|error: std::num::ParseIntError| corrupt(column, error))
}
