//! Whether the schemas are those of this build, and whether a migration was left half-way.

use std::cmp::Ordering;

use super::{Exam, Finding, exam::For};
use crate::{DbError, migrate::MigrateError};

/// Whether each system's schema has the version that this build knows.
pub(super) async fn versions(exam: &Exam) -> Result<Finding, DbError> {
    let mut found = Vec::new();
    for system in &exam.patient.systems {
        let known = system.newest().map_err(driver)?;
        let sql = system.version_query();
        let version = match exam
            .on(For::Reading, async |line| line.number(&sql).await)
            .await
        {
            // Neither table nor schema: nothing was migrated here.
            Err(error) if matches!(error.code(), Some("42P01" | "3F000")) => 0,
            version => version?,
        };
        found.push((system.system, version, known));
    }
    Ok(judge_versions(&found))
}

fn driver(error: MigrateError) -> DbError {
    DbError::Config(error.to_string())
}

fn judge_versions(found: &[(&str, i64, i64)]) -> Finding {
    let told: Vec<String> = found
        .iter()
        .map(|(system, version, known)| match version.cmp(known) {
            Ordering::Equal => format!("{system} {version}"),
            Ordering::Less | Ordering::Greater => {
                format!("{system} is at {version}, this build at {known}")
            }
        })
        .collect();
    let any = |order: Ordering| {
        found
            .iter()
            .any(|(_, version, known)| version.cmp(known) == order)
    };
    let finding = Finding::fail(told.join(", "));
    if any(Ordering::Greater) {
        finding.remedied_by("use the build that migrated it, or a newer one")
    } else if any(Ordering::Less) {
        finding
    } else {
        Finding::pass(told.join(", "))
    }
}

const LEASE: &str = "
    SELECT holder, expires_at < now() FROM platform.migration_leases WHERE name = 'migrate'";

/// Whether nobody migrates, and nobody stopped half-way.
pub(super) async fn lease(exam: &Exam) -> Result<Finding, DbError> {
    let rows = exam
        .on(For::Reading, async |line| line.rows(LEASE).await)
        .await?;
    Ok(judge_lease(rows.first().map(Vec::as_slice)))
}

fn judge_lease(row: Option<&[String]>) -> Finding {
    match row {
        None => Finding::pass("nobody migrates"),
        Some([holder, expired]) if expired == "t" => {
            Finding::fail(format!("a migration ({holder}) ended without a word"))
        }
        Some([holder, ..]) => {
            Finding::unknown(format!("a migration ({holder}) runs: ask again behind it"))
        }
        Some([]) => Finding::unknown("the lease cannot be read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    #[test]
    fn older_is_migrated_and_newer_is_left_alone() {
        assert_eq!(judge_versions(&[("platform", 3, 3)]).outcome, Outcome::Pass);
        let behind = judge_versions(&[("platform", 3, 3), ("sales", 2, 5)]);
        assert_eq!((behind.outcome, behind.remedy), (Outcome::Fail, None));
        let newer = judge_versions(&[("platform", 9, 3), ("sales", 2, 5)]);
        assert!(newer.remedy.unwrap().contains("build"));
        assert_eq!(
            newer.found,
            "platform is at 9, this build at 3, sales is at 2, this build at 5"
        );
    }

    #[test]
    fn a_lease_is_held_or_was_left() {
        let row = |expired: &str| vec!["7-ab".to_owned(), expired.to_owned()];
        assert_eq!(judge_lease(None).outcome, Outcome::Pass);
        assert_eq!(judge_lease(Some(&row("t"))).outcome, Outcome::Fail);
        assert_eq!(judge_lease(Some(&row("f"))).outcome, Outcome::Unknown);
    }
}
