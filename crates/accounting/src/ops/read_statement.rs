//! What moved on one account of one office.

use kernel::{
    AccountCode, AmountMinor, Call, Common, OfficeCode, OpError, Principal, ReadWant,
    money::OutOfRange,
};
use platform_db::{
    DbError, ReadOver, ReadSpec, Session,
    offices::{self, Office, OfficeHome},
};

use super::{read_accounts::get_account, widen};
use crate::{
    App,
    domain::{
        balance::{Span, Turnover},
        entry::StatementLine,
    },
    storage::{accounts, balances, postings},
    views::statement::{StatementLineView, StatementView},
};

/// Postings that a statement may have: some 20 MB of JSON.
pub(crate) const POSTINGS_MAX: usize = 100_000;

/// Whose account, and when.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) account: AccountCode,
    pub(crate) office: OfficeCode,
    pub(crate) span: Span,
}

/// Why there is no statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StatementError {
    /// It would have too many postings.
    #[error("there are more than {max} postings")]
    TooMany { max: usize },
    /// A balance cannot be written exactly in JSON.
    #[error("a balance is out of range")]
    OutOfRange,
}

impl From<OutOfRange> for StatementError {
    fn from(_: OutOfRange) -> Self {
        Self::OutOfRange
    }
}

/// What a statement is made of, all of one moment.
struct Found {
    office: Office,
    opening: Turnover,
    lines: Vec<StatementLine>,
}

pub(crate) async fn get_account_statement(
    app: &App,
    (call, principal, want): (&Call, &Principal, ReadWant),
    wanted: Wanted,
) -> Result<StatementView, OpError<StatementError>> {
    let named = vec![wanted.office.clone()];
    let homes = app.directory.known(call, named).await.map_err(widen)?;
    if !principal.offices.allow(&wanted.office) {
        let spec = ReadSpec::reference("find_account", ReadWant::default(), None);
        let found = get_account(app, call, spec, wanted.account).await;
        found.map_err(widen)?;
        let office = wanted.office;
        return Err(Common::OfficeForbidden { office }.into());
    }
    let as_of = app.db.as_of(call, wanted.span.as_of).await.map_err(widen)?;
    let over = ReadOver::new("get_account_statement", want, None, homes);
    let question = wanted.clone();
    let read = app
        .db
        .read_snapshot_over(
            call,
            over,
            async move |session: &Session, homes: &[OfficeHome]| {
                find(session, homes, &question).await
            },
        )
        .await?;
    let Some(found) = read.value else {
        let what = format!("account {}", wanted.account);
        return Err(Common::NotFound { what }.into());
    };
    let mut view = state(&wanted, found).map_err(OpError::Refused)?;
    view.as_of = as_of.map(|as_of| as_of.at);
    view.is_final = as_of.map(|as_of| as_of.is_final);
    Ok(view)
}

/// `None` if there is no such account.
async fn find(
    session: &Session,
    homes: &[OfficeHome],
    wanted: &Wanted,
) -> Result<Option<Found>, DbError> {
    let home = homes.first().ok_or(DbError::NoRow)?; // the filter names one
    let account = accounts::get(session, &wanted.account).await?;
    let office = offices::get(session, &home.office).await?;
    let (Some(_), Some(office)) = (account, office) else {
        return Ok(None);
    };
    let before = balances::sum(session, homes, opening(wanted.span), Some(&wanted.account)).await?;
    let limit = i64::try_from(POSTINGS_MAX)
        .unwrap_or(i64::MAX)
        .saturating_add(1);
    let span = (wanted.span, limit);
    let lines = postings::of_account(session, home, &wanted.account, span).await?;
    Ok(Some(Found {
        office,
        opening: before.of(&wanted.account),
        lines,
    }))
}

/// Sums up to the day of `from`, of which only those before it count.
fn opening(span: Span) -> Span {
    Span {
        from: span.from,
        to: Some(span.first()),
        as_of: span.as_of,
    }
}

fn state(wanted: &Wanted, found: Found) -> Result<StatementView, StatementError> {
    if found.lines.len() > POSTINGS_MAX {
        return Err(StatementError::TooMany { max: POSTINGS_MAX });
    }
    let opening = found.opening.opening;
    let mut closing = opening;
    for line in &found.lines {
        let amount = i128::from(line.amount.get());
        closing += if line.debit == wanted.account {
            amount
        } else {
            -amount
        };
    }
    Ok(StatementView {
        account: wanted.account.clone(),
        office: found.office.code,
        currency: found.office.currency,
        from: wanted.span.from,
        to: wanted.span.to,
        opening_minor: AmountMinor::from_wide(opening)?,
        postings: found
            .lines
            .into_iter()
            .map(StatementLineView::from)
            .collect(),
        closing_minor: AmountMinor::from_wide(closing)?,
        as_of: None,
        is_final: None,
    })
}
