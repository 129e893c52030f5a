//! Loads receipts and adjustments of one office and one moment, through the same rules, events and receipts as those of
//! clients.

use kernel::{
    AmountMinor, Call, IdempotencyKey, LocationCode, OpError, Quantity, RequestId, RowEnd,
    RowRefusal, Scope, Timestamp,
    call::CallStart,
    id::ItemId,
    text::{self, REFERENCE_MAX},
};
use platform_db::{Db, offices::OfficeHome};

use super::{
    adjust_stock::{AdjustStock, Change},
    receive_stock::{ReceiptKind, ReceiptLine, ReceiveStock},
    write_documents::{Document, DocumentError, Row, write_documents},
};
use crate::domain::movement;

/// Documents of one transaction: big enough to spend little on trips, small enough to retry.
pub const BATCH_DOCUMENTS: usize = 200;

/// A document to load.
#[derive(Debug, Clone)]
pub enum NewDocument {
    /// Goods that came in.
    Receipt(NewReceipt),
    /// A level that is brought to what is there.
    Adjustment(NewAdjustment),
}

/// Goods that came in.
#[derive(Debug, Clone)]
pub struct NewReceipt {
    /// Of the office.
    pub location: LocationCode,
    /// They were there before the books were: 1300 to 3100 instead of 1300 to 2050.
    pub opening: bool,
    /// 1 to 128 characters.
    pub reference: String,
    /// At least one.
    pub lines: Vec<NewLine>,
}

/// Goods of one item.
#[derive(Debug, Clone)]
pub struct NewLine {
    /// Of the catalogue.
    pub item: ItemId,
    /// At least one.
    pub quantity: Quantity,
    /// What all of it cost, in minor units of the office's currency; not negative.
    pub cost: AmountMinor,
}

/// A level that is brought to what is there.
#[derive(Debug, Clone)]
pub struct NewAdjustment {
    /// Of the office.
    pub location: LocationCode,
    /// Of the catalogue.
    pub item: ItemId,
    /// Units more or less; not 0.
    pub delta: i64,
    /// Why.
    pub reason: Reason,
}

/// Why a level is brought to what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Somebody counted.
    Count,
    /// Goods broke.
    Damage,
    /// Goods were stolen.
    Theft,
    /// Goods turned up.
    Found,
    /// Somebody had made a mistake.
    Correction,
}

impl From<Reason> for movement::Reason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Count => Self::Count,
            Reason::Damage => Self::Damage,
            Reason::Theft => Self::Theft,
            Reason::Found => Self::Found,
            Reason::Correction => Self::Correction,
        }
    }
}

/// What was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadedStock {
    /// Documents that were new.
    pub documents: u64,
    /// Movements that they made.
    pub movements: u64,
    /// Journal entries that they made: what is worth nothing makes none.
    pub entries: u64,
}

/// Why documents are not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadStockError {
    /// A document breaks a rule.
    #[error("document {key}: {rule}")]
    Invalid {
        /// Its key.
        key: IdempotencyKey,
        /// The rule.
        rule: String,
    },
    /// The database could not, or a rule that only it can judge is broken.
    #[error("could not write the documents: {0}")]
    Write(String, #[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Loads at most [`BATCH_DOCUMENTS`] documents of one office in one transaction, in their order. Each has its own key:
/// one that was loaded is left out, so that a repeat finds nothing new.
///
/// They are recorded `at` that time, or 1 ms after the newest change of the levels that they touch, and dated by its day
/// at the office: load the oldest first.
///
/// # Errors
/// [`LoadStockError`]; then none of them was loaded.
pub async fn load_stock(
    db: &Db,
    home: &OfficeHome,
    at: Timestamp,
    documents: Vec<(IdempotencyKey, NewDocument)>,
) -> Result<LoadedStock, LoadStockError> {
    let call = Call::start(CallStart {
        id: RequestId::random(db.region().clone()),
        region: db.region().clone(),
        client: None,
        traceparent: None,
        received_at: at,
        budget: BUDGET,
    });
    let mut rows = Vec::with_capacity(documents.len());
    let mut keys = Vec::with_capacity(documents.len());
    for (key, new) in documents {
        let document = document(new).map_err(|rule| LoadStockError::Invalid {
            key: key.clone(),
            rule,
        })?;
        let mut intent = db.worker_intent("seed", "load_stock", Scope::WarehouseWrite, key.clone());
        intent.call = call.clone();
        intent.home = home.region.clone();
        intent.office = Some(home.office.clone());
        intent.principal.scopes.insert(Scope::AccountingPost);
        // Keys begin with the region, and are random behind it: batches of one region meet on the same pages of every
        // index, and side by side they would only abort each other.
        intent.hot = vec![format!("load {}", home.region)];
        keys.push(key);
        rows.push(Row {
            intent,
            home: Some(home.clone()),
            document: Ok(document),
        });
    }
    let written = write_documents(db, rows, |all| all).await.map_err(failed)?;
    let mut loaded = LoadedStock::default();
    for (end, key) in written.rows.into_iter().zip(keys) {
        match end {
            RowEnd::Written(reply) => {
                loaded.documents += 1;
                let made = |kind: &str| {
                    let ids = reply.effect_ids.iter();
                    ids.filter(|id| id.starts_with(kind)).count() as u64
                };
                loaded.movements += made("mov_");
                loaded.entries += made("jrn_");
            }
            RowEnd::Replayed(_) => {}
            RowEnd::Refused(refusal) => {
                let rule = match refusal {
                    RowRefusal::Own(own) => own.to_string(),
                    RowRefusal::Common(common) => format!("{common:?}"),
                };
                return Err(LoadStockError::Invalid { key, rule });
            }
        }
    }
    Ok(loaded)
}

/// As for a request.
const BUDGET: std::time::Duration = std::time::Duration::from_secs(10);

fn document(new: NewDocument) -> Result<Document, String> {
    match new {
        NewDocument::Receipt(new) => receipt(new).map(Document::Receipt),
        NewDocument::Adjustment(new) => adjustment(new).map(Document::Adjustment),
    }
}

fn receipt(new: NewReceipt) -> Result<ReceiveStock, String> {
    text::check(&new.reference, REFERENCE_MAX).map_err(|error| format!("the reference {error}"))?;
    let none = |line: &NewLine| line.quantity.is_zero() || line.cost < AmountMinor::ZERO;
    if new.lines.is_empty() || new.lines.iter().any(none) {
        return Err("a receipt has lines of at least one, which cost nothing or more".into());
    }
    let lines = new.lines.into_iter().map(|line| ReceiptLine {
        item: line.item,
        quantity: line.quantity,
        cost: line.cost,
    });
    Ok(ReceiveStock {
        location: new.location,
        kind: if new.opening {
            ReceiptKind::Opening
        } else {
            ReceiptKind::Receipt
        },
        reference: new.reference,
        lines: lines.collect(),
    })
}

fn adjustment(new: NewAdjustment) -> Result<AdjustStock, String> {
    let quantity = new.delta.checked_abs().and_then(Quantity::new);
    let quantity = quantity
        .filter(|quantity| !quantity.is_zero())
        .ok_or("delta is 0 or out of range")?;
    Ok(AdjustStock {
        location: new.location,
        item: new.item,
        change: if new.delta < 0 {
            Change::Less(quantity)
        } else {
            Change::More {
                quantity,
                unit_cost: None,
            }
        },
        reason: new.reason.into(),
    })
}

fn failed(error: OpError<DocumentError>) -> LoadStockError {
    let text = error.to_string();
    match error {
        OpError::Refused(refusal) => LoadStockError::Write(text, Box::new(refusal)),
        OpError::Common(common) => LoadStockError::Write(text, Box::new(common)),
        OpError::System(system) => LoadStockError::Write(text, Box::new(system)),
    }
}
