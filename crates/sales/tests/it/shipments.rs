//! `/v1/sales/orders/{id}/shipments`

use futures_util::future::join_all;
use kernel::Role;
use serde_json::{Value, json};

use crate::deal::{Deal, path, units};

#[tokio::test(flavor = "multi_thread")]
async fn a_shipment_takes_the_goods_invoices_them_and_fulfils_the_order() {
    let deal = Deal::new().await;
    let order = deal.order(&[(0, 2), (1, 3)]).await;
    deal.pay(&order, 10_000).await;
    let body = json!({"carrier": "DHL", "tracking": "JJD0099"});
    let shipped = deal.post(&order, "shipments", body).await;
    assert_eq!(shipped.status, 201, "{}", shipped.body);
    let body = &shipped.body;
    let line = |number: usize, numbers: [i64; 4]| {
        let line = &order["lines"][number];
        json!({"line": line["id"], "item": line["item"], "sku": line["sku"], "quantity": numbers[0],
            "net_minor": numbers[1], "tax_minor": numbers[2], "cost_minor": numbers[3],
            "movement": body["lines"][number]["movement"]})
    };
    assert_eq!(
        *body,
        json!({
            "id": body["id"], "order": order["id"], "office": "ber", "home_region": "eu1", "currency": "EUR",
            "carrier": "DHL", "tracking": "JJD0099",
            "lines": [line(0, [2, 20_000, 3_800, 12_000]), line(1, [3, 2_997, 569, 300])],
            "net_minor": 22_997, "tax_minor": 4_369, "total_minor": 27_366, "cost_minor": 12_300,
            "deposit_minor": 10_000, "journal_entries": body["journal_entries"],
            "effective_date": body["effective_date"], "created_at": body["created_at"], "created_by": "test:manager",
        })
    );
    assert_eq!(body["journal_entries"].as_array().unwrap().len(), 3);
    assert_eq!(
        deal.postings(&order).await[1..],
        [
            "5000 1300 12300 shipment cost",
            "1100 4000 22997 shipment invoice",
            "1100 2100 4369 shipment invoice",
            "2200 1100 10000 shipment deposit",
        ]
    );
    assert_eq!(
        (deal.level(0).await, deal.level(1).await),
        ([8, 0, 48_000], [7, 0, 701])
    );
    let after = deal.read(&order).await;
    assert_eq!(
        (
            &after["status"],
            &after["fulfilment_status"],
            &after["payment_status"],
            &after["invoiced_minor"]
        ),
        (
            &json!("fulfilled"),
            &json!("full"),
            &json!("partial"),
            &json!(27_366)
        )
    );
    assert_eq!(
        deal.events(&order).await[3..],
        ["4 sales.order.shipped", "4 sales.order.fulfilled"]
    );
    // One movement a line, which names the shipment and the entry of the goods.
    let movements = format!(
        "SELECT kind || ' ' || delta || ' ' || (journal_entry IS NOT NULL) FROM warehouse.stock_movements \
         WHERE reference = '{}' ORDER BY delta",
        body["id"].as_str().unwrap()
    );
    assert_eq!(
        deal.texts(&movements).await,
        ["issue -3 true", "issue -2 true"]
    );
    let reservations =
        "SELECT status || ' ' || count(*) FROM warehouse.reservations GROUP BY status";
    assert_eq!(deal.texts(reservations).await, ["consumed 2"]);
    deal.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_17_everything_of_a_shipment_has_one_time() {
    let deal = Deal::new().await;
    let order = deal.order(&[(0, 1)]).await;
    let shipped = deal.ship(&order, &[(0, 1)]).await;
    let times = "SELECT DISTINCT at::TEXT FROM (\
        SELECT recorded_at AS at FROM warehouse.stock_movements WHERE kind = 'issue' \
        UNION ALL SELECT recorded_at FROM accounting.journal_entries WHERE source_type = 'shipment' \
        UNION ALL SELECT created_at FROM sales.shipments UNION ALL SELECT updated_at FROM sales.orders \
        UNION ALL SELECT time FROM platform.events WHERE kind = 'sales.order.shipped') AS times";
    assert_eq!(deal.texts(times).await.len(), 1);
    assert_eq!(deal.read(&order).await["updated_at"], shipped["created_at"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_add_up_to_the_line_to_the_cent() {
    let deal = Deal::new().await;
    let order = deal.order(&[(1, 3)]).await;
    let mut parts = Vec::new();
    for _ in 0..3 {
        let part = deal.ship(&order, &[(0, 1)]).await;
        let member = |name: &str| part[name].as_i64().unwrap();
        parts.push([
            member("net_minor"),
            member("tax_minor"),
            member("cost_minor"),
        ]);
    }
    // 19 % of 9.99, 19.98, 29.97: 1.90, 3.80, 5.69; the goods at the average of what is left.
    assert_eq!(parts, [[999, 190, 100], [999, 190, 100], [999, 189, 100]]);
    let after = deal.read(&order).await;
    assert_eq!(after["invoiced_minor"], after["total_minor"]);
    assert_eq!(
        deal.events(&order).await,
        [
            "1 sales.order.created",
            "2 sales.order.confirmed",
            "3 sales.order.shipped",
            "4 sales.order.shipped",
            "5 sales.order.shipped",
            "5 sales.order.fulfilled"
        ]
    );
    deal.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_shipped_than_is_open_and_only_of_a_confirmed_order() {
    let deal = Deal::new().await;
    let draft = deal.draft(&[(0, 1)]).await;
    let refused = deal.post(&draft, "shipments", json!({})).await;
    assert_eq!(refused.problem(), (409, "order_state"));
    let order = deal.order(&[(0, 3), (1, 1)]).await;
    // Each alone would be possible.
    let twice = json!({"lines": units(&order, &[(0, 2), (1, 1), (0, 2)])});
    let refused = deal.post(&order, "shipments", twice).await;
    assert_eq!(refused.problem(), (409, "not_reserved"));
    assert_eq!(
        refused.body["lines"],
        json!([{"line": order["lines"][0]["id"], "sku": "LAMP-7", "wanted": 4, "open": 3}])
    );
    let thrice = json!({"lines": units(&order, &[(0, 1), (0, 1)])});
    let shipped = deal.done(&order, "shipments", thrice).await;
    assert_eq!(shipped["lines"].as_array().unwrap().len(), 1);
    assert_eq!(shipped["lines"][0]["quantity"], 2);
    let refused = deal
        .post(
            &order,
            "shipments",
            json!({"lines": units(&order, &[(0, 2)])}),
        )
        .await;
    assert_eq!(refused.problem(), (409, "not_reserved"));
    deal.done(&order, "shipments", json!({})).await;
    for body in [json!({}), json!({"lines": units(&order, &[(0, 1)])})] {
        let refused = deal.post(&order, "shipments", body).await;
        assert_eq!(refused.problem(), (409, "order_state"));
        assert_eq!(refused.body["order_status"], "fulfilled");
    }
    let cancelled = deal.order(&[(0, 1)]).await;
    deal.done(&cancelled, "cancel", json!({"reason": "no"}))
        .await;
    let refused = deal.post(&cancelled, "shipments", json!({})).await;
    assert_eq!(refused.problem(), (409, "order_state"));
    deal.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cancelled_is_not_shipped_and_the_rest_fulfils_the_order() {
    let deal = Deal::new().await;
    let order = deal.order(&[(0, 3)]).await;
    let some = json!({"reason": "less is enough", "lines": units(&order, &[(0, 1)])});
    deal.done(&order, "cancel", some).await;
    let refused = deal
        .post(
            &order,
            "shipments",
            json!({"lines": units(&order, &[(0, 3)])}),
        )
        .await;
    assert_eq!(refused.problem(), (409, "not_reserved"));
    let shipped = deal.done(&order, "shipments", json!({})).await;
    assert_eq!(shipped["lines"][0]["quantity"], 2);
    assert_eq!(deal.read(&order).await["status"], "fulfilled");
    assert_eq!(deal.level(0).await, [8, 0, 48_000]);
    deal.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_refused_member_by_member() {
    let deal = Deal::new().await;
    let (order, other) = (deal.order(&[(0, 1)]).await, deal.order(&[(0, 1)]).await);
    let line = &order["lines"][0]["id"];
    for (body, pointers) in [
        (json!({"lines": []}), vec!["/lines"]),
        (
            json!({"lines": [{}]}),
            vec!["/lines/0/line", "/lines/0/quantity"],
        ),
        (
            json!({"lines": [{"line": line, "quantity": 0}, {"line": "oln", "quantity": 1}], "carrier": ""}),
            vec!["/lines/0/quantity", "/lines/1/line", "/carrier"],
        ),
        (
            json!({"lines": [{"line": line, "quantity": 1}, {"line": other["lines"][0]["id"], "quantity": 1}]}),
            vec!["/lines/1/line"],
        ),
        (
            json!({"tracking": "x".repeat(129), "weight": 3}),
            vec!["/tracking", "/weight"],
        ),
    ] {
        let refused = deal.post(&order, "shipments", body.clone()).await;
        assert_eq!(refused.status, 422, "{body}: {}", refused.body);
        assert_eq!(refused.pointers(), pointers, "{body}");
    }
    let to = path(&order, "shipments");
    let viewer = deal
        .as_somebody(Role::Viewer, &["*"], &to, &json!({}))
        .await;
    assert_eq!(viewer.problem(), (403, "scope_missing"));
    let elsewhere = deal
        .as_somebody(Role::Clerk, &["nyc"], &to, &json!({}))
        .await;
    assert_eq!(elsewhere.problem(), (403, "office_forbidden"));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_closed_month_nothing_moves_at_all() {
    let deal = Deal::new().await;
    let order = deal.order(&[(0, 1)]).await;
    deal.close_this_month().await;
    let before = deal.level(0).await;
    let refused = deal.post(&order, "shipments", json!({})).await;
    assert_eq!(refused.problem(), (409, "period_closed"));
    assert_eq!(refused.body["effect"], "none");
    assert_eq!(deal.level(0).await, before);
    assert_eq!(deal.read(&order).await["version"], 2);
    deal.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_worth_nothing_and_costs_nothing_moves_and_posts_nothing() {
    let deal = Deal::new().await;
    let gift = json!({"sku": "GIFT", "name": "Gift", "description": "A gift.", "country_of_origin": "DE",
        "unit": "each", "prices": [{"currency": "EUR", "amount_minor": 0}]});
    let gift = deal.app.post("/v1/warehouse/items", gift).await.body;
    let receipt = json!({"location": "ber-main", "reference": "R-2", "lines": [
        {"item": gift["id"], "quantity": 5, "cost_minor": 0}]});
    assert_eq!(
        deal.app
            .post("/v1/warehouse/receipts", receipt)
            .await
            .status,
        201
    );
    let order = json!({"office": "ber", "customer": deal.customer, "lines": [
        {"item": gift["id"], "location": "ber-main", "quantity": 2}]});
    let order = deal.app.post("/v1/sales/orders", order).await.body;
    deal.done(&order, "confirm", json!({})).await;
    let shipped = deal.done(&order, "shipments", json!({})).await;
    assert_eq!(
        (
            &shipped["total_minor"],
            &shipped["cost_minor"],
            &shipped["journal_entries"]
        ),
        (&json!(0), &json!(0), &json!([]))
    );
    let back = deal
        .take_back(&order, &[(0, 1, "restock"), (0, 1, "scrap")])
        .await;
    assert_eq!(back.status, 201, "{}", back.body);
    assert_eq!(back.body["journal_entries"], json!([]));
    assert!(deal.postings(&order).await.is_empty());
    deal.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shipments_that_race_for_the_last_units_take_them_once() {
    let deal = Deal::new().await;
    let order = deal.order(&[(0, 5), (1, 5)]).await;
    let apps = ["eu1", "us1", "ap1"].map(|region| deal.shop.in_region(region));
    let to = path(&order, "shipments");
    let racing = (0..12).map(|n| {
        let body = json!({"lines": units(&order, &[(n % 2, 2)])});
        let (app, to) = (&apps[n % 3], &to);
        async move { app.post(to, body).await }
    });
    let answers = join_all(racing).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let refused = answers
        .iter()
        .filter(|answer| answer.problem() == (409, "not_reserved"))
        .count();
    assert_eq!((made, refused), (4, 8));
    let after = deal.read(&order).await;
    let shipped: Vec<&Value> = (0..2)
        .map(|line| &after["lines"][line]["shipped"])
        .collect();
    assert_eq!(shipped, [4, 4]);
    assert_eq!(
        (
            deal.level(0).await[..2].to_vec(),
            deal.level(1).await[..2].to_vec()
        ),
        (vec![6, 1], vec![6, 1])
    );
    deal.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_ships_nothing() {
    let deal = Deal::new().await;
    let order = deal.order(&[(0, 1)]).await;
    let to = format!("{}?dry_run=true", path(&order, "shipments"));
    let rehearsed = deal.app.post(&to, json!({})).await;
    assert_eq!(rehearsed.status, 201, "{}", rehearsed.body);
    assert_eq!(rehearsed.header("dry-run"), "true");
    assert_eq!(deal.read(&order).await["version"], 2);
    assert_eq!(deal.level(0).await, [10, 1, 60_000]);
}
