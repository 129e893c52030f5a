//! Lists of orders, and drafts whose time is up.

use std::time::Duration;

use axum::http::Method;
use kernel::{Clock, Role, Timestamp};
use prometheus_client::registry::Registry;
use sales::Expirer;
use serde_json::{Value, json};
use testkit::{
    Answer, TestApp,
    app::{new_key, token, token_with},
};

use crate::{
    app,
    customers::{CUSTOMERS, kim},
    orders::{Counter, ORDERS, cancel, confirm},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn at(counter: &Counter, time: Timestamp) -> TestApp {
    let clock = Clock::fixed(time);
    let db = counter.shop.db.db_with_clock("eu1", clock.clone());
    app(db, "eu1", clock)
}

fn time(order: &Answer, member: &str) -> Timestamp {
    order.body[member].as_str().unwrap().parse().unwrap()
}

fn ids(list: &Answer) -> Vec<String> {
    assert_eq!(list.status, 200, "{}", list.body);
    let data = list.body["data"].as_array().unwrap();
    data.iter()
        .map(|order| order["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_show_what_is_asked_for_page_by_page() {
    let counter = Counter::with(9, 9).await;
    let app = &counter.app;
    let made = five(&counter).await;
    let other = made_other(&counter).await;
    let list = async |query: &str| ids(&app.get(&format!("{ORDERS}?{query}")).await);
    let newest: Vec<String> = made.iter().rev().cloned().collect();
    assert_eq!(list("office=ber").await, newest);
    assert_eq!(list("office=ber&order=asc").await, made);
    assert_eq!(list("office=nyc").await, std::slice::from_ref(&other));
    assert_eq!(list("").await.len(), 6);
    assert_eq!(
        list("reference=PO-1").await,
        [made[3].clone(), made[1].clone()]
    );
    assert_eq!(list("reference=po-1").await, Vec::<String>::new());
    assert_eq!(list("sku=BULB-1").await, std::slice::from_ref(&made[3]));
    assert_eq!(
        list(&format!("item={}&order=asc&limit=1", counter.lamp)).await,
        std::slice::from_ref(&made[0])
    );
    assert_eq!(
        list("location=nyc-main").await,
        std::slice::from_ref(&other)
    );
    assert_eq!(
        list(&format!("customer={}", counter.lee)).await,
        std::slice::from_ref(&other)
    );
    assert_eq!(
        list(&format!("customer={}&office=ber", counter.lee)).await,
        Vec::<String>::new()
    );
    assert_eq!(
        list(&format!(
            "customer={}&reference=PO-0&status=draft",
            counter.kim
        ))
        .await
        .len(),
        3
    );
    confirm(app, &format!("{ORDERS}/{}", made[0])).await;
    cancel(app, &format!("{ORDERS}/{}", made[1]), Value::Null).await;
    assert_eq!(
        list("status=confirmed").await,
        std::slice::from_ref(&made[0])
    );
    assert_eq!(
        list("status=cancelled").await,
        std::slice::from_ref(&made[1])
    );
    assert_eq!(list("status=draft&office=ber").await, newest[..3]);
    let created = app.get(&format!("{ORDERS}/{}", made[2])).await.body["created_at"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        list(&format!(
            "office=ber&created_from={created}&created_to={created}"
        ))
        .await,
        std::slice::from_ref(&made[2])
    );
    let clerk = token(Role::Clerk, &["nyc"]);
    let narrowed = app.request_as(&clerk, Method::GET, ORDERS).send().await;
    assert_eq!(ids(&narrowed), std::slice::from_ref(&other));
    walk(app, &newest).await;
}

/// Two orders a page, in this order.
async fn walk(app: &TestApp, newest: &[String]) {
    // Lines of an order stay in the order of the request, and an order of many lines is one row of a page.
    let first = app.get(&format!("{ORDERS}?office=ber&limit=2")).await;
    assert_eq!(first.body["data"][1]["lines"][0]["sku"], "BULB-1");
    let mut walked = ids(&first);
    let mut cursor = first.body["next_cursor"].clone();
    while let Some(next) = cursor.as_str() {
        let page = app
            .get(&format!("{ORDERS}?office=ber&limit=2&cursor={next}"))
            .await;
        walked.extend(ids(&page));
        cursor = page.body["next_cursor"].clone();
    }
    assert_eq!(walked, newest);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_filter_names_must_exist() {
    let counter = Counter::with(0, 0).await;
    let app = &counter.app;
    for (query, code) in [
        ("office=xyz", "invalid_parameter"),
        ("status=open", "invalid_parameter"),
        ("sku=NONE", "invalid_parameter"),
        (
            "customer=cus_eu1_00000000000000000000000001",
            "invalid_parameter",
        ),
        ("colour=red", "unknown_parameter"),
    ] {
        assert_eq!(
            app.get(&format!("{ORDERS}?{query}")).await.problem(),
            (400, code),
            "{query}"
        );
    }
}

/// Orders for a lamp, `PO-0` and `PO-1` in turn, the fourth for a bulb before it; their ids, the oldest first.
async fn five(counter: &Counter) -> Vec<String> {
    let mut made = Vec::new();
    for number in 0..5 {
        let mut body = counter.lamps(1);
        body["reference"] = json!(format!("PO-{}", number % 2));
        if number == 3 {
            body["lines"] = json!([
                counter.line(&counter.bulb, 1),
                counter.line(&counter.lamp, 1)
            ]);
        }
        let order = counter.app.post(ORDERS, body).await;
        made.push(order.body["id"].as_str().unwrap().to_owned());
    }
    made
}

async fn made_other(counter: &Counter) -> String {
    let line = json!({"item": counter.lamp, "location": "nyc-main", "quantity": 1});
    let body = json!({"office": "nyc", "customer": counter.lee, "lines": [line]});
    let order = counter.app.post(ORDERS, body).await;
    order.body["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_19_a_draft_is_over_after_its_day_for_everybody_and_then_never_304() {
    let counter = Counter::with(5, 0).await;
    let mut body = counter.lamps(2);
    body["hold_seconds"] = json!(86_400);
    let draft = counter.app.post(ORDERS, body).await;
    let path = draft.header("location").to_owned();
    assert_eq!(
        time(&draft, "expires_at"),
        time(&draft, "created_at").plus(DAY)
    );
    let end = time(&draft, "expires_at");
    let (before, after) = (
        at(&counter, end.minus(Duration::from_millis(1))),
        at(&counter, end),
    );
    let seen = async |app: &TestApp| {
        let request = app
            .request(Method::GET, &path)
            .header("if-none-match", "\"1\"");
        request.send().await.status.as_u16()
    };
    assert_eq!((seen(&before).await, seen(&after).await), (304, 200));
    let over = after.get(&path).await;
    assert_eq!(
        (&over.body["status"], over.version()),
        (&json!("expired"), 1)
    );
    let listed = async |app: &TestApp, status: &str| {
        ids(&app.get(&format!("{ORDERS}?status={status}")).await).len()
    };
    assert_eq!(
        (
            listed(&before, "draft").await,
            listed(&before, "expired").await
        ),
        (1, 0)
    );
    assert_eq!(
        (
            listed(&after, "draft").await,
            listed(&after, "expired").await
        ),
        (0, 1)
    );
    for refused in [
        confirm(&after, &path).await,
        cancel(&after, &path, Value::Null).await,
        after.patch(&path, 1, json!({"reference": "r"})).await,
    ] {
        assert_eq!(refused.problem(), (409, "order_state"));
        assert_eq!(refused.body["order_status"], "expired");
    }
    let noted = after.patch(&path, 1, json!({"notes": "too late"})).await;
    assert_eq!(
        (noted.version(), &noted.body["status"]),
        (2, &json!("expired"))
    );
    // What it held is over with it.
    let next = after
        .post(ORDERS, {
            let mut body = counter.lamps(5);
            body["hold_seconds"] = json!(60);
            body
        })
        .await;
    assert_eq!(next.status, 201, "{}", next.body);
    counter.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_writes_down_once_that_drafts_are_over() {
    let counter = Counter::with(5, 0).await;
    let drafts = [counter.draft(1).await, counter.draft(1).await];
    let placed = counter.confirmed(1).await;
    let elsewhere = made_other(&counter).await;
    let end = time(&counter.app.get(&drafts[1]).await, "expires_at");
    let worker = |time: Timestamp| {
        let db = counter.shop.db.db_with_clock("eu1", Clock::fixed(time));
        Expirer::new(db, &mut Registry::default())
    };
    assert_eq!(worker(end.minus(DAY)).round().await.drafts, 0);
    let rounds = [worker(end), worker(end)];
    let (one, other) = tokio::join!(rounds[0].round(), rounds[1].round());
    assert_eq!(
        (one.drafts + other.drafts, one.failures + other.failures),
        (2, 0)
    );
    for path in &drafts {
        let over = counter.app.get(path).await;
        assert_eq!(
            (&over.body["status"], over.version()),
            (&json!("expired"), 2)
        );
        let events = counter.events(over.body["id"].as_str().unwrap()).await;
        assert_eq!(
            events,
            [
                ("sales.order.created".into(), 1),
                ("sales.order.expired".into(), 2)
            ]
        );
    }
    assert_eq!(
        counter
            .app
            .get(&format!("{ORDERS}/{}", placed.body["id"].as_str().unwrap()))
            .await
            .body,
        placed.body
    );
    let by = "SELECT count(*) FROM platform.audit_log WHERE subject = 'system:expirer' AND office = 'ber' AND region = 'eu1'";
    assert_eq!(counter.shop.db.count(by).await, 2);
    // Drafts of another region are its own for a while.
    assert_eq!(
        worker(end.plus(Duration::from_secs(9)))
            .round()
            .await
            .drafts,
        0
    );
    assert_eq!(
        worker(end.plus(Duration::from_secs(60)))
            .round()
            .await
            .drafts,
        1
    );
    assert_eq!(
        counter.app.get(&format!("{ORDERS}/{elsewhere}")).await.body["status"],
        "expired"
    );
    assert_eq!(worker(end.plus(DAY)).round().await, sales::Ended::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_found_by_what_the_customer_calls_them() {
    let counter = Counter::with(0, 0).await;
    let mut body = counter.lamps(1);
    body["reference"] = json!("PO-4711");
    let order = counter.app.post(ORDERS, body).await;
    let title = async || {
        let rows = counter
            .shop
            .db
            .query("SELECT title FROM platform.search_entries WHERE kind = 'order'")
            .await;
        rows.into_iter()
            .map(|row| row[0].clone().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(title().await, ["PO-4711"]);
    let path = order.header("location");
    counter
        .app
        .patch(path, 1, json!({"reference": "PO-0815"}))
        .await;
    assert_eq!(title().await, ["PO-0815"]);
    counter.app.patch(path, 2, json!({"reference": null})).await;
    assert_eq!(title().await, [order.body["id"].as_str().unwrap()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_38_nothing_of_an_order_tells_of_the_person() {
    let counter = Counter::with(5, 0).await;
    let mut body = kim("ber");
    body["email"] = json!("other@example.com");
    let customer = counter.app.post(CUSTOMERS, body).await;
    let mut body = counter.lamps(1);
    body["customer"] = customer.body["id"].clone();
    let order = counter.app.post(ORDERS, body).await;
    confirm(&counter.app, order.header("location")).await;
    let gone = counter
        .app
        .request(Method::DELETE, customer.header("location"))
        .key(&new_key());
    assert_eq!(gone.header("if-match", "\"1\"").send().await.status, 204);
    for (table, column) in [
        ("events", "data"),
        ("audit_log", "after"),
        ("idempotency_keys", "body"),
    ] {
        let told = format!(
            "SELECT count(*) FROM platform.{table} AS t WHERE t.{column}::TEXT LIKE '%other@example.com%'"
        );
        assert_eq!(counter.shop.db.count(&told).await, 0, "{table}");
    }
    assert_eq!(
        counter.app.get(order.header("location")).await.body["customer"],
        customer.body["id"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_order_names_stands_in_place_of_its_id() {
    let counter = Counter::with(5, 0).await;
    let app = &counter.app;
    let path = counter.draft(1).await;
    made_other(&counter).await;
    let mut whole = app.get(&path).await.body;
    whole["customer"] = app.get(&format!("{CUSTOMERS}/{}", counter.kim)).await.body;
    let item = format!("/v1/warehouse/items/{}", counter.lamp);
    whole["lines"][0]["item"] = app.get(&item).await.body;
    whole["lines"][0]["location"] = app.get("/v1/warehouse/locations/ber-main").await.body;
    let expand = "expand=customer,lines.item,lines.location";
    let one = app.get(&format!("{path}?{expand}")).await;
    assert_eq!((one.status.as_u16(), &one.body), (200, &whole));
    assert!(
        one.header("etag").starts_with("W/\"1-"),
        "{}",
        one.header("etag")
    );
    let list = app.get(&format!("{ORDERS}?{expand}")).await;
    assert_eq!(list.body["data"][1], whole);
    assert_eq!(list.body["data"][0]["customer"]["id"], json!(counter.lee));
    let refused = app.get(&format!("{path}?expand=lines.price")).await;
    assert_eq!(refused.problem(), (400, "invalid_parameter"));
    let seller = token_with(&["sales:read"], &["*"]);
    let get = async |query: &str| {
        let request = app.request_as(&seller, Method::GET, &format!("{path}?{query}"));
        request.send().await.status.as_u16()
    };
    assert_eq!(get("expand=customer").await, 200);
    assert_eq!(get("expand=lines.item").await, 403);
}
