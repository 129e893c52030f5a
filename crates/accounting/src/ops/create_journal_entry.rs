//! Posts an entry that a person wrote.

use std::collections::BTreeSet;

use futures_util::try_join;
use kernel::{Intent, Invalid, Month, OfficeCode, OpError, Reply};
use platform_db::{Refusal, TxError, Txn, offices};

use super::reach;
use crate::{
    App,
    domain::manual::{Broken, ManualEntry},
    ledger::{Books, Draft, NewPosting, PostError},
    storage::accounts,
    views::{EntryView, json},
};

/// Why an entry is not posted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CreateEntryError {
    /// It breaks a rule that only the books know.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// Its month takes no more postings.
    #[error("the month {period} of office {office} is closed")]
    PeriodClosed { office: OfficeCode, period: Month },
    /// It takes the balance of an account out of range.
    #[error("a balance would be out of range")]
    OutOfRange,
}

impl Refusal for CreateEntryError {}

impl From<PostError> for CreateEntryError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::PeriodClosed { office, period } => Self::PeriodClosed { office, period },
            PostError::OutOfRange => Self::OutOfRange,
        }
    }
}

pub(crate) async fn create_journal_entry(
    app: &App,
    intent: Intent,
    command: Result<ManualEntry, Invalid>,
) -> Result<Reply, OpError<CreateEntryError>> {
    app.db
        .write(intent, async move |txn| {
            let view = post(txn, command.clone()?).await?;
            Ok::<_, TxError<_>>(view.created())
        })
        .await
}

async fn post(txn: &Txn<'_>, entry: ManualEntry) -> Result<EntryView, TxError<CreateEntryError>> {
    let named = entry.accounts();
    let (office, chart) = try_join!(
        offices::get(txn, &entry.office),
        accounts::known(txn, &named),
    )?;
    let Some(office) = office else {
        return Err(unknown_office().into());
    };
    entry
        .check(&office.currency, &chart)
        .map_err(CreateEntryError::from)?;
    reach(txn, &office.code)?;
    let months: BTreeSet<Month> = entry.month().into_iter().collect();
    let mut books = Books::open_at(txn, &office, &months).await?;
    let view = record(txn, &mut books, entry)?;
    books.save(txn).await?;
    Ok(view)
}

/// Records an entry that was checked in the books of its office, and says so. Nothing is stored yet.
pub(crate) fn record(
    txn: &Txn<'_>,
    books: &mut Books,
    entry: ManualEntry,
) -> Result<EntryView, CreateEntryError> {
    let draft = Draft {
        effective_date: entry.effective_date.unwrap_or(books.today()),
        description: entry.description,
        subject: None,
        source: None,
        reverses: None,
        postings: entry
            .postings
            .into_iter()
            .map(|posting| NewPosting {
                debit: posting.debit,
                credit: posting.credit,
                amount: posting.amount,
                memo: posting.memo,
            })
            .collect(),
    };
    // A body has at least one posting, and none of nothing.
    let posted = books.record(txn, draft)?;
    let view = posted
        .map(EntryView::from)
        .ok_or(CreateEntryError::OutOfRange)?;
    txn.audit(None, Some(json(&view)));
    Ok(view)
}

/// The office that a body names must exist.
pub(crate) fn unknown_office() -> Invalid {
    Invalid::one("/office", "office_unknown", "does not exist")
}
