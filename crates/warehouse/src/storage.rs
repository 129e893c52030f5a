//! SQL and row → domain. One file per table.

pub(crate) mod availability;
pub(crate) mod facts;
pub(crate) mod items;
pub(crate) mod levels;
pub(crate) mod locations;
pub(crate) mod movements;
pub(crate) mod reports;
pub(crate) mod reservations;

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

pub(crate) fn corrupt(column: &str, source: impl Into<Box<dyn Error + Send + Sync>>) -> DbError {
    DbError::Decode {
        column: column.to_owned(),
        source: source.into().into(),
    }
}

/// Every statement of this crate, for the tests that prepare and explain each of them.
#[cfg(test)]
pub(crate) fn statements() -> impl Iterator<Item = &'static str> {
    items::STATEMENTS
        .iter()
        .chain(availability::STATEMENTS)
        .chain(facts::STATEMENTS)
        .chain(levels::STATEMENTS)
        .chain(locations::STATEMENTS)
        .chain(movements::STATEMENTS)
        .chain(reports::STATEMENTS)
        .chain(reservations::STATEMENTS)
        .copied()
}

#[cfg(test)]
mod tests {
    use testkit::TestDb;

    #[tokio::test(flavor = "multi_thread")]
    async fn no_statement_scans_a_whole_table() {
        let db = TestDb::new(&[accounting::migrations(), crate::migrations()]).await;
        for sql in super::statements() {
            let plan = db.explain(sql).await;
            assert!(!plan.contains("Seq Scan"), "{sql}\n{plan}");
        }
    }
}
