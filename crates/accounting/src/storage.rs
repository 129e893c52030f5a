//! SQL and row → domain. One file per table.

pub(crate) mod accounts;
pub(crate) mod balances;
pub(crate) mod entries;
pub(crate) mod journal;
pub(crate) mod periods;
pub(crate) mod postings;

use std::{error::Error, str::FromStr};

use platform_db::{DbError, Row};

/// A word stored as TEXT under a CHECK.
fn word<T>(row: &Row, column: &'static str) -> Result<T, DbError>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    row.get::<String>(column)?
        .parse()
        .map_err(|error: T::Err| corrupt(column, error))
}

fn corrupt(column: &str, source: impl Into<Box<dyn Error + Send + Sync>>) -> DbError {
    DbError::Decode {
        column: column.to_owned(),
        source: source.into().into(),
    }
}

/// A sum of whole numbers, as the database writes it.
fn wide(row: &Row, column: &'static str) -> Result<i128, DbError> {
    row.get::<String>(column)?
        .parse()
        .map_err(|error: std::num::ParseIntError| corrupt(column, error))
}

/// Every statement of this crate, for those who prepare and explain each of them.
pub(crate) fn statements() -> impl Iterator<Item = &'static str> {
    [
        accounts::STATEMENTS,
        balances::STATEMENTS,
        entries::STATEMENTS,
        journal::STATEMENTS,
        periods::STATEMENTS,
        postings::STATEMENTS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

#[cfg(test)]
mod tests {
    use testkit::TestDb;

    #[tokio::test(flavor = "multi_thread")]
    async fn no_statement_scans_a_whole_table() {
        let db = TestDb::new(&[crate::migrations()]).await;
        for sql in super::statements() {
            let plan = db.explain(sql).await;
            assert!(!plan.contains("Seq Scan"), "{sql}\n{plan}");
        }
    }
}
