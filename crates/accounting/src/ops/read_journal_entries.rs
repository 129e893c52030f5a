//! Reads of the journal.

use kernel::{
    AccountCode, Call, Common, Date, OfficeCode, OpError, PageRequest, Principal, ReadWant,
    Timestamp, id::EntryId,
};
use platform_db::{AsOf, Never, Read, ReadOver, ReadSpec, Session, offices::OfficeHome};

use super::read_accounts::known_account;
use crate::{
    App,
    domain::entry::Entry,
    storage::journal::{self, EntryFilter},
};

/// Which entries are wanted, as asked.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) offices: Option<Vec<OfficeCode>>,
    pub(crate) account: Option<AccountCode>,
    pub(crate) effective_from: Option<Date>,
    pub(crate) effective_to: Option<Date>,
    pub(crate) created_from: Option<Timestamp>,
    pub(crate) created_to: Option<Timestamp>,
    pub(crate) as_of: Option<Timestamp>,
}

/// The entry, and whether the same question will always find it so.
pub(crate) async fn get_journal_entry(
    app: &App,
    (call, want): (&Call, ReadWant),
    id: EntryId,
    as_of: Option<Timestamp>,
) -> Result<(Entry, Option<AsOf>), OpError<Never>> {
    let as_of = app.db.as_of(call, as_of).await?;
    let what = format!("journal entry {id}");
    let spec = ReadSpec {
        operation: "get_journal_entry",
        want,
        home: id.region().clone(),
        snapshot: None,
    };
    let regions = app.db.regions().to_vec();
    let read = app
        .db
        .read(call, spec, async move |session: &Session| {
            journal::get(session, &regions, &id, as_of.map(|as_of| as_of.at)).await
        })
        .await?;
    match read.value {
        Some(entry) => Ok((entry, as_of)),
        None => Err(Common::NotFound { what }.into()),
    }
}

pub(crate) async fn list_journal_entries(
    app: &App,
    (call, principal, want): (&Call, &Principal, ReadWant),
    wanted: Wanted,
    page: PageRequest,
) -> Result<(Read<Vec<Entry>>, Option<AsOf>), OpError<Never>> {
    let offices = app.directory.shown(call, principal, wanted.offices).await?;
    known_account(app, call, wanted.account.as_ref()).await?;
    let as_of = app.db.as_of(call, wanted.as_of).await?;
    let over = ReadOver::new("list_journal_entries", want, page.snapshot, offices);
    let filter = EntryFilter {
        account: wanted.account,
        effective_from: wanted.effective_from,
        effective_to: wanted.effective_to,
        created_from: wanted.created_from,
        created_to: wanted.created_to,
        as_of: as_of.map(|as_of| as_of.at),
    };
    let read = app
        .db
        .read_page_over(
            call,
            over,
            async move |session: &Session, offices: &[OfficeHome]| {
                journal::page(session, offices, &filter, &page).await
            },
        )
        .await?;
    Ok((read, as_of))
}
