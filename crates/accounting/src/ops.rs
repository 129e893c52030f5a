//! One file per business operation: its command, what it can be refused for, its transaction.

pub(crate) mod close_period;
pub(crate) mod create_account;
pub(crate) mod create_journal_entry;
pub(crate) mod import_journal_entries;
pub(crate) mod load_entry;
pub(crate) mod read_accounts;
pub(crate) mod read_journal_entries;
pub(crate) mod read_periods;
pub(crate) mod read_statement;
pub(crate) mod reopen_period;
pub(crate) mod reverse_journal_entry;

use kernel::{Common, OfficeCode, OpError};
use platform_db::{
    Event, Never, TxError, Txn,
    offices::{self, Office},
};

use crate::{
    domain::period::Period,
    views::{json, periods::PeriodView},
};

/// The office, which a path names and the token must reach.
async fn office_in_path<E>(txn: &Txn<'_>, code: &OfficeCode) -> Result<Office, TxError<E>> {
    let found = offices::get(txn, code).await.map_err(TxError::Db)?;
    let Some(office) = found else {
        return Err(TxError::Common(Common::NotFound {
            what: format!("office {code}"),
        }));
    };
    reach(txn, code)?;
    Ok(office)
}

/// Checks that the token reaches the office, and says whose write this is.
fn reach<E>(txn: &Txn<'_>, office: &OfficeCode) -> Result<(), TxError<E>> {
    if !txn.intent().principal.offices.allow(office) {
        return Err(TxError::Common(Common::OfficeForbidden {
            office: office.clone(),
        }));
    }
    txn.belongs_to(office);
    Ok(())
}

/// Emits what happened to a period, with the period as it is afterwards.
fn emit_period(txn: &Txn<'_>, kind: &'static str, period: &Period) {
    txn.emit(Event {
        kind,
        subject: PeriodView::name(period),
        office: Some(period.office.clone()),
        resource_version: period.version,
        data: json(&PeriodView::from(period)),
    });
}

/// A read refuses nothing of its own: its error as that of an operation that does.
fn widen<E>(error: OpError<Never>) -> OpError<E> {
    match error {
        OpError::Refused(never) => match never {},
        OpError::Common(common) => OpError::Common(common),
        OpError::System(system) => OpError::System(system),
    }
}
