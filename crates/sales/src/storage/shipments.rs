//! `sales.shipments` and `sales.shipment_lines`: rows are only ever added, by whoever has locked the order.

use kernel::{
    Order as Direction, PageRequest, RegionTag,
    id::{MovementId, OrderId},
};
use platform_db::{DbError, Row, Session, ToSql};
use uuid::Uuid;

use super::of_order::{self, DocumentFilter, units_from};
use crate::domain::delivery::{Shipment, ShipmentLine};

macro_rules! select_shipment {
    ($rest:literal) => {
        concat!(
            "SELECT region, id, office, order_id, currency, carrier, tracking, net_minor, tax_minor, cost_minor, \
                 deposit_minor, journal_entries, effective_date, created_at, created_by \
             FROM sales.shipments WHERE ",
            $rest
        )
    };
}

const GET: &str = select_shipment!("region = $1 AND order_id = $2 AND id = $3");
const PAGE_DESC: &str = select_shipment!(
    "region = $1 AND order_id = $2 AND created_at >= $3 AND created_at <= $4 AND (created_at, id) < ($5, $6) \
     ORDER BY created_at DESC, id DESC LIMIT $7"
);
const PAGE_ASC: &str = select_shipment!(
    "region = $1 AND order_id = $2 AND created_at >= $3 AND created_at <= $4 AND (created_at, id) > ($5, $6) \
     ORDER BY created_at ASC, id ASC LIMIT $7"
);
const LINES: &str = "SELECT s.region, s.shipment, s.line, s.item, l.sku, s.quantity, s.net_minor, s.tax_minor, \
        s.cost_minor, s.movement \
    FROM sales.shipment_lines AS s JOIN sales.order_lines AS l ON l.region = s.region AND l.id = s.line \
    WHERE s.region = $1 AND s.shipment = ANY ($2) ORDER BY s.shipment, l.line_no";
/// With the lines in the same statement: foreign keys are looked at when the whole of it is done, and of two statements
/// sent together the second may be first, where one has to be prepared.
const INSERT: &str = "WITH goods AS (INSERT INTO sales.shipments (region, id, office, order_id, currency, carrier, tracking, \
        net_minor, tax_minor, cost_minor, deposit_minor, journal_entries, effective_date, created_at, created_by) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) RETURNING 1) \
    INSERT INTO sales.shipment_lines (region, shipment, line, item, quantity, net_minor, \
        tax_minor, cost_minor, movement) \
    SELECT $1::TEXT, $2::UUID, n.line, n.item, n.quantity, n.net_minor, n.tax_minor, n.cost_minor, n.movement \
    FROM unnest($16::UUID[], $17::UUID[], $18::INT8[], $19::INT8[], $20::INT8[], $21::INT8[], $22::UUID[]) \
        AS n (line, item, quantity, net_minor, tax_minor, cost_minor, movement)";

pub(super) const STATEMENTS: &[&str] = &[GET, PAGE_DESC, PAGE_ASC, LINES, INSERT];

/// The shipment, if it is one of this order.
pub(crate) async fn get(
    session: &Session,
    order: &OrderId,
    id: Uuid,
) -> Result<Option<Shipment>, DbError> {
    let row = session
        .row_opt(GET, &[order.region(), &order.uuid(), &id])
        .await?;
    let rows: Vec<Row> = row.into_iter().collect();
    Ok(with_lines(session, order.region(), &rows).await?.pop())
}

/// Shipments of one order.
pub(crate) async fn page(
    session: &Session,
    filter: &DocumentFilter,
    page: &PageRequest,
) -> Result<Vec<Shipment>, DbError> {
    let sql = match page.order {
        Direction::Desc => PAGE_DESC,
        Direction::Asc => PAGE_ASC,
    };
    let rows = of_order::page_of_order(session, sql, filter, page).await?;
    with_lines(session, filter.order.region(), &rows).await
}

async fn with_lines(
    session: &Session,
    region: &RegionTag,
    rows: &[Row],
) -> Result<Vec<Shipment>, DbError> {
    let line = |row: &Row| {
        Ok(ShipmentLine {
            units: units_from(row, region)?,
            movement: MovementId::new(region.clone(), row.get("movement")?),
        })
    };
    let goods = of_order::deliveries(session, (region, rows), (LINES, "shipment"), line).await?;
    let shipments = rows.iter().zip(goods).map(|(row, goods)| {
        Ok(Shipment {
            goods,
            carrier: row.get("carrier")?,
            tracking: row.get("tracking")?,
            deposit: row.get("deposit_minor")?,
        })
    });
    shipments.collect()
}

/// Inserts a shipment with its lines, whose movements are there.
pub(crate) async fn insert(session: &Session, new: &Shipment) -> Result<(), DbError> {
    let goods = &new.goods;
    let (id, order) = (goods.id.uuid(), goods.order.uuid());
    let entries = of_order::uuids(&goods.journal_entries);
    let shipment: [&(dyn ToSql + Sync); 15] = [
        goods.id.region(),
        &id,
        &goods.office,
        &order,
        &goods.currency,
        &new.carrier,
        &new.tracking,
        &goods.sum.net,
        &goods.sum.tax,
        &goods.cost,
        &new.deposit,
        &entries,
        &goods.effective_date,
        &goods.created_at,
        &goods.created_by,
    ];
    let units = of_order::UnitColumns::of(goods.lines.iter().map(|line| &line.units));
    let movements: Vec<Uuid> = goods
        .lines
        .iter()
        .map(|line| line.movement.uuid())
        .collect();
    let lines: [&(dyn ToSql + Sync); 7] = [
        &units.lines,
        &units.items,
        &units.quantities,
        &units.nets,
        &units.taxes,
        &units.costs,
        &movements,
    ];
    session
        .execute(INSERT, &[&shipment[..], &lines].concat())
        .await
        .map(drop)
}
