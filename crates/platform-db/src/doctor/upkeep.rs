//! Whether the background work keeps up: events get their numbers, rows past their time are deleted.

use kernel::RegionTag;

use super::{Exam, Finding, exam::For};
use crate::DbError;

/// The sequencer looks four times a second; another region's takes over after 5 s.
const WAITING_S: u32 = 30;
/// Key rows are looked for once a minute, those of a region without processes after an hour, and by CockroachDB itself
/// once an hour.
const EXPIRED_H: u32 = 2;
/// Some seconds' work of a process that deletes. Generated history leaves as many that are past their time at once.
const PILE: i64 = 10_000;

/// Whether no event waits for its number.
pub(super) async fn numbering(exam: &Exam) -> Result<Finding, DbError> {
    let waiting = count(exam, |region| {
        format!(
            "SELECT 1 AS one FROM platform.events WHERE region = '{region}' AND seq IS NULL
             AND time < now() - INTERVAL '{WAITING_S} seconds'"
        )
    });
    Ok(judge(
        &waiting.await?,
        1,
        &format!("events have waited for their number for more than {WAITING_S} s"),
        "no event waits for its number",
    ))
}

/// Whether no key row is there long past its time.
pub(super) async fn expiry(exam: &Exam) -> Result<Finding, DbError> {
    let expired = count(exam, |region| {
        format!(
            "SELECT 1 AS one FROM platform.idempotency_keys WHERE region = '{region}'
             AND expire_at < now() - INTERVAL '{EXPIRED_H} hours'"
        )
    });
    Ok(judge(
        &expired.await?,
        PILE,
        &format!("key rows expired more than {EXPIRED_H} h ago"),
        "no key rows pile up past their time",
    ))
}

async fn count(
    exam: &Exam,
    rows: impl Fn(&RegionTag) -> String,
) -> Result<Vec<(String, i64)>, DbError> {
    exam.on(For::Reading, async |line| {
        let mut counts = Vec::new();
        for region in &exam.patient.regions {
            let sql = format!(
                "SELECT count(*)::INT8 FROM ({} LIMIT {PILE}) AS counted",
                rows(region)
            );
            counts.push((region.to_string(), line.number(&sql).await?));
        }
        Ok(counts)
    })
    .await
}

fn judge(counts: &[(String, i64)], from: i64, what: &str, none: &str) -> Finding {
    let told: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count >= from)
        .map(|(region, count)| {
            let or_more = if *count >= PILE { " or more" } else { "" };
            format!("{region}: {count}{or_more}")
        })
        .collect();
    if told.is_empty() {
        Finding::pass(none)
    } else {
        Finding::fail(format!("{what}: {}", told.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    #[test]
    fn the_regions_behind_are_named() {
        let counts = |eu1, us1| [("eu1".to_owned(), eu1), ("us1".to_owned(), us1)];
        assert_eq!(
            judge(&counts(0, 4), 5, "late", "none").outcome,
            Outcome::Pass
        );
        let found = judge(&counts(0, 10_000), 5, "late", "none");
        assert_eq!(
            (found.outcome, found.found.as_str()),
            (Outcome::Fail, "late: us1: 10000 or more")
        );
    }
}
