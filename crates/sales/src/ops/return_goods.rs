//! Takes goods of an order back, to the shelf or to scrap, and credits them.

use accounting::ledger::{Books, PostError, chart};
use futures_util::try_join;
use kernel::{
    AmountMinor, Intent, Invalid, Month, OfficeCode, OpError, Reply,
    id::{MovementId, OrderId, OrderLineId, Return as ReturnKindOfId, ReturnId},
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
        delivery::{Disposition, Return, ReturnLine},
        line::LineUnits,
        order::{Credit, Order, ReturnError, TooMany},
    },
    storage::{orders, returns},
    views::{delivery::ReturnView, json},
};

/// Goods that came back; one line may come back in several ways.
#[derive(Debug, Clone)]
pub(crate) struct ReturnGoods {
    /// At least one.
    pub(crate) lines: Vec<Returned>,
}

/// Units of one line that came back.
#[derive(Debug, Clone)]
pub(crate) struct Returned {
    pub(crate) units: LineUnits,
    pub(crate) disposition: Disposition,
    pub(crate) reason: String,
}

/// Why nothing is taken back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GoodsError {
    /// More of these lines than was shipped and did not come back.
    #[error("more is to come back than was shipped")]
    ExceedsShipped(Vec<TooMany>),
    /// The month takes no more postings.
    #[error("the month is closed")]
    PeriodClosed { office: OfficeCode, period: Month },
    /// The level, the order or the books would hold an amount beyond 2^53 − 1.
    #[error("an amount is out of range")]
    OutOfRange,
}

impl Refusal for GoodsError {}

impl From<PostError> for GoodsError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::PeriodClosed { office, period } => Self::PeriodClosed { office, period },
            PostError::OutOfRange => Self::OutOfRange,
        }
    }
}

impl From<ReturnError> for GoodsError {
    fn from(error: ReturnError) -> Self {
        match error {
            ReturnError::ExceedsShipped(lines) => Self::ExceedsShipped(lines),
            ReturnError::OutOfRange => Self::OutOfRange,
        }
    }
}

/// `found`: where the order and its goods are.
pub(crate) async fn return_goods(
    app: &App,
    mut intent: Intent,
    (id, found): (OrderId, Option<Whereabouts>),
    command: Result<ReturnGoods, Invalid>,
) -> Result<Reply, OpError<GoodsError>> {
    if let Some(found) = &found {
        intent.hot = found.hot_names(&id);
    }
    app.db
        .write(intent, async move |txn| {
            let command = command.clone()?;
            let before = lock_order(txn, found.as_ref(), &id).await?;
            take_back(txn, &before, &command).await
        })
        .await
}

async fn take_back(
    txn: &Txn<'_>,
    before: &Order,
    command: &ReturnGoods,
) -> Result<Reply, TxError<GoodsError>> {
    check_lines(before, command.lines.iter().map(|back| &back.units.line))?;
    let units: Vec<LineUnits> = command
        .lines
        .iter()
        .map(|back| back.units.clone())
        .collect();
    before
        .take_back(&units, txn.now())
        .map_err(GoodsError::from)?;
    let office = office_of(txn, before).await?;
    let restocked = command.lines.iter().filter(|back| back.is_restocked());
    let named: Vec<&OrderLineId> = restocked.map(|back| &back.units.line).collect();
    let places = places_of(before, &named);
    let (mut stock, mut books) = try_join!(
        OrderStock::lock(txn, &office, &places),
        Books::open(txn, &office),
    )?;
    // Once more, now that everything is locked: this is when it came back.
    let now = txn.now();
    let (after, credit) = before.take_back(&units, now).map_err(GoodsError::from)?;
    let movements = restock(txn, &mut stock, (command, &credit))?;
    let id = txn.new_id::<ReturnKindOfId>(before.id.region());
    let posted = post(txn, &mut books, before, (&id, command, &credit))?;
    let back = Return {
        id,
        office: before.office.clone(),
        order: before.id.clone(),
        currency: before.currency.clone(),
        lines: lines(before, (command, &credit), movements)?,
        sum: credit.sum,
        cost: posted.cost,
        journal_entries: posted.entries,
        effective_date: books.today(),
        created_at: now,
        created_by: txn.intent().principal.subject.clone(),
    };
    books.save::<GoodsError>(txn).await?;
    let reference = back.id.to_string();
    let booked = Booked {
        reference: Some(&reference),
        journal_entry: posted.of_goods.as_ref(),
    };
    stock.save(txn, booked).await?;
    try_join!(orders::update(txn, &after), returns::insert(txn, &back))?;
    let view = ReturnView::from(&back);
    let shown = json(&view);
    let document = ("return", &shown);
    emit_order(txn, "sales.order.returned", &after, Some(document));
    audit_order(txn, (before, &after), document);
    Ok(view.reply())
}

impl Returned {
    fn is_restocked(&self) -> bool {
        self.disposition == Disposition::Restock
    }
}

/// Puts back on the shelf what is to be put there, at what it had cost; a movement for each of those.
fn restock(
    txn: &Txn<'_>,
    stock: &mut OrderStock,
    (command, credit): (&ReturnGoods, &Credit),
) -> Result<Vec<Option<MovementId>>, TxError<GoodsError>> {
    command
        .lines
        .iter()
        .zip(&credit.lines)
        .map(|(back, worth)| {
            if !back.is_restocked() {
                return Ok(None);
            }
            let units = &back.units;
            stock
                .restock(txn, &units.line, units.quantity, worth.cost)
                .map(Some)
        })
        .collect()
}

/// An entry for what goes to the shelf, one for what goes to scrap, one for what is credited: none is larger than an
/// amount of the order.
fn post(
    txn: &Txn<'_>,
    books: &mut Books,
    order: &Order,
    (id, command, credit): (&ReturnId, &ReturnGoods, &Credit),
) -> Result<Posted, GoodsError> {
    let cost_of = |disposition: Disposition| {
        let lines = command.lines.iter().zip(&credit.lines);
        lines
            .filter(|(back, _)| back.disposition == disposition)
            .try_fold(AmountMinor::ZERO, |sum, (_, worth)| sum.plus(worth.cost))
            .map_err(|_| GoodsError::OutOfRange)
    };
    let (restocked, scrapped) = (cost_of(Disposition::Restock)?, cost_of(Disposition::Scrap)?);
    let goods = chart::cost_of_goods;
    let rules = [
        (
            "restock",
            vec![posting(chart::inventory(), goods(), restocked)],
        ),
        (
            "scrap",
            vec![posting(chart::stock_adjustments(), goods(), scrapped)],
        ),
        (
            "credit",
            vec![
                posting(chart::returns(), chart::receivables(), credit.sum.net),
                posting(chart::sales_tax(), chart::receivables(), credit.sum.tax),
            ],
        ),
    ];
    let cost = restocked
        .plus(scrapped)
        .map_err(|_| GoodsError::OutOfRange)?;
    let document = (order, "return", id.to_string());
    Ok(post_rules(txn, books, document, (cost, rules))?)
}

fn lines(
    order: &Order,
    (command, credit): (&ReturnGoods, &Credit),
    movements: Vec<Option<MovementId>>,
) -> Result<Vec<ReturnLine>, DbError> {
    command
        .lines
        .iter()
        .zip(&credit.lines)
        .zip(movements)
        .map(|((back, worth), movement)| {
            Ok(ReturnLine {
                units: units_of(order, worth)?,
                disposition: back.disposition,
                reason: back.reason.clone(),
                movement,
            })
        })
        .collect()
}
