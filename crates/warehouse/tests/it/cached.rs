//! Items from memory.

use std::time::Duration;

use axum::http::Method;
use kernel::{Clock, Timestamp};
use serde_json::{Value, json};
use testkit::{
    TestApp,
    app::{Answer, token_with},
    eventually,
};

use crate::{Warehouse, items::lamp};

const FREE: &str = "sql=0, rows=0, retries=0, xregion=0";

async fn made(app: &TestApp, item: Value) -> String {
    let made = app.post("/v1/warehouse/items", item).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.header("location").to_owned()
}

fn is_cached(answer: &Answer) -> bool {
    answer.header("freshness").starts_with("cache;as_of=")
}

async fn ask(app: &TestApp, path: &str, header: (&str, &str)) -> Answer {
    let request = match header.0 {
        "consistency-token" => app.request(Method::GET, path),
        _ => app.plain(path),
    };
    request.header(header.0, header.1).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_from_memory_is_the_item_and_says_where_it_is_from() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    let path = made(&app, lamp("LAMP-7")).await;
    let first = app.plain(&path).send().await;
    assert_eq!(first.header("freshness"), "strong;max_ms=0;home=\"g\"");
    let again = app.warm(&path).await;
    assert_eq!((&again.body, again.header("etag")), (&first.body, "\"1\""));
    assert_eq!(again.header("request-cost"), FREE);
    assert!(again.header("freshness").ends_with(";home=\"g\""));
    assert!(!again.header("consistency-token").is_empty());
    // Memory knows what the client has.
    eventually("nothing new from memory", async || {
        let known = ask(&app, &path, ("if-none-match", "\"1\"")).await;
        assert_eq!(known.status, 304);
        is_cached(&known)
    })
    .await;
    for header in [
        ("read-consistency", "strong"),
        ("cache-control", "no-cache"),
        ("read-consistency", "bounded;max_ms=0"),
    ] {
        app.warm(&path).await;
        let answer = ask(&app, &path, header).await;
        assert!(
            answer.header("freshness").starts_with("strong;"),
            "{header:?}"
        );
    }
    // Who may not see it is not shown it, warm or not.
    app.warm(&path).await;
    let other = token_with(&["accounting:read"], &["*"]);
    let refused = app.request_as(&other, Method::GET, &path).send().await;
    assert_eq!(refused.problem(), (403, "scope_missing"));
    assert_eq!(refused.header("freshness"), "none");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_wrote_its_next_read_shows() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    let path = made(&app, lamp("LAMP-7")).await;
    app.warm(&path).await;
    let renamed = app.patch(&path, 1, json!({"name": "Floor lamp"})).await;
    assert_eq!(app.plain(&path).send().await.body, renamed.body);
    app.warm(&path).await;
    let priced = app
        .request(Method::PUT, &format!("{path}/prices/EUR"))
        .json(&json!({"amount_minor": 5}))
        .send()
        .await;
    assert_eq!(app.plain(&path).send().await.body, priced.body);
    app.warm(&path).await;
    let gone = app
        .request(Method::DELETE, &path)
        .header("if-match", "\"3\"")
        .send()
        .await;
    assert_eq!(gone.status, 204, "{}", gone.body);
    assert_eq!(app.plain(&path).send().await.problem(), (404, "not_found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_region_wrote_is_seen_with_its_token_and_soon_without() {
    let warehouse = Warehouse::new().await;
    let (eu1, us1) = (warehouse.app(), warehouse.in_region("us1"));
    let path = made(&eu1, lamp("LAMP-7")).await;
    us1.warm(&path).await;
    let renamed = eu1.patch(&path, 1, json!({"name": "Floor lamp"})).await;
    let token = renamed.header("consistency-token");
    let seen = ask(&us1, &path, ("consistency-token", token)).await;
    assert_eq!(seen.body, renamed.body);
    us1.warm(&path).await;
    let renamed = eu1.patch(&path, 2, json!({"name": "Lamp"})).await;
    eventually("it is seen", async || {
        us1.plain(&path).send().await.body == renamed.body
    })
    .await;
    // Who was refused for a newer version is shown that version.
    us1.warm(&path).await;
    let renamed = eu1.patch(&path, 3, json!({"name": "Desk lamp"})).await;
    let late = us1.patch(&path, 3, json!({"name": "Table lamp"})).await;
    assert_eq!(late.problem(), (412, "version_changed"));
    assert_eq!(us1.plain(&path).send().await.body, renamed.body);
}

/// A price comes into force while the item is in memory: from that moment on memory shows it, and has nothing that is
/// "not modified".
#[tokio::test(flavor = "multi_thread")]
async fn hard_case_19_memory_shows_a_price_from_its_moment_on() {
    let warehouse = Warehouse::new().await;
    let start = Clock::System.now();
    let clock = Clock::fixed(start);
    let at = |ms| set(&clock, start.plus(Duration::from_millis(ms)));
    let app = crate::app_with_clock(warehouse.db.db(), "eu1", clock.clone());
    let mut item = lamp("LAMP-7");
    let soon = start.plus(Duration::from_millis(300)).to_string();
    item["prices"] = json!([
        {"currency": "EUR", "amount_minor": 10_000},
        {"currency": "EUR", "amount_minor": 12_000, "valid_from": soon},
    ]);
    let path = made(&app, item).await;
    let prices = |answer: &Answer| {
        let prices = answer.body["prices"].as_array().unwrap().iter();
        prices
            .map(|price| price["amount_minor"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    eventually("both moments from one entry", async || {
        at(0);
        assert_eq!(prices(&app.plain(&path).send().await), [10_000, 12_000]);
        let known = ask(&app, &path, ("if-none-match", "\"1\"")).await;
        assert_eq!(known.status, 304);
        at(300);
        let known = ask(&app, &path, ("if-none-match", "\"1\"")).await;
        assert_eq!(known.status, 200);
        assert_eq!(prices(&known), [12_000]);
        is_cached(&known)
    })
    .await;
}

fn set(clock: &Clock, time: Timestamp) {
    if let Clock::Fixed(millis) = clock {
        millis.store(time.as_millis(), std::sync::atomic::Ordering::Relaxed);
    }
}
