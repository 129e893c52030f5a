//! Which regions answer: asked when a read over several of them did not end well.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::{join, join_all};
use kernel::RegionTag;
use tokio::{sync::Mutex, time::timeout};

use crate::{DbError, pool::Pools, verdict::Verdict};

/// A region that does not give a row within this time is silent.
const ANSWER_WAIT: Duration = Duration::from_secs(1);
/// The same bound for the server, so that nothing is left running there.
const BOUND: &str = "SET statement_timeout = '1s'";

/// Any row that lives in the region: every write leaves one.
const ASK: &str = "SELECT id FROM platform.audit_log WHERE region = $1 LIMIT 1";

/// Every statement of this module.
pub(crate) const STATEMENTS: &[&str] = &[ASK];

/// What is known of each region.
#[derive(Debug)]
pub(crate) struct Watch(BTreeMap<RegionTag, Watched>);

#[derive(Debug, Default)]
struct Watched {
    /// Held while asking, so that many readers ask once.
    last: Mutex<Option<Asked>>,
    /// It was silent when it was last asked.
    suspect: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
struct Asked {
    ended: Instant,
    silent: bool,
}

impl Watch {
    pub(crate) fn new(regions: &[RegionTag]) -> Self {
        let regions = regions.iter().cloned();
        Self(regions.map(|r| (r, Watched::default())).collect())
    }

    /// Whether one of them was silent when it was last asked.
    pub(crate) fn suspects(&self, regions: &BTreeSet<RegionTag>) -> bool {
        let watched = regions.iter().filter_map(|region| self.0.get(region));
        watched
            .into_iter()
            .any(|w| w.suspect.load(Ordering::Relaxed))
    }

    /// Those that do not answer. What was found out after `since` is not asked again.
    pub(crate) async fn silent(
        &self,
        pools: &Pools,
        regions: &BTreeSet<RegionTag>,
        since: Instant,
    ) -> BTreeSet<RegionTag> {
        let asking = regions.iter().filter_map(|region| {
            let watched = self.0.get(region)?;
            Some(async move { (region, watched.is_silent(pools, region, since).await) })
        });
        let asked = join_all(asking).await.into_iter();
        asked
            .filter(|(_, silent)| *silent)
            .map(|(region, _)| region.clone())
            .collect()
    }
}

impl Watched {
    async fn is_silent(&self, pools: &Pools, region: &RegionTag, since: Instant) -> bool {
        let mut last = self.last.lock().await;
        if let Some(asked) = last.filter(|asked| asked.ended >= since) {
            return asked.silent;
        }
        let silent = is_silent(pools, region).await;
        *last = Some(Asked {
            ended: Instant::now(),
            silent,
        });
        self.suspect.store(silent, Ordering::Relaxed);
        silent
    }
}

/// Asks, on a connection of its own. One that cannot be had, or breaks, says nothing of the region.
async fn is_silent(pools: &Pools, region: &RegionTag) -> bool {
    let connecting = pools.single(Instant::now() + ANSWER_WAIT);
    let Ok(Ok(client)) = timeout(ANSWER_WAIT, connecting).await else {
        return false;
    };
    let asking = async {
        let (bound, row) = join(
            client.batch_execute(BOUND),
            client.query_opt(ASK, &[region]),
        )
        .await;
        bound.and(row).map_err(DbError::from)
    };
    match timeout(ANSWER_WAIT, asking).await {
        Err(_) => true,
        Ok(Ok(_)) => false,
        Ok(Err(error)) => matches!(
            Verdict::of(&error),
            Verdict::Deadline | Verdict::Unavailable
        ),
    }
}
