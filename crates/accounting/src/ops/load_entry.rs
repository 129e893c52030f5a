//! Posts an entry that nobody typed, through the same rules, events and receipts as one that somebody did.

use kernel::{
    AccountCode, AmountMinor, CurrencyCode, Date, IdempotencyKey, OfficeCode, OpError, Scope,
};

use super::create_journal_entry::{CreateEntryError, create_journal_entry};
use crate::{
    App,
    domain::manual::{ManualEntry, ManualPosting},
};

/// A manual entry of one posting.
#[derive(Debug, Clone)]
pub struct NewJournalEntry {
    /// Whose books.
    pub office: OfficeCode,
    /// The office's.
    pub currency: CurrencyCode,
    /// For people; 1 to 2000 characters.
    pub description: String,
    /// `None`: today at the office.
    pub effective_date: Option<Date>,
    /// The account debited: any but 1300 and 1350.
    pub debit: AccountCode,
    /// The account credited: another one, with the same exceptions.
    pub credit: AccountCode,
    /// More than nothing.
    pub amount: AmountMinor,
}

/// Why an entry is not posted.
#[derive(Debug, thiserror::Error)]
#[error("could not post '{description}' at {office}")]
pub struct LoadEntryError {
    office: OfficeCode,
    description: String,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// Posts an entry under this key, once; whether it is new.
///
/// # Errors
/// [`LoadEntryError`].
pub async fn load_entry(
    app: &App,
    key: &IdempotencyKey,
    new: NewJournalEntry,
) -> Result<bool, LoadEntryError> {
    let scope = Scope::AccountingPost;
    let mut intent = app
        .db
        .worker_intent("seed", "create_journal_entry", scope, key.clone());
    let failed = |source| LoadEntryError {
        office: new.office.clone(),
        description: new.description.clone(),
        source,
    };
    let home = app.directory.home(&intent.call, &new.office).await;
    if let Some(home) = home.map_err(|error| failed(Box::new(error)))? {
        intent.home = home;
        intent.office = Some(new.office.clone());
    }
    let call = intent.call.clone();
    let command = ManualEntry {
        office: new.office.clone(),
        currency: new.currency.clone(),
        description: new.description.clone(),
        effective_date: new.effective_date,
        postings: vec![ManualPosting {
            debit: new.debit.clone(),
            credit: new.credit.clone(),
            amount: new.amount,
            memo: None,
        }],
    };
    match create_journal_entry(app, intent, Ok(command)).await {
        Ok(_) => Ok(!call.facts().replayed),
        Err(OpError::Refused(refusal)) => Err(failed(Box::<CreateEntryError>::new(refusal))),
        Err(OpError::Common(common)) => Err(failed(Box::new(common))),
        Err(OpError::System(error)) => Err(failed(Box::new(error))),
    }
}
