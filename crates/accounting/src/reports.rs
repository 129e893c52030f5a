//! What reports say of the books. Every function is one statement: call them in one `read_snapshot` to have them of
//! one moment.

use std::collections::BTreeMap;

use kernel::{
    AccountCode, CurrencyCode, Date, OfficeCode, PositiveAmount, Timestamp, id::EntryId,
    money::OutOfRange,
};
use platform_db::{DbError, Session, offices::OfficeHome};

pub use crate::{
    domain::balance::{Span, TrialBalanceRow},
    storage::postings::{SubjectBalances, UnsoundPosting},
};
use crate::{
    domain::{
        balance::Balances,
        entry::{Posting, Source, Subject},
    },
    storage::{balances, journal, postings},
};

/// Offenders that are named.
const OFFENDERS_MAX: i64 = 10;

/// The sums of a trial balance, exact however large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialBalance(Balances);

impl TrialBalance {
    /// Its lines, by office, currency and account, less accounts that hold nothing and did not move.
    ///
    /// # Errors
    /// [`OutOfRange`] if a sum is beyond ±(2^53 − 1): no JSON number shows it exactly.
    pub fn rows(&self) -> Result<Vec<TrialBalanceRow>, OutOfRange> {
        self.0.rows()
    }
}

/// What an account holds in one office.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountBalance {
    /// The office.
    pub office: OfficeCode,
    /// Currency of the balance.
    pub currency: CurrencyCode,
    /// Debits less credits, exact however large.
    pub balance_minor: i128,
}

/// An entry, for those who tell the story of its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryFact {
    /// The entry.
    pub id: EntryId,
    /// The business date, in the time zone of the office.
    pub effective_date: Date,
    /// When we learned of it.
    pub recorded_at: Timestamp,
    /// What made it.
    pub source: Option<Source>,
    /// In their order.
    pub postings: Vec<PostingFact>,
}

/// An amount that moved from one account to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostingFact {
    /// The account debited.
    pub debit: AccountCode,
    /// The account credited.
    pub credit: AccountCode,
    /// Minor units of the office's currency.
    pub amount: PositiveAmount,
}

impl From<Posting> for PostingFact {
    fn from(posting: Posting) -> Self {
        Self {
            debit: posting.debit,
            credit: posting.credit,
            amount: posting.amount,
        }
    }
}

/// What does not hold of the postings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsoundPostings {
    /// How many postings there are of which something is wrong.
    pub count: i64,
    /// The first ten of them, by fault, region and id.
    pub first: Vec<UnsoundPosting>,
}

/// Opening, debits, credits and closing of every account over effective dates, both included.
///
/// # Errors
/// [`DbError`].
pub async fn trial_balance(
    session: &Session,
    offices: &[OfficeHome],
    from: Option<Date>,
    to: Option<Date>,
    as_of: Option<Timestamp>,
) -> Result<TrialBalance, DbError> {
    let span = Span { from, to, as_of };
    let sums = balances::sum(session, offices, span, None).await?;
    Ok(TrialBalance(sums))
}

/// The balance of one account in each office that ever moved it.
///
/// # Errors
/// [`DbError`].
pub async fn balance_of(
    session: &Session,
    offices: &[OfficeHome],
    account: &AccountCode,
    as_of: Option<Timestamp>,
) -> Result<Vec<AccountBalance>, DbError> {
    let span = Span {
        as_of,
        ..Span::default()
    };
    let sums = balances::sum(session, offices, span, Some(account)).await?;
    let balances = sums.0.into_iter();
    Ok(balances
        .map(|(place, turnover)| AccountBalance {
            office: place.office,
            currency: place.currency,
            balance_minor: turnover.closing(),
        })
        .collect())
}

/// Invariant I1: every posting has an amount above zero and two different accounts, and its office and currency are
/// its entry's, and the office's own, which is given beside it.
///
/// # Errors
/// [`DbError`].
pub async fn check_postings(
    session: &Session,
    offices: &[(OfficeHome, CurrencyCode)],
) -> Result<UnsoundPostings, DbError> {
    let (count, first) = postings::unsound(session, offices, OFFENDERS_MAX).await?;
    Ok(UnsoundPostings { count, first })
}

/// What the entries of an office about a subject say, oldest first.
///
/// # Errors
/// [`DbError`].
pub async fn entries_about(
    session: &Session,
    home: &OfficeHome,
    subject: &Subject,
) -> Result<Vec<EntryFact>, DbError> {
    let entries = journal::about(session, home, subject).await?;
    let facts = entries.into_iter().map(|entry| EntryFact {
        id: entry.id,
        effective_date: entry.effective_date,
        recorded_at: entry.recorded_at,
        source: entry.source,
        postings: entry.postings.into_iter().map(PostingFact::from).collect(),
    });
    Ok(facts.collect())
}

/// What the entries about subjects of a kind moved on two accounts, per subject; subjects where that is nothing are
/// left out.
///
/// # Errors
/// [`DbError`].
pub async fn balances_by_subject(
    session: &Session,
    offices: &[OfficeHome],
    kind: &str,
    accounts: [&AccountCode; 2],
) -> Result<Vec<SubjectBalances>, DbError> {
    postings::by_subject(session, offices, kind, accounts).await
}

/// Debits less credits of one day, of each of the accounts that moved on it.
///
/// # Errors
/// [`DbError`].
pub async fn moved_on(
    session: &Session,
    home: &OfficeHome,
    accounts: &[AccountCode],
    day: Date,
) -> Result<BTreeMap<AccountCode, i128>, DbError> {
    postings::on_day(session, home, accounts, day).await
}
