//! Takes money for an order, and gives money back.

use accounting::ledger::{Books, NewPosting, PostError, chart};
use futures_util::try_join;
use kernel::{
    AmountMinor, Intent, Invalid, Month, OfficeCode, OpError, Reply,
    id::{OrderId, Payment as PaymentKindOfId},
};
use platform_db::{DbError, Event, Refusal, TxError, Txn};

use super::{
    documents::{audit_order, emit_order, entry, posting},
    order::{Whereabouts, hot_name, lock_order, office_of},
};
use crate::{
    App,
    domain::{
        order::{Order, OrderStatus, PayError, RefundError, Split},
        payment::{Method, Payment, PaymentKind},
    },
    storage::{orders, payments},
    views::{json, payment::PaymentView},
};

/// Money to take or to give back.
#[derive(Debug, Clone)]
pub(crate) struct RecordPayment {
    pub(crate) kind: PaymentKind,
    /// At least one.
    pub(crate) amount: AmountMinor,
    pub(crate) method: Method,
    pub(crate) external_reference: Option<String>,
}

/// Why no money is taken or given back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PaymentError {
    /// It is not confirmed.
    #[error("the order is {}", .0.as_str())]
    State(OrderStatus),
    /// More than was paid and not refunded.
    #[error("{refundable:?} can be refunded")]
    ExceedsPaid { refundable: AmountMinor },
    /// Another payment of the office has the reference.
    #[error("another payment has the reference")]
    DuplicateReference,
    /// The month takes no more postings.
    #[error("the month is closed")]
    PeriodClosed { office: OfficeCode, period: Month },
    /// The order or the books would hold an amount beyond 2^53 − 1.
    #[error("an amount is out of range")]
    OutOfRange,
}

impl Refusal for PaymentError {
    fn from_constraint(name: &str) -> Option<Self> {
        (name == "payments_reference_key").then_some(Self::DuplicateReference)
    }
}

impl From<PostError> for PaymentError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::PeriodClosed { office, period } => Self::PeriodClosed { office, period },
            PostError::OutOfRange => Self::OutOfRange,
        }
    }
}

impl From<PayError> for PaymentError {
    fn from(error: PayError) -> Self {
        match error {
            PayError::State(status) => Self::State(status),
            PayError::OutOfRange => Self::OutOfRange,
        }
    }
}

impl From<RefundError> for PaymentError {
    fn from(error: RefundError) -> Self {
        match error {
            RefundError::ExceedsPaid { refundable } => Self::ExceedsPaid { refundable },
            RefundError::OutOfRange => Self::OutOfRange,
        }
    }
}

/// `found`: where the order is.
pub(crate) async fn record_payment(
    app: &App,
    mut intent: Intent,
    (id, found): (OrderId, Option<Whereabouts>),
    command: Result<RecordPayment, Invalid>,
) -> Result<Reply, OpError<PaymentError>> {
    intent.hot.push(hot_name(&id));
    app.db
        .write(intent, async move |txn| {
            let command = command.clone()?;
            let before = lock_order(txn, found.as_ref(), &id).await?;
            record(txn, &before, command).await
        })
        .await
}

async fn record(
    txn: &Txn<'_>,
    before: &Order,
    command: RecordPayment,
) -> Result<Reply, TxError<PaymentError>> {
    let now = txn.now();
    let (after, split) = match command.kind {
        PaymentKind::Payment => before
            .pay(command.amount, now)
            .map_err(PaymentError::from)?,
        PaymentKind::Refund => before
            .refund(command.amount, now)
            .map_err(PaymentError::from)?,
    };
    let office = office_of(txn, before).await?;
    let mut books = Books::open(txn, &office).await?;
    let id = txn.new_id::<PaymentKindOfId>(before.id.region());
    let source = ("payment", id.to_string());
    let postings = postings(command.kind, split);
    let entry = entry(before, source, command.kind.as_str(), postings);
    let entry = books.post(txn, entry).map_err(PaymentError::from)?;
    let payment = Payment {
        id,
        office: before.office.clone(),
        order: before.id.clone(),
        currency: before.currency.clone(),
        kind: command.kind,
        amount: command.amount,
        split,
        method: command.method,
        external_reference: command.external_reference,
        // Of an amount above zero there is an entry.
        journal_entry: entry.ok_or(DbError::NoRow)?.id().clone(),
        effective_date: books.today(),
        created_at: now,
        created_by: txn.intent().principal.subject.clone(),
    };
    books.save::<PaymentError>(txn).await?;
    try_join!(
        payments::insert(txn, &payment),
        orders::update_order(txn, &after),
    )?;
    let view = PaymentView::from(&payment);
    let shown = json(&view);
    txn.emit(Event {
        kind: match payment.kind {
            PaymentKind::Payment => "sales.payment.received",
            PaymentKind::Refund => "sales.payment.refunded",
        },
        subject: payment.id.to_string(),
        office: Some(payment.office.clone()),
        resource_version: 1,
        data: shown.clone(),
    });
    emit_order(txn, "sales.order.changed", &after, None);
    audit_order(txn, (before, &after), ("payment", &shown));
    Ok(view.reply())
}

fn postings(kind: PaymentKind, split: Split) -> Vec<NewPosting> {
    let (bank, receivables, deposits) = (
        chart::bank(),
        chart::receivables(),
        chart::customer_deposits(),
    );
    match kind {
        PaymentKind::Payment => vec![
            posting(bank.clone(), receivables, split.receivable),
            posting(bank, deposits, split.deposit),
        ],
        PaymentKind::Refund => vec![
            posting(deposits, bank.clone(), split.deposit),
            posting(receivables, bank, split.receivable),
        ],
    }
}
