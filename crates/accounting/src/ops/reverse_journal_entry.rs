//! Takes an entry back by a second one with the sides swapped.

use std::collections::BTreeSet;

use kernel::{
    AmountMinor, Call, Common, Date, Intent, Invalid, Month, OfficeCode, OpError, ReadWant, Reply,
    id::EntryId, text::TEXT_MAX,
};
use platform_db::{
    Event, Never, ReadSpec, Refusal, Session, TxError, Txn,
    offices::{self, OfficeHome},
};

use super::reach;
use crate::{
    App,
    domain::entry::{Entry, Reversed},
    ledger::{Books, Draft, NewPosting, PostError},
    storage::journal,
    views::{EntryView, json},
};

/// How an entry is taken back.
#[derive(Debug, Clone)]
pub(crate) struct ReverseEntry {
    pub(crate) reason: String,
    /// `None`: today.
    pub(crate) effective_date: Option<Date>,
}

/// Why an entry is not taken back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReverseEntryError {
    /// It was already; by which entry, where that is known.
    #[error("the entry is reversed already")]
    AlreadyReversed { by: Option<EntryId> },
    /// Another system made it, and would not know.
    #[error("the entry was made by the rule {rule}")]
    SystemEntry { rule: String },
    /// The month takes no more postings.
    #[error("the month {period} of office {office} is closed")]
    PeriodClosed { office: OfficeCode, period: Month },
    /// It takes the balance of an account out of range.
    #[error("a balance would be out of range")]
    OutOfRange,
}

impl Refusal for ReverseEntryError {
    fn from_constraint(name: &str) -> Option<Self> {
        (name == "journal_entries_reverses_key").then_some(Self::AlreadyReversed { by: None })
    }
}

impl From<PostError> for ReverseEntryError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::PeriodClosed { office, period } => Self::PeriodClosed { office, period },
            PostError::OutOfRange => Self::OutOfRange,
        }
    }
}

/// Whose entry it is, and where it lives; `None` if there is no such entry.
pub(crate) async fn find_whereabouts(
    app: &App,
    call: &Call,
    id: &EntryId,
) -> Result<Option<OfficeHome>, OpError<Never>> {
    let (id, regions) = (id.clone(), app.db.regions().to_vec());
    let spec = ReadSpec {
        operation: "find_journal_entry",
        want: ReadWant::default(),
        home: id.region().clone(),
        snapshot: None,
    };
    let read = app
        .db
        .read(call, spec, async move |session: &Session| {
            journal::office(session, &regions, &id).await
        })
        .await?;
    Ok(read.value)
}

pub(crate) async fn reverse_journal_entry(
    app: &App,
    intent: Intent,
    id: EntryId,
    command: Result<ReverseEntry, Invalid>,
) -> Result<Reply, OpError<ReverseEntryError>> {
    let regions = app.db.regions().to_vec();
    app.db
        .write(intent, async move |txn| {
            let command = command.clone()?;
            let Some(entry) = journal::get(txn, &regions, &id, None).await? else {
                return Err(TxError::Common(Common::NotFound {
                    what: format!("journal entry {id}"),
                }));
            };
            reach(txn, &entry.office)?;
            let (reversal, reversed) = reverse(txn, &entry, command).await?;
            txn.audit(
                Some(json(&EntryView::from(&entry))),
                Some(json(&EntryView::from(&reversed))),
            );
            Ok(reversal.created())
        })
        .await
}

/// The reversing entry, and the entry as it is then.
async fn reverse(
    txn: &Txn<'_>,
    entry: &Entry,
    command: ReverseEntry,
) -> Result<(EntryView, Entry), TxError<ReverseEntryError>> {
    if let Some(source) = &entry.source {
        let rule = source.rule.clone();
        return Err(ReverseEntryError::SystemEntry { rule }.into());
    }
    if let Some(reversed) = &entry.reversed {
        let by = Some(reversed.by.clone());
        return Err(ReverseEntryError::AlreadyReversed { by }.into());
    }
    let Some(office) = offices::get(txn, &entry.office).await? else {
        return Err(platform_db::DbError::NoRow.into()); // a foreign key keeps it in existence
    };
    txn.observe(entry.recorded_at);
    let months: BTreeSet<Month> = command
        .effective_date
        .iter()
        .map(|date| date.month())
        .collect();
    let mut books = Books::open_at(txn, &office, &months).await?;
    let draft = Draft {
        effective_date: command.effective_date.unwrap_or(books.today()),
        description: describe(&entry.description, &command.reason),
        subject: entry.subject.clone(),
        source: None,
        reverses: Some(entry.id.clone()),
        postings: swapped(entry),
    };
    let posted = books.record(txn, draft).map_err(ReverseEntryError::from)?;
    let posted = posted.ok_or(ReverseEntryError::OutOfRange)?; // an entry has at least one posting
    let reversed = Entry {
        reversed: Some(Reversed {
            by: posted.id.clone(),
            at: posted.recorded_at,
        }),
        ..entry.clone()
    };
    let view = EntryView::from(posted);
    books.save(txn).await?;
    txn.emit(Event {
        kind: "accounting.entry.reversed",
        subject: reversed.id.to_string(),
        office: Some(reversed.office.clone()),
        resource_version: reversed.version(),
        data: json(&EntryView::from(&reversed)),
    });
    Ok((view, reversed))
}

fn swapped(entry: &Entry) -> Vec<NewPosting> {
    entry
        .postings
        .iter()
        .map(|posting| NewPosting {
            debit: posting.credit.clone(),
            credit: posting.debit.clone(),
            amount: AmountMinor::from(posting.amount),
            memo: posting.memo.clone(),
        })
        .collect()
}

/// As much as fits of what it reverses, and why.
fn describe(description: &str, reason: &str) -> String {
    format!("Reversal of {description}: {reason}")
        .chars()
        .take(TEXT_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reversals_description_is_cut_at_characters() {
        assert_eq!(describe("rent", "twice"), "Reversal of rent: twice");
        let long = describe(&"ä".repeat(TEXT_MAX), "twice");
        assert_eq!(long.chars().count(), TEXT_MAX);
    }
}
