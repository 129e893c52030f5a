//! Whether orders, their lines and what was recorded of them agree.
//!
//! What must be equal is added up side by side: every row says of which order (and line) it is, and what it adds to two
//! figures, as they were found and as they are expected. So each table is read along an index, no order is looked up one
//! by one, and what is kept while adding up is one row for each order, or for each line, with few and small sums.

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

/// What rows `d` (and `l`) add to two figures: to what was found, and to what is expected. What adds the same to both is
/// left out early: most figures of most orders are nothing.
macro_rules! rows {
    ($order:literal, $line:literal, $from:expr, [($found_a:literal, $expected_a:literal), ($found_b:literal, $expected_b:literal) $(,)?]) => {
        concat!(
            "SELECT d.region, d.office, ",
            $order,
            ", ",
            $line,
            ", ",
            $found_a,
            ", ",
            $expected_a,
            ", ",
            $found_b,
            ", ",
            $expected_b,
            $from,
            "WHERE ",
            $found_a,
            " <> ",
            $expected_a,
            " OR ",
            $found_b,
            " <> ",
            $expected_b
        )
    };
}

/// Two figures of orders (or lines) and all that adds to them; of those that one of the two differs of, a row for each.
macro_rules! pair {
    ([$a:literal, $b:literal], [$first:expr $(, $other:expr)* $(,)?]) => {
        concat!(
            "SELECT y.region, y.office, y.order_id, y.line, v.what, \
                 CASE v.what WHEN '", $a, "' THEN y.found_a ELSE y.found_b END AS found, \
                 CASE v.what WHEN '", $a, "' THEN y.expected_a ELSE y.expected_b END AS expected \
             FROM (SELECT x.region, x.office, x.order_id, x.line, sum(x.found_a) AS found_a, \
                 sum(x.expected_a) AS expected_a, sum(x.found_b) AS found_b, sum(x.expected_b) AS expected_b FROM (",
            $first,
            $(" UNION ALL ", $other,)*
            ") AS x (region, office, order_id, line, found_a, expected_a, found_b, expected_b) \
             GROUP BY x.region, x.office, x.order_id, x.line \
             HAVING sum(x.found_a) <> sum(x.expected_a) OR sum(x.found_b) <> sum(x.expected_b)) AS y \
             CROSS JOIN (VALUES ('", $a, "'), ('", $b, "')) AS v (what)"
        )
    };
}

/// How many figures differ, and the first `$3` of them.
macro_rules! first {
    ($first:expr $(, $other:expr)* $(,)?) => {
        concat!(
            "SELECT z.region, z.office, z.order_id, z.line, z.what, z.found::TEXT AS found, \
                 z.expected::TEXT AS expected, count(*) OVER () AS faults FROM (",
            $first,
            $(" UNION ALL ", $other,)*
            ") AS z WHERE z.found <> z.expected ORDER BY z.region, z.order_id, z.line, z.what LIMIT $3"
        )
    };
}

/// Lines `l` of the orders.
macro_rules! order_lines {
    () => {
        concat!(
            of_offices!("orders"),
            "JOIN sales.order_lines AS l ON l.region = d.region AND l.order_id = d.id "
        )
    };
}

/// Lines `l` of the shipments.
macro_rules! shipment_lines {
    () => {
        concat!(
            of_offices!("shipments"),
            "JOIN sales.shipment_lines AS l ON l.region = d.region AND l.shipment = d.id "
        )
    };
}

/// Lines `l` of the returns.
macro_rules! return_lines {
    () => {
        concat!(
            of_offices!("returns"),
            "JOIN sales.return_lines AS l ON l.region = d.region AND l.return_id = d.id "
        )
    };
}

/// The columns of orders against their lines and documents, and the columns of documents against their lines.
const ORDERS: &str = first!(
    pair!(
        ["subtotal_minor", "tax_minor"],
        [
            rows!(
                "d.id",
                "NULL::UUID",
                of_offices!("orders"),
                [
                    ("d.subtotal_minor", "0::NUMERIC"),
                    ("d.tax_minor", "0::NUMERIC")
                ]
            ),
            rows!(
                "d.id",
                "NULL::UUID",
                order_lines!(),
                [
                    ("0::INT8", "l.quantity::NUMERIC * l.unit_price_minor"),
                    (
                        "0::INT8",
                        "floor((l.quantity::NUMERIC * l.unit_price_minor * l.tax_rate_bp + 5000) / 10000)"
                    )
                ]
            ),
        ]
    ),
    pair!(
        ["invoiced_minor", "credited_minor"],
        [
            rows!(
                "d.id",
                "NULL::UUID",
                of_offices!("orders"),
                [
                    ("d.invoiced_minor", "0::NUMERIC"),
                    ("d.credited_minor", "0::NUMERIC")
                ]
            ),
            rows!(
                "d.order_id",
                "NULL::UUID",
                of_offices!("shipments"),
                [
                    ("0::INT8", "d.net_minor::NUMERIC + d.tax_minor"),
                    ("0::INT8", "0::NUMERIC")
                ]
            ),
            rows!(
                "d.order_id",
                "NULL::UUID",
                of_offices!("returns"),
                [
                    ("0::INT8", "0::NUMERIC"),
                    ("0::INT8", "d.net_minor::NUMERIC + d.tax_minor")
                ]
            ),
        ]
    ),
    pair!(
        ["paid_minor", "refunded_minor"],
        [
            rows!(
                "d.id",
                "NULL::UUID",
                of_offices!("orders"),
                [("d.paid_minor", "0::INT8"), ("d.refunded_minor", "0::INT8")]
            ),
            rows!(
                "d.order_id",
                "NULL::UUID",
                of_offices!("payments"),
                [
                    (
                        "0::INT8",
                        "CASE WHEN d.kind = 'refund' THEN 0 ELSE d.amount_minor END"
                    ),
                    (
                        "0::INT8",
                        "CASE WHEN d.kind = 'refund' THEN d.amount_minor ELSE 0 END"
                    )
                ]
            ),
        ]
    ),
    pair!(
        ["receivable_minor", "deposit_minor"],
        [
            rows!(
                "d.id",
                "NULL::UUID",
                of_offices!("orders"),
                [
                    ("d.receivable_minor", "0::NUMERIC"),
                    ("d.deposit_minor", "0::INT8")
                ]
            ),
            rows!(
                "d.order_id",
                "NULL::UUID",
                of_offices!("shipments"),
                [
                    (
                        "0::INT8",
                        "d.net_minor::NUMERIC + d.tax_minor - d.deposit_minor"
                    ),
                    ("0::INT8", "-d.deposit_minor")
                ]
            ),
            rows!(
                "d.order_id",
                "NULL::UUID",
                of_offices!("returns"),
                [
                    ("0::INT8", "-d.net_minor::NUMERIC - d.tax_minor"),
                    ("0::INT8", "0::INT8")
                ]
            ),
            rows!(
                "d.order_id",
                "NULL::UUID",
                of_offices!("payments"),
                [
                    (
                        "0::INT8",
                        "CASE WHEN d.kind = 'refund' THEN d.receivable_minor ELSE -d.receivable_minor END::NUMERIC"
                    ),
                    (
                        "0::INT8",
                        "CASE WHEN d.kind = 'refund' THEN -d.deposit_minor ELSE d.deposit_minor END"
                    )
                ]
            ),
        ]
    ),
    pair!(
        ["shipments.amount_minor", "shipments.cost_minor"],
        [
            rows!(
                "d.order_id",
                "NULL::UUID",
                of_offices!("shipments"),
                [
                    ("d.net_minor::NUMERIC + d.tax_minor", "0::NUMERIC"),
                    ("d.cost_minor", "0::INT8")
                ]
            ),
            rows!(
                "d.order_id",
                "NULL::UUID",
                shipment_lines!(),
                [
                    ("0::NUMERIC", "l.net_minor::NUMERIC + l.tax_minor"),
                    ("0::INT8", "l.cost_minor")
                ]
            ),
        ]
    ),
    pair!(
        ["returns.amount_minor", "returns.cost_minor"],
        [
            rows!(
                "d.order_id",
                "NULL::UUID",
                of_offices!("returns"),
                [
                    ("d.net_minor::NUMERIC + d.tax_minor", "0::NUMERIC"),
                    ("d.cost_minor", "0::INT8")
                ]
            ),
            rows!(
                "d.order_id",
                "NULL::UUID",
                return_lines!(),
                [
                    ("0::NUMERIC", "l.net_minor::NUMERIC + l.tax_minor"),
                    ("0::INT8", "l.cost_minor")
                ]
            ),
        ]
    )
);

/// What lines say was shipped and returned against the documents, and how much that may be at most.
const LINES: &str = first!(
    pair!(
        ["shipped", "cost_minor"],
        [
            rows!(
                "d.id",
                "l.id",
                order_lines!(),
                [("l.shipped", "0::INT8"), ("l.cost_minor", "0::INT8")]
            ),
            rows!(
                "d.order_id",
                "l.line",
                shipment_lines!(),
                [("0::INT8", "l.quantity"), ("0::INT8", "l.cost_minor")]
            ),
        ]
    ),
    pair!(
        ["returned", "cost_returned_minor"],
        [
            rows!(
                "d.id",
                "l.id",
                order_lines!(),
                [
                    ("l.returned", "0::INT8"),
                    ("l.cost_returned_minor", "0::INT8")
                ]
            ),
            rows!(
                "d.order_id",
                "l.line",
                return_lines!(),
                [("0::INT8", "l.quantity"), ("0::INT8", "l.cost_minor")]
            ),
        ]
    ),
    pair!(
        ["shipped + cancelled", "returned of shipped"],
        [rows!(
            "d.id",
            "l.id",
            order_lines!(),
            [
                (
                    "greatest(l.shipped + l.cancelled, l.quantity)",
                    "l.quantity"
                ),
                ("greatest(l.returned, l.shipped)", "l.shipped")
            ]
        ),]
    )
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
