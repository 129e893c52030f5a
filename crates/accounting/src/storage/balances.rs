//! `accounting.period_balances`, and sums over `accounting.postings`.
//!
//! A month's row in `periods` says whether its turnover is stored: a closed month's is, and of all others the postings
//! are added up. Sums leave the database as text, since they may be larger than its integers (hard case 26).

use kernel::{AccountCode, Month};
use platform_db::{DbError, Row, Session, offices::OfficeHome};

use super::wide;
use crate::domain::balance::{Balances, Place, Span};

/// Turnovers of closed months that lie wholly within the span or before it, then the postings of open months and of
/// those that the span cuts. A line with `credit` moves from one account to the other.
const NOW: &str = "
    SELECT b.office, b.currency, b.period < $4 AS is_before, b.account AS debit, NULL::TEXT AS credit,
           sum(b.debit_minor)::TEXT AS debited, sum(b.credit_minor)::TEXT AS credited
    FROM unnest($1::TEXT[], $2::TEXT[]) AS o (region, office)
    JOIN accounting.period_balances AS b ON b.region = o.region AND b.office = o.office
    WHERE b.period <= $6 AND b.period <> ALL ($7::TEXT[]) AND ($8::TEXT IS NULL OR b.account = $8::TEXT)
    GROUP BY b.office, b.currency, b.period < $4, b.account
    UNION ALL
    SELECT p.office, p.currency, p.effective_date < $3 AS is_before, p.debit, p.credit,
           sum(p.amount_minor)::TEXT AS debited, '0' AS credited
    FROM unnest($1::TEXT[], $2::TEXT[]) AS o (region, office)
    JOIN accounting.periods AS m ON m.region = o.region AND m.office = o.office
    JOIN accounting.postings AS p ON p.region = m.region AND p.office = m.office AND p.period = m.period
    WHERE m.period <= $6 AND (m.status = 'open' OR m.period = ANY ($7::TEXT[])) AND p.effective_date <= $5
      AND ($8::TEXT IS NULL OR p.debit = $8::TEXT OR p.credit = $8::TEXT)
    GROUP BY p.office, p.currency, p.effective_date < $3, p.debit, p.credit";

/// From postings alone, which are only ever added.
const AS_OF: &str = "
    SELECT p.office, p.currency, p.effective_date < $3 AS is_before, p.debit, p.credit,
           sum(p.amount_minor)::TEXT AS debited, '0' AS credited
    FROM unnest($1::TEXT[], $2::TEXT[]) AS o (region, office)
    JOIN accounting.postings AS p ON p.region = o.region AND p.office = o.office
    WHERE p.period <= $5 AND p.effective_date <= $4 AND p.recorded_at <= $6
      AND ($7::TEXT IS NULL OR p.debit = $7::TEXT OR p.credit = $7::TEXT)
    GROUP BY p.office, p.currency, p.effective_date < $3, p.debit, p.credit";

/// The turnover of one month, per account.
const STORE: &str = "
    INSERT INTO accounting.period_balances (region, office, period, account, currency, debit_minor, credit_minor)
    SELECT $1, $2, $3, side.account, side.currency, sum(side.debited), sum(side.credited)
    FROM (
        SELECT debit AS account, currency, amount_minor AS debited, 0::INT8 AS credited
        FROM accounting.postings WHERE region = $1 AND office = $2 AND period = $3
        UNION ALL
        SELECT credit AS account, currency, 0::INT8 AS debited, amount_minor AS credited
        FROM accounting.postings WHERE region = $1 AND office = $2 AND period = $3
    ) AS side
    GROUP BY side.account, side.currency";

const FORGET: &str =
    "DELETE FROM accounting.period_balances WHERE region = $1 AND office = $2 AND period = $3";

pub(super) const STATEMENTS: &[&str] = &[NOW, AS_OF, STORE, FORGET];

/// What moved in the books of the offices over the span, on one account or on all.
pub(crate) async fn sum(
    session: &Session,
    offices: &[OfficeHome],
    span: Span,
    account: Option<&AccountCode>,
) -> Result<Balances, DbError> {
    let (regions, codes) = OfficeHome::columns(offices);
    let (first, last) = (span.first(), span.last());
    let rows = if let Some(as_of) = span.as_of {
        session
            .rows(
                AS_OF,
                &[
                    &regions,
                    &codes,
                    &first,
                    &last,
                    &last.month(),
                    &as_of,
                    &account,
                ],
            )
            .await?
    } else {
        session
            .rows(
                NOW,
                &[
                    &regions,
                    &codes,
                    &first,
                    &first.month(),
                    &last,
                    &last.month(),
                    &span.partial(),
                    &account,
                ],
            )
            .await?
    };
    let mut balances = Balances::default();
    for row in &rows {
        add(&mut balances, row)?;
    }
    if let Some(account) = account {
        balances.0.retain(|place, _| place.account == *account);
    }
    Ok(balances)
}

fn add(balances: &mut Balances, row: &Row) -> Result<(), DbError> {
    let place = |account| {
        Ok::<_, DbError>(Place {
            office: row.get("office")?,
            currency: row.get("currency")?,
            account,
        })
    };
    let is_before = row.get("is_before")?;
    let (debited, credited) = (wide(row, "debited")?, wide(row, "credited")?);
    balances.add(place(row.get("debit")?)?, is_before, debited, credited);
    if let Some(other) = row.get("credit")? {
        balances.add(place(other)?, is_before, 0, debited);
    }
    Ok(())
}

/// Stores the turnover of a month that is being closed.
pub(crate) async fn store(
    session: &Session,
    home: &OfficeHome,
    month: Month,
) -> Result<u64, DbError> {
    session
        .execute(STORE, &[&home.region, &home.office, &month])
        .await
}

/// Removes the turnover of a month that is being reopened.
pub(crate) async fn forget(
    session: &Session,
    home: &OfficeHome,
    month: Month,
) -> Result<u64, DbError> {
    session
        .execute(FORGET, &[&home.region, &home.office, &month])
        .await
}
