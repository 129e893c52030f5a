//! Limits, each from both sides.

use std::{net::SocketAddr, sync::atomic::Ordering};

use axum::extract::ConnectInfo;

use crate::harness::{Answer, GOOD, World, request, token, until};

#[tokio::test]
async fn hard_case_30_a_body_has_a_mebibyte() {
    let world = World::new();
    let padded = |bytes: usize| format!("{GOOD}{}", " ".repeat(bytes - GOOD.len()));
    assert_eq!(world.post(&padded(1 << 20)).await.status, 201);
    let answer = world.post(&padded((1 << 20) + 1)).await;
    assert_eq!(answer.problem(), (413, "body_too_large".into()));
    assert_eq!(answer.json()["limit_bytes"], 1 << 20);
}

#[tokio::test]
async fn hard_case_30_headers_and_uri_have_their_limits() {
    let world = World::new();
    let send = async |headers: usize, bytes: usize, uri: usize| {
        let path = format!("/v1/public?{}", "x".repeat(uri - "/v1/public?".len()));
        let mut request = request("GET", &path, &[("authorization", "")], "");
        for index in 0..headers {
            let name = axum::http::HeaderName::try_from(format!("h{index:03}")).unwrap();
            request.headers_mut().insert(name, "".parse().unwrap());
        }
        let padding = bytes - headers * 4;
        request
            .headers_mut()
            .insert("h000", "x".repeat(padding).parse().unwrap());
        world.send(request).await.problem()
    };
    // What passes is refused for its query only.
    let passed = (400, "unknown_parameter".to_owned());
    assert_eq!(send(64, 16 << 10, 8 << 10).await, passed);
    assert_eq!(send(65, 1000, 100).await, (431, "headers_too_large".into()));
    assert_eq!(
        send(2, (16 << 10) + 1, 100).await,
        (431, "headers_too_large".into())
    );
    assert_eq!(
        send(1, 1000, (8 << 10) + 1).await,
        (414, "uri_too_long".into())
    );
}

#[tokio::test]
async fn hard_case_30_requests_beyond_the_limit_are_turned_away() {
    let world = World::with(|setup| setup.config.limits.concurrent = 2);
    let gated = async || world.post(r#"{"name":"n","behave":"gate"}"#).await.status;
    let both = async { tokio::join!(gated(), gated()) };
    let probe = async {
        until("two requests at work", || {
            world.app.waiting.load(Ordering::SeqCst) == 2
        })
        .await;
        let shed = world.get("/v1/things/ber").await;
        assert_eq!(shed.problem(), (503, "overloaded".into()));
        assert_eq!(
            (shed.header("retry-after"), &shed.json()["retryable"]),
            ("1", &true.into())
        );
        let write = world.post(GOOD).await;
        assert_eq!(
            (write.problem().1.as_str(), &write.json()["effect"]),
            ("overloaded", &"none".into())
        );
        assert_eq!(
            world.get("/healthz").await.status,
            200,
            "probes are not shed"
        );
        world.app.gate.add_permits(2);
    };
    assert_eq!(tokio::join!(both, probe).0, (201, 201));
    assert_eq!(world.get("/v1/things/ber").await.status, 200);
    assert_eq!(world.app.done.load(Ordering::SeqCst), 2);
}

fn limited(quota: &str) -> World {
    World::with(|setup| {
        setup.config.quota = quota.parse().unwrap();
        setup.config.trusted_proxies = "127.0.0.0/8".parse().unwrap();
    })
}

/// A request from `address`, by way of a trusted proxy.
async fn from(world: &World, address: &str, bearer: &str) -> Answer {
    let headers = [("x-forwarded-for", address), ("authorization", bearer)];
    let mut request = request("GET", "/v1/things/ber", &headers, "");
    request
        .extensions_mut()
        .insert(ConnectInfo::<SocketAddr>("127.0.0.1:5000".parse().unwrap()));
    world.send(request).await
}

fn bearer(subject: &str) -> String {
    let subject = subject.to_owned();
    format!(
        "Bearer {}",
        token(move |claims| claims["sub"] = subject.into())
    )
}

#[tokio::test]
async fn the_quota_is_counted_down_per_principal() {
    let world = limited("q=3;w=3600");
    let (ada, bob) = (bearer("ada"), bearer("bob"));
    for left in [2, 1, 0] {
        let answer = from(&world, "1.1.1.1", &ada).await;
        assert_eq!(
            (answer.status, answer.header("ratelimit-policy")),
            (200, "\"api\";q=3;w=3600")
        );
        let reset = (3 - left) * 1200;
        assert_eq!(
            answer.header("ratelimit"),
            format!("\"api\";r={left};t={reset}")
        );
    }
    let refused = from(&world, "2.2.2.2", &ada).await;
    assert_eq!(refused.problem(), (429, "quota-exceeded".into()));
    refused.has_contract_headers();
    let body = refused.json();
    assert_eq!(
        body["type"],
        "https://iana.org/assignments/http-problem-types#quota-exceeded"
    );
    assert_eq!(body["violated-policies"], serde_json::json!(["api"]));
    assert_eq!(refused.header("ratelimit"), "\"api\";r=0;t=3600");
    let wait_ms = body["retry_after_ms"].as_u64().unwrap();
    assert!(
        (1_000_000..=1_200_000).contains(&wait_ms),
        "one request is earned in 1200 s: {wait_ms}"
    );
    assert_eq!(
        refused.header("retry-after"),
        wait_ms.div_ceil(1000).to_string()
    );
    assert_eq!(body["retryable"], true);
    assert_eq!(
        from(&world, "1.1.1.1", &bob).await.status,
        200,
        "another principal has its own"
    );
}

#[tokio::test]
async fn hard_case_29_a_failed_token_is_charged_to_the_address() {
    let world = limited("q=2;w=3600");
    for _ in 0..2 {
        assert_eq!(from(&world, "1.1.1.1", "Bearer x").await.problem().0, 401);
    }
    assert_eq!(
        from(&world, "1.1.1.1", "Bearer x").await.problem(),
        (429, "quota-exceeded".into())
    );
    assert_eq!(
        from(&world, "1.1.1.1", "").await.problem().0,
        429,
        "no token neither"
    );
    assert_eq!(
        from(&world, "9.9.9.9, 1.1.1.1", "").await.problem().0,
        429,
        "the right-most counts"
    );
    assert_eq!(
        from(&world, "2.2.2.2", "Bearer x").await.problem().0,
        401,
        "another address"
    );
    assert_eq!(
        from(&world, "1.1.1.1", &bearer("ada")).await.status,
        200,
        "a principal has its own"
    );
}

#[tokio::test]
async fn an_ipv6_client_is_its_network() {
    let world = limited("q=1;w=3600");
    assert_eq!(from(&world, "2001:db8::1", "").await.problem().0, 401);
    assert_eq!(from(&world, "2001:db8::2", "").await.problem().0, 429);
    assert_eq!(from(&world, "2001:db8:0:1::1", "").await.problem().0, 401);
}

#[tokio::test]
async fn unknown_routes_show_the_quota_of_the_address_and_are_never_refused() {
    let world = limited("q=1;w=3600");
    for _ in 0..3 {
        let answer = world.get("/v1/nothing").await;
        assert_eq!(
            (answer.problem().0, answer.header("ratelimit")),
            (404, "\"api\";r=0;t=3600")
        );
    }
}
