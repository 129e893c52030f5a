//! The handle that everything else holds.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use kernel::{Call, Clock, Freshness, RegionTag, SystemError, Timestamp, Token};
use prometheus_client::registry::Registry;
use tokio::time::timeout_at;

use crate::{
    DbConfig, DbError, clock::DbTime, engine::Engine, feed::Heads, generations::Generations,
    metrics::Metrics, pool::Pools, statistics::Changed, watch::Watch,
};

/// A database that does not say a word for this long is not ready.
const PING_WAIT: Duration = Duration::from_secs(1);
/// With several hosts the one in use may hang: after this long, each of them is asked, on a connection of its own.
const PING_PATIENCE: Duration = Duration::from_millis(500);

/// The database, as one process of one region has it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Db(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: DbConfig,
    clock: Clock,
    pools: Arc<Pools>,
    metrics: Metrics,
    time: DbTime,
    watch: Watch,
    heads: Heads,
    changed: Changed,
    generations: Generations,
    turn: AtomicUsize,
    #[cfg(feature = "testing")]
    faults: crate::Faults,
}

impl Db {
    /// Prepares to connect; does not connect yet. Metrics are registered under their own names.
    ///
    /// # Errors
    /// [`DbError::Config`].
    pub fn open(config: DbConfig, clock: Clock, registry: &mut Registry) -> Result<Self, DbError> {
        for (what, region) in [
            ("region", &config.region),
            ("primary region", &config.primary),
        ] {
            if !config.regions.contains(region) {
                return Err(DbError::Config(format!(
                    "{what} {region} is not among the regions"
                )));
            }
        }
        let pools = Arc::new(Pools::new(&config)?);
        Ok(Self(Arc::new(Inner {
            metrics: Metrics::register(registry, Arc::downgrade(&pools)),
            watch: Watch::new(&config.regions),
            config,
            clock,
            pools,
            time: DbTime::default(),
            heads: Heads::default(),
            changed: Changed::default(),
            generations: Generations::default(),
            turn: AtomicUsize::new(0),
            #[cfg(feature = "testing")]
            faults: crate::Faults::default(),
        })))
    }

    /// Whether the database answers within a second; of several hosts, whether one does within three. For `/readyz`.
    ///
    /// # Errors
    /// [`SystemError::Unavailable`].
    pub async fn ping(&self) -> Result<(), SystemError> {
        let several = self.pools().hosts().are_several();
        let patience = if several { PING_PATIENCE } else { PING_WAIT };
        let Err(error) = self.ping_shared(Instant::now() + patience).await else {
            return Ok(());
        };
        if several && self.pools().hosts().is_any_there().await {
            return Ok(());
        }
        Err(SystemError::Unavailable {
            source: Some(Box::new(error)),
        })
    }

    async fn ping_shared(&self, deadline: Instant) -> Result<(), DbError> {
        let shared = self.pools().asking(deadline);
        let shared = timeout_at(deadline.into(), shared)
            .await
            .unwrap_or(Err(DbError::Timeout))?;
        let asked = timeout_at(deadline.into(), shared.simple_query("")).await;
        let answered = asked.map_or(Err(DbError::Timeout), |answer| {
            answer.map_err(DbError::from)
        });
        if answered.is_err() {
            self.pools().forget(&shared);
        }
        answered.map(drop)
    }

    /// Every region.
    #[must_use]
    pub fn regions(&self) -> &[RegionTag] {
        &self.0.config.regions
    }

    /// The region that keeps key, audit and event rows of writes to what belongs to no office (hard case 11).
    #[must_use]
    pub fn primary(&self) -> &RegionTag {
        &self.0.config.primary
    }

    /// The region of this process.
    #[must_use]
    pub fn region(&self) -> &RegionTag {
        &self.0.config.region
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The fault switch.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn faults(&self) -> &crate::Faults {
        &self.0.faults
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.0.pools
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn time(&self) -> &DbTime {
        &self.0.time
    }

    pub(crate) fn watch(&self) -> &Watch {
        &self.0.watch
    }

    pub(crate) fn changed(&self) -> &Changed {
        &self.0.changed
    }

    pub(crate) fn heads(&self) -> &Heads {
        &self.0.heads
    }

    pub(crate) fn generations(&self) -> &Generations {
        &self.0.generations
    }

    pub(crate) fn engine(&self) -> Option<Engine> {
        self.pools().engine()
    }

    pub(crate) fn max_clock_offset(&self) -> Duration {
        self.0.config.max_clock_offset
    }

    /// Whose turn it is among the shared connections.
    pub(crate) fn next_turn(&self) -> usize {
        self.0.turn.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether rows homed there are another region's. Rows that live everywhere are read here.
    pub(crate) fn is_remote(&self, home: &RegionTag) -> bool {
        home != self.region() && *home != RegionTag::global()
    }

    /// A time not before the database's now: carried from a sample, else from this machine's clock.
    pub(crate) fn time_bound(&self) -> Timestamp {
        self.time()
            .now()
            .unwrap_or_else(|| self.clock().now().plus(self.max_clock_offset()))
    }

    /// A time of the database that a statement sent after `instant` cannot be older than; this machine's clock said
    /// `clock` then. On CockroachDB the statement may meet a node whose clock is behind the one that was asked.
    pub(crate) fn time_not_after(&self, instant: Instant, clock: Timestamp) -> Timestamp {
        let offset = self.max_clock_offset();
        let sampled = self.time().not_after(instant);
        let at = sampled.unwrap_or_else(|| clock.minus(offset));
        match self.engine() {
            Some(Engine::Cockroach) => at.minus(offset),
            Some(Engine::Postgres) | None => at,
        }
    }

    /// Not before anything that a strong statement saw whose node's clock showed `at` behind it. CockroachDB's may have
    /// read values up to that + the maximum offset (hard case 14).
    pub(crate) fn strong_token(&self, at: Timestamp) -> Token {
        Token::at(match self.engine() {
            Some(Engine::Cockroach) => at.plus(self.max_clock_offset()),
            Some(Engine::Postgres) | None => at,
        })
    }

    /// The answer shows the newest state as of `at`.
    pub(crate) fn answer_strong(&self, call: &Call, home: &RegionTag, at: Timestamp) {
        self.answer_token(call, home, self.strong_token(at));
    }

    /// The answer shows the newest state, and that covers `token`.
    pub(crate) fn answer_token(&self, call: &Call, home: &RegionTag, token: Token) {
        let mut facts = call.facts();
        facts.freshness = Some(Freshness::Strong { home: home.clone() });
        facts.token = facts.token.max(Some(token));
    }
}
