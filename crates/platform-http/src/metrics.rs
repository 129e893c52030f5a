//! Prometheus metrics of the HTTP layer. Routes are templates, so that their number is bounded.

use std::{sync::atomic::AtomicI64, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// Which requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    operation: String,
    method: &'static str,
    status: u16,
}

/// Which operation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    operation: String,
}

/// Which problem.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Coded {
    code: &'static str,
}

/// From 1 ms (a read next door) to the deadline of 10 s.
const BUCKETS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    requests: Family<Answered, Counter>,
    problems: Family<Coded, Counter>,
    durations: Family<Of, Histogram, fn() -> Histogram>,
    in_flight: Gauge<i64, AtomicI64>,
    abandoned: Counter,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            problems: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            in_flight: Gauge::default(),
            abandoned: Counter::default(),
        };
        registry.register("http_requests", "Answers given", metrics.requests.clone());
        registry.register(
            "http_problems",
            "Problem documents given",
            metrics.problems.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "Time from the head of a request to its answer",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        registry.register(
            "http_requests_in_flight",
            "Requests at work",
            metrics.in_flight.clone(),
        );
        registry.register(
            "http_requests_abandoned",
            "Reads whose client hung up before the answer",
            metrics.abandoned.clone(),
        );
        metrics
    }

    /// One request more at work, until the guard is dropped.
    pub(crate) fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight {
            metrics: self.clone(),
            answered: false,
        }
    }
}

/// One request at work.
#[derive(Debug)]
pub(crate) struct InFlight {
    metrics: Metrics,
    answered: bool,
}

impl InFlight {
    /// Counts the answer.
    pub(crate) fn answered(
        mut self,
        operation: &str,
        method: &'static str,
        (status, code): (u16, Option<&'static str>),
        duration: Duration,
    ) {
        self.answered = true;
        let Metrics {
            requests,
            durations,
            problems,
            ..
        } = &self.metrics;
        let operation = operation.to_owned();
        durations
            .get_or_create(&Of {
                operation: operation.clone(),
            })
            .observe(duration.as_secs_f64());
        requests
            .get_or_create(&Answered {
                operation,
                method,
                status,
            })
            .inc();
        if let Some(code) = code {
            problems.get_or_create(&Coded { code }).inc();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        if !self.answered {
            self.metrics.abandoned.inc();
        }
    }
}
