//! Takes goods in, and posts what they cost.

use std::collections::BTreeMap;

use accounting::{
    EntryView,
    ledger::{NewEntry, NewPosting, PostError, Source, chart},
};
use kernel::{
    AmountMinor, Common, FieldError, Intent, Invalid, LocationCode, Month, OfficeCode, OpError,
    Principal, Quantity, Reply, Scope,
    id::{ItemId, Movement as MovementKindOfId, MovementId},
    money::OutOfRange,
};
use platform_db::{DbError, Refusal, TxError, Txn, offices::OfficeHome};
use uuid::Uuid;

use super::{
    premises::{Premises, hot_names, location_unknown},
    shelf::{Cause, NewMovement, Place},
};
use crate::{
    App,
    domain::{item::ItemStatus, level::Level, movement::MovementKind},
    views::{json, recorded::RecordedView},
};

/// Goods to take in.
#[derive(Debug, Clone)]
pub(crate) struct ReceiveStock {
    pub(crate) location: LocationCode,
    pub(crate) kind: ReceiptKind,
    /// What the client calls it.
    pub(crate) reference: String,
    /// At least one.
    pub(crate) lines: Vec<ReceiptLine>,
}

/// Where goods come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReceiptKind {
    /// A supplier, who has not sent an invoice yet.
    Receipt,
    /// They were there before the books were.
    Opening,
}

/// Goods of one item.
#[derive(Debug, Clone)]
pub(crate) struct ReceiptLine {
    pub(crate) item: ItemId,
    /// At least one.
    pub(crate) quantity: Quantity,
    /// What all of it cost, in minor units of the office's currency; not negative.
    pub(crate) cost: AmountMinor,
}

impl ReceiptKind {
    fn movement(self) -> MovementKind {
        match self {
            Self::Receipt => MovementKind::Receipt,
            Self::Opening => MovementKind::Opening,
        }
    }
}

impl ReceiveStock {
    /// The levels that it changes, one per line.
    pub(crate) fn places(&self) -> Vec<Place> {
        self.lines.iter().map(|line| self.place(line)).collect()
    }

    fn place(&self, line: &ReceiptLine) -> Place {
        Place {
            location: self.location.clone(),
            item: line.item.clone(),
        }
    }

    /// Opening stock is an entry of equity: it takes the right to post too.
    pub(crate) fn check_rights(&self, principal: &Principal) -> Result<(), ReceiveError> {
        let may = self.kind == ReceiptKind::Receipt || principal.has(Scope::AccountingPost);
        may.then_some(()).ok_or(ReceiveError::MayNotPost)
    }
}

/// Why goods are not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReceiveError {
    /// Opening stock without the right to post.
    #[error("the token may not post")]
    MayNotPost,
    /// Archived items take no new stock.
    #[error("items are archived")]
    Archived { skus: Vec<String> },
    /// The month takes no more postings.
    #[error("the month is closed")]
    PeriodClosed { office: OfficeCode, period: Month },
    /// The books would hold an amount beyond 2^53 − 1.
    #[error("an amount is out of range")]
    OutOfRange,
}

impl Refusal for ReceiveError {}

impl From<PostError> for ReceiveError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::PeriodClosed { office, period } => Self::PeriodClosed { office, period },
            PostError::OutOfRange => Self::OutOfRange,
        }
    }
}

/// `home`: the office of the location that the body names; `None` if there is no such location.
pub(crate) async fn receive_stock(
    app: &App,
    mut intent: Intent,
    home: Option<OfficeHome>,
    command: Result<ReceiveStock, Invalid>,
) -> Result<Reply, OpError<ReceiveError>> {
    if let Ok(command) = &command {
        command
            .check_rights(&intent.principal)
            .map_err(OpError::Refused)?;
    }
    if let (Some(home), Ok(command)) = (&home, &command) {
        intent.hot.extend(hot_names(home, &command.places()));
    }
    app.db
        .write(intent, async move |txn| {
            let command = command.clone()?;
            let home = home.clone().ok_or_else(location_unknown)?;
            let mut premises = Premises::open(txn, &home.office, &command.places()).await?;
            let recorded = receive(txn, &mut premises, &command)?;
            premises.save::<ReceiveError>(txn).await?;
            Ok(recorded)
        })
        .await
}

/// One receipt at an office whose levels are locked: decides, then posts and records. A refusal leaves nothing behind.
pub(crate) fn receive(
    txn: &Txn<'_>,
    premises: &mut Premises,
    command: &ReceiveStock,
) -> Result<Reply, TxError<ReceiveError>> {
    check(txn, premises, command)?;
    let levels = levels_after(premises, command)?;
    let total = command
        .lines
        .iter()
        .try_fold(AmountMinor::ZERO, |sum, line| sum.plus(line.cost))
        .map_err(|error| out_of_range("/lines", error))?;
    let region = premises.shelf.region().clone();
    let ids: Vec<MovementId> = command
        .lines
        .iter()
        .map(|_| txn.new_id::<MovementKindOfId>(&region))
        .collect();
    let entry = match ids.first() {
        Some(first) => {
            let entry = entry(command, first, total);
            premises
                .books
                .post(txn, entry)
                .map_err(ReceiveError::from)?
        }
        None => None,
    };
    record(txn, premises, (command, ids, levels), entry).map_err(TxError::Db)
}

fn check(
    txn: &Txn<'_>,
    premises: &Premises,
    command: &ReceiveStock,
) -> Result<(), TxError<ReceiveError>> {
    let mut invalid = premises.check_open().unwrap_or_default();
    let mut archived = Vec::new();
    for (index, line) in command.lines.iter().enumerate() {
        let place = command.place(line);
        match premises.shelf.item_status(&place) {
            None => invalid.errors.push(FieldError {
                pointer: format!("/lines/{index}/item"),
                code: "item_unknown",
                detail: "does not exist".into(),
            }),
            Some(ItemStatus::Archived) => archived.push(premises.shelf.sku(&place).to_owned()),
            Some(ItemStatus::Active) => {}
        }
    }
    if !invalid.errors.is_empty() {
        return Err(invalid.into());
    }
    let office = &premises.office.code;
    if !txn.intent().principal.offices.allow(office) {
        return Err(Common::OfficeForbidden {
            office: office.clone(),
        }
        .into());
    }
    archived.sort_unstable();
    archived.dedup();
    if archived.is_empty() {
        Ok(())
    } else {
        Err(ReceiveError::Archived { skus: archived }.into())
    }
}

/// The levels with all lines, filled in order: two lines of one item are one change.
fn levels_after(
    premises: &Premises,
    command: &ReceiveStock,
) -> Result<Vec<(Place, Level)>, Invalid> {
    let mut levels: BTreeMap<Uuid, (Place, Level)> = BTreeMap::new();
    for (index, line) in command.lines.iter().enumerate() {
        let place = command.place(line);
        let before = *premises.shelf.level(&place);
        let (_, level) = levels
            .entry(line.item.uuid())
            .or_insert_with(|| (place, before));
        *level = level
            .receive(line.quantity, line.cost)
            .map_err(|error| out_of_range(&format!("/lines/{index}"), error))?;
    }
    Ok(levels.into_values().collect())
}

fn out_of_range(pointer: &str, error: OutOfRange) -> Invalid {
    let detail = format!("takes the stock of its level, which {error}");
    Invalid::one(pointer, "amount_out_of_range", detail)
}

fn entry(command: &ReceiveStock, first: &MovementId, total: AmountMinor) -> NewEntry {
    let (what, rule, credit) = match command.kind {
        ReceiptKind::Receipt => ("Receipt", "receipt", chart::goods_received()),
        ReceiptKind::Opening => ("Opening stock", "opening", chart::opening_balances()),
    };
    NewEntry {
        description: format!("{what} at {}: {}", command.location, command.reference),
        subject: None,
        source: Source {
            kind: "receipt".into(),
            id: first.to_string(),
            rule: rule.into(),
        },
        postings: vec![NewPosting {
            debit: chart::inventory(),
            credit,
            amount: total,
            memo: None,
        }],
    }
}

fn record(
    txn: &Txn<'_>,
    premises: &mut Premises,
    (command, ids, levels): (&ReceiveStock, Vec<MovementId>, Vec<(Place, Level)>),
    entry: Option<EntryView>,
) -> Result<Reply, DbError> {
    let kind = command.kind.movement();
    for (place, level) in levels {
        premises.shelf.change(&place, level, Cause::Moved(kind))?;
    }
    let mut view = RecordedView::new(entry);
    for (line, id) in command.lines.iter().zip(ids) {
        let movement = premises.shelf.record(
            txn,
            NewMovement {
                id,
                place: command.place(line),
                delta: line.quantity.get(),
                value_delta: line.cost,
                kind,
                reason: None,
                reference: Some(command.reference.clone()),
                journal_entry: view.entry_id().cloned(),
            },
        )?;
        view.push(movement);
    }
    premises.shelf.settle(txn);
    txn.audit(None, Some(json(&view)));
    Ok(view.reply())
}
