//! `warehouse.stock_levels`. A level's id derives from its place, so that levels are locked by primary key, in order.

use kernel::{
    AmountMinor, CurrencyCode, LocationCode, OfficeCode, Order, PageRequest, Quantity, RegionTag,
    Timestamp,
    id::{ItemId, LevelId},
};
use platform_db::{DbError, Row, Session, ToSql, offices::OfficeHome};
use uuid::Uuid;

use super::corrupt;
use crate::domain::level::{Level, StockLevel};

/// The columns of level `l` and the SKU of its item `i`.
macro_rules! columns {
    () => {
        "l.region, l.id, l.office, l.location, l.item, i.sku, l.currency, l.on_hand, l.reserved, l.incoming, \
         l.value_minor, l.version, l.created_at, l.updated_at"
    };
}

/// A page: each office gives its first rows of `$where` from one span of an index.
macro_rules! page {
    ($where:expr, $is_behind:literal, $direction:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM unnest($1::TEXT[], $2::TEXT[]) AS o (region, office) \
              CROSS JOIN LATERAL (SELECT x.region, x.id, x.office, x.location, x.item, x.currency, x.on_hand, \
                  x.reserved, x.incoming, x.value_minor, x.version, x.created_at, x.updated_at \
              FROM warehouse.stock_levels AS x \
              WHERE x.region = o.region AND x.office = o.office",
            $where,
            " AND ($8::TEXT IS NULL OR x.location = $8::TEXT) AND x.created_at >= $3 AND x.created_at <= $4 \
              AND (x.created_at, x.id) ",
            $is_behind,
            " ($5, $6) ORDER BY x.created_at ",
            $direction,
            ", x.id ",
            $direction,
            " LIMIT $7) AS l JOIN warehouse.items AS i ON i.id = l.item ORDER BY l.created_at ",
            $direction,
            ", l.id ",
            $direction,
            " LIMIT $7"
        )
    };
}

const LOCK: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM warehouse.stock_levels AS l JOIN warehouse.items AS i ON i.id = l.item \
      WHERE l.region = $1 AND l.id = ANY ($2) ORDER BY l.id FOR UPDATE OF l"
);
const GET: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM warehouse.stock_levels AS l JOIN warehouse.items AS i ON i.id = l.item \
      WHERE l.region = ANY ($1) AND l.id = $2"
);
const PAGE_DESC: &str = page!("", "<", "DESC");
const PAGE_ASC: &str = page!("", ">", "ASC");
const PAGE_ITEM_DESC: &str = page!(" AND x.item = $9", "<", "DESC");
const PAGE_ITEM_ASC: &str = page!(" AND x.item = $9", ">", "ASC");
/// One level at most is in the way of each: its own, which is locked or was not there.
const UPSERT: &str = "INSERT INTO warehouse.stock_levels \
    (region, id, office, location, item, currency, on_hand, reserved, incoming, value_minor, version, created_at, \
     updated_at) \
    SELECT $1::TEXT, n.id, $2::TEXT, n.location, n.item, $3::TEXT, n.on_hand, n.reserved, n.incoming, n.value_minor, \
        n.version, n.created_at, n.updated_at \
    FROM unnest($4::UUID[], $5::TEXT[], $6::UUID[], $7::INT8[], $8::INT8[], $9::INT8[], $10::INT8[], $11::INT8[], \
            $12::TIMESTAMPTZ[], $13::TIMESTAMPTZ[]) \
        AS n (id, location, item, on_hand, reserved, incoming, value_minor, version, created_at, updated_at) \
    ON CONFLICT (region, id) DO UPDATE SET on_hand = excluded.on_hand, reserved = excluded.reserved, \
        incoming = excluded.incoming, value_minor = excluded.value_minor, version = excluded.version, \
        updated_at = excluded.updated_at";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    LOCK,
    GET,
    PAGE_DESC,
    PAGE_ASC,
    PAGE_ITEM_DESC,
    PAGE_ITEM_ASC,
    UPSERT,
];

/// Which levels a list shows.
#[derive(Debug, Clone)]
pub(crate) struct LevelFilter {
    pub(crate) offices: Vec<OfficeHome>,
    pub(crate) location: Option<LocationCode>,
    pub(crate) item: Option<ItemId>,
    /// Made at this time or later.
    pub(crate) created_from: Option<Timestamp>,
    /// Made at this time or earlier.
    pub(crate) created_to: Option<Timestamp>,
}

/// Those of the levels that there are, locked by id until the transaction ends.
pub(crate) async fn lock(
    session: &Session,
    region: &RegionTag,
    ids: &[Uuid],
) -> Result<Vec<StockLevel>, DbError> {
    let rows = session.rows(LOCK, &[region, &ids]).await?;
    rows.iter().map(from_row).collect()
}

/// The level, wherever it lives.
pub(crate) async fn get(
    session: &Session,
    regions: &[RegionTag],
    id: &LevelId,
) -> Result<Option<StockLevel>, DbError> {
    session
        .row_opt(GET, &[&regions, &id.uuid()])
        .await?
        .map(|row| from_row(&row))
        .transpose()
}

pub(crate) async fn page(
    session: &Session,
    filter: &LevelFilter,
    page: &PageRequest,
) -> Result<Vec<StockLevel>, DbError> {
    let (regions, offices) = OfficeHome::columns(&filter.offices);
    let (from, to) = page.created(filter.created_from, filter.created_to);
    let (time, id) = page.start();
    // An id that is none comes from a cursor that we did not make; behind it lies what lies behind its time.
    let id = id.parse().unwrap_or(Uuid::nil());
    let limit = page.fetch();
    let item = filter.item.as_ref().map(ItemId::uuid);
    let mut params: Vec<&(dyn ToSql + Sync)> = vec![
        &regions,
        &offices,
        &from,
        &to,
        &time,
        &id,
        &limit,
        &filter.location,
    ];
    let sql = match (&item, page.order) {
        (None, Order::Desc) => PAGE_DESC,
        (None, Order::Asc) => PAGE_ASC,
        (Some(item), order) => {
            params.push(item);
            match order {
                Order::Desc => PAGE_ITEM_DESC,
                Order::Asc => PAGE_ITEM_ASC,
            }
        }
    };
    let rows = session.rows(sql, &params).await?;
    rows.iter().map(from_row).collect()
}

/// Writes levels of one office that are locked or new.
pub(crate) async fn upsert(
    session: &Session,
    (region, office, currency): (&RegionTag, &OfficeCode, &CurrencyCode),
    levels: &[&StockLevel],
) -> Result<u64, DbError> {
    let ids: Vec<Uuid> = levels.iter().map(|new| new.id.uuid()).collect();
    let locations: Vec<&LocationCode> = levels.iter().map(|new| &new.location).collect();
    let items: Vec<Uuid> = levels.iter().map(|new| new.item.uuid()).collect();
    let on_hand: Vec<Quantity> = levels.iter().map(|new| new.level.on_hand()).collect();
    let reserved: Vec<Quantity> = levels.iter().map(|new| new.level.reserved()).collect();
    let incoming: Vec<Quantity> = levels.iter().map(|new| new.level.incoming()).collect();
    let values: Vec<AmountMinor> = levels.iter().map(|new| new.level.value()).collect();
    let versions: Vec<i64> = levels.iter().map(|new| new.version).collect();
    let created: Vec<Timestamp> = levels.iter().map(|new| new.created_at).collect();
    let updated: Vec<Timestamp> = levels.iter().map(|new| new.updated_at).collect();
    session
        .execute(
            UPSERT,
            &[
                region, office, currency, &ids, &locations, &items, &on_hand, &reserved, &incoming,
                &values, &versions, &created, &updated,
            ],
        )
        .await
}

fn from_row(row: &Row) -> Result<StockLevel, DbError> {
    let level = Level::restore(
        row.get("on_hand")?,
        row.get("reserved")?,
        row.get("incoming")?,
        row.get("value_minor")?,
    );
    Ok(StockLevel {
        id: LevelId::new(row.get("region")?, row.get("id")?),
        office: row.get("office")?,
        location: row.get("location")?,
        item: ItemId::new(RegionTag::global(), row.get("item")?),
        sku: row.get("sku")?,
        currency: row.get("currency")?,
        level: level.ok_or_else(|| corrupt("on_hand", "does not go with the level's rest"))?,
        version: row.get("version")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
