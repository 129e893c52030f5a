//! Whether the planner's idea of how many rows there are is near the truth. On stale statistics CockroachDB turns
//! look-ups by key into scans.

use super::{
    Exam, Finding,
    exam::{For, Line},
    some_of,
};
use crate::{DbError, engine::Engine, statistics::estimate};

/// Below this many rows any plan is quick.
const MATTERS: i64 = 1000;
/// A database takes new statistics by itself when a tenth or a fifth of a table has changed; a plan is another one only
/// when the order of magnitude is.
const FACTOR: i64 = 5;
/// Counting further would take long, and says no more.
const COUNTED_MAX: i64 = 50_000;

/// What is known of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rows {
    table: String,
    /// At most [`COUNTED_MAX`].
    counted: i64,
    /// None: nobody has looked at the table yet.
    estimated: Option<i64>,
}

/// Whether each estimate is near the count.
pub(super) async fn fresh(exam: &Exam) -> Result<Finding, DbError> {
    let engine = exam.engine().unwrap_or(Engine::Postgres);
    let rows = exam
        .on(For::Reading, async |line| {
            let mut rows = Vec::new();
            for table in exam.tables() {
                match ask(line, engine, &table).await {
                    Ok(found) => rows.push(found),
                    // What is not there is told by others.
                    Err(error) if error.code() == Some("42P01") => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(rows)
        })
        .await?;
    Ok(judge(&rows))
}

async fn ask(line: &Line, engine: Engine, table: &str) -> Result<Rows, DbError> {
    let estimate = estimate(engine, table);
    let count = format!(
        "SELECT count(*)::INT8 FROM (SELECT 1 AS one FROM {table} LIMIT {COUNTED_MAX}) AS counted"
    );
    let counted = line.number(&count).await?;
    let estimated = match line.number(&estimate).await {
        Err(DbError::NoRow) => None,
        Ok(-1) => None, // PostgreSQL: never vacuumed or analyzed
        estimate => Some(estimate?),
    };
    Ok(Rows {
        table: table.to_owned(),
        counted,
        estimated,
    })
}

fn judge(rows: &[Rows]) -> Finding {
    let stale: Vec<&Rows> = rows.iter().filter(|rows| is_stale(rows)).collect();
    if stale.is_empty() {
        return Finding::pass(format!(
            "of {} tables none is estimated wrongly by a factor of {FACTOR}",
            rows.len()
        ));
    }
    let told: Vec<String> = stale
        .iter()
        .map(|rows| {
            let or_more = if rows.counted >= COUNTED_MAX {
                " or more"
            } else {
                ""
            };
            let estimated = rows
                .estimated
                .map_or("nothing".to_owned(), |rows| rows.to_string());
            format!(
                "{} has {}{or_more} rows, estimated are {estimated}",
                rows.table, rows.counted
            )
        })
        .collect();
    let remedies: Vec<String> = stale
        .iter()
        .map(|rows| format!("ANALYZE {}", rows.table))
        .collect();
    Finding::fail(some_of(&told)).remedied_by(remedies.join("; "))
}

fn is_stale(rows: &Rows) -> bool {
    let Some(estimated) = rows.estimated else {
        return rows.counted >= MATTERS;
    };
    let too_low = rows.counted >= MATTERS && estimated.saturating_mul(FACTOR) < rows.counted;
    let whole = rows.counted < COUNTED_MAX;
    let too_high = whole && estimated >= MATTERS && rows.counted.saturating_mul(FACTOR) < estimated;
    too_low || too_high
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    fn rows(counted: i64, estimated: Option<i64>) -> Rows {
        Rows {
            table: "shop.orders".into(),
            counted,
            estimated,
        }
    }

    #[test]
    fn an_estimate_is_stale_when_it_is_off_by_a_factor() {
        for (counted, estimated, stale) in [
            (0, None, false),
            (999, None, false),
            (1000, None, true),
            (1000, Some(200), false),
            (1000, Some(199), true),
            (50_000, Some(10_000), false),
            (50_000, Some(9_999), true),
            (50_000, Some(70_000_000), false), // counted no further
            (10, Some(900), false),
            (10, Some(1000), true),
            (250, Some(1000), false),
        ] {
            assert_eq!(
                is_stale(&rows(counted, estimated)),
                stale,
                "{counted} {estimated:?}"
            );
        }
    }

    #[test]
    fn the_remedy_names_each_table() {
        assert_eq!(judge(&[rows(5, Some(0))]).outcome, Outcome::Pass);
        let found = judge(&[rows(50_000, Some(0))]);
        assert_eq!(
            found.found,
            "shop.orders has 50000 or more rows, estimated are 0"
        );
        assert_eq!(found.remedy.as_deref(), Some("ANALYZE shop.orders"));
    }
}
