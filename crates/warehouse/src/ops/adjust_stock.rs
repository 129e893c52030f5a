//! Brings a level to what is really there, and posts the difference.

use accounting::ledger::{NewEntry, NewPosting, PostError, Source, chart};
use kernel::{
    AmountMinor, Common, Intent, Invalid, LocationCode, Month, OfficeCode, OpError, Quantity,
    Reply,
    id::{ItemId, Movement as MovementKindOfId, MovementId},
};
use platform_db::{Refusal, TxError, Txn, offices::OfficeHome};

use super::{
    expire_holds::expire_due,
    find_availability::Shortage,
    premises::{Premises, hot_names, location_unknown},
    shelf::{Cause, NewMovement, Place},
};
use crate::{
    App,
    domain::{
        item::ItemStatus,
        level::Level,
        movement::{MovementKind, Reason},
        reservation::Reservation,
    },
    storage::reservations,
    views::{json, recorded::RecordedView},
};

/// Reservations that a refusal names; there may be more.
const IN_THE_WAY_MAX: i64 = 20;

/// A level to bring to what is there.
#[derive(Debug, Clone)]
pub(crate) struct AdjustStock {
    pub(crate) location: LocationCode,
    pub(crate) item: ItemId,
    pub(crate) change: Change,
    pub(crate) reason: Reason,
}

/// How much of a change it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// So many are more there.
    More {
        /// At least one.
        quantity: Quantity,
        /// What one is worth where nothing is on hand to tell.
        unit_cost: Option<AmountMinor>,
    },
    /// So many are less there, at least one.
    Less(Quantity),
    /// Somebody counted.
    Count {
        /// What is there.
        counted: Quantity,
        /// What the books said when they began to count.
        expected: Quantity,
    },
}

/// Why a level stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AdjustError {
    /// The level is not what was expected.
    #[error("{on_hand:?} are on hand, not what was expected")]
    QuantityChanged { on_hand: Quantity },
    /// Archived items take no new stock.
    #[error("the item is archived")]
    Archived { sku: String },
    /// Less is available than is to be taken.
    #[error("less is available than is to be taken")]
    Insufficient(Box<InTheWay>),
    /// The month takes no more postings.
    #[error("the month is closed")]
    PeriodClosed { office: OfficeCode, period: Month },
    /// The books would hold an amount beyond 2^53 − 1.
    #[error("an amount is out of range")]
    OutOfRange,
}

/// Why there is not enough to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InTheWay {
    pub(crate) location: LocationCode,
    pub(crate) shortage: Shortage,
    /// Those that hold stock, the first of them if there are many.
    pub(crate) reservations: Vec<Reservation>,
}

impl Refusal for AdjustError {}

impl From<PostError> for AdjustError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::PeriodClosed { office, period } => Self::PeriodClosed { office, period },
            PostError::OutOfRange => Self::OutOfRange,
        }
    }
}

impl AdjustStock {
    /// The level that it changes.
    pub(crate) fn place(&self) -> Place {
        Place {
            location: self.location.clone(),
            item: self.item.clone(),
        }
    }
}

/// `home`: the office of the location that the body names; `None` if there is no such location.
pub(crate) async fn adjust_stock(
    app: &App,
    mut intent: Intent,
    home: Option<OfficeHome>,
    command: Result<AdjustStock, Invalid>,
) -> Result<Reply, OpError<AdjustError>> {
    if let (Some(home), Ok(command)) = (&home, &command) {
        intent.hot.extend(hot_names(home, &[command.place()]));
    }
    app.db
        .write(intent, async move |txn| {
            let command = command.clone()?;
            let home = home.clone().ok_or_else(location_unknown)?;
            let mut premises = Premises::open(txn, &home.office, &[command.place()]).await?;
            let recorded = adjust(txn, &mut premises, &command).await?;
            premises.save::<AdjustError>(txn).await?;
            Ok(recorded)
        })
        .await
}

/// One adjustment at an office whose level is locked: decides, then posts and records. A refusal leaves nothing behind
/// but holds that were over and are now given back.
pub(crate) async fn adjust(
    txn: &Txn<'_>,
    premises: &mut Premises,
    command: &AdjustStock,
) -> Result<Reply, TxError<AdjustError>> {
    let place = command.place();
    check(txn, premises, &place)?;
    let step = step(premises.shelf.level(&place), command.change)?;
    let done = match step {
        Step::Nothing => None,
        Step::In(quantity, unit_cost) => Some(find(premises, &place, (quantity, unit_cost))?),
        Step::Out(quantity) => Some(take(txn, premises, &place, quantity).await?),
    };
    let Some(moved) = done else {
        let view = RecordedView::new(None);
        txn.audit(None, Some(json(&view)));
        return Ok(view.reply());
    };
    let id = txn.new_id::<MovementKindOfId>(premises.shelf.region());
    let entry = entry(command, premises.shelf.sku(&place), (&id, &moved));
    let entry = premises.books.post(txn, entry).map_err(AdjustError::from)?;
    let mut view = RecordedView::new(entry);
    let kind = MovementKind::Adjust;
    premises
        .shelf
        .change(&place, moved.level, Cause::Moved(kind))?;
    let movement = premises.shelf.record(
        txn,
        NewMovement {
            id,
            place,
            delta: moved.delta,
            value_delta: moved.value_delta(),
            kind,
            reason: Some(command.reason),
            reference: None,
            journal_entry: view.entry_id().cloned(),
        },
    )?;
    view.push(movement);
    premises.shelf.settle(txn);
    txn.audit(None, Some(json(&view)));
    Ok(view.reply())
}

fn check(txn: &Txn<'_>, premises: &Premises, place: &Place) -> Result<(), TxError<AdjustError>> {
    let mut invalid = premises.check_open().unwrap_or_default();
    if premises.shelf.item_status(place).is_none() {
        let unknown = Invalid::one("/item", "item_unknown", "does not exist");
        invalid.errors.extend(unknown.errors);
    }
    if !invalid.errors.is_empty() {
        return Err(invalid.into());
    }
    let office = &premises.office.code;
    if txn.intent().principal.offices.allow(office) {
        Ok(())
    } else {
        Err(Common::OfficeForbidden {
            office: office.clone(),
        }
        .into())
    }
}

/// What a change does at a level.
enum Step {
    Nothing,
    In(Quantity, Option<AmountMinor>),
    Out(Quantity),
}

fn step(level: &Level, change: Change) -> Result<Step, AdjustError> {
    match change {
        Change::More {
            quantity,
            unit_cost,
        } => Ok(Step::In(quantity, unit_cost)),
        Change::Less(quantity) => Ok(Step::Out(quantity)),
        Change::Count { counted, expected } => {
            let on_hand = level.on_hand();
            if expected != on_hand {
                return Err(AdjustError::QuantityChanged { on_hand });
            }
            Ok(match (counted.minus(on_hand), on_hand.minus(counted)) {
                (Some(more), _) if !more.is_zero() => Step::In(more, None),
                (_, Some(less)) if !less.is_zero() => Step::Out(less),
                _ => Step::Nothing,
            })
        }
    }
}

/// What came or went, and the level after it.
struct Moved {
    level: Level,
    /// Units.
    delta: i64,
    worth: AmountMinor,
}

impl Moved {
    fn value_delta(&self) -> AmountMinor {
        if self.delta < 0 {
            self.worth.negated()
        } else {
            self.worth
        }
    }
}

fn find(
    premises: &Premises,
    place: &Place,
    (quantity, unit_cost): (Quantity, Option<AmountMinor>),
) -> Result<Moved, TxError<AdjustError>> {
    if premises.shelf.item_status(place) == Some(ItemStatus::Archived) {
        let sku = premises.shelf.sku(place).to_owned();
        return Err(AdjustError::Archived { sku }.into());
    }
    let found = premises.shelf.level(place).find(quantity, unit_cost);
    let (level, worth) = found.map_err(|_| AdjustError::OutOfRange)?;
    Ok(Moved {
        level,
        delta: quantity.get(),
        worth,
    })
}

/// Takes what nobody put aside; a shortage gives back first what is held past its time.
async fn take(
    txn: &Txn<'_>,
    premises: &mut Premises,
    place: &Place,
    quantity: Quantity,
) -> Result<Moved, TxError<AdjustError>> {
    if premises.shelf.level(place).available() < quantity {
        expire_due(txn, &mut premises.shelf, place).await?;
    }
    let level = *premises.shelf.level(place);
    if let Ok((level, worth)) = level.issue(quantity) {
        return Ok(Moved {
            level,
            delta: -quantity.get(),
            worth,
        });
    }
    let at = (premises.shelf.region(), &place.location, &place.item);
    let reservations = reservations::in_the_way(txn, at, IN_THE_WAY_MAX).await?;
    let shortage = Shortage {
        line: None,
        item: place.item.clone(),
        sku: premises.shelf.sku(place).to_owned(),
        wanted: quantity,
        available: level.available(),
        nearest: None,
    };
    let facts = InTheWay {
        location: place.location.clone(),
        shortage,
        reservations,
    };
    Err(AdjustError::Insufficient(Box::new(facts)).into())
}

fn entry(command: &AdjustStock, sku: &str, (id, moved): (&MovementId, &Moved)) -> NewEntry {
    let (stock, other) = (chart::inventory(), chart::stock_adjustments());
    let (rule, debit, credit) = if moved.delta < 0 {
        ("adjustment_down", other, stock)
    } else {
        ("adjustment_up", stock, other)
    };
    NewEntry {
        description: format!(
            "Adjustment of {sku} at {}: {}",
            command.location,
            command.reason.as_str()
        ),
        subject: None,
        source: Source {
            kind: "adjustment".into(),
            id: id.to_string(),
            rule: rule.into(),
        },
        postings: vec![NewPosting {
            debit,
            credit,
            amount: moved.worth,
            memo: None,
        }],
    }
}
