//! The order of checks and the headers of every answer.

use crate::harness::{Answer, GOOD, World, request, token};

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table of requests")]
async fn every_answer_has_the_contracts_headers() {
    let world = World::new();
    let requests = [
        (200, request("GET", "/v1/things/ber", &[], "")),
        (200, request("HEAD", "/v1/things/ber", &[], "")),
        (
            304,
            request("GET", "/v1/things/ber", &[("if-none-match", "\"3\"")], ""),
        ),
        (
            200,
            request("GET", "/v1/public", &[("authorization", "")], ""),
        ),
        (
            201,
            request(
                "POST",
                "/v1/things",
                &[("idempotency-key", "key-00001")],
                GOOD,
            ),
        ),
        (204, request("OPTIONS", "/v1/things", &[], "")),
        (400, request("POST", "/v1/things", &[], GOOD)),
        (
            400,
            request(
                "POST",
                "/v1/things",
                &[("idempotency-key", "key-00001")],
                "{",
            ),
        ),
        (
            401,
            request("GET", "/v1/things/ber", &[("authorization", "")], ""),
        ),
        (
            404,
            request("GET", "/v1/nothing", &[("authorization", "")], ""),
        ),
        (404, request("GET", "/v1", &[], "")),
        (404, request("POST", "/v1/things/", &[], GOOD)),
        (405, request("DELETE", "/v1/things", &[], "")),
        (405, request("BREW", "/v1/things", &[], "")),
        (
            406,
            request("GET", "/v1/things/ber", &[("accept", "text/html")], ""),
        ),
        (
            413,
            request(
                "POST",
                "/v1/things",
                &[("idempotency-key", "key-00001")],
                &" ".repeat((1 << 20) + 1),
            ),
        ),
        (
            414,
            request(
                "GET",
                &format!("/v1/things?min={}", "1".repeat(9000)),
                &[],
                "",
            ),
        ),
        (
            415,
            request(
                "POST",
                "/v1/things",
                &[
                    ("idempotency-key", "key-00001"),
                    ("content-type", "text/csv"),
                ],
                GOOD,
            ),
        ),
        (
            422,
            request(
                "POST",
                "/v1/things",
                &[("idempotency-key", "key-00001")],
                "{}",
            ),
        ),
        (428, request("PATCH", "/v1/things/ber", &[], "{}")),
        (
            431,
            request(
                "GET",
                "/v1/things/ber",
                &[("x-long", &"x".repeat(17_000))],
                "",
            ),
        ),
        (500, request("GET", "/v1/panic", &[], "")),
    ];
    for (status, request) in requests {
        let what = format!("{} {}", request.method(), request.uri().path());
        let answer = world.send(request).await;
        assert_eq!(answer.status, status, "{what}: {answer:?}");
        answer.has_contract_headers();
        if status >= 400 {
            answer.problem();
            let write = !what.starts_with("GET");
            assert_eq!(
                answer.json().get("effect").is_some(),
                write,
                "{what}: {answer:?}"
            );
            assert_eq!(answer.header("freshness"), "none");
            assert_eq!(
                answer.header("request-cost"),
                "sql=0, rows=0, retries=0, xregion=0"
            );
        }
    }
}

#[tokio::test]
async fn outside_the_api_there_is_only_a_request_id() {
    let world = World::new();
    for path in [
        "/healthz",
        "/readyz",
        "/nothing",
        "/v10/things",
        "/problems/not_found",
    ] {
        let answer = world.get(path).await;
        assert!(
            answer.header("request-id").starts_with("req_eu1_"),
            "{answer:?}"
        );
        for name in [
            "served-by",
            "freshness",
            "ratelimit",
            "request-cost",
            "consistency-token",
            "server-timing",
        ] {
            assert!(!answer.headers.contains_key(name), "{path} {name}");
        }
    }
}

/// One request breaks every rule; each is found in turn as the one before is mended.
#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one request that is mended step by step"
)]
async fn hard_case_29_checks_run_in_the_contracts_order() {
    let world = World::with(|setup| setup.config.quota = "q=1;w=3600".parse().unwrap());
    let quick = World::new();
    let viewer = |scope: &str| {
        let scope = scope.to_owned();
        format!(
            "Bearer {}",
            token(move |claims| claims["scope"] = scope.into())
        )
    };
    let huge = "x".repeat((1 << 20) + 1);
    let (reader, writer) = (viewer("warehouse:read"), viewer("warehouse:write"));
    let send = async |world: &World, path: &str, headers: &[(&str, &str)], body: &str| {
        let (status, code) = world
            .send(request("POST", path, headers, body))
            .await
            .problem();
        format!("{status} {code}")
    };
    let bad = [
        ("authorization", "Bearer x"),
        ("idempotency-key", "no"),
        ("content-type", "text/csv"),
    ];
    assert_eq!(
        send(&quick, "/v1/nowhere?x=1", &bad, &huge).await,
        "404 not_found"
    );
    assert_eq!(
        send(&quick, "/v1/public?x=1", &bad, &huge).await,
        "405 method_not_allowed"
    );
    assert_eq!(
        send(&quick, "/v1/things?x=1", &bad, &huge).await,
        "401 unauthenticated"
    );
    let read = [("authorization", reader.as_str()), bad[1], bad[2]];
    // The reader's one request is spent on the scope, the next is refused before it.
    assert_eq!(
        send(&world, "/v1/things?x=1", &read, &huge).await,
        "403 scope_missing"
    );
    assert_eq!(
        send(&world, "/v1/things?x=1", &read, &huge).await,
        "429 quota-exceeded"
    );
    // So is not what has no such method: it costs neither token nor quota.
    assert_eq!(
        send(&world, "/v1/things/ber", &read, &huge).await,
        "405 method_not_allowed"
    );
    let write = [("authorization", writer.as_str()), bad[1], bad[2]];
    assert_eq!(
        send(&quick, "/v1/things?x=1", &write, &huge).await,
        "400 unknown_parameter"
    );
    assert_eq!(
        send(&quick, "/v1/things?dry_run=x", &write, &huge).await,
        "400 invalid_parameter"
    );
    assert_eq!(
        send(&quick, "/v1/things", &write, &huge).await,
        "400 idempotency_key_invalid"
    );
    let write = [write[0], ("idempotency-key", "key-00001"), bad[2]];
    assert_eq!(
        send(&quick, "/v1/things", &write, &huge).await,
        "413 body_too_large"
    );
    assert_eq!(
        send(&quick, "/v1/things", &write, "{").await,
        "415 unsupported_media_type"
    );
    let write = [
        write[0],
        write[1],
        ("content-type", "application/json; charset=UTF-8"),
    ];
    assert_eq!(
        send(&quick, "/v1/things", &write, "{").await,
        "400 malformed_json"
    );
    assert_eq!(
        send(&quick, "/v1/things", &write, "{}").await,
        "422 validation_failed"
    );
}

#[tokio::test]
async fn a_viewer_who_posts_an_empty_object_gets_403() {
    let world = World::new();
    let bearer = format!(
        "Bearer {}",
        token(|claims| claims["scope"] = "warehouse:read".into())
    );
    let answer = world
        .send(request(
            "POST",
            "/v1/things",
            &[("authorization", &bearer)],
            "{}",
        ))
        .await;
    assert_eq!(answer.problem(), (403, "scope_missing".into()));
    assert_eq!(answer.json()["scope"], "warehouse:write");
    assert_eq!(answer.json()["effect"], "none");
}

#[tokio::test]
async fn methods_are_told_apart() {
    let world = World::new();
    let wrong = world
        .send(request("DELETE", "/v1/things/ber", &[], ""))
        .await;
    assert_eq!(wrong.problem(), (405, "method_not_allowed".into()));
    assert_eq!(wrong.header("allow"), "GET, HEAD, OPTIONS, PATCH");
    let options = world
        .send(request(
            "OPTIONS",
            "/v1/things/ber",
            &[("authorization", "")],
            "",
        ))
        .await;
    assert_eq!(
        (
            options.status,
            options.header("allow"),
            options.text.as_str()
        ),
        (204, "GET, HEAD, OPTIONS, PATCH", "")
    );
    let get = world.get("/v1/things/ber").await;
    let head = world.send(request("HEAD", "/v1/things/ber", &[], "")).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), get.text.len().to_string());
    assert_eq!(head.header("etag"), get.header("etag"));
    let lost = world
        .send(request("HEAD", "/v1/things/none", &[], ""))
        .await;
    assert_eq!((lost.status, lost.text.as_str()), (404, ""));
}

#[tokio::test]
async fn undecodable_and_undescribed_parameters_are_named() {
    let world = World::new();
    let errors = async |path: &str| {
        let answer = world.get(path).await;
        let (status, code) = answer.problem();
        let errors = answer.json()["errors"].clone();
        let names = errors
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["parameter"].as_str().unwrap().to_owned());
        (status, code, names.collect::<Vec<_>>().join(" "))
    };
    let invalid = |names: &str| (400, "invalid_parameter".to_owned(), names.to_owned());
    assert_eq!(
        errors("/v1/things?min=x&office=ber,Nyc").await,
        invalid("min office")
    );
    assert_eq!(errors("/v1/things?min=1&min=2").await, invalid("min"));
    assert_eq!(errors("/v1/things?min=%FF").await, invalid("min"));
    assert_eq!(
        errors("/v1/things?limit=0&order=up").await,
        invalid("limit order")
    );
    assert_eq!(errors("/v1/things/BER").await, invalid("id"));
    assert_eq!(errors("/v1/things/a%00b").await, invalid("id"));
    assert_eq!(errors("/v1/things/%FF").await.1, "invalid_parameter");
    let typo = world.get("/v1/things?ofice=ber").await;
    assert_eq!(typo.problem(), (400, "unknown_parameter".into()));
    assert_eq!(typo.json()["suggestion"], "office");
    for path in [
        "/v1/things/ber?x=1",
        "/v1/public?x",
        "/v1/things?dry_run=true",
    ] {
        assert_eq!(
            world.get(path).await.problem(),
            (400, "unknown_parameter".into()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_trace_context_is_kept_if_it_is_well_formed() {
    let world = World::new();
    let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let seen = async |value: &str| {
        let answer = world
            .send(request("GET", "/v1/public", &[("traceparent", value)], ""))
            .await;
        answer.json()["traceparent"].clone()
    };
    assert_eq!(seen(good).await, good);
    assert_eq!(seen("00-x*/; DROP TABLE").await, serde_json::Value::Null);
}

#[tokio::test]
async fn the_document_describes_what_the_service_does() {
    let world = World::new();
    let served = world.get("/openapi.json").await.json();
    assert_eq!(served["openapi"], "3.1.0");
    assert_eq!(served, world.service.openapi());
    let create = &served["paths"]["/v1/things"]["post"];
    assert_eq!(create["operationId"], "create_thing");
    assert_eq!(create["security"], serde_json::json!([{"bearer": []}]));
    let list = &served["paths"]["/v1/things"]["get"]["parameters"];
    let names: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|p| p["name"].as_str())
        .collect();
    let paging = ["limit", "cursor", "order", "allow_partial"];
    assert_eq!(names, [&["office", "min"][..], &paging].concat());
    assert_eq!(
        platform_http::document_faults(&served),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn request_ids_are_never_the_clients() {
    let world = World::new();
    let sent = [("request-id", "req_eu1_00000000000000000000000000")];
    let ids = [
        world.send(request("GET", "/v1/public", &sent, "")).await,
        world.send(request("GET", "/v1/public", &sent, "")).await,
    ];
    let ids = ids.map(|answer: Answer| answer.header("request-id").to_owned());
    assert!(
        ids[0] != ids[1] && !ids.contains(&sent[0].1.to_owned()),
        "{ids:?}"
    );
}
