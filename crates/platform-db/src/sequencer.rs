//! Gives events their numbers, wherever the feed is served, and deletes what is past its time.
//!
//! Several processes may do so at once: the region's counter row lets one in at a time. A region's own processes number
//! its events at once, others only when one has waited for 5 s, since nobody seems to be left there (hard case 21).

use std::{
    collections::HashMap,
    future::Future,
    pin::pin,
    time::{Duration, Instant},
};

use kernel::{ReadWant, RegionTag, SystemError};
use prometheus_client::{metrics::counter::Counter, registry::Registry};
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use crate::{Db, DbError, ReadSpec, Session, numbering::BATCH, verdict::Verdict};

/// Pause between two looks: one statement over an index that is empty in calm.
const EVERY: Duration = Duration::from_millis(250);
/// Events of other regions are left to them for this long.
const OTHERS_AFTER: Duration = Duration::from_secs(5);
/// Batches of one region in a row, so that a region that is far behind does not keep the others waiting.
const BATCHES_AT_ONCE: usize = 20;
/// Pause between two looks for what is past its time.
const PURGE_EVERY: Duration = Duration::from_secs(60);
/// What is past its time in other regions is left to them for this long.
const PURGE_OTHERS_AFTER: Duration = Duration::from_secs(3600);

/// Numbers events. One per process.
#[derive(Debug)]
pub struct Sequencer {
    db: Db,
    has_counters: bool,
    /// Which event of another region has been waiting first, and since when we know.
    waiting: HashMap<RegionTag, (Uuid, Instant)>,
    purged: Option<Instant>,
    numbered: Counter,
    deleted: Counter,
    failures: Counter,
}

impl Sequencer {
    /// One that has done nothing yet. Metrics are registered under their own names.
    #[must_use]
    pub fn new(db: Db, registry: &mut Registry) -> Self {
        let counter = |registry: &mut Registry, name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        Self {
            db,
            has_counters: false,
            waiting: HashMap::new(),
            purged: None,
            numbered: counter(
                registry,
                "events_sequenced",
                "Events that this process gave their numbers",
            ),
            deleted: counter(
                registry,
                "rows_expired",
                "Events and key rows past their time that this process deleted",
            ),
            failures: counter(
                registry,
                "event_sequencing_failures",
                "Regions that this process could not look at or number; the next round tries again",
            ),
        }
    }

    /// Looks four times a second until `stop` ends. A transaction under way is finished.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => return,
                _ = ticks.tick() => {}
            }
            self.sequence().await;
            if self.purged.is_none_or(|at| at.elapsed() >= PURGE_EVERY) && !self.purge().await {
                self.purged = Some(Instant::now());
            }
        }
    }

    /// Numbers what there is to number now; how many events.
    pub async fn sequence(&mut self) -> usize {
        let due = match self.due().await {
            Ok(due) => due,
            Err(error) => {
                self.failed(None, &error);
                return 0;
            }
        };
        let mut numbered = 0;
        for region in due {
            for _ in 0..BATCHES_AT_ONCE {
                match self.db.number_events(&region).await {
                    Ok(count) => {
                        numbered += count;
                        self.numbered.inc_by(count as u64);
                        if count < BATCH {
                            break;
                        }
                    }
                    // Somebody read or wrote what it was about to: it is tried again at once.
                    Err(error) if Verdict::of(&error) == Verdict::Conflict => {}
                    Err(error) => {
                        self.failed(Some(&region), &error);
                        break;
                    }
                }
            }
        }
        numbered
    }

    /// Deletes what is past its time, a batch of each: events after 30 days, key rows after their 7. Whether there may
    /// be more.
    pub async fn purge(&self) -> bool {
        let mut more = false;
        for region in self.db.regions() {
            match self.purge_region(region).await {
                Ok(full) => more |= full,
                Err(error) => self.failed(Some(region), &error),
            }
        }
        more
    }

    async fn purge_region(&self, region: &RegionTag) -> Result<bool, DbError> {
        let patience = if region == self.db.region() {
            Duration::ZERO
        } else {
            PURGE_OTHERS_AFTER
        };
        let now = self.db.clock().now().minus(patience);
        let events = self.db.purge_events(region, now).await?;
        let keys = self.db.purge_keys(region, now).await?;
        self.deleted.inc_by((events + keys) as u64);
        Ok(events == BATCH || keys == BATCH)
    }

    /// The regions whose events this process should number now.
    async fn due(&mut self) -> Result<Vec<RegionTag>, SystemError> {
        if !self.has_counters {
            let made = self.db.make_counters().await;
            made.map_err(crate::write::system_error)?;
            self.has_counters = true;
        }
        let call = self.db.worker_call();
        let want = ReadWant::default();
        let spec = ReadSpec::reference("find_waiting_events", want, None);
        let db = self.db.clone();
        let read = self
            .db
            .read(&call, spec, async move |session: &Session| {
                db.waiting_events(session).await
            })
            .await?;
        let now = Instant::now();
        let mut waiting = HashMap::new();
        let mut due = Vec::new();
        for (region, first) in read.value {
            // Since when is told by our own clock: the times of events are other machines'.
            let since = match self.waiting.get(&region) {
                Some((known, since)) if *known == first => *since,
                Some(_) | None => now,
            };
            if region == *self.db.region() || now.duration_since(since) >= OTHERS_AFTER {
                due.push(region.clone());
            }
            waiting.insert(region, (first, since));
        }
        self.waiting = waiting;
        Ok(due)
    }

    fn failed(&self, region: Option<&RegionTag>, error: &(dyn std::error::Error + 'static)) {
        let region = region.map_or("all", RegionTag::as_str);
        tracing::warn!(region, error, "sequencer.failed");
        self.failures.inc();
    }
}
