//! One file per operation.

pub(crate) mod create_office;
pub(crate) mod export;
pub(crate) mod integrity;
pub(crate) mod nearest_offices;
pub(crate) mod overview;
pub(crate) mod read_audit;
pub(crate) mod read_events;
pub(crate) mod read_offices;
pub(crate) mod receivables;
pub(crate) mod reports;
pub(crate) mod sales_by_office_day;
pub(crate) mod search;
pub(crate) mod sold_items;
pub(crate) mod stock_valuation;
pub(crate) mod trial_balance;
pub(crate) mod update_office;

use kernel::{Call, OfficeCode, Offices, OpError, Principal};
use platform_db::{Event, Never, SearchEntry, Txn, offices::Office};

use crate::{
    App,
    views::{OfficeView, json},
};

/// Whose rows a principal is shown.
struct Shown {
    /// `None`: every office's.
    offices: Option<Vec<OfficeCode>>,
    /// And those that belong to no office. They are everybody's, but a filter by office asks for that office's alone.
    of_no_office: bool,
}

/// The offices that a filter names, each of which must exist and be reached; else all that the token reaches.
async fn shown_offices<E>(
    app: &App,
    call: &Call,
    principal: &Principal,
    wanted: Option<Vec<OfficeCode>>,
) -> Result<Shown, OpError<E>> {
    let (offices, of_no_office) = match (wanted, &principal.offices) {
        (Some(wanted), _) => {
            let shown = app.directory.shown(call, principal, Some(wanted)).await;
            let homes = shown.map_err(widen)?;
            let offices = homes.into_iter().map(|home| home.office).collect();
            (Some(offices), false)
        }
        (None, Offices::All) => (None, true),
        (None, Offices::Some(reached)) => (Some(reached.iter().cloned().collect()), true),
    };
    Ok(Shown {
        offices,
        of_no_office,
    })
}

/// A read refuses nothing of its own: its error as that of an operation that does.
fn widen<E>(error: OpError<Never>) -> OpError<E> {
    match error {
        OpError::Refused(never) => match never {},
        OpError::Common(common) => OpError::Common(common),
        OpError::System(system) => OpError::System(system),
    }
}

/// Makes an office findable as it is.
pub(crate) fn index_office(txn: &Txn<'_>, office: &Office) {
    txn.index(SearchEntry {
        kind: search::OFFICE,
        id: office.code.to_string(),
        office: Some(office.code.clone()),
        title: office.name.clone(),
        exact: Vec::new(),
    });
}

/// Emits what happened to an office, with the office as it is afterwards.
fn emit_office(txn: &Txn<'_>, kind: &'static str, office: &Office) {
    txn.emit(Event {
        kind,
        subject: office.code.to_string(),
        office: None, // offices belong to every region, and their events to every reader
        resource_version: office.version,
        data: json(&OfficeView::from(office)),
    });
}
