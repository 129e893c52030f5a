//! `sales.returns` and `sales.return_lines`: rows are only ever added, by whoever has locked the order.

use kernel::{
    Order as Direction, PageRequest, RegionTag,
    id::{MovementId, OrderId},
};
use platform_db::{DbError, Row, Session, ToSql};
use uuid::Uuid;

use super::{
    of_order::{self, DocumentFilter, units_from},
    word,
};
use crate::domain::delivery::{Return, ReturnLine};

macro_rules! select_return {
    ($rest:literal) => {
        concat!(
            "SELECT region, id, office, order_id, currency, net_minor, tax_minor, cost_minor, journal_entries, \
                 effective_date, created_at, created_by \
             FROM sales.returns WHERE ",
            $rest
        )
    };
}

const GET: &str = select_return!("region = $1 AND order_id = $2 AND id = $3");
const PAGE_DESC: &str = select_return!(
    "region = $1 AND order_id = $2 AND created_at >= $3 AND created_at <= $4 AND (created_at, id) < ($5, $6) \
     ORDER BY created_at DESC, id DESC LIMIT $7"
);
const PAGE_ASC: &str = select_return!(
    "region = $1 AND order_id = $2 AND created_at >= $3 AND created_at <= $4 AND (created_at, id) > ($5, $6) \
     ORDER BY created_at ASC, id ASC LIMIT $7"
);
const LINES: &str = "SELECT r.region, r.return_id, r.line, r.item, l.sku, r.quantity, r.disposition, r.reason, \
        r.net_minor, r.tax_minor, r.cost_minor, r.movement \
    FROM sales.return_lines AS r JOIN sales.order_lines AS l ON l.region = r.region AND l.id = r.line \
    WHERE r.region = $1 AND r.return_id = ANY ($2) ORDER BY r.return_id, r.position";
/// With the lines in the same statement: foreign keys are looked at when the whole of it is done, and of two statements
/// sent together the second may be first, where one has to be prepared.
const INSERT: &str = "WITH goods AS (INSERT INTO sales.returns (region, id, office, order_id, currency, net_minor, tax_minor, \
        cost_minor, journal_entries, effective_date, created_at, created_by) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING 1) \
    INSERT INTO sales.return_lines (region, return_id, position, line, item, quantity, \
        disposition, reason, net_minor, tax_minor, cost_minor, movement) \
    SELECT $1::TEXT, $2::UUID, n.position, n.line, n.item, n.quantity, n.disposition, n.reason, n.net_minor, \
        n.tax_minor, n.cost_minor, n.movement \
    FROM unnest($13::INT8[], $14::UUID[], $15::UUID[], $16::INT8[], $17::TEXT[], $18::TEXT[], $19::INT8[], $20::INT8[], \
            $21::INT8[], $22::UUID[]) \
        AS n (position, line, item, quantity, disposition, reason, net_minor, tax_minor, cost_minor, movement)";

pub(super) const STATEMENTS: &[&str] = &[GET, PAGE_DESC, PAGE_ASC, LINES, INSERT];

/// The return, if it is one of this order.
pub(crate) async fn get(
    session: &Session,
    order: &OrderId,
    id: Uuid,
) -> Result<Option<Return>, DbError> {
    let row = session
        .row_opt(GET, &[order.region(), &order.uuid(), &id])
        .await?;
    let rows: Vec<Row> = row.into_iter().collect();
    Ok(with_lines(session, order.region(), &rows).await?.pop())
}

/// Returns of one order.
pub(crate) async fn page(
    session: &Session,
    filter: &DocumentFilter,
    page: &PageRequest,
) -> Result<Vec<Return>, DbError> {
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
) -> Result<Vec<Return>, DbError> {
    let line = |row: &Row| {
        let movement: Option<Uuid> = row.get("movement")?;
        Ok(ReturnLine {
            units: units_from(row, region)?,
            disposition: word(row, "disposition")?,
            reason: row.get("reason")?,
            movement: movement.map(|movement| MovementId::new(region.clone(), movement)),
        })
    };
    of_order::deliveries(session, (region, rows), (LINES, "return_id"), line).await
}

/// Inserts a return with its lines, whose movements are there.
pub(crate) async fn insert(session: &Session, new: &Return) -> Result<(), DbError> {
    let (id, order) = (new.id.uuid(), new.order.uuid());
    let entries = of_order::uuids(&new.journal_entries);
    let goods: [&(dyn ToSql + Sync); 12] = [
        new.id.region(),
        &id,
        &new.office,
        &order,
        &new.currency,
        &new.sum.net,
        &new.sum.tax,
        &new.cost,
        &entries,
        &new.effective_date,
        &new.created_at,
        &new.created_by,
    ];
    let units = of_order::UnitColumns::of(new.lines.iter().map(|line| &line.units));
    let positions: Vec<i64> = (1..).take(new.lines.len()).collect();
    let dispositions: Vec<&str> = new
        .lines
        .iter()
        .map(|line| line.disposition.as_str())
        .collect();
    let reasons: Vec<&str> = new.lines.iter().map(|line| line.reason.as_str()).collect();
    let movements: Vec<Option<Uuid>> = new
        .lines
        .iter()
        .map(|line| line.movement.as_ref().map(MovementId::uuid))
        .collect();
    let lines: [&(dyn ToSql + Sync); 10] = [
        &positions,
        &units.lines,
        &units.items,
        &units.quantities,
        &dispositions,
        &reasons,
        &units.nets,
        &units.taxes,
        &units.costs,
        &movements,
    ];
    session
        .execute(INSERT, &[&goods[..], &lines].concat())
        .await
        .map(drop)
}
