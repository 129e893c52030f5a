//! Posting from inside another system's transaction.
//!
//! ```text
//! let mut books = Books::open(txn, &office).await?;         // one statement: pipeline it with the locks
//! … lock, observe, decide …
//! let entry = books.post(txn, NewEntry { … }).map_err(…)?;  // pure; None when there is nothing to post
//! books.save(txn).await?;                                   // one trip, however many entries
//! ```
//! The month is read here and written by whoever closes it, so that one of the two is rerun: nothing is ever posted
//! into a closed month. No row of the ledger is locked, and there is no row that all entries of an office want.

pub mod chart;

use std::collections::BTreeSet;

use futures_util::try_join;
use kernel::{
    AccountCode, AmountMinor, CurrencyCode, Date, Month, OfficeCode, PositiveAmount, Timestamp,
    id::{self, EntryId},
};
use platform_db::{
    DbError, Event, Refusal, TxError, Txn,
    offices::{Office, OfficeHome},
};

pub use crate::domain::entry::{Source, Subject};
use crate::{
    domain::{
        balance::Span,
        entry::{Entry, Posting, total},
        period::PeriodStatus,
    },
    storage::{balances, entries, periods, postings},
    views::{EntryView, json},
};

/// Amounts up to this, 2^33, cannot take a balance near 2^53 by themselves; behind a huge one they could.
const UNCHECKED_MAX: i64 = 1 << 33;

/// An entry to post, dated today.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// For people; 1 to 2000 characters.
    pub description: String,
    /// What it is about.
    pub subject: Option<Subject>,
    /// What makes it: the same source is posted once.
    pub source: Source,
    /// In the order in which they are shown.
    pub postings: Vec<NewPosting>,
}

/// An amount to move.
#[derive(Debug, Clone)]
pub struct NewPosting {
    /// The account debited.
    pub debit: AccountCode,
    /// The account credited: another one.
    pub credit: AccountCode,
    /// Minor units of the office's currency, not negative. A posting of nothing is left out.
    pub amount: AmountMinor,
    /// For people.
    pub memo: Option<String>,
}

/// Why an entry is not posted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// Its month takes no more postings.
    #[error("the month {period} of office {office} is closed")]
    PeriodClosed {
        /// The office.
        office: OfficeCode,
        /// The month.
        period: Month,
    },
    /// A posting is negative, or the entry's total or the balance of an account would leave ±(2^53 − 1).
    #[error("an amount is out of range")]
    OutOfRange,
}

impl Refusal for PostError {}

/// The books of one office inside one transaction.
#[derive(Debug)]
pub struct Books {
    home: OfficeHome,
    currency: CurrencyCode,
    today: Date,
    /// Months that have a row, of those that were asked for.
    known: BTreeSet<Month>,
    closed: BTreeSet<Month>,
    /// Shared by all entries of a transaction (hard case 17).
    recorded_at: Option<Timestamp>,
    entries: Vec<Entry>,
}

/// An entry on its way into the books, of any date.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) effective_date: Date,
    pub(crate) description: String,
    pub(crate) subject: Option<Subject>,
    pub(crate) source: Option<Source>,
    pub(crate) reverses: Option<EntryId>,
    pub(crate) postings: Vec<NewPosting>,
}

impl Books {
    /// Opens the books of an office for entries of today, the day on which the request was received.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn open(txn: &Txn<'_>, office: &Office) -> Result<Self, DbError> {
        Self::open_at(txn, office, &BTreeSet::new()).await
    }

    /// As [`open`](Self::open), also for entries of other months.
    pub(crate) async fn open_at(
        txn: &Txn<'_>,
        office: &Office,
        months: &BTreeSet<Month>,
    ) -> Result<Self, DbError> {
        let today = today(txn, office)?;
        let home = OfficeHome {
            region: office.home_region.clone(),
            office: office.code.clone(),
        };
        let mut months = months.clone();
        months.insert(today.month());
        let statuses = periods::statuses(txn, &home, &months).await?;
        let closed = statuses
            .iter()
            .filter(|(_, status)| **status == PeriodStatus::Closed)
            .map(|(month, _)| *month)
            .collect();
        Ok(Self {
            home,
            currency: office.currency.clone(),
            today,
            known: statuses.into_keys().collect(),
            closed,
            recorded_at: None,
            entries: Vec::new(),
        })
    }

    /// Today at the office: the date of what is posted.
    #[must_use]
    pub fn today(&self) -> Date {
        self.today
    }

    /// Posts an entry, and says so; `None` when every amount is nothing. Call after all locks: what is recorded is
    /// younger than every row observed. Nothing is stored before [`save`](Self::save). Where one transaction holds
    /// several writes, `txn` is the write that posts.
    ///
    /// # Errors
    /// [`PostError`].
    pub fn post(&mut self, txn: &Txn<'_>, new: NewEntry) -> Result<Option<EntryView>, PostError> {
        let draft = Draft {
            effective_date: self.today,
            description: new.description,
            subject: new.subject,
            source: Some(new.source),
            reverses: None,
            postings: new.postings,
        };
        let entry = self.record(txn, draft)?;
        Ok(entry.map(EntryView::from))
    }

    /// As [`post`](Self::post), of a date whose month the books were opened for.
    pub(crate) fn record(
        &mut self,
        txn: &Txn<'_>,
        draft: Draft,
    ) -> Result<Option<&Entry>, PostError> {
        if draft
            .postings
            .iter()
            .any(|new| new.amount < AmountMinor::ZERO)
        {
            return Err(PostError::OutOfRange);
        }
        let moved: Vec<(NewPosting, PositiveAmount)> = draft
            .postings
            .into_iter()
            .filter_map(|new| PositiveAmount::of(new.amount).map(|amount| (new, amount)))
            .collect();
        if moved.is_empty() {
            return Ok(None);
        }
        let period = draft.effective_date.month();
        if self.closed.contains(&period) {
            return Err(PostError::PeriodClosed {
                office: self.home.office.clone(),
                period,
            });
        }
        total(moved.iter().map(|(_, amount)| *amount)).ok_or(PostError::OutOfRange)?;
        let region = &self.home.region;
        let postings = moved
            .into_iter()
            .map(|(new, amount)| Posting {
                id: txn.new_id::<id::Posting>(region),
                debit: new.debit,
                credit: new.credit,
                amount,
                memo: new.memo,
            })
            .collect();
        let entry = Entry {
            id: txn.new_id::<id::Entry>(region),
            office: self.home.office.clone(),
            currency: self.currency.clone(),
            effective_date: draft.effective_date,
            recorded_at: *self.recorded_at.get_or_insert_with(|| txn.now()),
            recorded_by: txn.intent().principal.subject.clone(),
            description: draft.description,
            subject: draft.subject,
            source: draft.source,
            reverses: draft.reverses,
            reversed: None,
            postings,
        };
        // Told to the write that posts it: a transaction may hold several, each with an audit row of its own.
        txn.emit(Event {
            kind: "accounting.entry.posted",
            subject: entry.id.to_string(),
            office: Some(entry.office.clone()),
            resource_version: entry.version(),
            data: json(&EntryView::from(&entry)),
        });
        self.entries.push(entry);
        Ok(self.entries.last())
    }

    /// Stores what was posted: two statements, pipelined, however many entries, and one more where an amount of the
    /// entries or of the books is so large that a balance may leave its range.
    ///
    /// # Errors
    /// [`PostError::OutOfRange`] if a large amount takes the balance of an account out of range; [`DbError`].
    pub async fn save<E: From<PostError>>(self, txn: &Txn<'_>) -> Result<(), TxError<E>> {
        let first: BTreeSet<Month> = self
            .entries
            .iter()
            .map(|entry| entry.effective_date.month())
            .filter(|month| !self.known.contains(month))
            .collect();
        let first: Vec<Month> = first.into_iter().collect();
        let ((), huge) = try_join!(
            entries::insert(txn, &self.entries, &first),
            postings::any_huge(txn, &self.home),
        )?;
        let mut amounts = self.entries.iter().flat_map(|entry| &entry.postings);
        if huge || amounts.any(|posting| posting.amount.get() > UNCHECKED_MAX) {
            self.check_balances(txn).await
        } else {
            Ok(())
        }
    }

    /// Without any large amount it takes a million postings to get there; then reports say so.
    async fn check_balances<E: From<PostError>>(&self, txn: &Txn<'_>) -> Result<(), TxError<E>> {
        let postings = || self.entries.iter().flat_map(|entry| &entry.postings);
        let offices = std::slice::from_ref(&self.home);
        let balances = balances::sum(txn, offices, Span::default(), None).await?;
        let touched = postings().flat_map(|posting| [&posting.debit, &posting.credit]);
        for account in touched.collect::<BTreeSet<_>>() {
            if AmountMinor::from_wide(balances.of(account).closing()).is_err() {
                return Err(TxError::Refused(PostError::OutOfRange.into()));
            }
        }
        Ok(())
    }
}

/// The day at the office when the request was received.
fn today(txn: &Txn<'_>, office: &Office) -> Result<Date, DbError> {
    let now = txn.intent().call.received_at();
    now.date_in(&office.time_zone)
        .ok_or_else(|| DbError::Decode {
            column: "time_zone".into(),
            source: std::sync::Arc::new(UnknownZone(office.time_zone.clone())),
        })
}

/// A stored time zone that this program does not know.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not a time zone")]
struct UnknownZone(String);
