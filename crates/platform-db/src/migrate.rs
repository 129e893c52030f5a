//! Migrations: one job at a time, run by `meridian migrate` only.
//!
//! refinery takes no lock and does not retry, and CockroachDB commits every DDL statement by itself. So a lease
//! row keeps other jobs out (advisory locks are stubs on CockroachDB), every file is idempotent, and the whole run
//! is repeated when a connection breaks. Schemas, the lease table and what refinery's history needs come first,
//! by an idempotent bootstrap (hard case 33).

mod lease;
mod rights;
mod schema;
mod statistics;

use std::{cell::Cell, error::Error, fmt};

use kernel::CurrencyCode;
use refinery_core::{Migration, Runner};

pub use self::statistics::analyze;

use crate::{
    DatabaseUrl, DbError, Placement,
    placement::{Goal, Hindrance, bring_about},
    pool::{self, Object, Pool},
    verdict::Verdict,
    write::{RECONNECT_PAUSE_MS, pause},
};

/// Files and rights of one system's schema.
pub struct Migrations {
    /// Name of the system, also of its schema: `warehouse`.
    pub system: &'static str,
    /// (`V0001__create_items`, SQL), each file portable, idempotent, and one DDL statement at best.
    pub files: &'static [(&'static str, &'static str)],
    /// (table without schema, rights of the services' role): `("items", "SELECT, INSERT, UPDATE")`. What is not
    /// named is taken away.
    pub grants: &'static [(&'static str, &'static str)],
    /// (table without schema, where its rows live on CockroachDB), every table that the files create.
    pub localities: &'static [(&'static str, Placement)],
}

impl fmt::Debug for Migrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migrations")
            .field("system", &self.system)
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

impl Migrations {
    pub(crate) fn history(&self) -> String {
        format!("platform.migrations_{}", self.system)
    }

    /// Asks which version the database has.
    pub(crate) fn version_query(&self) -> String {
        format!(
            "SELECT coalesce(max(version), 0)::INT8 FROM {}",
            self.history()
        )
    }

    fn parsed(&self) -> Result<Vec<Migration>, MigrateError> {
        self.files
            .iter()
            .map(|(name, sql)| Migration::unapplied(name, sql))
            .collect::<Result<_, _>>()
            .map_err(|source| MigrateError::Refinery {
                system: self.system,
                source: Box::new(source),
            })
    }

    /// The newest version that this program knows.
    pub(crate) fn newest(&self) -> Result<i64, MigrateError> {
        let versions = self.parsed()?;
        Ok(versions
            .iter()
            .map(|migration| i64::from(migration.version()))
            .max()
            .unwrap_or(0))
    }
}

/// One file that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedMigration {
    /// The system whose schema it changed.
    pub system: &'static str,
    /// `V0001__create_items`
    pub name: String,
}

/// What `migrate` did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MigrateReport {
    /// Files applied now.
    pub applied: Vec<AppliedMigration>,
    /// Files that had been applied before.
    pub unchanged: usize,
    /// Statements that were run to give the services' role what it is to have.
    pub rights_changed: usize,
}

/// Why a migration did not end.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database said no, or could not be reached.
    #[error("could not migrate")]
    Db(#[from] DbError),
    /// A file changed after it was applied, is missing, or is wrong.
    #[error("could not migrate {system}")]
    Refinery {
        /// The system.
        system: &'static str,
        /// What refinery says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Another migration holds the lease.
    #[error("another migration has been running for too long (held by {holder})")]
    Leased {
        /// Who holds it.
        holder: String,
    },
    /// A statement of a plan failed.
    #[error("could not run {statement}")]
    Step {
        /// It.
        statement: String,
        /// What the database says.
        #[source]
        source: DbError,
    },
    /// The tables cannot be placed.
    #[error(transparent)]
    Placement(#[from] Hindrance),
}

impl From<tokio_postgres::Error> for MigrateError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Db(error.into())
    }
}

const PLATFORM: Migrations = Migrations {
    system: "platform",
    files: &[
        (
            "V0001__create_idempotency_keys",
            include_str!("../migrations/V0001__create_idempotency_keys.sql"),
        ),
        (
            "V0002__create_audit_log",
            include_str!("../migrations/V0002__create_audit_log.sql"),
        ),
        (
            "V0003__create_events",
            include_str!("../migrations/V0003__create_events.sql"),
        ),
        (
            "V0004__create_currencies",
            include_str!("../migrations/V0004__create_currencies.sql"),
        ),
        (
            "V0005__create_offices",
            include_str!("../migrations/V0005__create_offices.sql"),
        ),
        (
            "V0006__index_offices_by_creation",
            include_str!("../migrations/V0006__index_offices_by_creation.sql"),
        ),
        (
            "V0007__index_audit_log_by_time",
            include_str!("../migrations/V0007__index_audit_log_by_time.sql"),
        ),
        (
            "V0008__create_search_entries",
            include_str!("../migrations/V0008__create_search_entries.sql"),
        ),
        (
            "V0009__index_search_entries_by_term",
            include_str!("../migrations/V0009__index_search_entries_by_term.sql"),
        ),
        (
            "V0010__create_event_counters",
            include_str!("../migrations/V0010__create_event_counters.sql"),
        ),
        (
            "V0011__index_unsequenced_events",
            include_str!("../migrations/V0011__index_unsequenced_events.sql"),
        ),
        (
            "V0012__index_events_by_seq",
            include_str!("../migrations/V0012__index_events_by_seq.sql"),
        ),
        (
            "V0013__index_idempotency_keys_by_expiry",
            include_str!("../migrations/V0013__index_idempotency_keys_by_expiry.sql"),
        ),
    ],
    // A service never changes or deletes an audit row. Of an event the sequencer sets `seq` alone (the engines have no
    // rights by column in common); it deletes events and key rows that are past their time. Of a key row the stored
    // answer is scrubbed when a person is forgotten (hard case 38). FOR UPDATE needs UPDATE (hard case 35).
    grants: &[
        ("idempotency_keys", "SELECT, INSERT, UPDATE, DELETE"),
        ("audit_log", "SELECT, INSERT"),
        ("events", "SELECT, INSERT, UPDATE, DELETE"),
        ("event_counters", "SELECT, INSERT, UPDATE"),
        ("currencies", "SELECT"),
        ("offices", "SELECT, INSERT, UPDATE"),
        ("search_entries", "SELECT, INSERT, UPDATE, DELETE"),
    ],
    // The tables of histories and leases are not named: the primary region keeps them. A history is read once per start
    // of a server, a lease by the one job that migrates, and a global table would make each of their writes wait.
    localities: &[
        ("currencies", Placement::Global),
        ("offices", Placement::Global),
        (
            "idempotency_keys",
            Placement::RegionalByRow {
                ttl: Some("expire_at"),
            },
        ),
        ("audit_log", Placement::BY_ROW),
        ("events", Placement::BY_ROW),
        ("event_counters", Placement::BY_ROW),
        ("search_entries", Placement::BY_ROW),
    ],
};

/// The schema `platform`: key rows, audit, events, offices, currencies.
#[must_use]
pub fn migrations() -> &'static Migrations {
    &PLATFORM
}

/// Fills the currencies. A currency is never taken away, since books may be kept in it.
const FILL_CURRENCIES: &str = "
    INSERT INTO platform.currencies (code, exponent)
    SELECT c.code, c.exponent FROM unnest($1::TEXT[], $2::INT8[]) AS c (code, exponent)
    ON CONFLICT (code) DO NOTHING";

/// Every statement of this module that runs on a migrated database.
pub(crate) const STATEMENTS: &[&str] = &[
    FILL_CURRENCIES,
    lease::TAKE,
    lease::HOLDER,
    lease::RELEASE,
    FIND_DATABASE,
];

/// How often a run that broke off is repeated from the start.
const RUNS_MAX: u32 = 5;

/// A database that every server of both engines has.
const MAINTENANCE: &str = "postgres";

const FIND_DATABASE: &str =
    "SELECT count(*)::INT8 AS found FROM pg_catalog.pg_database WHERE datname = $1::TEXT";

/// Makes the database that the URL names, if it is not there. Whether it was made; where the server cannot be asked
/// about databases, whoever goes on will hear why.
///
/// # Errors
/// [`DbError`].
pub async fn create_database(owner_url: &str) -> Result<bool, DbError> {
    let url = DatabaseUrl::parse(owner_url)?;
    let Some(name) = url.driver()?.get_dbname().map(str::to_owned) else {
        return Ok(false);
    };
    let elsewhere = url.with_database(MAINTENANCE).expose();
    let Ok(client) = pool::connect(&elsewhere, "meridian migrate").await else {
        return Ok(false);
    };
    let found: i64 = client
        .query_one(FIND_DATABASE, &[&name])
        .await?
        .try_get(0)?;
    if found > 0 {
        return Ok(false);
    }
    let create = format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\""));
    client.batch_execute(&create).await?;
    Ok(true)
}

/// Brings the schemas up to date, `platform` first whether named or not, and gives the services' role
/// `meridian_app` its rights by the planner's plan, as far as it lacks any. May be run at any time, by several at once;
/// `progress` is told what happens.
///
/// # Errors
/// [`MigrateError`].
pub async fn migrate(
    owner_url: &str,
    systems: &[&'static Migrations],
    app_role_password: Option<&str>,
    progress: impl Fn(&str),
) -> Result<MigrateReport, MigrateError> {
    let pool = owner_pool(owner_url)?;
    let others = systems
        .iter()
        .copied()
        .filter(|system| system.system != PLATFORM.system);
    let job = Job {
        pool,
        systems: std::iter::once(migrations()).chain(others).collect(),
        app_role_password,
        progress: &progress,
    };
    let mut runs = 1;
    loop {
        match job.run().await {
            Err(error) if runs < RUNS_MAX && is_worth_repeating(&error) => {
                runs += 1;
                progress("the connection broke or another writer was first: running it again");
                pause(RECONNECT_PAUSE_MS).await;
            }
            end => return end,
        }
    }
}

/// One call of [`migrate`].
struct Job<'a> {
    pool: Pool,
    systems: Vec<&'static Migrations>,
    app_role_password: Option<&'a str>,
    progress: &'a dyn Fn(&str),
}

impl Job<'_> {
    async fn run(&self) -> Result<MigrateReport, MigrateError> {
        under_lease(&self.pool, self.progress, self.migrate_all()).await
    }

    async fn migrate_all(&self) -> Result<MigrateReport, MigrateError> {
        // refinery wants the driver's own client, mutably.
        let mut worker = connect(&self.pool).await?;
        let mut report = MigrateReport::default();
        for system in &self.systems {
            until_alone(&worker, &create_schema(system)).await?;
            let files = system.parsed()?;
            let mut runner = Runner::new(&files);
            runner.set_migration_table_name(system.history());
            let done = runner.run_async(&mut ***worker).await.map_err(|source| {
                MigrateError::Refinery {
                    system: system.system,
                    source: Box::new(source),
                }
            })?;
            report.unchanged += files.len() - done.applied_migrations().len();
            for applied in done.applied_migrations() {
                let name = applied.to_string();
                (self.progress)(&format!("{}: applied {name}", system.system));
                report.applied.push(AppliedMigration {
                    system: system.system,
                    name,
                });
            }
        }
        fill_currencies(&worker).await?;
        let done = Cell::new(0);
        bring_about(&worker, &Goal::rights(&self.systems), self.progress, &done).await?;
        report.rights_changed = done.get();
        if let Some(password) = self.app_role_password {
            rights::set_password(&worker, password, self.progress).await?;
        }
        statistics::permit(&worker, &self.systems).await?;
        (self.progress)("the services' role has its rights");
        Ok(report)
    }
}

/// Does something that no other job may do meanwhile. What the lease stands on is made first.
pub(crate) async fn under_lease<T>(
    pool: &Pool,
    progress: &dyn Fn(&str),
    work: impl Future<Output = Result<T, MigrateError>>,
) -> Result<T, MigrateError> {
    let keeper = connect(pool).await?;
    until_alone(&keeper, &create_schema(&PLATFORM)).await?;
    until_alone(&keeper, lease::CREATE).await?;
    let lease = lease::Lease::take(&keeper, progress).await?;
    let ended = tokio::select! {
        ended = work => ended,
        error = lease.keep() => Err(error),
    };
    lease.release().await?;
    ended
}

/// Where refinery's own table and the system's stand.
fn create_schema(system: &Migrations) -> String {
    format!("CREATE SCHEMA IF NOT EXISTS {}", system.system)
}

async fn fill_currencies(client: &Object) -> Result<(), MigrateError> {
    let all: Vec<CurrencyCode> = CurrencyCode::all().collect();
    let exponents: Vec<i64> = all.iter().map(|code| i64::from(code.exponent())).collect();
    client.execute(FILL_CURRENCIES, &[&all, &exponents]).await?;
    Ok(())
}

/// Two jobs that create the same thing at once: one of them fails in spite of IF NOT EXISTS.
const SOMEBODY_ELSE_DID: [&str; 5] = ["23505", "42P06", "42P07", "42710", "XX000"];

pub(crate) fn somebody_else_did(error: &DbError) -> bool {
    error
        .code()
        .is_some_and(|code| SOMEBODY_ELSE_DID.contains(&code))
}

/// Runs a statement of an idempotent bootstrap, again when another job got in between.
async fn until_alone(client: &Object, sql: &str) -> Result<(), MigrateError> {
    const TRIES_MAX: u32 = 10;
    let mut tries = 1;
    loop {
        let Err(error) = client.batch_execute(sql).await.map_err(DbError::from) else {
            return Ok(());
        };
        if tries == TRIES_MAX
            || !(somebody_else_did(&error) || Verdict::of(&error) == Verdict::Conflict)
        {
            return Err(error.into());
        }
        tries += 1;
        pause(RECONNECT_PAUSE_MS).await;
    }
}

pub(crate) async fn connect(pool: &Pool) -> Result<Object, DbError> {
    pool::get(pool, None).await
}

/// Two connections: one works, the other keeps the lease.
pub(crate) fn owner_pool(url: &str) -> Result<Pool, DbError> {
    pool::pool(url, "meridian migrate", 2)
}

/// Only conflicts and broken connections: all else would break again.
pub(crate) fn is_worth_repeating(error: &MigrateError) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(DbError::Lost { .. } | DbError::Connect { .. }) = error.downcast_ref() {
            return true;
        }
        if let Some(driver) = error.downcast_ref::<tokio_postgres::Error>() {
            return match driver.code() {
                Some(code) => Verdict::of_code(code.code()).is_repeated(),
                None => driver.is_closed(),
            };
        }
        cause = error.source();
    }
    false
}
