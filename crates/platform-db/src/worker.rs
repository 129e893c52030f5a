//! Writes that no client sent.

use std::{
    collections::BTreeSet,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kernel::{Call, IdempotencyKey, Intent, Offices, Principal, RequestId, Scope, call::CallStart};
use tokio::time::MissedTickBehavior;

use crate::Db;

/// As for a request: COMMIT is sent within this time.
const BUDGET: Duration = Duration::from_secs(10);

/// Runs a round `every` so often until `stop` ends. One that is under way then is told so by what it was given, and waited
/// for: it begins no further write.
pub async fn rounds<F: Future>(
    every: Duration,
    stop: impl Future<Output = ()>,
    round: impl Fn(Arc<AtomicBool>) -> F,
) {
    let mut stop = pin!(stop);
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stopping = Arc::new(AtomicBool::new(false));
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = ticks.tick() => {}
        }
        let mut under_way = pin!(round(Arc::clone(&stopping)));
        tokio::select! {
            _ = &mut under_way => {}
            () = &mut stop => {
                stopping.store(true, Ordering::Relaxed);
                under_way.await;
                return;
            }
        }
    }
}

impl Db {
    /// The context of background work that no client asked for, with a request id of its own.
    #[must_use]
    pub fn worker_call(&self) -> Call {
        Call::start(CallStart {
            id: RequestId::random(self.region().clone()),
            region: self.region().clone(),
            client: None,
            traceparent: None,
            received_at: self.clock().now(),
            budget: BUDGET,
        })
    }

    /// A write of the background worker `worker` to rows of the primary region, with a request id of its own.
    /// Audit rows name it `system:<worker>`. The caller's key must name what is written, since it is not compared.
    #[must_use]
    pub fn worker_intent(
        &self,
        worker: &str,
        operation: &'static str,
        scope: Scope,
        key: IdempotencyKey,
    ) -> Intent {
        let subject = format!("system:{worker}");
        Intent {
            call: self.worker_call(),
            operation,
            path: format!("{subject}/{operation}"),
            principal: Principal {
                issuer: "meridian".into(),
                subject,
                scopes: BTreeSet::from([scope]),
                offices: Offices::All,
            },
            scope,
            key,
            fingerprint: [0; 32],
            method: "POST",
            if_match: None,
            dry_run: false,
            office: None,
            home: self.primary().clone(),
            hot: Vec::new(),
        }
    }
}
