//! Regions, survival and localities on CockroachDB: what `meridian regions` would bring about is what is wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::{Exam, Finding, exam::For, some_of};
use crate::{
    DbError, MigrateError,
    placement::{self, Catalogue, Cluster, Extent, Goal, Hindrance, Plan, Step},
};

/// Fewer regions cannot hold a majority without one of them.
pub(super) const REGIONS_TO_SURVIVE: usize = 3;

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
    // Who may not ask for the cluster's regions has not seen the database's either.
    if found.cluster == Cluster::Unseen {
        return Finding::unknown(Hindrance::Unseen.to_string());
    }
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

/// Each region of the cluster with what its nodes call their zones.
const ZONES: &str = "
    SELECT region::TEXT, coalesce(array_to_string(zones, ','), '') FROM [SHOW REGIONS FROM CLUSTER]";

/// A majority of three copies outlives the loss of one zone only if no two of them are in one.
const ZONES_MIN: usize = 3;

/// Whether the loss of a zone is outlived.
pub(super) async fn zones(exam: &Exam) -> Result<Finding, DbError> {
    let (found, _) = read(exam).await?;
    let rows = exam.on(For::Reading, async |line| line.rows(ZONES).await);
    Ok(judge_zones(&rows.await?, &found))
}

fn judge_zones(rows: &[Vec<String>], found: &Catalogue) -> Finding {
    let of_region: BTreeMap<&str, BTreeSet<&str>> = rows
        .iter()
        .filter_map(|row| {
            let [region, zones] = row.as_slice() else {
                return None;
            };
            let zones = zones.split(',').filter(|zone| !zone.is_empty());
            Some((region.as_str(), zones.collect()))
        })
        .collect();
    if of_region.is_empty() {
        return Finding::unknown("no node of the cluster says in which region it is");
    }
    let told: Vec<String> = of_region
        .iter()
        .map(|(region, zones)| format!("{region}: {}", zones.len()))
        .collect();
    let told = format!("zones ({})", told.join(", "));
    if found.survives_region {
        return Finding::pass(format!(
            "{told}; whichever is lost, it is no more than a region, which is outlived"
        ));
    }
    // A database that was not placed may have its copies anywhere.
    let has_few = |(region, zones): &(&&str, &BTreeSet<&str>)| {
        let is_used = found.regions.is_empty() || found.regions.contains(**region);
        is_used && zones.len() < ZONES_MIN
    };
    let few: Vec<String> = of_region
        .iter()
        .filter(has_few)
        .map(|(region, _)| (*region).to_owned())
        .collect();
    if few.is_empty() {
        Finding::pass(told)
    } else {
        Finding::fail(format!(
            "{told}; three copies want {ZONES_MIN} zones, and {} has fewer",
            few.join(", ")
        ))
    }
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
        let unseen = Catalogue {
            cluster: Cluster::Unseen,
            ..Catalogue::default()
        };
        assert_eq!(judge_survival(&unseen).outcome, Outcome::Unknown);
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

    /// As SHOW REGIONS FROM CLUSTER has them.
    #[test]
    fn a_zone_is_outlived_by_a_region_or_by_two_others() {
        let judged = |rows: &[(&str, &str)], regions: &[&str], survives| {
            let rows: Vec<Vec<String>> = rows
                .iter()
                .map(|(region, zones)| vec![(*region).to_owned(), (*zones).to_owned()])
                .collect();
            judge_zones(&rows, &found(regions, survives))
        };
        let wide = [("ap1", "a,b,c"), ("eu1", "a,b,c"), ("us1", "a,b,c,d")];
        let narrow = [("ap1", ""), ("eu1", "a,b"), ("us1", "a,b,c")];
        let all = ["eu1", "us1", "ap1"];
        assert_eq!(judged(&wide, &all, false).outcome, Outcome::Pass);
        let outlived = judged(&narrow, &all, true);
        assert_eq!(outlived.outcome, Outcome::Pass);
        assert!(
            outlived
                .found
                .starts_with("zones (ap1: 0, eu1: 2, us1: 3); ")
        );
        let lost = judged(&narrow, &all, false);
        assert_eq!(
            (lost.outcome, lost.found.as_str()),
            (
                Outcome::Fail,
                "zones (ap1: 0, eu1: 2, us1: 3); three copies want 3 zones, and ap1, eu1 has fewer"
            )
        );
        assert_eq!(judged(&narrow, &["us1"], false).outcome, Outcome::Pass);
        assert_eq!(judged(&narrow, &[], false).outcome, Outcome::Fail);
        assert_eq!(judged(&[], &all, false).outcome, Outcome::Unknown);
    }
}
