//! What was recorded of one order, table by table, for the story of it.

use kernel::{
    AmountMinor, Date, OfficeCode, RegionTag, Timestamp,
    id::{EntryId, MovementId, OrderId, OrderLineId, PaymentId, ReturnId, ShipmentId},
};
use platform_db::{DbError, Row, Session};
use uuid::Uuid;

use super::word;
use crate::domain::order::OrderStatus;

const STEPS: &str = "
    SELECT o.region, o.office, o.status, o.created_at, o.placed_at, o.expires_at, o.ended_at,
           ARRAY(SELECT l.id FROM sales.order_lines AS l WHERE l.region = o.region AND l.order_id = o.id) AS lines
    FROM sales.orders AS o
    WHERE o.region = ANY ($1) AND o.id = $2";

const CANCELLATIONS: &str = "
    SELECT at, line, quantity
    FROM sales.order_cancellations
    WHERE region = $1 AND order_id = $2
    ORDER BY at, line";

const PAYMENTS: &str = "
    SELECT id, kind, amount_minor, journal_entry, effective_date, created_at
    FROM sales.payments
    WHERE region = $1 AND order_id = $2
    ORDER BY created_at, id";

const SHIPMENTS: &str = "
    SELECT d.id, d.net_minor, d.tax_minor, d.journal_entries, d.effective_date, d.created_at,
           ARRAY(SELECT l.movement FROM sales.shipment_lines AS l WHERE l.region = d.region AND l.shipment = d.id)
               AS movements
    FROM sales.shipments AS d
    WHERE d.region = $1 AND d.order_id = $2
    ORDER BY d.created_at, d.id";

const RETURNS: &str = "
    SELECT d.id, d.net_minor, d.tax_minor, d.journal_entries, d.effective_date, d.created_at,
           ARRAY(SELECT l.movement FROM sales.return_lines AS l
                 WHERE l.region = d.region AND l.return_id = d.id AND l.movement IS NOT NULL ORDER BY l.position)
               AS movements
    FROM sales.returns AS d
    WHERE d.region = $1 AND d.order_id = $2
    ORDER BY d.created_at, d.id";

pub(super) const STATEMENTS: &[&str] = &[STEPS, CANCELLATIONS, PAYMENTS, SHIPMENTS, RETURNS];

/// The states that an order went through.
#[derive(Debug, Clone)]
pub(crate) struct Steps {
    /// The order, with the region in which it was found.
    pub(crate) order: OrderId,
    pub(crate) office: OfficeCode,
    pub(crate) status: OrderStatus,
    pub(crate) created_at: Timestamp,
    pub(crate) placed_at: Option<Timestamp>,
    pub(crate) expires_at: Timestamp,
    /// When it was fulfilled, cancelled or swept.
    pub(crate) ended_at: Option<Timestamp>,
    /// The bits of its lines' ids.
    pub(crate) lines: Vec<Uuid>,
}

/// Units of one line that were cancelled.
#[derive(Debug, Clone)]
pub(crate) struct Cancellation {
    pub(crate) at: Timestamp,
    pub(crate) line: OrderLineId,
    pub(crate) quantity: i64,
}

/// Money that came, or went back.
#[derive(Debug, Clone)]
pub(crate) struct PaymentFact {
    pub(crate) id: PaymentId,
    pub(crate) is_refund: bool,
    pub(crate) amount: AmountMinor,
    pub(crate) entry: EntryId,
    pub(crate) effective_date: Date,
    pub(crate) at: Timestamp,
}

/// Goods that left, or came back.
#[derive(Debug, Clone)]
pub(crate) struct GoodsFact {
    /// Of the shipment or the return.
    pub(crate) id: String,
    /// With tax.
    pub(crate) amount: AmountMinor,
    pub(crate) entries: Vec<EntryId>,
    pub(crate) movements: Vec<MovementId>,
    pub(crate) effective_date: Date,
    pub(crate) at: Timestamp,
}

/// The order, wherever it lives.
pub(crate) async fn steps(
    session: &Session,
    regions: &[RegionTag],
    id: &OrderId,
) -> Result<Option<Steps>, DbError> {
    let Some(row) = session.row_opt(STEPS, &[&regions, &id.uuid()]).await? else {
        return Ok(None);
    };
    Ok(Some(Steps {
        order: OrderId::new(row.get("region")?, id.uuid()),
        office: row.get("office")?,
        status: word(&row, "status")?,
        created_at: row.get("created_at")?,
        placed_at: row.get("placed_at")?,
        expires_at: row.get("expires_at")?,
        ended_at: row.get("ended_at")?,
        lines: row.get("lines")?,
    }))
}

pub(crate) async fn cancellations(
    session: &Session,
    order: &OrderId,
) -> Result<Vec<Cancellation>, DbError> {
    let rows = of_order(session, CANCELLATIONS, order).await?;
    rows.iter()
        .map(|row| {
            Ok(Cancellation {
                at: row.get("at")?,
                line: OrderLineId::new(order.region().clone(), row.get("line")?),
                quantity: row.get("quantity")?,
            })
        })
        .collect()
}

pub(crate) async fn payments(
    session: &Session,
    order: &OrderId,
) -> Result<Vec<PaymentFact>, DbError> {
    let rows = of_order(session, PAYMENTS, order).await?;
    rows.iter()
        .map(|row| {
            Ok(PaymentFact {
                id: PaymentId::new(order.region().clone(), row.get("id")?),
                is_refund: row.get::<String>("kind")? == "refund",
                amount: row.get("amount_minor")?,
                entry: EntryId::new(order.region().clone(), row.get("journal_entry")?),
                effective_date: row.get("effective_date")?,
                at: row.get("created_at")?,
            })
        })
        .collect()
}

pub(crate) async fn shipments(
    session: &Session,
    order: &OrderId,
) -> Result<Vec<GoodsFact>, DbError> {
    let rows = of_order(session, SHIPMENTS, order).await?;
    let id = |id| ShipmentId::new(order.region().clone(), id).to_string();
    rows.iter().map(|row| goods(row, order, id)).collect()
}

pub(crate) async fn returns(session: &Session, order: &OrderId) -> Result<Vec<GoodsFact>, DbError> {
    let rows = of_order(session, RETURNS, order).await?;
    let id = |id| ReturnId::new(order.region().clone(), id).to_string();
    rows.iter().map(|row| goods(row, order, id)).collect()
}

async fn of_order(
    session: &Session,
    sql: &'static str,
    order: &OrderId,
) -> Result<Vec<Row>, DbError> {
    session.rows(sql, &[order.region(), &order.uuid()]).await
}

fn goods(row: &Row, order: &OrderId, id: impl Fn(Uuid) -> String) -> Result<GoodsFact, DbError> {
    let (net, tax): (AmountMinor, AmountMinor) = (row.get("net_minor")?, row.get("tax_minor")?);
    let entries: Vec<Uuid> = row.get("journal_entries")?;
    let movements: Vec<Uuid> = row.get("movements")?;
    let region = order.region();
    Ok(GoodsFact {
        id: id(row.get("id")?),
        // The order's own sum, which is larger, is in range.
        amount: net.plus(tax).unwrap_or_default(),
        entries: entries
            .into_iter()
            .map(|id| EntryId::new(region.clone(), id))
            .collect(),
        movements: movements
            .into_iter()
            .map(|id| MovementId::new(region.clone(), id))
            .collect(),
        effective_date: row.get("effective_date")?,
        at: row.get("created_at")?,
    })
}
