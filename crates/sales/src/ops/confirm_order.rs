//! Places an order: everything that it wants is put aside for good, or nothing is.

use futures_util::try_join;
use kernel::{Intent, Invalid, OpError, Reply, id::OrderId};
use platform_db::{DbError, Refusal, TxError, Txn};
use warehouse::stock::{Booked, NotReserved, OrderStock, find_nearest};

use super::{
    new_lines::hold,
    order::{Whereabouts, Written, lock_order, office_of, places},
};
use crate::{
    App,
    domain::order::{NotInState, OrderStatus},
    storage::orders,
};

/// Why an order is not placed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfirmOrderError {
    /// Only a draft is confirmed.
    #[error("the order is {}", .0.as_str())]
    State(OrderStatus),
    #[error(transparent)]
    NotReserved(#[from] NotReserved),
}

impl Refusal for ConfirmOrderError {}

/// `found`: where the order is.
pub(crate) async fn confirm_order(
    app: &App,
    mut intent: Intent,
    (id, found): (OrderId, Option<Whereabouts>),
    nothing: Result<(), Invalid>,
) -> Result<Reply, OpError<ConfirmOrderError>> {
    let call = intent.call.clone();
    if let Some(found) = &found {
        intent.hot = found.hot_names(&id);
    }
    let office = found.as_ref().map(|found| found.home.office.clone());
    let written = app
        .db
        .write(intent, async move |txn| {
            nothing.clone()?;
            confirm(txn, found.as_ref(), &id).await
        })
        .await;
    match (written, office) {
        (
            Err(OpError::Refused(ConfirmOrderError::NotReserved(NotReserved::Insufficient {
                lines,
            }))),
            Some(office),
        ) => {
            let lines = find_nearest(&app.warehouse, &call, &office, lines).await;
            let refusal = NotReserved::Insufficient { lines };
            Err(OpError::Refused(refusal.into()))
        }
        (written, _) => written,
    }
}

async fn confirm(
    txn: &Txn<'_>,
    found: Option<&Whereabouts>,
    id: &OrderId,
) -> Result<Reply, TxError<ConfirmOrderError>> {
    let before = lock_order(txn, found, id).await?;
    let office = office_of(txn, &before).await?;
    let mut stock = OrderStock::lock(txn, &office, &places(&before)).await?;
    let now = txn.now();
    let day = now.date_in(&office.time_zone).ok_or(DbError::NoRow)?;
    let after = before.confirmed(now, day);
    let after = after.map_err(|NotInState(status)| ConfirmOrderError::State(status))?;
    hold::<ConfirmOrderError>(txn, &mut stock, &after.lines, None).await?;
    try_join!(
        orders::update_order(txn, &after),
        stock.save(txn, Booked::default())
    )?;
    let written = Written {
        before: Some(&before),
        after: &after,
        kind: "sales.order.confirmed",
        reason: None,
    };
    Ok(written.leave(txn, 200))
}
