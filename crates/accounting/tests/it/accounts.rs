//! The chart.

use axum::http::Method;
use kernel::Role;
use serde_json::{Value, json};
use testkit::app::{new_key, token};

use crate::{ACCOUNTS, World, events_of};

fn rent() -> Value {
    json!({"code": "6100", "name": "Rent", "type": "expense", "normal": "debit"})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chart_is_there_and_can_grow() {
    let world = World::new().await;
    let app = world.in_region("us1");
    let made = app.post(ACCOUNTS, rent()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(made.header("location"), "/v1/accounting/accounts/6100");
    assert_eq!(made.header("etag"), "\"1\"");
    for (member, value) in [
        ("code", json!("6100")),
        ("type", json!("expense")),
        ("normal", json!("debit")),
        ("status", json!("active")),
        ("office", Value::Null),
        ("home_region", Value::Null),
        ("version", json!(1)),
    ] {
        assert_eq!(made.body[member], value, "{member}");
    }
    let found = world.app().get("/v1/accounting/accounts/6100").await;
    assert_eq!(found.body, made.body);
    assert_eq!(
        events_of(&world, "6100").await,
        ["accounting.account.created 1"]
    );
    let rows = "SELECT count(*) FROM platform.audit_log WHERE region = 'eu1' AND office IS NULL";
    assert_eq!(
        world.db.count(rows).await,
        1,
        "hard case 11: in the primary region"
    );
    let inventory = app.get("/v1/accounting/accounts/1300").await;
    assert_eq!(inventory.body["name"], "Inventory");
    let missing = app.get("/v1/accounting/accounts/9999").await;
    assert_eq!(missing.problem(), (404, "not_found"));
    let malformed = app.get("/v1/accounting/accounts/a%20b").await;
    assert_eq!(malformed.problem(), (400, "invalid_parameter"));
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_listed_page_by_page() {
    let world = World::new().await;
    let app = world.app();
    app.post(ACCOUNTS, rent()).await;
    let whole = app.get(ACCOUNTS).await;
    let codes = |page: &Value| -> Vec<String> {
        let rows = page["data"].as_array().unwrap().iter();
        rows.map(|row| row["code"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = codes(&whole.body);
    assert_eq!((all.len(), all[0].as_str()), (15, "6100"));
    let (mut walked, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get(&format!("{ACCOUNTS}?limit=4{cursor}")).await;
        walked.extend(codes(&page.body));
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(walked, all);
    let ascending = app.get(&format!("{ACCOUNTS}?order=asc&limit=1")).await;
    assert_eq!(codes(&ascending.body), [all.last().unwrap().as_str()]);
    let unknown = app
        .get(&format!("{ACCOUNTS}?as_of=2026-01-01T00:00:00Z"))
        .await;
    assert_eq!(unknown.problem(), (400, "unknown_parameter"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_taken_once_and_a_body_is_checked() {
    let world = World::new().await;
    let app = world.app();
    app.post(ACCOUNTS, rent()).await;
    let taken = app.post(ACCOUNTS, rent()).await;
    assert_eq!(taken.problem(), (409, "already_exists"));
    assert_eq!(taken.header("location"), "/v1/accounting/accounts/6100");
    for (member, value) in [
        ("code", json!("a b")),
        ("code", Value::Null),
        ("name", json!("")),
        ("name", json!("n".repeat(201))),
        ("type", json!("income")),
        ("normal", json!("left")),
        ("status", json!("active")),
        ("version", json!(1)),
        ("colour", json!("red")),
    ] {
        let mut body = rent();
        body[member] = value;
        let refused = app.post(ACCOUNTS, body).await;
        assert_eq!(refused.problem(), (422, "validation_failed"), "{member}");
        assert_eq!(refused.pointers(), [format!("/{member}")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chart_is_changed_by_who_may_administer_it() {
    let world = World::new().await;
    let app = world.app();
    for (role, allowed) in [
        (Role::Viewer, false),
        (Role::Clerk, false),
        (Role::Operator, false),
        (Role::Accountant, true),
    ] {
        let token = token(role, &["ber"]);
        let request = app
            .request_as(&token, Method::POST, ACCOUNTS)
            .key(&new_key());
        let answer = request.json(&rent()).send().await;
        let expected = if allowed { 201 } else { 403 };
        assert_eq!(answer.status, expected, "{role:?}: {}", answer.body);
        let shown = app.request_as(&token, Method::GET, ACCOUNTS).send().await;
        assert_eq!(shown.status, 200, "{role:?}");
    }
}
