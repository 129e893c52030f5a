//! Writes: keys, preconditions, bodies, rehearsals, fingerprints.

use crate::harness::{Answer, GOOD, World, request};

async fn post(world: &World, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    world.send(request("POST", path, headers, body)).await
}

#[tokio::test]
async fn a_write_is_answered_with_what_it_made() {
    let world = World::new();
    let answer = world.post(GOOD).await;
    assert_eq!(answer.status, 201);
    assert_eq!(
        (answer.header("location"), answer.header("etag")),
        ("/v1/things/new", "\"1\"")
    );
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.json()["key"], "key-00001");
    assert!(
        !answer.headers.contains_key("idempotent-replayed")
            && !answer.headers.contains_key("dry-run")
    );
    let replayed = world.post(r#"{"name":"n","behave":"replay"}"#).await;
    assert_eq!(
        (replayed.status, replayed.header("idempotent-replayed")),
        (201, "true")
    );
}

#[tokio::test]
async fn a_post_needs_a_key_unless_it_is_a_rehearsal() {
    let world = World::new();
    let missing = post(&world, "/v1/things", &[], GOOD).await;
    assert_eq!(missing.problem(), (400, "idempotency_key_required".into()));
    for bad in ["short", "auto:12345678", "with space 1"] {
        let answer = post(&world, "/v1/things", &[("idempotency-key", bad)], GOOD).await;
        assert_eq!(
            answer.problem(),
            (400, "idempotency_key_invalid".into()),
            "{bad}"
        );
    }
    let quoted = post(
        &world,
        "/v1/things",
        &[("idempotency-key", "\"key-00002\"")],
        GOOD,
    )
    .await;
    assert_eq!(quoted.json()["key"], "key-00002");
    for headers in [&[][..], &[("idempotency-key", "bad")]] {
        let rehearsed = post(&world, "/v1/things?dry_run=true", headers, GOOD).await;
        assert_eq!(
            (rehearsed.status, rehearsed.header("dry-run")),
            (201, "true")
        );
        assert!(
            rehearsed.json()["key"]
                .as_str()
                .unwrap()
                .starts_with("auto:")
        );
    }
    let not = post(
        &world,
        "/v1/things?dry_run=false",
        &[("idempotency-key", "key-00001")],
        GOOD,
    )
    .await;
    assert_eq!((not.status, not.header("dry-run")), (201, ""));
    for bad in ["dry_run=1", "dry_run=", "dry_run=true&dry_run=true"] {
        let answer = post(&world, &format!("/v1/things?{bad}"), &[], GOOD).await;
        assert_eq!(answer.problem(), (400, "invalid_parameter".into()), "{bad}");
    }
}

#[tokio::test]
async fn bodies_are_read_strictly() {
    let world = World::new();
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    for (body, status, code) in [
        ("{", 400, "malformed_json"),
        ("{} x", 400, "malformed_json"),
        (r#"{"name":"a","name":"b"}"#, 400, "malformed_json"),
        (r#"{"name":"\ud800"}"#, 400, "malformed_json"),
        (r#"{"name":1e999}"#, 400, "malformed_json"),
        (&deep(33), 400, "malformed_json"),
        (&deep(32), 422, "validation_failed"),
        ("[]", 422, "validation_failed"),
        ("", 422, "validation_failed"),
        (
            r#"{"name":"a\u0000b","behave":"ok"}"#,
            422,
            "validation_failed",
        ),
        (
            r#"{"name":"toolong","behave":"ok"}"#,
            422,
            "validation_failed",
        ),
        (
            r#"{"name":7,"behave":"ok","more":1}"#,
            422,
            "validation_failed",
        ),
    ] {
        let answer = world.post(body).await;
        assert_eq!(answer.problem(), (status, code.into()), "{body}");
        assert_eq!(answer.json()["effect"], "none");
    }
    let mut bytes = request(
        "POST",
        "/v1/things",
        &[("idempotency-key", "key-00001")],
        GOOD,
    );
    *bytes.body_mut() = axum::body::Body::from(&b"{\"name\":\"\xff\"}"[..]);
    assert_eq!(
        world.send(bytes).await.problem(),
        (400, "malformed_json".into())
    );
    assert_eq!(world.app.done.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn bodies_are_json_and_patches_may_be_merge_patches() {
    let world = World::new();
    let send = async |method: &str, kind: &str| {
        let path = if method == "POST" {
            "/v1/things"
        } else {
            "/v1/things/ber"
        };
        let headers = [
            ("idempotency-key", "key-00001"),
            ("if-match", "\"7\""),
            ("content-type", kind),
        ];
        world.send(request(method, path, &headers, GOOD)).await
    };
    for good in [
        "application/json",
        "Application/JSON;charset=utf-8",
        "application/json; charset=\"UTF-8\"",
    ] {
        assert_eq!(send("POST", good).await.status, 201, "{good}");
        assert_eq!(send("PATCH", good).await.status, 200, "{good}");
    }
    assert_eq!(
        send("PATCH", "application/merge-patch+json").await.status,
        200
    );
    for bad in [
        "",
        "text/plain",
        "application/json; charset=latin1",
        "application/merge-patch+json",
        "json",
    ] {
        let answer = send("POST", bad).await;
        assert_eq!(
            answer.problem(),
            (415, "unsupported_media_type".into()),
            "{bad}"
        );
    }
    assert_eq!(
        send("PATCH", "text/plain").await.header("accept-patch"),
        "application/merge-patch+json"
    );
    let zipped = [
        ("idempotency-key", "key-00001"),
        ("content-encoding", "gzip"),
    ];
    assert_eq!(
        post(&world, "/v1/things", &zipped, GOOD).await.problem(),
        (415, "unsupported_media_type".into())
    );
}

#[tokio::test]
async fn preconditions_are_compared_by_version() {
    let world = World::new();
    let patch = async |tag: &str| {
        let answer = world
            .send(request(
                "PATCH",
                "/v1/things/ber",
                &[("if-match", tag)],
                "{}",
            ))
            .await;
        if answer.status == 200 {
            "200".to_owned()
        } else {
            answer.problem().1
        }
    };
    for good in ["\"7\"", "W/\"7-lines\"", "\"6\", \"7\"", "*"] {
        assert_eq!(patch(good).await, "200", "{good}");
    }
    assert_eq!(patch("").await, "if_match_required");
    assert_eq!(patch("\"6\"").await, "version_changed");
    assert_eq!(patch("\"seven\"").await, "version_changed");
    assert_eq!(patch("7").await, "invalid_parameter");
}

#[tokio::test]
async fn hard_case_10_the_fingerprint_is_that_of_the_request_as_sent() {
    let world = World::new();
    let of = async |path: &str, if_match: &str, body: &str| {
        let headers = [("idempotency-key", "key-00001"), ("if-match", if_match)];
        post(&world, path, &headers, body).await.json()["fingerprint"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let base = of("/v1/things", "", GOOD).await;
    assert_eq!(
        base,
        of("/v1/things", "", "{ \"behave\": \"ok\", \"name\": \"n\" }").await
    );
    assert_eq!(base, of("/v1/things?dry_run=false", "", GOOD).await);
    assert_eq!(base, of("/v1/things?dry_run=true", "", GOOD).await);
    assert_ne!(base, of("/v1/things", "\"7\"", GOOD).await);
    assert_ne!(
        base,
        of("/v1/things", "", r#"{"name":"m","behave":"ok"}"#).await
    );
    assert_ne!(
        base,
        of(
            "/v1/things",
            "",
            r#"{"name":"n","behave":"ok","office":null}"#
        )
        .await
    );
}

#[tokio::test]
async fn a_minimal_answer_leaves_the_body_out() {
    let world = World::new();
    let headers = [
        ("idempotency-key", "key-00001"),
        ("prefer", "return=minimal"),
        ("if-match", "*"),
    ];
    let made = post(&world, "/v1/things", &headers, GOOD).await;
    assert_eq!(
        (made.status, made.text.as_str(), made.header("etag")),
        (201, "", "\"1\"")
    );
    assert_eq!(made.header("preference-applied"), "return=minimal");
    let changed = world
        .send(request("PATCH", "/v1/things/ber", &headers, "{}"))
        .await;
    assert_eq!(
        (
            changed.status,
            changed.text.as_str(),
            changed.header("etag")
        ),
        (204, "", "\"8\"")
    );
    let refused = post(&world, "/v1/things", &headers, "{}").await;
    assert_eq!(refused.problem(), (422, "validation_failed".into()));
}

#[tokio::test]
async fn a_post_that_is_no_write_needs_no_key() {
    let world = World::new();
    let answer = post(&world, "/v1/check", &[], r#"{"keys":["a"]}"#).await;
    assert_eq!(
        (answer.status, answer.json()),
        (200, serde_json::json!({"keys": ["a"]}))
    );
    assert_eq!(
        post(&world, "/v1/check", &[], "").await.json(),
        serde_json::json!({})
    );
    let bad = post(&world, "/v1/check", &[], "{").await;
    assert_eq!(bad.problem(), (400, "malformed_json".into()));
    assert_eq!(bad.json()["effect"], "none");
    let rehearsed = post(&world, "/v1/check?dry_run=true", &[], "{}").await;
    assert_eq!(rehearsed.problem(), (400, "unknown_parameter".into()));
}
