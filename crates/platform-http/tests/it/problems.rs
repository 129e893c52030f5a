//! How operations' ends become problems, and what these say of a write's effect.

use kernel::Timestamp;

use crate::harness::{World, request};

async fn behave(world: &World, behave: &str) -> crate::harness::Answer {
    world
        .post(&format!(
            r#"{{"name":"n","office":"ber","behave":"{behave}"}}"#
        ))
        .await
}

#[tokio::test]
async fn every_end_of_a_write_has_its_problem() {
    let world = World::new();
    for (how, status, code, retryable) in [
        ("taken", 409, "sku_taken", false),
        ("contended", 503, "contention", true),
        ("unavailable", 503, "region_unavailable", true),
        ("late", 504, "deadline_exceeded", true),
        ("bug", 500, "internal", false),
        ("stale", 412, "version_changed", false),
        ("exists", 409, "already_exists", false),
    ] {
        let answer = behave(&world, how).await;
        assert_eq!(answer.problem(), (status, code.into()));
        let body = answer.json();
        assert_eq!(
            (&body["effect"], &body["retryable"]),
            (&"none".into(), &retryable.into()),
            "{body}"
        );
        assert_eq!(body["type"], format!("/problems/{code}"));
        assert_eq!(body["instance"], "/v1/things");
        assert_eq!(
            answer.headers.contains_key("retry-after"),
            retryable,
            "{answer:?}"
        );
        assert_eq!(body.get("retry_after_ms").is_some(), retryable, "{body}");
        assert!(!answer.text.contains("hunter2"), "{body}");
        assert_eq!(
            body.get("alternatives").is_some(),
            how == "unavailable",
            "{body}"
        );
    }
    let stale = behave(&world, "stale").await;
    assert_eq!(
        (stale.header("etag"), &stale.json()["current_version"]),
        ("\"8\"", &8.into())
    );
    assert_eq!(
        behave(&world, "exists").await.header("location"),
        "/v1/things/old"
    );
    assert_eq!(behave(&world, "taken").await.json()["sku"], "LAMP-7");
    let elsewhere = behave(&world, "unavailable").await.json()["alternatives"][0].clone();
    assert_eq!(
        elsewhere,
        serde_json::json!({"region": "us1", "base_url": "http://127.0.0.1:8102"})
    );
}

#[tokio::test]
async fn an_unknown_effect_carries_its_receipt() {
    let world = World::new();
    for (how, status, code) in [
        ("unknown", 503, "outcome_unknown"),
        ("bug_unknown", 500, "internal"),
        ("panic", 500, "internal"),
    ] {
        let answer = behave(&world, how).await;
        assert_eq!(answer.problem(), (status, code.into()), "{how}");
        let body = answer.json();
        assert_eq!(
            (&body["effect"], &body["retryable"]),
            (&"unknown".into(), &true.into()),
            "{body}"
        );
        let receipt = body["receipt"].as_str().unwrap();
        let attempt_at = receipt.strip_prefix("/v1/writes/key-00001?office=ber&attempt_at=");
        let attempt_at: Timestamp = attempt_at
            .unwrap_or_else(|| panic!("{receipt}"))
            .parse()
            .unwrap();
        assert!(attempt_at.as_millis() > 1_700_000_000_000, "{receipt}");
        assert!(!answer.text.contains("hunter2"), "{body}");
    }
}

#[tokio::test]
async fn hard_case_06_a_write_without_a_key_has_a_receipt_by_its_request() {
    let world = World::new();
    let answer = world
        .send(request(
            "PATCH",
            "/v1/things/ber",
            &[("if-match", "\"7\"")],
            "{}",
        ))
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json()["key"],
        format!("auto:{}", answer.header("request-id"))
    );
    let global = world.post(r#"{"name":"n","behave":"panic"}"#).await;
    let receipt = global.json()["receipt"].as_str().unwrap().to_owned();
    assert!(
        receipt.starts_with("/v1/writes/key-00001?office=g&attempt_at="),
        "{receipt}"
    );
}

#[tokio::test]
async fn what_never_reached_the_database_has_no_effect_whatever_broke() {
    let world = World::new();
    let answer = behave(&world, "panic_before").await;
    assert_eq!(answer.problem(), (500, "internal".into()));
    assert_eq!(answer.json()["effect"], "none");
    let read = world.get("/v1/panic").await;
    assert_eq!(read.problem(), (500, "internal".into()));
    assert_eq!(read.json().get("effect"), None);
}

#[tokio::test]
async fn hard_case_02_a_write_that_does_not_end_is_unknown_and_a_read_is_504() {
    let world = World::with(|setup| {
        setup.config.limits.deadline = std::time::Duration::from_millis(50);
        setup.config.limits.resolve = std::time::Duration::from_millis(50);
    });
    let read = world.get("/v1/hang").await;
    assert_eq!(read.problem(), (504, "deadline_exceeded".into()));
    assert_eq!(read.json()["retryable"], true);
    let write = behave(&world, "hang").await;
    assert_eq!(write.problem(), (503, "outcome_unknown".into()));
    assert_eq!(write.json()["effect"], "unknown");
    assert!(
        write.json()["receipt"]
            .as_str()
            .unwrap()
            .contains("key-00001?office=ber")
    );
    assert_eq!(write.header("retry-after"), "1");
}

#[tokio::test]
async fn amounts_out_of_range_have_a_code_of_their_own() {
    let invalid = |codes: &[&'static str]| {
        let errors = codes.iter().map(|code| kernel::FieldError {
            pointer: "/a".into(),
            code,
            detail: "is bad".into(),
        });
        let error = platform_http::ApiError::from(kernel::Invalid {
            errors: errors.collect(),
        });
        error.problem().kind().code
    };
    assert_eq!(invalid(&["amount_out_of_range"]), "amount_out_of_range");
    assert_eq!(
        invalid(&["amount_out_of_range", "required"]),
        "validation_failed"
    );
    assert_eq!(invalid(&[]), "validation_failed");
}
