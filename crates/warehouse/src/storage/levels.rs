//! `warehouse.stock_levels`. A level's id derives from its place, so that levels are locked by primary key, in order.

use kernel::{
    AmountMinor, CurrencyCode, LocationCode, OfficeCode, Order, PageRequest, Quantity, RegionTag,
    Timestamp,
    id::{ItemId, LevelId},
};
use platform_db::{DbError, Row, Session, ToSql, offices::OfficeHome};
use uuid::Uuid;

use super::corrupt;
use crate::domain::level::{Level, PastLevel, SeenLevel, StockLevel};

/// The columns of level `l` and the SKU of its item `i`.
macro_rules! columns {
    () => {
        "l.region, l.id, l.office, l.location, l.item, i.sku, l.currency, l.on_hand, l.reserved, l.incoming, \
         l.value_minor, l.version, l.created_at, l.updated_at"
    };
}

/// What a page takes of level `s`.
macro_rules! taken {
    () => {
        "s.region, s.id, s.office, s.location, s.item, s.currency, s.on_hand, s.reserved, s.incoming, s.value_minor, \
         s.version, s.created_at, s.updated_at FROM warehouse.stock_levels AS s"
    };
}

/// The rows of a page as `l`: each office gives its first rows of `$where` from one span of an index.
macro_rules! rows {
    ($where:literal, $is_behind:literal, $direction:literal) => {
        concat!(
            "(SELECT x.region, x.id, x.office, x.location, x.item, x.currency, x.on_hand, x.reserved, x.incoming, \
                x.value_minor, x.version, x.created_at, x.updated_at \
              FROM unnest($1::TEXT[], $2::TEXT[]) AS o (region, office)",
            platform_db::first_of_each!(
                taken!(),
                concat!(
                    "s.region = o.region AND s.office = o.office",
                    $where,
                    " AND ($8::TEXT IS NULL OR s.location = $8::TEXT) AND s.created_at >= $3 AND s.created_at <= $4 \
                      AND (s.created_at, s.id) ",
                    $is_behind,
                    " ($5, $6) ORDER BY s.created_at ",
                    $direction,
                    ", s.id ",
                    $direction,
                    " LIMIT $7"
                ),
                "s.region = o.region AND s.id = $6 AND o.region IS NULL"
            ),
            " AS x ORDER BY x.created_at ",
            $direction,
            ", x.id ",
            $direction,
            " LIMIT $7) AS l JOIN warehouse.items AS i ON i.id = l.item"
        )
    };
}

macro_rules! page {
    ($where:literal, $is_behind:literal, $direction:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM ",
            rows!($where, $is_behind, $direction),
            " ORDER BY l.created_at ",
            $direction,
            ", l.id ",
            $direction
        )
    };
}

/// As [`page`], with what the level was at `$9`.
macro_rules! page_at {
    ($where:literal, $is_behind:literal, $direction:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            ", ",
            past!("$9"),
            " FROM ",
            rows!($where, $is_behind, $direction),
            " ORDER BY l.created_at ",
            $direction,
            ", l.id ",
            $direction
        )
    };
}

/// What the movements of level `l` sum to at a moment.
macro_rules! past {
    ($at:literal) => {
        concat!(
            "(SELECT coalesce(sum(m.delta), 0)::INT8 FROM ",
            movements_until!($at),
            ") AS past_on_hand, \
             (SELECT coalesce(sum(m.value_delta_minor), 0)::INT8 FROM ",
            movements_until!($at),
            ") AS past_value"
        )
    };
}

macro_rules! movements_until {
    ($at:literal) => {
        concat!(
            "warehouse.stock_movements AS m WHERE m.region = l.region AND m.location = l.location \
             AND m.item = l.item AND m.recorded_at <= ",
            $at
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
const GET_AT: &str = concat!(
    "SELECT ",
    columns!(),
    ", ",
    past!("$3"),
    " FROM warehouse.stock_levels AS l JOIN warehouse.items AS i ON i.id = l.item \
      WHERE l.region = ANY ($1) AND l.id = $2 AND l.created_at <= $3"
);
const PAGE_DESC: &str = page!("", "<", "DESC");
const PAGE_ASC: &str = page!("", ">", "ASC");
const PAGE_ITEM_DESC: &str = page!(" AND s.item = $9", "<", "DESC");
const PAGE_ITEM_ASC: &str = page!(" AND s.item = $9", ">", "ASC");
const PAGE_AT_DESC: &str = page_at!("", "<", "DESC");
const PAGE_AT_ASC: &str = page_at!("", ">", "ASC");
const PAGE_AT_ITEM_DESC: &str = page_at!(" AND s.item = $10", "<", "DESC");
const PAGE_AT_ITEM_ASC: &str = page_at!(" AND s.item = $10", ">", "ASC");
const UPSERT: &str = upsert_levels!();

pub(super) const STATEMENTS: &[&str] = &[
    LOCK,
    GET,
    GET_AT,
    PAGE_DESC,
    PAGE_ASC,
    PAGE_ITEM_DESC,
    PAGE_ITEM_ASC,
    PAGE_AT_DESC,
    PAGE_AT_ASC,
    PAGE_AT_ITEM_DESC,
    PAGE_AT_ITEM_ASC,
    UPSERT,
];

/// Which levels a list shows.
#[derive(Debug, Clone)]
pub(crate) struct LevelFilter {
    pub(crate) location: Option<LocationCode>,
    pub(crate) item: Option<ItemId>,
    /// Made at this time or later.
    pub(crate) created_from: Option<Timestamp>,
    /// Made at this time or earlier.
    pub(crate) created_to: Option<Timestamp>,
    /// What they were then.
    pub(crate) as_of: Option<Timestamp>,
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

/// The level, wherever it lives; at a moment of the past if one is given.
pub(crate) async fn get(
    session: &Session,
    regions: &[RegionTag],
    id: &LevelId,
    as_of: Option<Timestamp>,
) -> Result<Option<SeenLevel>, DbError> {
    let row = match as_of {
        None => session.row_opt(GET, &[&regions, &id.uuid()]).await?,
        Some(at) => {
            let params: [&(dyn ToSql + Sync); 3] = [&regions, &id.uuid(), &at];
            session.row_opt(GET_AT, &params).await?
        }
    };
    row.map(|row| seen(&row, as_of)).transpose()
}

pub(crate) async fn page(
    session: &Session,
    offices: &[OfficeHome],
    filter: &LevelFilter,
    page: &PageRequest,
) -> Result<Vec<SeenLevel>, DbError> {
    let (regions, offices) = OfficeHome::columns(offices);
    let (from, to) = page.created(filter.created_from, filter.created_to);
    let to = filter.as_of.map_or(to, |at| at.min(to));
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
    if let Some(at) = &filter.as_of {
        params.push(at);
    }
    if let Some(item) = &item {
        params.push(item);
    }
    let sql = match (filter.as_of.is_some(), item.is_some(), page.order) {
        (false, false, Order::Desc) => PAGE_DESC,
        (false, false, Order::Asc) => PAGE_ASC,
        (false, true, Order::Desc) => PAGE_ITEM_DESC,
        (false, true, Order::Asc) => PAGE_ITEM_ASC,
        (true, false, Order::Desc) => PAGE_AT_DESC,
        (true, false, Order::Asc) => PAGE_AT_ASC,
        (true, true, Order::Desc) => PAGE_AT_ITEM_DESC,
        (true, true, Order::Asc) => PAGE_AT_ITEM_ASC,
    };
    let rows = session.rows(sql, &params).await?;
    rows.iter().map(|row| seen(row, filter.as_of)).collect()
}

/// Writes levels of one office that are locked or new.
pub(crate) async fn upsert(
    session: &Session,
    (region, office, currency): (&RegionTag, &OfficeCode, &CurrencyCode),
    levels: &[&StockLevel],
) -> Result<u64, DbError> {
    let levels = LevelColumns::of(levels);
    let mut params: Vec<&(dyn ToSql + Sync)> = vec![region, office, currency];
    params.extend(levels.params());
    session.execute(UPSERT, &params).await
}

/// Levels as columns, for `unnest`.
#[derive(Default)]
pub(super) struct LevelColumns<'a> {
    ids: Vec<Uuid>,
    locations: Vec<&'a LocationCode>,
    items: Vec<Uuid>,
    on_hand: Vec<Quantity>,
    reserved: Vec<Quantity>,
    incoming: Vec<Quantity>,
    values: Vec<AmountMinor>,
    versions: Vec<i64>,
    created: Vec<Timestamp>,
    updated: Vec<Timestamp>,
}

impl<'a> LevelColumns<'a> {
    pub(super) fn of(levels: &[&'a StockLevel]) -> Self {
        let mut columns = Self::default();
        for stock in levels {
            columns.ids.push(stock.id.uuid());
            columns.locations.push(&stock.location);
            columns.items.push(stock.item.uuid());
            columns.on_hand.push(stock.level.on_hand());
            columns.reserved.push(stock.level.reserved());
            columns.incoming.push(stock.level.incoming());
            columns.values.push(stock.level.value());
            columns.versions.push(stock.version);
            columns.created.push(stock.created_at);
            columns.updated.push(stock.updated_at);
        }
        columns
    }

    /// `$4` to `$13` of the statement.
    pub(super) fn params(&self) -> [&(dyn ToSql + Sync); 10] {
        [
            &self.ids,
            &self.locations,
            &self.items,
            &self.on_hand,
            &self.reserved,
            &self.incoming,
            &self.values,
            &self.versions,
            &self.created,
            &self.updated,
        ]
    }
}

fn seen(row: &Row, as_of: Option<Timestamp>) -> Result<SeenLevel, DbError> {
    let past = match as_of {
        None => None,
        Some(_) => Some(PastLevel {
            on_hand: row.get("past_on_hand")?,
            value: row.get("past_value")?,
        }),
    };
    Ok(SeenLevel {
        stock: from_row(row)?,
        past,
    })
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
