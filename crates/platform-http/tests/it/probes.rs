//! The routes beside the API.

use crate::harness::{GOOD, World, request, token};

#[tokio::test]
async fn health_and_readiness_are_told_apart() {
    let world = World::new();
    assert_eq!(world.get("/healthz").await.status, 200);
    let ready = world.get("/readyz").await;
    let body = ready.json();
    assert_eq!(
        (ready.status, &body["status"], &body["region"]),
        (200, &"ready".into(), &"eu1".into())
    );
    assert_eq!(body["systems"], serde_json::json!(["things"]));
    let broken = World::with(|setup| setup.ready = Err("the schema is not known".into()));
    let not = broken.get("/readyz").await;
    assert_eq!(
        (not.status, not.json()["status"].as_str()),
        (503, Some("unavailable"))
    );
    assert_eq!(not.json()["reason"], "the schema is not known");
    assert_eq!(broken.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn draining_is_said_and_new_requests_go_elsewhere() {
    let world = World::with(|setup| setup.config.draining.cancel());
    let ready = world.get("/readyz").await;
    assert_eq!(
        (ready.status, ready.json()["status"].as_str()),
        (503, Some("draining"))
    );
    for answer in [world.get("/v1/things/ber").await, world.post(GOOD).await] {
        assert_eq!(answer.problem(), (503, "draining".into()));
        answer.has_contract_headers();
        assert_eq!(answer.json()["alternatives"][0]["region"], "us1");
        assert_eq!(
            (answer.header("retry-after"), answer.header("connection")),
            ("1", "close")
        );
    }
    assert_eq!(world.get("/healthz").await.status, 200);
    assert_eq!(world.get("/metrics").await.status, 200);
}

#[tokio::test]
async fn metrics_count_by_operation() {
    let world = World::new();
    // One token: those of two moments differ.
    let bearer = format!("Bearer {}", token(|_| {}));
    let headers = [
        ("authorization", bearer.as_str()),
        ("idempotency-key", "key-00001"),
    ];
    for path in ["/v1/things/ber", "/v1/things/nyc", "/v1/things?x=1"] {
        world.send(request("GET", path, &headers, "")).await;
    }
    let post = request("POST", "/v1/things", &headers, GOOD);
    world.send(post).await;
    let answer = world.get("/metrics").await;
    assert!(
        answer
            .header("content-type")
            .starts_with("application/openmetrics-text"),
        "{answer:?}"
    );
    for line in [
        r#"http_requests_total{operation="get_thing",method="GET",status="200"} 2"#,
        r#"http_requests_total{operation="create_thing",method="POST",status="201"} 1"#,
        r#"http_problems_total{code="unknown_parameter"} 1"#,
        r#"http_request_duration_seconds_count{operation="get_thing"} 2"#,
        r#"auth_cache_requests_total{outcome="miss"} 1"#,
        r#"auth_cache_requests_total{outcome="hit"} 3"#,
        "http_requests_in_flight 1",
        "http_requests_abandoned_total 0",
    ] {
        assert!(
            answer.text.contains(line),
            "{line} is not in\n{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn the_console_needs_nothing_from_elsewhere() {
    let world = World::new();
    let to = world.get("/docs").await;
    assert_eq!((to.status, to.header("location")), (308, "/docs/"));
    let index = world.get("/docs/").await;
    assert_eq!(index.status, 200);
    assert!(
        index.header("content-type").starts_with("text/html"),
        "{index:?}"
    );
    assert!(
        index
            .header("content-security-policy")
            .starts_with("default-src 'self';")
    );
    let script = world.get("/docs/swagger-initializer.js").await;
    assert!(script.text.contains("/openapi.json"), "{}", script.text);
    let again = world
        .send(request(
            "GET",
            "/docs/",
            &[("if-none-match", index.header("etag"))],
            "",
        ))
        .await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    assert_eq!(
        world.get("/docs/nothing.js").await.problem(),
        (404, "not_found".into())
    );
    // Every file that the page asks for is there.
    for part in index
        .text
        .split(['"', '\''])
        .filter(|part| part.ends_with(".js") || part.ends_with(".css"))
    {
        let file = world
            .get(&format!("/docs/{}", part.trim_start_matches("./")))
            .await;
        assert_eq!(file.status, 200, "{part}");
    }
}

#[tokio::test]
async fn every_problem_has_a_page() {
    let world = World::new();
    for code in platform_http::problem::COMMON.iter().map(|kind| kind.code) {
        let page = world.get(&format!("/problems/{code}")).await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (200, "text/markdown; charset=utf-8")
        );
        assert!(
            page.text.starts_with(&format!("## {code}\n")),
            "{}",
            page.text
        );
    }
    let browser = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    let html = world
        .send(request("GET", "/problems/quota-exceeded", &browser, ""))
        .await;
    assert_eq!(html.header("content-type"), "text/html; charset=utf-8");
    assert!(
        html.text.contains("<h1><code>quota-exceeded</code></h1>"),
        "{}",
        html.text
    );
    assert_eq!(
        world.get("/problems/nothing").await.problem(),
        (404, "not_found".into())
    );
}
