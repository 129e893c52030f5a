//! Changes an order's members: a draft's, later only its notes.

use futures_util::try_join;
use kernel::{
    Intent, Invalid, OpError, Reply,
    id::{CustomerId, OrderId},
};
use platform_db::{DbError, Refusal, TxError, Txn, offices::Office};
use warehouse::stock::{self, NotReserved, OrderStock};

use super::{
    create_order::{check_customer, with_nearest},
    new_lines::{self, Facts, LinesError, NewLine, Numbered, hold, numbered, save},
    order::{Whereabouts, Written, lock_order, office_of, places},
};
use crate::{
    App,
    domain::order::{ChangeError, Order, OrderChange, OrderStatus},
    storage::{customers, orders},
    views::{json, order::OrderView},
};

/// What a change does to an order's members; `None` leaves a member as it is, `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub(crate) struct OrderPatch {
    /// All lines anew.
    pub(crate) lines: Option<Vec<NewLine>>,
    pub(crate) customer: Option<CustomerId>,
    pub(crate) reference: Option<Option<String>>,
    pub(crate) notes: Option<Option<String>>,
}

/// Why an order stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UpdateOrderError {
    /// Only a draft is changed.
    #[error("the order is {}", .0.as_str())]
    State(OrderStatus),
    #[error(transparent)]
    Lines(#[from] LinesError),
}

impl Refusal for UpdateOrderError {}

impl From<NotReserved> for UpdateOrderError {
    fn from(refusal: NotReserved) -> Self {
        Self::Lines(refusal.into())
    }
}

impl From<ChangeError> for UpdateOrderError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::State(status) => Self::State(status),
            ChangeError::OutOfRange => Self::Lines(LinesError::OutOfRange),
        }
    }
}

/// `found`: where the order is.
pub(crate) async fn update_order(
    app: &App,
    mut intent: Intent,
    (id, found): (OrderId, Option<Whereabouts>),
    patch: Result<OrderPatch, Invalid>,
) -> Result<Reply, OpError<UpdateOrderError>> {
    let call = intent.call.clone();
    if let Some(found) = &found {
        intent.hot = hot_names(found, &id, patch.as_ref().ok());
    }
    let office = found.as_ref().map(|found| found.home.office.clone());
    let written = app
        .db
        .write(intent, async move |txn| {
            let patch = patch.clone()?;
            update(txn, (&id, found.as_ref()), patch).await
        })
        .await;
    match (written, office) {
        (Err(OpError::Refused(UpdateOrderError::Lines(error))), Some(office)) => {
            let error = with_nearest(app, &call, &office, error).await;
            Err(OpError::Refused(UpdateOrderError::Lines(error)))
        }
        (written, _) => written,
    }
}

/// Levels only where goods may be held: where the lines change.
fn hot_names(found: &Whereabouts, id: &OrderId, patch: Option<&OrderPatch>) -> Vec<String> {
    let lines = patch.and_then(|patch| patch.lines.as_ref());
    let places = lines.map_or_else(Vec::new, |lines| {
        let new = lines.iter().map(NewLine::place);
        new.chain(found.places.iter().cloned()).collect()
    });
    let levels = stock::hot_names(&found.home, &places);
    std::iter::once(format!("order {id}"))
        .chain(levels)
        .collect()
}

async fn update(
    txn: &Txn<'_>,
    (id, found): (&OrderId, Option<&Whereabouts>),
    patch: OrderPatch,
) -> Result<Reply, TxError<UpdateOrderError>> {
    let before = lock_order(txn, found, id).await?;
    txn.intent().require_version(before.version)?;
    let office = office_of(txn, &before).await?;
    let customer = match &patch.customer {
        Some(customer) => customer_of(txn, &office, customer).await?,
        None => Ok(()),
    };
    let change = OrderChange {
        customer: patch.customer,
        reference: patch.reference,
        notes: patch.notes,
        lines: None,
    };
    let after = match patch.lines {
        Some(lines) => {
            let lines = numbered(txn.intent(), &office.home_region, &lines);
            let unknown = customer.err().unwrap_or_default();
            with_lines(txn, (&office, &before), change, (&lines, unknown)).await?
        }
        None => {
            customer?;
            let after = before
                .changed(change, txn.now())
                .map_err(UpdateOrderError::from)?;
            orders::update_order(txn, &after).await?;
            after
        }
    };
    if after.version == before.version {
        return Ok(unchanged(txn, &before));
    }
    let written = Written {
        before: Some(&before),
        after: &after,
        kind: "sales.order.changed",
        reason: None,
    };
    Ok(written.leave(txn, 200))
}

/// Whether the order may be this customer's.
async fn customer_of(
    txn: &Txn<'_>,
    office: &Office,
    id: &CustomerId,
) -> Result<Result<(), Invalid>, DbError> {
    let regions = std::slice::from_ref(&office.home_region);
    let customer = customers::get(txn, regions, id).await?;
    Ok(check_customer(office, customer.as_ref()).map(drop))
}

/// The order with other lines, stored, and its holds made anew with them. `unknown`: what else the body names in vain.
async fn with_lines(
    txn: &Txn<'_>,
    (office, before): (&Office, &Order),
    change: OrderChange,
    (lines, unknown): (&[Numbered], Invalid),
) -> Result<Order, TxError<UpdateOrderError>> {
    let mut stock = match before.hold_seconds {
        Some(_) => {
            let mut all = places(before);
            all.extend(new_lines::places(lines));
            Some(OrderStock::lock(txn, office, &all).await?)
        }
        None => None,
    };
    let facts = Facts::read(txn, office, lines).await?;
    let priced = facts.priced::<UpdateOrderError>(office, lines, unknown)?;
    let change = OrderChange {
        lines: Some(priced),
        ..change
    };
    let after = before
        .changed(change, txn.now())
        .map_err(UpdateOrderError::from)?;
    facts.check_sold(lines).map_err(UpdateOrderError::Lines)?;
    if let Some(stock) = &mut stock {
        for line in &before.lines {
            stock.release(txn, &line.id, line.open()).await?;
        }
        let until = after.held_until(txn.now());
        hold::<UpdateOrderError>(txn, stock, &after.lines, until).await?;
    }
    try_join!(orders::replace(txn, &after), save(txn, stock))?;
    Ok(after)
}

/// The answer where the order is already as it was to be.
fn unchanged(txn: &Txn<'_>, order: &Order) -> Reply {
    let view = OrderView::at(order, txn.now());
    txn.audit(Some(json(&view)), Some(json(&view)));
    view.reply(200)
}
