//! `/v1/sales/orders`: making, showing, changing, confirming, cancelling.

use axum::http::Method;
use kernel::Role;
use serde_json::{Value, json};
use testkit::{
    Answer, TestApp,
    app::{new_key, token},
};

use crate::{
    Shop,
    customers::{CUSTOMERS, kim},
};

pub(crate) const ORDERS: &str = "/v1/sales/orders";

/// A shop with customers and depots at `ber` and `nyc`, and two items: `LAMP-7` at 100.00 and `BULB-1` at 0.33 EUR, both
/// with a price in USD too.
pub(crate) struct Counter {
    pub(crate) shop: Shop,
    pub(crate) app: TestApp,
    pub(crate) lamp: String,
    pub(crate) bulb: String,
    /// Of `ber`.
    pub(crate) kim: String,
    /// Of `nyc`.
    pub(crate) lee: String,
}

impl Counter {
    /// So many lamps and bulbs lie at `ber-main`.
    pub(crate) async fn with(lamps: i64, bulbs: i64) -> Self {
        let shop = Shop::new().await;
        let app = shop.app();
        for office in ["ber", "nyc"] {
            let place = json!({"code": format!("{office}-main"), "office": office, "name": "n", "kind": "depot"});
            made(&app, "/v1/warehouse/locations", place).await;
        }
        let lamp = made(&app, "/v1/warehouse/items", item("LAMP-7", 10_000)).await;
        let bulb = made(&app, "/v1/warehouse/items", item("BULB-1", 33)).await;
        let counter = Self {
            kim: made(&app, CUSTOMERS, kim("ber")).await,
            lee: made(&app, CUSTOMERS, kim("nyc")).await,
            shop,
            app,
            lamp,
            bulb,
        };
        for (item, quantity) in [(&counter.lamp, lamps), (&counter.bulb, bulbs)] {
            if quantity > 0 {
                counter.receive("ber-main", item, quantity).await;
            }
        }
        counter
    }

    pub(crate) async fn receive(&self, location: &str, item: &str, quantity: i64) {
        let line = json!({"item": item, "quantity": quantity, "unit_cost_minor": 100});
        let receipt = json!({"location": location, "reference": "R-1", "lines": [line]});
        let received = self.app.post("/v1/warehouse/receipts", receipt).await;
        assert_eq!(received.status, 201, "{}", received.body);
    }

    pub(crate) fn line(&self, item: &str, quantity: i64) -> Value {
        json!({"item": item, "location": "ber-main", "quantity": quantity})
    }

    /// An order of `ber` for so many lamps.
    pub(crate) fn lamps(&self, quantity: i64) -> Value {
        json!({"office": "ber", "customer": self.kim, "lines": [self.line(&self.lamp, quantity)]})
    }

    /// A draft for so many lamps; answers its path.
    pub(crate) async fn draft(&self, quantity: i64) -> String {
        let made = self.app.post(ORDERS, self.lamps(quantity)).await;
        assert_eq!(made.status, 201, "{}", made.body);
        made.header("location").to_owned()
    }

    pub(crate) async fn confirmed(&self, quantity: i64) -> Answer {
        let path = self.draft(quantity).await;
        let confirmed = confirm(&self.app, &path).await;
        assert_eq!(confirmed.status, 200, "{}", confirmed.body);
        confirmed
    }

    /// On hand and reserved of an item at `ber-main`.
    pub(crate) async fn level(&self, item: &str) -> (i64, i64) {
        let path = format!("/v1/warehouse/levels?location=ber-main&item={item}");
        let levels = self.app.get(&path).await;
        let level = &levels.body["data"][0];
        let number = |name: &str| level[name].as_i64().unwrap_or_default();
        (number("on_hand"), number("reserved"))
    }

    /// Invariant I3, as far as reservations go, and one standing reservation a line at most.
    pub(crate) async fn is_sound(&self) {
        let broken = "SELECT count(*) FROM warehouse.stock_levels AS l WHERE l.reserved <> (\
            SELECT coalesce(sum(r.quantity), 0) FROM warehouse.reservations AS r \
            WHERE r.region = l.region AND r.location = l.location AND r.item = l.item AND r.status = 'active')";
        assert_eq!(self.shop.db.count(broken).await, 0);
        let doubled = "SELECT count(*) FROM (SELECT order_line FROM warehouse.reservations WHERE status = 'active' \
            AND order_line IS NOT NULL GROUP BY order_line HAVING count(*) > 1) AS d";
        assert_eq!(self.shop.db.count(doubled).await, 0);
        let open = "SELECT count(*) FROM sales.orders AS o JOIN sales.order_lines AS l \
                ON l.region = o.region AND l.order_id = o.id \
            WHERE o.status = 'confirmed' AND l.quantity - l.shipped - l.cancelled <> (\
            SELECT coalesce(sum(r.quantity), 0) FROM warehouse.reservations AS r \
            WHERE r.region = l.region AND r.order_line = l.id AND r.status = 'active' AND r.expires_at IS NULL)";
        assert_eq!(self.shop.db.count(open).await, 0);
    }

    /// Types of the events of an order with their versions, oldest first.
    pub(crate) async fn events(&self, id: &str) -> Vec<(String, i64)> {
        let sql = format!(
            "SELECT kind, resource_version FROM platform.events WHERE subject = '{id}' ORDER BY resource_version"
        );
        let rows = self.shop.db.query(&sql).await;
        rows.into_iter()
            .map(|row| {
                (
                    row[0].clone().unwrap(),
                    row[1].as_deref().unwrap().parse().unwrap(),
                )
            })
            .collect()
    }
}

pub(crate) fn item(sku: &str, price: i64) -> Value {
    json!({"sku": sku, "name": format!("The {sku}"), "description": "d", "country_of_origin": "DE", "unit": "each",
        "prices": [{"currency": "EUR", "amount_minor": price}, {"currency": "USD", "amount_minor": price + 1}]})
}

async fn made(app: &TestApp, path: &str, body: Value) -> String {
    let made = app.post(path, body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.body
        .get("id")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

pub(crate) async fn verb(app: &TestApp, path: &str, verb: &str, body: Value) -> Answer {
    app.post(&format!("{path}/{verb}"), body).await
}

pub(crate) async fn confirm(app: &TestApp, path: &str) -> Answer {
    let request = app.request(Method::POST, &format!("{path}/confirm"));
    request.key(&new_key()).send().await
}

pub(crate) async fn cancel(app: &TestApp, path: &str, lines: Value) -> Answer {
    let body = if lines.is_null() {
        json!({"reason": "changed my mind"})
    } else {
        json!({"reason": "changed my mind", "lines": lines})
    };
    verb(app, path, "cancel", body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_a_draft_at_the_prices_and_tax_of_the_moment() {
    let counter = Counter::with(0, 0).await;
    let body = json!({"office": "ber", "customer": counter.kim, "reference": "PO-1", "notes": "ring", "currency": "EUR",
        "lines": [counter.line(&counter.lamp, 2), counter.line(&counter.bulb, 3)]});
    let made = counter.shop.in_region("us1").post(ORDERS, body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let path = made.header("location").to_owned();
    assert!(path.starts_with("/v1/sales/orders/ord_eu1_"), "{path}");
    assert_eq!(made.header("etag"), "\"1\"");
    let order = &made.body;
    // 0.99 at 19 % is 0.1881, which is 0.19; 200.00 at 19 % is 38.00.
    for (member, value) in [
        ("office", json!("ber")),
        ("home_region", json!("eu1")),
        ("customer", json!(counter.kim)),
        ("currency", json!("EUR")),
        ("status", json!("draft")),
        ("subtotal_minor", json!(20_099)),
        ("tax_minor", json!(3_819)),
        ("total_minor", json!(23_918)),
        ("paid_minor", json!(0)),
        ("refunded_minor", json!(0)),
        ("invoiced_minor", json!(0)),
        ("credited_minor", json!(0)),
        ("payment_status", json!("unpaid")),
        ("fulfilment_status", json!("none")),
        ("placed_at", Value::Null),
        ("reference", json!("PO-1")),
        ("notes", json!("ring")),
        ("version", json!(1)),
    ] {
        assert_eq!(order[member], value, "{member}");
    }
    let line = &order["lines"][0];
    assert!(line["id"].as_str().unwrap().starts_with("oln_eu1_"));
    for (member, value) in [
        ("item", json!(counter.lamp)),
        ("sku", json!("LAMP-7")),
        ("name", json!("The LAMP-7")),
        ("location", json!("ber-main")),
        ("quantity", json!(2)),
        ("unit_price_minor", json!(10_000)),
        ("tax_rate_bp", json!(1900)),
        ("shipped", json!(0)),
        ("returned", json!(0)),
        ("cancelled", json!(0)),
    ] {
        assert_eq!(line[member], value, "{member}");
    }
    // Later changes of the catalogue never reach it.
    let price = format!("/v1/warehouse/items/{}/prices/EUR", counter.lamp);
    let put = counter
        .app
        .request(Method::PUT, &price)
        .json(&json!({"amount_minor": 1}))
        .send()
        .await;
    assert_eq!(put.status, 200, "{}", put.body);
    for region in ["eu1", "us1", "ap1"] {
        assert_eq!(
            counter.shop.in_region(region).get(&path).await.body,
            made.body
        );
    }
    let elsewhere = path.replace("ord_eu1_", "ord_us1_");
    assert_eq!(counter.app.get(&elsewhere).await.body, made.body);
    let id = order["id"].as_str().unwrap();
    assert_eq!(
        counter.events(id).await,
        [("sales.order.created".to_owned(), 1)]
    );
    assert_eq!(counter.level(&counter.lamp).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_rule_of_an_order_is_named() {
    let counter = Counter::with(0, 0).await;
    let app = &counter.app;
    let line = counter.line(&counter.lamp, 1);
    let many = vec![line.clone(); 101];
    let with = |changes: Value| {
        let mut body = counter.lamps(1);
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let nobody = "cus_eu1_00000000000000000000000001";
    let nothing = "itm_g_00000000000000000000000001";
    for (body, pointers) in [
        (json!({}), vec!["/office", "/customer", "/lines"]),
        (with(json!({"lines": []})), vec!["/lines"]),
        (with(json!({"lines": many})), vec!["/lines"]),
        (
            with(json!({"lines": [{"item": "x", "location": "B", "quantity": 0}]})),
            vec!["/lines/0/item", "/lines/0/location", "/lines/0/quantity"],
        ),
        (
            with(
                json!({"lines": [{"item": counter.lamp, "location": "ber-main", "quantity": 1.0, "unit_price_minor": 1}]}),
            ),
            vec!["/lines/0/quantity", "/lines/0/unit_price_minor"],
        ),
        (with(json!({"hold_seconds": 86_401})), vec!["/hold_seconds"]),
        (
            with(json!({"status": "confirmed", "id": "x", "colour": 1})),
            vec!["/status", "/id", "/colour"],
        ),
        (
            with(json!({"reference": "x".repeat(129), "notes": " "})),
            vec!["/reference", "/notes"],
        ),
        (with(json!({"office": "xyz"})), vec!["/office"]),
        (with(json!({"customer": nobody})), vec!["/customer"]),
        // A customer of another office is as unknown as one that does not exist.
        (with(json!({"customer": counter.lee})), vec!["/customer"]),
        (
            with(
                json!({"lines": [line, {"item": nothing, "location": "xyz-main", "quantity": 1}]}),
            ),
            vec!["/lines/1/item", "/lines/1/location"],
        ),
        (
            with(
                json!({"customer": nobody, "lines": [{"item": nothing, "location": "xyz-main", "quantity": 1}]}),
            ),
            vec!["/customer", "/lines/0/item", "/lines/0/location"],
        ),
    ] {
        let refused = app.post(ORDERS, body.clone()).await;
        assert_eq!(refused.problem(), (422, "validation_failed"), "{body}");
        let (mut found, mut wanted) = (refused.pointers(), pointers);
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{body}");
        assert_eq!(refused.body["effect"], "none");
    }
    assert_eq!(
        counter
            .shop
            .db
            .count("SELECT count(*) FROM sales.orders")
            .await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_change_names_in_vain_is_said_at_once() {
    let counter = Counter::with(0, 0).await;
    let path = counter.draft(1).await;
    let nothing = format!("itm_g_{:026}", 1);
    let line = json!({"item": nothing, "location": "xyz-main", "quantity": 1});
    for (body, pointers) in [
        (json!({"customer": counter.lee}), vec!["/customer"]),
        (
            json!({"lines": [line]}),
            vec!["/lines/0/item", "/lines/0/location"],
        ),
        (
            json!({"customer": counter.lee, "lines": [line]}),
            vec!["/customer", "/lines/0/item", "/lines/0/location"],
        ),
        (
            json!({"customer": counter.lee, "lines": [counter.line(&counter.bulb, 1)]}),
            vec!["/customer"],
        ),
    ] {
        let refused = counter.app.patch(&path, 1, body.clone()).await;
        assert_eq!(refused.problem(), (422, "validation_failed"), "{body}");
        assert_eq!(refused.pointers(), pointers, "{body}");
    }
    assert_eq!(counter.app.get(&path).await.body["version"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orders_world_is_one_office_and_one_currency() {
    let counter = Counter::with(0, 0).await;
    let app = &counter.app;
    let mut body = counter.lamps(1);
    body["currency"] = json!("USD");
    let refused = app.post(ORDERS, body).await;
    assert_eq!(
        (refused.problem(), refused.pointers()),
        ((422, "currency_mismatch"), vec!["/currency"])
    );
    let mut body = counter.lamps(1);
    body["lines"][0]["location"] = json!("nyc-main");
    let refused = app.post(ORDERS, body).await;
    assert_eq!(refused.problem(), (422, "location_of_other_office"));
    assert_eq!(refused.pointers(), ["/lines/0/location"]);
    let unpriced = json!({"sku": "FREE-1", "name": "n", "description": "d", "country_of_origin": "DE", "unit": "each",
        "prices": [{"currency": "USD", "amount_minor": 1}, {"currency": "EUR", "amount_minor": 1, "valid_from": "2999-01-01T00:00:00Z"}]});
    let unpriced = made(app, "/v1/warehouse/items", unpriced).await;
    let body =
        json!({"office": "ber", "customer": counter.kim, "lines": [counter.line(&unpriced, 1)]});
    let refused = app.post(ORDERS, body).await;
    assert_eq!(
        (refused.problem(), refused.pointers()),
        ((422, "price_missing"), vec!["/lines/0/item"])
    );
    let body = json!({"office": "nyc", "customer": counter.lee,
        "lines": [{"item": unpriced, "location": "nyc-main", "quantity": 5}]});
    let order = app.post(ORDERS, body).await;
    assert_eq!(
        (&order.body["currency"], &order.body["total_minor"]),
        (&json!("USD"), &json!(6))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_26_an_order_beyond_the_bound_is_refused_and_not_a_500() {
    let counter = Counter::with(0, 0).await;
    for quantity in [9_007_199_254_740_991_i64, 900_719_925_475] {
        let refused = counter.app.post(ORDERS, counter.lamps(quantity)).await;
        assert_eq!(
            refused.problem(),
            (422, "amount_out_of_range"),
            "{quantity}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_40_archived_items_and_anonymous_customers_take_no_new_orders_and_what_exists_is_finished()
 {
    let counter = Counter::with(5, 0).await;
    let app = &counter.app;
    let draft = counter.draft(2).await;
    let held = app
        .post(ORDERS, {
            let mut body = counter.lamps(1);
            body["hold_seconds"] = json!(600);
            body
        })
        .await;
    let placed = counter.confirmed(1).await;
    let path = format!("/v1/warehouse/items/{}", counter.lamp);
    let archived = app.patch(&path, 1, json!({"status": "archived"})).await;
    assert_eq!(archived.status, 200, "{}", archived.body);
    let refused = app.post(ORDERS, counter.lamps(1)).await;
    assert_eq!(refused.problem(), (409, "item_archived"));
    assert_eq!(refused.body["skus"], json!(["LAMP-7"]));
    let lines = json!({"lines": [counter.line(&counter.lamp, 1)]});
    assert_eq!(
        app.patch(&draft, 1, lines).await.problem(),
        (409, "item_archived")
    );
    // What is held already can be had; what is not takes a new hold.
    assert_eq!(confirm(app, &draft).await.problem(), (409, "item_archived"));
    assert_eq!(confirm(app, held.header("location")).await.status, 200);
    let path = format!("{ORDERS}/{}", placed.body["id"].as_str().unwrap());
    assert_eq!(cancel(app, &path, Value::Null).await.status, 200);
    let gone = app.request(Method::DELETE, &format!("{CUSTOMERS}/{}", counter.kim));
    let gone = gone.header("if-match", "\"1\"").send().await;
    assert_eq!(gone.status, 204, "{}", gone.body);
    let mut body = counter.lamps(1);
    body["lines"] = json!([counter.line(&counter.bulb, 1)]);
    let refused = app.post(ORDERS, body).await;
    assert_eq!(refused.problem(), (422, "validation_failed"));
    assert_eq!(refused.body["errors"][0]["code"], "customer_anonymised");
    assert_eq!(cancel(app, &draft, Value::Null).await.status, 200);
    counter.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_28_an_item_that_an_order_names_is_in_use() {
    let counter = Counter::with(0, 0).await;
    counter.draft(1).await;
    let delete = |item: &str| {
        counter
            .app
            .request(Method::DELETE, &format!("/v1/warehouse/items/{item}"))
            .header("if-match", "\"1\"")
    };
    assert_eq!(
        delete(&counter.lamp).send().await.problem(),
        (409, "item_in_use")
    );
    assert_eq!(delete(&counter.bulb).send().await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scope_is_looked_at_before_anything_of_the_body() {
    let counter = Counter::with(0, 0).await;
    let app = &counter.app;
    let path = counter.draft(1).await;
    let viewer = token(Role::Viewer, &["*"]);
    let missing = format!("{ORDERS}/ord_eu1_00000000000000000000000001");
    for path in [
        ORDERS.to_owned(),
        format!("{path}/confirm"),
        format!("{path}/cancel"),
        format!("{missing}/confirm"),
    ] {
        let refused = app
            .request_as(&viewer, Method::POST, &path)
            .key(&new_key())
            .json(&json!({}))
            .send()
            .await;
        assert_eq!(refused.problem(), (403, "scope_missing"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_come_in_their_order() {
    let counter = Counter::with(5, 0).await;
    let app = &counter.app;
    let path = counter.draft(1).await;
    let elsewhere = token(Role::Clerk, &["nyc"]);
    let missing = format!("{ORDERS}/ord_eu1_00000000000000000000000001");
    let send = |method: Method, path: &str, body: Value| {
        app.request_as(&elsewhere, method, path)
            .key(&new_key())
            .json(&body)
            .send()
    };
    // Body, then existence, then office, then version, then state.
    let cancel = format!("{path}/cancel");
    assert_eq!(
        send(Method::POST, &cancel, json!({})).await.problem(),
        (422, "validation_failed")
    );
    let reason = json!({"reason": "r"});
    assert_eq!(
        send(Method::POST, &cancel, reason.clone()).await.problem(),
        (403, "office_forbidden")
    );
    assert_eq!(
        send(Method::POST, &format!("{missing}/cancel"), reason)
            .await
            .problem(),
        (404, "not_found")
    );
    assert_eq!(
        send(Method::POST, &format!("{path}/confirm"), json!({"x": 1}))
            .await
            .problem(),
        (422, "validation_failed")
    );
    assert_eq!(
        send(Method::POST, &format!("{path}/confirm"), json!({}))
            .await
            .problem(),
        (403, "office_forbidden")
    );
    assert_eq!(
        send(Method::PATCH, &path, json!({"notes": "n"}))
            .await
            .problem(),
        (403, "office_forbidden")
    );
    assert_eq!(
        send(Method::PATCH, &missing, json!({"notes": "n"}))
            .await
            .problem(),
        (404, "not_found")
    );
    assert_eq!(
        send(Method::POST, ORDERS, counter.lamps(1)).await.problem(),
        (403, "office_forbidden")
    );
    // Who may not sell for an office learns nothing of its customers.
    let mut body = counter.lamps(1);
    body["customer"] = json!(counter.lee);
    assert_eq!(
        send(Method::POST, ORDERS, body).await.problem(),
        (403, "office_forbidden")
    );
    assert_eq!(
        app.request_as(&elsewhere, Method::GET, &path)
            .send()
            .await
            .problem(),
        (403, "office_forbidden")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_is_looked_at_before_the_state() {
    let counter = Counter::with(5, 0).await;
    let app = &counter.app;
    let path = counter.draft(1).await;
    let patch = app
        .request(Method::PATCH, &path)
        .key(&new_key())
        .json(&json!({"notes": "n"}))
        .send()
        .await;
    assert_eq!(patch.problem(), (428, "if_match_required"));
    assert_eq!(
        app.patch(&path, 7, json!({"notes": "n"})).await.problem(),
        (412, "version_changed")
    );
    assert_eq!(confirm(app, &path).await.status, 200);
    assert_eq!(
        app.patch(&path, 1, json!({"reference": "r"}))
            .await
            .problem(),
        (412, "version_changed")
    );
    let refused = app.patch(&path, 2, json!({"reference": "r"})).await;
    assert_eq!(refused.problem(), (409, "order_state"));
    assert_eq!(refused.body["order_status"], "confirmed");
    assert_eq!(confirm(app, &path).await.problem(), (409, "order_state"));
    assert_eq!(
        app.request(Method::GET, &format!("{path}/confirm"))
            .send()
            .await
            .status,
        405
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_office_takes_no_orders() {
    let counter = Counter::with(0, 0).await;
    counter
        .shop
        .db
        .query("UPDATE platform.offices SET status = 'closed' WHERE code = 'ber'")
        .await;
    let refused = counter.app.post(ORDERS, counter.lamps(1)).await;
    assert_eq!(refused.problem(), (422, "validation_failed"));
    assert_eq!(refused.body["errors"][0]["code"], "office_closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_10_a_repeat_replays_and_another_body_does_not() {
    let counter = Counter::with(5, 0).await;
    let app = &counter.app;
    let key = new_key();
    let post = |body: Value| {
        app.request(Method::POST, ORDERS)
            .key(&key)
            .json(&body)
            .send()
    };
    let first = post(counter.lamps(2)).await;
    let again = post(counter.lamps(2)).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(
        post(counter.lamps(3)).await.problem(),
        (422, "idempotency_key_reused")
    );
    let path = first.header("location");
    let key = new_key();
    let twice = |body: Option<Value>| {
        let request = app
            .request(Method::POST, &format!("{path}/confirm"))
            .key(&key);
        match body {
            Some(body) => request.json(&body),
            None => request,
        }
        .send()
    };
    let confirmed = twice(None).await;
    // A body of nothing is no body, and the state is not looked at again.
    let again = twice(Some(json!({}))).await;
    assert_eq!(
        (confirmed.status.as_u16(), again.status.as_u16()),
        (200, 200)
    );
    assert_eq!(again.body, confirmed.body);
    assert_eq!(counter.level(&counter.lamp).await, (5, 2));
}
