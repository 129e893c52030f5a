//! `warehouse.stock_movements`: rows are only ever added.

use kernel::{
    AmountMinor, CurrencyCode, LocationCode, OfficeCode, Order, PageRequest, RegionTag, Timestamp,
    id::{EntryId, ItemId, MovementId},
};
use platform_db::{DbError, Row, Session, ToSql, offices::OfficeHome};
use uuid::Uuid;

use super::{corrupt, levels::LevelColumns, word};
use crate::domain::{
    level::StockLevel,
    movement::{Movement, MovementKind, Reason},
};

/// The columns of movement `m` and the SKU of its item `i`.
macro_rules! columns {
    () => {
        "m.region, m.id, m.office, m.location, m.item, i.sku, m.currency, m.delta, m.value_delta_minor, m.kind, \
         m.reason, m.reference, m.journal_entry, m.recorded_at, m.recorded_by"
    };
}

/// What a page takes of movement `x`.
macro_rules! taken {
    () => {
        "x.region, x.id, x.office, x.location, x.item, x.currency, x.delta, x.value_delta_minor, x.kind, x.reason, \
         x.reference, x.journal_entry, x.recorded_at, x.recorded_by FROM warehouse.stock_movements AS x"
    };
}

/// A page: `$from` yields places, each of which gives its first rows of `$where` from one span of an index.
macro_rules! page {
    ($from:literal, $where:literal, $is_behind:literal, $direction:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM unnest($1::TEXT[], $2::TEXT[]) AS o (region, office) ",
            $from,
            platform_db::first_of_each!(
                taken!(),
                concat!(
                    $where,
                    " AND ($8::TEXT IS NULL OR x.location = $8::TEXT) AND ($9::TEXT IS NULL OR x.kind = $9::TEXT) \
                      AND ($10::UUID IS NULL OR x.item = $10::UUID) AND ($11::TEXT IS NULL OR x.reference = $11::TEXT) \
                      AND x.recorded_at >= $3 AND x.recorded_at <= $4 AND (x.recorded_at, x.id) ",
                    $is_behind,
                    " ($5, $6) ORDER BY x.recorded_at ",
                    $direction,
                    ", x.id ",
                    $direction,
                    " LIMIT $7"
                ),
                "x.region = o.region AND x.id = $6 AND o.region IS NULL"
            ),
            " AS m JOIN warehouse.items AS i ON i.id = m.item ORDER BY m.recorded_at ",
            $direction,
            ", m.id ",
            $direction,
            " LIMIT $7"
        )
    };
}

macro_rules! of_item {
    ($is_behind:literal, $direction:literal) => {
        page!(
            "JOIN warehouse.stock_levels AS l ON l.region = o.region AND l.office = o.office AND l.item = $10::UUID",
            "x.region = l.region AND x.location = l.location AND x.item = l.item",
            $is_behind,
            $direction
        )
    };
}

macro_rules! of_reference {
    ($is_behind:literal, $direction:literal) => {
        page!(
            "",
            "x.region = o.region AND x.office = o.office AND x.reference = $11::TEXT",
            $is_behind,
            $direction
        )
    };
}

const GET: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM warehouse.stock_movements AS m JOIN warehouse.items AS i ON i.id = m.item \
      WHERE m.region = ANY ($1) AND m.id = $2"
);
const PAGE_DESC: &str = page!(
    "",
    "x.region = o.region AND x.office = o.office",
    "<",
    "DESC"
);
const PAGE_ASC: &str = page!(
    "",
    "x.region = o.region AND x.office = o.office",
    ">",
    "ASC"
);
const PAGE_ITEM_DESC: &str = of_item!("<", "DESC");
const PAGE_ITEM_ASC: &str = of_item!(">", "ASC");
const PAGE_REFERENCE_DESC: &str = of_reference!("<", "DESC");
const PAGE_REFERENCE_ASC: &str = of_reference!(">", "ASC");

/// With the levels in the same statement: foreign keys are looked at when the whole of it is done, and of two statements
/// sent together the second may be first, where one has to be prepared.
const INSERT: &str = concat!(
    "WITH level AS (",
    upsert_levels!(),
    " RETURNING 1) INSERT INTO warehouse.stock_movements \
    (region, id, office, location, item, currency, delta, value_delta_minor, kind, reason, reference, journal_entry, \
     recorded_at, recorded_by) \
    SELECT $1::TEXT, n.id, $2::TEXT, n.location, n.item, $3::TEXT, n.delta, n.value_delta_minor, n.kind, n.reason, \
        n.reference, n.journal_entry, n.recorded_at, n.recorded_by \
    FROM unnest($14::UUID[], $15::TEXT[], $16::UUID[], $17::INT8[], $18::INT8[], $19::TEXT[], $20::TEXT[], \
            $21::TEXT[], $22::UUID[], $23::TIMESTAMPTZ[], $24::TEXT[]) \
        AS n (id, location, item, delta, value_delta_minor, kind, reason, reference, journal_entry, recorded_at, \
              recorded_by)"
);

pub(super) const STATEMENTS: &[&str] = &[
    GET,
    PAGE_DESC,
    PAGE_ASC,
    PAGE_ITEM_DESC,
    PAGE_ITEM_ASC,
    PAGE_REFERENCE_DESC,
    PAGE_REFERENCE_ASC,
    INSERT,
];

/// Which movements a list shows.
#[derive(Debug, Clone)]
pub(crate) struct MovementFilter {
    pub(crate) location: Option<LocationCode>,
    pub(crate) item: Option<ItemId>,
    pub(crate) kind: Option<MovementKind>,
    /// What the client calls it.
    pub(crate) reference: Option<String>,
    /// Recorded at this time or later.
    pub(crate) created_from: Option<Timestamp>,
    /// Recorded at this time or earlier.
    pub(crate) created_to: Option<Timestamp>,
}

/// The movement, wherever it lives.
pub(crate) async fn get(
    session: &Session,
    regions: &[RegionTag],
    id: &MovementId,
) -> Result<Option<Movement>, DbError> {
    session
        .row_opt(GET, &[&regions, &id.uuid()])
        .await?
        .map(|row| from_row(&row))
        .transpose()
}

pub(crate) async fn page(
    session: &Session,
    offices: &[OfficeHome],
    filter: &MovementFilter,
    page: &PageRequest,
) -> Result<Vec<Movement>, DbError> {
    let (regions, offices) = OfficeHome::columns(offices);
    let (from, to) = page.created(filter.created_from, filter.created_to);
    let (time, id) = page.start();
    // An id that is none comes from a cursor that we did not make; behind it lies what lies behind its time.
    let id = id.parse().unwrap_or(Uuid::nil());
    let limit = page.fetch();
    let (kind, item) = (
        filter.kind.map(MovementKind::as_str),
        filter.item.as_ref().map(ItemId::uuid),
    );
    let params: &[&(dyn ToSql + Sync)] = &[
        &regions,
        &offices,
        &from,
        &to,
        &time,
        &id,
        &limit,
        &filter.location,
        &kind,
        &item,
        &filter.reference,
    ];
    // Along the index that leaves least to look at.
    let sql = match (filter.reference.is_some(), item.is_some(), page.order) {
        (true, _, Order::Desc) => PAGE_REFERENCE_DESC,
        (true, _, Order::Asc) => PAGE_REFERENCE_ASC,
        (false, true, Order::Desc) => PAGE_ITEM_DESC,
        (false, true, Order::Asc) => PAGE_ITEM_ASC,
        (false, false, Order::Desc) => PAGE_DESC,
        (false, false, Order::Asc) => PAGE_ASC,
    };
    let rows = session.rows(sql, params).await?;
    rows.iter().map(from_row).collect()
}

/// Adds movements of one office, whose entries are there, and writes the levels that they moved.
pub(crate) async fn insert(
    session: &Session,
    (region, office, currency): (&RegionTag, &OfficeCode, &CurrencyCode),
    levels: &[&StockLevel],
    new: &[Movement],
) -> Result<u64, DbError> {
    let ids: Vec<Uuid> = new.iter().map(|new| new.id.uuid()).collect();
    let locations: Vec<&LocationCode> = new.iter().map(|new| &new.location).collect();
    let items: Vec<Uuid> = new.iter().map(|new| new.item.uuid()).collect();
    let deltas: Vec<i64> = new.iter().map(|new| new.delta).collect();
    let values: Vec<AmountMinor> = new.iter().map(|new| new.value_delta).collect();
    let kinds: Vec<&str> = new.iter().map(|new| new.kind.as_str()).collect();
    let reasons: Vec<Option<&str>> = new
        .iter()
        .map(|new| new.reason.map(Reason::as_str))
        .collect();
    let references: Vec<Option<&str>> = new.iter().map(|new| new.reference.as_deref()).collect();
    let entries: Vec<Option<Uuid>> = new
        .iter()
        .map(|new| new.journal_entry.as_ref().map(EntryId::uuid))
        .collect();
    let times: Vec<_> = new.iter().map(|new| new.recorded_at).collect();
    let people: Vec<&str> = new.iter().map(|new| new.recorded_by.as_str()).collect();
    let levels = LevelColumns::of(levels);
    let mut params: Vec<&(dyn ToSql + Sync)> = vec![region, office, currency];
    params.extend(levels.params());
    let movements: [&(dyn ToSql + Sync); 11] = [
        &ids,
        &locations,
        &items,
        &deltas,
        &values,
        &kinds,
        &reasons,
        &references,
        &entries,
        &times,
        &people,
    ];
    params.extend(movements);
    session.execute(INSERT, &params).await
}

fn from_row(row: &Row) -> Result<Movement, DbError> {
    let region: RegionTag = row.get("region")?;
    let entry: Option<Uuid> = row.get("journal_entry")?;
    let reason: Option<String> = row.get("reason")?;
    Ok(Movement {
        id: MovementId::new(region.clone(), row.get("id")?),
        office: row.get("office")?,
        location: row.get("location")?,
        item: ItemId::new(RegionTag::global(), row.get("item")?),
        sku: row.get("sku")?,
        currency: row.get("currency")?,
        delta: row.get("delta")?,
        value_delta: row.get("value_delta_minor")?,
        kind: word(row, "kind")?,
        reason: reason
            .map(|reason| reason.parse())
            .transpose()
            .map_err(|error| corrupt("reason", error))?,
        reference: row.get("reference")?,
        journal_entry: entry.map(|entry| EntryId::new(region, entry)),
        recorded_at: row.get("recorded_at")?,
        recorded_by: row.get("recorded_by")?,
    })
}
