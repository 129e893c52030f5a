//! Posts many entries in one transaction, each as `create_journal_entry` would.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{
    AccountCode, Common, Intent, Invalid, Month, OfficeCode, OpError, RowRefusal, RowsEnd,
};
use platform_db::{
    DbError, RowsDone, TxError, Txn,
    offices::{self, Office},
};

use super::create_journal_entry::{CreateEntryError, record, unknown_office};
use crate::{App, domain::manual::ManualEntry, ledger::Books, storage::accounts, views::EntryView};

/// What all entries of a batch are checked against, read once.
struct Desk {
    chart: BTreeSet<AccountCode>,
    /// Every office that is named and exists, with its books if the token reaches it.
    offices: BTreeMap<OfficeCode, (Office, Option<Books>)>,
}

/// `commits`: whether to commit, given whether every row can be written.
pub(crate) async fn import_journal_entries(
    app: App,
    rows: Vec<(Intent, Result<ManualEntry, Invalid>)>,
    commits: impl Fn(bool) -> bool + Send + Sync,
) -> Result<RowsEnd<CreateEntryError>, OpError<CreateEntryError>> {
    let (intents, commands): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    app.db
        .write_rows(intents, async move |txn, open| {
            // Borrows nothing of `open`: the future must be Send for every lifetime.
            let mut wanted = Vec::new();
            for (index, _) in open.iter() {
                if let Some(Ok(command)) = commands.get(index) {
                    wanted.push(command.clone());
                }
            }
            let mut desk = Desk::open(txn, wanted).await?;
            let mut done = Vec::new();
            for (index, intent) in open.iter() {
                let Some(command) = commands.get(index) else {
                    continue; // there is one per row
                };
                let row = txn.for_row(intent);
                done.push(match desk.post(&row, command.clone()) {
                    Ok(view) => Ok(row.wrote(view.created())),
                    Err(refusal) => Err(refusal),
                });
            }
            desk.save(txn).await?;
            let commit = commits(done.iter().all(Result::is_ok));
            Ok(RowsDone { rows: done, commit })
        })
        .await
        .inspect(|ended| app.db.wrote_many(ended, TABLES))
}

/// What each entry is written into.
const TABLES: &[&str] = &["accounting.journal_entries", "accounting.postings"];

impl Desk {
    async fn open(txn: &Txn<'_>, entries: Vec<ManualEntry>) -> Result<Self, DbError> {
        let named: BTreeSet<AccountCode> = entries.iter().flat_map(ManualEntry::accounts).collect();
        let mut months: BTreeMap<OfficeCode, BTreeSet<Month>> = BTreeMap::new();
        for entry in entries {
            let month = entry.month();
            months.entry(entry.office).or_default().extend(month);
        }
        let mut desk = Self {
            chart: accounts::known(txn, &named).await?,
            offices: BTreeMap::new(),
        };
        for (code, months) in months {
            let Some(office) = offices::get(txn, &code).await? else {
                continue;
            };
            let books = if txn.intent().principal.offices.allow(&code) {
                Some(Books::open_at(txn, &office, &months).await?)
            } else {
                None
            };
            desk.offices.insert(code, (office, books));
        }
        Ok(desk)
    }

    /// Posts one entry, or says why not. The order is that of the single POST.
    fn post(
        &mut self,
        row: &Txn<'_>,
        command: Result<ManualEntry, Invalid>,
    ) -> Result<EntryView, RowRefusal<CreateEntryError>> {
        let entry = command.map_err(Common::Invalid)?;
        let Some((office, books)) = self.offices.get_mut(&entry.office) else {
            return Err(Common::Invalid(unknown_office()).into());
        };
        let own = |error| RowRefusal::Own(error);
        let checked = entry.check(&office.currency, &self.chart);
        checked.map_err(|broken| own(broken.into()))?;
        let Some(books) = books else {
            let office = entry.office;
            return Err(Common::OfficeForbidden { office }.into());
        };
        row.belongs_to(&office.code);
        record(row, books, entry).map_err(own)
    }

    async fn save(self, txn: &Txn<'_>) -> Result<(), TxError<CreateEntryError>> {
        for (_, books) in self.offices.into_values() {
            if let Some(books) = books {
                books.save(txn).await?;
            }
        }
        Ok(())
    }
}
