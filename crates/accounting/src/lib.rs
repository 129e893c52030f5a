#![doc = include_str!("../README.md")]

mod api;
mod app;
mod domain;
pub mod export;
pub mod ledger;
mod ops;
pub mod reports;
mod storage;
mod views;

use platform_db::{Migrations, Placement};

pub use api::system;
pub use app::App;
pub use views::EntryView;

/// The journal for the systems above: posting entries that nobody typed (the demo company's), and reading some.
pub mod journal {
    use std::collections::BTreeMap;

    use kernel::{RegionTag, Timestamp, id::EntryId};
    use platform_db::{DbError, Session};
    use serde_json::Value;

    pub use crate::ops::load_entry::{LoadEntryError, NewJournalEntry, load_entry};
    use crate::{EntryView, storage};

    /// The same as JSON, by id: what stands in place of an id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn views(
        session: &Session,
        regions: &[RegionTag],
        ids: &[EntryId],
        until: Option<Timestamp>,
    ) -> Result<BTreeMap<String, Value>, DbError> {
        let entries = entries(session, regions, ids, until).await?;
        let view = |entry: &EntryView| {
            let json = serde_json::to_value(entry).unwrap_or_default();
            (entry.id().to_string(), json)
        };
        Ok(entries.iter().map(view).collect())
    }

    /// Those of the entries that there are, as they were at `until`; who may see them is for the caller to say.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn entries(
        session: &Session,
        regions: &[RegionTag],
        ids: &[EntryId],
        until: Option<Timestamp>,
    ) -> Result<Vec<EntryView>, DbError> {
        let entries = storage::journal::many(session, regions, ids, until).await?;
        Ok(entries.iter().map(EntryView::from).collect())
    }
}

/// Every statement that this system sends, for who examines a database.
#[must_use]
pub fn statements() -> Vec<&'static str> {
    storage::statements().collect()
}

/// The schema `accounting`, in the order in which its files are applied.
#[must_use]
pub fn migrations() -> &'static Migrations {
    macro_rules! files {
        ($($name:literal,)*) => {
            &[$(($name, include_str!(concat!("../migrations/", $name, ".sql"))),)*]
        };
    }
    static MIGRATIONS: Migrations = Migrations {
        system: "accounting",
        files: files![
            "V0001__create_accounts",
            "V0002__index_accounts_by_age",
            "V0003__load_chart",
            "V0004__create_periods",
            "V0005__create_journal_entries",
            "V0006__index_journal_entries_by_age",
            "V0007__create_postings",
            "V0008__index_postings_by_period",
            "V0009__index_postings_by_debit",
            "V0010__index_postings_by_credit",
            "V0011__create_period_balances",
            "V0012__index_periods_by_age",
            "V0013__index_postings_by_debit_and_age",
            "V0014__index_postings_by_credit_and_age",
            "V0015__index_huge_postings",
            "V0016__index_journal_entries_by_subject",
        ],
        // What was recorded in the ledger is never changed or deleted by a service.
        grants: &[
            ("accounts", "SELECT, INSERT"),
            ("periods", "SELECT, INSERT, UPDATE"),
            ("journal_entries", "SELECT, INSERT"),
            ("postings", "SELECT, INSERT"),
            ("period_balances", "SELECT, INSERT, DELETE"),
        ],
        localities: &[
            ("accounts", Placement::Global),
            ("periods", Placement::BY_ROW),
            ("journal_entries", Placement::BY_ROW),
            ("postings", Placement::BY_ROW),
            ("period_balances", Placement::BY_ROW),
        ],
    };
    &MIGRATIONS
}
