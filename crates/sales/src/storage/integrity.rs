//! Whether orders, their lines and what was recorded of them agree.
//!
//! What must be equal is added up side by side: every row says of which order (and line) it is, what it is about, and
//! what it adds to what was found there and to what is expected. So each table is read once, along an index, and no
//! order is looked up one by one.

use kernel::{
    RegionTag,
    id::{OrderId, OrderLineId},
};
use platform_db::{DbError, Row, Session, offices::OfficeHome};
use uuid::Uuid;

use super::wide;
use crate::reports::{OpenLine, OrderBalance, UnsoundOrder, UnsoundOrders};

/// Rows `d` of a table of the offices.
macro_rules! of_offices {
    ($table:literal) => {
        concat!(
            " FROM unnest($1::TEXT[], $2::TEXT[]) AS o (region, office) JOIN sales.",
            $table,
            " AS d ON d.region = o.region AND d.office = o.office "
        )
    };
}

/// What rows `d` (and `l`) say, one row for each thing it is about. What adds the same to both sides is left out early:
/// most figures of most orders are nothing. The things are joined by name, so that no row needs a plan of its own.
macro_rules! figures {
    ($order:literal, $line:literal, $from:expr, [$first:tt $(, $other:tt)* $(,)?]) => {
        concat!(
            "SELECT f.region, f.office, f.order_id, f.line, f.what, f.found, f.expected FROM (\
             SELECT d.region, d.office, ",
            $order,
            " AS order_id, ",
            $line,
            " AS line, v.what, CASE v.what",
            found!($first),
            $(found!($other),)*
            " END AS found, CASE v.what",
            expected!($first),
            $(expected!($other),)*
            " END AS expected",
            $from,
            "CROSS JOIN (VALUES ",
            named!($first),
            $(", ", named!($other),)*
            ") AS v (what)) AS f WHERE f.found <> f.expected"
        )
    };
}

macro_rules! named {
    (($what:literal, $found:literal, $expected:literal)) => {
        concat!("('", $what, "')")
    };
}

macro_rules! found {
    (($what:literal, $found:literal, $expected:literal)) => {
        concat!(" WHEN '", $what, "' THEN ", $found)
    };
}

macro_rules! expected {
    (($what:literal, $found:literal, $expected:literal)) => {
        concat!(" WHEN '", $what, "' THEN ", $expected)
    };
}

/// The columns of orders against their documents, and the columns of documents against their lines.
const ORDERS: &str = concat!(
    "SELECT x.region, x.office, x.order_id, NULL::UUID AS line, x.what, sum(x.found)::TEXT AS found, \
         sum(x.expected)::TEXT AS expected, count(*) OVER () AS faults FROM (",
    figures!(
        "d.id",
        "NULL::UUID",
        of_offices!("orders"),
        [
            ("subtotal_minor", "d.subtotal_minor::NUMERIC", "0::NUMERIC"),
            ("tax_minor", "d.tax_minor::NUMERIC", "0::NUMERIC"),
            ("invoiced_minor", "d.invoiced_minor::NUMERIC", "0::NUMERIC"),
            ("credited_minor", "d.credited_minor::NUMERIC", "0::NUMERIC"),
            ("paid_minor", "d.paid_minor::NUMERIC", "0::NUMERIC"),
            ("refunded_minor", "d.refunded_minor::NUMERIC", "0::NUMERIC"),
            (
                "receivable_minor",
                "d.receivable_minor::NUMERIC",
                "0::NUMERIC"
            ),
            ("deposit_minor", "d.deposit_minor::NUMERIC", "0::NUMERIC"),
        ]
    ),
    " UNION ALL ",
    figures!(
        "d.id",
        "NULL::UUID",
        concat!(
            of_offices!("orders"),
            "JOIN sales.order_lines AS l ON l.region = d.region AND l.order_id = d.id "
        ),
        [
            (
                "subtotal_minor",
                "0::NUMERIC",
                "l.quantity::NUMERIC * l.unit_price_minor"
            ),
            (
                "tax_minor",
                "0::NUMERIC",
                "floor((l.quantity::NUMERIC * l.unit_price_minor * l.tax_rate_bp + 5000) / 10000)"
            ),
        ]
    ),
    " UNION ALL ",
    figures!(
        "d.order_id",
        "NULL::UUID",
        of_offices!("shipments"),
        [
            (
                "invoiced_minor",
                "0::NUMERIC",
                "d.net_minor::NUMERIC + d.tax_minor"
            ),
            (
                "receivable_minor",
                "0::NUMERIC",
                "d.net_minor::NUMERIC + d.tax_minor - d.deposit_minor"
            ),
            ("deposit_minor", "0::NUMERIC", "-d.deposit_minor::NUMERIC"),
            (
                "shipments.amount_minor",
                "d.net_minor::NUMERIC + d.tax_minor",
                "0::NUMERIC"
            ),
            (
                "shipments.cost_minor",
                "d.cost_minor::NUMERIC",
                "0::NUMERIC"
            ),
        ]
    ),
    " UNION ALL ",
    figures!(
        "d.order_id",
        "NULL::UUID",
        concat!(
            of_offices!("shipments"),
            "JOIN sales.shipment_lines AS l ON l.region = d.region AND l.shipment = d.id "
        ),
        [
            (
                "shipments.amount_minor",
                "0::NUMERIC",
                "l.net_minor::NUMERIC + l.tax_minor"
            ),
            (
                "shipments.cost_minor",
                "0::NUMERIC",
                "l.cost_minor::NUMERIC"
            ),
        ]
    ),
    " UNION ALL ",
    figures!(
        "d.order_id",
        "NULL::UUID",
        of_offices!("returns"),
        [
            (
                "credited_minor",
                "0::NUMERIC",
                "d.net_minor::NUMERIC + d.tax_minor"
            ),
            (
                "receivable_minor",
                "0::NUMERIC",
                "-d.net_minor::NUMERIC - d.tax_minor"
            ),
            (
                "returns.amount_minor",
                "d.net_minor::NUMERIC + d.tax_minor",
                "0::NUMERIC"
            ),
            ("returns.cost_minor", "d.cost_minor::NUMERIC", "0::NUMERIC"),
        ]
    ),
    " UNION ALL ",
    figures!(
        "d.order_id",
        "NULL::UUID",
        concat!(
            of_offices!("returns"),
            "JOIN sales.return_lines AS l ON l.region = d.region AND l.return_id = d.id "
        ),
        [
            (
                "returns.amount_minor",
                "0::NUMERIC",
                "l.net_minor::NUMERIC + l.tax_minor"
            ),
            ("returns.cost_minor", "0::NUMERIC", "l.cost_minor::NUMERIC"),
        ]
    ),
    " UNION ALL ",
    figures!(
        "d.order_id",
        "NULL::UUID",
        of_offices!("payments"),
        [
            (
                "paid_minor",
                "0::NUMERIC",
                "CASE WHEN d.kind = 'refund' THEN 0 ELSE d.amount_minor END::NUMERIC"
            ),
            (
                "refunded_minor",
                "0::NUMERIC",
                "CASE WHEN d.kind = 'refund' THEN d.amount_minor ELSE 0 END::NUMERIC"
            ),
            (
                "receivable_minor",
                "0::NUMERIC",
                "CASE WHEN d.kind = 'refund' THEN d.receivable_minor ELSE -d.receivable_minor END::NUMERIC"
            ),
            (
                "deposit_minor",
                "0::NUMERIC",
                "CASE WHEN d.kind = 'refund' THEN -d.deposit_minor ELSE d.deposit_minor END::NUMERIC"
            ),
        ]
    ),
    ") AS x GROUP BY x.region, x.office, x.order_id, x.what HAVING sum(x.found) <> sum(x.expected) \
     ORDER BY x.region, x.order_id, x.what LIMIT $3"
);

/// What lines say was shipped and returned against the documents, and how much that may be at most.
const LINES: &str = concat!(
    "SELECT x.region, x.office, x.order_id, x.line, x.what, sum(x.found)::TEXT AS found, \
         sum(x.expected)::TEXT AS expected, count(*) OVER () AS faults FROM (",
    figures!(
        "d.id",
        "l.id",
        concat!(
            of_offices!("orders"),
            "JOIN sales.order_lines AS l ON l.region = d.region AND l.order_id = d.id "
        ),
        [
            ("shipped", "l.shipped", "0::INT8"),
            ("returned", "l.returned", "0::INT8"),
            ("cost_minor", "l.cost_minor", "0::INT8"),
            ("cost_returned_minor", "l.cost_returned_minor", "0::INT8"),
            (
                "shipped + cancelled",
                "greatest(l.shipped + l.cancelled, l.quantity)",
                "l.quantity"
            ),
            (
                "returned of shipped",
                "greatest(l.returned, l.shipped)",
                "l.shipped"
            ),
        ]
    ),
    " UNION ALL ",
    figures!(
        "d.order_id",
        "l.line",
        concat!(
            of_offices!("shipments"),
            "JOIN sales.shipment_lines AS l ON l.region = d.region AND l.shipment = d.id "
        ),
        [
            ("shipped", "0::INT8", "l.quantity"),
            ("cost_minor", "0::INT8", "l.cost_minor"),
        ]
    ),
    " UNION ALL ",
    figures!(
        "d.order_id",
        "l.line",
        concat!(
            of_offices!("returns"),
            "JOIN sales.return_lines AS l ON l.region = d.region AND l.return_id = d.id "
        ),
        [
            ("returned", "0::INT8", "l.quantity"),
            ("cost_returned_minor", "0::INT8", "l.cost_minor"),
        ]
    ),
    ") AS x GROUP BY x.region, x.office, x.order_id, x.line, x.what HAVING sum(x.found) <> sum(x.expected) \
     ORDER BY x.region, x.order_id, x.line, x.what LIMIT $3"
);

/// Lines of confirmed orders of which something is still to be shipped.
const OPEN_LINES: &str = concat!(
    "SELECT d.region, d.office, d.id AS order_id, l.id AS line, (l.quantity - l.shipped - l.cancelled)::TEXT AS open",
    of_offices!("orders"),
    "JOIN sales.order_lines AS l ON l.region = d.region AND l.order_id = d.id \
     WHERE d.status = 'confirmed' AND l.quantity - l.shipped - l.cancelled > 0"
);

/// Orders that owe, are owed, or say so and do not.
const BALANCES: &str = concat!(
    "SELECT d.region, d.office, d.id, d.receivable_minor, d.deposit_minor, \
         (d.invoiced_minor::NUMERIC - d.credited_minor - d.paid_minor + d.refunded_minor)::TEXT AS owed",
    of_offices!("orders"),
    "WHERE d.receivable_minor <> 0 OR d.deposit_minor <> 0 \
        OR d.invoiced_minor::NUMERIC - d.credited_minor - d.paid_minor + d.refunded_minor <> 0"
);

pub(super) const STATEMENTS: &[&str] = &[ORDERS, LINES, OPEN_LINES, BALANCES];

/// Orders that are not the sums of what was recorded of them: how often, and the first `limit`.
pub(crate) async fn unsound_orders(
    session: &Session,
    offices: &[OfficeHome],
    limit: i64,
) -> Result<UnsoundOrders, DbError> {
    unsound(session, ORDERS, offices, limit).await
}

/// Lines that are not the sums of what was recorded of them, or of which more was done than there is.
pub(crate) async fn unsound_lines(
    session: &Session,
    offices: &[OfficeHome],
    limit: i64,
) -> Result<UnsoundOrders, DbError> {
    unsound(session, LINES, offices, limit).await
}

async fn unsound(
    session: &Session,
    sql: &'static str,
    offices: &[OfficeHome],
    limit: i64,
) -> Result<UnsoundOrders, DbError> {
    let (regions, codes) = OfficeHome::columns(offices);
    let rows = session.rows(sql, &[&regions, &codes, &limit]).await?;
    let count = rows.first().map_or(Ok(0), |row| row.get("faults"))?;
    let first = rows.iter().map(|row| {
        let (order, line) = (order(row, "order_id")?, row.get::<Option<Uuid>>("line")?);
        Ok(UnsoundOrder {
            office: row.get("office")?,
            line: line.map(|line| OrderLineId::new(order.region().clone(), line)),
            order,
            what: row.get("what")?,
            expected: wide(row, "expected")?,
            found: wide(row, "found")?,
        })
    });
    Ok(UnsoundOrders {
        count,
        first: first.collect::<Result<_, DbError>>()?,
    })
}

pub(crate) async fn open_lines(
    session: &Session,
    offices: &[OfficeHome],
) -> Result<Vec<OpenLine>, DbError> {
    let (regions, codes) = OfficeHome::columns(offices);
    let rows = session.rows(OPEN_LINES, &[&regions, &codes]).await?;
    rows.iter()
        .map(|row| {
            let order = order(row, "order_id")?;
            Ok(OpenLine {
                office: row.get("office")?,
                line: OrderLineId::new(order.region().clone(), row.get("line")?),
                order,
                open: wide(row, "open")?,
            })
        })
        .collect()
}

pub(crate) async fn balances(
    session: &Session,
    offices: &[OfficeHome],
) -> Result<Vec<OrderBalance>, DbError> {
    let (regions, codes) = OfficeHome::columns(offices);
    let rows = session.rows(BALANCES, &[&regions, &codes]).await?;
    rows.iter()
        .map(|row| {
            Ok(OrderBalance {
                office: row.get("office")?,
                order: order(row, "id")?,
                receivable_minor: row.get::<i64>("receivable_minor")?.into(),
                deposit_minor: row.get::<i64>("deposit_minor")?.into(),
                owed_minor: wide(row, "owed")?,
            })
        })
        .collect()
}

fn order(row: &Row, column: &str) -> Result<OrderId, DbError> {
    let region: RegionTag = row.get("region")?;
    Ok(OrderId::new(region, row.get(column)?))
}
