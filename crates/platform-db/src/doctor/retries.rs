//! How a write ends that meets a conflict each time: after a bounded number of attempts, as contention.
//!
//! The runner rehearses a write, so that nothing can be committed. The database itself makes each attempt fail with
//! 40001: CockroachDB by the session variable made for it, PostgreSQL by raising the error.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use kernel::{IdempotencyKey, Intent, OpError, Reply, Scope, SystemError};
use prometheus_client::registry::Registry;

use super::{Exam, Finding, exam::For};
use crate::{Db, DbConfig, DbError, Never, PoolSizes, Txn, engine::Engine};

const INJECT: &str = "SET inject_retry_errors_enabled = true";
const RAISE: &str = "DO $$ BEGIN RAISE SQLSTATE '40001'; END $$";
const LOOK: &str = "SELECT 1";

/// Whether a rehearsal that meets a conflict each time ends, and how.
pub(super) async fn end(exam: &Exam) -> Result<Finding, DbError> {
    let Some(engine) = exam.engine() else {
        return Ok(Finding::unknown("no host of the URL answers"));
    };
    if engine == Engine::Cockroach {
        // One that does not know the variable cannot be told to fail.
        exam.on(For::Reading, async |line| line.run(INJECT).await)
            .await?;
    }
    let patient = &exam.patient;
    let config = DbConfig {
        url: patient.url.clone(),
        region: patient.region.clone(),
        region_names: exam.names_of(&patient.region),
        regions: patient.regions.clone(),
        primary: patient.regions.first().unwrap_or(&patient.region).clone(),
        pools: PoolSizes {
            transactions: 1,
            reads: 1,
            past: 1,
        },
        application_name: "meridian doctor".into(),
        max_clock_offset: patient.max_clock_offset,
    };
    let db = Db::open(config, patient.clock.clone(), &mut Registry::default())?;
    let call = db.worker_call();
    let intent = Intent {
        dry_run: true,
        ..db.worker_intent(
            "doctor",
            "rehearse_conflicts",
            Scope::WarehouseWrite,
            IdempotencyKey::auto(call.id()),
        )
    };
    let (started, attempts) = (Instant::now(), Arc::new(AtomicU32::new(0)));
    let counted = Arc::clone(&attempts);
    let ended = db
        .write::<Never, _>(intent, async move |txn: &Txn<'_>| {
            counted.fetch_add(1, Ordering::Relaxed);
            match engine {
                Engine::Postgres => txn.batch(RAISE).await?,
                Engine::Cockroach => {
                    txn.batch(INJECT).await?;
                    txn.batch(LOOK).await?;
                }
            }
            Ok(Reply {
                status: 200,
                location: None,
                version: None,
                body: None,
                effect_ids: Vec::new(),
            })
        })
        .await;
    let took_ms = started.elapsed().as_millis();
    Ok(judge(&ended, attempts.load(Ordering::Relaxed), took_ms))
}

fn judge(ended: &Result<Reply, OpError<Never>>, attempts: u32, took_ms: u128) -> Finding {
    let found = |how: &str| format!("{attempts} attempts in {took_ms} ms, then {how}");
    match ended {
        Err(OpError::System(SystemError::Contended)) if attempts > 1 => {
            Finding::pass(found("503 contention"))
        }
        Ok(_) => Finding::unknown("the database did not make the write fail"),
        Err(OpError::System(SystemError::Unavailable { .. } | SystemError::DeadlineExceeded)) => {
            Finding::unknown(found("the database could not be reached"))
        }
        Err(error) => Finding::fail(found(&error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    #[test]
    fn conflicts_end_as_contention() {
        let contended = || Err(OpError::System(SystemError::Contended));
        assert_eq!(judge(&contended(), 20, 3000).outcome, Outcome::Pass);
        assert_eq!(judge(&contended(), 1, 3000).outcome, Outcome::Fail);
        let bug = Err(OpError::System(SystemError::Bug {
            source: "not known".into(),
            effect_unknown: false,
        }));
        assert_eq!(judge(&bug, 1, 1).outcome, Outcome::Fail);
    }
}
