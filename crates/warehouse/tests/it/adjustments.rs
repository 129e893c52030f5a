//! `POST /v1/warehouse/adjustments`

use std::time::Duration;

use kernel::{Clock, id::ItemId};
use serde_json::{Value, json};
use testkit::app::new_key;

use crate::{
    app_with_clock,
    reservations::RESERVATIONS,
    stock::{ADJUSTMENTS, Store},
};

/// Delta and value of the only movement.
fn moved(body: &Value) -> (i64, i64) {
    let movement = &body["movements"][0];
    let number = |member: &str| movement[member].as_i64().unwrap();
    (number("delta"), number("value_delta_minor"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_takes_its_share_and_what_is_found_is_worth_as_much() {
    let store = Store::new().await;
    store.receive("ber-main", 3, 10).await;
    let mut body = store.adjustment(-1);
    body["reason"] = json!("damage");
    let taken = store.adjust(body).await;
    assert_eq!(taken.status, 201, "{}", taken.body);
    // 10 ÷ 3 = 3.33: 3 go, 7 stay.
    assert_eq!(moved(&taken.body), (-1, -3));
    let movement = &taken.body["movements"][0];
    assert_eq!(
        (
            &movement["kind"],
            &movement["reason"],
            &movement["reference"]
        ),
        (&json!("adjust"), &json!("damage"), &Value::Null)
    );
    let entry = &taken.body["journal_entry"];
    assert_eq!(
        entry["source"],
        json!({"type": "adjustment", "id": movement["id"], "rule": "adjustment_down"})
    );
    assert_eq!(
        entry["description"],
        "Adjustment of LAMP-7 at ber-main: damage"
    );
    let read = store.app.get(taken.header("location")).await;
    assert_eq!(read.body, *movement);
    // 7 × 1 ÷ 2 = 3.5: half up. A price that somebody thinks of does not count.
    let mut body = store.adjustment(1);
    body["unit_cost_minor"] = json!(99);
    let found = store.adjust(body).await;
    assert_eq!(moved(&found.body), (1, 4));
    assert_eq!(
        found.body["journal_entry"]["source"]["rule"],
        "adjustment_up"
    );
    // The last unit takes what is left.
    assert_eq!(
        moved(&store.adjust(store.adjustment(-3)).await.body),
        (-3, -11)
    );
    assert_eq!(store.numbers().await, [0, 0, 0, 4]);
    // With nothing on hand a price counts, and without one goods are worth nothing.
    let nothing = store.adjust(store.adjustment(2)).await;
    assert_eq!(
        (moved(&nothing.body), &nothing.body["journal_entry"]),
        ((2, 0), &Value::Null)
    );
    store.adjust(store.adjustment(-2)).await;
    let mut body = store.adjustment(2);
    body["unit_cost_minor"] = json!(50);
    assert_eq!(moved(&store.adjust(body).await.body), (2, 100));
    assert_eq!(
        store.postings().await,
        [
            "1300 2050 10 receipt receipt",
            "5900 1300 3 adjustment adjustment_down",
            "1300 5900 4 adjustment adjustment_up",
            "5900 1300 11 adjustment adjustment_down",
            "1300 5900 100 adjustment adjustment_up",
        ]
    );
    store.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_brings_the_level_to_what_is_there_if_it_is_what_was_expected() {
    let store = Store::new().await;
    store.receive("ber-main", 10, 100).await;
    let refused = store.adjust(store.count(8, 9)).await;
    assert_eq!(refused.problem(), (412, "quantity_changed"));
    assert_eq!(
        (&refused.body["on_hand"], &refused.body["effect"]),
        (&json!(10), &json!("none"))
    );
    assert_eq!(
        moved(&store.adjust(store.count(8, 10)).await.body),
        (-2, -20)
    );
    assert_eq!(moved(&store.adjust(store.count(9, 8)).await.body), (1, 10));
    let same = store.adjust(store.count(9, 9)).await;
    assert_eq!(same.status, 201);
    assert_eq!(same.body, json!({"movements": [], "journal_entry": null}));
    assert_eq!(same.header("location"), "");
    assert_eq!(
        moved(&store.adjust(store.count(0, 9)).await.body),
        (-9, -90)
    );
    assert_eq!(store.numbers().await, [0, 0, 0, 4]);
    // What was never there is none, and a count of none makes no level.
    let mut nowhere = store.count(0, 0);
    nowhere["location"] = json!("ber-shop");
    assert_eq!(store.adjust(nowhere).await.body["movements"], json!([]));
    assert_eq!(store.rows("warehouse.stock_levels").await, 1);
    store.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_count_is_answered_before_its_expectation_is_looked_at() {
    let store = Store::new().await;
    store.receive("ber-main", 10, 100).await;
    let key = new_key();
    let send = async || {
        let request = store
            .app
            .request(axum::http::Method::POST, ADJUSTMENTS)
            .key(&key);
        request.json(&store.count(8, 10)).send().await
    };
    let first = send().await;
    assert_eq!(first.status, 201, "{}", first.body);
    let again = send().await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(store.numbers().await, [8, 0, 80, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_28_a_count_below_what_is_reserved_names_what_is_in_the_way() {
    let store = Store::new().await;
    store.receive("ber-main", 10, 100).await;
    let hold = async |quantity: i64, seconds: i64| {
        let body = json!({"location": "ber-main", "item": store.items[0], "quantity": quantity,
            "hold_seconds": seconds});
        let held = store.app.post(RESERVATIONS, body).await;
        assert_eq!(held.status, 201, "{}", held.body);
        held.body
    };
    let (short, long) = (hold(3, 60).await, hold(4, 3600).await);
    let refused = store.adjust(store.count(6, 10)).await;
    assert_eq!(refused.problem(), (409, "insufficient_stock"));
    assert_eq!(
        refused.body["lines"],
        json!([{"sku": "LAMP-7", "wanted": 4, "available": 3, "nearest": null}])
    );
    assert_eq!(
        refused.body["reservations"],
        json!([short, long]),
        "soonest first"
    );
    let refused = store.adjust(store.adjustment(-4)).await;
    assert_eq!(refused.problem(), (409, "insufficient_stock"));
    // What nobody put aside may go.
    assert_eq!(store.adjust(store.adjustment(-3)).await.status, 201);
    // Holds that are over are given back first, in the same write.
    let later = Clock::fixed(Clock::System.now().plus(Duration::from_secs(61)));
    let app = app_with_clock(store.db().db_with_clock("eu1", later.clone()), "eu1", later);
    let refused = app.post(ADJUSTMENTS, store.count(3, 7)).await;
    assert_eq!(refused.problem(), (409, "insufficient_stock"));
    assert_eq!(
        refused.body["reservations"],
        json!([long]),
        "the other one is over"
    );
    assert_eq!(
        store.numbers().await,
        [7, 7, 70, 4],
        "a refusal gives nothing back"
    );
    let counted = app.post(ADJUSTMENTS, store.count(4, 7)).await;
    assert_eq!(counted.status, 201, "{}", counted.body);
    assert_eq!(
        store.numbers().await,
        [4, 4, 40, 5],
        "one write, one version"
    );
    let path = format!("{RESERVATIONS}/{}", short["id"].as_str().unwrap());
    let over = app.get(&path).await;
    assert_eq!(
        (&over.body["status"], over.version()),
        (&json!("expired"), 2)
    );
    store.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_there_is_cannot_go() {
    let store = Store::new().await;
    let refused = store.adjust(store.adjustment(-1)).await;
    assert_eq!(refused.problem(), (409, "insufficient_stock"));
    assert_eq!(refused.body["lines"][0]["available"], 0);
    assert_eq!(refused.body["reservations"], json!([]));
    store.receive("ber-main", 1, 1).await;
    let refused = store.adjust(store.adjustment(-2)).await;
    assert_eq!(refused.problem(), (409, "insufficient_stock"));
    assert_eq!(store.numbers().await, [1, 0, 1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_rule_of_an_adjustment_is_named() {
    let store = Store::new().await;
    let unknown = ItemId::random("g".parse().unwrap()).to_string();
    let with = |mut body: Value, member: &str, value: Value| {
        body[member] = value;
        body
    };
    let (delta, count) = (store.adjustment(1), store.count(1, 0));
    for (body, pointers) in [
        (json!({}), &["/delta", "/item", "/location", "/reason"][..]),
        (json!(7), &[""]),
        (with(delta.clone(), "delta", json!(0)), &["/delta"]),
        (with(delta.clone(), "delta", json!(1.0)), &["/delta"]),
        (
            with(delta.clone(), "delta", json!(-9_007_199_254_740_992_i64)),
            &["/delta"],
        ),
        (with(delta.clone(), "delta", Value::Null), &["/delta"]),
        (with(delta.clone(), "reason", json!("gift")), &["/reason"]),
        (
            with(delta.clone(), "unit_cost_minor", json!(-1)),
            &["/unit_cost_minor"],
        ),
        (
            with(delta.clone(), "counted", json!(1)),
            &["/delta", "/expected_on_hand"],
        ),
        (
            with(delta.clone(), "expected_on_hand", json!(1)),
            &["/counted", "/delta"],
        ),
        (with(count.clone(), "counted", json!(-1)), &["/counted"]),
        (
            with(count.clone(), "expected_on_hand", Value::Null),
            &["/expected_on_hand"],
        ),
        (
            with(count.clone(), "unit_cost_minor", json!(1)),
            &["/unit_cost_minor"],
        ),
        (with(count.clone(), "item", json!(unknown)), &["/item"]),
        (
            with(count.clone(), "location", json!("nowhere")),
            &["/location"],
        ),
        (with(count, "movements", json!([])), &["/movements"]),
        (with(delta, "colour", json!("red")), &["/colour"]),
    ] {
        let refused = store.adjust(body.clone()).await;
        assert_eq!(refused.problem(), (422, "validation_failed"), "{body}");
        let mut found = refused.pointers();
        found.sort_unstable();
        assert_eq!(found, pointers, "{body}: {}", refused.body);
    }
    assert_eq!(store.rows("warehouse.stock_levels").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_26_goods_found_beyond_what_is_exact_are_refused() {
    let store = Store::new().await;
    let most = 9_007_199_254_740_991_i64;
    let mut body = store.adjustment(2);
    body["unit_cost_minor"] = json!(most);
    let refused = store.adjust(body).await;
    assert_eq!(refused.problem(), (422, "amount_out_of_range"));
    store.receive("ber-main", 1, most).await;
    // As much again, and half of it again, would be too much; the books say so of the balance too.
    let refused = store.adjust(store.adjustment(1)).await;
    assert_eq!(refused.problem(), (422, "amount_out_of_range"));
    let refused = store.adjust(store.adjustment(most)).await;
    assert_eq!(refused.problem(), (422, "amount_out_of_range"));
    assert_eq!(store.numbers().await, [1, 0, most, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_month_and_a_closed_office_take_no_adjustment() {
    let store = Store::new().await;
    store.receive("ber-main", 2, 2).await;
    store.close_this_month().await;
    for body in [store.adjustment(1), store.adjustment(-1), store.count(1, 2)] {
        assert_eq!(store.adjust(body).await.problem(), (409, "period_closed"));
    }
    assert_eq!(
        store.adjust(store.count(2, 2)).await.status,
        201,
        "nothing to post"
    );
    let closed = "UPDATE platform.offices SET status = 'closed' WHERE code = 'ber'";
    store.db().query(closed).await;
    let refused = store.adjust(store.adjustment(1)).await;
    assert_eq!(
        (refused.problem(), refused.pointers()),
        ((422, "validation_failed"), vec!["/location"])
    );
    assert_eq!(refused.body["errors"][0]["code"], "office_closed");
    assert_eq!(store.numbers().await, [2, 0, 2, 1]);
}
