#![doc = include_str!("../README.md")]

#[macro_use]
mod lateral;

mod as_of;
mod audit;
mod cached;

mod clock;
mod config;
mod connection;
mod db;
mod directory;
pub mod doctor;
pub mod effects;
mod engine;
mod error;
#[cfg(feature = "testing")]
mod faults;
mod feed;
mod flight;
mod generations;
mod homes;
mod hosts;
mod keys;
mod metrics;
mod migrate;
mod moment;
mod numbering;
pub mod offices;
pub mod placement;
mod pool;
mod read;
mod read_over;
mod receipt;
mod search;
mod sequencer;
mod session;
mod snapshot;
mod statistics;
mod tls;
mod txn;
mod url;
mod verdict;
mod watch;
#[cfg(feature = "testing")]
mod wire;
mod worker;
mod write;

pub use as_of::AsOf;
pub use audit::{AuditFilter, AuditRow};
pub use cached::{Cached, Load, Source};
pub use config::{DbConfig, PoolSizes};
pub use connection::Connection;
pub use db::Db;
pub use directory::Directory;
#[cfg(feature = "testing")]
pub use engine::{makes_ready, postgres_settings};
pub use error::{DbError, Never, Refusal, SchemaError, TxError};
#[cfg(feature = "testing")]
pub use faults::{Fault, Faults};
pub use feed::{FeedEvent, FeedFilter, FeedSlice};
pub use homes::Homes;
pub use kernel::{Read, RowEnd, RowRefusal, RowsEnd};
pub use keys::Void;
pub use migrate::{
    AppliedMigration, MigrateError, MigrateReport, Migrations, analyze, create_database, migrate,
    migrations,
};
pub use placement::Placement;
pub use pool::{Object, Pool, connect, pool};
pub use read::ReadSpec;
pub use read_over::{Homed, ReadOver};
pub use receipt::{Receipt, ReceiptStatus};
pub use search::{Search, SearchEntry, SearchHit};
pub use sequencer::Sequencer;
#[cfg(feature = "testing")]
pub use session::past_forms;
pub use session::{Row, Session};
pub use snapshot::Snapshot;
pub use statistics::Statistician;
#[cfg(feature = "testing")]
pub use statistics::estimated_rows;
pub use tokio_postgres::types::{FromSql, ToSql};
pub use txn::{Event, Txn};
pub use url::DatabaseUrl;
#[cfg(feature = "testing")]
pub use verdict::verdicts;
#[cfg(feature = "testing")]
pub use wire::{Wire, open_wire};
pub use worker::rounds;
pub use write::{OpenRows, RowWrite, RowsDone};

/// Every statement of this crate that is CockroachDB's alone.
#[must_use]
pub fn cockroach_statements() -> Vec<&'static str> {
    [
        engine::COCKROACH_STATEMENTS,
        placement::COCKROACH_STATEMENTS,
        read::COCKROACH_STATEMENTS,
    ]
    .concat()
}

/// Every statement of this crate, for the test that prepares and explains them all.
#[must_use]
pub fn statements() -> Vec<&'static str> {
    [
        as_of::STATEMENTS,
        audit::STATEMENTS,
        clock::STATEMENTS,
        engine::STATEMENTS,
        feed::STATEMENTS,
        effects::STATEMENTS,
        keys::STATEMENTS,
        migrate::STATEMENTS,
        numbering::STATEMENTS,
        offices::STATEMENTS,
        placement::STATEMENTS,
        search::STATEMENTS,
        watch::STATEMENTS,
        write::STATEMENTS,
    ]
    .concat()
}
