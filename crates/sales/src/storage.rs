//! SQL and row → domain. One file per table.

pub(crate) mod customers;
pub(crate) mod integrity;
pub(crate) mod of_order;
pub(crate) mod orders;
pub(crate) mod payments;
pub(crate) mod reports;
pub(crate) mod returns;
pub(crate) mod shipments;
pub(crate) mod timeline;

use std::{error::Error, str::FromStr};

pub(crate) use of_order::DocumentFilter;
use platform_db::{DbError, Row};

/// A word stored as TEXT under a CHECK.
pub(crate) fn word<T>(row: &Row, column: &'static str) -> Result<T, DbError>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    row.get::<String>(column)?
        .parse()
        .map_err(|error: T::Err| corrupt(column, error))
}

fn corrupt(column: &str, source: impl Error + Send + Sync + 'static) -> DbError {
    DbError::Decode {
        column: column.to_owned(),
        source: std::sync::Arc::new(source),
    }
}

/// A sum that may be larger than 64 bits.
fn wide(row: &Row, column: &'static str) -> Result<i128, DbError> {
    row.get::<String>(column)?
        .parse()
        .map_err(|error: std::num::ParseIntError| corrupt(column, error))
}

/// Every statement of this crate, for those who prepare and explain each of them.
pub(crate) fn statements() -> impl Iterator<Item = &'static str> {
    customers::STATEMENTS
        .iter()
        .chain(integrity::STATEMENTS)
        .chain(orders::STATEMENTS)
        .chain(payments::STATEMENTS)
        .chain(reports::STATEMENTS)
        .chain(returns::STATEMENTS)
        .chain(shipments::STATEMENTS)
        .chain(timeline::STATEMENTS)
        .copied()
}

#[cfg(test)]
mod tests {
    use testkit::TestDb;

    #[tokio::test(flavor = "multi_thread")]
    async fn no_statement_scans_a_whole_table() {
        let db = TestDb::new(&[
            accounting::migrations(),
            warehouse::migrations(),
            crate::migrations(),
        ])
        .await;
        for sql in super::statements() {
            let plan = db.explain(sql).await;
            assert!(!plan.contains("Seq Scan"), "{sql}\n{plan}");
        }
    }
}
