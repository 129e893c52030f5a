//! Sums over orders, shipments, returns and payments. Each office's days are one span of an index.

use kernel::{
    PageRequest, RegionTag, Timestamp,
    id::{CustomerId, ItemId, OrderId},
};
use platform_db::{DbError, Row, Session, ToSql, offices::OfficeHome};

use super::wide;
use crate::reports::{Receivable, SalesDay, SoldItem, Span};

macro_rules! offices {
    () => {
        " FROM unnest($1::TEXT[], $2::TEXT[]) AS o (region, office) "
    };
}

/// Documents `d` of a table, of a span of days, as far as they had been recorded.
macro_rules! of_days {
    ($table:literal) => {
        concat!(
            offices!(),
            "JOIN sales.",
            $table,
            " AS d ON d.region = o.region AND d.office = o.office \
                AND d.effective_date >= $3 AND d.effective_date <= $4 AND d.created_at <= $5 "
        )
    };
}

const SOLD: &str = concat!(
    "SELECT x.item, x.currency, sum(x.shipped)::TEXT AS shipped, sum(x.returned)::TEXT AS returned, \
         sum(x.net_minor)::TEXT AS net_minor, sum(x.cost_minor)::TEXT AS cost_minor FROM (\
     SELECT l.item, d.currency, l.quantity AS shipped, 0::INT8 AS returned, l.net_minor, l.cost_minor",
    of_days!("shipments"),
    "JOIN sales.shipment_lines AS l ON l.region = d.region AND l.shipment = d.id \
     UNION ALL \
     SELECT l.item, d.currency, 0::INT8 AS shipped, l.quantity AS returned, -l.net_minor AS net_minor, \
         -l.cost_minor AS cost_minor",
    of_days!("returns"),
    "JOIN sales.return_lines AS l ON l.region = d.region AND l.return_id = d.id\
     ) AS x GROUP BY x.item, x.currency"
);

const BY_DAY: &str = concat!(
    "SELECT x.office, x.day, x.currency, sum(x.orders)::TEXT AS orders, sum(x.units)::TEXT AS units, \
         sum(x.net_minor)::TEXT AS net_minor, sum(x.tax_minor)::TEXT AS tax_minor, sum(x.paid_minor)::TEXT AS paid_minor \
     FROM (\
     SELECT d.office, d.placed_date AS day, d.currency, 1::INT8 AS orders, \
         (SELECT coalesce(sum(l.quantity), 0)::INT8 FROM sales.order_lines AS l \
             WHERE l.region = d.region AND l.order_id = d.id) AS units, \
         d.subtotal_minor AS net_minor, d.tax_minor, 0::INT8 AS paid_minor",
    offices!(),
    "JOIN sales.orders AS d ON d.region = o.region AND d.office = o.office \
         AND d.placed_date >= $3 AND d.placed_date <= $4 AND d.placed_at <= $5 \
     UNION ALL \
     SELECT d.office, d.effective_date AS day, d.currency, 0::INT8 AS orders, 0::INT8 AS units, \
         0::INT8 AS net_minor, 0::INT8 AS tax_minor, \
         CASE WHEN d.kind = 'refund' THEN -d.amount_minor ELSE d.amount_minor END AS paid_minor",
    of_days!("payments"),
    ") AS x GROUP BY x.office, x.day, x.currency ORDER BY x.office, x.day, x.currency"
);

const OWING: &str = concat!(
    "SELECT x.region, x.id, x.office, x.customer, x.currency, x.invoiced_minor, x.paid_minor, x.refunded_minor, \
         x.credited_minor, x.receivable_minor AS open_minor, \
         (SELECT min(s.effective_date) FROM sales.shipments AS s WHERE s.region = x.region AND s.order_id = x.id) \
             AS since",
    offices!(),
    "JOIN sales.orders AS x ON x.region = o.region AND x.office = o.office \
     WHERE x.receivable_minor <> 0 ORDER BY x.office, since NULLS LAST, x.id"
);

/// Documents `d` of a table as far as they had been recorded at `$3`.
macro_rules! recorded {
    ($table:literal) => {
        concat!(
            offices!(),
            "JOIN sales.",
            $table,
            " AS d ON d.region = o.region AND d.office = o.office AND d.created_at <= $3 "
        )
    };
}

const OWING_AT: &str = concat!(
    "SELECT x.region, x.id, x.office, x.customer, x.currency, y.invoiced_minor, y.paid_minor, y.refunded_minor, \
         y.credited_minor, y.open_minor, y.since FROM (\
     SELECT z.region, z.order_id, sum(z.invoiced)::INT8 AS invoiced_minor, sum(z.paid)::INT8 AS paid_minor, \
         sum(z.refunded)::INT8 AS refunded_minor, sum(z.credited)::INT8 AS credited_minor, \
         sum(z.opened)::INT8 AS open_minor, min(z.since) AS since FROM (\
     SELECT d.region, d.order_id, d.net_minor + d.tax_minor AS invoiced, 0::INT8 AS paid, 0::INT8 AS refunded, \
         0::INT8 AS credited, d.net_minor + d.tax_minor - d.deposit_minor AS opened, d.effective_date AS since",
    recorded!("shipments"),
    "UNION ALL \
     SELECT d.region, d.order_id, 0::INT8 AS invoiced, 0::INT8 AS paid, 0::INT8 AS refunded, \
         d.net_minor + d.tax_minor AS credited, -d.net_minor - d.tax_minor AS opened, NULL::DATE AS since",
    recorded!("returns"),
    "UNION ALL \
     SELECT d.region, d.order_id, 0::INT8 AS invoiced, \
         CASE WHEN d.kind = 'payment' THEN d.amount_minor ELSE 0::INT8 END AS paid, \
         CASE WHEN d.kind = 'refund' THEN d.amount_minor ELSE 0::INT8 END AS refunded, 0::INT8 AS credited, \
         CASE WHEN d.kind = 'refund' THEN d.receivable_minor ELSE -d.receivable_minor END AS opened, \
         NULL::DATE AS since",
    recorded!("payments"),
    ") AS z GROUP BY z.region, z.order_id HAVING sum(z.opened) <> 0) AS y \
     JOIN sales.orders AS x ON x.region = y.region AND x.id = y.order_id ORDER BY x.office, y.since NULLS LAST, x.id"
);

const OPEN_ORDERS: &str = "SELECT count(*) AS orders FROM sales.orders \
    WHERE region = $1 AND office = $2 AND status = 'confirmed'";

pub(super) const STATEMENTS: &[&str] = &[SOLD, BY_DAY, OWING, OWING_AT, OPEN_ORDERS];

pub(crate) async fn sold(
    session: &Session,
    offices: &[OfficeHome],
    span: Span,
) -> Result<Vec<SoldItem>, DbError> {
    let rows = over(session, SOLD, offices, span).await?;
    rows.iter()
        .map(|row| {
            Ok(SoldItem {
                item: ItemId::new(RegionTag::global(), row.get("item")?),
                currency: row.get("currency")?,
                shipped: wide(row, "shipped")?,
                returned: wide(row, "returned")?,
                net_minor: wide(row, "net_minor")?,
                cost_minor: wide(row, "cost_minor")?,
            })
        })
        .collect()
}

pub(crate) async fn by_day(
    session: &Session,
    offices: &[OfficeHome],
    span: Span,
) -> Result<Vec<SalesDay>, DbError> {
    let rows = over(session, BY_DAY, offices, span).await?;
    rows.iter()
        .map(|row| {
            Ok(SalesDay {
                office: row.get("office")?,
                day: row.get("day")?,
                currency: row.get("currency")?,
                orders: wide(row, "orders")?,
                units: wide(row, "units")?,
                net_minor: wide(row, "net_minor")?,
                tax_minor: wide(row, "tax_minor")?,
                paid_minor: wide(row, "paid_minor")?,
            })
        })
        .collect()
}

async fn over(
    session: &Session,
    sql: &'static str,
    offices: &[OfficeHome],
    span: Span,
) -> Result<Vec<Row>, DbError> {
    let (regions, codes) = OfficeHome::columns(offices);
    let until = span.as_of.unwrap_or(PageRequest::END);
    let params: &[&(dyn ToSql + Sync)] = &[&regions, &codes, &span.first(), &span.last(), &until];
    session.rows(sql, params).await
}

/// Orders that owe something or are owed, now or at a moment.
pub(crate) async fn owing(
    session: &Session,
    offices: &[OfficeHome],
    as_of: Option<Timestamp>,
) -> Result<Vec<Receivable>, DbError> {
    let (regions, codes) = OfficeHome::columns(offices);
    let rows = match as_of {
        None => session.rows(OWING, &[&regions, &codes]).await?,
        Some(at) => session.rows(OWING_AT, &[&regions, &codes, &at]).await?,
    };
    rows.iter().map(receivable).collect()
}

fn receivable(row: &Row) -> Result<Receivable, DbError> {
    let region: RegionTag = row.get("region")?;
    Ok(Receivable {
        office: row.get("office")?,
        order: OrderId::new(region.clone(), row.get("id")?),
        customer: CustomerId::new(region, row.get("customer")?),
        currency: row.get("currency")?,
        invoiced_minor: row.get("invoiced_minor")?,
        paid_minor: row.get("paid_minor")?,
        refunded_minor: row.get("refunded_minor")?,
        credited_minor: row.get("credited_minor")?,
        open_minor: row.get("open_minor")?,
        since: row.get("since")?,
    })
}

/// How many orders of the office are confirmed.
pub(crate) async fn open_orders(session: &Session, home: &OfficeHome) -> Result<i64, DbError> {
    session
        .row(OPEN_ORDERS, &[&home.region, &home.office])
        .await?
        .get("orders")
}
