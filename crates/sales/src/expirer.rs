//! Writes down which drafts are over, every few seconds, wherever sales are served.
//!
//! Several processes may do so at once: each order is one write under a key that names it, so that the second finds it
//! done. A region's own processes end its drafts at once, others only what is long overdue, when nobody seems to be
//! left there. Nothing depends on it but the event: every read and write takes a draft whose time is up for what it is.

use std::{
    future::Future,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::StreamExt as _;
use kernel::{ReadWant, RegionTag, SystemError, id::OrderId};
use platform_db::{Db, ReadSpec, Session, rounds};
use prometheus_client::{metrics::counter::Counter, registry::Registry};

use crate::{ops::expire_order::expire_order, storage::orders};

/// Pause between two rounds.
const EVERY: Duration = Duration::from_secs(5);
/// Drafts of other regions are left to them for this long: two of their rounds.
const OTHERS_AFTER: Duration = Duration::from_secs(10);
/// Drafts looked at together; what is more comes in the next batch of the same round.
const BATCH: usize = 1000;
/// Orders ended at once: one pool serves requests too.
const AT_ONCE: usize = 4;

/// Ends drafts whose time is up. One per process.
#[derive(Debug)]
pub struct Expirer {
    db: Db,
    expired: Counter,
}

/// What one round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ended {
    /// Drafts that it ended.
    pub drafts: usize,
    /// Regions and orders that it could not look at or change; the next round tries again.
    pub failures: usize,
}

impl Expirer {
    /// One that has done nothing yet. Metrics are registered under their own names.
    #[must_use]
    pub fn new(db: Db, registry: &mut Registry) -> Self {
        let expired = Counter::default();
        registry.register(
            "sales_drafts_expired",
            "Drafts that this process wrote down as expired",
            expired.clone(),
        );
        Self { db, expired }
    }

    /// A round every 5 s until `stop` ends. A write under way is finished.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let this = &self;
        rounds(EVERY, stop, |stopping| async move {
            this.round_unless(&stopping).await
        })
        .await;
    }

    /// One round.
    pub async fn round(&self) -> Ended {
        self.round_unless(&AtomicBool::new(false)).await
    }

    async fn round_unless(&self, stopping: &AtomicBool) -> Ended {
        let mut ended = Ended::default();
        let own = self.db.region();
        let others = self.db.regions().iter().filter(|region| *region != own);
        let others = others.map(|region| (region, OTHERS_AFTER));
        for (region, patience) in std::iter::once((own, Duration::ZERO)).chain(others) {
            if stopping.load(Ordering::Relaxed) {
                break;
            }
            let result = self.end_in(region, patience, stopping, &mut ended).await;
            if let Err(error) = result {
                tracing::warn!(%region, error = %error, "expirer.region_failed");
                ended.failures += 1;
            }
        }
        ended
    }

    /// Batch after batch, until one is the last or nothing of it could be ended.
    async fn end_in(
        &self,
        region: &RegionTag,
        patience: Duration,
        stopping: &AtomicBool,
        ended: &mut Ended,
    ) -> Result<(), SystemError> {
        loop {
            let due = self.due(region, patience).await?;
            let is_last = due.len() < BATCH;
            let before = ended.drafts;
            let mut writes = futures_util::stream::iter(due)
                .take_while(|_| std::future::ready(!stopping.load(Ordering::Relaxed)))
                .map(|id| expire_order(&self.db, region, id))
                .buffer_unordered(AT_ONCE);
            while let Some(written) = writes.next().await {
                match written {
                    Ok(is_mine) => {
                        ended.drafts += usize::from(is_mine);
                        self.expired.inc_by(u64::from(is_mine));
                    }
                    Err(error) => {
                        tracing::warn!(%region, error = %error, "expirer.order_failed");
                        ended.failures += 1;
                    }
                }
            }
            if is_last || ended.drafts == before {
                return Ok(());
            }
        }
    }

    async fn due(
        &self,
        region: &RegionTag,
        patience: Duration,
    ) -> Result<Vec<OrderId>, SystemError> {
        let call = self.db.worker_call();
        let spec = ReadSpec {
            operation: "find_due_drafts",
            want: ReadWant::default(),
            home: region.clone(),
            snapshot: None,
        };
        let (region, until) = (region.clone(), call.received_at().minus(patience));
        let read = self
            .db
            .read(&call, spec, async move |session: &Session| {
                orders::due(session, &region, until, BATCH as i64).await
            })
            .await?;
        Ok(read.value)
    }
}
