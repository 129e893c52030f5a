//! What reports say of the books. Every function is one statement: call them in one `read_snapshot` to have them of
//! one moment.

use kernel::{AccountCode, CurrencyCode, Date, OfficeCode, Timestamp, money::OutOfRange};
use platform_db::{DbError, Session, offices::OfficeHome};

use crate::{
    domain::balance::Balances,
    storage::{balances, postings},
};
pub use crate::{
    domain::balance::{Span, TrialBalanceRow},
    storage::postings::UnsoundPosting,
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

/// What does not hold of the postings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsoundPostings {
    /// How many postings there are of which something is wrong.
    pub count: i64,
    /// The first ten of them, by region and id.
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
