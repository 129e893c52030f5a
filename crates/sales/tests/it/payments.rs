//! `/v1/sales/orders/{id}/payments` and `…/refunds`

use axum::http::Method;
use futures_util::future::join_all;
use kernel::{Role, money::AMOUNT_MAX};
use serde_json::{Value, json};
use testkit::app::new_key;

use crate::deal::{Deal, path};

fn card(amount: i64) -> Value {
    json!({"amount_minor": amount, "method": "card"})
}

fn referred(amount: i64, reference: &str) -> Value {
    json!({"amount_minor": amount, "method": "bank_transfer", "external_reference": reference})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paid_before_anything_is_owed_is_a_deposit() {
    let deal = Deal::new().await;
    let order = deal.order(&[(0, 2)]).await;
    let paid = deal.post(&order, "payments", referred(10_000, "B-1")).await;
    assert_eq!(paid.status, 201, "{}", paid.body);
    let body = &paid.body;
    assert!(body["id"].as_str().unwrap().starts_with("pay_eu1_"));
    assert_eq!(
        *body,
        json!({
            "id": body["id"], "kind": "payment", "order": order["id"], "office": "ber", "home_region": "eu1",
            "currency": "EUR", "amount_minor": 10_000, "receivable_minor": 0, "deposit_minor": 10_000,
            "method": "bank_transfer", "external_reference": "B-1", "journal_entry": body["journal_entry"],
            "effective_date": body["effective_date"], "created_at": body["created_at"], "created_by": "test:manager",
        })
    );
    let after = deal.read(&order).await;
    assert_eq!(
        (
            &after["paid_minor"],
            &after["payment_status"],
            &after["version"]
        ),
        (&json!(10_000), &json!("partial"), &json!(3))
    );
    assert_eq!(after["updated_at"], body["created_at"]);
    assert_eq!(
        deal.postings(&order).await,
        ["1000 2200 10000 payment payment"]
    );
    assert_eq!(deal.events(&order).await[2], "3 sales.order.changed");
    let event = "SELECT resource_version || ' ' || (data ->> 'amount_minor') FROM platform.events \
                 WHERE kind = 'sales.payment.received' AND subject LIKE 'pay_eu1_%'";
    assert_eq!(deal.texts(event).await, ["1 10000"]);
    deal.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_27_a_payment_settles_what_is_owed_and_a_refund_takes_the_deposit_first() {
    let deal = Deal::new().await;
    let order = deal.order(&[(0, 2)]).await;
    deal.ship(&order, &[(0, 1)]).await; // 119.00 owed
    let paid = deal.pay(&order, 15_000).await;
    let parts = |body: &Value| {
        [
            body["receivable_minor"].clone(),
            body["deposit_minor"].clone(),
        ]
    };
    assert_eq!(parts(&paid), [11_900, 3_100]);
    let back = deal.refund(&order, 4_000).await;
    assert_eq!(
        (parts(&back), &back["kind"]),
        ([json!(900), json!(3_100)], &json!("refund"))
    );
    assert_eq!(
        deal.postings(&order).await[3..],
        [
            "1000 1100 11900 payment payment",
            "1000 2200 3100 payment payment",
            "2200 1000 3100 payment refund",
            "1100 1000 900 payment refund",
        ]
    );
    // All that was paid may go back, and no more.
    let refused = deal.post(&order, "refunds", card(11_001)).await;
    assert_eq!(refused.problem(), (409, "refund_exceeds_paid"));
    assert_eq!(refused.body["refundable_minor"], 11_000);
    deal.refund(&order, 11_000).await;
    let after = deal.read(&order).await;
    assert_eq!(
        (
            &after["paid_minor"],
            &after["refunded_minor"],
            &after["payment_status"]
        ),
        (&json!(15_000), &json!(15_000), &json!("unpaid"))
    );
    let kinds =
        "SELECT kind FROM platform.events WHERE kind LIKE 'sales.payment.%' ORDER BY time, id";
    assert_eq!(
        deal.texts(kinds).await,
        [
            "sales.payment.received",
            "sales.payment.refunded",
            "sales.payment.refunded"
        ]
    );
    deal.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_placed_orders_are_paid_and_every_order_is_refunded() {
    let deal = Deal::new().await;
    let draft = deal.draft(&[(0, 1)]).await;
    let refused = deal.post(&draft, "payments", card(1)).await;
    assert_eq!(refused.problem(), (409, "order_state"));
    assert_eq!(refused.body["effect"], "none");
    let refused = deal.post(&draft, "refunds", card(1)).await;
    assert_eq!(refused.problem(), (409, "refund_exceeds_paid"));
    let order = deal.order(&[(0, 1)]).await;
    deal.pay(&order, 500).await;
    deal.done(&order, "cancel", json!({"reason": "changed their mind"}))
        .await;
    let refused = deal.post(&order, "payments", card(1)).await;
    assert_eq!(refused.problem(), (409, "order_state"));
    deal.refund(&order, 500).await;
    assert_eq!(deal.read(&order).await["status"], "cancelled");
    // A fulfilled one is paid.
    let order = deal.order(&[(0, 1)]).await;
    deal.ship(&order, &[(0, 1)]).await;
    deal.pay(&order, 11_900).await;
    let after = deal.read(&order).await;
    assert_eq!(
        (&after["status"], &after["payment_status"]),
        (&json!("fulfilled"), &json!("paid"))
    );
    deal.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_is_taken_once_in_an_office() {
    let deal = Deal::new().await;
    let order = deal.order(&[(0, 1)]).await;
    deal.done(&order, "payments", referred(100, "B-1")).await;
    for what in ["payments", "refunds"] {
        let refused = deal.post(&order, what, referred(50, "B-1")).await;
        assert_eq!(refused.problem(), (409, "duplicate_reference"), "{what}");
    }
    deal.done(&order, "refunds", referred(50, "b-1")).await; // compared by bytes
    assert_eq!(deal.read(&order).await["paid_minor"], 100);
    deal.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_04_the_twin_of_a_payment_replays_and_never_meets_its_own_reference() {
    let deal = Deal::new().await;
    let order = deal.order(&[(0, 1)]).await;
    let apps = ["eu1", "us1", "ap1"].map(|region| deal.shop.in_region(region));
    let to = path(&order, "payments");
    for round in 0..5 {
        let (key, body) = (new_key(), referred(10, &format!("R-{round}")));
        let twins = (0..12).map(|n| {
            let request = apps[n % 3].request(Method::POST, &to).key(&key).json(&body);
            request.send()
        });
        for twin in join_all(twins).await {
            assert_eq!(twin.status, 201, "{}", twin.body);
            assert_eq!(twin.body["external_reference"], format!("R-{round}"));
        }
    }
    assert_eq!(deal.read(&order).await["paid_minor"], 50);
    deal.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_payments_that_race_with_one_reference_one_is_made() {
    let deal = Deal::new().await;
    let orders = [deal.order(&[(0, 1)]).await, deal.order(&[(0, 1)]).await];
    let apps = ["eu1", "us1"].map(|region| deal.shop.in_region(region));
    let racing = (0..16).map(|n| {
        let (app, to) = (&apps[n % 2], path(&orders[n / 2 % 2], "payments"));
        async move { app.post(&to, referred(10, "ONE")).await }
    });
    let answers = join_all(racing).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let refused = answers
        .iter()
        .filter(|answer| answer.problem() == (409, "duplicate_reference"))
        .count();
    assert_eq!((made, refused), (1, 15));
    deal.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_refused_member_by_member() {
    let deal = Deal::new().await;
    let order = deal.order(&[(0, 1)]).await;
    for (body, pointers) in [
        (json!({}), vec!["/amount_minor", "/method"]),
        (card(0), vec!["/amount_minor"]),
        (card(-5), vec!["/amount_minor"]),
        (card(AMOUNT_MAX + 1), vec!["/amount_minor"]),
        (
            json!({"amount_minor": 1.5, "method": "gold"}),
            vec!["/amount_minor", "/method"],
        ),
        (referred(1, &"x".repeat(129)), vec!["/external_reference"]),
        (referred(1, " "), vec!["/external_reference"]),
        (
            json!({"amount_minor": 1, "method": "card", "currency": "EUR", "colour": "red"}),
            vec!["/currency", "/colour"],
        ),
    ] {
        for what in ["payments", "refunds"] {
            let refused = deal.post(&order, what, body.clone()).await;
            assert_eq!(refused.status, 422, "{body}: {}", refused.body);
            assert_eq!(refused.pointers(), pointers, "{body}");
        }
    }
    let keyless = deal.app.request(Method::POST, &path(&order, "payments"));
    let keyless = keyless.json(&card(1)).send().await;
    assert_eq!(keyless.problem(), (400, "idempotency_key_required"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_paid_by_those_who_may_and_where_it_is() {
    let deal = Deal::new().await;
    let order = deal.order(&[(0, 1)]).await;
    let to = path(&order, "payments");
    let viewer = deal
        .as_somebody(Role::Viewer, &["*"], &to, &json!({}))
        .await;
    assert_eq!(viewer.problem(), (403, "scope_missing"));
    let other = deal.as_somebody(Role::Clerk, &["nyc"], &to, &card(1)).await;
    assert_eq!(other.problem(), (403, "office_forbidden"));
    let missing = "/v1/sales/orders/ord_eu1_00000000000000000000000000/payments";
    assert_eq!(
        deal.app.post(missing, card(1)).await.problem(),
        (404, "not_found")
    );
    assert_eq!(deal.app.get(missing).await.problem(), (404, "not_found"));
    deal.close_this_month().await;
    let refused = deal.post(&order, "payments", card(1)).await;
    assert_eq!(refused.problem(), (409, "period_closed"));
    assert_eq!(deal.read(&order).await["version"], 2);
    deal.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_26_nobody_pays_ahead_more_than_can_be_said() {
    let deal = Deal::new().await;
    let order = deal.order(&[(0, 1)]).await;
    deal.pay(&order, AMOUNT_MAX).await;
    let refused = deal.post(&order, "payments", card(1)).await;
    assert_eq!(refused.problem(), (422, "amount_out_of_range"));
    // Nor do all orders of an office together.
    let other = deal.order(&[(0, 1)]).await;
    let refused = deal.post(&other, "payments", card(1)).await;
    assert_eq!(refused.problem(), (422, "amount_out_of_range"));
    deal.refund(&order, AMOUNT_MAX).await;
    deal.pay(&other, 1).await;
    deal.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_05_a_late_repeat_pays_no_second_time() {
    let deal = Deal::new().await;
    let order = deal.order(&[(0, 1)]).await;
    let (key, to) = (new_key(), path(&order, "payments"));
    let send = async || {
        let request = deal.app.request(Method::POST, &to).key(&key);
        request.json(&card(100)).send().await
    };
    assert_eq!(send().await.status, 201);
    let late = format!("DELETE FROM platform.idempotency_keys WHERE key = '{key}'");
    deal.shop.db.query(&late).await;
    assert_eq!(send().await.problem(), (409, "already_exists"));
    assert_eq!(deal.read(&order).await["paid_minor"], 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_39_what_has_a_location_can_be_read() {
    let deal = Deal::new().await;
    let order = deal.order(&[(0, 3)]).await;
    let other = deal.order(&[(0, 1)]).await;
    let ship = json!({"lines": [{"line": order["lines"][0]["id"], "quantity": 2}]});
    let back = json!({"lines": [{"line": order["lines"][0]["id"], "quantity": 1, "disposition": "scrap",
        "reason": "broken"}]});
    for (what, list, body) in [
        ("payments", "payments", card(7)),
        ("refunds", "payments", card(3)),
        ("shipments", "shipments", ship),
        ("returns", "returns", back),
    ] {
        let made = deal.post(&order, what, body).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let id = made.body["id"].as_str().unwrap();
        let location = format!("{}/{id}", path(&order, list));
        assert_eq!(made.header("location"), location);
        let read = deal.app.get(&location).await;
        assert_eq!((read.status.as_u16(), &read.body), (200, &made.body));
        let through = deal.shop.in_region("us1").get(&location).await;
        assert_eq!(through.body, made.body);
        // Below another order it is not.
        let astray = deal.app.get(&format!("{}/{id}", path(&other, list))).await;
        assert_eq!(astray.problem(), (404, "not_found"));
        let listed = deal.app.get(&path(&order, list)).await;
        assert_eq!(listed.body["data"][0], made.body, "newest first");
        let forbidden = deal.app.request_as(
            &testkit::app::token(Role::Viewer, &["nyc"]),
            Method::GET,
            &location,
        );
        assert_eq!(forbidden.send().await.problem(), (403, "office_forbidden"));
        let unknown = deal
            .app
            .get(&format!("{}?colour=red", path(&order, list)))
            .await;
        assert_eq!(unknown.problem(), (400, "unknown_parameter"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_shows_every_payment_once() {
    let deal = Deal::new().await;
    let order = deal.order(&[(0, 1)]).await;
    for amount in 1..=5 {
        deal.pay(&order, amount).await;
    }
    let list = path(&order, "payments");
    let mut next = format!("{list}?limit=2&order=asc");
    let mut amounts = Vec::new();
    loop {
        let page = deal.app.get(&next).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let rows = page.body["data"].as_array().unwrap();
        amounts.extend(rows.iter().map(|row| row["amount_minor"].as_i64().unwrap()));
        let Some(cursor) = page.body["next_cursor"].as_str() else {
            break;
        };
        next = format!("{list}?limit=2&order=asc&cursor={cursor}");
    }
    assert_eq!(amounts, [1, 2, 3, 4, 5]);
    let none = deal
        .app
        .get(&format!("{list}?created_to=2020-01-01T00:00:00Z"))
        .await;
    assert_eq!(none.body["data"], json!([]));
}
