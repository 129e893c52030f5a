//! `/v1/sales/orders/{id}/returns`

use axum::http::Method;
use serde_json::json;

use crate::deal::Deal;

#[tokio::test(flavor = "multi_thread")]
async fn goods_come_back_to_the_shelf_and_to_scrap_at_what_they_had_cost() {
    let deal = Deal::new().await;
    let order = deal.order(&[(0, 3)]).await;
    deal.ship(&order, &[(0, 3)]).await;
    // What comes in since then costs more; what comes back does not.
    let line = json!({"item": deal.items[0], "quantity": 10, "cost_minor": 99_000});
    let receipt = json!({"location": "ber-main", "reference": "R-2", "lines": [line]});
    assert_eq!(
        deal.app
            .post("/v1/warehouse/receipts", receipt)
            .await
            .status,
        201
    );
    let back = deal
        .take_back(&order, &[(0, 1, "restock"), (0, 1, "scrap")])
        .await;
    assert_eq!(back.status, 201, "{}", back.body);
    let body = &back.body;
    let line = |number: usize, disposition: &str| {
        let line = &order["lines"][0];
        json!({"line": line["id"], "item": line["item"], "sku": "LAMP-7", "quantity": 1, "net_minor": 10_000,
            "tax_minor": 1_900, "cost_minor": 6_000, "disposition": disposition, "reason": "broken",
            "movement": body["lines"][number]["movement"]})
    };
    assert_eq!(
        *body,
        json!({
            "id": body["id"], "order": order["id"], "office": "ber", "home_region": "eu1", "currency": "EUR",
            "lines": [line(0, "restock"), line(1, "scrap")],
            "net_minor": 20_000, "tax_minor": 3_800, "total_minor": 23_800, "cost_minor": 12_000,
            "journal_entries": body["journal_entries"], "effective_date": body["effective_date"],
            "created_at": body["created_at"], "created_by": "test:manager",
        })
    );
    assert!(body["lines"][0]["movement"].is_string() && body["lines"][1]["movement"].is_null());
    assert_eq!(
        deal.postings(&order).await[3..],
        [
            "1300 5000 6000 return restock",
            "5900 5000 6000 return scrap",
            "4900 1100 20000 return credit",
            "2100 1100 3800 return credit",
        ]
    );
    assert_eq!(deal.level(0).await, [18, 0, 42_000 + 99_000 + 6_000]);
    let after = deal.read(&order).await;
    assert_eq!(
        (
            &after["status"],
            &after["credited_minor"],
            &after["lines"][0]["returned"]
        ),
        (&json!("fulfilled"), &json!(23_800), &json!(2))
    );
    assert_eq!(deal.events(&order).await[4], "4 sales.order.returned");
    deal.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_come_back_add_up_to_what_was_shipped() {
    let deal = Deal::new().await;
    let order = deal.order(&[(1, 7)]).await;
    deal.ship(&order, &[(0, 7)]).await; // at 7.01, with 13.29 tax
    let mut parts = Vec::new();
    for quantity in [2, 2, 3] {
        let back = deal.take_back(&order, &[(0, quantity, "restock")]).await;
        assert_eq!(back.status, 201, "{}", back.body);
        let member = |name: &str| back.body[name].as_i64().unwrap();
        parts.push([
            member("net_minor"),
            member("tax_minor"),
            member("cost_minor"),
        ]);
    }
    assert_eq!(
        parts,
        [[1_998, 380, 200], [1_998, 379, 201], [2_997, 570, 300]]
    );
    let after = deal.read(&order).await;
    assert_eq!(after["credited_minor"], after["invoiced_minor"]);
    assert_eq!(deal.level(1).await, [10, 0, 1_001]);
    deal.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_back_that_was_not_shipped() {
    let deal = Deal::new().await;
    let order = deal.order(&[(0, 3), (1, 1)]).await;
    let none = deal.take_back(&order, &[(0, 1, "restock")]).await;
    assert_eq!(none.problem(), (409, "return_exceeds_shipped"));
    deal.ship(&order, &[(0, 2)]).await;
    // Each alone would be possible.
    let summed = deal
        .take_back(&order, &[(0, 1, "restock"), (0, 2, "scrap")])
        .await;
    assert_eq!(summed.problem(), (409, "return_exceeds_shipped"));
    assert_eq!(
        summed.body["lines"],
        json!([{"line": order["lines"][0]["id"], "sku": "LAMP-7", "wanted": 3, "open": 2}])
    );
    // The order may still be confirmed, with more to ship.
    let back = deal.take_back(&order, &[(0, 2, "restock")]).await;
    assert_eq!(back.status, 201, "{}", back.body);
    let again = deal.take_back(&order, &[(0, 1, "scrap")]).await;
    assert_eq!(again.problem(), (409, "return_exceeds_shipped"));
    deal.done(&order, "shipments", json!({})).await;
    assert_eq!(
        deal.take_back(&order, &[(0, 1, "scrap"), (1, 1, "scrap")])
            .await
            .status,
        201
    );
    deal.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_40_what_was_sold_of_an_archived_item_comes_back() {
    let deal = Deal::new().await;
    let order = deal.order(&[(0, 2)]).await;
    let item = format!("/v1/warehouse/items/{}", deal.items[0]);
    let request = deal
        .app
        .request(Method::PATCH, &item)
        .header("if-match", "\"1\"");
    let archived = request.json(&json!({"status": "archived"})).send().await;
    assert_eq!(archived.status, 200, "{}", archived.body);
    deal.ship(&order, &[(0, 2)]).await;
    let back = deal.take_back(&order, &[(0, 2, "restock")]).await;
    assert_eq!(back.status, 201, "{}", back.body);
    assert_eq!(deal.level(0).await, [10, 0, 60_000]);
    deal.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_paid_and_came_back_is_refunded_and_leaves_nothing_open() {
    let deal = Deal::new().await;
    let order = deal.order(&[(0, 1)]).await;
    deal.ship(&order, &[(0, 1)]).await;
    deal.pay(&order, 11_900).await;
    assert_eq!(deal.take_back(&order, &[(0, 1, "scrap")]).await.status, 201);
    // We owe the customer: what is paid now is no settlement.
    let ahead = deal.pay(&order, 100).await;
    assert_eq!(
        (&ahead["receivable_minor"], &ahead["deposit_minor"]),
        (&json!(0), &json!(100))
    );
    deal.refund(&order, 12_000).await;
    assert_eq!(
        deal.postings(&order).await[7..],
        [
            "1000 2200 100 payment payment",
            "2200 1000 100 payment refund",
            "1100 1000 11900 payment refund",
        ]
    );
    let open = "SELECT receivable_minor || ' ' || deposit_minor FROM sales.orders";
    assert_eq!(deal.texts(open).await, ["0 0"]);
    deal.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_refused_member_by_member() {
    let deal = Deal::new().await;
    let (order, other) = (deal.order(&[(0, 1)]).await, deal.order(&[(0, 1)]).await);
    deal.ship(&order, &[(0, 1)]).await;
    let back = |line: &serde_json::Value| json!({"line": line["id"], "quantity": 1, "disposition": "scrap", "reason": "broken"});
    for (body, pointers) in [
        (json!({}), vec!["/lines"]),
        (json!({"lines": []}), vec!["/lines"]),
        (
            json!({"lines": [{}]}),
            vec![
                "/lines/0/line",
                "/lines/0/quantity",
                "/lines/0/disposition",
                "/lines/0/reason",
            ],
        ),
        (
            json!({"lines": [{"line": order["lines"][0]["id"], "quantity": 0, "disposition": "keep", "reason": " "}]}),
            vec![
                "/lines/0/quantity",
                "/lines/0/disposition",
                "/lines/0/reason",
            ],
        ),
        (
            json!({"lines": [back(&order["lines"][0]), back(&other["lines"][0])]}),
            vec!["/lines/1/line"],
        ),
    ] {
        let refused = deal.post(&order, "returns", body.clone()).await;
        assert_eq!(refused.status, 422, "{body}: {}", refused.body);
        assert_eq!(refused.pointers(), pointers, "{body}");
    }
    deal.close_this_month().await;
    let refused = deal.take_back(&order, &[(0, 1, "scrap")]).await;
    assert_eq!(refused.problem(), (409, "period_closed"));
    deal.ties_out().await;
}
