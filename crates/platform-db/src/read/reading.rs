//! One read on its way: the moments of its plan, one after the other, until one of them can be shown.

use std::{sync::Arc, time::Duration};

use futures_util::future::{join, join3};
use kernel::{Call, Freshness, Read, RegionTag, SystemError, Timestamp, Token};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    Db, DbError, ReadSpec, Session,
    engine::{Engine, timeout_ms},
    metrics::Why,
    moment::{Given, Moment, Nearest, Plan, Refusal, resolved},
    pool::Shared,
    read::{Shape, Work},
    verdict::Verdict,
    write::{RECONNECT_PAUSE_MS, pause, system_error},
};

/// A replica nearby answers in milliseconds. One that has to ask across oceans, for what cannot be reached, would take all
/// the time there is.
const PATIENCE: Duration = Duration::from_secs(1);
/// A moment may take this part of what is left, if there is another one.
const PATIENCE_PART: u32 = 3;
/// Kept for the question how far the nearest replica has come.
const LAST_WORD: Duration = Duration::from_millis(500);
/// A page waits for a node whose clock is behind its snapshot this often, for an offset on average.
const WAITS_FOR_CLOCK: u32 = 5;

/// One read on its way.
pub(super) struct Reading<'a> {
    db: &'a Db,
    call: &'a Call,
    spec: &'a ReadSpec,
    shape: Shape,
    plan: Option<Plan>,
    /// Which moment of the plan is being tried.
    at: usize,
    replanned: bool,
    waits_for_clock: u32,
}

/// Why a read did not answer.
enum ReadError {
    Refused(SystemError),
    Db(DbError),
}

impl From<DbError> for ReadError {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl<'a> Reading<'a> {
    pub(super) fn new(db: &'a Db, call: &'a Call, spec: &'a ReadSpec, shape: Shape) -> Self {
        Self {
            db,
            call,
            spec,
            shape,
            plan: None,
            at: 0,
            replanned: false,
            waits_for_clock: 0,
        }
    }

    pub(super) async fn run<T, W>(mut self, work: &W) -> Result<Read<T>, SystemError>
    where
        W: Work<T>,
    {
        loop {
            match self.once(work).await {
                Ok(read) => return Ok(read),
                Err(ReadError::Refused(error)) => return Err(error),
                Err(ReadError::Db(error)) => {
                    let (why, pause_ms_max) = self.after(error)?;
                    self.db.metrics().retried(self.spec.operation, why);
                    pause(pause_ms_max).await;
                }
            }
        }
    }

    /// Tries to show the moment whose turn it is.
    async fn once<T, W>(&mut self, work: &W) -> Result<Read<T>, ReadError>
    where
        W: Work<T>,
    {
        if self.plan.is_none() {
            let given = self.db.given(self.call, self.spec, self.shape);
            let given = timeout_at(self.call.deadline().into(), given).await;
            let given = given.unwrap_or(Err(DbError::Timeout))?;
            self.plan = Some(given.plan().map_err(ReadError::Refused)?);
        }
        let Some(plan) = &self.plan else {
            return Err(DbError::Timeout.into());
        };
        let (given, step) = (plan.given(), plan.step(self.at));
        if !step.wait.is_zero() {
            sleep(step.wait).await;
        }
        let until = self.until(plan, step.moment);
        let shown = timeout_at(until, self.show(&given, step.moment, until, work)).await;
        Ok(shown.unwrap_or(Err(DbError::Timeout))?)
    }

    /// How long a moment is waited for: to the end, unless there is another one.
    fn until(&self, plan: &Plan, moment: Moment) -> Instant {
        let remaining = self.call.remaining();
        let patience = match moment {
            _ if !plan.has_more(self.at) => remaining,
            Moment::Now => remaining.saturating_sub(LAST_WORD),
            // It may have much to add up.
            _ if self.shape == Shape::Snapshot => remaining / PATIENCE_PART,
            Moment::Nearest(_) | Moment::Follower(_) | Moment::Snapshot(_) => {
                PATIENCE.min(remaining / PATIENCE_PART)
            }
        };
        Instant::now() + patience
    }

    async fn show<T, W>(
        &self,
        given: &Given,
        moment: Moment,
        until: Instant,
        work: &W,
    ) -> Result<Read<T>, DbError>
    where
        W: Work<T>,
    {
        let alone = match given.engine {
            Engine::Postgres => self.shape != Shape::Snapshot,
            Engine::Cockroach => {
                matches!(self.shape, Shape::Single | Shape::Row) && moment == Moment::Now
            }
        };
        let read = match moment {
            Moment::Nearest(nearest) => self.alone(Some(nearest), work).await?,
            Moment::Now | Moment::Follower(_) | Moment::Snapshot(_) if alone => {
                self.alone(None, work).await?
            }
            Moment::Now | Moment::Follower(_) | Moment::Snapshot(_) => {
                self.together(given, moment, until, work).await?
            }
        };
        let token = match moment {
            // What the nearest replica shows is of some time before the answer: nobody says which.
            Moment::Nearest(_) => self.db.strong_token(read.at),
            Moment::Now if alone => self.db.strong_token(read.at),
            Moment::Now | Moment::Follower(_) | Moment::Snapshot(_) => {
                given.token(given.as_of(moment).unwrap_or(read.at))
            }
        };
        self.tell(given, moment, token);
        Ok(read)
    }

    /// On a shared connection: each statement is a transaction of its own.
    async fn alone<T, W>(&self, nearest: Option<Nearest>, work: &W) -> Result<Read<T>, DbError>
    where
        W: Work<T>,
    {
        // The nearest replica answers whatever the home does: it is not asked behind those who wait for the home.
        let everywhere = RegionTag::global();
        let lane = nearest.map_or(&self.spec.home, |_| &everywhere);
        let shared = self
            .db
            .pools()
            .shared(lane, self.db.next_turn(), self.call.deadline())
            .await?;
        let watch = ForgetUnlessAnswered {
            db: self.db,
            shared: Some(&shared),
        };
        let remote = self.is_remote(work);
        let session = || Session::shared(Arc::clone(&shared), self.call, remote);
        let reading = match nearest {
            Some(nearest) => {
                Session::shared(Arc::clone(&shared), self.call, false).showing(nearest)
            }
            None => session(),
        };
        let begins_walk = self.shape == Shape::Page && self.spec.snapshot.is_none();
        let (value, asked) = if self.db.time().now().is_some() && !begins_walk {
            (work.run(&reading).await, None)
        } else {
            // The sample is carried to the end of the work, wherever it was taken in between.
            let clock = nearest.is_some().then(session);
            let clock = clock.as_ref().unwrap_or(&reading);
            let (value, asked) = join(work.run(&reading), self.db.time().ask(clock)).await;
            (value, asked.ok())
        };
        watch.judge(value.as_ref().err());
        // A walk's snapshot is the time behind its first statement, to the millisecond: what is carried forward
        // runs ahead, and would let in rows made after the page.
        let at = asked
            .filter(|_| begins_walk)
            .unwrap_or_else(|| self.db.time_bound());
        Ok(Read {
            value: value?,
            at,
            unreachable: Vec::new(),
        })
    }

    /// In a read-only transaction on a connection of its own.
    async fn together<T, W>(
        &self,
        given: &Given,
        moment: Moment,
        until: Instant,
        work: &W,
    ) -> Result<Read<T>, DbError>
    where
        W: Work<T>,
    {
        let (pools, deadline) = (self.db.pools(), self.call.deadline());
        let lease = match given.as_of(moment) {
            Some(_) => pools.lease_for_past(deadline).await?,
            None => pools.lease(deadline).await?,
        };
        let remote = moment.is_at_home() && self.is_remote(work);
        let mut session = Session::leased(lease, self.call, remote);
        let remaining = until.saturating_duration_since(Instant::now());
        let begin = begin_read(given.engine, moment, remaining);
        let clock = self.clock(&session, given.engine, moment);
        let (begun, value, at) = join3(session.batch(&begin), work.run(&session), clock).await;
        if let Some(first) = session.failure() {
            return Err(first); // the connection is discarded, and its transaction with it
        }
        begun?;
        session.batch("COMMIT").await?;
        session.mark_clean();
        Ok(Read {
            value: value?,
            at: at?,
            unreachable: Vec::new(),
        })
    }

    /// Whether what is read at home is another region's, some of it at least.
    fn is_remote<T, W>(&self, work: &W) -> bool
    where
        W: Work<T>,
    {
        self.db.is_remote(&self.spec.home) || work.crosses(self.db)
    }

    /// The time that a transaction shows.
    async fn clock(
        &self,
        session: &Session,
        engine: Engine,
        moment: Moment,
    ) -> Result<Timestamp, DbError> {
        match (engine, moment) {
            (Engine::Cockroach, Moment::Follower(at) | Moment::Snapshot(at)) => Ok(at),
            (Engine::Cockroach, Moment::Now | Moment::Nearest(_)) => {
                let nanos: String = session.row(LOGICAL_TIME, &[]).await?.get("now")?;
                Ok(ceil_to_ms(&nanos))
            }
            (Engine::Postgres, _) => self.db.time().ask(session).await,
        }
    }

    /// Writes into the facts how fresh the answer is.
    fn tell(&self, given: &Given, moment: Moment, token: Token) {
        let home = self.spec.home.clone();
        let freshness = match (given.as_of(moment), moment) {
            (Some(as_of), Moment::Snapshot(_)) => Freshness::Snapshot {
                as_of,
                max_ms: given.max_ms(as_of),
                home,
            },
            (Some(as_of), Moment::Now | Moment::Nearest(_) | Moment::Follower(_)) => {
                Freshness::Follower {
                    as_of,
                    max_ms: given.max_ms(as_of),
                    home,
                }
            }
            (None, _) => Freshness::Strong { home },
        };
        let mut facts = self.call.facts();
        facts.freshness = Some(freshness);
        if matches!(self.shape, Shape::Page | Shape::Snapshot) || self.spec.snapshot.is_some() {
            facts.moment = Some(token);
        } else {
            facts.token = facts.token.max(Some(token));
        }
    }

    /// Whether to read again, why, and after which pause.
    fn after(&mut self, error: DbError) -> Result<(Why, u64), SystemError> {
        let time_is_up = self.call.remaining().is_zero();
        let verdict = Verdict::of(&error);
        let is_prepared = self
            .plan
            .as_ref()
            .is_some_and(|plan| !matches!(plan.step(self.at).moment, Moment::Nearest(_)));
        if verdict == Verdict::StalePlan && is_prepared && !self.replanned {
            self.replanned = true;
            return Ok((Why::StalePlan, 0));
        }
        if !time_is_up && let Some(next) = self.elsewhere(&error) {
            self.at = next;
            return Ok((Why::Moment, 0));
        }
        match verdict {
            Verdict::Conflict if !time_is_up => {
                self.call.facts().retries += 1;
                Ok((Why::Conflict, RECONNECT_PAUSE_MS))
            }
            Verdict::Lost if !time_is_up => Ok((Why::Connection, RECONNECT_PAUSE_MS)),
            Verdict::Bug if !time_is_up && self.waits_for_clock(&error) => {
                let offset_ms = self.db.max_clock_offset().as_millis();
                Ok((Why::Moment, u64::try_from(offset_ms * 2).unwrap_or(0)))
            }
            Verdict::Conflict
            | Verdict::Lost
            | Verdict::StalePlan
            | Verdict::Deadline
            | Verdict::Unique
            | Verdict::Constraint
            | Verdict::Unavailable
            | Verdict::Bug => Err(self.given_up(error)),
        }
    }

    /// The place of the next moment to try, if the error has to do with this one.
    fn elsewhere(&self, error: &DbError) -> Option<usize> {
        let plan = self.plan.as_ref()?;
        plan.next(self.at, Refusal::of(error)?)
    }

    /// On a page whose snapshot may be ahead of the clock of the node that was asked.
    fn waits_for_clock(&mut self, error: &DbError) -> bool {
        let (Some(snapshot), Some(plan)) = (self.spec.snapshot, &self.plan) else {
            return false;
        };
        let waits = Refusal::is_out_of_range(error)
            && plan.given().may_be_to_come(snapshot)
            && self.waits_for_clock < WAITS_FOR_CLOCK;
        self.waits_for_clock += u32::from(waits);
        waits
    }

    /// What is said when nothing could be shown.
    fn given_up(&self, error: DbError) -> SystemError {
        let past = self.plan.as_ref().is_some_and(Plan::allows_past);
        let walk = self.spec.snapshot.is_some() && self.db.engine() == Some(Engine::Cockroach);
        match resolved(&error) {
            Some(as_of) if past => SystemError::TooFarBehind { as_of },
            _ if walk && Refusal::ends_walk(&error) => SystemError::CursorExpired,
            // Whoever takes an older state is told that it cannot be reached, and not that it was slow.
            _ if past && Verdict::of(&error) == Verdict::Deadline => SystemError::Unavailable {
                source: Some(Box::new(error)),
            },
            _ => system_error(error),
        }
    }
}

/// Gives up a shared connection that broke, whose plans are stale, or that was silent until the reader left.
struct ForgetUnlessAnswered<'a> {
    db: &'a Db,
    shared: Option<&'a Arc<Shared>>,
}

impl ForgetUnlessAnswered<'_> {
    fn judge(mut self, error: Option<&DbError>) {
        let usable = match error.map(Verdict::of) {
            Some(Verdict::Lost | Verdict::StalePlan) => false,
            Some(
                Verdict::Conflict
                | Verdict::Deadline
                | Verdict::Unique
                | Verdict::Constraint
                | Verdict::Unavailable
                | Verdict::Bug,
            )
            | None => true,
        };
        if usable {
            self.shared = None;
        }
    }
}

impl Drop for ForgetUnlessAnswered<'_> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared {
            self.db.pools().forget(shared);
        }
    }
}

/// The timestamp of a CockroachDB transaction: `<nanoseconds>.<logical>`. It pins the transaction to it, so that more of
/// them fail with 40001: only reads ask for it, which run again.
pub(crate) const LOGICAL_TIME: &str = "SELECT cluster_logical_timestamp()::TEXT AS now";

/// Those that CockroachDB alone knows.
pub(crate) const COCKROACH_STATEMENTS: &[&str] = &[LOGICAL_TIME];

/// The first words of a read-only transaction that shows `moment`. Times go into the text as numbers of our own
/// making: CockroachDB takes no placeholder there.
pub(crate) fn begin_read(engine: Engine, moment: Moment, remaining: Duration) -> String {
    let begin = match (engine, moment) {
        (Engine::Postgres, _) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned(),
        (Engine::Cockroach, Moment::Now | Moment::Nearest(_)) => {
            "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY".to_owned()
        }
        (Engine::Cockroach, Moment::Follower(at) | Moment::Snapshot(at)) => {
            format!("BEGIN AS OF SYSTEM TIME '{}000000'", at.as_millis())
        }
    };
    format!(
        "{begin}; SET LOCAL statement_timeout = {}",
        timeout_ms(remaining)
    )
}

/// The millisecond that begins at or after the time, so that everything the transaction saw is in it.
pub(crate) fn ceil_to_ms(time: &str) -> Timestamp {
    let (nanos, logical) = time.split_once('.').unwrap_or((time, "0"));
    let nanos: i64 = nanos.parse().unwrap_or(i64::MAX);
    let is_behind = nanos % 1_000_000 > 0 || logical.bytes().any(|digit| digit != b'0');
    Timestamp::from_millis(nanos / 1_000_000 + i64::from(is_behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hard_case_12_a_walks_snapshot_covers_all_of_its_first_page() {
        assert_eq!(
            ceil_to_ms("1795000000123000001.0000000002").as_millis(),
            1_795_000_000_124
        );
        assert_eq!(
            ceil_to_ms("1795000000123000000.0000000000").as_millis(),
            1_795_000_000_123
        );
        assert_eq!(
            ceil_to_ms("1795000000123000000.0000000001").as_millis(),
            1_795_000_000_124
        );
    }

    #[test]
    fn a_past_moment_goes_into_the_text_as_a_number() {
        let at = Timestamp::from_millis(1_795_000_000_123);
        let second = Duration::from_secs(1);
        assert_eq!(
            begin_read(Engine::Cockroach, Moment::Snapshot(at), second),
            "BEGIN AS OF SYSTEM TIME '1795000000123000000'; SET LOCAL statement_timeout = 1000"
        );
        for moment in [Moment::Now, Moment::Snapshot(at)] {
            let begin = begin_read(Engine::Postgres, moment, second);
            assert!(
                begin.starts_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"),
                "{begin}"
            );
        }
    }
}
