//! Examines a database and says what to do about it.

use kernel::{Clock, RegionTag};
use platform_db::doctor::{Diagnosis, Load, Outcome, Patient, examine};
use serde_json::json;
use topology::Topology;
use world::setup;

use super::{choose_tls, runtime, serve::MAX_CLOCK_OFFSET};
use crate::{
    cli::DoctorArgs,
    database::{regions, url_or_world},
    failure::{FAILED, Failure, USAGE},
    print,
};

pub(crate) fn run(args: DoctorArgs) -> Result<(), Failure> {
    let url = url_or_world(&args.database)?;
    let topology = regions(args.database.regions.as_deref())?;
    choose_tls();
    let primary = topology.primary().tag.clone();
    let region = args.region.clone().unwrap_or_else(|| primary.clone());
    let patient = Patient {
        url: url.expose().clone(),
        regions: primary_first(&topology, &primary),
        sites: setup::sites(&topology),
        region: known(&topology, region)?,
        systems: setup::systems().to_vec(),
        statements: setup::statements(),
        load: Load {
            connections: args.pools.sizes(&topology).total(topology.tags().len()),
            instances: args.pools.instances.into(),
            vcpus: args.pools.database_vcpus.map(u32::from),
        },
        max_clock_offset: MAX_CLOCK_OFFSET,
        clock: Clock::System,
    };
    let found = runtime()?
        .block_on(examine(patient, &args.checks))
        .map_err(|error| Failure::with_causes(&error))?;
    print(&if args.json {
        as_json(&found)
    } else {
        told(&found)
    });
    let (failed, unknown) = (
        count(&found, Outcome::Fail),
        count(&found, Outcome::Unknown),
    );
    if failed == 0 && (unknown == 0 || !args.strict) {
        return Ok(());
    }
    let failed = match (failed, unknown) {
        (1, _) => "one check failed".to_owned(),
        (0, 1) => "one check could not be made".to_owned(),
        (0, unknown) => format!("{unknown} checks could not be made"),
        (failed, _) => format!("{failed} checks failed"),
    };
    Err(Failure::new(
        FAILED,
        format!("{failed}: what to do stands in the report"),
    ))
}

fn primary_first(topology: &Topology, primary: &RegionTag) -> Vec<RegionTag> {
    let others = topology.tags().into_iter().filter(|tag| tag != primary);
    std::iter::once(primary.clone()).chain(others).collect()
}

fn known(topology: &Topology, region: RegionTag) -> Result<RegionTag, Failure> {
    if topology.region(&region).is_some() {
        return Ok(region);
    }
    let tags: Vec<String> = topology.tags().iter().map(ToString::to_string).collect();
    let regions = tags.join(", ");
    Err(Failure::new(
        USAGE,
        format!("{region} is not a region; regions are {regions}"),
    ))
}

fn count(found: &[Diagnosis], outcome: Outcome) -> usize {
    found
        .iter()
        .filter(|diagnosis| diagnosis.finding.outcome == outcome)
        .count()
}

/// One line per check, what to do below it, and how many there are of which.
fn told(found: &[Diagnosis]) -> String {
    let width = found
        .iter()
        .map(|diagnosis| diagnosis.check.name.len())
        .max()
        .unwrap_or(0);
    let mut lines = Vec::new();
    for Diagnosis { check, finding } in found {
        let outcome = match finding.outcome {
            // To be found at a glance, and by grep.
            Outcome::Fail => "FAIL",
            other @ (Outcome::Pass | Outcome::Unknown) => other.as_str(),
        };
        lines.push(format!(
            "{outcome:<7}  {:<width$}  {}",
            check.name, finding.found
        ));
        if let Some(remedy) = &finding.remedy {
            lines.push(format!("{:<7}  {:<width$}  -> {remedy}", "", ""));
        }
    }
    let (pass, fail) = (count(found, Outcome::Pass), count(found, Outcome::Fail));
    let unknown = count(found, Outcome::Unknown);
    lines.push(format!(
        "{} checks: {pass} pass, {fail} fail, {unknown} unknown",
        found.len()
    ));
    lines.join("\n")
}

fn as_json(found: &[Diagnosis]) -> String {
    let checks: Vec<_> = found
        .iter()
        .map(|Diagnosis { check, finding }| {
            json!({
                "name": check.name,
                "asks": check.asks,
                "outcome": finding.outcome.as_str(),
                "found": finding.found,
                "remedy": finding.remedy,
            })
        })
        .collect();
    json!({
        "pass": count(found, Outcome::Pass),
        "fail": count(found, Outcome::Fail),
        "unknown": count(found, Outcome::Unknown),
        "checks": checks,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use platform_db::doctor::{CHECKS, Finding};

    use super::*;

    fn found() -> [Diagnosis; 2] {
        let diagnosis = |index: usize, outcome, remedy: Option<&str>| Diagnosis {
            check: &CHECKS[index],
            finding: Finding {
                outcome,
                found: "what was found".into(),
                remedy: remedy.map(str::to_owned),
            },
        };
        [
            diagnosis(0, Outcome::Pass, None),
            diagnosis(1, Outcome::Fail, Some("do something")),
        ]
    }

    #[test]
    fn people_read_the_remedy_below_what_failed() {
        assert_eq!(
            told(&found()),
            "pass     version  what was found\n\
             FAIL     hosts    what was found\n\
             \x20                 -> do something\n\
             2 checks: 1 pass, 1 fail, 0 unknown"
        );
    }

    #[test]
    fn programs_read_json() {
        let json: serde_json::Value = serde_json::from_str(&as_json(&found())).unwrap();
        assert_eq!((&json["fail"], &json["unknown"]), (&1.into(), &0.into()));
        assert_eq!(json["checks"][1]["outcome"], "fail");
        assert_eq!(json["checks"][1]["remedy"], "do something");
        assert!(json["checks"][0]["remedy"].is_null());
    }
}
