//! Regions, survival and localities on CockroachDB: what `meridian regions` would bring about is what is wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Exam, Finding,
    exam::{For, Line},
    some_of,
};
use crate::{
    DbError, MigrateError,
    placement::{self, Catalogue, Cluster, Extent, Goal, Hindrance, Plan, Step},
};

/// Fewer nodes cannot hold five voting copies of a range, which is what outliving a region takes.
const NODES_MIN: usize = 5;
/// Fewer regions cannot hold a majority without one of them.
const REGIONS_TO_SURVIVE: usize = 3;

async fn read(exam: &Exam) -> Result<(Catalogue, Goal), DbError> {
    let patient = &exam.patient;
    let goal = Goal::new(&patient.systems, patient.sites.clone(), Extent::Whole);
    let found = placement::read(&patient.url, &goal).await;
    let found = found.map_err(|error| match error {
        MigrateError::Db(error) => error,
        other @ (MigrateError::Refinery { .. }
        | MigrateError::Leased { .. }
        | MigrateError::Step { .. }
        | MigrateError::Placement(_)) => DbError::Config(other.to_string()),
    })?;
    Ok((found.unwrap_or_default(), goal))
}

/// Whether the cluster has nodes in every region.
pub(super) async fn of_cluster(exam: &Exam) -> Result<Finding, DbError> {
    let (found, goal) = read(exam).await?;
    Ok(judge_cluster(&found, goal.regions(&found)))
}

fn judge_cluster(found: &Catalogue, wanted: Result<Vec<String>, Hindrance>) -> Finding {
    let there = match &found.cluster {
        Cluster::Regions(regions) => joined(regions),
        Cluster::Unplaceable | Cluster::Unseen => "no region".into(),
    };
    match wanted {
        Ok(_) => Finding::pass(format!("nodes in {there}")),
        Err(hindrance @ Hindrance::Unseen) => Finding::unknown(hindrance.to_string()),
        Err(hindrance @ Hindrance::NoRegions) => Finding::fail(hindrance.to_string()),
        Err(Hindrance::NotInCluster { missing, .. }) => {
            let tags: Vec<&str> = missing.iter().map(|site| site.tag.as_str()).collect();
            Finding::fail(format!(
                "no node is in {}; nodes are in {there}",
                tags.join(", ")
            ))
            .remedied_by(format!(
                "start nodes with --locality=region={}, or correct the region files",
                tags.join(" and ")
            ))
        }
    }
}

/// Whether the database has exactly the regions of the region files, and the same primary one.
pub(super) async fn of_database(exam: &Exam) -> Result<Finding, DbError> {
    let (found, goal) = read(exam).await?;
    Ok(match goal.regions(&found) {
        Ok(wanted) => judge_database(&found, &wanted),
        Err(hindrance) => Finding::unknown(hindrance.to_string()),
    })
}

fn judge_database(found: &Catalogue, wanted: &[String]) -> Finding {
    let set: BTreeSet<String> = wanted.iter().cloned().collect();
    let primary = found.primary.as_deref().unwrap_or("none");
    let told = format!("{}; the primary one is {primary}", joined(&found.regions));
    if found.regions == set && found.primary.as_ref() == wanted.first() {
        Finding::pass(told)
    } else {
        let wanted_primary = wanted.first().map_or("none", String::as_str);
        Finding::fail(format!(
            "{told}; wanted are {}, the primary one {wanted_primary}",
            joined(&set)
        ))
    }
}

/// Whether the database outlives the loss of a region, where it can.
pub(super) async fn survival(exam: &Exam) -> Result<Finding, DbError> {
    let (found, _) = read(exam).await?;
    Ok(judge_survival(&found))
}

fn judge_survival(found: &Catalogue) -> Finding {
    let regions = found.regions.len();
    let goal = if found.survives_region {
        "REGION"
    } else {
        "ZONE"
    };
    let told = format!("{regions} regions, SURVIVE {goal} FAILURE");
    if found.survives_region == (regions >= REGIONS_TO_SURVIVE) {
        Finding::pass(told)
    } else {
        Finding::fail(told)
    }
}

/// Whether every table lives where it is declared to.
pub(super) async fn localities(exam: &Exam) -> Result<Finding, DbError> {
    let (found, goal) = read(exam).await?;
    let Plan { steps, hindrance } = placement::plan(&found, &goal);
    Ok(match hindrance {
        None => judge_localities(&steps, found.tables.len()),
        Some(hindrance) => Finding::unknown(hindrance.to_string()),
    })
}

fn judge_localities(steps: &[Step], tables: usize) -> Finding {
    let table = |step: &Step| {
        let mut words = step.statement.split(' ').skip(1);
        let name = (words.next() == Some("TABLE")).then(|| words.next());
        name.flatten().map(str::to_owned)
    };
    let of_tables: Vec<&Step> = steps.iter().filter(|step| table(step).is_some()).collect();
    let named: BTreeSet<String> = steps.iter().filter_map(table).collect();
    if named.is_empty() {
        return Finding::pass(format!("{tables} tables live where they are declared to"));
    }
    let names: Vec<String> = named.into_iter().collect();
    let first = of_tables.first().map_or("", |step| step.statement.as_str());
    Finding::fail(format!(
        "{} of {tables} tables are out of place: {}",
        names.len(),
        some_of(&names)
    ))
    .remedied_by(format!(
        "`meridian regions apply`: {} statements, first {first}",
        of_tables.len()
    ))
}

/// Refused since v26.1 unless a session asks for it; asked for by this one check, which reads and changes nothing.
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

/// Whether enough nodes live, and none is on its way out.
pub(super) async fn nodes(exam: &Exam) -> Result<Finding, DbError> {
    let rows = exam.on(For::Reading, async |line| told(line).await).await;
    match rows {
        Ok(rows) => Ok(judge_nodes(&rows, exam.patient.regions.len())),
        Err(error) if error.code().is_some() => Ok(Finding::unknown(format!(
            "{}; see `cockroach node status`",
            super::reason(&error)
        ))),
        Err(error) => Err(error),
    }
}

async fn told(line: &Line) -> Result<Vec<Vec<String>>, DbError> {
    match line.run(ALLOW).await {
        // Older releases know no such variable, and need none.
        Ok(()) | Err(DbError::Sql { .. }) => line.rows(&nodes_query()).await,
        Err(error) => Err(error),
    }
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

fn joined(names: &BTreeSet<String>) -> String {
    if names.is_empty() {
        return "no region".into();
    }
    names.iter().cloned().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{doctor::Outcome, placement::Site};

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn found(regions: &[&str], survives_region: bool) -> Catalogue {
        Catalogue {
            cluster: Cluster::Regions(set(&["ap1", "eu1", "us1"])),
            regions: set(regions),
            primary: regions.first().map(|primary| (*primary).to_owned()),
            survives_region,
            ..Catalogue::default()
        }
    }

    #[test]
    fn a_region_without_nodes_is_named() {
        let found = found(&["eu1"], false);
        let judged = |tags: &[&str]| {
            let sites = tags.iter().map(|tag| Site {
                tag: tag.parse().unwrap(),
                names: vec![(*tag).to_owned()],
            });
            let goal = Goal::new(&[], sites.collect(), Extent::Whole);
            judge_cluster(&found, goal.regions(&found))
        };
        assert_eq!(judged(&["eu1", "us1"]).outcome, Outcome::Pass);
        let missing = judged(&["eu1", "sa1"]);
        assert_eq!(missing.outcome, Outcome::Fail);
        assert!(missing.remedy.unwrap().contains("--locality=region=sa1"));
        assert_eq!(
            judge_cluster(&found, Err(Hindrance::Unseen)).outcome,
            Outcome::Unknown
        );
    }

    #[test]
    fn a_database_has_the_regions_of_the_files() {
        let wanted = list(&["eu1", "us1", "ap1"]);
        let judged = |regions: &[&str]| judge_database(&found(regions, true), &wanted).outcome;
        assert_eq!(judged(&["eu1", "us1", "ap1"]), Outcome::Pass);
        assert_eq!(judged(&["eu1", "us1"]), Outcome::Fail, "one is missing");
        assert_eq!(
            judged(&["us1", "eu1", "ap1"]),
            Outcome::Fail,
            "another primary"
        );
        assert_eq!(
            judged(&["eu1", "us1", "ap1", "sa1"]),
            Outcome::Fail,
            "one too many"
        );
        assert_eq!(judged(&[]), Outcome::Fail, "not placed");
    }

    #[test]
    fn three_regions_outlive_one() {
        let judged = |regions: &[&str], survives| judge_survival(&found(regions, survives)).outcome;
        assert_eq!(judged(&["a", "b", "c"], true), Outcome::Pass);
        assert_eq!(judged(&["a", "b", "c"], false), Outcome::Fail);
        assert_eq!(judged(&["a"], false), Outcome::Pass);
    }

    #[test]
    fn tables_out_of_place_are_named_with_the_first_statement() {
        let step = |statement: &str| Step {
            statement: statement.into(),
            reason: String::new(),
            destructive: false,
            optional: false,
        };
        let of_database = step("ALTER DATABASE \"m\" SURVIVE REGION FAILURE");
        assert_eq!(
            judge_localities(std::slice::from_ref(&of_database), 30).outcome,
            Outcome::Pass
        );
        let steps = [
            of_database,
            step("ALTER TABLE shop.orders SET (schema_locked = false)"),
            step("ALTER TABLE shop.orders SET LOCALITY REGIONAL BY ROW AS crdb_region"),
        ];
        let found = judge_localities(&steps, 30);
        assert_eq!(found.found, "1 of 30 tables are out of place: shop.orders");
        let remedy = found.remedy.unwrap();
        assert!(
            remedy.contains("meridian regions apply") && remedy.contains("2 statements"),
            "{remedy}"
        );
    }

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
}
