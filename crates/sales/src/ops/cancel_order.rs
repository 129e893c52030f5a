//! Cancels an order, or what is still open of some of its lines, and lets go of what was put aside for that.

use futures_util::try_join;
use kernel::{Intent, Invalid, OpError, Reply, id::OrderId};
use platform_db::{Refusal, TxError, Txn};
use warehouse::stock::{Booked, OrderStock};

use super::order::{Whereabouts, Written, lock_order, office_of, places};
use crate::{
    App,
    domain::{
        line::LineUnits,
        order::{CancelError, Order, OrderStatus, TooMany},
    },
    storage::orders,
};

/// What to cancel.
#[derive(Debug, Clone)]
pub(crate) struct CancelOrder {
    pub(crate) reason: String,
    /// `None`: all of it.
    pub(crate) lines: Option<Vec<LineUnits>>,
}

/// Why nothing is cancelled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CancelOrderError {
    #[error("the order is {}", .0.as_str())]
    State(OrderStatus),
    /// More of these lines than is open; none are named where all was to be cancelled.
    #[error("some of it is shipped")]
    AlreadyShipped(Vec<TooMany>),
    #[error("a quantity is out of range")]
    OutOfRange,
}

impl Refusal for CancelOrderError {}

impl From<CancelError> for CancelOrderError {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::State(status) => Self::State(status),
            CancelError::AlreadyShipped(lines) => Self::AlreadyShipped(lines),
            CancelError::OutOfRange => Self::OutOfRange,
        }
    }
}

/// `found`: where the order is.
pub(crate) async fn cancel_order(
    app: &App,
    mut intent: Intent,
    (id, found): (OrderId, Option<Whereabouts>),
    command: Result<CancelOrder, Invalid>,
) -> Result<Reply, OpError<CancelOrderError>> {
    if let Some(found) = &found {
        intent.hot = found.hot_names(&id);
    }
    app.db
        .write(intent, async move |txn| {
            let command = command.clone()?;
            cancel(txn, (&id, found.as_ref()), command).await
        })
        .await
}

async fn cancel(
    txn: &Txn<'_>,
    (id, found): (&OrderId, Option<&Whereabouts>),
    command: CancelOrder,
) -> Result<Reply, TxError<CancelOrderError>> {
    let before = lock_order(txn, found, id).await?;
    check_lines(&before, command.lines.as_deref().unwrap_or_default())?;
    let office = office_of(txn, &before).await?;
    let mut stock = OrderStock::lock(txn, &office, &places(&before)).await?;
    let cancelled = before.cancelled(command.lines.as_deref(), txn.now());
    let (after, units) = cancelled.map_err(CancelOrderError::from)?;
    for LineUnits { line, quantity } in &units {
        stock.release(txn, line, *quantity).await?;
    }
    try_join!(
        orders::update(txn, &after),
        stock.save(txn, Booked::default())
    )?;
    let written = Written {
        before: Some(&before),
        after: &after,
        kind: event_kind(after.status),
        reason: Some(&command.reason),
    };
    Ok(written.leave(txn, 200))
}

/// That these lines are the order's.
pub(crate) fn check_lines(order: &Order, lines: &[LineUnits]) -> Result<(), Invalid> {
    let mut invalid = Invalid::default();
    for (index, units) in lines.iter().enumerate() {
        if order.line(&units.line).is_none() {
            let pointer = format!("/lines/{index}/line");
            let unknown = Invalid::one(pointer, "line_unknown", "is no line of the order");
            invalid.errors.extend(unknown.errors);
        }
    }
    if invalid.errors.is_empty() {
        Ok(())
    } else {
        Err(invalid)
    }
}

/// What happened to an order of which something was cancelled.
fn event_kind(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Cancelled => "sales.order.cancelled",
        OrderStatus::Fulfilled => "sales.order.fulfilled",
        OrderStatus::Draft | OrderStatus::Confirmed | OrderStatus::Expired => "sales.order.changed",
    }
}
