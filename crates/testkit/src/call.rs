//! Requests without HTTP, and waiting without sleeping.

use std::{
    str::FromStr as _,
    time::{Duration, Instant},
};

use kernel::{
    Call, Clock, Intent, Principal, ReadMode, ReadWant, RegionTag, RequestId, Scope,
    call::CallStart, id::derive_bits,
};

/// A request received now in `region`, with a deadline of 10 s.
#[must_use]
pub fn call(region: &str) -> Call {
    call_with_budget(region, Duration::from_secs(10))
}

/// A request received now in `region`, with another deadline.
#[must_use]
pub fn call_with_budget(region: &str, budget: Duration) -> Call {
    let region = tag(region);
    Call::start(CallStart {
        id: RequestId::random(region.clone()),
        region,
        client: None,
        traceparent: None,
        received_at: Clock::System.now(),
        budget,
    })
}

/// What was written a moment ago is shown, on every engine: several homes are shown as they were before by CockroachDB,
/// unless it is told otherwise.
#[must_use]
pub fn strong() -> ReadWant {
    ReadWant {
        mode: Some(ReadMode::Strong),
        ..ReadWant::default()
    }
}

/// A write of the principal `tester` under `key`, to what belongs to no office, in eu1. Its fingerprint is that of
/// the operation's name.
#[must_use]
pub fn intent(call: &Call, operation: &'static str, key: &str) -> Intent {
    let mut fingerprint = [0; 32];
    fingerprint[..16].copy_from_slice(derive_bits(&[operation.as_bytes()]).as_bytes());
    Intent {
        call: call.clone(),
        operation,
        principal: Principal::test("tester"),
        scope: Scope::WarehouseWrite,
        key: key.parse().unwrap_or_else(|error| panic!("{key}: {error}")),
        fingerprint,
        method: "POST",
        path: format!("/v1/test/{operation}"),
        if_match: None,
        dry_run: false,
        office: None,
        home: tag("eu1"),
        hot: Vec::new(),
    }
}

/// Asks again and again until the answer is yes; panics after a minute, which is long for a cluster too.
pub async fn eventually(what: &str, is_so: impl AsyncFnMut() -> bool) {
    within(Duration::from_secs(60), what, is_so).await;
}

pub(crate) async fn within(longest: Duration, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + longest;
    while !is_so().await {
        assert!(
            Instant::now() < until,
            "{longest:?} passed, and still not: {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn tag(region: &str) -> RegionTag {
    RegionTag::from_str(region).unwrap_or_else(|error| panic!("{region}: {error}"))
}
