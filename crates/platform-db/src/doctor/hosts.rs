//! The hosts of the URL: which of them answer, whether by an encrypted connection, and of which region they are.

use std::sync::Arc;

use kernel::Clock;

use super::{
    Exam, Finding, cause,
    clock::{self, Sample},
    exam::Line,
    some_of,
};
use crate::{
    DbError,
    engine::{Engine, VERSION},
    hosts::Hosts,
};

const GATEWAY: &str = "SELECT gateway_region()";

/// A host of the URL.
#[derive(Debug)]
pub(super) struct HostFound {
    /// `db.example.com:26257`
    pub(super) address: String,
    is_here: bool,
    is_encrypted: bool,
    /// Or why there is none, with the address.
    pub(super) answer: Result<HostAnswer, String>,
}

/// What a host says of itself.
#[derive(Debug)]
pub(super) struct HostAnswer {
    pub(super) version: String,
    pub(super) sample: Sample,
    /// CockroachDB: the region of its node.
    pub(super) region: Option<String>,
}

/// Asks a host who it is and what time it has.
pub(super) async fn ask(host: Arc<Hosts>, clock: &Clock) -> HostFound {
    HostFound {
        address: host.told_all(),
        is_here: host.are_here(),
        is_encrypted: host.are_encrypted(),
        answer: answered(&host, clock).await.map_err(|error| cause(&error)),
    }
}

async fn answered(host: &Arc<Hosts>, clock: &Clock) -> Result<HostAnswer, DbError> {
    let line = Line::to(host).await?;
    let version = line.text(VERSION).await?;
    let region = match Engine::from_version(&version) {
        Engine::Postgres => None,
        // A node without a region has an error for it.
        Engine::Cockroach => line.text_if_told(GATEWAY).await?,
    };
    Ok(HostAnswer {
        sample: clock::sample(&line, clock).await?,
        version,
        region,
    })
}

/// Whether every host answers.
pub(super) async fn answer(exam: &Exam) -> Result<Finding, DbError> {
    Ok(judge_answers(&exam.hosts))
}

fn judge_answers(hosts: &[HostFound]) -> Finding {
    let silent = hosts.iter().filter_map(|host| host.answer.as_ref().err());
    let silent: Vec<String> = silent.cloned().collect();
    if hosts.is_empty() {
        return Finding::fail("the URL names no host");
    }
    if silent.is_empty() {
        let names: Vec<String> = hosts.iter().map(|host| host.address.clone()).collect();
        return Finding::pass(format!(
            "{} of {0} answer: {}",
            hosts.len(),
            some_of(&names)
        ));
    }
    Finding::fail(some_of(&silent))
}

/// Whether what goes to other machines is encrypted.
pub(super) async fn encryption(exam: &Exam) -> Result<Finding, DbError> {
    Ok(judge_encryption(&exam.hosts))
}

fn judge_encryption(hosts: &[HostFound]) -> Finding {
    let far: Vec<&HostFound> = hosts.iter().filter(|host| !host.is_here).collect();
    let names: Vec<String> = far.iter().map(|host| host.address.clone()).collect();
    if far.is_empty() {
        Finding::pass("every host is this machine")
    } else if far.iter().all(|host| host.is_encrypted) {
        Finding::pass(format!("by TLS, which is verified, to {}", some_of(&names)))
    } else {
        Finding::fail(format!(
            "passwords and rows go in the clear to {}",
            some_of(&names)
        ))
    }
}

/// Whether the host that is tried first is of our region.
pub(super) async fn gateway(exam: &Exam) -> Result<Finding, DbError> {
    Ok(judge_gateway(
        &exam.hosts,
        &exam.names_of(&exam.patient.region),
    ))
}

fn judge_gateway(hosts: &[HostFound], ours: &[String]) -> Finding {
    let regions: Vec<(String, Option<&str>)> = hosts
        .iter()
        .filter_map(|host| {
            let answer = host.answer.as_ref().ok()?;
            Some((host.address.clone(), answer.region.as_deref()))
        })
        .collect();
    let told: Vec<String> = regions
        .iter()
        .map(|(address, region)| format!("{address} is in {}", region.unwrap_or("no region")))
        .collect();
    match regions.first() {
        Some((_, Some(region))) if ours.iter().any(|name| name == region) => {
            Finding::pass(some_of(&told))
        }
        Some((_, Some(_))) => Finding::fail(format!(
            "{}; we are in {}",
            some_of(&told),
            ours.first().map_or("none", String::as_str)
        )),
        Some((_, None)) | None => {
            Finding::unknown(format!("no region is told: {}", some_of(&told)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    fn host(address: &str, answer: Result<Option<&str>, &str>) -> HostFound {
        HostFound {
            address: address.into(),
            is_here: address.starts_with("127."),
            is_encrypted: address.ends_with("tls"),
            answer: answer.map_err(str::to_owned).map(|region| HostAnswer {
                version: "CockroachDB CCL v26.2.0".into(),
                sample: Sample::default(),
                region: region.map(str::to_owned),
            }),
        }
    }

    #[test]
    fn a_host_that_is_down_is_named_with_its_error() {
        let up = host("127.0.0.1:1", Ok(None));
        let down = host("10.0.0.9:26257", Err("10.0.0.9:26257: refused"));
        assert_eq!(judge_answers(&[]).outcome, Outcome::Fail);
        let found = judge_answers(&[up, down]);
        assert_eq!(found.outcome, Outcome::Fail);
        assert_eq!(found.found, "10.0.0.9:26257: refused");
    }

    #[test]
    fn only_other_machines_need_encryption() {
        let judged = |addresses: &[&str]| {
            let hosts = addresses.iter().map(|address| host(address, Ok(None)));
            judge_encryption(&hosts.collect::<Vec<_>>()).outcome
        };
        assert_eq!(judged(&["127.0.0.1:1"]), Outcome::Pass);
        assert_eq!(judged(&["127.0.0.1:1", "10.0.0.9:1"]), Outcome::Fail);
        assert_eq!(judged(&["127.0.0.1:1", "10.0.0.9:tls"]), Outcome::Pass);
    }

    #[test]
    fn the_first_host_is_of_our_region() {
        let judged = |first, second| {
            let hosts = [host("a:1", first), host("b:1", second)];
            judge_gateway(&hosts, &["eu1".to_owned(), "europe-west3".to_owned()]).outcome
        };
        assert_eq!(judged(Ok(Some("eu1")), Ok(Some("us1"))), Outcome::Pass);
        assert_eq!(judged(Ok(Some("us1")), Ok(Some("eu1"))), Outcome::Fail);
        assert_eq!(judged(Ok(None), Ok(Some("eu1"))), Outcome::Unknown);
        assert_eq!(judged(Err("gone"), Ok(Some("eu1"))), Outcome::Pass);
    }
}
