//! One file per operation.

pub(crate) mod create_office;
pub(crate) mod export;
pub(crate) mod integrity;
pub(crate) mod nearest_offices;
pub(crate) mod read_offices;
pub(crate) mod reports;
pub(crate) mod search;
pub(crate) mod stock_valuation;
pub(crate) mod trial_balance;
pub(crate) mod update_office;

use platform_db::{Event, SearchEntry, Txn, offices::Office};

use crate::views::{OfficeView, json};

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
