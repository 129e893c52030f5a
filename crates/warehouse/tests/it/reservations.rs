//! `/v1/warehouse/reservations`

use std::time::Duration;

use axum::http::Method;
use kernel::{Clock, Role, Timestamp, id::ItemId};
use serde_json::{Value, json};
use testkit::{
    Answer, Engine, TestApp,
    app::{new_key, token},
    eventually,
};

use crate::{Warehouse, app_with_clock, items::lamp};

pub(crate) const RESERVATIONS: &str = "/v1/warehouse/reservations";

/// A warehouse with `ber-main` and `nyc-main`, and an item of which some lie at `ber-main`.
pub(crate) struct Stocked {
    pub(crate) warehouse: Warehouse,
    pub(crate) app: TestApp,
    /// `itm_g_…`
    pub(crate) item: String,
}

impl Stocked {
    pub(crate) async fn with(quantity: i64) -> Self {
        let warehouse = Warehouse::new().await;
        let app = warehouse.app();
        for office in ["ber", "nyc"] {
            let place = json!({"code": format!("{office}-main"), "office": office, "name": "n", "kind": "depot"});
            let made = app.post("/v1/warehouse/locations", place).await;
            assert_eq!(made.status, 201, "{}", made.body);
        }
        let made = app.post("/v1/warehouse/items", lamp("LAMP-7")).await;
        let item = made.body["id"].as_str().unwrap().to_owned();
        let stocked = Self {
            warehouse,
            app,
            item,
        };
        stocked.receive("ber-main", quantity).await;
        stocked
    }

    pub(crate) async fn receive(&self, location: &str, quantity: i64) {
        self.receive_of(&self.item, location, quantity).await;
    }

    pub(crate) async fn receive_of(&self, item: &str, location: &str, quantity: i64) {
        let line = json!({"item": item, "quantity": quantity, "unit_cost_minor": 100});
        let receipt = json!({"location": location, "reference": "R-1", "lines": [line]});
        let received = self.app.post("/v1/warehouse/receipts", receipt).await;
        assert_eq!(received.status, 201, "{}", received.body);
    }

    pub(crate) fn wanted(&self, quantity: i64) -> Value {
        json!({"location": "ber-main", "item": self.item, "quantity": quantity})
    }

    pub(crate) async fn reserve(&self, quantity: i64) -> Answer {
        self.app.post(RESERVATIONS, self.wanted(quantity)).await
    }

    /// The services of a region by another clock.
    pub(crate) fn at(&self, region: &str, clock: &Clock) -> TestApp {
        app_with_clock(
            self.warehouse.db.db_with_clock(region, clock.clone()),
            region,
            clock.clone(),
        )
    }

    /// On hand, reserved and version at `ber-main`.
    pub(crate) async fn level(&self) -> (i64, i64, i64) {
        let rows = self
            .warehouse
            .db
            .query("SELECT on_hand, reserved, version FROM warehouse.stock_levels WHERE location = 'ber-main'")
            .await;
        let number = |column: usize| rows[0][column].as_deref().unwrap().parse().unwrap();
        (number(0), number(1), number(2))
    }

    /// Invariant I3, as far as reservations go.
    pub(crate) async fn reserved_is_what_is_held(&self) {
        let broken = "SELECT count(*) FROM warehouse.stock_levels AS l WHERE l.reserved <> (\
            SELECT coalesce(sum(r.quantity), 0) FROM warehouse.reservations AS r \
            WHERE r.region = l.region AND r.location = l.location AND r.item = l.item AND r.status = 'active')";
        assert_eq!(self.warehouse.db.count(broken).await, 0);
    }

    /// Events of the level at `ber-main`, oldest first: version and cause.
    pub(crate) async fn changes(&self) -> Vec<(i64, String)> {
        let rows = self
            .warehouse
            .db
            .query(
                "SELECT resource_version, data ->> 'cause' FROM platform.events \
                 WHERE kind = 'warehouse.stock.changed' AND data ->> 'location' = 'ber-main' ORDER BY resource_version",
            )
            .await;
        rows.into_iter()
            .map(|row| {
                (
                    row[0].as_deref().unwrap().parse().unwrap(),
                    row[1].clone().unwrap(),
                )
            })
            .collect()
    }
}

fn path(made: &Answer) -> String {
    assert_eq!(made.status, 201, "{}", made.body);
    made.header("location").to_owned()
}

async fn release(app: &TestApp, path: &str) -> Answer {
    app.request(Method::POST, &format!("{path}/release"))
        .key(&new_key())
        .send()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_puts_stock_aside_until_it_is_released() {
    let stocked = Stocked::with(10).await;
    let mut wanted = stocked.wanted(4);
    wanted["hold_seconds"] = json!(60);
    let made = stocked.app.post(RESERVATIONS, wanted).await;
    let path = path(&made);
    assert_eq!(made.header("etag"), "\"1\"");
    let body = &made.body;
    assert_eq!(
        path,
        format!("{RESERVATIONS}/{}", body["id"].as_str().unwrap())
    );
    assert!(body["id"].as_str().unwrap().starts_with("rsv_eu1_"));
    let expected = json!({
        "id": body["id"], "office": "ber", "home_region": "eu1", "location": "ber-main", "item": stocked.item,
        "sku": "LAMP-7", "quantity": 4, "order_line": null, "status": "active", "expires_at": body["expires_at"],
        "version": 1, "created_at": body["created_at"], "updated_at": body["created_at"],
    });
    assert_eq!(*body, expected);
    let time = |member: &str| body[member].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert_eq!(
        time("expires_at").since(time("created_at")),
        Duration::from_secs(60)
    );
    assert_eq!(stocked.level().await, (10, 4, 2));
    // Any region reads it, and lets go of it.
    let us1 = stocked.warehouse.in_region("us1");
    assert_eq!(us1.get(&path).await.body, made.body);
    let released = release(&us1, &path).await;
    assert_eq!(released.status, 200, "{}", released.body);
    assert_eq!(
        (
            &released.body["status"],
            released.version(),
            released.header("etag")
        ),
        (&json!("released"), 2, "\"2\"")
    );
    assert_eq!(stocked.app.get(&path).await.body, released.body);
    assert_eq!(stocked.level().await, (10, 0, 3));
    let changes = stocked.changes().await;
    let causes: Vec<_> = changes
        .iter()
        .map(|(v, cause)| (*v, cause.as_str()))
        .collect();
    assert_eq!(causes, [(1, "receipt"), (2, "reserved"), (3, "released")]);
    let over = release(&stocked.app, &path).await;
    assert_eq!(over.problem(), (409, "reservation_not_active"));
    assert_eq!(over.body["reservation_status"], "released");
    assert_eq!(stocked.level().await, (10, 0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_lasts_fifteen_minutes_unless_told_otherwise() {
    let stocked = Stocked::with(1).await;
    let made = stocked.reserve(1).await;
    let time = |member: &str| {
        made.body[member]
            .as_str()
            .unwrap()
            .parse::<Timestamp>()
            .unwrap()
    };
    assert_eq!(
        time("expires_at").since(time("created_at")),
        Duration::from_secs(900)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_rule_of_a_body_is_named_and_nothing_is_held() {
    let stocked = Stocked::with(10).await;
    let unknown = ItemId::random("g".parse().unwrap()).to_string();
    let with = |member: &str, value: Value| {
        let mut body = stocked.wanted(1);
        body[member] = value;
        body
    };
    for (body, pointers) in [
        (json!({}), &["/item", "/location", "/quantity"][..]),
        (with("quantity", json!(0)), &["/quantity"]),
        (with("quantity", json!(1.0)), &["/quantity"]),
        (
            with("quantity", json!(9_007_199_254_740_992_i64)),
            &["/quantity"],
        ),
        (with("hold_seconds", json!(0)), &["/hold_seconds"]),
        (with("hold_seconds", json!(86_401)), &["/hold_seconds"]),
        (with("location", json!("BER")), &["/location"]),
        (with("location", json!("nowhere")), &["/location"]),
        (with("item", json!("LAMP-7")), &["/item"]),
        (with("item", json!(unknown)), &["/item"]),
        (with("order_line", json!("oln_eu1_x")), &["/order_line"]),
        (with("status", json!("active")), &["/status"]),
        (with("colour", json!("red")), &["/colour"]),
    ] {
        let refused = stocked.app.post(RESERVATIONS, body.clone()).await;
        assert_eq!(refused.problem(), (422, "validation_failed"), "{body}");
        let mut found = refused.pointers();
        found.sort_unstable();
        assert_eq!(found, pointers, "{body}: {}", refused.body);
        assert_eq!(refused.body["effect"], "none");
    }
    assert_eq!(stocked.level().await, (10, 0, 1));
    let held = stocked.reserve(1).await;
    let body = json!({"reason": "none"});
    let release = format!("{}/release", path(&held));
    let refused = stocked.app.post(&release, body).await;
    assert_eq!(
        (refused.problem(), refused.pointers()),
        ((422, "validation_failed"), vec!["/reason"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_hold_what() {
    let stocked = Stocked::with(10).await;
    let send = async |token: &str, method: Method, path: &str, body: &Value| {
        let request = stocked.app.request_as(token, method, path).key(&new_key());
        request.json(body).send().await
    };
    let wanted = stocked.wanted(1);
    let viewer = token(Role::Viewer, &["*"]);
    let refused = send(&viewer, Method::POST, RESERVATIONS, &json!({})).await;
    assert_eq!(refused.problem(), (403, "scope_missing"), "before the body");
    let stranger = token(Role::Clerk, &["nyc"]);
    let refused = send(&stranger, Method::POST, RESERVATIONS, &wanted).await;
    assert_eq!(refused.problem(), (403, "office_forbidden"));
    let held = path(&stocked.reserve(1).await);
    let release = format!("{held}/release");
    let refused = send(&viewer, Method::POST, &release, &json!({})).await;
    assert_eq!(refused.problem(), (403, "scope_missing"));
    let refused = send(&stranger, Method::POST, &release, &json!({})).await;
    assert_eq!(refused.problem(), (403, "office_forbidden"));
    let refused = stocked
        .app
        .request_as(&stranger, Method::GET, &held)
        .send()
        .await;
    assert_eq!(refused.problem(), (403, "office_forbidden"));
    let listed = stocked
        .app
        .request_as(&stranger, Method::GET, RESERVATIONS)
        .send()
        .await;
    assert_eq!(listed.body["data"], json!([]), "lists narrow in silence");
    let path = format!("{RESERVATIONS}?office=ber");
    let refused = stocked
        .app
        .request_as(&stranger, Method::GET, &path)
        .send()
        .await;
    assert_eq!(refused.problem(), (403, "office_forbidden"));
    let missing = format!("{RESERVATIONS}/rsv_us1_00000000000000000000000001");
    assert_eq!(
        stocked.app.get(&missing).await.problem(),
        (404, "not_found")
    );
    let refused = send(
        &stranger,
        Method::POST,
        &format!("{missing}/release"),
        &json!({}),
    )
    .await;
    assert_eq!(refused.problem(), (404, "not_found"));
    let garbled = stocked.app.get(&format!("{RESERVATIONS}/itm_g_1")).await;
    assert_eq!(garbled.problem(), (400, "invalid_parameter"));
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_40_an_archived_item_takes_no_new_hold_and_a_closed_office_neither() {
    let stocked = Stocked::with(10).await;
    let held = path(&stocked.reserve(1).await);
    let item = format!("/v1/warehouse/items/{}", stocked.item);
    let archived = stocked
        .app
        .patch(&item, 1, json!({"status": "archived"}))
        .await;
    assert_eq!(archived.status, 200, "{}", archived.body);
    assert_eq!(stocked.reserve(1).await.problem(), (409, "item_archived"));
    let closed = "UPDATE platform.offices SET status = 'closed' WHERE code = 'ber'";
    stocked.warehouse.db.query(closed).await;
    // The refusal of a body comes before that of a state.
    let refused = stocked.reserve(1).await;
    assert_eq!(
        (refused.problem(), refused.pointers()),
        ((422, "validation_failed"), vec!["/location"])
    );
    assert_eq!(refused.body["errors"][0]["code"], "office_closed");
    // What exists can be finished.
    assert_eq!(release(&stocked.app, &held).await.status, 200);
    assert_eq!(stocked.level().await, (10, 0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shortage_says_how_much_there_is_and_who_has_more() {
    let stocked = Stocked::with(10).await;
    let db = &stocked.warehouse.db;
    db.query(
        "UPDATE platform.offices SET latitude = 52.52, longitude = 13.405 WHERE code = 'ber';
         UPDATE platform.offices SET latitude = 40.7128, longitude = -74.006 WHERE code = 'nyc'",
    )
    .await;
    stocked.reserve(7).await;
    let short = |nearest: Value| json!([{"sku": "LAMP-7", "wanted": 4, "available": 3, "nearest": nearest}]);
    let refused = stocked.reserve(4).await;
    assert_eq!(refused.problem(), (409, "insufficient_stock"));
    assert_eq!(refused.body["lines"], short(Value::Null), "nobody has more");
    assert_eq!(refused.body["retryable"], false);
    stocked.receive("nyc-main", 40).await;
    // Who has more is known by a state that may be a few seconds old, where there are replicas.
    let is_postgres = db.engine() == Engine::Postgres;
    let refused_as = async |token: &str| {
        let mut refused = None;
        eventually("somebody who has more is known", async || {
            let request = stocked.app.request_as(token, Method::POST, RESERVATIONS);
            let request = request.key(&new_key()).json(&stocked.wanted(4));
            let answer = request.send().await;
            let is_known = !answer.body["lines"][0]["nearest"].is_null();
            refused = Some(answer);
            is_known || is_postgres
        })
        .await;
        refused.unwrap()
    };
    let refused = refused_as(&token(Role::Manager, &["*"])).await;
    let nyc = json!({"office": "nyc", "distance_km": 6385, "available": 40});
    assert_eq!(refused.body["lines"], short(nyc.clone()));
    assert!(
        refused.header("freshness").starts_with("strong;"),
        "{:?}",
        refused.headers
    );
    // One number per office, also for a token that does not reach it.
    let refused = refused_as(&token(Role::Clerk, &["ber"])).await;
    assert_eq!(refused.body["lines"], short(nyc));
    assert_eq!(stocked.level().await, (10, 7, 2));
    // An item that never lay there is short too.
    let other = stocked
        .app
        .post("/v1/warehouse/items", lamp("LAMP-8"))
        .await;
    let wanted = json!({"location": "ber-main", "item": other.body["id"], "quantity": 1});
    let refused = stocked.app.post(RESERVATIONS, wanted).await;
    assert_eq!(refused.problem(), (409, "insufficient_stock"));
    assert_eq!(refused.body["lines"][0]["available"], 0);
    assert_eq!(
        db.count("SELECT count(*) FROM warehouse.stock_levels")
            .await,
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_a_hold_is_up_whether_it_was_swept_or_not() {
    let stocked = Stocked::with(10).await;
    let start = Clock::System.now();
    let clock = |ms: u64| Clock::fixed(start.plus(Duration::from_millis(ms)));
    let app = stocked.at("eu1", &clock(1000));
    let mut wanted = stocked.wanted(10);
    wanted["hold_seconds"] = json!(60);
    let held = app.post(RESERVATIONS, wanted).await;
    let path = path(&held);
    let before = stocked.at("eu1", &clock(60_999));
    let refused = before.post(RESERVATIONS, stocked.wanted(1)).await;
    assert_eq!(refused.problem(), (409, "insufficient_stock"));
    assert_eq!(before.get(&path).await.body["status"], "active");
    let after = stocked.at("eu1", &clock(61_000));
    let seen = after.get(&path).await;
    assert_eq!(
        (&seen.body["status"], seen.version()),
        (&json!("expired"), 1)
    );
    let refused = release(&after, &path).await;
    assert_eq!(refused.problem(), (409, "reservation_not_active"));
    assert_eq!(refused.body["reservation_status"], "expired");
    assert_eq!(stocked.level().await, (10, 10, 2), "not swept yet");
    let taken = after.post(RESERVATIONS, stocked.wanted(3)).await;
    assert_eq!(taken.status, 201, "{}", taken.body);
    // Given back and taken in one write: one version, one event.
    assert_eq!(stocked.level().await, (10, 3, 3));
    assert_eq!(stocked.changes().await.len(), 3);
    let seen = after.get(&path).await;
    assert_eq!(
        (&seen.body["status"], seen.version()),
        (&json!("expired"), 2)
    );
    stocked.reserved_is_what_is_held().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_19_a_hold_gives_no_304_past_its_end() {
    let stocked = Stocked::with(10).await;
    let start = Clock::System.now();
    let mut wanted = stocked.wanted(1);
    wanted["hold_seconds"] = json!(60);
    let path = path(&stocked.app.post(RESERVATIONS, wanted).await);
    for (seconds, status) in [(30, 304), (61, 200)] {
        let clock = Clock::fixed(start.plus(Duration::from_secs(seconds)));
        let request = stocked.at("eu1", &clock).request(Method::GET, &path);
        let read = request.header("if-none-match", "\"1\"").send().await;
        assert_eq!(read.status, status, "{seconds}: {}", read.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_order_lets_go_of_what_it_holds() {
    let stocked = Stocked::with(10).await;
    let path = path(&stocked.reserve(1).await);
    let line =
        "UPDATE warehouse.reservations SET order_line = gen_random_uuid(), expires_at = NULL";
    stocked.warehouse.db.query(line).await;
    let refused = release(&stocked.app, &path).await;
    assert_eq!(refused.problem(), (409, "reservation_not_active"));
    let line = refused.body["order_line"].as_str().unwrap().to_owned();
    assert!(line.starts_with("oln_eu1_"), "{line}");
    assert_eq!(stocked.app.get(&path).await.body["order_line"], line);
    assert_eq!(stocked.level().await, (10, 1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_10_a_repeat_is_the_stored_answer_in_any_region_even_when_the_stock_is_gone() {
    let stocked = Stocked::with(1).await;
    let key = new_key();
    let send = async |region: &str, token: &str, body: &Value| {
        let app = stocked.warehouse.in_region(region);
        let request = app.request_as(token, Method::POST, RESERVATIONS).key(&key);
        request.json(body).send().await
    };
    let (everywhere, nyc) = (token(Role::Manager, &["*"]), token(Role::Manager, &["nyc"]));
    let first = send("eu1", &everywhere, &stocked.wanted(1)).await;
    assert_eq!(first.status, 201, "{}", first.body);
    for region in ["eu1", "us1", "ap1"] {
        let again = send(region, &everywhere, &stocked.wanted(1)).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert_eq!(again.header("idempotent-replayed"), "true");
    }
    let other = send("us1", &everywhere, &stocked.wanted(2)).await;
    assert_eq!(other.problem(), (422, "idempotency_key_reused"));
    let lost = send("us1", &nyc, &stocked.wanted(1)).await;
    assert_eq!(lost.problem(), (403, "office_forbidden"));
    assert_eq!(stocked.level().await, (1, 1, 2));
    // A release is repeated likewise, and its rows live where the stock does.
    let path = format!("{}/release", first.header("location"));
    let release = async |region: &str| {
        let app = stocked.warehouse.in_region(region);
        app.request(Method::POST, &path)
            .key("release-0001")
            .send()
            .await
    };
    let (once, twice) = (release("us1").await, release("eu1").await);
    assert_eq!((once.status.as_u16(), &once.body), (200, &twice.body));
    let homes = "SELECT DISTINCT region FROM platform.audit_log WHERE action IN ('reserve_stock', 'release_reservation')";
    assert_eq!(
        stocked.warehouse.db.query(homes).await,
        [[Some("eu1".to_owned())]]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_holds_nothing() {
    let stocked = Stocked::with(3).await;
    let path = format!("{RESERVATIONS}?dry_run=true");
    let send = async |quantity: i64| {
        let request = stocked.app.request(Method::POST, &path);
        request.json(&stocked.wanted(quantity)).send().await
    };
    let tried = send(3).await;
    assert_eq!(
        (tried.status.as_u16(), tried.header("dry-run")),
        (201, "true")
    );
    assert_eq!(send(4).await.problem(), (409, "insufficient_stock"));
    assert_eq!(stocked.level().await, (3, 0, 1));
    let id = tried.body["id"].as_str().unwrap();
    let read = stocked.app.get(&format!("{RESERVATIONS}/{id}")).await;
    assert_eq!(read.problem(), (404, "not_found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn reservations_are_listed_by_place_item_and_state() {
    let stocked = Stocked::with(100).await;
    stocked.receive("nyc-main", 100).await;
    let mut made = Vec::new();
    for (location, seconds) in [
        ("ber-main", 60),
        ("ber-main", 900),
        ("nyc-main", 900),
        ("ber-main", 900),
        ("nyc-main", 60),
    ] {
        let body = json!({"location": location, "item": stocked.item, "quantity": 1, "hold_seconds": seconds});
        let answer = stocked.app.post(RESERVATIONS, body).await;
        made.push(path(&answer).rsplit('/').next().unwrap().to_owned());
    }
    release(&stocked.app, &format!("{RESERVATIONS}/{}", made[3])).await;
    // The time of two of the holds is up, and nobody swept.
    let over = "UPDATE warehouse.reservations SET expires_at = now() - INTERVAL '1 minute' \
                WHERE expires_at < now() + INTERVAL '2 minutes'";
    stocked.warehouse.db.query(over).await;
    let app = &stocked.app;
    let item = format!("item={}", stocked.item);
    let other = stocked
        .app
        .post("/v1/warehouse/items", lamp("LAMP-8"))
        .await;
    let other = format!("item={}", other.body["id"].as_str().unwrap());
    for (query, expected) in [
        ("", &[4, 3, 2, 1, 0][..]),
        ("order=asc", &[0, 1, 2, 3, 4]),
        ("office=ber", &[3, 1, 0]),
        ("office=nyc,ber&order=asc", &[0, 1, 2, 3, 4]),
        ("location=nyc-main", &[4, 2]),
        ("location=nyc-main&office=ber", &[]),
        ("status=active", &[2, 1]),
        ("status=active&order=asc", &[1, 2]),
        ("status=expired", &[4, 0]),
        ("status=released", &[3]),
        ("status=consumed", &[]),
        (&item, &[4, 3, 2, 1, 0]),
        (&format!("{item}&order=asc&office=ber"), &[0, 1, 3]),
        (&format!("{item}&status=active"), &[2, 1]),
        (&format!("{item}&status=active&order=asc"), &[1, 2]),
        (&format!("{item}&status=expired&location=ber-main"), &[0]),
        (&other, &[]),
        ("created_to=2020-01-01T00:00:00Z", &[]),
        ("created_from=2020-01-01T00:00:00Z&status=released", &[3]),
    ] {
        let expected: Vec<&str> = expected.iter().map(|n: &usize| made[*n].as_str()).collect();
        assert_eq!(walk(app, query, 200).await, expected, "{query}");
        assert_eq!(walk(app, query, 1).await, expected, "{query}, one by one");
    }
    for (query, parameter) in [
        ("location=nowhere", "location"),
        ("office=xyz", "office"),
        ("item=itm_g_00000000000000000000000001", "item"),
        ("item=LAMP-7", "item"),
        ("status=gone", "status"),
    ] {
        let refused = app.get(&format!("{RESERVATIONS}?{query}")).await;
        assert_eq!(refused.problem(), (400, "invalid_parameter"), "{query}");
        assert_eq!(
            refused.body["errors"][0]["parameter"], parameter,
            "{}",
            refused.body
        );
    }
    let refused = app
        .get(&format!("{RESERVATIONS}?as_of=2026-01-01T00:00:00Z"))
        .await;
    assert_eq!(refused.problem(), (400, "unknown_parameter"));
}

/// Ids of a whole list, page by page.
async fn walk(app: &TestApp, query: &str, limit: usize) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app
            .get(&format!("{RESERVATIONS}?{query}&limit={limit}{cursor}"))
            .await;
        assert_eq!(page.status, 200, "{query}: {}", page.body);
        let data = page.body["data"].as_array().unwrap();
        assert!(data.len() <= limit);
        ids.extend(
            data.iter()
                .map(|row| row["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page.body["next_cursor"].as_str() else {
            return ids;
        };
        cursor = format!("&cursor={next}");
    }
}
