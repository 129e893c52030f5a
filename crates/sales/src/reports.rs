//! What reports say of sales. Every function is one statement: call them in one `read_snapshot` to have them of one
//! moment.

use kernel::{
    AmountMinor, CurrencyCode, Date, OfficeCode, Timestamp,
    id::{CustomerId, ItemId, OrderId, OrderLineId},
};
use platform_db::{DbError, Session, offices::OfficeHome};

use crate::storage::{integrity, reports};

/// Offenders that are named.
const OFFENDERS_MAX: i64 = 10;

/// Which documents count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First day. `None`: from the beginning.
    pub from: Option<Date>,
    /// Last day. `None`: whatever is recorded.
    pub to: Option<Date>,
    /// Only what had been recorded by then.
    pub as_of: Option<Timestamp>,
}

impl Span {
    pub(crate) fn first(&self) -> Date {
        self.from.unwrap_or(Date::FIRST)
    }

    pub(crate) fn last(&self) -> Date {
        self.to.unwrap_or(Date::LAST)
    }
}

/// What was sold of one item for one currency. Sums are exact however large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoldItem {
    /// The item.
    pub item: ItemId,
    /// Currency of the amounts.
    pub currency: CurrencyCode,
    /// Units that left.
    pub shipped: i128,
    /// Units that came back, to the shelf or to scrap.
    pub returned: i128,
    /// Net of shipments less net of returns.
    pub net_minor: i128,
    /// What the goods shipped had cost, less what those that came back had.
    pub cost_minor: i128,
}

/// What an office sold on one day, and what it was paid. Sums are exact however large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalesDay {
    /// The office.
    pub office: OfficeCode,
    /// The day at the office.
    pub day: Date,
    /// Currency of the amounts.
    pub currency: CurrencyCode,
    /// Orders placed.
    pub orders: i128,
    /// Units ordered with them.
    pub units: i128,
    /// What they cost without tax.
    pub net_minor: i128,
    /// Their tax.
    pub tax_minor: i128,
    /// Payments less refunds of the day, whichever orders they are for.
    pub paid_minor: i128,
}

/// An order that owes, or is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receivable {
    /// The office.
    pub office: OfficeCode,
    /// The order.
    pub order: OrderId,
    /// Who bought.
    pub customer: CustomerId,
    /// Currency of the amounts.
    pub currency: CurrencyCode,
    /// Invoiced with tax.
    pub invoiced_minor: AmountMinor,
    /// Paid, refunds not taken off.
    pub paid_minor: AmountMinor,
    /// Paid back.
    pub refunded_minor: AmountMinor,
    /// Credited for returns, with tax.
    pub credited_minor: AmountMinor,
    /// The order's part of account 1100, debit-positive; not nothing.
    pub open_minor: AmountMinor,
    /// Effective date of the first shipment: only what was shipped is owed.
    pub since: Option<Date>,
}

/// What does not hold of orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsoundOrders {
    /// How often.
    pub count: i64,
    /// The first ten times, by region and order.
    pub first: Vec<UnsoundOrder>,
}

/// An order or a line that says something else than what was recorded of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsoundOrder {
    /// The office.
    pub office: OfficeCode,
    /// The order.
    pub order: OrderId,
    /// Its line, if it is of one.
    pub line: Option<OrderLineId>,
    /// Which figure.
    pub what: String,
    /// What the documents or lines add up to, or the bound.
    pub expected: i128,
    /// What it says.
    pub found: i128,
}

/// A line of a confirmed order of which something is still to be shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenLine {
    /// The office.
    pub office: OfficeCode,
    /// The order.
    pub order: OrderId,
    /// The line.
    pub line: OrderLineId,
    /// Units ordered, neither shipped nor cancelled.
    pub open: i128,
}

/// What an order owes and was paid ahead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderBalance {
    /// The office.
    pub office: OfficeCode,
    /// The order.
    pub order: OrderId,
    /// Its part of account 1100, debit-positive.
    pub receivable_minor: i128,
    /// Its part of account 2200, credit-positive.
    pub deposit_minor: i128,
    /// Invoiced − credited − paid + refunded.
    pub owed_minor: i128,
}

/// What was shipped and came back over effective dates, both included, per item and currency.
///
/// # Errors
/// [`DbError`].
pub async fn sold_items(
    session: &Session,
    offices: &[OfficeHome],
    span: Span,
) -> Result<Vec<SoldItem>, DbError> {
    reports::sold(session, offices, span).await
}

/// What was ordered and paid per office and day, both included; by office, day and currency. An order counts as it was
/// placed, on the day on which it was, whatever became of it: the figures of a day never change afterwards.
///
/// # Errors
/// [`DbError`].
pub async fn sales_by_day(
    session: &Session,
    offices: &[OfficeHome],
    span: Span,
) -> Result<Vec<SalesDay>, DbError> {
    reports::by_day(session, offices, span).await
}

/// Orders whose part of account 1100 is not nothing, the oldest of each office first; with `as_of` as what was recorded
/// up to then makes them.
///
/// # Errors
/// [`DbError`].
pub async fn receivables(
    session: &Session,
    offices: &[OfficeHome],
    as_of: Option<Timestamp>,
) -> Result<Vec<Receivable>, DbError> {
    reports::owing(session, offices, as_of).await
}

/// How many orders of an office are confirmed.
///
/// # Errors
/// [`DbError`].
pub async fn open_orders(session: &Session, home: &OfficeHome) -> Result<i64, DbError> {
    reports::open_orders(session, home).await
}

/// Invariant I4, of orders: what they say of themselves is the sum of their lines, shipments, returns and payments, and
/// what those say the sum of their own lines.
///
/// # Errors
/// [`DbError`].
pub async fn check_orders(
    session: &Session,
    offices: &[OfficeHome],
) -> Result<UnsoundOrders, DbError> {
    integrity::unsound_orders(session, offices, OFFENDERS_MAX).await
}

/// Invariant I4, of lines: shipped + cancelled ≤ quantity, returned ≤ shipped, and what was shipped and returned is what
/// the documents say.
///
/// # Errors
/// [`DbError`].
pub async fn check_lines(
    session: &Session,
    offices: &[OfficeHome],
) -> Result<UnsoundOrders, DbError> {
    integrity::unsound_lines(session, offices, OFFENDERS_MAX).await
}

/// What the lines of confirmed orders still have to ship, which is what must be put aside for them.
///
/// # Errors
/// [`DbError`].
pub async fn open_lines(
    session: &Session,
    offices: &[OfficeHome],
) -> Result<Vec<OpenLine>, DbError> {
    integrity::open_lines(session, offices).await
}

/// What each order owes and was paid ahead, less orders with nothing of either.
///
/// # Errors
/// [`DbError`].
pub async fn balances(
    session: &Session,
    offices: &[OfficeHome],
) -> Result<Vec<OrderBalance>, DbError> {
    integrity::balances(session, offices).await
}
