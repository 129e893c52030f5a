//! What becomes of orders: changed, confirmed, cancelled; and what that does to the stock.

use std::time::Duration;

use kernel::Clock;
use serde_json::{Value, json};
use testkit::{Answer, TestApp, eventually};

use crate::{
    app,
    orders::{Counter, ORDERS, cancel, confirm},
};

fn id(order: &Answer) -> String {
    order.body["id"].as_str().unwrap().to_owned()
}

fn path(order: &Answer) -> String {
    format!("{ORDERS}/{}", id(order))
}

/// Sales by a clock so much later.
fn later(counter: &Counter, seconds: u64) -> TestApp {
    let clock = Clock::fixed(Clock::System.now().plus(Duration::from_secs(seconds)));
    let db = counter.shop.db.db_with_clock("eu1", clock.clone());
    app(db, "eu1", clock)
}

fn held(counter: &Counter, lamps: i64, seconds: i64) -> Value {
    let mut body = counter.lamps(lamps);
    body["hold_seconds"] = json!(seconds);
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn confirming_puts_everything_aside_for_good() {
    let counter = Counter::with(5, 9).await;
    let mut body = counter.lamps(2);
    // Two lines of one level are one demand of it.
    body["lines"] = json!([
        counter.line(&counter.lamp, 2),
        counter.line(&counter.bulb, 9),
        counter.line(&counter.lamp, 3)
    ]);
    let draft = counter.app.post(ORDERS, body).await;
    assert_eq!(counter.level(&counter.lamp).await, (5, 0));
    let placed = confirm(&counter.shop.in_region("ap1"), &path(&draft)).await;
    assert_eq!(placed.status, 200, "{}", placed.body);
    assert_eq!((placed.header("etag"), placed.version()), ("\"2\"", 2));
    assert_eq!(
        (&placed.body["status"], &placed.body["expires_at"]),
        (&json!("confirmed"), &Value::Null)
    );
    assert_eq!(placed.body["placed_at"], placed.body["updated_at"]);
    assert_eq!(
        (
            &placed.body["payment_status"],
            &placed.body["fulfilment_status"]
        ),
        (&json!("unpaid"), &json!("none"))
    );
    assert_eq!(counter.app.get(&path(&draft)).await.body, placed.body);
    assert_eq!(
        (
            counter.level(&counter.lamp).await,
            counter.level(&counter.bulb).await
        ),
        ((5, 5), (9, 9))
    );
    let days = "SELECT count(*) FROM sales.orders WHERE placed_date = (placed_at AT TIME ZONE 'Europe/Berlin')::DATE";
    assert_eq!(counter.shop.db.count(days).await, 1);
    // One event a level, however many lines it has.
    let changes = "SELECT count(*) FROM platform.events WHERE kind = 'warehouse.stock.changed' AND data ->> 'cause' = 'reserved'";
    assert_eq!(counter.shop.db.count(changes).await, 2);
    let events = counter.events(&id(&draft)).await;
    assert_eq!(
        events,
        [
            ("sales.order.created".into(), 1),
            ("sales.order.confirmed".into(), 2)
        ]
    );
    counter.is_sound().await;
    // Only the order lets go of what is put aside for it.
    let reservations = counter
        .app
        .get("/v1/warehouse/reservations?status=active")
        .await;
    let reservation = &reservations.body["data"][0];
    assert_eq!(reservation["expires_at"], Value::Null);
    let release = format!(
        "/v1/warehouse/reservations/{}/release",
        reservation["id"].as_str().unwrap()
    );
    assert_eq!(
        counter.app.post(&release, json!({})).await.problem(),
        (409, "reservation_not_active")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_had_is_named_line_by_line_and_nothing_is_put_aside() {
    let counter = Counter::with(5, 1).await;
    counter.receive("nyc-main", &counter.bulb, 40).await;
    let mut body = counter.lamps(1);
    body["lines"] = json!([
        counter.line(&counter.lamp, 3),
        counter.line(&counter.lamp, 3),
        counter.line(&counter.bulb, 7)
    ]);
    let draft = counter.app.post(ORDERS, body.clone()).await;
    let refused = confirm(&counter.app, &path(&draft)).await;
    assert_eq!(refused.problem(), (409, "insufficient_stock"));
    assert_eq!(
        (&refused.body["effect"], &refused.body["retryable"]),
        (&json!("none"), &json!(false))
    );
    let lines = refused.body["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 2, "{lines:?}");
    // Each alone would do; together they do not.
    assert_eq!(lines[0]["line"], draft.body["lines"][1]["id"]);
    assert_eq!(
        (
            &lines[0]["sku"],
            &lines[0]["wanted"],
            &lines[0]["available"]
        ),
        (&json!("LAMP-7"), &json!(3), &json!(2))
    );
    assert_eq!(lines[0]["nearest"], Value::Null);
    assert_eq!(lines[1]["line"], draft.body["lines"][2]["id"]);
    assert_eq!(
        (
            &lines[1]["sku"],
            &lines[1]["wanted"],
            &lines[1]["available"]
        ),
        (&json!("BULB-1"), &json!(7), &json!(1))
    );
    // Whoever might help is looked for in a state that replicas have.
    eventually("the nearest is told", async || {
        let refused = confirm(&counter.app, &path(&draft)).await;
        let nearest = &refused.body["lines"][1]["nearest"];
        let is_near = nearest["distance_km"].is_i64();
        is_near && (&nearest["office"], &nearest["available"]) == (&json!("nyc"), &json!(40))
    })
    .await;
    body["hold_seconds"] = json!(60);
    let refused = counter.app.post(ORDERS, body).await;
    assert_eq!(refused.problem(), (409, "insufficient_stock"));
    assert_eq!(
        counter
            .shop
            .db
            .count("SELECT count(*) FROM sales.orders")
            .await,
        1
    );
    assert_eq!(counter.level(&counter.lamp).await, (5, 0));
    assert_eq!(counter.app.get(&path(&draft)).await.body, draft.body);
    counter.receive("ber-main", &counter.lamp, 1).await;
    counter.receive("ber-main", &counter.bulb, 6).await;
    assert_eq!(confirm(&counter.app, &path(&draft)).await.status, 200);
    counter.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_holds_its_goods_and_confirming_keeps_what_it_holds() {
    let counter = Counter::with(5, 0).await;
    let app = &counter.app;
    let draft = app.post(ORDERS, held(&counter, 4, 600)).await;
    assert_eq!(draft.status, 201, "{}", draft.body);
    assert_eq!(counter.level(&counter.lamp).await, (5, 4));
    assert_eq!(
        app.post(ORDERS, held(&counter, 2, 600)).await.problem(),
        (409, "insufficient_stock")
    );
    let other = counter.draft(2).await;
    assert_eq!(
        confirm(app, &other).await.problem(),
        (409, "insufficient_stock")
    );
    assert_eq!(confirm(app, &path(&draft)).await.status, 200);
    assert_eq!(counter.level(&counter.lamp).await, (5, 4));
    let standing = "SELECT count(*) FROM warehouse.reservations WHERE status = 'active' AND expires_at IS NULL AND quantity = 4";
    assert_eq!(counter.shop.db.count(standing).await, 1);
    counter.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_02_a_hold_that_is_over_is_made_anew_at_confirm_if_the_goods_are_still_there() {
    let counter = Counter::with(5, 0).await;
    let first = counter.app.post(ORDERS, held(&counter, 4, 600)).await;
    let second = counter.app.post(ORDERS, held(&counter, 1, 6000)).await;
    // Swept by nobody: the transaction's own time ends it.
    let afterwards = later(&counter, 700);
    let third = afterwards.post(ORDERS, held(&counter, 3, 60)).await;
    assert_eq!(third.status, 201, "{}", third.body);
    let refused = confirm(&afterwards, &path(&first)).await;
    assert_eq!(refused.problem(), (409, "insufficient_stock"));
    assert_eq!(
        (
            &refused.body["lines"][0]["wanted"],
            &refused.body["lines"][0]["available"]
        ),
        (&json!(4), &json!(1))
    );
    assert_eq!(confirm(&afterwards, &path(&second)).await.status, 200);
    let again = later(&counter, 800);
    let placed = confirm(&again, &path(&first)).await;
    assert_eq!(placed.status, 200, "{}", placed.body);
    assert_eq!(counter.level(&counter.lamp).await, (5, 5));
    assert_eq!(
        confirm(&again, &path(&third)).await.problem(),
        (409, "insufficient_stock")
    );
    counter.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_lets_go_of_what_was_put_aside() {
    let counter = Counter::with(9, 0).await;
    let app = &counter.app;
    for draft in [held(&counter, 4, 600), counter.lamps(2)] {
        let draft = app.post(ORDERS, draft).await;
        let gone = cancel(app, &path(&draft), Value::Null).await;
        assert_eq!(gone.status, 200, "{}", gone.body);
        assert_eq!(
            (&gone.body["status"], gone.version()),
            (&json!("cancelled"), 2)
        );
        assert_eq!(
            gone.body["lines"][0]["cancelled"],
            draft.body["lines"][0]["quantity"]
        );
        assert_eq!(gone.body["payment_status"], "unpaid");
        assert_eq!(counter.level(&counter.lamp).await, (9, 0));
    }
    let placed = counter.confirmed(5).await;
    let gone = cancel(app, &path(&placed), Value::Null).await;
    assert_eq!(
        (&gone.body["status"], &gone.body["payment_status"]),
        (&json!("cancelled"), &json!("paid"))
    );
    assert_eq!(gone.body["total_minor"], placed.body["total_minor"]);
    assert_eq!(counter.level(&counter.lamp).await, (9, 0));
    for refused in [
        cancel(app, &path(&placed), Value::Null).await,
        confirm(app, &path(&placed)).await,
    ] {
        assert_eq!(refused.problem(), (409, "order_state"));
        assert_eq!(refused.body["order_status"], "cancelled");
    }
    let events = counter.events(&id(&placed)).await;
    assert_eq!(events[2], ("sales.order.cancelled".into(), 3));
    for (table, column, id_is) in [
        ("events", "data", "subject"),
        ("audit_log", "after", "after ->> 'id'"),
    ] {
        let told = format!(
            "SELECT count(*) FROM platform.{table} AS t WHERE {id_is} = '{}' AND {column} ->> 'reason' = 'changed my mind'",
            id(&placed)
        );
        assert_eq!(counter.shop.db.count(&told).await, 1, "{table}");
    }
    counter.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_05_units_are_cancelled_once_and_no_more_than_are_open() {
    let counter = Counter::with(9, 9).await;
    let app = &counter.app;
    let mut body = counter.lamps(5);
    body["lines"] = json!([
        counter.line(&counter.lamp, 5),
        counter.line(&counter.bulb, 3)
    ]);
    let draft = app.post(ORDERS, body).await;
    let placed = confirm(app, &path(&draft)).await;
    let path = path(&draft);
    let (lamps, bulbs) = (
        &placed.body["lines"][0]["id"],
        &placed.body["lines"][1]["id"],
    );
    let of = |line: &Value, quantity: i64| json!({"line": line, "quantity": quantity});
    let some = cancel(app, &path, json!([of(lamps, 1), of(lamps, 1)])).await;
    assert_eq!(
        (some.status.as_u16(), &some.body["status"]),
        (200, &json!("confirmed")),
        "{}",
        some.body
    );
    assert_eq!(
        (&some.body["lines"][0]["cancelled"], some.version()),
        (&json!(2), 3)
    );
    assert_eq!(counter.level(&counter.lamp).await, (9, 3));
    counter.is_sound().await;
    more_than_is_open_is_refused(app, (&path, &draft), (lamps, bulbs)).await;
    let all = json!([of(lamps, 3), of(bulbs, 3)]);
    let rest = cancel(app, &path, all).await;
    assert_eq!(
        (&rest.body["status"], rest.version()),
        (&json!("cancelled"), 4)
    );
    let levels = (
        counter.level(&counter.lamp).await,
        counter.level(&counter.bulb).await,
    );
    assert_eq!(levels, ((9, 0), (9, 0)));
    let events = counter.events(&id(&draft)).await.into_iter();
    let kinds: Vec<String> = events.map(|(kind, _)| kind).collect();
    assert_eq!(kinds[2..], ["sales.order.changed", "sales.order.cancelled"]);
    let cancelled = "SELECT count(*) FROM sales.order_cancellations";
    assert_eq!(counter.shop.db.count(cancelled).await, 3);
    counter.is_sound().await;
}

/// Three lamps and three bulbs are.
async fn more_than_is_open_is_refused(
    app: &TestApp,
    (path, draft): (&str, &Answer),
    (lamps, bulbs): (&Value, &Value),
) {
    let of = |line: &Value, quantity: i64| json!({"line": line, "quantity": quantity});
    for (lines, open) in [
        (json!([of(lamps, 4)]), 3),
        (json!([of(bulbs, 1), of(lamps, 2), of(lamps, 2)]), 3),
    ] {
        let refused = cancel(app, path, lines).await;
        assert_eq!(refused.problem(), (409, "already_shipped"));
        assert_eq!(refused.body["lines"].as_array().unwrap().len(), 1);
        let line = &refused.body["lines"][0];
        assert_eq!(
            (&line["line"], &line["wanted"], &line["open"]),
            (lamps, &json!(4), &json!(open))
        );
    }
    for (lines, pointer) in [
        (json!([of(&draft.body["id"], 1)]), "/lines/0/line"),
        (
            json!([
                of(lamps, 1),
                of(&json!("oln_eu1_00000000000000000000000001"), 1)
            ]),
            "/lines/1/line",
        ),
        (json!([]), "/lines"),
        (json!([of(lamps, 0)]), "/lines/0/quantity"),
    ] {
        let refused = cancel(app, path, lines).await;
        assert_eq!(
            (refused.problem(), refused.pointers()),
            ((422, "validation_failed"), vec![pointer])
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_what_a_draft_holds_releases_as_much() {
    let counter = Counter::with(9, 0).await;
    let draft = counter.app.post(ORDERS, held(&counter, 5, 600)).await;
    let line = &draft.body["lines"][0]["id"];
    let some = cancel(
        &counter.app,
        &path(&draft),
        json!([{"line": line, "quantity": 2}]),
    )
    .await;
    assert_eq!(
        (&some.body["status"], &some.body["lines"][0]["cancelled"]),
        (&json!("draft"), &json!(2)),
        "{}",
        some.body
    );
    assert_eq!(counter.level(&counter.lamp).await, (9, 3));
    let placed = confirm(&counter.app, &path(&draft)).await;
    assert_eq!(placed.status, 200, "{}", placed.body);
    assert_eq!(counter.level(&counter.lamp).await, (9, 3));
    counter.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_lines_of_a_draft_have_new_prices_and_new_holds() {
    let counter = Counter::with(9, 9).await;
    let app = &counter.app;
    let draft = app.post(ORDERS, held(&counter, 5, 600)).await;
    let path = path(&draft);
    let price = format!("/v1/warehouse/items/{}/prices/EUR", counter.lamp);
    let put = app
        .request(axum::http::Method::PUT, &price)
        .json(&json!({"amount_minor": 500}))
        .send()
        .await;
    assert_eq!(put.status, 200, "{}", put.body);
    let lines = json!([
        counter.line(&counter.bulb, 2),
        counter.line(&counter.lamp, 7)
    ]);
    let changed = app
        .patch(&path, 1, json!({"lines": lines, "reference": "PO-2"}))
        .await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    assert_eq!(
        (changed.version(), &changed.body["reference"]),
        (2, &json!("PO-2"))
    );
    assert_eq!(
        (
            &changed.body["lines"][1]["unit_price_minor"],
            &changed.body["subtotal_minor"]
        ),
        (&json!(500), &json!(3566))
    );
    assert_ne!(changed.body["lines"][1]["id"], draft.body["lines"][0]["id"]);
    assert_eq!(
        (
            counter.level(&counter.lamp).await,
            counter.level(&counter.bulb).await
        ),
        ((9, 7), (9, 2))
    );
    counter.is_sound().await;
    assert_eq!(app.get(&path).await.body, changed.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_cannot_be_is_refused_and_leaves_the_draft() {
    let counter = Counter::with(9, 9).await;
    let app = &counter.app;
    let draft = app.post(ORDERS, held(&counter, 5, 600)).await;
    let path = path(&draft);
    let too_many = json!({"lines": [counter.line(&counter.lamp, 10)]});
    let refused = app.patch(&path, 1, too_many).await;
    assert_eq!(refused.problem(), (409, "insufficient_stock"));
    assert_eq!(
        refused.body["lines"][0]["available"], 9,
        "what it holds itself is its own"
    );
    for (patch, problem, pointer) in [
        (json!({"lines": []}), (422, "validation_failed"), "/lines"),
        (json!({"lines": null}), (422, "validation_failed"), "/lines"),
        (
            json!({"customer": null}),
            (422, "validation_failed"),
            "/customer",
        ),
        (
            json!({"customer": counter.lee}),
            (422, "validation_failed"),
            "/customer",
        ),
        (
            json!({"office": "nyc"}),
            (422, "validation_failed"),
            "/office",
        ),
        (
            json!({"hold_seconds": 5}),
            (422, "validation_failed"),
            "/hold_seconds",
        ),
        (
            json!({"lines": [{"item": counter.lamp, "location": "nyc-main", "quantity": 1}]}),
            (422, "location_of_other_office"),
            "/lines/0/location",
        ),
    ] {
        let refused = app.patch(&path, 1, patch.clone()).await;
        assert_eq!(
            (refused.problem(), refused.pointers()),
            (problem, vec![pointer]),
            "{patch}"
        );
    }
    assert_eq!(app.get(&path).await.body, draft.body);
    assert_eq!(counter.level(&counter.lamp).await, (9, 5));
    counter.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_nothing_has_no_new_version_and_later_only_the_notes_change() {
    let counter = Counter::with(9, 9).await;
    let app = &counter.app;
    let mut body = counter.lamps(1);
    body["reference"] = json!("PO-1");
    let draft = app.post(ORDERS, body).await;
    let path = path(&draft);
    let lines = json!([counter.line(&counter.bulb, 2)]);
    let cleared = app
        .patch(&path, 1, json!({"reference": null, "notes": "n"}))
        .await;
    assert_eq!(
        (
            &cleared.body["reference"],
            &cleared.body["notes"],
            cleared.version()
        ),
        (&Value::Null, &json!("n"), 2)
    );
    // What changes nothing has no new version and no event.
    let same = app.patch(&path, 2, json!({"notes": "n"})).await;
    assert_eq!((same.status.as_u16(), same.version()), (200, 2));
    assert_eq!(counter.events(&id(&draft)).await.len(), 2);
    assert_eq!(confirm(app, &path).await.status, 200);
    let noted = app.patch(&path, 3, json!({"notes": null})).await;
    assert_eq!((&noted.body["notes"], noted.version()), (&Value::Null, 4));
    for patch in [
        json!({"lines": lines}),
        json!({"customer": counter.kim}),
        json!({"notes": "x", "reference": "r"}),
    ] {
        assert_eq!(
            app.patch(&path, 4, patch).await.problem(),
            (409, "order_state")
        );
    }
    counter.is_sound().await;
}
