//! Clocks: of each host against this machine's, and of the hosts against one another.

use std::time::{Duration, Instant};

use kernel::Clock;

use super::{Exam, Finding, exam::Line, hosts::HostFound};
use crate::DbError;

/// Of several samples the one with the shortest way there and back says most.
const SAMPLES: usize = 3;

const EPOCH_MS: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::INT8";

/// How far a host's clock is ahead of this machine's, and how much of that may be the way there and back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) ahead_ms: i64,
    pub(super) margin_ms: i64,
}

/// Compares the clock at the other end with ours.
pub(super) async fn sample(line: &Line, clock: &Clock) -> Result<Sample, DbError> {
    let mut best: Option<Sample> = None;
    for _ in 0..SAMPLES {
        let (asked, sent) = (clock.now().as_millis(), Instant::now());
        let theirs = line.number(EPOCH_MS).await?;
        let half = millis(sent.elapsed()) / 2;
        let found = Sample {
            ahead_ms: theirs - asked - half,
            margin_ms: half + 1, // whole milliseconds on both sides
        };
        if best.is_none_or(|best| found.margin_ms < best.margin_ms) {
            best = Some(found);
        }
    }
    Ok(best.unwrap_or_default())
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Whether no two clocks are further apart than the deployment says.
pub(super) async fn offset(exam: &Exam) -> Result<Finding, DbError> {
    let samples = exam.hosts.iter().filter_map(
        |HostFound {
             address, answer, ..
         }| { Some((address.as_str(), answer.as_ref().ok()?.sample)) },
    );
    let samples: Vec<_> = samples.collect();
    Ok(judge(&samples, millis(exam.patient.max_clock_offset)))
}

fn judge(samples: &[(&str, Sample)], max_ms: i64) -> Finding {
    let here = ("this machine", Sample::default());
    let clocks: Vec<_> = std::iter::once(here)
        .chain(samples.iter().copied())
        .collect();
    let pairs = clocks.iter().enumerate().flat_map(|(index, (name, one))| {
        clocks
            .iter()
            .skip(index + 1)
            .map(move |(other_name, other)| {
                let apart = one.ahead_ms.abs_diff(other.ahead_ms);
                let apart = i64::try_from(apart).unwrap_or(i64::MAX);
                (
                    apart,
                    one.margin_ms + other.margin_ms,
                    format!("{name} and {other_name}"),
                )
            })
    });
    let Some((apart, margin, names)) = pairs.max_by_key(|(apart, margin, _)| apart - margin) else {
        return Finding::unknown("no host told its time");
    };
    let found =
        format!("{names} are {apart} ms apart, give or take {margin} ms; {max_ms} ms are allowed");
    if apart - margin > max_ms {
        Finding::fail(found)
    } else if margin > max_ms {
        Finding::unknown(found)
    } else {
        Finding::pass(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    fn judged(samples: &[(i64, i64)]) -> Outcome {
        let samples: Vec<_> = samples
            .iter()
            .map(|(ahead_ms, margin_ms)| {
                (
                    "a host",
                    Sample {
                        ahead_ms: *ahead_ms,
                        margin_ms: *margin_ms,
                    },
                )
            })
            .collect();
        judge(&samples, 500).outcome
    }

    #[test]
    fn what_the_way_may_have_taken_is_held_against_nobody() {
        assert_eq!(judged(&[(0, 1)]), Outcome::Pass);
        assert_eq!(judged(&[(-499, 1)]), Outcome::Pass);
        assert_eq!(judged(&[(502, 1)]), Outcome::Fail);
        assert_eq!(judged(&[(-900, 300)]), Outcome::Fail);
        assert_eq!(judged(&[(600, 300)]), Outcome::Pass);
        assert_eq!(judged(&[(0, 800)]), Outcome::Unknown);
        assert_eq!(judged(&[]), Outcome::Unknown);
    }

    /// Each is near enough to this machine, and the two are not to one another.
    #[test]
    fn hosts_are_compared_with_one_another() {
        assert_eq!(judged(&[(400, 1), (-400, 1)]), Outcome::Fail);
        assert_eq!(judged(&[(240, 1), (-240, 1)]), Outcome::Pass);
    }
}
