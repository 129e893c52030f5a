//! Numbers events, and deletes what is past its time: the transactions of the [`Sequencer`](crate::Sequencer).
//!
//! Whoever numbers locks the region's counter row first and holds it until COMMIT, so numbering is one at a time, and
//! only then looks for events without a number. What is committed by then is seen, and what is committed later gets
//! later numbers (hard case 21). Per resource the order holds: version 6 is written by a transaction that found version
//! 5 committed, so nobody sees 6 and not 5; and its time is later, so 5 comes first among those that are seen together.
//!
//! On PostgreSQL the transaction is READ COMMITTED on purpose. Each of its statements sees what was committed before that
//! statement began; with the lock taken by the statement before, this is all that is needed. A SERIALIZABLE one would
//! take its snapshot before it waits for the lock, and lock the end of the index that every write inserts into, so that
//! sequencer and writers fail each other with 40001. For the same reason lock and look are two statements: one statement
//! has one snapshot, from before its wait.
//!
//! On CockroachDB it is SERIALIZABLE: whoever waits for the lock reads at a time behind the wait, or fails with 40001 and
//! tries again. READ COMMITTED would guard the numbers, unique per region, by a mark in every other region's partition.
//!
//! A COMMIT without an answer needs no resolving: the next round begins with what the counter row says.

use std::time::Duration;

use futures_util::future::{join3, try_join3};
use kernel::{Call, RegionTag, Timestamp};
use tokio::time::timeout_at;
use uuid::Uuid;

use crate::{
    Db, DbError, Session,
    engine::{Engine, begin_write, timeout_ms},
};

/// Rows of one transaction: some 20 ms, so that nobody waits long for the counter row.
pub(crate) const BATCH: usize = 500;

/// Events are kept for 30 days after their time (`api-and-domain` section 10).
const EVENTS_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Makes the counters of regions that have none.
const MAKE_COUNTERS: &str = "
    INSERT INTO platform.event_counters (region, seq, purged)
    SELECT r.region, 0, 0 FROM unnest($1::TEXT[]) AS r (region)
    ON CONFLICT (region) DO NOTHING";

/// The event of each region that has waited longest for its number.
const WAITING: &str = concat!(
    "SELECT r.region, e.id FROM unnest($1::TEXT[]) AS r (region)",
    first_of_each!(
        "x.id FROM platform.events AS x",
        "x.region = r.region AND x.seq IS NULL ORDER BY x.time, x.resource_version, x.id LIMIT 1",
        "x.region = r.region AND x.seq = 0 AND r.region IS NULL"
    ),
    " AS e"
);

const LOCK_COUNTER: &str =
    "SELECT seq, purged FROM platform.event_counters WHERE region = $1 FOR UPDATE";

const UNSEQUENCED: &str = "
    SELECT id FROM platform.events
    WHERE region = $1 AND seq IS NULL
    ORDER BY time, resource_version, id
    LIMIT $2";

const NUMBER: &str = "
    UPDATE platform.events AS e SET seq = n.seq
    FROM unnest($2::UUID[], $3::INT8[]) AS n (id, seq)
    WHERE e.region = $1 AND e.id = n.id AND e.seq IS NULL";

const ADVANCE: &str = "UPDATE platform.event_counters SET seq = $2 WHERE region = $1";

/// The oldest events kept.
const OLDEST: &str = "
    SELECT e.seq, e.time
    FROM platform.event_counters AS c
    JOIN platform.events AS e ON e.region = c.region AND e.seq > c.purged AND e.seq IS NOT NULL
    WHERE c.region = $1
    ORDER BY e.seq
    LIMIT $2";

const DELETE_EVENTS: &str = "
    DELETE FROM platform.events
    WHERE region = $1 AND seq > $2 AND seq <= $3 AND seq IS NOT NULL";

const PURGED: &str = "UPDATE platform.event_counters SET purged = $2 WHERE region = $1";

/// Deletes key rows whose time is up. A late repeat still finds the audit row (hard case 5).
const DELETE_KEYS: &str = "
    DELETE FROM platform.idempotency_keys AS k
    USING (
        SELECT region, id FROM platform.idempotency_keys
        WHERE region = $1 AND expire_at < $2
        ORDER BY expire_at, id
        LIMIT $3
    ) AS old
    WHERE k.region = old.region AND k.id = old.id";

/// Every statement of this module.
pub(crate) const STATEMENTS: &[&str] = &[
    MAKE_COUNTERS,
    WAITING,
    LOCK_COUNTER,
    UNSEQUENCED,
    NUMBER,
    ADVANCE,
    OLDEST,
    DELETE_EVENTS,
    PURGED,
    DELETE_KEYS,
];

/// The operation's name, for the fault switch.
#[cfg(feature = "testing")]
const OPERATION: &str = "sequence_events";

impl Db {
    /// Makes sure that every region has a counter.
    pub(crate) async fn make_counters(&self) -> Result<(), DbError> {
        let call = self.worker_call();
        let regions = self.regions().to_vec();
        let mut session = self.worker_session(&call, self.primary()).await?;
        session.warm(MAKE_COUNTERS).await?;
        let begin = self.begin_work(&call);
        let (begun, made, committed) = join3(
            session.batch(&begin),
            session.execute(MAKE_COUNTERS, &[&regions]),
            session.batch("COMMIT"),
        )
        .await;
        begun?;
        made?;
        committed?;
        session.mark_clean();
        Ok(())
    }

    /// Of each region that has events without a number, the one to be numbered first.
    pub(crate) async fn waiting_events(
        &self,
        session: &Session,
    ) -> Result<Vec<(RegionTag, Uuid)>, DbError> {
        let rows = session.rows(WAITING, &[&self.regions()]).await?;
        rows.iter()
            .map(|row| Ok((row.get("region")?, row.get("id")?)))
            .collect()
    }

    /// Numbers the next events of a region; how many, at most [`BATCH`].
    pub(crate) async fn number_events(&self, region: &RegionTag) -> Result<usize, DbError> {
        let call = self.worker_call();
        let numbered = timeout_at(call.deadline().into(), self.number_once(&call, region));
        numbered.await.unwrap_or(Err(DbError::Timeout))
    }

    async fn number_once(&self, call: &Call, region: &RegionTag) -> Result<usize, DbError> {
        let mut session = self.worker_session(call, region).await?;
        try_join3(
            session.warm(LOCK_COUNTER),
            session.warm(UNSEQUENCED),
            session.warm(NUMBER),
        )
        .await?;
        session.warm(ADVANCE).await?;
        let (batch, begin) = (BATCH as i64, self.begin_work(call));
        let (begun, counter, waiting) = join3(
            session.batch(&begin),
            session.row(LOCK_COUNTER, &[region]),
            session.rows(UNSEQUENCED, &[region, &batch]),
        )
        .await;
        begun?;
        let seq: i64 = counter?.get("seq")?;
        let mut ids: Vec<Uuid> = Vec::new();
        for row in waiting? {
            ids.push(row.get("id")?);
        }
        #[cfg(feature = "testing")]
        let lost = self.break_on_purpose()?;
        let seqs: Vec<i64> = (seq + 1..).take(ids.len()).collect();
        let last = seqs.last().copied().unwrap_or(seq);
        let (numbered, advanced, committed) = join3(
            session.execute(NUMBER, &[region, &ids, &seqs]),
            session.execute(ADVANCE, &[region, &last]),
            session.batch("COMMIT"),
        )
        .await;
        numbered?;
        advanced?;
        committed?;
        session.mark_clean();
        #[cfg(feature = "testing")]
        if lost {
            return Err(injected());
        }
        Ok(ids.len())
    }

    /// Deletes events of a region that are older than 30 days, from the oldest number on; how many.
    pub(crate) async fn purge_events(
        &self,
        region: &RegionTag,
        now: Timestamp,
    ) -> Result<usize, DbError> {
        let call = self.worker_call();
        let purged = timeout_at(call.deadline().into(), self.purge_once(&call, region, now));
        purged.await.unwrap_or(Err(DbError::Timeout))
    }

    async fn purge_once(
        &self,
        call: &Call,
        region: &RegionTag,
        now: Timestamp,
    ) -> Result<usize, DbError> {
        let mut session = self.worker_session(call, region).await?;
        // A look first: nearly always there is nothing to do, and nobody needs to wait for it.
        if last_due(&oldest(&session, region, 1).await?, now).is_none() {
            session.mark_clean();
            return Ok(0);
        }
        session.warm(LOCK_COUNTER).await?;
        session.warm(OLDEST).await?;
        let begin = self.begin_work(call);
        let (begun, counter, kept) = join3(
            session.batch(&begin),
            session.row(LOCK_COUNTER, &[region]),
            oldest(&session, region, BATCH as i64),
        )
        .await;
        begun?;
        let before: i64 = counter?.get("purged")?;
        let upto = last_due(&kept?, now).unwrap_or(before);
        session.warm(DELETE_EVENTS).await?;
        session.warm(PURGED).await?;
        let (deleted, purged, committed) = join3(
            session.execute(DELETE_EVENTS, &[region, &before, &upto]),
            session.execute(PURGED, &[region, &upto]),
            session.batch("COMMIT"),
        )
        .await;
        let deleted = deleted?;
        purged?;
        committed?;
        session.mark_clean();
        Ok(usize::try_from(deleted).unwrap_or(usize::MAX))
    }

    /// Deletes key rows of a region whose time is up; how many, at most [`BATCH`].
    pub(crate) async fn purge_keys(
        &self,
        region: &RegionTag,
        now: Timestamp,
    ) -> Result<usize, DbError> {
        let call = self.worker_call();
        let purge = async {
            let mut session = self.worker_session(&call, region).await?;
            session.warm(DELETE_KEYS).await?;
            let (batch, begin) = (BATCH as i64, self.begin_work(&call));
            let (begun, deleted, committed) = join3(
                session.batch(&begin),
                session.execute(DELETE_KEYS, &[region, &now, &batch]),
                session.batch("COMMIT"),
            )
            .await;
            begun?;
            let deleted = deleted?;
            committed?;
            session.mark_clean();
            Ok(usize::try_from(deleted).unwrap_or(usize::MAX))
        };
        timeout_at(call.deadline().into(), purge)
            .await
            .unwrap_or(Err(DbError::Timeout))
    }

    /// A connection for one transaction; it is given back only after a confirmed COMMIT.
    async fn worker_session(&self, call: &Call, home: &RegionTag) -> Result<Session, DbError> {
        let lease = self.pools().lease(call.deadline()).await?;
        Ok(Session::leased(lease, call, self.is_remote(home)))
    }

    /// The first words of the worker's transactions; see the module's head for the isolation level.
    fn begin_work(&self, call: &Call) -> String {
        match self.engine() {
            Some(Engine::Cockroach) => begin_write(call.remaining(), None),
            Some(Engine::Postgres) | None => format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL statement_timeout = {}",
                timeout_ms(call.remaining())
            ),
        }
    }

    /// The fault that strikes this numbering, if one does: before COMMIT, or (`true`) behind it.
    #[cfg(feature = "testing")]
    fn break_on_purpose(&self) -> Result<bool, DbError> {
        use crate::Fault;
        match self.faults().before_commit(OPERATION) {
            None => Ok(false),
            Some(Fault::ReplyLost | Fault::OutcomeUnknown) => Ok(true),
            Some(Fault::Serialization { .. } | Fault::BeforeCommit { .. } | Fault::CommitLost) => {
                Err(injected())
            }
        }
    }
}

#[cfg(feature = "testing")]
fn injected() -> DbError {
    DbError::Lost {
        source: std::sync::Arc::new(std::io::Error::other("injected")),
    }
}

async fn oldest(
    session: &Session,
    region: &RegionTag,
    limit: i64,
) -> Result<Vec<(i64, Timestamp)>, DbError> {
    let rows = session.rows(OLDEST, &[region, &limit]).await?;
    rows.iter()
        .map(|row| Ok((row.get("seq")?, row.get("time")?)))
        .collect()
}

/// The last number of those at the beginning whose time is up. An event behind a younger one waits for it, so that what
/// is kept has no gap.
fn last_due(kept: &[(i64, Timestamp)], now: Timestamp) -> Option<i64> {
    let until = now.minus(EVENTS_KEPT);
    let due = kept.iter().take_while(|(_, time)| *time < until);
    due.last().map(|(seq, _)| *seq)
}
