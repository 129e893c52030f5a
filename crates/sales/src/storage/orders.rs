//! `sales.orders` and `sales.order_lines`. Whoever changes an order or its lines has locked the order before, so that an
//! order is one writer's at a time.

mod columns;
mod statements;

use futures_util::try_join;
use kernel::{
    LocationCode, OfficeCode, Order as Direction, PageRequest, RegionTag, Timestamp,
    id::{CustomerId, ItemId, OrderId, OrderLineId},
};
use platform_db::{DbError, Row, Session, ToSql, offices::OfficeHome};
use uuid::Uuid;

pub(super) use self::statements::STATEMENTS;
use self::{
    columns::{LineColumns, OrderColumns},
    statements::{
        ALL_ASC, ALL_DESC, CUSTOMER_ASC, CUSTOMER_DESC, DELETE_LINES, DUE, GET, HAS_OPEN, INSERT,
        INSERT_LINES, LOCK, LOCK_LINES, REFERENCE_ASC, REFERENCE_DESC, STATUS_ASC, STATUS_DESC,
        UPDATE, UPDATE_LINES,
    },
};
use super::word;
use crate::domain::{
    line::Line,
    order::{Order, OrderStatus, Placed},
};

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
    let key: [&(dyn ToSql + Sync); 2] = [id.region(), &uuid];
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
    let (orders, lines) = (OrderColumns::of(new), LineColumns::of(new));
    let mut params = orders.params(any.id.region());
    params.extend(lines.params());
    session.execute(INSERT, &params).await.map(drop)
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
    let key: [&(dyn ToSql + Sync); 2] = [changed.id.region(), &uuid];
    // The numbers of the lines must be free again: what is sent together may overtake what is not prepared yet.
    try_join!(
        update_order(session, changed),
        session.execute(DELETE_LINES, &key),
    )?;
    let lines = LineColumns::of(std::slice::from_ref(changed));
    let mut params: Vec<&(dyn ToSql + Sync)> = vec![changed.id.region()];
    params.extend(lines.params());
    session.execute(INSERT_LINES, &params).await.map(drop)
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
