//! Makes sales that nobody made, through the same rules, events and receipts as those that somebody did.
//!
//! Each write has a key, so that a second load adds nothing and one that broke off goes on. What the rules refuse stays as
//! it is: since the first load people may have bought the goods, or made the customer anonymous.

use std::error::Error;

use kernel::{
    AmountMinor, Common, IdempotencyKey, Intent, OfficeCode, OpError, Quantity, ReadWant, Reply,
    Scope,
    id::{CustomerId, OrderId},
};
use platform_db::offices::OfficeHome;
use warehouse::stock::Place;

use super::{
    cancel_order::{CancelOrder, cancel_order},
    confirm_order::confirm_order,
    create_customer::{CreateCustomer, create_customer},
    create_order::{CreateOrder, create_order},
    new_lines::NewLine,
    order::find_whereabouts,
    read_orders::find,
    record_payment::{RecordPayment, record_payment},
    return_goods::{ReturnGoods, Returned, return_goods},
    ship_order::{ShipOrder, ship_order},
};
use crate::{
    App,
    domain::{
        customer::NotAnEmail,
        delivery::Disposition,
        line::LineUnits,
        order::Order,
        payment::{Method, PaymentKind},
    },
};

/// A customer of an office.
#[derive(Debug, Clone)]
pub struct NewCustomer {
    /// At most 200 characters.
    pub name: String,
    /// Unique in the office.
    pub email: String,
}

/// An order, and what becomes of it.
#[derive(Debug, Clone)]
pub struct NewSale {
    /// One of the office's.
    pub customer: CustomerId,
    /// At most 128 characters.
    pub reference: String,
    /// What is sold, and where it lies: at least one.
    pub lines: Vec<(Place, Quantity)>,
    /// One after the other, each under a key of its own.
    pub steps: Vec<(IdempotencyKey, Step)>,
}

/// What becomes of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is placed.
    Confirm,
    /// All of it that is not paid yet is.
    Pay,
    /// All that is open leaves.
    Ship,
    /// One unit of its first line leaves.
    ShipOne,
    /// One unit of its first line comes back.
    ReturnOne,
    /// It is called off.
    Cancel,
}

/// Why not all was loaded.
#[derive(Debug, thiserror::Error)]
#[error("could not make {what} at {office}")]
pub struct LoadSalesError {
    office: OfficeCode,
    what: String,
    #[source]
    source: Box<dyn Error + Send + Sync>,
}

/// Adds a customer under this key, once; its id.
///
/// # Errors
/// [`LoadSalesError`].
pub async fn load_customer(
    app: &App,
    key: &IdempotencyKey,
    home: &OfficeHome,
    new: NewCustomer,
) -> Result<CustomerId, LoadSalesError> {
    let intent = intent(app, ("create_customer", key), home);
    let id = intent.new_id(home.region.clone(), 0);
    let failed = failure(home, format!("customer {}", new.name));
    let email = new.email.parse();
    let command = CreateCustomer {
        office: home.office.clone(),
        name: new.name,
        email: Some(email.map_err(|error: NotAnEmail| failed(error.into()))?),
        phone: None,
        tax_id: None,
    };
    went_on(create_customer(app, intent, Ok(command)).await).map_err(failed)?;
    Ok(id)
}

/// Makes a sale under this key, once, as far as the rules allow it.
///
/// # Errors
/// [`LoadSalesError`].
pub async fn load_sale(
    app: &App,
    key: &IdempotencyKey,
    home: &OfficeHome,
    new: NewSale,
) -> Result<(), LoadSalesError> {
    let intent = intent(app, ("create_order", key), home);
    let id = intent.new_id(home.region.clone(), 0);
    let failed = failure(home, format!("order {}", new.reference));
    let lines = new.lines.into_iter().map(|(place, quantity)| NewLine {
        item: place.item,
        location: place.location,
        quantity,
    });
    let command = CreateOrder {
        customer: new.customer,
        lines: lines.collect(),
        reference: Some(new.reference),
        hold_seconds: None,
        currency: None,
        notes: None,
    };
    let made = create_order(app, intent, Some(home.clone()), Ok(command)).await;
    let mut goes_on = went_on(made).map_err(&failed)?;
    for (key, step) in new.steps {
        if !goes_on {
            break;
        }
        goes_on = take(app, (&key, step), home, &id).await.map_err(&failed)?;
    }
    Ok(())
}

/// Takes one step; whether the next may follow.
async fn take(
    app: &App,
    (key, step): (&IdempotencyKey, Step),
    home: &OfficeHome,
    id: &OrderId,
) -> Result<bool, Box<dyn Error + Send + Sync>> {
    let call = app.db.worker_call();
    let spec = ("find_order", ReadWant::default());
    let Some(order) = find(app, &call, spec, id.clone()).await? else {
        return Ok(false);
    };
    let found = (id.clone(), find_whereabouts(app, &call, id).await?);
    let named = |operation| intent(app, (operation, key), home);
    match step {
        Step::Confirm => went_on(confirm_order(app, named("confirm_order"), found, Ok(())).await),
        Step::Pay => match payment(&order) {
            Some(payment) => {
                went_on(record_payment(app, named("record_payment"), found, Ok(payment)).await)
            }
            None => Ok(true),
        },
        Step::Ship | Step::ShipOne => {
            let command = ShipOrder {
                lines: (step == Step::ShipOne).then(|| one(&order)),
                carrier: None,
                tracking: None,
            };
            went_on(ship_order(app, named("ship_order"), found, Ok(command)).await)
        }
        Step::ReturnOne => {
            let lines = one(&order).into_iter().map(|units| Returned {
                units,
                disposition: Disposition::Restock,
                reason: "Wrong colour.".into(),
            });
            let lines = lines.collect();
            went_on(
                return_goods(app, named("return_goods"), found, Ok(ReturnGoods { lines })).await,
            )
        }
        Step::Cancel => {
            let command = CancelOrder {
                reason: "Bought elsewhere.".into(),
                lines: None,
            };
            went_on(cancel_order(app, named("cancel_order"), found, Ok(command)).await)
        }
    }
}

/// What is not paid yet, if anything.
fn payment(order: &Order) -> Option<RecordPayment> {
    let due = AmountMinor::new(order.total().get() - order.paid.get())?;
    (due > AmountMinor::ZERO).then(|| RecordPayment {
        kind: PaymentKind::Payment,
        amount: due,
        method: Method::BankTransfer,
        external_reference: order.reference.as_ref().map(|text| format!("BANK-{text}")),
    })
}

fn one(order: &Order) -> Vec<LineUnits> {
    let first = order.lines.iter().take(1);
    first
        .map(|line| LineUnits {
            line: line.id.clone(),
            quantity: Quantity::ONE,
        })
        .collect()
}

fn intent(
    app: &App,
    (operation, key): (&'static str, &IdempotencyKey),
    home: &OfficeHome,
) -> Intent {
    let scope = Scope::SalesWrite;
    Intent {
        home: home.region.clone(),
        office: Some(home.office.clone()),
        ..app.db.worker_intent("seed", operation, scope, key.clone())
    }
}

/// Whether it is done, now or before. What the rules refuse is left as it is.
fn went_on<E>(done: Result<Reply, OpError<E>>) -> Result<bool, Box<dyn Error + Send + Sync>> {
    match done {
        Ok(_) | Err(OpError::Common(Common::AlreadyExists { .. })) => Ok(true),
        Err(OpError::Refused(_) | OpError::Common(_)) => Ok(false),
        Err(OpError::System(error)) => Err(error.into()),
    }
}

fn failure(
    home: &OfficeHome,
    what: String,
) -> impl Fn(Box<dyn Error + Send + Sync>) -> LoadSalesError {
    let office = home.office.clone();
    move |source| LoadSalesError {
        office: office.clone(),
        what: what.clone(),
        source,
    }
}
