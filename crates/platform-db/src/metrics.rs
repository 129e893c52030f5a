//! What `/metrics` says of the database.

use std::{sync::Weak, time::Duration};

use kernel::{Intent, OpError, Reply, SystemError};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::Histogram,
    },
    registry::{Registry, Unit},
};

use crate::pool::Pools;

/// Why a transaction was run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Another writer was first (40001, 40P01).
    Conflict,
    /// The connection or its node went away before COMMIT.
    Connection,
    /// A unique constraint was broken and no twin was found.
    Collision,
    /// The schema changed under a prepared statement.
    StalePlan,
    /// COMMIT was not answered and had not landed.
    Unresolved,
    /// A region does not answer: the others were read without it.
    SilentRegion,
    /// A past moment could not be shown: another one is tried.
    Moment,
}

impl Why {
    fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Connection => "connection",
            Self::Collision => "collision",
            Self::StalePlan => "stale_plan",
            Self::Unresolved => "unresolved",
            Self::SilentRegion => "silent_region",
            Self::Moment => "moment",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Retried {
    operation: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

/// What a cache did for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CacheOutcome {
    /// Answered from memory.
    Hit,
    /// There was nothing to show.
    Miss,
    /// The request may not be shown what there is, or wants the database's word anyway.
    Bypass,
}

impl CacheOutcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

/// What a cache holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CacheSize {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheAsked {
    cache: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCache {
    cache: &'static str,
}

type Durations = Family<Operation, Histogram, fn() -> Histogram>;

/// Counters of one process' database.
#[derive(Debug)]
pub(crate) struct Metrics {
    retries: Family<Retried, Counter>,
    transactions: Family<Ended, Counter>,
    durations: Durations,
    cache_requests: Family<CacheAsked, Counter>,
    cache_entries: Family<OfCache, Gauge>,
    cache_bytes: Family<OfCache, Gauge>,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry, pools: Weak<Pools>) -> Self {
        let metrics = Self {
            retries: Family::default(),
            transactions: Family::default(),
            durations: Family::new_with_constructor(duration_histogram),
            cache_requests: Family::default(),
            cache_entries: Family::default(),
            cache_bytes: Family::default(),
        };
        registry.register(
            "db_retries",
            "Transactions run again, by operation and reason",
            metrics.retries.clone(),
        );
        registry.register(
            "db_transactions",
            "Writes and reads that ended, by operation and outcome",
            metrics.transactions.clone(),
        );
        registry.register_with_unit(
            "db_transaction_duration",
            "Time of a write or read with all its attempts",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        metrics.register_caches(registry);
        registry.register_collector(Box::new(PoolCollector { pools }));
        metrics
    }

    fn register_caches(&self, registry: &mut Registry) {
        registry.register(
            "cache_requests",
            "Reads of reference data that may be cached, by cache and outcome",
            self.cache_requests.clone(),
        );
        registry.register(
            "cache_entries",
            "Entries of a cache when something was last put in",
            self.cache_entries.clone(),
        );
        registry.register(
            "cache_bytes",
            "Bytes that a cache was reckoned to take then",
            self.cache_bytes.clone(),
        );
    }

    pub(crate) fn cache_asked(&self, cache: &'static str, outcome: CacheOutcome) {
        let outcome = outcome.as_str();
        self.cache_requests
            .get_or_create(&CacheAsked { cache, outcome })
            .inc();
    }

    pub(crate) fn cache_holds(&self, cache: &'static str, size: CacheSize) {
        for (gauges, value) in [
            (&self.cache_entries, size.entries),
            (&self.cache_bytes, size.bytes),
        ] {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            gauges.get_or_create(&OfCache { cache }).set(value);
        }
    }

    pub(crate) fn retried(&self, operation: &'static str, why: Why) {
        tracing::debug!(
            db.operation = operation,
            db.retry = why.as_str(),
            "running it again"
        );
        self.retries
            .get_or_create(&Retried {
                operation,
                reason: why.as_str(),
            })
            .inc();
    }

    pub(crate) fn wrote<E>(
        &self,
        intent: &Intent,
        result: &Result<Reply, OpError<E>>,
        elapsed: Duration,
    ) {
        let outcome = match result {
            Ok(_) if intent.dry_run => "rehearsed",
            Ok(_) if intent.call.facts().replayed => "replayed",
            Ok(_) => "committed",
            Err(OpError::Refused(_) | OpError::Common(_)) => "refused",
            Err(OpError::System(error)) => system_outcome(error),
        };
        self.ended(intent.operation, outcome, elapsed);
    }

    pub(crate) fn read<T>(
        &self,
        operation: &'static str,
        result: &Result<T, SystemError>,
        elapsed: Duration,
    ) {
        let outcome = result.as_ref().map_or_else(system_outcome, |_| "read");
        self.ended(operation, outcome, elapsed);
    }

    fn ended(&self, operation: &'static str, outcome: &'static str, elapsed: Duration) {
        self.transactions
            .get_or_create(&Ended { operation, outcome })
            .inc();
        self.durations
            .get_or_create(&Operation { operation })
            .observe(elapsed.as_secs_f64());
    }
}

fn system_outcome(error: &SystemError) -> &'static str {
    match error {
        SystemError::Contended => "contended",
        SystemError::OutcomeUnknown { .. } => "unknown",
        SystemError::Unavailable { .. }
        | SystemError::TooFarBehind { .. }
        | SystemError::RegionsUnreachable { .. } => "unavailable",
        SystemError::DeadlineExceeded => "deadline",
        SystemError::TokenUnknown | SystemError::CursorExpired => "refused",
        SystemError::Bug { .. } => "bug",
    }
}

/// From 0.5 ms, a read on the same machine, to 16 s, beyond every deadline.
fn duration_histogram() -> Histogram {
    Histogram::new([
        0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 16.0,
    ])
}

/// Asks the pool when asked.
#[derive(Debug)]
struct PoolCollector {
    pools: Weak<Pools>,
}

impl Collector for PoolCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(pools) = self.pools.upgrade() else {
            return Ok(());
        };
        let status = pools.status();
        for (name, help, value) in [
            (
                "db_pool_connections_max",
                "Connections for transactions, at most",
                status.max_size,
            ),
            (
                "db_pool_connections",
                "Connections for transactions, now",
                status.size,
            ),
            (
                "db_pool_connections_idle",
                "Connections that wait for a transaction",
                status.available,
            ),
            (
                "db_pool_waiting",
                "Transactions that wait for a connection",
                status.waiting,
            ),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let encoder = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(encoder)?;
        }
        Ok(())
    }
}
