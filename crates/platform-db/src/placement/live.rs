//! Running a plan.

use std::{cell::Cell, time::Duration};

use tokio::time::Instant;
use tokio_postgres::Client;

use super::{
    Catalogue, Cluster, Goal, Hindrance, Plan, Step, plan,
    read::{catalogue, jobs},
};
use crate::{
    DbError, MigrateError,
    migrate::{connect, is_worth_repeating, owner_pool, somebody_else_did, under_lease},
    pool::Pool,
    verdict::Verdict,
    write::{RECONNECT_PAUSE_MS, pause},
};

/// A change of the schema takes as long as it takes: a table with many rows is rewritten.
const WITHOUT_BOUNDS: &str = "SET statement_timeout = 0; SET lock_timeout = 0";

/// How often an error is met by planning again without a step having been run in between.
const FAILURES_MAX: u32 = 5;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Jobs that are still at work after this long are left to themselves; what they are in the way of says so.
const JOBS_WAIT_MAX: Duration = Duration::from_secs(1800);

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// How many statements were run.
    pub statements: usize,
    /// Why no table was placed.
    pub hindrance: Option<Hindrance>,
}

/// Plans and runs the plan, under the lease of migrations, told statement by statement to `progress`; goes on from
/// where it was when the connection breaks or another transaction was first.
///
/// # Errors
/// [`MigrateError`]; what was run stays, and the next call goes on from there.
pub async fn apply(
    owner_url: &str,
    goal: &Goal,
    progress: impl Fn(&str),
) -> Result<Applied, MigrateError> {
    let job = Job {
        pool: owner_pool(owner_url)?,
        goal,
        progress: &progress,
        done: Cell::new(0),
    };
    let mut breaks = 0;
    loop {
        let before = job.done.get();
        let error = match job.run().await {
            Ok(hindrance) => {
                return Ok(Applied {
                    statements: job.done.get(),
                    hindrance,
                });
            }
            Err(error) => error,
        };
        // A run that got somewhere may break as often as it likes.
        breaks = if job.done.get() > before {
            1
        } else {
            breaks + 1
        };
        if breaks >= FAILURES_MAX || !is_worth_repeating(&error) {
            return Err(error);
        }
        progress("the connection broke or another writer was first: going on from here");
        pause(RECONNECT_PAUSE_MS).await;
    }
}

/// One call of [`apply`].
struct Job<'a> {
    pool: Pool,
    goal: &'a Goal,
    progress: &'a dyn Fn(&str),
    done: Cell<usize>,
}

impl Job<'_> {
    async fn run(&self) -> Result<Option<Hindrance>, MigrateError> {
        let worker = connect(&self.pool).await?;
        let now = catalogue(&worker, self.goal).await?;
        let Plan { steps, hindrance } = plan(&now, self.goal);
        if steps.is_empty() {
            return Ok(hindrance);
        }
        let work = bring_about(&worker, self.goal, self.progress, &self.done);
        under_lease(&self.pool, self.progress, work).await
    }
}

/// Follows the plan of what is there to its end, for whoever holds the lease; `done` counts the statements.
pub(crate) async fn bring_about(
    worker: &Client,
    goal: &Goal,
    progress: &dyn Fn(&str),
    done: &Cell<usize>,
) -> Result<Option<Hindrance>, MigrateError> {
    worker.batch_execute(WITHOUT_BOUNDS).await?;
    let (mut failures, give_up) = (0, Instant::now() + JOBS_WAIT_MAX);
    loop {
        let now = catalogue(worker, goal).await?;
        let Plan { steps, hindrance } = plan(&now, goal);
        if steps.is_empty() {
            return Ok(hindrance);
        }
        if wait_for_jobs(worker, &now, give_up, progress).await? {
            continue;
        }
        let before = done.get();
        let Err(error) = run(worker, &steps, progress, done).await else {
            tell_what_is_left(&catalogue(worker, goal).await?, goal, progress);
            return Ok(hindrance);
        };
        failures = if done.get() > before { 1 } else { failures + 1 };
        let is_passing = if let MigrateError::Step { source, .. } = &error {
            somebody_else_did(source)
                || Verdict::of(source) == Verdict::Conflict
                || is_at_work(worker, &now).await
        } else {
            false
        };
        if failures >= FAILURES_MAX || !is_passing {
            return Err(error);
        }
        progress(&format!("{error}: looking at what is there now"));
        pause(RECONNECT_PAUSE_MS).await;
    }
}

async fn run(
    worker: &Client,
    steps: &[Step],
    progress: &dyn Fn(&str),
    done: &Cell<usize>,
) -> Result<(), MigrateError> {
    for (index, step) in steps.iter().enumerate() {
        let Step { statement, .. } = step;
        progress(&format!("{}/{}: {statement}", index + 1, steps.len()));
        match worker.batch_execute(statement).await.map_err(DbError::from) {
            Ok(()) => done.set(done.get() + 1),
            Err(error) if step.optional && is_refused(&error) => {
                progress(&format!(
                    "not allowed to us, and left to an admin: {statement}"
                ));
            }
            Err(source) => {
                return Err(MigrateError::Step {
                    statement: statement.clone(),
                    source,
                });
            }
        }
    }
    Ok(())
}

/// Not ours to do, or not ours to take away from others, which CockroachDB says by the code of a warning
/// (`privilege_not_revoked`).
fn is_refused(error: &DbError) -> bool {
    matches!(error.code(), Some("42501" | "01006"))
}

/// Waits for what another run began, or a statement whose connection broke: the job goes on without its client. Whether
/// there was anything to wait for.
async fn wait_for_jobs(
    worker: &Client,
    now: &Catalogue,
    give_up: Instant,
    progress: &dyn Fn(&str),
) -> Result<bool, MigrateError> {
    let mut waited = false;
    while is_placeable(now) && Instant::now() < give_up {
        let count = jobs(worker).await?;
        if count == 0 {
            break;
        }
        if !waited {
            progress(&format!(
                "waiting for {count} changes of the schema that are still under way"
            ));
        }
        waited = true;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(waited && Instant::now() < give_up)
}

/// An error beside a job that is still at work is taken for that job's doing.
async fn is_at_work(worker: &Client, now: &Catalogue) -> bool {
    is_placeable(now) && jobs(worker).await.is_ok_and(|count| count > 0)
}

fn is_placeable(now: &Catalogue) -> bool {
    now.cluster != Cluster::Unplaceable
}

/// A plan that was run leaves nothing to do, unless the database reports it in words that we do not read.
fn tell_what_is_left(now: &Catalogue, goal: &Goal, progress: &dyn Fn(&str)) {
    let left = plan(now, goal).steps;
    let left: Vec<&Step> = left.iter().filter(|step| !step.optional).collect();
    if let Some(first) = left.first() {
        progress(&format!(
            "the database does not report all of what was run; still in the plan are {} statements, the first is {}",
            left.len(),
            first.statement
        ));
    }
}
