//! Whether the database can carry the connections that the services may open.

use super::{
    Exam, Finding, Load,
    exam::{For, Line},
};
use crate::{DbError, engine::Engine};

const MAX: &str = "SHOW max_connections";
const RESERVED: &str = "SHOW superuser_reserved_connections";
/// PostgreSQL 16 and later.
const RESERVED_TOO: &str = "SHOW reserved_connections";
/// CockroachDB: -1 is no bound.
const MAX_PER_NODE: &str = "SHOW CLUSTER SETTING server.max_connections_per_gateway";

/// Active connections per vCPU (CockroachDB's rule for pools; a PostgreSQL is not better off with more).
const PER_VCPU: u32 = 4;

/// Whether all pools together fit.
pub(super) async fn fit(exam: &Exam) -> Result<Finding, DbError> {
    let engine = exam.engine().unwrap_or(Engine::Postgres);
    let taken = exam
        .on(For::Reading, async |line| taken(line, engine).await)
        .await?;
    // The regions of a world share one PostgreSQL; on CockroachDB each connects to its own nodes.
    let stacks = match engine {
        Engine::Postgres => u32::try_from(exam.patient.regions.len()).unwrap_or(u32::MAX),
        Engine::Cockroach => 1,
    };
    Ok(judge(exam.patient.load, stacks, taken))
}

/// How many connections the database takes, without those kept for its owner. None: no bound is told.
async fn taken(line: &Line, engine: Engine) -> Result<Option<i64>, DbError> {
    let number = async |sql: &str| -> Result<i64, DbError> {
        let told = line.text_if_told(sql).await?;
        Ok(told.and_then(|text| text.parse().ok()).unwrap_or(0))
    };
    Ok(match engine {
        Engine::Postgres => {
            let kept = number(RESERVED).await? + number(RESERVED_TOO).await?;
            Some(line.number(MAX).await? - kept)
        }
        Engine::Cockroach => Some(number(MAX_PER_NODE).await?).filter(|max| *max > 0),
    })
}

fn judge(load: Load, stacks: u32, taken: Option<i64>) -> Finding {
    let processes = load.instances.saturating_mul(stacks);
    let total = load.connections.saturating_mul(processes);
    let sum = format!(
        "{processes} processes × {} connections = {total}",
        load.connections
    );
    let vcpus = load.vcpus.map(|vcpus| vcpus.saturating_mul(PER_VCPU));
    if let Some(most) = taken.filter(|most| i64::from(total) > *most) {
        return Finding::fail(format!("{sum}; the database takes {most}"));
    }
    if let Some(most) = vcpus.filter(|most| total > *most) {
        return Finding::fail(format!("{sum}; its vCPUs bear {most}"));
    }
    let bears = vcpus.map(|most| format!("its vCPUs bear {most}"));
    match (taken, bears) {
        (Some(most), Some(bears)) => {
            Finding::pass(format!("{sum}; the database takes {most}, {bears}"))
        }
        (Some(most), None) => Finding::pass(format!("{sum}; the database takes {most}")),
        (None, Some(bears)) => Finding::pass(format!("{sum}; {bears}")),
        (None, None) => Finding::unknown(format!(
            "{sum}; name the vCPUs of a region's nodes by --database-vcpus"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    fn judged(instances: u32, vcpus: Option<u32>, connections: Option<i64>) -> Finding {
        let load = Load {
            connections: 22,
            instances,
            vcpus,
        };
        judge(load, 3, connections)
    }

    #[test]
    fn all_processes_of_all_regions_count() {
        assert_eq!(judged(1, None, Some(97)).outcome, Outcome::Pass);
        let found = judged(2, None, Some(97));
        assert_eq!(found.outcome, Outcome::Fail);
        assert_eq!(
            found.found,
            "6 processes × 22 connections = 132; the database takes 97"
        );
        assert_eq!(judged(1, Some(16), Some(97)).outcome, Outcome::Fail);
        assert_eq!(judged(1, Some(17), Some(97)).outcome, Outcome::Pass);
        assert_eq!(judged(1, Some(17), None).outcome, Outcome::Pass);
        assert_eq!(judged(1, None, None).outcome, Outcome::Unknown);
        assert_eq!(judged(u32::MAX, None, Some(97)).outcome, Outcome::Fail);
    }
}
