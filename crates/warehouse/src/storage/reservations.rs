//! `warehouse.reservations`. Whoever changes one has locked its level before, so that a level's reservations are
//! one writer's at a time.

use kernel::{
    LocationCode, OfficeCode, Order, PageRequest, Quantity, RegionTag, Timestamp,
    id::{ItemId, OrderLineId, ReservationId},
};
use platform_db::{DbError, Row, Session, ToSql, offices::OfficeHome};
use uuid::Uuid;

use super::word;
use crate::domain::reservation::{Reservation, ReservationStatus};

/// The columns of reservation `r` and the SKU of its item `i`.
macro_rules! columns {
    () => {
        "r.region, r.id, r.office, r.location, r.item, i.sku, r.quantity, r.order_line, r.status, r.expires_at, \
         r.version, r.created_at, r.updated_at"
    };
}

macro_rules! select_reservation {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM warehouse.reservations AS r \
              JOIN warehouse.items AS i ON i.id = r.item WHERE ",
            $rest
        )
    };
}

/// What a page takes of reservation `x`.
macro_rules! taken {
    () => {
        "x.region, x.id, x.office, x.location, x.item, x.quantity, x.order_line, x.status, x.expires_at, x.version, \
         x.created_at, x.updated_at FROM warehouse.reservations AS x"
    };
}

/// A page: `$from` yields places, each of which gives its first rows of `$where` from one span of an index.
macro_rules! page {
    ($from:expr, $where:expr, $is_behind:literal, $direction:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM unnest($1::TEXT[], $2::TEXT[]) AS o (region, office) ",
            $from,
            platform_db::first_of_each!(
                taken!(),
                concat!(
                    $where,
                    " AND ($8::TEXT IS NULL OR x.location = $8::TEXT) AND x.created_at >= $3 AND x.created_at <= $4 \
                      AND (x.created_at, x.id) ",
                    $is_behind,
                    " ($5, $6) ORDER BY x.created_at ",
                    $direction,
                    ", x.id ",
                    $direction,
                    " LIMIT $7"
                ),
                "x.region = o.region AND x.id = $6 AND o.region IS NULL"
            ),
            " AS r JOIN warehouse.items AS i ON i.id = r.item ORDER BY r.created_at ",
            $direction,
            ", r.id ",
            $direction,
            " LIMIT $7"
        )
    };
}

/// Where the levels of an item are.
macro_rules! levels_of {
    ($item:literal) => {
        concat!(
            "JOIN warehouse.stock_levels AS l ON l.region = o.region AND l.office = o.office AND l.item = ",
            $item
        )
    };
}

macro_rules! of_office {
    () => {
        "x.region = o.region AND x.office = o.office"
    };
}

macro_rules! of_level {
    () => {
        "x.region = l.region AND x.location = l.location AND x.item = l.item"
    };
}

/// Those that still hold their stock at `$9`.
macro_rules! standing {
    () => {
        " AND x.status = 'active' AND (x.expires_at IS NULL OR x.expires_at > $9)"
    };
}

/// Those whose state at `$9` is `$10`, if that is asked for.
macro_rules! in_state {
    () => {
        " AND ($10::TEXT IS NULL OR $10::TEXT = CASE WHEN x.status = 'active' AND x.expires_at <= $9 \
             THEN 'expired' ELSE x.status END)"
    };
}

const GET: &str = select_reservation!("r.region = ANY ($1) AND r.id = $2");
const LOCK: &str = select_reservation!("r.region = $1 AND r.id = $2 FOR UPDATE OF r");
const PAGE_DESC: &str = page!("", concat!(of_office!(), in_state!()), "<", "DESC");
const PAGE_ASC: &str = page!("", concat!(of_office!(), in_state!()), ">", "ASC");
const STANDING_DESC: &str = page!("", concat!(of_office!(), standing!()), "<", "DESC");
const STANDING_ASC: &str = page!("", concat!(of_office!(), standing!()), ">", "ASC");
const ITEM_DESC: &str = page!(
    levels_of!("$11"),
    concat!(of_level!(), in_state!()),
    "<",
    "DESC"
);
const ITEM_ASC: &str = page!(
    levels_of!("$11"),
    concat!(of_level!(), in_state!()),
    ">",
    "ASC"
);
const ITEM_STANDING_DESC: &str = page!(
    levels_of!("$10"),
    concat!(of_level!(), standing!()),
    "<",
    "DESC"
);
const ITEM_STANDING_ASC: &str = page!(
    levels_of!("$10"),
    concat!(of_level!(), standing!()),
    ">",
    "ASC"
);
const LOCK_OF_LINES: &str = select_reservation!(
    "r.region = $1 AND r.order_line = ANY ($2) AND r.status = 'active' ORDER BY r.id FOR UPDATE OF r"
);
/// What is in the way of one is its own row, which is locked or was not there.
const UPSERT: &str = "INSERT INTO warehouse.reservations \
    (region, id, office, location, item, quantity, order_line, status, expires_at, version, created_at, updated_at) \
    SELECT $1::TEXT, n.id, n.office, n.location, n.item, n.quantity, n.order_line, n.status, n.expires_at, n.version, \
        n.created_at, n.updated_at \
    FROM unnest($2::UUID[], $3::TEXT[], $4::TEXT[], $5::UUID[], $6::INT8[], $7::UUID[], $8::TEXT[], \
            $9::TIMESTAMPTZ[], $10::INT8[], $11::TIMESTAMPTZ[], $12::TIMESTAMPTZ[]) \
        AS n (id, office, location, item, quantity, order_line, status, expires_at, version, created_at, updated_at) \
    ON CONFLICT (region, id) DO UPDATE SET quantity = excluded.quantity, status = excluded.status, \
        expires_at = excluded.expires_at, version = excluded.version, updated_at = excluded.updated_at";
const EXPIRE: &str = "UPDATE warehouse.reservations \
    SET status = 'expired', version = version + 1, updated_at = $6 \
    WHERE region = $1 AND location = $2 AND item = $3 AND status = 'active' AND (expires_at, id) <= ($4, $5) \
    RETURNING id, quantity";
const DUE: &str = "SELECT office, location, item, id, expires_at FROM warehouse.reservations \
    WHERE region = $1 AND status = 'active' AND expires_at <= $2 ORDER BY expires_at, id LIMIT $3";
const IN_THE_WAY: &str = select_reservation!(
    "r.region = $1 AND r.location = $2 AND r.item = $3 AND r.status = 'active' \
     ORDER BY r.expires_at NULLS LAST, r.id LIMIT $4"
);

pub(super) const STATEMENTS: &[&str] = &[
    GET,
    LOCK,
    PAGE_DESC,
    PAGE_ASC,
    STANDING_DESC,
    STANDING_ASC,
    ITEM_DESC,
    ITEM_ASC,
    ITEM_STANDING_DESC,
    ITEM_STANDING_ASC,
    LOCK_OF_LINES,
    UPSERT,
    EXPIRE,
    DUE,
    IN_THE_WAY,
];

/// Which reservations a list shows.
#[derive(Debug, Clone)]
pub(crate) struct ReservationFilter {
    pub(crate) location: Option<LocationCode>,
    pub(crate) item: Option<ItemId>,
    /// As it is at `now`.
    pub(crate) status: Option<ReservationStatus>,
    /// The time that the list shows.
    pub(crate) now: Timestamp,
    /// Made at this time or later.
    pub(crate) created_from: Option<Timestamp>,
    /// Made at this time or earlier.
    pub(crate) created_to: Option<Timestamp>,
}

/// A hold whose time is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DueHold {
    pub(crate) office: OfficeCode,
    pub(crate) location: LocationCode,
    pub(crate) item: ItemId,
    pub(crate) id: Uuid,
    pub(crate) expires_at: Timestamp,
}

/// The reservation, wherever it lives.
pub(crate) async fn get(
    session: &Session,
    regions: &[RegionTag],
    id: &ReservationId,
) -> Result<Option<Reservation>, DbError> {
    session
        .row_opt(GET, &[&regions, &id.uuid()])
        .await?
        .map(|row| from_row(&row))
        .transpose()
}

/// The reservation, locked until the transaction ends.
pub(crate) async fn lock(
    session: &Session,
    region: &RegionTag,
    id: &ReservationId,
) -> Result<Option<Reservation>, DbError> {
    session
        .row_opt(LOCK, &[region, &id.uuid()])
        .await?
        .map(|row| from_row(&row))
        .transpose()
}

pub(crate) async fn page(
    session: &Session,
    offices: &[OfficeHome],
    filter: &ReservationFilter,
    page: &PageRequest,
) -> Result<Vec<Reservation>, DbError> {
    let (regions, offices) = OfficeHome::columns(offices);
    let (from, to) = page.created(filter.created_from, filter.created_to);
    let (time, id) = page.start();
    // An id that is none comes from a cursor that we did not make; behind it lies what lies behind its time.
    let id = id.parse().unwrap_or(Uuid::nil());
    let limit = page.fetch();
    let (status, item) = (
        filter.status.map(ReservationStatus::as_str),
        filter.item.as_ref().map(ItemId::uuid),
    );
    let mut params: Vec<&(dyn ToSql + Sync)> = vec![
        &regions,
        &offices,
        &from,
        &to,
        &time,
        &id,
        &limit,
        &filter.location,
        &filter.now,
    ];
    let standing = filter.status == Some(ReservationStatus::Active);
    if !standing {
        params.push(&status);
    }
    if let Some(item) = &item {
        params.push(item);
    }
    let sql = match (item.is_some(), standing, page.order) {
        (false, false, Order::Desc) => PAGE_DESC,
        (false, false, Order::Asc) => PAGE_ASC,
        (false, true, Order::Desc) => STANDING_DESC,
        (false, true, Order::Asc) => STANDING_ASC,
        (true, false, Order::Desc) => ITEM_DESC,
        (true, false, Order::Asc) => ITEM_ASC,
        (true, true, Order::Desc) => ITEM_STANDING_DESC,
        (true, true, Order::Asc) => ITEM_STANDING_ASC,
    };
    let rows = session.rows(sql, &params).await?;
    rows.iter().map(from_row).collect()
}

/// Those that hold stock for these lines, locked until the transaction ends; whether their time is up or not.
pub(crate) async fn lock_of_lines(
    session: &Session,
    region: &RegionTag,
    lines: &[Uuid],
) -> Result<Vec<Reservation>, DbError> {
    let rows = session.rows(LOCK_OF_LINES, &[region, &lines]).await?;
    rows.iter().map(from_row).collect()
}

/// Writes reservations of one region that are locked or new.
pub(crate) async fn upsert(
    session: &Session,
    region: &RegionTag,
    reservations: &[Reservation],
) -> Result<u64, DbError> {
    let of = || reservations.iter();
    let ids: Vec<Uuid> = of().map(|new| new.id.uuid()).collect();
    let offices: Vec<&OfficeCode> = of().map(|new| &new.office).collect();
    let locations: Vec<&LocationCode> = of().map(|new| &new.location).collect();
    let items: Vec<Uuid> = of().map(|new| new.item.uuid()).collect();
    let quantities: Vec<Quantity> = of().map(|new| new.quantity).collect();
    let lines: Vec<Option<Uuid>> = of()
        .map(|new| new.order_line.as_ref().map(OrderLineId::uuid))
        .collect();
    let statuses: Vec<&str> = of().map(|new| new.status.as_str()).collect();
    let ends: Vec<Option<Timestamp>> = of().map(|new| new.expires_at).collect();
    let versions: Vec<i64> = of().map(|new| new.version).collect();
    let created: Vec<Timestamp> = of().map(|new| new.created_at).collect();
    let updated: Vec<Timestamp> = of().map(|new| new.updated_at).collect();
    session
        .execute(
            UPSERT,
            &[
                region,
                &ids,
                &offices,
                &locations,
                &items,
                &quantities,
                &lines,
                &statuses,
                &ends,
                &versions,
                &created,
                &updated,
            ],
        )
        .await
}

/// Ends the holds of a level that were due at `until` (up to that id in that millisecond), at `now`; answers them
/// with what each held. Its level is locked.
pub(crate) async fn expire(
    session: &Session,
    (region, location, item): (&RegionTag, &LocationCode, &ItemId),
    (until, last): (Timestamp, Uuid),
    now: Timestamp,
) -> Result<Vec<(ReservationId, Quantity)>, DbError> {
    let rows = session
        .rows(
            EXPIRE,
            &[region, location, &item.uuid(), &until, &last, &now],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let id = ReservationId::new(region.clone(), row.get("id")?);
            Ok((id, row.get("quantity")?))
        })
        .collect()
}

/// Holds of a region that were due at `until`, the longest overdue first, at most `limit`.
pub(crate) async fn due(
    session: &Session,
    region: &RegionTag,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<DueHold>, DbError> {
    let rows = session.rows(DUE, &[region, &until, &limit]).await?;
    rows.iter()
        .map(|row| {
            Ok(DueHold {
                office: row.get("office")?,
                location: row.get("location")?,
                item: ItemId::new(RegionTag::global(), row.get("item")?),
                id: row.get("id")?,
                expires_at: row.get("expires_at")?,
            })
        })
        .collect()
}

/// At most `limit` reservations that hold stock of a level, those that end soonest first.
pub(crate) async fn in_the_way(
    session: &Session,
    (region, location, item): (&RegionTag, &LocationCode, &ItemId),
    limit: i64,
) -> Result<Vec<Reservation>, DbError> {
    let rows = session
        .rows(IN_THE_WAY, &[region, location, &item.uuid(), &limit])
        .await?;
    rows.iter().map(from_row).collect()
}

fn from_row(row: &Row) -> Result<Reservation, DbError> {
    let region: RegionTag = row.get("region")?;
    let line: Option<Uuid> = row.get("order_line")?;
    Ok(Reservation {
        id: ReservationId::new(region.clone(), row.get("id")?),
        office: row.get("office")?,
        location: row.get("location")?,
        item: ItemId::new(RegionTag::global(), row.get("item")?),
        sku: row.get("sku")?,
        quantity: row.get("quantity")?,
        order_line: line.map(|line| OrderLineId::new(region, line)),
        status: word(row, "status")?,
        expires_at: row.get("expires_at")?,
        version: row.get("version")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
