//! The read path.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::{join, join3};
use kernel::{Call, Freshness, Read, ReadWant, RegionTag, SystemError, Timestamp, Token};
use tokio::time::timeout_at;

use crate::{
    Db, DbError, Session,
    engine::{Engine, timeout_ms},
    metrics::Why,
    moment::{Given, Moment},
    pool::Shared,
    read_over::SEVERAL_OFFICES,
    verdict::Verdict,
    write::{RECONNECT_PAUSE_MS, pause, system_error},
};

/// What a read is and how fresh it must be.
#[derive(Debug, Clone)]
pub struct ReadSpec {
    /// The operation, named as in the OpenAPI document.
    pub operation: &'static str,
    /// What the caller wants.
    pub want: ReadWant,
    /// Home region of the data; `g` for data that lives everywhere.
    pub home: RegionTag,
    /// The moment that a walk shows, for every page but its first.
    pub snapshot: Option<Timestamp>,
}

impl ReadSpec {
    /// A read of reference data, which every region has: no home, no trip to another region.
    #[must_use]
    pub fn reference(operation: &'static str, want: ReadWant, snapshot: Option<Timestamp>) -> Self {
        Self {
            operation,
            want,
            home: RegionTag::global(),
            snapshot,
        }
    }

    /// A read over whatever offices there are.
    #[must_use]
    pub fn several(operation: &'static str, mut want: ReadWant) -> Self {
        want.mode.get_or_insert(SEVERAL_OFFICES);
        Self::reference(operation, want, None)
    }
}

/// How the statements of a read hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Each on its own.
    Single,
    /// A walk's page.
    Page,
    /// All from one moment.
    Snapshot,
}

/// What a read does with its connection. A trait, since a closure that holds another one by reference makes futures
/// that are not `Send` for every lifetime, which handlers need.
pub(crate) trait Work<T> {
    async fn run(&self, session: &Session) -> Result<T, DbError>;
}

/// The work of a read over nothing in particular.
struct Alone<W>(W);

impl<T, W: AsyncFn(&Session) -> Result<T, DbError>> Work<T> for Alone<W> {
    async fn run(&self, session: &Session) -> Result<T, DbError> {
        (self.0)(session).await
    }
}

/// A past read that the schema was too young for falls back to a strong one (hard case 16): undefined table, database,
/// schema, column. So does one that no replica could serve: bounded staleness not satisfiable, not homed here.
const OUT_OF_REACH: [&str; 7] = [
    "42P01", "3D000", "3F000", "42703", "XCUBS", "XCHR1", "XCHR2",
];

impl Db {
    /// Runs single-statement reads on a connection that many requests share. `work` may run again when the
    /// connection broke.
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn read<T>(
        &self,
        call: &Call,
        spec: ReadSpec,
        work: impl AsyncFn(&Session) -> Result<T, DbError>,
    ) -> Result<Read<T>, SystemError> {
        self.read_shaped(call, spec, Shape::Single, &Alone(work))
            .await
    }

    /// As [`Db::read`], for a page of a list: with its first page the moment is fixed that all pages show. The
    /// same as `read` on PostgreSQL; on CockroachDB the first page reads its transaction's timestamp (hard case 12).
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn read_page<T>(
        &self,
        call: &Call,
        spec: ReadSpec,
        work: impl AsyncFn(&Session) -> Result<T, DbError>,
    ) -> Result<Read<T>, SystemError> {
        self.read_shaped(call, spec, Shape::Page, &Alone(work))
            .await
    }

    /// Runs several reads that see one moment, in a read-only transaction of their own.
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn read_snapshot<T>(
        &self,
        call: &Call,
        spec: ReadSpec,
        work: impl AsyncFn(&Session) -> Result<T, DbError>,
    ) -> Result<Read<T>, SystemError> {
        self.read_shaped(call, spec, Shape::Snapshot, &Alone(work))
            .await
    }

    /// What the choice of the moment depends on; connects if nothing has connected yet.
    pub(crate) async fn given(&self, call: &Call, spec: &ReadSpec) -> Result<Given, DbError> {
        if self.engine().is_none() {
            self.pools()
                .shared(self.next_turn(), call.deadline())
                .await?;
        }
        Ok(Given {
            engine: self.engine().unwrap_or(Engine::Postgres), // told by every connection
            want: spec.want,
            snapshot: spec.snapshot,
            received_at: call.received_at(),
            max_clock_offset: self.max_clock_offset(),
        })
    }

    pub(crate) async fn read_shaped<T>(
        &self,
        call: &Call,
        spec: ReadSpec,
        shape: Shape,
        work: &impl Work<T>,
    ) -> Result<Read<T>, SystemError> {
        let started = Instant::now();
        let mut reading = Reading {
            db: self,
            call,
            spec: &spec,
            shape,
            force_strong: false,
            replanned: false,
        };
        let result = loop {
            let read = timeout_at(call.deadline().into(), reading.once(work)).await;
            match read.unwrap_or(Err(ReadError::Db(DbError::Timeout))) {
                Ok(read) => break Ok(read),
                Err(ReadError::Refused(error)) => break Err(error),
                Err(ReadError::Db(error)) => match reading.after(error) {
                    Ok((why, pause_ms_max)) => {
                        self.metrics().retried(spec.operation, why);
                        pause(pause_ms_max).await;
                    }
                    Err(error) => break Err(error),
                },
            }
        };
        call.facts().database += started.elapsed();
        self.metrics()
            .read(spec.operation, &result, started.elapsed());
        result
    }
}

/// One read on its way.
struct Reading<'a> {
    db: &'a Db,
    call: &'a Call,
    spec: &'a ReadSpec,
    shape: Shape,
    /// The past turned out to be out of reach.
    force_strong: bool,
    replanned: bool,
}

/// Why a read did not answer.
pub(crate) enum ReadError {
    Refused(SystemError),
    Db(DbError),
}

impl From<DbError> for ReadError {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl Reading<'_> {
    async fn once<T, W>(&self, work: &W) -> Result<Read<T>, ReadError>
    where
        W: Work<T>,
    {
        let given = self.db.given(self.call, self.spec).await?;
        let moment = match given.moment().map_err(ReadError::Refused)? {
            Moment::Follower(_) if self.force_strong => Moment::Now,
            moment @ (Moment::Now | Moment::Follower(_) | Moment::Snapshot(_)) => moment,
        };
        let alone = match given.engine {
            Engine::Postgres => self.shape != Shape::Snapshot,
            Engine::Cockroach => self.shape == Shape::Single && moment == Moment::Now,
        };
        let read = if alone {
            self.alone(work).await?
        } else {
            self.together(&given, moment, work).await?
        };
        self.tell(&given, moment, read.at);
        Ok(read)
    }

    /// On a shared connection: each statement is a transaction of its own.
    async fn alone<T, W>(&self, work: &W) -> Result<Read<T>, DbError>
    where
        W: Work<T>,
    {
        let shared = self
            .db
            .pools()
            .shared(self.db.next_turn(), self.call.deadline())
            .await?;
        let watch = ForgetUnlessAnswered {
            db: self.db,
            shared: Some(&shared),
        };
        let remote = self.db.is_remote(&self.spec.home);
        let session = Session::shared(Arc::clone(&shared), self.call, remote);
        let begins_walk = self.shape == Shape::Page && self.spec.snapshot.is_none();
        let (value, asked) = if self.db.time().now().is_some() && !begins_walk {
            (work.run(&session).await, None)
        } else {
            // The sample is carried to the end of the work, wherever it was taken in between.
            let (value, asked) = join(work.run(&session), self.db.time().ask(&session)).await;
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
        work: &W,
    ) -> Result<Read<T>, DbError>
    where
        W: Work<T>,
    {
        let lease = self.db.pools().lease(self.call.deadline()).await?;
        let remote = self.db.is_remote(&self.spec.home);
        let mut session = Session::leased(lease, self.call, remote);
        let begin = begin_read(given.engine, moment, self.call.remaining());
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

    /// The time that a transaction shows.
    async fn clock(
        &self,
        session: &Session,
        engine: Engine,
        moment: Moment,
    ) -> Result<Timestamp, DbError> {
        match (engine, moment) {
            (Engine::Cockroach, Moment::Follower(at) | Moment::Snapshot(at)) => Ok(at),
            (Engine::Cockroach, Moment::Now) => {
                let nanos: String = session.row(LOGICAL_TIME, &[]).await?.get("now")?;
                Ok(ceil_to_ms(&nanos))
            }
            (Engine::Postgres, _) => self.db.time().ask(session).await,
        }
    }

    /// Writes into the facts how fresh the answer is.
    fn tell(&self, given: &Given, moment: Moment, at: Timestamp) {
        let home = self.spec.home.clone();
        let (freshness, token) = match moment {
            Moment::Now => return self.db.answer_strong(self.call, &home, at),
            Moment::Follower(as_of) => (
                Freshness::Follower {
                    as_of,
                    max_ms: given.max_ms(as_of),
                    home,
                },
                as_of,
            ),
            Moment::Snapshot(as_of) => (
                Freshness::Snapshot {
                    as_of,
                    max_ms: given.max_ms(as_of),
                    home,
                },
                as_of,
            ),
        };
        let mut facts = self.call.facts();
        facts.freshness = Some(freshness);
        facts.token = facts.token.max(Some(Token::at(token)));
    }

    /// Whether to read again, why, and after which pause.
    fn after(&mut self, error: DbError) -> Result<(Why, u64), SystemError> {
        let time_is_up = self.call.remaining().is_zero();
        let out_of_reach = error
            .code()
            .is_some_and(|code| OUT_OF_REACH.contains(&code));
        if out_of_reach && self.db.engine() == Some(Engine::Cockroach) {
            if self.spec.snapshot.is_some() {
                return Err(SystemError::CursorExpired);
            }
            if self.spec.want.mode.is_some() && !self.force_strong {
                self.force_strong = true;
                return Ok((Why::StalePlan, 0));
            }
        }
        match Verdict::of(&error) {
            Verdict::Conflict if !time_is_up => {
                self.call.facts().retries += 1;
                Ok((Why::Conflict, RECONNECT_PAUSE_MS))
            }
            Verdict::Lost if !time_is_up => Ok((Why::Connection, RECONNECT_PAUSE_MS)),
            Verdict::StalePlan if !self.replanned => {
                self.replanned = true;
                Ok((Why::StalePlan, 0))
            }
            Verdict::Conflict
            | Verdict::Lost
            | Verdict::StalePlan
            | Verdict::Deadline
            | Verdict::Unique
            | Verdict::Constraint
            | Verdict::Unavailable
            | Verdict::Bug => Err(system_error(error)),
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

/// The timestamp of a CockroachDB transaction: `<nanoseconds>.<logical>`.
pub(crate) const LOGICAL_TIME: &str = "SELECT cluster_logical_timestamp()::TEXT AS now";

/// The first words of a read-only transaction that shows `moment`. Times go into the text as numbers of our own
/// making: CockroachDB takes no placeholder there.
pub(crate) fn begin_read(engine: Engine, moment: Moment, remaining: Duration) -> String {
    let begin = match (engine, moment) {
        (Engine::Postgres, _) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned(),
        (Engine::Cockroach, Moment::Now) => {
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
pub(crate) fn ceil_to_ms(nanos: &str) -> Timestamp {
    let whole = nanos.split('.').next().unwrap_or_default();
    let nanos: i64 = whole.parse().unwrap_or(i64::MAX);
    Timestamp::from_millis(nanos / 1_000_000 + i64::from(nanos % 1_000_000 > 0))
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
            ceil_to_ms("1795000000123000000").as_millis(),
            1_795_000_000_123
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
