//! Statements as the services' sessions prepare them: what their plans read, and what CockroachDB's grammar says of them.

use std::sync::Once;

use sha2::{Digest as _, Sha256};
use tokio_postgres::SimpleQueryMessage;

use crate::{Engine, TestDb, portable};

impl TestDb {
    /// Prepares a statement as the services' sessions do and explains it, with table scans made so dear that one
    /// in the plan means that no index will do. On CockroachDB it is prepared only, and the plan is empty: nothing
    /// there keeps a small table from being scanned.
    pub async fn explain(&self, sql: &str) -> String {
        record(sql);
        for form in platform_db::past_forms(sql) {
            record(&form);
        }
        let client = self.owner().await;
        let statement = client
            .prepare(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        if self.engine == Engine::Cockroach {
            static TOLD: Once = Once::new();
            TOLD.call_once(|| eprintln!("plans are looked at on PostgreSQL only"));
            return String::new();
        }
        let mut faults = portable::faults(sql, &self.nullable().await);
        faults.extend(portable::other_types(&statement));
        assert!(faults.is_empty(), "{sql}: {faults:?}");
        let nulls = vec!["NULL"; statement.params().len()].join(", ");
        let arguments = if nulls.is_empty() {
            nulls
        } else {
            format!("({nulls})")
        };
        // An inverted index is never scanned but by a bitmap.
        let bitmaps = if sql.contains(" @> ") { "on" } else { "off" };
        let script = format!(
            "SET enable_seqscan = off; SET enable_bitmapscan = {bitmaps}; SET plan_cache_mode = force_generic_plan;
             PREPARE explained AS {sql};
             EXPLAIN EXECUTE explained{arguments}"
        );
        let messages = client
            .simple_query(&script)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        client
            .batch_execute("DEALLOCATE explained")
            .await
            .expect("it was just prepared");
        let mut plan = String::new();
        for message in messages {
            if let SimpleQueryMessage::Row(row) = message {
                plan.push_str(row.get(0).unwrap_or_default());
                plan.push('\n');
            }
        }
        plan
    }

    /// The columns that may be null.
    async fn nullable(&self) -> portable::Nullable {
        let rows = self
            .query(
                "SELECT table_schema || '.' || table_name, column_name FROM information_schema.columns \
                 WHERE is_nullable = 'YES' AND table_schema IN ('platform', 'accounting', 'warehouse', 'sales')",
            )
            .await;
        let mut nullable = portable::Nullable::new();
        for row in rows {
            let [Some(table), Some(column)] = row.as_slice() else {
                continue;
            };
            let columns = nullable.entry(table.clone()).or_default();
            columns.insert(column.clone());
        }
        nullable
    }
}

/// Keeps a statement for the check against CockroachDB's grammar, where `cargo xtask test` names a folder.
///
/// # Panics
/// When the folder cannot be written to.
pub fn record(sql: &str) {
    if let Some(folder) = std::env::var_os("RECORD_STATEMENTS") {
        let name = format!("{:x}.sql", Sha256::digest(sql));
        let path = std::path::Path::new(&folder).join(name);
        std::fs::write(path, format!("{sql};\n")).expect("the folder was made for this");
    }
}
