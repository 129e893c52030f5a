//! Fresh statistics after an import: on stale ones CockroachDB turns look-ups by key into scans, and PostgreSQL counts
//! on rows that are not there or does not know of those that are.
//!
//! An import says what it wrote, and goes on. The [`Statistician`] looks at what has been said every few seconds, and has
//! the database take statistics of a table once a tenth of it has changed, at most once a minute each. Nothing waits for
//! it, and nothing fails with it: the database takes statistics by itself too, only later.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, timeout_at};

use crate::{Db, DbError, RowEnd, RowsEnd, engine::Engine};

/// Tables of which every write has a row of its own.
const OF_EVERY_WRITE: [&str; 3] = [
    "platform.audit_log",
    "platform.events",
    "platform.idempotency_keys",
];

/// Below this many rows any plan is quick.
const ROWS_MIN: u64 = 500;
/// A tenth of a table: what PostgreSQL's own worker acts on; CockroachDB's waits for a fifth.
const PART: u64 = 10;
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Of one table by one process.
const APART: Duration = Duration::from_secs(60);
/// Statistics of a large table are made of a sample, in seconds.
const LONGEST: Duration = Duration::from_secs(60);

/// Told to a connection that takes statistics. CockroachDB calls that a write.
const PREPARE: &str = "SET default_transaction_read_only = off; SET statement_timeout = '60s'";

/// What many writes have changed since statistics were taken last.
#[derive(Debug, Default)]
pub(crate) struct Changed(Mutex<BTreeMap<&'static str, Rows>>);

#[derive(Debug, Default, Clone, Copy)]
struct Rows {
    changed: u64,
    taken: Option<Instant>,
}

impl Changed {
    fn add(&self, table: &'static str, rows: u64) {
        let mut tables = self.tables();
        let of_table = tables.entry(table).or_default();
        of_table.changed = of_table.changed.saturating_add(rows);
    }

    /// The tables that are looked at now, with what has changed in each.
    fn due(&self) -> Vec<(&'static str, u64)> {
        let due = |rows: &Rows| {
            let rested = rows.taken.is_none_or(|taken| taken.elapsed() >= APART);
            rested && rows.changed >= ROWS_MIN
        };
        let tables = self.tables();
        let due = tables.iter().filter(|(_, rows)| due(rows));
        due.map(|(table, rows)| (*table, rows.changed)).collect()
    }

    /// Statistics were taken, or failed to be; what changed meanwhile counts for the next time.
    fn taken(&self, table: &'static str, rows: u64) {
        let mut tables = self.tables();
        let of_table = tables.entry(table).or_default();
        of_table.changed = of_table.changed.saturating_sub(rows);
        of_table.taken = Some(Instant::now());
    }

    fn tables(&self) -> MutexGuard<'_, BTreeMap<&'static str, Rows>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks how many rows the planner thinks that a table has. None, or -1: nobody has looked at it yet.
pub(crate) fn estimate(engine: Engine, table: &str) -> String {
    match engine {
        Engine::Postgres => {
            format!(
                "SELECT reltuples::INT8 FROM pg_catalog.pg_class WHERE oid = '{table}'::REGCLASS"
            )
        }
        // Statistics of a part of the table (`__auto_partial__`, taken at the ends of an index since v25.1) count that part.
        Engine::Cockroach => format!(
            "SELECT row_count::INT8 FROM [SHOW STATISTICS FOR TABLE {table}]
             WHERE coalesce(partial_predicate, '') = '' ORDER BY created DESC LIMIT 1"
        ),
    }
}

/// The same for tests, which ask it as the owner.
#[cfg(feature = "testing")]
#[must_use]
pub fn estimated_rows(is_cockroach: bool, table: &str) -> String {
    let engine = match is_cockroach {
        true => Engine::Cockroach,
        false => Engine::Postgres,
    };
    estimate(engine, table)
}

/// PostgreSQL lets owners alone take statistics (before its release 17), and the services' role owns nothing: `migrate`
/// makes a function of the owner's for it. On CockroachDB whoever may read a table may take them.
fn take(engine: Engine, table: &str) -> String {
    match engine {
        Engine::Postgres => format!("SELECT platform.take_statistics('{table}')"),
        Engine::Cockroach => format!("ANALYZE {table}"),
    }
}

fn is_much(changed: u64, estimated: Option<i64>) -> bool {
    let estimated = estimated.and_then(|rows| u64::try_from(rows).ok());
    estimated.is_none_or(|rows| changed.saturating_mul(PART) >= rows)
}

impl Db {
    /// Tells that many rows were written into each of these tables, named with their schemas.
    pub fn wrote_many<E>(&self, ended: &RowsEnd<E>, tables: &[&'static str]) {
        if !ended.committed {
            return;
        }
        let written = ended
            .rows
            .iter()
            .filter(|end| matches!(end, RowEnd::Written(_)));
        let rows = u64::try_from(written.count()).unwrap_or(u64::MAX);
        for table in OF_EVERY_WRITE.iter().chain(tables) {
            self.changed().add(table, rows);
        }
    }

    /// Takes statistics of the table if so many changed rows are much of it. Whether it did.
    async fn take_statistics(&self, table: &str, changed: u64) -> Result<bool, DbError> {
        let deadline = Instant::now() + LONGEST;
        let taking = async {
            let client = self.pools().single(deadline).await?;
            let engine = self.engine().unwrap_or(Engine::Postgres);
            let row = client.query_opt(&estimate(engine, table), &[]).await?;
            let estimated: Option<i64> = row.map(|row| row.try_get(0)).transpose()?;
            if !is_much(changed, estimated) {
                return Ok(false);
            }
            client.batch_execute(PREPARE).await?;
            client.batch_execute(&take(engine, table)).await?;
            Ok(true)
        };
        timeout_at(deadline.into(), taking)
            .await
            .unwrap_or(Err(DbError::Timeout))
    }
}

/// The worker that has statistics taken of what imports changed.
#[derive(Debug)]
pub struct Statistician {
    db: Db,
}

impl Statistician {
    /// For what this process writes.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    /// Looks every few seconds until `stop` ends. What is under way is given up then: the database ends it by itself.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let looking = async {
                ticks.tick().await;
                self.look().await;
            };
            tokio::select! {
                biased;
                () = &mut stop => return,
                () = looking => {}
            }
        }
    }

    /// Takes statistics of every table of which much has changed; of how many it did.
    pub async fn look(&self) -> usize {
        let mut tables = 0;
        for (table, changed) in self.db.changed().due() {
            match self.db.take_statistics(table, changed).await {
                Ok(true) => {
                    tracing::info!(table, changed, "statistics.taken");
                    self.db.changed().taken(table, changed);
                    tables += 1;
                }
                // Too little of so large a table: it adds up.
                Ok(false) => self.db.changed().taken(table, 0),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(table, error, "statistics.failed");
                    self.db.changed().taken(table, 0);
                }
            }
        }
        tables
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_a_table_is_much() {
        assert!(is_much(500, None) && is_much(500, Some(-1)) && is_much(500, Some(5000)));
        assert!(!is_much(500, Some(5001)));
    }

    #[test]
    fn a_table_is_looked_at_once_enough_has_changed_and_then_rests() {
        let changed = Changed::default();
        changed.add("shop.orders", 300);
        assert!(changed.due().is_empty());
        changed.add("shop.orders", 300);
        assert_eq!(changed.due(), [("shop.orders", 600)]);
        changed.add("shop.orders", 900);
        changed.taken("shop.orders", 600);
        assert!(changed.due().is_empty(), "it rests");
        assert_eq!(changed.tables()["shop.orders"].changed, 900);
    }
}
