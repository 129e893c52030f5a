//! Gives back the stock of holds whose time is up, every few seconds, wherever the warehouse is served.
//!
//! Several processes may sweep at once: each level is one write under a key that names what it ends, so that the
//! second finds it done. A region's own processes sweep its holds at once, others only what is long overdue, when
//! nobody seems to be left there. Nothing depends on it but what `reserved` shows: every write takes a hold whose time
//! is up for what it is.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::StreamExt as _;
use kernel::{RegionTag, SystemError};
use platform_db::{Db, ReadSpec, Session, rounds};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use crate::{
    ops::expire_holds::expire_holds,
    storage::reservations::{self, DueHold},
};

/// Pause between two sweeps.
const EVERY: Duration = Duration::from_secs(5);
/// Holds of other regions are left to them for this long: two of their sweeps.
const OTHERS_AFTER: Duration = Duration::from_secs(10);
/// Holds looked at together; what is more comes in the next batch of the same sweep.
const BATCH: usize = 1000;
/// Levels swept at once: one pool serves requests too.
const AT_ONCE: usize = 4;

/// Ends holds whose time is up. One per process.
#[derive(Debug)]
pub struct Sweeper {
    db: Db,
    expired: Counter,
    sweeps: Family<Outcome, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// What one sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Holds that it ended.
    pub holds: usize,
    /// Regions and levels that it could not look at or change; the next sweep tries again.
    pub failures: usize,
}

impl Sweeper {
    /// A sweeper that has done nothing yet. Metrics are registered under their own names.
    #[must_use]
    pub fn new(db: Db, registry: &mut Registry) -> Self {
        let (expired, sweeps) = (Counter::default(), Family::default());
        registry.register(
            "warehouse_holds_expired",
            "Holds whose stock the sweeper of this process gave back",
            expired.clone(),
        );
        registry.register(
            "warehouse_sweeps",
            "Sweeps of this process, by outcome",
            sweeps.clone(),
        );
        Self {
            db,
            expired,
            sweeps,
        }
    }

    /// Sweeps every 5 s until `stop` ends. A write under way is finished.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let this = &self;
        rounds(EVERY, stop, |stopping| async move {
            this.sweep_unless(&stopping).await
        })
        .await;
    }

    /// Sweeps once.
    pub async fn sweep(&self) -> Swept {
        self.sweep_unless(&AtomicBool::new(false)).await
    }

    async fn sweep_unless(&self, stopping: &AtomicBool) -> Swept {
        let mut swept = Swept::default();
        let own = self.db.region().clone();
        let others = self.db.regions().iter().filter(|region| **region != own);
        let regions: Vec<RegionTag> = std::iter::once(own.clone())
            .chain(others.cloned())
            .collect();
        for region in regions {
            if stopping.load(Ordering::Relaxed) {
                break;
            }
            let patience = if region == own {
                Duration::ZERO
            } else {
                OTHERS_AFTER
            };
            if let Err(error) = self
                .sweep_region(&region, patience, stopping, &mut swept)
                .await
            {
                tracing::warn!(%region, error = %error, "sweeper.region_failed");
                swept.failures += 1;
            }
        }
        let outcome = if swept.failures == 0 {
            "done"
        } else {
            "failed"
        };
        self.sweeps.get_or_create(&Outcome { outcome }).inc();
        swept
    }

    /// Batch after batch, until one is the last or nothing of it could be ended.
    async fn sweep_region(
        &self,
        region: &RegionTag,
        patience: Duration,
        stopping: &AtomicBool,
        swept: &mut Swept,
    ) -> Result<(), SystemError> {
        loop {
            let due = self.due(region, patience).await?;
            let is_last = due.len() < BATCH;
            let levels = newest_of_each_level(due);
            let before = swept.holds;
            let mut writes = futures_util::stream::iter(levels)
                .take_while(|_| std::future::ready(!stopping.load(Ordering::Relaxed)))
                .map(|newest| expire_holds(&self.db, region, newest))
                .buffer_unordered(AT_ONCE);
            while let Some(ended) = writes.next().await {
                match ended {
                    Ok(holds) => {
                        swept.holds += holds;
                        self.expired.inc_by(holds as u64);
                    }
                    Err(error) => {
                        tracing::warn!(%region, error = %error, "sweeper.level_failed");
                        swept.failures += 1;
                    }
                }
            }
            if is_last || swept.holds == before {
                return Ok(());
            }
        }
    }

    async fn due(
        &self,
        region: &RegionTag,
        patience: Duration,
    ) -> Result<Vec<DueHold>, SystemError> {
        let call = self.db.worker_call();
        let spec = ReadSpec {
            operation: "find_due_holds",
            want: kernel::ReadWant::default(),
            home: region.clone(),
            snapshot: None,
        };
        let (region, until) = (region.clone(), call.received_at().minus(patience));
        let read = self
            .db
            .read(&call, spec, async move |session: &Session| {
                reservations::due(session, &region, until, BATCH as i64).await
            })
            .await?;
        Ok(read.value)
    }
}

/// The last hold of each level, of holds in the order in which they came due.
fn newest_of_each_level(due: Vec<DueHold>) -> Vec<DueHold> {
    let mut levels = BTreeMap::new();
    for hold in due {
        levels.insert((hold.location.clone(), hold.item.uuid()), hold);
    }
    levels.into_values().collect()
}
