//! Reads of the chart.

use kernel::{AccountCode, Call, Common, OpError, PageRequest, ReadWant, SystemError, Timestamp};
use platform_db::{Never, Read, ReadSpec, Session};

use crate::{App, domain::account::Account, storage::accounts};

pub(crate) async fn get_account(
    app: &App,
    call: &Call,
    spec: ReadSpec,
    code: AccountCode,
) -> Result<Account, OpError<Never>> {
    let what = format!("account {code}");
    let read = app
        .db
        .read_row(call, spec, async move |session: &Session| {
            accounts::get(session, &code).await
        })
        .await?;
    read.value.ok_or_else(|| Common::NotFound { what }.into())
}

pub(crate) async fn list_accounts(
    app: &App,
    call: &Call,
    spec: ReadSpec,
    (created_from, created_to, page): (Option<Timestamp>, Option<Timestamp>, PageRequest),
) -> Result<Read<Vec<Account>>, SystemError> {
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
