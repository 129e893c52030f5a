//! `accounting.postings`, one by one.

use std::collections::BTreeMap;

use kernel::{
    AccountCode, CurrencyCode, Date, OfficeCode, PositiveAmount, RegionTag,
    id::{EntryId, PostingId},
};
use platform_db::{DbError, Row, Session, offices::OfficeHome};

use super::wide;
use crate::domain::{balance::Span, entry::StatementLine};

macro_rules! side {
    ($account:literal) => {
        concat!(
            "(SELECT p.region, p.entry, p.line, p.effective_date, p.recorded_at, p.debit, p.credit, \
                 p.amount_minor, p.memo \
              FROM accounting.postings AS p \
              WHERE p.region = $1 AND p.office = $2 AND p.",
            $account,
            " = $3 AND p.effective_date >= $4 AND p.effective_date <= $5 AND p.recorded_at <= $6 \
              ORDER BY p.effective_date, p.recorded_at, p.entry, p.line LIMIT $7)"
        )
    };
}

/// No posting has one account on both sides, so no line comes twice.
const OF_ACCOUNT: &str = concat!(
    "SELECT x.region, x.entry, x.effective_date, x.debit, x.credit, x.amount_minor, x.memo FROM (",
    side!("debit"),
    " UNION ALL ",
    side!("credit"),
    ") AS x ORDER BY x.effective_date, x.recorded_at, x.entry, x.line LIMIT $7"
);

/// Postings that break invariant I1, the first of them beside how many there are. No index has their order: along one
/// that had, every posting would be fetched on its own, for the sake of a first one that there should not be.
const UNSOUND: &str = "
    SELECT p.region, p.id, p.entry, count(*) OVER ()::INT8 AS total,
           CASE WHEN p.amount_minor < 1 THEN 'amount'
                WHEN p.debit = p.credit THEN 'accounts'
                WHEN e.id IS NULL THEN 'entry'
                WHEN p.office <> e.office THEN 'office'
                ELSE 'currency' END AS fault
    FROM unnest($1::TEXT[], $2::TEXT[], $3::TEXT[]) AS o (region, office, currency)
    JOIN accounting.postings AS p ON p.region = o.region AND p.office = o.office
    LEFT JOIN accounting.journal_entries AS e ON e.region = p.region AND e.id = p.entry
    WHERE p.amount_minor < 1 OR p.debit = p.credit OR e.id IS NULL OR p.office <> e.office
       OR p.currency <> e.currency OR p.currency <> o.currency
    ORDER BY fault, p.region, p.id
    LIMIT $4";

/// What the entries about each subject moved on two accounts, debits less credits; less subjects where it is nothing.
const BY_SUBJECT: &str = "
    SELECT x.office, x.subject_id, x.one, x.other FROM (
        SELECT e.office, e.subject_id,
               sum(CASE WHEN p.debit = $4 THEN p.amount_minor WHEN p.credit = $4 THEN -p.amount_minor ELSE 0 END)::TEXT
                   AS one,
               sum(CASE WHEN p.debit = $5 THEN p.amount_minor WHEN p.credit = $5 THEN -p.amount_minor ELSE 0 END)::TEXT
                   AS other
        FROM unnest($1::TEXT[], $2::TEXT[]) AS o (region, office)
        JOIN accounting.journal_entries AS e
            ON e.region = o.region AND e.office = o.office AND e.subject_type = $3 AND e.subject_id IS NOT NULL
        JOIN accounting.postings AS p ON p.region = e.region AND p.entry = e.id
        GROUP BY e.office, e.subject_id
    ) AS x
    WHERE x.one <> '0' OR x.other <> '0'";

/// What moved on one day, on each of the accounts that did.
const ON_DAY: &str = "
    SELECT x.account, sum(x.amount)::TEXT AS moved
    FROM (
        SELECT p.debit AS account, p.amount_minor AS amount FROM accounting.postings AS p
        WHERE p.region = $1 AND p.office = $2 AND p.debit = ANY ($3) AND p.effective_date = $4
        UNION ALL
        SELECT p.credit AS account, -p.amount_minor AS amount FROM accounting.postings AS p
        WHERE p.region = $1 AND p.office = $2 AND p.credit = ANY ($3) AND p.effective_date = $4
    ) AS x
    GROUP BY x.account";

/// More than 2^43; the number is that of a partial index.
const HUGE: &str = "SELECT 1::INT8 AS one FROM accounting.postings \
    WHERE region = $1 AND office = $2 AND amount_minor > 8796093022208 LIMIT 1";

pub(super) const STATEMENTS: &[&str] = &[OF_ACCOUNT, UNSOUND, BY_SUBJECT, ON_DAY, HUGE];

/// A posting that breaks invariant I1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsoundPosting {
    /// The posting.
    pub posting: PostingId,
    /// Its entry.
    pub entry: EntryId,
    /// What is wrong: `amount`, `accounts`, `entry`, `office` or `currency`.
    pub fault: String,
}

/// What the entries about a subject moved on two accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectBalances {
    /// The office.
    pub office: OfficeCode,
    /// The subject's id.
    pub subject: String,
    /// Debits less credits of each account, exact however large.
    pub balances_minor: [i128; 2],
}

/// What the entries of the offices about subjects of a kind moved on two accounts, per subject; subjects where that is
/// nothing are left out.
pub(crate) async fn by_subject(
    session: &Session,
    offices: &[OfficeHome],
    kind: &str,
    accounts: [&AccountCode; 2],
) -> Result<Vec<SubjectBalances>, DbError> {
    let (regions, codes) = OfficeHome::columns(offices);
    let [one, other] = accounts;
    let rows = session
        .rows(BY_SUBJECT, &[&regions, &codes, &kind, one, other])
        .await?;
    rows.iter()
        .map(|row| {
            Ok(SubjectBalances {
                office: row.get("office")?,
                subject: row.get("subject_id")?,
                balances_minor: [wide(row, "one")?, wide(row, "other")?],
            })
        })
        .collect()
}

/// Debits less credits of one day, of each of the accounts that moved.
pub(crate) async fn on_day(
    session: &Session,
    home: &OfficeHome,
    accounts: &[AccountCode],
    day: Date,
) -> Result<BTreeMap<AccountCode, i128>, DbError> {
    let rows = session
        .rows(ON_DAY, &[&home.region, &home.office, &accounts, &day])
        .await?;
    rows.iter()
        .map(|row| Ok((row.get("account")?, wide(row, "moved")?)))
        .collect()
}

/// At most `limit` postings of an account over the span, oldest effective date first.
pub(crate) async fn of_account(
    session: &Session,
    home: &OfficeHome,
    account: &AccountCode,
    (span, limit): (Span, i64),
) -> Result<Vec<StatementLine>, DbError> {
    let as_of = span.as_of.unwrap_or(kernel::PageRequest::END);
    let rows = session
        .rows(
            OF_ACCOUNT,
            &[
                &home.region,
                &home.office,
                account,
                &span.first(),
                &span.last(),
                &as_of,
                &limit,
            ],
        )
        .await?;
    rows.iter().map(from_row).collect()
}

/// Whether an office ever posted an amount of which a thousand would leave the range of balances.
pub(crate) async fn any_huge(session: &Session, home: &OfficeHome) -> Result<bool, DbError> {
    let found = session.row_opt(HUGE, &[&home.region, &home.office]).await?;
    Ok(found.is_some())
}

/// How many postings of the offices, whose books are kept in the currency beside them, break invariant I1, and the
/// first `limit`.
pub(crate) async fn unsound(
    session: &Session,
    offices: &[(OfficeHome, CurrencyCode)],
    limit: i64,
) -> Result<(i64, Vec<UnsoundPosting>), DbError> {
    let regions: Vec<&RegionTag> = offices.iter().map(|(home, _)| &home.region).collect();
    let codes: Vec<_> = offices.iter().map(|(home, _)| &home.office).collect();
    let currencies: Vec<&CurrencyCode> = offices.iter().map(|(_, currency)| currency).collect();
    let rows = session
        .rows(UNSOUND, &[&regions, &codes, &currencies, &limit])
        .await?;
    let total = rows.first().map_or(Ok(0), |row| row.get("total"))?;
    let found = rows.iter().map(|row| {
        let region: RegionTag = row.get("region")?;
        Ok(UnsoundPosting {
            posting: PostingId::new(region.clone(), row.get("id")?),
            entry: EntryId::new(region, row.get("entry")?),
            fault: row.get("fault")?,
        })
    });
    Ok((total, found.collect::<Result<_, DbError>>()?))
}

fn from_row(row: &Row) -> Result<StatementLine, DbError> {
    Ok(StatementLine {
        entry: EntryId::new(row.get("region")?, row.get("entry")?),
        effective_date: row.get::<Date>("effective_date")?,
        debit: row.get("debit")?,
        credit: row.get("credit")?,
        amount: row.get::<PositiveAmount>("amount_minor")?,
        memo: row.get("memo")?,
    })
}
