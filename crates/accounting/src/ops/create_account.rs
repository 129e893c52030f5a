//! Adds an account to the chart.

use kernel::Common;
use kernel::{AccountCode, Intent, Invalid, OpError, Reply};
use platform_db::{Event, Never, Refusal, TxError};

use crate::{
    App,
    domain::account::{Account, AccountStatus, AccountType, Side},
    storage::accounts,
    views::{accounts::AccountView, json},
};

/// What an account is made from.
#[derive(Debug, Clone)]
pub(crate) struct CreateAccount {
    pub(crate) code: AccountCode,
    pub(crate) name: String,
    pub(crate) kind: AccountType,
    pub(crate) normal: Side,
}

/// Another account has the code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the code is taken")]
struct CodeTaken;

impl Refusal for CodeTaken {
    fn from_constraint(name: &str) -> Option<Self> {
        (name == "accounts_pkey").then_some(Self)
    }
}

pub(crate) async fn create_account(
    app: &App,
    intent: Intent,
    command: Result<CreateAccount, Invalid>,
) -> Result<Reply, OpError<Never>> {
    let code = command.as_ref().ok().map(|command| command.code.clone());
    let written = app
        .db
        .write(intent, async move |txn| {
            let command = command.clone()?;
            let now = txn.now();
            let account = Account {
                code: command.code,
                name: command.name,
                kind: command.kind,
                normal: command.normal,
                status: AccountStatus::Active,
                version: 1,
                created_at: now,
                updated_at: now,
            };
            accounts::insert(txn, &account).await?;
            let view = AccountView::from(&account);
            txn.emit(Event {
                kind: "accounting.account.created",
                subject: account.code.to_string(),
                office: None,
                resource_version: account.version,
                data: json(&view),
            });
            txn.audit(None, Some(json(&view)));
            Ok::<_, TxError<_>>(view.created())
        })
        .await;
    written.map_err(|error| match error {
        OpError::Refused(CodeTaken) => OpError::Common(Common::AlreadyExists {
            location: code.as_ref().map(AccountView::path),
        }),
        OpError::Common(common) => OpError::Common(common),
        OpError::System(system) => OpError::System(system),
    })
}
