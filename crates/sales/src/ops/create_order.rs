//! Takes an order: a draft, with prices as they are now, and with its goods held if that is wanted.

use kernel::{
    Call, Common, CurrencyCode, Intent, Invalid, OfficeCode, OpError, Reply, id::CustomerId,
};
use platform_db::{
    Refusal, TxError, Txn,
    offices::{Office, OfficeHome, OfficeStatus},
};
use warehouse::stock::{self, NotReserved, find_nearest};

use super::{
    new_lines::{Facts, LinesError, NewLine, Numbered},
    order_desk::{Asked, OrderDesk},
};
use crate::{
    App,
    domain::{
        customer::Customer,
        order::{NewOrder, Order},
    },
};

/// What an order of an office is made from.
#[derive(Debug, Clone)]
pub(crate) struct CreateOrder {
    pub(crate) customer: CustomerId,
    /// 1 to 100.
    pub(crate) lines: Vec<NewLine>,
    pub(crate) reference: Option<String>,
    /// Hold the goods at once, for so long.
    pub(crate) hold_seconds: Option<i64>,
    /// That of the office, if the client says which it means.
    pub(crate) currency: Option<CurrencyCode>,
    pub(crate) notes: Option<String>,
}

/// Why there is no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CreateOrderError {
    /// The office has another currency.
    #[error("the office's currency is {office}")]
    CurrencyMismatch { office: CurrencyCode },
    #[error(transparent)]
    Lines(#[from] LinesError),
}

impl Refusal for CreateOrderError {}

impl From<NotReserved> for CreateOrderError {
    fn from(refusal: NotReserved) -> Self {
        Self::Lines(refusal.into())
    }
}

/// `home`: where the office is that the body names; `None` if there is no such office.
pub(crate) async fn create_order(
    app: &App,
    mut intent: Intent,
    home: Option<OfficeHome>,
    command: Result<CreateOrder, Invalid>,
) -> Result<Reply, OpError<CreateOrderError>> {
    let call = intent.call.clone();
    if let (Some(home), Ok(command)) = (&home, &command)
        && command.hold_seconds.is_some()
    {
        let places: Vec<_> = command.lines.iter().map(NewLine::place).collect();
        intent.hot = stock::hot_names(home, &places);
    }
    let office = home.as_ref().map(|home| home.office.clone());
    let written = app
        .db
        .write(intent, async move |txn| {
            let command = command.clone()?;
            let home = home.clone().ok_or_else(office_unknown)?;
            let mut asked = Asked::default();
            asked.add(txn.intent(), &home.region, &command);
            let mut desk = OrderDesk::open(txn, &home, asked).await?;
            let reply = desk.take(txn, command).await?;
            desk.save(txn).await?;
            Ok(reply)
        })
        .await;
    match (written, office) {
        (Err(OpError::Refused(CreateOrderError::Lines(error))), Some(office)) => {
            let error = with_nearest(app, &call, &office, error).await;
            Err(OpError::Refused(CreateOrderError::Lines(error)))
        }
        (written, _) => written,
    }
}

/// Says who could help, where that is what is missing: behind the rollback.
pub(crate) async fn with_nearest(
    app: &App,
    call: &Call,
    office: &OfficeCode,
    error: LinesError,
) -> LinesError {
    let LinesError::NotReserved(NotReserved::Insufficient { lines }) = error else {
        return error;
    };
    let lines = find_nearest(&app.warehouse, call, office, lines).await;
    LinesError::NotReserved(NotReserved::Insufficient { lines })
}

/// That the office takes orders.
pub(crate) fn check_open(office: &Office) -> Result<(), Invalid> {
    match office.status {
        OfficeStatus::Active => Ok(()),
        OfficeStatus::Closed => Err(Invalid::one("/office", "office_closed", "is closed")),
    }
}

/// Why a body whose office does not exist is refused.
pub(crate) fn office_unknown() -> Invalid {
    Invalid::one("/office", "office_unknown", "does not exist")
}

/// The order as the command makes it, if nothing speaks against it.
pub(crate) fn draft(
    txn: &Txn<'_>,
    (office, customer): (&Office, Option<&Customer>),
    (facts, lines): (&Facts, &[Numbered]),
    command: CreateOrder,
) -> Result<Order, TxError<CreateOrderError>> {
    let is_reached = txn.intent().principal.offices.allow(&office.code);
    let customer = check_customer(office, customer);
    // Who does not reach the office learns nothing of its customers, and is refused below.
    let unknown = customer.as_ref().err().filter(|_| is_reached).cloned();
    let priced = facts.priced::<CreateOrderError>(office, lines, unknown.unwrap_or_default())?;
    if command
        .currency
        .is_some_and(|currency| currency != office.currency)
    {
        let office = office.currency.clone();
        return Err(CreateOrderError::CurrencyMismatch { office }.into());
    }
    if !is_reached {
        let office = office.code.clone();
        return Err(Common::OfficeForbidden { office }.into());
    }
    let customer = customer?;
    facts.check_sold(lines).map_err(CreateOrderError::Lines)?;
    let new = NewOrder {
        id: txn.new_id(&office.home_region),
        office: office.code.clone(),
        customer: customer.id.clone(),
        currency: office.currency.clone(),
        reference: command.reference,
        notes: command.notes,
        lines: priced,
        hold_seconds: command.hold_seconds,
    };
    let order = Order::draft(new, txn.now());
    Ok(order.map_err(|_| CreateOrderError::Lines(LinesError::OutOfRange))?)
}

/// That the customer is one of the office, and known. One of another office is as unknown as one that does not exist.
pub(crate) fn check_customer<'c>(
    office: &Office,
    customer: Option<&'c Customer>,
) -> Result<&'c Customer, Invalid> {
    let refuse = |code, detail| Invalid::one("/customer", code, detail);
    let own = customer.filter(|customer| customer.office == office.code);
    let customer = own.ok_or_else(|| refuse("customer_unknown", "is no customer of the office"))?;
    if customer.is_anonymised() {
        return Err(refuse("customer_anonymised", "was made anonymous"));
    }
    Ok(customer)
}
