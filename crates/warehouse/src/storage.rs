//! SQL and row → domain. One file per table.

/// Writes levels of one office that are locked or new: one level at most is in the way of each, its own.
macro_rules! upsert_levels {
    () => {
        "INSERT INTO warehouse.stock_levels \
    (region, id, office, location, item, currency, on_hand, reserved, incoming, value_minor, version, created_at, \
     updated_at) \
    SELECT $1::TEXT, n.id, $2::TEXT, n.location, n.item, $3::TEXT, n.on_hand, n.reserved, n.incoming, n.value_minor, \
        n.version, n.created_at, n.updated_at \
    FROM unnest($4::UUID[], $5::TEXT[], $6::UUID[], $7::INT8[], $8::INT8[], $9::INT8[], $10::INT8[], $11::INT8[], \
            $12::TIMESTAMPTZ[], $13::TIMESTAMPTZ[]) \
        AS n (id, location, item, on_hand, reserved, incoming, value_minor, version, created_at, updated_at) \
    ON CONFLICT (region, id) DO UPDATE SET on_hand = excluded.on_hand, reserved = excluded.reserved, \
        incoming = excluded.incoming, value_minor = excluded.value_minor, version = excluded.version, \
        updated_at = excluded.updated_at"
    };
}

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

/// Every statement of this crate, for those who prepare and explain each of them.
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
