//! One attempt of a write, from the first statement to a confirmed end.

use std::time::{Duration, Instant};

use futures_util::future::{join, join3, join4, try_join};
use kernel::{Common, Intent, Reply};
use tokio::time::timeout_at;
use uuid::Uuid;

use crate::{
    Db, DbError, Refusal, TxError, Txn,
    engine::{Engine, LONGEST, begin_write, set_timeout},
    keys::{self, KeyRow},
    session::Session,
    txn::Notes,
    verdict::Verdict,
};

/// Waits for the advisory locks of a write's hot rows, in the order given. PostgreSQL only (hard case 7).
pub(crate) const LOCK: &str =
    "SELECT count(pg_advisory_lock(k))::INT8 AS locked FROM unnest($1::INT8[]) AS k";

/// Lets go of every advisory lock of the session. PostgreSQL only.
const UNLOCK: &str = "SELECT pg_advisory_unlock_all()";

/// Every statement of this module.
pub(crate) const STATEMENTS: &[&str] = &[LOCK, UNLOCK];

/// A ROLLBACK is waited for this long, even after the deadline: the connection is worth it.
const ROLLBACK_WAIT: Duration = Duration::from_secs(1);

/// How one attempt ended.
#[derive(Debug)]
pub(super) enum End<E> {
    /// It is committed.
    Committed(Reply),
    /// It was a rehearsal, rolled back.
    Rehearsed(Reply),
    /// The key row is there; nothing was written now.
    Known(KeyRow),
    /// The key row is gone but the audit row is there: done long ago.
    DoneLongAgo { location: Option<String> },
    /// The closure refused, and neither key row nor audit row says otherwise.
    Refused(TxRefusal<E>),
    /// A statement, or COMMIT, failed; certainly nothing was written.
    Failed(DbError),
    /// COMMIT was sent and not answered, or not clearly.
    Unknown(DbError),
}

/// A closure's no.
#[derive(Debug)]
pub(super) enum TxRefusal<E> {
    Own(E),
    Common(Common),
}

/// What ends an attempt before its closure did.
enum Opening {
    Known(KeyRow),
    Failed(DbError),
}

/// One attempt.
pub(super) struct Attempt<'a> {
    pub(super) db: &'a Db,
    pub(super) intent: &'a Intent,
    pub(super) id: Uuid,
    looks_up: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(db: &'a Db, intent: &'a Intent, looks_up: bool) -> Self {
        let id = keys::write_id(&intent.principal, &intent.key);
        Self {
            db,
            intent,
            id,
            looks_up,
        }
    }

    /// Runs the attempt to its end. The connection is given back only when that was confirmed.
    pub(super) async fn run<E, W>(&self, mut session: Session, work: &W) -> End<E>
    where
        E: Refusal,
        W: AsyncFn(&Txn<'_>) -> Result<Reply, TxError<E>>,
    {
        let started = Instant::now();
        let (worked, notes) = {
            let txn = Txn::new(&session, self.intent);
            let worked =
                timeout_at(self.intent.call.deadline().into(), self.work(&txn, work)).await;
            (worked, txn.into_notes())
        };
        self.intent.call.facts().database += started.elapsed();
        let closure = match worked {
            Err(_) => return End::Failed(DbError::Timeout),
            Ok(Err(Opening::Failed(error))) => return self.rolled_back(session, error).await,
            Ok(Err(Opening::Known(row))) => {
                self.roll_back_and_show(&mut session).await;
                return End::Known(row);
            }
            Ok(Ok(closure)) => closure,
        };
        // The first failure in wire order is the cause; what the closure made of it is not (hard case 9).
        if let Some(error) = session.failure() {
            return self.rolled_back(session, error).await;
        }
        match closure {
            Ok(reply) if self.intent.dry_run => {
                self.roll_back_and_show(&mut session).await;
                End::Rehearsed(reply)
            }
            Ok(reply) => self.finish(session, &notes, reply).await,
            Err(TxError::Refused(refusal)) => self.refused(session, TxRefusal::Own(refusal)).await,
            Err(TxError::Common(common)) => self.refused(session, TxRefusal::Common(common)).await,
            Err(TxError::Db(error)) => self.rolled_back(session, error).await,
        }
    }

    /// The opening statements and the closure, sent together.
    async fn work<E, W>(
        &self,
        txn: &Txn<'_>,
        work: &W,
    ) -> Result<Result<Reply, TxError<E>>, Opening>
    where
        E: Refusal,
        W: AsyncFn(&Txn<'_>) -> Result<Reply, TxError<E>>,
    {
        let locks = self.locks();
        // Prepared first, so that the first poll of `open` sends everything down to BEGIN, and what the closure
        // sends comes behind it.
        for (wanted, statement) in [(!locks.is_empty(), LOCK), (self.looks_up, keys::FIND)] {
            if wanted {
                txn.warm(statement).await.map_err(Opening::Failed)?;
            }
        }
        let open = self.open(txn, &locks);
        let closure = async { Ok(work(txn).await) };
        let ((), closure) = try_join(open, closure).await?;
        Ok(closure)
    }

    async fn open(&self, session: &Session, locks: &[i64]) -> Result<(), Opening> {
        let remaining = self.intent.call.remaining();
        let wait = async {
            if locks.is_empty() {
                return Ok(());
            }
            let bound = set_timeout(remaining);
            let (bounded, locked) =
                join(session.batch(&bound), session.rows(LOCK, &[&locks])).await;
            bounded.and(locked.map(drop))
        };
        let look_up = async {
            if self.looks_up {
                keys::find(session, &self.intent.home, self.id).await
            } else {
                Ok(None)
            }
        };
        let begin = begin_write(remaining, self.intent.call.traceparent());
        let (waited, found, begun) = join3(wait, look_up, session.batch(&begin)).await;
        waited.and(begun).map_err(Opening::Failed)?;
        match found {
            Ok(None) => Ok(()),
            Ok(Some(row)) => Err(Opening::Known(row)),
            Err(error) => Err(Opening::Failed(error)),
        }
    }

    /// Advisory lock numbers of the hot rows, sorted so that no two writers wait for each other.
    fn locks(&self) -> Vec<i64> {
        if self.intent.hot.is_empty() || self.db.engine() != Some(Engine::Postgres) {
            return Vec::new();
        }
        let mut locks: Vec<i64> = self
            .intent
            .hot
            .iter()
            .map(|name| lock_number(name))
            .collect();
        locks.sort_unstable();
        locks.dedup();
        locks
    }

    /// A refusal: final, unless the write turns out to be done already.
    async fn refused<E>(&self, mut session: Session, refusal: TxRefusal<E>) -> End<E> {
        match self.roll_back_and_look(&mut session).await {
            Ok(None) => End::Refused(refusal),
            Ok(Some(end)) => end,
            Err(error) => End::Failed(error),
        }
    }

    /// A failed statement: rolled back; a broken constraint is looked into.
    pub(super) async fn rolled_back<E>(&self, mut session: Session, error: DbError) -> End<E> {
        match Verdict::of(&error) {
            Verdict::Unique | Verdict::Constraint => {
                match self.roll_back_and_look(&mut session).await {
                    Ok(None) => End::Failed(error),
                    Ok(Some(end)) => end,
                    Err(lost) => End::Failed(lost),
                }
            }
            Verdict::Conflict | Verdict::Deadline | Verdict::Unavailable | Verdict::Bug => {
                self.roll_back(&mut session).await;
                End::Failed(error)
            }
            // The connection is not worth a ROLLBACK: it is discarded.
            Verdict::Lost | Verdict::StalePlan => End::Failed(error),
        }
    }

    /// ROLLBACK with the time and the unlock behind it; whether that was confirmed. A connection that does not is
    /// discarded.
    pub(super) async fn roll_back(&self, session: &mut Session) -> bool {
        let rolled_back = async { join(session.batch("ROLLBACK"), self.settle(session)).await };
        let ended = timeout_at(self.rollback_until(), rolled_back).await;
        let settled = matches!(ended, Ok((Ok(()), Ok(()))));
        if settled {
            session.mark_clean();
        }
        settled
    }

    /// ROLLBACK behind something that the answer shows.
    async fn roll_back_and_show(&self, session: &mut Session) {
        if !self.roll_back(session).await {
            self.shows_now();
        }
    }

    /// What the answer shows was read before now, where nobody said what time it was behind it.
    fn shows_now(&self) {
        let now = self.db.time_bound();
        self.db
            .answer_strong(&self.intent.call, &self.intent.home, now);
    }

    /// ROLLBACK, and behind it, in transactions of their own, the key row and the audit row: a twin may have
    /// committed since this attempt looked (hard cases 4 and 5).
    async fn roll_back_and_look<E>(
        &self,
        session: &mut Session,
    ) -> Result<Option<End<E>>, DbError> {
        if self.intent.dry_run {
            self.roll_back_and_show(session).await;
            return Ok(None);
        }
        let home = &self.intent.home;
        let look = async {
            join4(
                session.batch("ROLLBACK"),
                keys::find(session, home, self.id),
                keys::find_audit(session, home, self.id),
                self.settle(session),
            )
            .await
        };
        let (rolled_back, key, audit, settled) = timeout_at(self.rollback_until(), look)
            .await
            .map_err(|_| DbError::Timeout)?;
        if rolled_back.is_ok() && settled.is_ok() {
            session.mark_clean();
        }
        rolled_back?;
        if settled.is_err() {
            self.shows_now();
        }
        Ok(match (key?, audit?) {
            (Some(row), _) => Some(End::Known(row)),
            (None, Some(location)) => Some(End::DoneLongAgo { location }),
            (None, None) => None,
        })
    }

    /// Reads the time, for the token of the answer, and lets go of the advisory locks.
    async fn settle(&self, session: &Session) -> Result<(), DbError> {
        let (time, unlocked) = join(self.db.time().ask(session), self.unlock(session)).await;
        self.db
            .answer_strong(&self.intent.call, &self.intent.home, time?);
        unlocked
    }

    /// Lets go of the advisory locks, so that the next writer of the hot rows goes on, and of the bound that waiting for
    /// them had: the connection's next user has a time of its own.
    pub(super) async fn unlock(&self, session: &Session) -> Result<(), DbError> {
        if self.locks().is_empty() {
            Ok(())
        } else {
            let unbound = set_timeout(LONGEST);
            session.batch(&format!("{UNLOCK}; {unbound}")).await
        }
    }

    fn rollback_until(&self) -> tokio::time::Instant {
        (Instant::now() + ROLLBACK_WAIT)
            .max(self.intent.call.deadline())
            .into()
    }

    async fn finish<E>(&self, session: Session, notes: &Notes, reply: Reply) -> End<E> {
        if Instant::now() >= self.intent.call.deadline() {
            return self.rolled_back(session, DbError::Timeout).await;
        }
        self.commit(session, notes, reply).await
    }
}

/// 63 bits of SHA-256 of the name, so that every process of every region waits at the same number.
fn lock_number(name: &str) -> i64 {
    let bits = kernel::id::derive_bits(&[b"hot", name.as_bytes()])
        .as_u64_pair()
        .0;
    i64::try_from(bits >> 1).unwrap_or(i64::MAX) // 63 bits always fit
}
