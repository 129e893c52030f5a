//! `/v1/writes`

use axum::http::Method;
use kernel::Role;
use platform_db::Fault;
use serde_json::{Value, json};
use testkit::{
    TestApp,
    app::{new_key, token},
};

use crate::{Company, systems};

fn item(sku: &str) -> Value {
    json!({"sku": sku, "name": "n", "description": "d", "country_of_origin": "DE", "unit": "each"})
}

const ITEMS: &str = "/v1/warehouse/items";

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_shows_what_became_of_a_write_in_every_region() {
    let company = Company::new().await;
    let key = new_key();
    let app = company.in_region("us1");
    let unknown = app.get(&format!("/v1/writes/{key}")).await;
    assert_eq!(
        (&unknown.body["status"], &unknown.body["settled"]),
        (&json!("unknown"), &json!(false))
    );
    let made = app
        .request(Method::POST, ITEMS)
        .key(&key)
        .json(&item("LAMP-7"))
        .send()
        .await;
    for query in ["", "?office=g", "?attempt_at=2026-01-01T00:00:00Z"] {
        let receipt = company
            .in_region("ap1")
            .get(&format!("/v1/writes/{key}{query}"))
            .await;
        assert_eq!(
            receipt.body["status"], "committed",
            "{query}: {}",
            receipt.body
        );
        assert_eq!(receipt.body["settled"], true);
        assert_eq!(receipt.body["effect_ids"], json!([made.body["id"]]));
        assert_eq!(receipt.body["region"], "us1");
        assert_eq!(receipt.body["request_id"], made.header("request-id"));
    }
    // Another principal's key looks like one that nobody used.
    let clerk = token(Role::Clerk, &["*"]);
    let theirs = app
        .request_as(&clerk, Method::GET, &format!("/v1/writes/{key}"))
        .send()
        .await;
    assert_eq!(theirs.body["status"], "unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_03_twenty_seconds_after_the_attempt_unknown_is_the_last_word() {
    let company = Company::new().await;
    let app = company.app();
    let settled = async |at: &str| {
        let path = format!("/v1/writes/{}?attempt_at={at}", new_key());
        app.get(&path).await.body["settled"].clone()
    };
    assert_eq!(settled("2020-01-01T00:00:00.000Z").await, true);
    assert_eq!(settled("2120-01-01T00:00:00.000Z").await, false);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_03_a_void_key_is_never_written_under() {
    let company = Company::new().await;
    let app = company.app();
    let key = new_key();
    let void = async |key: &str| {
        app.request(Method::POST, &format!("/v1/writes/{key}/void"))
            .send()
            .await
    };
    let voided = void(&key).await;
    assert_eq!(voided.status, 200, "{}", voided.body);
    assert_eq!(
        (&voided.body["status"], &voided.body["settled"]),
        (&json!("void"), &json!(true))
    );
    assert_eq!(
        void(&key).await.body["status"],
        "void",
        "a repeat says the same"
    );
    let late = app
        .request(Method::POST, ITEMS)
        .key(&key)
        .json(&item("LAMP-7"))
        .send()
        .await;
    assert_eq!(late.problem(), (409, "key_voided"));
    assert_eq!(late.body["effect"], "none");
    // A write that did land is not made void: the answer is its receipt.
    let done = new_key();
    let made = app
        .request(Method::POST, ITEMS)
        .key(&done)
        .json(&item("LAMP-7"))
        .send()
        .await;
    assert_eq!(made.status, 201);
    let receipt = void(&done).await;
    assert_eq!(receipt.body["status"], "committed");
    assert_eq!(receipt.body["effect_ids"], json!([made.body["id"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_06_a_write_without_a_key_has_a_receipt_too() {
    let company = Company::new().await;
    let db = company.db.db_in("eu1");
    let app = TestApp::new("eu1", systems(&db, &company.topology));
    db.faults().set("update_office", Fault::OutcomeUnknown);
    let patch = app
        .request(Method::PATCH, "/v1/offices/ber")
        .header("if-match", "\"1\"");
    let unknown = patch.json(&json!({"name": "Berlin 2"})).send().await;
    assert_eq!(unknown.problem(), (503, "outcome_unknown"));
    assert_eq!(unknown.body["effect"], "unknown");
    let link = unknown.body["receipt"].as_str().unwrap();
    assert!(link.starts_with("/v1/writes/auto:req_eu1_"), "{link}");
    let receipt = app.get(link).await;
    assert_eq!(receipt.body["status"], "committed", "{}", receipt.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_05_verify_counts_effects_and_not_key_rows() {
    let company = Company::new().await;
    let app = company.app();
    let mut keys = Vec::new();
    for n in 0..3 {
        let key = new_key();
        let made = app
            .request(Method::POST, ITEMS)
            .key(&key)
            .json(&item(&format!("SKU-{n}")))
            .send()
            .await;
        assert_eq!(made.status, 201);
        keys.push(key);
    }
    // The key rows go after seven days; the audit rows stay.
    company
        .db
        .query("DELETE FROM platform.idempotency_keys")
        .await;
    keys.push(new_key());
    let verify = async |keys: &[String]| {
        let request = app.request(Method::POST, "/v1/writes/verify");
        request.json(&json!({"keys": keys})).send().await
    };
    let verified = verify(&keys).await;
    assert_eq!(verified.status, 200, "{}", verified.body);
    assert_eq!(
        verified.body["summary"],
        json!({"acknowledged": 4, "lost": 1, "doubled": 0})
    );
    let effects: Vec<_> = verified.body["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["effects"].as_u64().unwrap())
        .collect();
    assert_eq!(effects, [1, 1, 1, 0]);
    // A late repeat of any of them finds its own effect.
    let late = app
        .request(Method::POST, ITEMS)
        .key(&keys[0])
        .json(&item("SKU-0"))
        .send()
        .await;
    assert_eq!(late.problem(), (409, "already_exists"));
    assert!(
        late.header("location")
            .starts_with("/v1/warehouse/items/itm_g_")
    );
    assert_eq!(verify(&vec![keys[0].clone(); 1000]).await.status, 200);
    assert_eq!(
        verify(&vec![keys[0].clone(); 1001]).await.problem(),
        (422, "validation_failed")
    );
}
