//! The write path: one transaction, run until its end is known.
//!
//! ```text
//! trip 1   SET timeout, advisory locks   (PostgreSQL, writes that name hot rows)
//!          read the key row              (alone, before BEGIN: see below)
//!          BEGIN, the closure's first statements
//! trip 2…  the closure's other statements
//! last     audit + events + key row, COMMIT, time of the commit, unlock
//! ```
//! Each line is pipelined. The key row is read outside the transaction: inside, under SERIALIZABLE, it would put
//! a predicate lock on an index page that every other write inserts into, so that unrelated writes fail each
//! other. Nothing is lost by it: the key row's primary key lets one attempt commit, and every refusal and every
//! broken constraint is judged only after the key row was read again behind ROLLBACK (hard case 4).

mod attempt;
mod commit;
mod course;
mod rows;

pub(crate) use attempt::STATEMENTS;
pub use rows::{OpenRows, RowWrite, RowsDone};

use std::time::{Duration, Instant};

use futures_util::future::join;
use kernel::{Intent, OpError, Reply, SystemError};

use crate::{
    Db, DbError, Refusal, TxError, Txn,
    keys::{self, KeyRow},
    session::Session,
    verdict::Verdict,
    write::{
        attempt::{Attempt, End},
        course::{Course, Next},
    },
};

/// How long after COMMIT was sent its end may be looked for (`api-and-domain` section 4.1).
const RESOLVE_WITHIN: Duration = Duration::from_secs(5);

impl Db {
    /// Runs a write exactly once: replays its answer if its key is known, else runs `work` in a serializable
    /// transaction until that is committed or refused, and stores the answer with the effect.
    ///
    /// `work` may run several times and in vain: nothing in it may have an effect outside the transaction. Its
    /// result is ignored when the key is known. `intent.hot` names rows that many writers want at once.
    ///
    /// # Errors
    /// [`OpError`]; only [`SystemError::OutcomeUnknown`] and a [`SystemError::Bug`] that says so may have
    /// written something.
    pub async fn write<E: Refusal, W>(&self, intent: Intent, work: W) -> Result<Reply, OpError<E>>
    where
        W: AsyncFn(&Txn<'_>) -> Result<Reply, TxError<E>>,
    {
        let started = Instant::now();
        let mut course = Course::new(&intent, self.clock());
        let mut committed;
        let result = loop {
            let looks_up = course.begins();
            let end = match self.lease_for(&intent).await {
                // On the heap: what an order's step keeps between its statements is more than a thread's stack should be
                // asked for.
                Ok(session) => {
                    let attempt = Attempt::new(self, &intent, looks_up);
                    Box::pin(attempt.run(session, &work)).await
                }
                Err(error) => End::Failed(error),
            };
            committed = matches!(end, End::Committed(_));
            let next = match course.after(end) {
                Next::Resolve(error) => course.resolved(self.resolve(&intent).await, error),
                next @ (Next::Answer(_) | Next::Again { .. }) => next,
            };
            match next {
                Next::Answer(result) => break result,
                Next::Again { why, pause_ms_max } => {
                    self.metrics().retried(intent.operation, why);
                    pause(pause_ms_max).await;
                }
                Next::Resolve(error) => break Err(course.unknown(error).into()),
            }
        };
        // A replay, a refusal and an outcome found out or not known speak of a state that caches here may not have
        // seen, whoever wrote it: whoever reads behind the answer is to see it.
        let is_global = intent.office.is_none() && intent.home == *self.primary();
        if is_global && !committed && !intent.dry_run {
            self.generations().anything_happened();
        }
        self.metrics().wrote(&intent, &result, started.elapsed());
        result
    }

    async fn lease_for(&self, intent: &Intent) -> Result<Session, DbError> {
        let lease = self.pools().lease(intent.call.deadline()).await?;
        Ok(Session::leased(
            lease,
            &intent.call,
            self.is_remote(&intent.home),
        ))
    }

    /// Reads the key row on a fresh connection, until one answers or 5 s have passed.
    async fn resolve(&self, intent: &Intent) -> Result<Option<KeyRow>, DbError> {
        let until = (Instant::now() + RESOLVE_WITHIN).min(intent.call.deadline() + RESOLVE_WITHIN);
        let id = keys::write_id(&intent.principal, &intent.key);
        loop {
            let error = match self.find_alone(intent, id, until).await {
                Ok(found) => return Ok(found),
                Err(error) => error,
            };
            if Instant::now() >= until || Verdict::of(&error) == Verdict::Bug {
                return Err(error);
            }
            pause(RECONNECT_PAUSE_MS).await;
        }
    }

    async fn find_alone(
        &self,
        intent: &Intent,
        id: uuid::Uuid,
        until: Instant,
    ) -> Result<Option<KeyRow>, DbError> {
        #[cfg(feature = "testing")]
        self.faults().before_resolve(intent.operation)?;
        let lease = self.pools().lease(until).await?;
        let mut session = Session::leased(lease, &intent.call, self.is_remote(&intent.home));
        let look = async {
            join(
                keys::find(&session, &intent.home, id),
                self.time().ask(&session),
            )
            .await
        };
        let (found, at) = tokio::time::timeout_at(until.into(), look)
            .await
            .map_err(|_| DbError::Timeout)?;
        let found = found?;
        self.answer_strong(&intent.call, &intent.home, at?);
        session.mark_clean(); // no transaction was opened
        Ok(found)
    }
}

/// A lost node is looked for again after this long at most: a restart takes seconds, a storm helps nobody.
pub(crate) const RECONNECT_PAUSE_MS: u64 = 200;

/// Full jitter: anything from nothing to the bound, so that writers who met do not meet again.
pub(crate) async fn pause(ms_max: u64) {
    if ms_max > 0 {
        let ms = rand::random_range(0..=ms_max); // drawn before the await: the generator is not Send
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

/// What [`SystemError`] a failure is that certainly wrote nothing.
pub(crate) fn system_error(error: DbError) -> SystemError {
    match Verdict::of(&error) {
        Verdict::Conflict => SystemError::Contended,
        Verdict::Deadline => SystemError::DeadlineExceeded,
        Verdict::Lost | Verdict::Unavailable => SystemError::Unavailable {
            source: Some(Box::new(error)),
        },
        Verdict::Unique | Verdict::Constraint | Verdict::StalePlan | Verdict::Bug => {
            SystemError::Bug {
                effect_unknown: false,
                source: Box::new(error),
            }
        }
    }
}
