//! Leaving a database as its migrations left it, where it cannot be cloned: rows deleted, those of the migrations put back.

use platform_db::Connection;
use tokio_postgres::error::SqlState;

use crate::db::rows;

/// Tables, the youngest first: a foreign key refers to a table that is older, unless it was added later.
const TABLES: &str = "
    SELECT n.nspname::TEXT || '.' || c.relname::TEXT AS name
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r'
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'crdb_internal', 'pg_extension', 'fresh')
    ORDER BY c.oid DESC";

/// Columns of the rows kept of a table. CockroachDB adds one of its own, `rowid`.
const KEPT: &str = "
    SELECT c.table_name::TEXT, c.column_name::TEXT FROM information_schema.columns AS c
    WHERE c.table_schema = 'fresh' AND c.column_name <> 'rowid' ORDER BY c.table_name, c.ordinal_position";

/// Names of the tables that migrations make.
const KNOWN: &str = "SELECT name FROM fresh.known";

/// What migrations leave: which tables, and in some of them rows.
#[derive(Debug)]
pub(crate) struct Seeds {
    /// Table and columns, of those that have rows.
    tables: Vec<(String, String)>,
}

impl Seeds {
    /// Keeps a copy of all rows there are, in a schema of its own.
    pub(crate) async fn keep(client: &Connection) {
        run(client, "CREATE SCHEMA IF NOT EXISTS fresh").await;
        run(
            client,
            "CREATE TABLE IF NOT EXISTS fresh.known (name TEXT PRIMARY KEY)",
        )
        .await;
        for table in names(client, TABLES).await {
            run(
                client,
                &format!("INSERT INTO fresh.known (name) VALUES ('{table}')"),
            )
            .await;
            let filled = format!("SELECT 1 AS one FROM {table} LIMIT 1");
            if !rows(client, &filled, &[]).await.is_empty() {
                run(
                    client,
                    &format!("CREATE TABLE fresh.\"{table}\" AS SELECT * FROM {table}"),
                )
                .await;
            }
        }
    }

    async fn find(client: &Connection) -> Self {
        let mut tables: Vec<(String, String)> = Vec::new();
        for row in rows(client, KEPT, &[]).await {
            let (table, column): (String, String) = (row.get(0), row.get(1));
            match tables.last_mut() {
                Some((last, columns)) if *last == table => *columns += &format!(", {column}"),
                _ if table == "known" => {}
                _ => tables.push((table, column)),
            }
        }
        Self { tables }
    }

    /// A query for the names of tables that are not as they should be.
    fn differing(&self, tables: &[String]) -> String {
        let differ = |table: &String| match self.columns(table) {
            None => format!("SELECT '{table}' AS name WHERE EXISTS (SELECT 1 FROM {table})"),
            Some(columns) => format!(
                "SELECT '{table}' AS name WHERE EXISTS ((SELECT {columns} FROM {table}) EXCEPT (SELECT {columns} FROM \
                 fresh.\"{table}\")) OR EXISTS ((SELECT {columns} FROM fresh.\"{table}\") EXCEPT (SELECT {columns} FROM \
                 {table}))"
            ),
        };
        let parts: Vec<String> = tables.iter().map(differ).collect();
        format!("SELECT d.name FROM ({}) AS d", parts.join(" UNION ALL "))
    }

    fn columns(&self, table: &str) -> Option<&str> {
        let kept = self.tables.iter().find(|(kept, _)| kept == table);
        kept.map(|(_, columns)| columns.as_str())
    }

    fn refill(&self, table: &str) -> Option<String> {
        let columns = self.columns(table)?;
        Some(format!(
            "INSERT INTO {table} ({columns}) SELECT {columns} FROM fresh.\"{table}\""
        ))
    }
}

/// Drops tables of tests, deletes rows of tests, puts rows of migrations back, then pays the debts.
pub(crate) async fn empty(client: &Connection, debts: &str) {
    let known = names(client, KNOWN).await;
    let (tables, strange): (Vec<_>, Vec<_>) = names(client, TABLES)
        .await
        .into_iter()
        .partition(|table| known.contains(table));
    for table in strange {
        run(client, &format!("DROP TABLE IF EXISTS {table} CASCADE")).await;
    }
    let seeds = Seeds::find(client).await;
    let differing = names(client, &seeds.differing(&tables)).await;
    let in_order = || tables.iter().filter(|table| differing.contains(table));
    let deletes = in_order()
        .map(|table| format!("DELETE FROM {table}"))
        .collect();
    run_in_some_order(client, deletes).await;
    let refills = in_order()
        .rev()
        .filter_map(|table| seeds.refill(table))
        .collect();
    run_in_some_order(client, refills).await;
    // A debt may be paid already: the process may have died before it was said so.
    for debt in debts.split(";\n").filter(|debt| !debt.is_empty()) {
        match client.batch_execute(debt).await {
            Err(error) if error.code() != Some(&SqlState::DUPLICATE_OBJECT) => {
                panic!("{debt}: {error:?}")
            }
            _ => {}
        }
    }
}

/// Whether a read of the past, as services make them, finds the database as migrations left it.
pub(crate) async fn was_empty(client: &Connection) -> bool {
    let seeds = Seeds::find(client).await;
    let query = seeds.differing(&names(client, KNOWN).await);
    let past = format!("{query} AS OF SYSTEM TIME follower_read_timestamp()");
    // The tables may be younger than that moment.
    client
        .query(&past, &[])
        .await
        .is_ok_and(|rows| rows.is_empty())
}

/// Statements that foreign keys allow in some order only: what is refused is tried again behind the others.
async fn run_in_some_order(client: &Connection, mut statements: Vec<String>) {
    while !statements.is_empty() {
        let before = statements.len();
        let mut refused = Vec::new();
        for sql in statements {
            match client.batch_execute(&sql).await {
                Ok(()) => {}
                Err(error) if is_again(&error) => refused.push(sql),
                Err(error) => panic!("{sql}: {error:?}"),
            }
        }
        assert!(refused.len() < before, "refused for ever: {refused:?}");
        statements = refused;
    }
}

fn is_again(error: &tokio_postgres::Error) -> bool {
    [
        SqlState::FOREIGN_KEY_VIOLATION,
        SqlState::T_R_SERIALIZATION_FAILURE,
    ]
    .iter()
    .any(|code| error.code() == Some(code))
}

async fn names(client: &Connection, sql: &str) -> Vec<String> {
    let rows = rows(client, sql, &[]).await;
    rows.iter().map(|row| row.get(0)).collect()
}

async fn run(client: &Connection, sql: &str) {
    let done = client.batch_execute(sql).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

#[cfg(test)]
mod tests {
    use platform_db::DatabaseUrl;

    use super::*;
    use crate::{TestDb, db::connected};

    /// On CockroachDB this is done to every test's database; what it does is the same here.
    #[tokio::test]
    async fn a_database_is_left_as_its_migrations_left_it() {
        let test = TestDb::new(&[]).await;
        if !test.is_postgres_with("a database that nobody has prepared") {
            return;
        }
        let owner = connected(&DatabaseUrl::parse(test.owner_url()).expect("a URL")).await;
        Seeds::keep(&owner).await;
        let all = "SELECT string_agg(c::TEXT, ',' ORDER BY code) FROM platform.currencies AS c";
        let currencies = test.query(all).await;
        test.query("INSERT INTO platform.currencies VALUES ('XTS', 2)")
            .await;
        test.query("DELETE FROM platform.currencies WHERE code = 'EUR'")
            .await;
        test.query(
            "INSERT INTO platform.migrations_platform VALUES (7777, 'of_the_future', '', '0')",
        )
        .await;
        test.query("CREATE TABLE IF NOT EXISTS public.strange (code TEXT REFERENCES platform.currencies (code))")
            .await;
        test.query("INSERT INTO public.strange VALUES ('XTS')")
            .await;
        test.query("INSERT INTO platform.event_counters VALUES ('eu1', 7, 0)")
            .await;
        test.query("ALTER TABLE platform.currencies DROP CONSTRAINT currencies_exponent")
            .await;
        let debt = "ALTER TABLE platform.currencies ADD CONSTRAINT currencies_exponent CHECK (exponent >= 0);\n";
        for _ in 0..2 {
            empty(&owner, debt).await;
        }
        assert_eq!(test.query(all).await, currencies);
        for sql in [
            "SELECT count(*) FROM platform.migrations_platform WHERE version = 7777",
            "SELECT count(*) FROM platform.event_counters",
            "SELECT count(*) FROM pg_class WHERE relname = 'strange'",
        ] {
            assert_eq!(test.count(sql).await, 0, "{sql}");
        }
        let check = "SELECT count(*) FROM pg_constraint WHERE conname = 'currencies_exponent'";
        assert_eq!(test.count(check).await, 1);
    }
}
