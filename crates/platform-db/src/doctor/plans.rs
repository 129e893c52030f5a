//! The plans of every statement that services send.

use std::collections::BTreeSet;

use super::{
    Exam, Finding,
    exam::{For, Line},
    literal::filled,
    one_line,
    plan::Plan,
    some_of,
};
use crate::{DbError, Placement, engine::Engine};

/// As the services' sessions are told, but that a table scan is so dear that one in a plan means that no index will do.
const GENERIC: &str = "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan";

/// What is wrong with statements, and those that could not be asked about.
#[derive(Debug, Default)]
struct Faults {
    asked: usize,
    told: Vec<String>,
    unknown: Vec<String>,
}

impl Faults {
    /// What the database refuses to plan is told first.
    fn refused(&mut self, sql: &str, error: &DbError) {
        let told = format!("{}: {}", beginning(sql), super::reason(error));
        self.unknown.insert(0, told);
    }

    fn finding(self, well: &str) -> Finding {
        let Self {
            asked,
            told,
            unknown,
        } = self;
        if !told.is_empty() {
            Finding::fail(format!(
                "{} of {asked} statements: {}",
                told.len(),
                some_of(&told)
            ))
        } else if !unknown.is_empty() {
            let count = unknown.len();
            Finding::unknown(format!(
                "{count} statements cannot be planned: {}",
                some_of(&unknown)
            ))
        } else {
            Finding::pass(format!("{asked} statements: {well}"))
        }
    }
}

/// Whether every statement finds its rows by an index, on CockroachDB in our region.
pub(super) async fn indexed(exam: &Exam) -> Result<Finding, DbError> {
    match exam.engine() {
        Some(Engine::Postgres) | None => generic(exam).await,
        Some(Engine::Cockroach) => local(exam).await,
    }
}

/// What `migrate` asks of the server's own catalogue is the server's to answer.
fn of_our_tables(exam: &Exam) -> impl Iterator<Item = &&'static str> {
    let statements = exam.patient.statements.iter();
    statements.filter(|sql| !sql.contains("pg_catalog.") && !sql.contains("information_schema."))
}

async fn generic(exam: &Exam) -> Result<Finding, DbError> {
    exam.on(For::Explaining, async |line| {
        line.run(GENERIC).await?;
        let mut faults = Faults::default();
        for sql in of_our_tables(exam) {
            match explain_generic(line, sql).await {
                Ok(plan) => {
                    faults.asked += 1;
                    faults.told.extend(scanned(&plan).map(|table| {
                        format!("{table} is read from end to end by {}", beginning(sql))
                    }));
                }
                // Not a statement of this role.
                Err(error) if error.code() == Some("42501") => {}
                Err(error) if error.code().is_some() => faults.refused(sql, &error),
                Err(error) => return Err(error),
            }
        }
        Ok(faults.finding("each finds its rows by an index"))
    })
    .await
}

/// The plan that prepared statements have, whatever their parameters.
async fn explain_generic(line: &Line, sql: &str) -> Result<Vec<String>, DbError> {
    let parameters = line.client.prepare(sql).await?.params().len();
    let nulls = vec!["NULL"; parameters].join(", ");
    let arguments = if nulls.is_empty() {
        nulls
    } else {
        format!("({nulls})")
    };
    // An inverted index is never scanned but by a bitmap.
    let bitmaps = if sql.contains(" @> ") { "on" } else { "off" };
    line.run(&format!(
        "SET enable_bitmapscan = {bitmaps}; PREPARE asked AS {sql}"
    ))
    .await?;
    let plan = line
        .texts(&format!("EXPLAIN EXECUTE asked{arguments}"))
        .await;
    line.run("DEALLOCATE asked").await?;
    plan
}

/// The first table that is read from end to end.
fn scanned(plan: &[String]) -> Option<String> {
    plan.iter().find_map(|line| {
        let (_, table) = line.split_once("Seq Scan on ")?;
        table.split_whitespace().next().map(str::to_owned)
    })
}

/// Whether a statement is sent on PostgreSQL alone: locks of hot rows (hard case 7).
fn is_postgres_only(sql: &str) -> bool {
    sql.contains("pg_advisory")
}

async fn local(exam: &Exam) -> Result<Finding, DbError> {
    let everywhere = everywhere(exam);
    let ours = exam.names_of(&exam.patient.region);
    let well = format!(
        "each finds its rows by an index, in {}",
        exam.patient.region
    );
    explained(
        exam,
        |_| true,
        &well,
        |plan| {
            let scanned = plan
                .full_scans()
                .into_iter()
                .filter(|table| !everywhere.contains(table));
            let scanned = scanned.map(|table| format!("{table} is read from end to end"));
            let abroad = plan.abroad(&ours).into_iter();
            let abroad = abroad.map(|table| format!("{table} is read in other regions"));
            scanned.chain(abroad).collect()
        },
    )
    .await
}

/// Tables that are read whole, in every region: they are small.
fn everywhere(exam: &Exam) -> BTreeSet<String> {
    let placed = exam
        .patient
        .systems
        .iter()
        .flat_map(|system| system.localities);
    let global = placed.filter(|(_, place)| *place == Placement::Global);
    global.map(|(table, _)| (*table).to_owned()).collect()
}

/// Whether no insert looks for a twin in other regions.
pub(super) async fn uniqueness(exam: &Exam) -> Result<Finding, DbError> {
    let everywhere = everywhere(exam);
    explained(
        exam,
        inserts,
        "no insert looks for a twin in other regions",
        |plan| {
            let tables = plan.uniqueness_checks().into_iter();
            let regional = tables.filter(|table| !everywhere.contains(table));
            regional
                .map(|table| format!("a twin in {table} is looked for in every region"))
                .collect()
        },
    )
    .await
}

/// Whether every foreign key is looked for in one region.
pub(super) async fn foreign_keys(exam: &Exam) -> Result<Finding, DbError> {
    let keys = std::cell::Cell::new(0);
    let finding = explained(
        exam,
        inserts,
        "each foreign key is looked for in one region",
        |plan| {
            keys.set(keys.get() + plan.foreign_keys());
            let tables = plan.foreign_keys_abroad().into_iter();
            tables
                .map(|table| format!("the parent in {table} is looked for in every region"))
                .collect()
        },
    )
    .await?;
    Ok(match finding.outcome {
        super::Outcome::Pass if keys.get() == 0 => {
            Finding::unknown("no plan shows a check of a foreign key")
        }
        super::Outcome::Pass => {
            Finding::pass(format!("{}; {} checks seen", finding.found, keys.get()))
        }
        super::Outcome::Fail | super::Outcome::Unknown => finding,
    })
}

fn inserts(sql: &str) -> bool {
    sql.contains("INSERT INTO")
}

/// Explains statements with values in place of their parameters, and collects what `judge` holds against their plans.
async fn explained(
    exam: &Exam,
    concerns: impl Fn(&str) -> bool,
    well: &str,
    judge: impl Fn(&Plan) -> Vec<String>,
) -> Result<Finding, DbError> {
    exam.on(For::Explaining, async |line| {
        let mut faults = Faults::default();
        let statements = of_our_tables(exam).filter(|sql| !is_postgres_only(sql));
        for sql in statements.filter(|sql| concerns(sql)) {
            match explain(line, sql, exam.patient.region.as_str()).await {
                Ok(Some(plan)) => {
                    faults.asked += 1;
                    let told = judge(&plan).into_iter();
                    faults
                        .told
                        .extend(told.map(|told| format!("{told} by {}", beginning(sql))));
                }
                Ok(None) => faults
                    .unknown
                    .push(format!("{} cannot be read", beginning(sql))),
                Err(error) if error.code() == Some("42501") => {}
                Err(error) if error.code().is_some() => faults.refused(sql, &error),
                Err(error) => return Err(error),
            }
        }
        Ok(faults.finding(well))
    })
    .await
}

async fn explain(line: &Line, sql: &str, region: &str) -> Result<Option<Plan>, DbError> {
    let prepared = line.client.prepare(sql).await?;
    let Some(sql) = filled(sql, prepared.params(), region) else {
        return Ok(None);
    };
    let lines = line.texts(&format!("EXPLAIN {sql}")).await?;
    let plan = Plan::read(lines.iter().map(String::as_str));
    Ok(Some(plan).filter(|plan| !plan.is_empty()))
}

/// The first words of a statement.
fn beginning(sql: &str) -> String {
    const SHOWN: usize = 60;
    let text = one_line(sql);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    #[test]
    fn a_table_scan_of_postgres_is_seen() {
        let plan = |lines: &[&str]| {
            lines
                .iter()
                .map(|line| (*line).to_owned())
                .collect::<Vec<_>>()
        };
        let scan = plan(&[
            "Sort  (cost=1..2)",
            "  ->  Seq Scan on events e  (cost=1e10)",
            "        Filter: (seq IS NULL)",
        ]);
        assert_eq!(scanned(&scan).as_deref(), Some("events"));
        assert_eq!(
            scanned(&plan(&["Index Scan using events_pkey on events"])),
            None
        );
    }

    #[test]
    fn what_cannot_be_planned_is_unknown_unless_something_is_wrong() {
        let faults = |told: usize, unknown: usize| Faults {
            asked: 3,
            told: vec!["a".into(); told],
            unknown: vec!["b".into(); unknown],
        };
        assert_eq!(faults(0, 0).finding("well").outcome, Outcome::Pass);
        assert_eq!(faults(0, 1).finding("well").outcome, Outcome::Unknown);
        assert_eq!(faults(1, 1).finding("well").outcome, Outcome::Fail);
        assert_eq!(beginning(&"ä ".repeat(90)).chars().count(), 63);
    }
}
