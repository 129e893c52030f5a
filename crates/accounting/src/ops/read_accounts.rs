//! Reads of the chart.

use futures_util::FutureExt as _;
use kernel::{
    AccountCode, Call, Common, OpError, Order, PageRequest, ReadWant, SystemError, Timestamp,
};
use platform_db::{Never, Read, ReadSpec, Session, Source};

use crate::{App, domain::account::Account, storage::accounts};

/// Accounts by code.
pub(crate) static ACCOUNTS: Source<AccountCode, Option<Account>> = Source {
    name: "accounts",
    topic: "accounting.account",
    subject: Some(ToString::to_string),
    one_row: true,
    bytes: |account| account.as_ref().map(|account| account.name.len()),
    load: |session, code, _| async move { accounts::get(session, &code).await }.boxed(),
};

/// The first page of all accounts, by its length and order.
pub(crate) static CHART: Source<(u16, Order), Vec<Account>> = Source {
    name: "chart",
    topic: "accounting.account",
    subject: None,
    one_row: false,
    bytes: |chart| {
        let names = chart.iter().map(|account| account.name.len());
        Some(size_of_val(chart.as_slice()) + names.sum::<usize>())
    },
    load: |session, (limit, order), _| {
        let page = PageRequest::begin(limit, order);
        async move { accounts::page(session, None, None, &page).await }.boxed()
    },
};

pub(crate) async fn get_account(
    app: &App,
    call: &Call,
    spec: ReadSpec,
    code: AccountCode,
) -> Result<Account, OpError<Never>> {
    let what = format!("account {code}");
    let read = app.accounts.read(call, spec, code).await?;
    Option::clone(&read.value).ok_or_else(|| Common::NotFound { what }.into())
}

pub(crate) async fn list_accounts(
    app: &App,
    call: &Call,
    spec: ReadSpec,
    (created_from, created_to, page): (Option<Timestamp>, Option<Timestamp>, PageRequest),
) -> Result<Read<Vec<Account>>, SystemError> {
    if let (None, None, Some(first)) = (created_from, created_to, page.first()) {
        let read = app.chart.read(call, spec, first).await?;
        return Ok(read.map(|chart| Vec::clone(&chart)));
    }
    app.db
        .read_page(call, spec, async move |session: &Session| {
            accounts::page(session, created_from, created_to, &page).await
        })
        .await
}

/// That the account that a filter names exists.
pub(crate) async fn known_account(
    app: &App,
    call: &Call,
    code: Option<&AccountCode>,
) -> Result<(), OpError<Never>> {
    let Some(code) = code.cloned() else {
        return Ok(());
    };
    let unknown = Common::UnknownInFilter {
        parameter: "account",
        value: code.to_string(),
    };
    let spec = ReadSpec::reference("find_account", ReadWant::default(), None);
    let read = app
        .db
        .read(call, spec, async move |session: &Session| {
            accounts::get(session, &code).await
        })
        .await?;
    read.value.map(drop).ok_or_else(|| unknown.into())
}
