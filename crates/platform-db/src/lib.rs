#![doc = include_str!("../README.md")]

mod config;
mod db;
mod directory;
mod error;
mod migrate;
pub mod offices;
mod receipt;
mod session;
mod txn;

pub use config::DbConfig;
pub use db::{Db, Read, ReadSpec, Void};
pub use directory::Directory;
pub use error::{DbError, Never, Refusal, SchemaError, TxError};
#[cfg(feature = "testing")]
pub use faults::{Fault, Faults};
pub use migrate::{AppliedMigration, MigrateError, MigrateReport, Migrations, migrate, migrations};
pub use receipt::{Receipt, ReceiptStatus};
pub use session::{Row, Session};
pub use tokio_postgres::types::{FromSql, ToSql};
pub use txn::{Event, Txn};

#[cfg(feature = "testing")]
mod faults;
