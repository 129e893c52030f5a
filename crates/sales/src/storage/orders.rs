//! `sales.orders` and `sales.order_lines`. Whoever changes an order or its lines has locked the order before, so that an
//! order is one writer's at a time.

mod columns;

use futures_util::try_join;
use kernel::{
    LocationCode, OfficeCode, Order as Direction, PageRequest, RegionTag, Timestamp,
    id::{CustomerId, ItemId, OrderId, OrderLineId},
};
use platform_db::{DbError, Row, Session, offices::OfficeHome};
use uuid::Uuid;

use self::columns::{LineColumns, OrderColumns};
use super::word;
use crate::domain::{
    line::Line,
    order::{Order, OrderStatus, Placed},
};

/// The columns of order `o`.
macro_rules! order_columns {
    () => {
        "o.region, o.id, o.office, o.customer, o.currency, o.status, o.reference, o.notes, o.subtotal_minor, \
         o.tax_minor, o.paid_minor, o.refunded_minor, o.invoiced_minor, o.credited_minor, o.receivable_minor, \
         o.deposit_minor, o.hold_seconds, o.expires_at, o.placed_at, o.placed_date, o.version, o.created_at, o.updated_at"
    };
}

/// The columns of line `l`.
macro_rules! line_columns {
    () => {
        "l.id AS line, l.item, l.location, l.sku, l.name, l.quantity, l.unit_price_minor, l.tax_rate_bp, l.shipped, \
         l.returned, l.cancelled, l.cost_minor, l.cost_returned_minor"
    };
}

/// A page: each office gives the keys of its first rows from one span of an index, to which `$span` narrows the walk.
macro_rules! page {
    ($span:literal, $is_behind:literal, $direction:literal) => {
        concat!(
            "SELECT ",
            order_columns!(),
            ", ",
            line_columns!(),
            " FROM (SELECT f.region, f.id FROM unnest($1::TEXT[], $2::TEXT[]) AS w (region, office) \
              CROSS JOIN LATERAL (SELECT x.region, x.id, x.created_at FROM sales.orders AS x \
              WHERE x.region = w.region AND x.office = w.office AND ",
            $span,
            " AND ($8::TEXT IS NULL OR $8::TEXT = CASE WHEN x.status = 'draft' AND x.expires_at <= $9 \
                 THEN 'expired' ELSE x.status END) \
              AND ($10::UUID IS NULL OR x.customer = $10::UUID) AND ($11::TEXT IS NULL OR x.reference = $11::TEXT) \
              AND (($12::UUID IS NULL AND $13::TEXT IS NULL) OR EXISTS (SELECT 1 FROM sales.order_lines AS y \
                 WHERE y.region = x.region AND y.order_id = x.id AND ($12::UUID IS NULL OR y.item = $12::UUID) \
                 AND ($13::TEXT IS NULL OR y.location = $13::TEXT))) \
              AND x.created_at >= $3 AND x.created_at <= $4 AND (x.created_at, x.id) ",
            $is_behind,
            " ($5, $6) ORDER BY x.created_at ",
            $direction,
            ", x.id ",
            $direction,
            " LIMIT $7) AS f ORDER BY f.created_at ",
            $direction,
            ", f.id ",
            $direction,
            " LIMIT $7) AS k JOIN sales.orders AS o ON o.region = k.region AND o.id = k.id JOIN sales.order_lines AS l ON l.region = o.region AND l.order_id = o.id \
              ORDER BY o.created_at ",
            $direction,
            ", o.id ",
            $direction,
            ", l.line_no"
        )
    };
}

const GET: &str = concat!(
    "SELECT ",
    order_columns!(),
    ", ",
    line_columns!(),
    " FROM sales.orders AS o JOIN sales.order_lines AS l ON l.region = o.region AND l.order_id = o.id \
      WHERE o.region = ANY ($1) AND o.id = $2 ORDER BY o.region, l.line_no"
);
const LOCK: &str = concat!(
    "SELECT ",
    order_columns!(),
    " FROM sales.orders AS o WHERE o.region = $1 AND o.id = $2 FOR UPDATE"
);
const LOCK_LINES: &str = concat!(
    "SELECT ",
    line_columns!(),
    " FROM sales.order_lines AS l WHERE l.region = $1 AND l.order_id = $2 ORDER BY l.line_no FOR UPDATE"
);
const ALL_DESC: &str = page!("TRUE", "<", "DESC");
const ALL_ASC: &str = page!("TRUE", ">", "ASC");
const STATUS_DESC: &str = page!("x.status = $8::TEXT", "<", "DESC");
const STATUS_ASC: &str = page!("x.status = $8::TEXT", ">", "ASC");
const CUSTOMER_DESC: &str = page!("x.customer = $10::UUID", "<", "DESC");
const CUSTOMER_ASC: &str = page!("x.customer = $10::UUID", ">", "ASC");
const REFERENCE_DESC: &str = page!("x.reference = $11::TEXT", "<", "DESC");
const REFERENCE_ASC: &str = page!("x.reference = $11::TEXT", ">", "ASC");
const INSERT: &str = "INSERT INTO sales.orders (region, id, office, customer, currency, status, reference, notes, \
        subtotal_minor, tax_minor, paid_minor, refunded_minor, invoiced_minor, credited_minor, receivable_minor, \
        deposit_minor, hold_seconds, expires_at, placed_at, placed_date, version, created_at, updated_at) \
    SELECT $1, n.id, n.office, n.customer, n.currency, n.status, n.reference, n.notes, n.subtotal_minor, n.tax_minor, \
        0, 0, 0, 0, 0, 0, n.hold_seconds, n.expires_at, NULL, NULL, n.version, n.created_at, n.created_at \
    FROM unnest($2::UUID[], $3::TEXT[], $4::UUID[], $5::TEXT[], $6::TEXT[], $7::TEXT[], $8::TEXT[], $9::INT8[], \
        $10::INT8[], $11::INT8[], $12::TIMESTAMPTZ[], $13::INT8[], $14::TIMESTAMPTZ[]) \
        AS n (id, office, customer, currency, status, reference, notes, subtotal_minor, tax_minor, hold_seconds, \
              expires_at, version, created_at)";
const UPDATE: &str = "UPDATE sales.orders SET customer = $3, status = $4, reference = $5, notes = $6, \
        subtotal_minor = $7, tax_minor = $8, paid_minor = $9, refunded_minor = $10, invoiced_minor = $11, \
        credited_minor = $12, receivable_minor = $13, deposit_minor = $14, placed_at = $15, placed_date = $16, \
        version = $17, updated_at = $18, \
        ended_at = CASE WHEN $4 IN ('fulfilled', 'cancelled', 'expired') THEN coalesce(ended_at, $18) END \
    WHERE region = $1 AND id = $2";
const INSERT_LINES: &str = "INSERT INTO sales.order_lines (region, id, order_id, line_no, item, location, sku, name, \
        quantity, unit_price_minor, tax_rate_bp, shipped, returned, cancelled, cost_minor, cost_returned_minor) \
    SELECT $1, n.id, n.order_id, n.line_no, n.item, n.location, n.sku, n.name, n.quantity, n.unit_price_minor, \
        n.tax_rate_bp, n.shipped, n.returned, n.cancelled, n.cost_minor, n.cost_returned_minor \
    FROM unnest($2::UUID[], $3::UUID[], $4::INT8[], $5::UUID[], $6::TEXT[], $7::TEXT[], $8::TEXT[], $9::INT8[], \
        $10::INT8[], $11::INT8[], $12::INT8[], $13::INT8[], $14::INT8[], $15::INT8[], $16::INT8[]) \
        AS n (id, order_id, line_no, item, location, sku, name, quantity, unit_price_minor, tax_rate_bp, shipped, \
              returned, cancelled, cost_minor, cost_returned_minor)";
/// What is cancelled by it is kept beside it, with the time: the line alone says how much, but not when.
const UPDATE_LINES: &str = "WITH cancelled AS (\
        INSERT INTO sales.order_cancellations (region, order_id, at, line, quantity) \
        SELECT l.region, l.order_id, $8, l.id, n.cancelled - l.cancelled \
        FROM unnest($2::UUID[], $5::INT8[]) AS n (id, cancelled) \
        JOIN sales.order_lines AS l ON l.region = $1 AND l.id = n.id \
        WHERE n.cancelled > l.cancelled) \
    UPDATE sales.order_lines AS l SET shipped = n.shipped, returned = n.returned, \
        cancelled = n.cancelled, cost_minor = n.cost_minor, cost_returned_minor = n.cost_returned_minor \
    FROM unnest($2::UUID[], $3::INT8[], $4::INT8[], $5::INT8[], $6::INT8[], $7::INT8[]) \
        AS n (id, shipped, returned, cancelled, cost_minor, cost_returned_minor) \
    WHERE l.region = $1 AND l.id = n.id";
const DELETE_LINES: &str = "DELETE FROM sales.order_lines WHERE region = $1 AND order_id = $2";
const DUE: &str = "SELECT id FROM sales.orders \
    WHERE region = $1 AND status = 'draft' AND expires_at <= $2 ORDER BY expires_at, id LIMIT $3";
/// A draft whose time is up is no open order, written down or not.
const HAS_OPEN: &str = "SELECT EXISTS (SELECT 1 FROM sales.orders WHERE region = $1 AND office = $2 \
    AND (status = 'confirmed' OR (status = 'draft' AND expires_at > $3))) AS found";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    GET,
    LOCK,
    LOCK_LINES,
    ALL_DESC,
    ALL_ASC,
    STATUS_DESC,
    STATUS_ASC,
    CUSTOMER_DESC,
    CUSTOMER_ASC,
    REFERENCE_DESC,
    REFERENCE_ASC,
    INSERT,
    UPDATE,
    INSERT_LINES,
    UPDATE_LINES,
    DELETE_LINES,
    DUE,
    HAS_OPEN,
];

/// Which orders a list shows.
#[derive(Debug, Clone)]
pub(crate) struct OrderFilter {
    /// As it is at `now`.
    pub(crate) status: Option<OrderStatus>,
    /// The time that the list shows.
    pub(crate) now: Timestamp,
    pub(crate) customer: Option<CustomerId>,
    pub(crate) reference: Option<String>,
    /// With a line of this item, from this location: one line that is both, if both are asked for.
    pub(crate) item: Option<ItemId>,
    pub(crate) location: Option<LocationCode>,
    /// Made at this time or later.
    pub(crate) created_from: Option<Timestamp>,
    /// Made at this time or earlier.
    pub(crate) created_to: Option<Timestamp>,
}

/// The order with its lines, wherever it lives: of one moment, since it is one statement.
pub(crate) async fn get(
    session: &Session,
    regions: &[RegionTag],
    id: &OrderId,
) -> Result<Option<Order>, DbError> {
    let rows = session.rows(GET, &[&regions, &id.uuid()]).await?;
    Ok(grouped(&rows)?.into_iter().next())
}

/// The order with its lines, locked until the transaction ends.
pub(crate) async fn lock(session: &Session, id: &OrderId) -> Result<Option<Order>, DbError> {
    let uuid = id.uuid();
    let key: [&(dyn platform_db::ToSql + Sync); 2] = [id.region(), &uuid];
    let (order, lines) = try_join!(session.row_opt(LOCK, &key), session.rows(LOCK_LINES, &key))?;
    let Some(order) = order else { return Ok(None) };
    let mut order = from_row(&order)?;
    order.lines = lines
        .iter()
        .map(|row| line_from(row, id.region()))
        .collect::<Result<_, _>>()?;
    Ok(Some(order))
}

pub(crate) async fn page(
    session: &Session,
    offices: &[OfficeHome],
    filter: &OrderFilter,
    page: &PageRequest,
) -> Result<Vec<Order>, DbError> {
    let (regions, offices) = OfficeHome::columns(offices);
    let (from, to) = page.created(filter.created_from, filter.created_to);
    let (time, id) = page.start();
    // An id that is none comes from a cursor that we did not make; behind it lies what lies behind its time.
    let id = id.parse().unwrap_or(Uuid::nil());
    let (status, customer, item) = (
        filter.status.map(OrderStatus::as_str),
        filter.customer.as_ref().map(CustomerId::uuid),
        filter.item.as_ref().map(ItemId::uuid),
    );
    let sql = match (span(filter), page.order) {
        (Span::All, Direction::Desc) => ALL_DESC,
        (Span::All, Direction::Asc) => ALL_ASC,
        (Span::Status, Direction::Desc) => STATUS_DESC,
        (Span::Status, Direction::Asc) => STATUS_ASC,
        (Span::Customer, Direction::Desc) => CUSTOMER_DESC,
        (Span::Customer, Direction::Asc) => CUSTOMER_ASC,
        (Span::Reference, Direction::Desc) => REFERENCE_DESC,
        (Span::Reference, Direction::Asc) => REFERENCE_ASC,
    };
    let rows = session
        .rows(
            sql,
            &[
                &regions,
                &offices,
                &from,
                &to,
                &time,
                &id,
                &page.fetch(),
                &status,
                &filter.now,
                &customer,
                &filter.reference,
                &item,
                &filter.location,
            ],
        )
        .await?;
    grouped(&rows)
}

/// The index that a page walks.
enum Span {
    All,
    Status,
    Customer,
    Reference,
}

/// That of the filter which leaves the fewest orders. Expired ones have no span: some are still stored as drafts.
fn span(filter: &OrderFilter) -> Span {
    if filter.reference.is_some() {
        Span::Reference
    } else if filter.customer.is_some() {
        Span::Customer
    } else if filter
        .status
        .is_some_and(|status| status != OrderStatus::Expired)
    {
        Span::Status
    } else {
        Span::All
    }
}

/// Inserts orders of one region with their lines.
pub(crate) async fn insert(session: &Session, new: &[Order]) -> Result<(), DbError> {
    let Some(any) = new.first() else {
        return Ok(());
    };
    let columns = OrderColumns::of(new);
    let orders = columns.params(any.id.region());
    // Sent in this order, on one connection: the orders are there before their lines.
    try_join!(session.execute(INSERT, &orders), insert_lines(session, new),).map(drop)
}

/// Writes the members of the order that may change, and those of its lines.
pub(crate) async fn update(session: &Session, changed: &Order) -> Result<(), DbError> {
    try_join!(
        update_order(session, changed),
        update_lines(session, changed)
    )
    .map(drop)
}

/// Writes the members of the order alone that may change.
pub(crate) async fn update_order(session: &Session, changed: &Order) -> Result<u64, DbError> {
    let (status, customer) = (changed.status.as_str(), changed.customer.uuid());
    let (placed_at, placed_date) = changed
        .placed
        .map(|placed| (placed.at, placed.date))
        .unzip();
    session
        .execute(
            UPDATE,
            &[
                changed.id.region(),
                &changed.id.uuid(),
                &customer,
                &status,
                &changed.reference,
                &changed.notes,
                &changed.subtotal,
                &changed.tax,
                &changed.paid,
                &changed.refunded,
                &changed.invoiced,
                &changed.credited,
                &changed.receivable,
                &changed.deposit,
                &placed_at,
                &placed_date,
                &changed.version,
                &changed.updated_at,
            ],
        )
        .await
}

/// Writes what became of the lines of an order.
async fn update_lines(session: &Session, order: &Order) -> Result<u64, DbError> {
    let lines = LineColumns::of(std::slice::from_ref(order));
    session
        .execute(
            UPDATE_LINES,
            &[
                order.id.region(),
                &lines.ids,
                &lines.shipped,
                &lines.returned,
                &lines.cancelled,
                &lines.costs,
                &lines.costs_returned,
                &order.updated_at,
            ],
        )
        .await
}

/// Writes the members of a draft that may change, with other lines in place of those that it had.
pub(crate) async fn replace(session: &Session, changed: &Order) -> Result<(), DbError> {
    let uuid = changed.id.uuid();
    let key: [&(dyn platform_db::ToSql + Sync); 2] = [changed.id.region(), &uuid];
    // Sent in this order, on one connection: the numbers of the lines are free again.
    try_join!(
        update_order(session, changed),
        session.execute(DELETE_LINES, &key),
        insert_lines(session, std::slice::from_ref(changed)),
    )
    .map(drop)
}

/// The lines of orders of one region.
async fn insert_lines(session: &Session, orders: &[Order]) -> Result<u64, DbError> {
    let Some(any) = orders.first() else {
        return Ok(0);
    };
    let lines = LineColumns::of(orders);
    session
        .execute(
            INSERT_LINES,
            &[
                any.id.region(),
                &lines.ids,
                &lines.orders,
                &lines.numbers,
                &lines.items,
                &lines.locations,
                &lines.skus,
                &lines.names,
                &lines.quantities,
                &lines.prices,
                &lines.tax_rates,
                &lines.shipped,
                &lines.returned,
                &lines.cancelled,
                &lines.costs,
                &lines.costs_returned,
            ],
        )
        .await
}

/// Drafts of a region whose time was up at `until`, the longest overdue first, at most `limit`.
pub(crate) async fn due(
    session: &Session,
    region: &RegionTag,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<OrderId>, DbError> {
    let rows = session.rows(DUE, &[region, &until, &limit]).await?;
    rows.iter()
        .map(|row| Ok(OrderId::new(region.clone(), row.get("id")?)))
        .collect()
}

/// Whether the office has orders that are drafts or confirmed at `now`.
pub(crate) async fn has_open(
    session: &Session,
    home: &OfficeHome,
    now: Timestamp,
) -> Result<bool, DbError> {
    session
        .row(HAS_OPEN, &[&home.region, &home.office, &now])
        .await?
        .get("found")
}

/// Orders of rows, one for each line, those of an order together.
fn grouped(rows: &[Row]) -> Result<Vec<Order>, DbError> {
    let mut orders: Vec<Order> = Vec::new();
    for row in rows {
        let (region, id): (RegionTag, Uuid) = (row.get("region")?, row.get("id")?);
        let line = line_from(row, &region)?;
        match orders.last_mut() {
            Some(order) if order.id.uuid() == id && *order.id.region() == region => {
                order.lines.push(line);
            }
            _ => {
                let mut order = from_row(row)?;
                order.lines.push(line);
                orders.push(order);
            }
        }
    }
    Ok(orders)
}

/// An order, without its lines.
fn from_row(row: &Row) -> Result<Order, DbError> {
    let region: RegionTag = row.get("region")?;
    let office: OfficeCode = row.get("office")?;
    let placed: (Option<Timestamp>, _) = (row.get("placed_at")?, row.get("placed_date")?);
    Ok(Order {
        id: OrderId::new(region.clone(), row.get("id")?),
        office,
        customer: CustomerId::new(region, row.get("customer")?),
        currency: row.get("currency")?,
        status: word(row, "status")?,
        reference: row.get("reference")?,
        notes: row.get("notes")?,
        lines: Vec::new(),
        subtotal: row.get("subtotal_minor")?,
        tax: row.get("tax_minor")?,
        paid: row.get("paid_minor")?,
        refunded: row.get("refunded_minor")?,
        invoiced: row.get("invoiced_minor")?,
        credited: row.get("credited_minor")?,
        receivable: row.get("receivable_minor")?,
        deposit: row.get("deposit_minor")?,
        hold_seconds: row.get("hold_seconds")?,
        expires_at: row.get("expires_at")?,
        placed: placed.0.zip(placed.1).map(|(at, date)| Placed { at, date }),
        version: row.get("version")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

fn line_from(row: &Row, region: &RegionTag) -> Result<Line, DbError> {
    Ok(Line {
        id: OrderLineId::new(region.clone(), row.get("line")?),
        item: ItemId::new(RegionTag::global(), row.get("item")?),
        location: row.get("location")?,
        sku: row.get("sku")?,
        name: row.get("name")?,
        quantity: row.get("quantity")?,
        unit_price: row.get("unit_price_minor")?,
        tax_rate_bp: row.get("tax_rate_bp")?,
        shipped: row.get("shipped")?,
        returned: row.get("returned")?,
        cancelled: row.get("cancelled")?,
        cost: row.get("cost_minor")?,
        cost_returned: row.get("cost_returned_minor")?,
    })
}
