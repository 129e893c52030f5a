//! `/v1/warehouse/items/{id}/prices/{currency}`

use axum::http::Method;
use serde_json::json;
use testkit::app::new_key;

use crate::{Warehouse, items::lamp};

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_41_prices_are_set_from_now_or_later_and_never_before() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    let item = app.post("/v1/warehouse/items", lamp("LAMP-7")).await;
    let path = format!("{}/prices/EUR", item.header("location"));
    let put =
        async |body: serde_json::Value| app.request(Method::PUT, &path).json(&body).send().await;

    let same = put(json!({"amount_minor": 10_000})).await;
    assert_eq!(
        (same.status.as_u16(), same.version()),
        (200, 1),
        "{}",
        same.body
    );
    let raised = put(json!({"amount_minor": 11_000})).await;
    assert_eq!((raised.status.as_u16(), raised.version()), (200, 2));
    let planned = put(json!({"amount_minor": 12_000, "valid_from": "2126-01-01T00:00:00Z"})).await;
    assert_eq!(planned.version(), 3);
    let euros: Vec<i64> = planned.body["prices"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|price| price["currency"] == "EUR")
        .map(|price| price["amount_minor"].as_i64().unwrap())
        .collect();
    assert_eq!(euros, [11_000, 12_000]);
    let past = put(json!({"amount_minor": 1, "valid_from": "2020-01-01T00:00:00Z"})).await;
    assert_eq!(
        (past.problem(), past.pointers()),
        ((422, "validation_failed"), vec!["/valid_from"])
    );
    let huge = put(json!({"amount_minor": 9_007_199_254_740_992_i64})).await;
    assert_eq!(huge.problem(), (422, "amount_out_of_range"));
    let unknown = format!("{}/prices/XYZ", item.header("location"));
    let unknown = app
        .request(Method::PUT, &unknown)
        .json(&json!({"amount_minor": 1}))
        .send()
        .await;
    assert_eq!(unknown.problem(), (400, "invalid_parameter"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_item_takes_no_price_until_it_is_active_again() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    let item = app.post("/v1/warehouse/items", lamp("LAMP-7")).await;
    let path = item.header("location").to_owned();
    let put = async || {
        let request = app
            .request(Method::PUT, &format!("{path}/prices/EUR"))
            .key(&new_key());
        request.json(&json!({"amount_minor": 5})).send().await
    };
    assert_eq!(
        app.patch(&path, 1, json!({"status": "archived"}))
            .await
            .status,
        200
    );
    assert_eq!(put().await.problem(), (409, "item_archived"));
    assert_eq!(
        app.patch(&path, 2, json!({"status": "active"}))
            .await
            .status,
        200
    );
    assert_eq!(put().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_19_no_304_after_a_price_came_into_force() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    let item = app.post("/v1/warehouse/items", lamp("LAMP-7")).await;
    let path = item.header("location").to_owned();
    let ask = async || {
        app.request(Method::GET, &path)
            .header("if-none-match", "\"1\"")
            .header("cache-control", "no-cache") // rows are changed behind the process' back
            .send()
            .await
            .status
            .as_u16()
    };
    assert_eq!(ask().await, 304);
    // A price planned when the version was written, and in force since a moment ago.
    warehouse
        .db
        .query(
            "UPDATE warehouse.items SET updated_at = updated_at - INTERVAL '1 hour'; \
             INSERT INTO warehouse.item_prices (item, currency, valid_from, amount_minor) \
             SELECT id, 'USD', now() - INTERVAL '1 minute', 5 FROM warehouse.items",
        )
        .await;
    assert_eq!(ask().await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_26_amounts_end_where_json_readers_stop_being_exact() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    let item = app.post("/v1/warehouse/items", lamp("LAMP-7")).await;
    let path = format!("{}/prices/KWD", item.header("location"));
    for (amount, expected) in [
        ("9007199254740991", (200, "")),
        ("9007199254740992", (422, "amount_out_of_range")),
        ("99999999999999999999999", (422, "amount_out_of_range")),
        ("-1", (422, "validation_failed")),
        ("1.0", (422, "validation_failed")),
        ("\"1\"", (422, "validation_failed")),
    ] {
        let body = serde_json::from_str(&format!("{{\"amount_minor\": {amount}}}")).unwrap();
        let answer = app.request(Method::PUT, &path).json(&body).send().await;
        assert_eq!(answer.problem(), expected, "{amount}: {}", answer.body);
    }
}
