//! The nodes of a CockroachDB: which of them live, and how they were started.

use std::{collections::BTreeMap, time::Duration};

use super::{Exam, Finding, exam::For, regions::REGIONS_TO_SURVIVE, some_of};
use crate::DbError;

/// Fewer nodes cannot hold five voting copies of a range, which is what outliving a region takes.
const NODES_MIN: usize = 5;

/// Refused since v26.1 unless a session asks for it; asked for by these two checks, which read and change nothing.
const ALLOW: &str = "SET allow_unsafe_internals = true";
const INTERNAL: &str = "crdb_internal";

fn nodes_query() -> String {
    format!(
        "SELECT n.node_id, n.locality, n.is_live, l.draining, l.membership
         FROM {INTERNAL}.gossip_nodes AS n
         JOIN {INTERNAL}.gossip_liveness AS l ON l.node_id = n.node_id
         ORDER BY n.node_id"
    )
}

/// How each node was started. Of its arguments and its environment only what is asked for is read, and nothing is shown.
fn started_query() -> String {
    format!("SELECT node_id, args, env FROM {INTERNAL}.kv_node_status ORDER BY node_id")
}

/// Whether enough nodes live, and none is on its way out.
pub(super) async fn alive(exam: &Exam) -> Result<Finding, DbError> {
    Ok(match told(exam, &nodes_query()).await? {
        Ok(rows) => judge_nodes(&rows, exam.patient.regions.len()),
        Err(reason) => Finding::unknown(format!("{reason}; see `cockroach node status`")),
    })
}

/// Whether the nodes bear no larger difference between two clocks than this build counts with.
pub(super) async fn max_offset(exam: &Exam) -> Result<Finding, DbError> {
    let counted_with = exam.patient.max_clock_offset;
    Ok(match told(exam, &started_query()).await? {
        Ok(rows) => judge_offsets(&rows, counted_with),
        Err(reason) => Finding::unknown(reason).remedied_by(format!(
            "look for --max-offset in the command line of each node: {} ms or less, the same for all",
            counted_with.as_millis()
        )),
    })
}

/// The rows, or why they are not told.
async fn told(exam: &Exam, query: &str) -> Result<Result<Vec<Vec<String>>, String>, DbError> {
    let rows = exam
        .on(For::Reading, async |line| match line.run(ALLOW).await {
            // Older releases know no such variable, and need none.
            Ok(()) | Err(DbError::Sql { .. }) => line.rows(query).await,
            Err(error) => Err(error),
        })
        .await;
    match rows {
        Ok(rows) => Ok(Ok(rows)),
        Err(error) if error.code().is_some() => Ok(Err(super::reason(&error))),
        Err(error) => Err(error),
    }
}

/// A node that was told nothing else.
const DEFAULT: Duration = Duration::from_millis(500);

fn judge_offsets(rows: &[Vec<String>], counted_with: Duration) -> Finding {
    let mut of_offset = BTreeMap::<Duration, Vec<String>>::new();
    for row in rows {
        let [id, arguments, environment] = row.as_slice() else {
            continue;
        };
        match started_with(arguments, environment) {
            Some(offset) => of_offset.entry(offset).or_default().push(id.clone()),
            None => {
                return Finding::unknown(format!("how node {id} was started cannot be read"));
            }
        }
    }
    let told: Vec<String> = of_offset
        .iter()
        .map(|(offset, ids)| format!("{} ms of node {}", offset.as_millis(), ids.join(", ")))
        .collect();
    let told = format!(
        "{}; {} ms are counted with",
        told.join(", "),
        counted_with.as_millis()
    );
    match of_offset.keys().next_back() {
        None => Finding::unknown("no node is told"),
        Some(largest) if *largest > counted_with => Finding::fail(told),
        Some(_) if of_offset.len() > 1 => Finding::fail(told),
        Some(_) => Finding::pass(told),
    }
}

/// The flag, else the variable, else the default. None where there is one of them that is no time.
fn started_with(arguments: &str, environment: &str) -> Option<Duration> {
    let arguments: Vec<String> = serde_json::from_str(arguments).ok()?;
    let environment: Vec<String> = serde_json::from_str(environment).ok()?;
    arguments.first()?; // its own name, where they are told
    let mut flags = arguments.iter().enumerate().rev();
    let flag = flags.find_map(|(index, argument)| {
        let rest = argument
            .trim_start_matches('-')
            .strip_prefix("max-offset")?;
        match rest.strip_prefix('=') {
            Some(value) => Some(value),
            None if rest.is_empty() => Some(arguments.get(index + 1).map_or("", String::as_str)),
            None => None,
        }
    });
    let mut variables = environment.iter();
    let variable = variables.find_map(|pair| pair.strip_prefix("COCKROACH_MAX_OFFSET="));
    flag.or(variable).map_or(Some(DEFAULT), duration)
}

/// As Go writes it: `250ms`, `0.5s`, `1m30s`.
fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut sum) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        let (number, behind) = rest.split_at(rest.find(|c| !is_number(c))?);
        let (unit, behind) = behind.split_at(behind.find(is_number).unwrap_or(behind.len()));
        let nanos: u64 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let scale = 10_u64.checked_pow(u32::try_from(part.len()).ok()?)?;
        let digits: u64 = format!("{whole}{part}").parse().ok()?;
        sum = sum.checked_add(Duration::from_nanos(digits.checked_mul(nanos)? / scale))?;
        rest = behind;
    }
    (!text.is_empty()).then_some(sum)
}

fn judge_nodes(rows: &[Vec<String>], regions: usize) -> Finding {
    let (mut of_region, mut faults, mut live) = (BTreeMap::<String, usize>::new(), Vec::new(), 0);
    for row in rows {
        let [id, locality, is_live, draining, membership] = row.as_slice() else {
            continue;
        };
        if membership != "active" {
            continue; // decommissioned, or on its way there by somebody's will
        }
        let region = locality
            .split(',')
            .find_map(|tier| tier.strip_prefix("region="));
        let region = region.unwrap_or("no region");
        if is_live != "t" {
            faults.push(format!("node {id} of {region} is dead"));
        } else {
            live += 1;
            *of_region.entry(region.to_owned()).or_default() += 1;
            if draining == "t" {
                faults.push(format!("node {id} of {region} is draining"));
            }
        }
    }
    let counts: Vec<String> = of_region
        .iter()
        .map(|(region, count)| format!("{region}: {count}"))
        .collect();
    let told = format!("{live} nodes ({})", counts.join(", "));
    if !faults.is_empty() {
        return Finding::fail(format!("{}; {told}", some_of(&faults)));
    }
    if regions >= REGIONS_TO_SURVIVE && live < NODES_MIN {
        return Finding::fail(format!(
            "{told}; five voting copies of a range need {NODES_MIN}"
        ))
        .remedied_by(
            "start nodes until two regions have two, as `cockroach start --locality=region=...`",
        );
    }
    Finding::pass(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    #[test]
    fn region_survival_needs_five_nodes_that_live() {
        let row = |id: &str, region: &str, live: &str, draining: &str, membership: &str| {
            let locality = format!("region={region},zone=a");
            [id, &locality, live, draining, membership]
                .map(str::to_owned)
                .to_vec()
        };
        let active = |id: &str, region: &str| row(id, region, "t", "f", "active");
        let three = [active("1", "eu1"), active("2", "us1"), active("3", "ap1")];
        assert_eq!(judge_nodes(&three, 3).outcome, Outcome::Fail);
        assert_eq!(judge_nodes(&three, 2).outcome, Outcome::Pass);
        let mut six = three.to_vec();
        six.extend([active("4", "eu1"), active("5", "us1"), active("6", "ap1")]);
        let found = judge_nodes(&six, 3);
        assert_eq!(
            (found.outcome, found.found.as_str()),
            (Outcome::Pass, "6 nodes (ap1: 2, eu1: 2, us1: 2)")
        );
        six[5] = row("6", "ap1", "f", "f", "active");
        assert!(
            judge_nodes(&six, 3)
                .found
                .starts_with("node 6 of ap1 is dead")
        );
        six[5] = row("6", "ap1", "t", "t", "active");
        assert_eq!(judge_nodes(&six, 3).outcome, Outcome::Fail);
        six[5] = row("6", "ap1", "f", "f", "decommissioned");
        assert_eq!(judge_nodes(&six, 3).outcome, Outcome::Pass);
    }

    #[test]
    fn no_node_bears_more_than_is_counted_with_and_all_bear_the_same() {
        let judged = |arguments: &[&str]| {
            let rows: Vec<Vec<String>> = arguments
                .iter()
                .enumerate()
                .map(|(index, arguments)| {
                    let environment = r#"["GOGC=25", "COCKROACH_MAX_OFFSET=400ms"]"#;
                    let id = (index + 1).to_string();
                    vec![id, (*arguments).to_owned(), environment.to_owned()]
                })
                .collect();
            judge_offsets(&rows, Duration::from_millis(500))
        };
        let quarter = r#"["cockroach", "start", "--max-offset=250ms", "--join=a"]"#;
        let found = judged(&[quarter, quarter]);
        assert_eq!(
            (found.outcome, found.found.as_str()),
            (
                Outcome::Pass,
                "250 ms of node 1, 2; 500 ms are counted with"
            )
        );
        let apart = r#"["cockroach", "start", "--max-offset", "0.25s"]"#;
        assert_eq!(judged(&[quarter, apart]).outcome, Outcome::Pass);
        let variable = r#"["cockroach", "start"]"#;
        assert_eq!(judged(&[variable]).outcome, Outcome::Pass);
        assert_eq!(judged(&[quarter, variable]).outcome, Outcome::Fail);
        let second = r#"["cockroach", "start", "--max-offset=1s"]"#;
        let found = judged(&[second]);
        assert_eq!(found.outcome, Outcome::Fail, "{found:?}");
        let odd = r#"["cockroach", "start", "--max-offset=soon", "--sql-password=hunter2"]"#;
        let found = judged(&[odd]);
        assert_eq!(found.outcome, Outcome::Unknown);
        assert!(!format!("{found:?}").contains("hunter2"));
        assert_eq!(judged(&[]).outcome, Outcome::Unknown);
        let without = r#"["cockroach", "start"]"#;
        assert_eq!(started_with(without, "[]"), Some(DEFAULT));
        assert_eq!(started_with("[]", "[]"), None, "arguments are not told");
    }

    #[test]
    fn times_are_read_as_go_writes_them() {
        for (text, millis) in [
            ("250ms", Some(250)),
            ("0.5s", Some(500)),
            ("1m0.5s", Some(60_500)),
            ("500000us", Some(500)),
            ("0", Some(0)),
            ("", None),
            ("250", None),
            ("ms", None),
            ("1.2.3s", None),
            ("-1s", None),
        ] {
            let expected = millis.map(Duration::from_millis);
            assert_eq!(duration(text), expected, "{text}");
        }
    }
}
