//! Reads of the past on CockroachDB, and the times of commits.
//!
//! What is read is a row that is not there: of another region, so that only a copy nearby can answer without a trip.

use super::{Exam, Finding, Outcome, exam::For};
use crate::DbError;

/// `regions` in EXPLAIN ANALYZE names those whose nodes answered.
const FOLLOWER: &str = "used follower read";

/// Whether a read of the past is answered by a copy in our region.
pub(super) async fn follower_reads(exam: &Exam) -> Result<Finding, DbError> {
    exam.on(For::Reading, async |line| {
        let here = line.text("SELECT gateway_region()").await?;
        let mut others = exam.patient.regions.iter();
        let Some(far) = others.find(|region| !exam.names_of(region).contains(&here)) else {
            return Ok(Finding::pass("there is one region"));
        };
        let sql = format!(
            "EXPLAIN ANALYZE SELECT id FROM platform.audit_log AS OF SYSTEM TIME follower_read_timestamp() \
             WHERE region = '{far}' AND id = '00000000-0000-0000-0000-000000000007'"
        );
        // The first read tells the gateway where copies are; what counts is what follows.
        line.rows(&sql).await?;
        let lines = line.texts(&sql).await?;
        Ok(judge_follower(&lines, far.as_str(), &here))
    })
    .await
}

fn judge_follower(lines: &[String], far: &str, here: &str) -> Finding {
    let used = lines.iter().any(|line| line.contains(FOLLOWER));
    let answered: Vec<&str> = lines
        .iter()
        .filter_map(|line| {
            let line = line.trim_start_matches(|c: char| "│├└─ ".contains(c));
            line.strip_prefix("regions:").map(str::trim)
        })
        .collect();
    let nearby = answered.iter().all(|regions| *regions == here);
    let by = answered
        .first()
        .copied()
        .unwrap_or("a region that is not told");
    let found = format!("rows of {far}, asked for in {here}, are read in {by}");
    match (used, nearby) {
        (true, true) => Finding::pass(format!("{found}, by a follower read")),
        (false, _) => Finding::fail(format!("{found}, and not by a follower read")),
        (true, false) => Finding::fail(found),
    }
}

/// Whether bounded staleness works for one row.
pub(super) async fn bounded_staleness(exam: &Exam) -> Result<Finding, DbError> {
    let region = &exam.patient.region;
    let sql = format!(
        "SELECT id FROM platform.audit_log AS OF SYSTEM TIME with_max_staleness('10s') \
         WHERE region = '{region}' AND id = '00000000-0000-0000-0000-000000000007'"
    );
    exam.on(For::Reading, async |line| line.rows(&sql).await)
        .await?;
    Ok(Finding::pass("a row can be read with a bound on its age"))
}

/// Whether the time of a commit can be had, which tokens are made of.
pub(super) async fn commit_timestamp(exam: &Exam) -> Result<Finding, DbError> {
    exam.on(For::Reading, async |line| {
        for sql in ["BEGIN", "SELECT 1", "COMMIT"] {
            line.rows(sql).await?;
        }
        match line.text("SHOW COMMIT TIMESTAMP").await {
            Ok(time) => Ok(judge_commit_time(&time)),
            Err(error @ DbError::Sql { .. }) => Ok(Finding::fail(super::reason(&error))),
            Err(error) => Err(error),
        }
    })
    .await
}

/// `<nanoseconds>.<logical>`
fn judge_commit_time(time: &str) -> Finding {
    let nanoseconds = time.split('.').next().unwrap_or_default();
    if nanoseconds.len() >= 19 && nanoseconds.bytes().all(|byte| byte.is_ascii_digit()) {
        Finding::pass("a commit tells its time")
    } else {
        Finding::new(
            Outcome::Fail,
            format!("the time of a commit is told as {time}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    const LOCAL: &str = "
planning time: 5ms
execution time: 1ms
distribution: local
regions: eu1
historical: AS OF SYSTEM TIME 2026-11-19 21:04:00.829742
used follower read

• scan
  sql nodes: n3
  kv nodes: n3
  regions: eu1
  used follower read
  actual row count: 0
  table: audit_log@audit_log_pkey
  spans: [/'us1'/'us1'/'0' - /'us1'/'us1'/'0']
";

    #[test]
    fn a_follower_nearby_answers_or_does_not() {
        assert_eq!(
            judge_follower(&lines(LOCAL), "us1", "eu1").outcome,
            Outcome::Pass
        );
        let leader = LOCAL
            .replace("used follower read\n", "")
            .replace("regions: eu1", "regions: us1");
        let found = judge_follower(&lines(&leader), "us1", "eu1");
        assert_eq!(found.outcome, Outcome::Fail);
        assert_eq!(
            found.found,
            "rows of us1, asked for in eu1, are read in us1, and not by a follower read"
        );
        let farther = LOCAL.replace("regions: eu1", "regions: ap1");
        assert_eq!(
            judge_follower(&lines(&farther), "us1", "eu1").outcome,
            Outcome::Fail
        );
    }

    #[test]
    fn a_commit_tells_its_time() {
        assert_eq!(
            judge_commit_time("1795000000000000000.0000000001").outcome,
            Outcome::Pass
        );
        assert_eq!(judge_commit_time("NULL").outcome, Outcome::Fail);
    }
}
