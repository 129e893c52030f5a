//! A moment held: many reads that see one state, while what they show is sent out row by row.
//!
//! PostgreSQL holds a REPEATABLE READ transaction for it; whoever holds it must let go of it in time, since until then
//! nothing that was deleted can be cleaned up. CockroachDB reads at one past timestamp and holds nothing.

use std::time::{Duration, Instant};

use futures_util::future::join;
use kernel::{Call, Freshness, SystemError};
use tokio::time::{sleep, timeout, timeout_at};

use crate::{
    Db, DbError, Homed, ReadOver, ReadSpec, Session,
    engine::{Engine, LONGEST},
    metrics::Why,
    moment::{Given, Moment, Refusal},
    read::{Alone, LOGICAL_TIME, Shape, Work, begin_read, ceil_to_ms},
    verdict::Verdict,
    write::{RECONNECT_PAUSE_MS, pause, system_error},
};

/// The database ends a snapshot that nobody reads from for so long: longer than a reader of what was sent is waited
/// for, and short enough for a process that hangs.
const IDLE: Duration = Duration::from_secs(60);

/// A past state may take this part of what is left of the request, if there is another one.
const PATIENCE_PART: u32 = 3;

/// A state of the database, held. Dropped before [`Snapshot::close`], its connection is closed.
#[derive(Debug)]
pub struct Snapshot {
    session: Session,
}

impl Db {
    /// Holds the present state, or the past one that is fresh enough for what the caller wants: of all homes or of none.
    /// `look` reads a row of everything that is going to be read, so that a past state which cannot be read, since a table
    /// is younger for one (hard case 16), is not held.
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn hold_snapshot<H: Homed>(
        &self,
        call: &Call,
        over: &ReadOver<H>,
        look: impl AsyncFn(&Session) -> Result<(), DbError>,
    ) -> Result<Snapshot, SystemError> {
        let spec = over.whole();
        let started = Instant::now();
        let result = self.hold_patiently(call, &spec, &Alone(look)).await;
        call.facts().database += started.elapsed();
        self.metrics()
            .read(spec.operation, &result, started.elapsed());
        result
    }

    async fn hold_patiently(
        &self,
        call: &Call,
        spec: &ReadSpec,
        look: &impl Work<()>,
    ) -> Result<Snapshot, SystemError> {
        let given = timeout_at(
            call.deadline().into(),
            self.given(call, spec, Shape::Snapshot),
        )
        .await;
        let given = given
            .unwrap_or(Err(DbError::Timeout))
            .map_err(system_error)?;
        let (plan, mut at, mut replanned) = (given.plan()?, 0, false);
        loop {
            let remaining = call.remaining();
            let patience = if plan.has_more(at) {
                remaining / PATIENCE_PART
            } else {
                remaining
            };
            sleep(plan.step(at).wait).await;
            let holding = self.hold(call, spec, (given, plan.step(at).moment), look);
            let held = timeout(patience, holding).await;
            let error = match held.unwrap_or(Err(DbError::Timeout)) {
                Ok(snapshot) => return Ok(snapshot),
                Err(error) => error,
            };
            let next = Refusal::of(&error).and_then(|refusal| plan.next(at, refusal));
            let why = match next {
                _ if call.remaining().is_zero() => return Err(system_error(error)),
                Some(next) => {
                    at = next;
                    Why::Moment
                }
                None => match Verdict::of(&error) {
                    Verdict::Lost => Why::Connection,
                    Verdict::Conflict => Why::Conflict,
                    Verdict::StalePlan if !replanned => {
                        replanned = true;
                        Why::StalePlan
                    }
                    Verdict::StalePlan
                    | Verdict::Deadline
                    | Verdict::Unique
                    | Verdict::Constraint
                    | Verdict::Unavailable
                    | Verdict::Bug => return Err(system_error(error)),
                },
            };
            if next.is_none() {
                pause(RECONNECT_PAUSE_MS).await;
            }
            self.metrics().retried(spec.operation, why);
        }
    }

    async fn hold(
        &self,
        call: &Call,
        spec: &ReadSpec,
        (given, chosen): (Given, Moment),
        look: &impl Work<()>,
    ) -> Result<Snapshot, DbError> {
        let remote = chosen.is_at_home() && self.is_remote(&spec.home);
        let lease = match given.as_of(chosen) {
            Some(_) => self.pools().lease_for_past(call.deadline()).await?,
            None => self.pools().lease(call.deadline()).await?,
        };
        let session = Session::leased(lease, call, remote);
        let moment = match (given.engine, chosen) {
            (Engine::Cockroach, Moment::Now) => {
                // A node whose clock is ahead may have acknowledged a write with a time to come (hard case 12): once the
                // largest offset has passed, nothing acknowledged before lies behind this timestamp.
                let offset = self.max_clock_offset();
                let nanos: String = session.row(LOGICAL_TIME, &[]).await?.get("now")?;
                sleep(offset + Duration::from_millis(1)).await;
                Moment::Snapshot(ceil_to_ms(&nanos).plus(offset))
            }
            (_, moment) => moment,
        };
        let begin = format!(
            "{}; SET LOCAL idle_in_transaction_session_timeout = {}",
            begin_read(given.engine, moment, LONGEST),
            IDLE.as_millis()
        );
        // The first statement behind BEGIN is what fixes the state on PostgreSQL.
        let (begun, asked) = join(session.batch(&begin), self.time().ask(&session)).await;
        begun?;
        let now = asked?;
        if chosen != Moment::Now {
            look.run(&session).await?;
        }
        let (at, max_ms) = match moment {
            Moment::Now | Moment::Nearest(_) => (now, 0),
            Moment::Follower(at) => (at, given.max_ms(at)),
            Moment::Snapshot(at) => (at, 0),
        };
        let mut facts = call.facts();
        facts.token = facts.token.max(Some(given.token(at)));
        facts.freshness = Some(Freshness::Snapshot {
            as_of: at,
            max_ms,
            home: spec.home.clone(),
        });
        drop(facts);
        Ok(Snapshot { session })
    }
}

impl Snapshot {
    /// What reads from it.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Waits for a read from it, not for ever.
    ///
    /// # Errors
    /// [`SystemError`]; nothing can be read from it any more.
    pub async fn ask<T>(
        &self,
        read: impl Future<Output = Result<T, DbError>>,
    ) -> Result<T, SystemError> {
        // The database ends a statement that takes too long; this is for one that does not answer at all.
        let read = timeout(LONGEST + Duration::from_secs(1), read).await;
        read.unwrap_or(Err(DbError::Timeout)).map_err(system_error)
    }

    /// Lets go of it; the connection serves others.
    pub async fn close(mut self) {
        let ended = timeout(LONGEST, self.session.batch("COMMIT")).await;
        if matches!(ended, Ok(Ok(()))) && self.session.failure().is_none() {
            self.session.mark_clean();
        }
    }
}
