//! Many receipts and adjustments in one transaction, each as its single POST: with a key, an audit row, events and a
//! receipt of its own. Levels and months are locked once for all of them, office by office in the order of their codes,
//! and written by a handful of statements however many documents there are.

use std::collections::BTreeMap;

use accounting::ledger::PostError;
use kernel::{Intent, Invalid, OfficeCode, OpError, Reply, RowRefusal, RowsEnd};
use platform_db::{Db, DbError, Refusal, RowsDone, TxError, Txn, offices::OfficeHome};

use super::{
    adjust_stock::{AdjustError, AdjustStock, adjust},
    premises::{Premises, location_unknown},
    receive_stock::{ReceiveError, ReceiveStock, receive},
    shelf::Place,
};

/// A write of stock.
#[derive(Debug, Clone)]
pub(crate) enum Document {
    Receipt(ReceiveStock),
    Adjustment(AdjustStock),
}

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DocumentError {
    #[error(transparent)]
    Receive(ReceiveError),
    #[error(transparent)]
    Adjust(AdjustError),
    /// The books would hold an amount beyond 2^53 − 1 with all that was posted together.
    #[error("the books cannot take the documents")]
    Books(PostError),
}

impl Refusal for DocumentError {}

impl From<PostError> for DocumentError {
    fn from(error: PostError) -> Self {
        Self::Books(error)
    }
}

/// A document on its way.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) intent: Intent,
    /// The office of the location that the document names; `None` if there is no such location.
    pub(crate) home: Option<OfficeHome>,
    pub(crate) document: Result<Document, Invalid>,
}

impl Document {
    fn places(&self) -> Vec<Place> {
        match self {
            Self::Receipt(receipt) => receipt.places(),
            Self::Adjustment(adjustment) => vec![adjustment.place()],
        }
    }
}

/// What is known of a row besides its intent.
type Known = (Option<OfficeHome>, Result<Document, Invalid>);

/// `commits`: whether to commit, given whether every document can be written.
pub(crate) async fn write_documents(
    db: &Db,
    rows: Vec<Row>,
    commits: impl Fn(bool) -> bool + Send + Sync,
) -> Result<RowsEnd<DocumentError>, OpError<DocumentError>> {
    let (intents, known): (Vec<Intent>, Vec<Known>) = rows
        .into_iter()
        .map(|row| (row.intent, (row.home, row.document)))
        .unzip();
    db.write_rows(intents, async move |txn, open| {
        // Owned, not iterated across an await: a handler's future must be Send for every lifetime.
        let open: Vec<(usize, Intent)> = open
            .iter()
            .map(|(index, intent)| (index, intent.clone()))
            .collect();
        let mut offices = open_all(txn, &open, &known).await?;
        let mut done = Vec::with_capacity(open.len());
        for (index, intent) in &open {
            let row = txn.for_row(intent);
            let ended = match known.get(*index) {
                Some(known) => write(&row, &mut offices, known).await,
                None => Err(TxError::Db(DbError::NoRow)),
            };
            done.push(match ended {
                Ok(reply) => Ok(row.wrote(reply)),
                Err(TxError::Refused(refusal)) => Err(RowRefusal::Own(refusal)),
                Err(TxError::Common(common)) => Err(RowRefusal::Common(common)),
                Err(TxError::Db(error)) => return Err(TxError::Db(error)),
            });
        }
        let commit = commits(done.iter().all(Result::is_ok));
        let offices: Vec<Premises> = offices.into_values().collect();
        for premises in offices {
            premises.save::<DocumentError>(txn).await?;
        }
        Ok(RowsDone { rows: done, commit })
    })
    .await
    .inspect(|ended| db.wrote_many(ended, TABLES))
}

/// What each document is written into.
const TABLES: &[&str] = &[
    "accounting.journal_entries",
    "accounting.postings",
    "warehouse.stock_levels",
    "warehouse.stock_movements",
];

/// The offices of the open rows, each with its levels locked.
async fn open_all(
    txn: &Txn<'_>,
    open: &[(usize, Intent)],
    known: &[Known],
) -> Result<BTreeMap<OfficeCode, Premises>, DbError> {
    let mut places: BTreeMap<OfficeCode, Vec<Place>> = BTreeMap::new();
    for (index, _) in open {
        if let Some((Some(home), Ok(document))) = known.get(*index) {
            let of_office = places.entry(home.office.clone()).or_default();
            of_office.extend(document.places());
        }
    }
    let places: Vec<(OfficeCode, Vec<Place>)> = places.into_iter().collect();
    let mut offices = BTreeMap::new();
    for (office, places) in places {
        let premises = Premises::open(txn, &office, &places).await?;
        offices.insert(office, premises);
    }
    Ok(offices)
}

async fn write(
    row: &Txn<'_>,
    offices: &mut BTreeMap<OfficeCode, Premises>,
    (home, document): &Known,
) -> Result<Reply, TxError<DocumentError>> {
    let document = document.clone()?;
    let home = home.as_ref().ok_or_else(location_unknown)?;
    let premises = offices.get_mut(&home.office).ok_or(DbError::NoRow)?;
    match document {
        Document::Receipt(receipt) => {
            receipt
                .check_rights(&row.intent().principal)
                .map_err(DocumentError::Receive)?;
            receive(row, premises, &receipt).map_err(|error| lift(error, DocumentError::Receive))
        }
        Document::Adjustment(adjustment) => adjust(row, premises, &adjustment)
            .await
            .map_err(|error| lift(error, DocumentError::Adjust)),
    }
}

fn lift<E>(error: TxError<E>, own: impl FnOnce(E) -> DocumentError) -> TxError<DocumentError> {
    match error {
        TxError::Refused(refusal) => TxError::Refused(own(refusal)),
        TxError::Common(common) => TxError::Common(common),
        TxError::Db(error) => TxError::Db(error),
    }
}
