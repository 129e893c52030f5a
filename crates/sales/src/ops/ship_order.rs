//! Ships units of an order: goods leave the shelf, and what they come to is invoiced, at once or not at all.

use accounting::ledger::{Books, PostError, chart};
use futures_util::try_join;
use kernel::{
    AmountMinor, Intent, Invalid, Month, OfficeCode, OpError, Reply,
    id::{MovementId, OrderId, OrderLineId, Shipment as ShipmentKindOfId, ShipmentId},
    money::OutOfRange,
};
use platform_db::{DbError, Refusal, TxError, Txn};
use warehouse::stock::{Booked, OrderStock};

use super::{
    documents::{
        Posted, audit_order, check_lines, emit_order, places_of, post_rules, posting, units_of,
    },
    order::{Whereabouts, lock_order, office_of},
};
use crate::{
    App,
    domain::{
        delivery::{Delivery, Shipment, ShipmentLine},
        line::{LineUnits, summed},
        order::{Invoice, Order, OrderStatus, ShipError, TooMany},
    },
    storage::{orders, shipments},
    views::{delivery::ShipmentView, json},
};

/// Units to ship.
#[derive(Debug, Clone)]
pub(crate) struct ShipOrder {
    /// `None`: all that is open.
    pub(crate) lines: Option<Vec<LineUnits>>,
    pub(crate) carrier: Option<String>,
    pub(crate) tracking: Option<String>,
}

/// Why nothing is shipped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ShipmentError {
    /// It is not confirmed.
    #[error("the order is {}", .0.as_str())]
    State(OrderStatus),
    /// More of these lines than is open.
    #[error("more is to be shipped than is reserved")]
    NotReserved(Vec<TooMany>),
    /// The month takes no more postings.
    #[error("the month is closed")]
    PeriodClosed { office: OfficeCode, period: Month },
    /// The order or the books would hold an amount beyond 2^53 − 1.
    #[error("an amount is out of range")]
    OutOfRange,
}

impl Refusal for ShipmentError {}

impl From<PostError> for ShipmentError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::PeriodClosed { office, period } => Self::PeriodClosed { office, period },
            PostError::OutOfRange => Self::OutOfRange,
        }
    }
}

impl From<ShipError> for ShipmentError {
    fn from(error: ShipError) -> Self {
        match error {
            ShipError::State(status) => Self::State(status),
            ShipError::NotReserved(lines) => Self::NotReserved(lines),
            ShipError::OutOfRange => Self::OutOfRange,
        }
    }
}

/// `found`: where the order and its goods are.
pub(crate) async fn ship_order(
    app: &App,
    mut intent: Intent,
    (id, found): (OrderId, Option<Whereabouts>),
    command: Result<ShipOrder, Invalid>,
) -> Result<Reply, OpError<ShipmentError>> {
    if let Some(found) = &found {
        intent.hot = found.hot_names(&id);
    }
    app.db
        .write(intent, async move |txn| {
            let command = command.clone()?;
            let before = lock_order(txn, found.as_ref(), &id).await?;
            ship(txn, &before, command).await
        })
        .await
}

async fn ship(
    txn: &Txn<'_>,
    before: &Order,
    command: ShipOrder,
) -> Result<Reply, TxError<ShipmentError>> {
    let wanted = wanted(before, command.lines.as_deref())?;
    before
        .check_shipment(&wanted, txn.now())
        .map_err(ShipmentError::from)?;
    let office = office_of(txn, before).await?;
    let named: Vec<&OrderLineId> = wanted.iter().map(|units| &units.line).collect();
    let places = places_of(before, &named);
    let (mut stock, mut books) = try_join!(
        OrderStock::lock(txn, &office, &places),
        Books::open(txn, &office),
    )?;
    let (mut costs, mut movements) = (Vec::new(), Vec::new());
    for units in &wanted {
        let issued = stock.issue(txn, &units.line, units.quantity)?;
        costs.push((units.clone(), issued.cost));
        movements.push(issued.movement);
    }
    let now = txn.now();
    let (after, invoice) = before.ship(&costs, now).map_err(ShipmentError::from)?;
    let id = txn.new_id::<ShipmentKindOfId>(before.id.region());
    let posted = post(txn, &mut books, before, (&id, &invoice))?;
    let shipment = Shipment {
        goods: Delivery {
            id,
            office: before.office.clone(),
            order: before.id.clone(),
            currency: before.currency.clone(),
            lines: lines(before, &invoice, movements)?,
            sum: invoice.sum,
            cost: posted.cost,
            journal_entries: posted.entries,
            effective_date: books.today(),
            created_at: now,
            created_by: txn.intent().principal.subject.clone(),
        },
        carrier: command.carrier,
        tracking: command.tracking,
        deposit: invoice.applied,
    };
    books.save::<ShipmentError>(txn).await?;
    let reference = shipment.goods.id.to_string();
    let booked = Booked {
        reference: Some(&reference),
        journal_entry: posted.of_goods.as_ref(),
    };
    stock.save(txn, booked).await?;
    try_join!(
        orders::update(txn, &after),
        shipments::insert(txn, &shipment),
    )?;
    Ok(leave(txn, (before, &after), &shipment))
}

/// What is to be shipped, each line once, in the order's order.
fn wanted(
    order: &Order,
    named: Option<&[LineUnits]>,
) -> Result<Vec<LineUnits>, TxError<ShipmentError>> {
    let Some(named) = named else {
        return Ok(order.all_open());
    };
    check_lines(order, named.iter().map(|units| &units.line))?;
    let mut wanted = summed(named).map_err(|OutOfRange| ShipmentError::OutOfRange)?;
    wanted.sort_by_key(|units| order.lines.iter().position(|line| line.id == units.line));
    Ok(wanted)
}

/// An entry for the goods, one for what is invoiced, one for the deposit applied to it: none is larger than an amount of
/// the order.
fn post(
    txn: &Txn<'_>,
    books: &mut Books,
    order: &Order,
    (id, invoice): (&ShipmentId, &Invoice),
) -> Result<Posted, ShipmentError> {
    let cost = invoice
        .lines
        .iter()
        .try_fold(AmountMinor::ZERO, |sum, line| sum.plus(line.cost))
        .map_err(|OutOfRange| ShipmentError::OutOfRange)?;
    let (inventory, receivables) = (chart::inventory, chart::receivables);
    let rules = [
        (
            "cost",
            vec![posting(chart::cost_of_goods(), inventory(), cost)],
        ),
        (
            "invoice",
            vec![
                posting(receivables(), chart::revenue(), invoice.sum.net),
                posting(receivables(), chart::sales_tax(), invoice.sum.tax),
            ],
        ),
        (
            "deposit",
            vec![posting(
                chart::customer_deposits(),
                receivables(),
                invoice.applied,
            )],
        ),
    ];
    let document = (order, "shipment", id.to_string());
    Ok(post_rules(txn, books, document, (cost, rules))?)
}

fn lines(
    order: &Order,
    invoice: &Invoice,
    movements: Vec<MovementId>,
) -> Result<Vec<ShipmentLine>, DbError> {
    invoice
        .lines
        .iter()
        .zip(movements)
        .map(|(line, movement)| {
            Ok(ShipmentLine {
                units: units_of(order, line)?,
                movement,
            })
        })
        .collect()
}

/// Of one version of the order: what was shipped, and that this was the last of it.
fn leave(txn: &Txn<'_>, (before, after): (&Order, &Order), shipment: &Shipment) -> Reply {
    let view = ShipmentView::from(shipment);
    let shown = json(&view);
    let document = ("shipment", &shown);
    emit_order(txn, "sales.order.shipped", after, Some(document));
    if after.status == OrderStatus::Fulfilled {
        emit_order(txn, "sales.order.fulfilled", after, None);
    }
    audit_order(txn, (before, after), document);
    view.reply()
}
