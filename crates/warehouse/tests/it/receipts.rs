//! `POST /v1/warehouse/receipts`

use axum::http::Method;
use kernel::{Role, id::ItemId};
use serde_json::{Value, json};
use testkit::app::{new_key, token};

use crate::stock::{RECEIPTS, Store};

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_moves_stock_and_posts_what_it_cost() {
    let store = Store::new().await;
    let receipt = json!({"location": "ber-main", "reference": "PO-2210", "lines": [
        {"item": store.items[0], "quantity": 40, "unit_cost_minor": 6000},
        {"item": store.items[1], "quantity": 3, "cost_minor": 100},
    ]});
    let received = store.app.post(RECEIPTS, receipt).await;
    assert_eq!(received.status, 201, "{}", received.body);
    assert_eq!(received.header("etag"), "", "a receipt has no version");
    let (movements, entry) = (&received.body["movements"], &received.body["journal_entry"]);
    let first = &movements[0];
    let expected = json!({
        "id": first["id"], "office": "ber", "home_region": "eu1", "location": "ber-main", "item": store.items[0],
        "sku": "LAMP-7", "currency": "EUR", "delta": 40, "value_delta_minor": 240_000, "kind": "receipt",
        "reason": null, "reference": "PO-2210", "journal_entry": entry["id"], "recorded_at": first["recorded_at"],
        "recorded_by": "test:manager", "created_at": first["recorded_at"],
    });
    assert_eq!(*first, expected);
    assert!(first["id"].as_str().unwrap().starts_with("mov_eu1_"));
    assert_eq!(movements[1]["value_delta_minor"], 100);
    assert_eq!(movements.as_array().unwrap().len(), 2);
    assert_eq!(entry["description"], "Receipt at ber-main: PO-2210");
    assert_eq!(
        entry["source"],
        json!({"type": "receipt", "id": first["id"], "rule": "receipt"})
    );
    let posting = &entry["postings"][0];
    assert_eq!(
        (
            &posting["debit"],
            &posting["credit"],
            &posting["amount_minor"]
        ),
        (&json!("1300"), &json!("2050"), &json!(240_100))
    );
    // Hard case 39: what has a Location can be read, in any region.
    let location = received.header("location");
    let read = store.warehouse.in_region("ap1").get(location).await;
    assert_eq!((read.status.as_u16(), &read.body), (200, first));
    let level = store.level("ber-main").await;
    let expected = json!({
        "id": level["id"], "office": "ber", "home_region": "eu1", "location": "ber-main", "item": store.items[0],
        "sku": "LAMP-7", "currency": "EUR", "on_hand": 40, "reserved": 0, "available": 40, "incoming": 0,
        "value_minor": 240_000, "unit_cost_minor": 6000, "version": 1, "created_at": first["recorded_at"],
        "updated_at": first["recorded_at"],
    });
    assert_eq!(level, expected);
    // One event per level, one per entry; data is the level, and what changed it.
    let sql = "SELECT data::TEXT FROM platform.events WHERE subject = '";
    let rows = store
        .db()
        .query(&format!("{sql}{}'", level["id"].as_str().unwrap()))
        .await;
    let mut data: Value = serde_json::from_str(rows[0][0].as_deref().unwrap()).unwrap();
    assert_eq!(data["cause"].take(), "receipt");
    data.as_object_mut().unwrap().remove("cause");
    assert_eq!((rows.len(), data), (1, level));
    assert_eq!(
        store
            .rows("platform.events WHERE kind = 'accounting.entry.posted'")
            .await,
        1
    );
    store.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_stock_is_equity_and_takes_the_right_to_post() {
    let store = Store::new().await;
    let mut opening = store.receipt("ber-main", 10, 500);
    opening["kind"] = json!("opening");
    let clerk = token(Role::Clerk, &["*"]);
    let key = new_key();
    let send = async |token: &str| {
        let request = store
            .app
            .request_as(token, Method::POST, RECEIPTS)
            .key(&key);
        request.json(&opening).send().await
    };
    let refused = send(&clerk).await;
    assert_eq!(refused.problem(), (403, "scope_missing"));
    assert_eq!(refused.body["scope"], "accounting:post");
    assert_eq!(store.rows("warehouse.stock_levels").await, 0);
    let taken = store.app.post(RECEIPTS, opening.clone()).await;
    assert_eq!(taken.status, 201, "{}", taken.body);
    assert_eq!(taken.body["movements"][0]["kind"], "opening");
    let request = store
        .app
        .request_as(&clerk, Method::POST, RECEIPTS)
        .key(&key);
    let usual = request.json(&store.receipt("ber-main", 1, 1)).send().await;
    assert_eq!(
        usual.status, 201,
        "a clerk takes in what comes: {}",
        usual.body
    );
    assert_eq!(
        store.postings().await,
        [
            "1300 3100 500 receipt opening",
            "1300 2050 1 receipt receipt"
        ]
    );
    store.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_42_a_line_says_what_one_cost_or_what_all_cost() {
    let store = Store::new().await;
    // 1,000 grams at 0.3 cent each.
    let received = store.receive("ber-main", 1000, 300).await;
    assert_eq!(received.body["movements"][0]["value_delta_minor"], 300);
    assert_eq!(store.level("ber-main").await["unit_cost_minor"], 0);
    let line = |cost: Value| {
        let mut line = cost;
        line["item"] = json!(store.items[0]);
        line["quantity"] = json!(2);
        json!({"location": "ber-main", "reference": "R", "lines": [line]})
    };
    for (cost, code, pointer) in [
        (json!({}), "required", "/lines/0/unit_cost_minor"),
        (
            json!({"unit_cost_minor": null, "cost_minor": null}),
            "required",
            "/lines/0/unit_cost_minor",
        ),
        (
            json!({"unit_cost_minor": 1, "cost_minor": 2}),
            "exclusive",
            "/lines/0/cost_minor",
        ),
    ] {
        let refused = store.app.post(RECEIPTS, line(cost.clone())).await;
        assert_eq!(refused.problem(), (422, "validation_failed"), "{cost}");
        assert_eq!(refused.pointers(), [pointer], "{cost}");
        assert_eq!(refused.body["errors"][0]["code"], code, "{cost}");
    }
    let one = store
        .app
        .post(
            RECEIPTS,
            line(json!({"unit_cost_minor": 7, "cost_minor": null})),
        )
        .await;
    assert_eq!(one.body["movements"][0]["value_delta_minor"], 14);
    store.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_lines_of_one_item_are_filled_in_order_and_change_its_level_once() {
    let store = Store::new().await;
    let receipt = json!({"location": "ber-main", "reference": "R", "lines": [
        {"item": store.items[0], "quantity": 1, "unit_cost_minor": 10},
        {"item": store.items[1], "quantity": 5, "unit_cost_minor": 2},
        {"item": store.items[0], "quantity": 2, "unit_cost_minor": 40},
    ]});
    let received = store.app.post(RECEIPTS, receipt).await;
    let deltas: Vec<_> = received.body["movements"]
        .as_array()
        .unwrap()
        .iter()
        .map(|movement| {
            (
                &movement["sku"],
                &movement["delta"],
                &movement["value_delta_minor"],
            )
        })
        .collect();
    let expected = [
        (&json!("LAMP-7"), &json!(1), &json!(10)),
        (&json!("LAMP-8"), &json!(5), &json!(10)),
        (&json!("LAMP-7"), &json!(2), &json!(80)),
    ];
    assert_eq!(deltas, expected);
    assert_eq!(store.numbers().await, [3, 0, 90, 1]);
    assert_eq!(store.level("ber-main").await["unit_cost_minor"], 30);
    store.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_of_as_many_lines_as_there_may_be_is_one_write() {
    let store = Store::new().await;
    let lines: Vec<Value> = (0..500)
        .map(|n| json!({"item": store.items[n % 2], "quantity": 1, "unit_cost_minor": n}))
        .collect();
    let receipt = json!({"location": "ber-main", "reference": "R", "lines": lines});
    let key = new_key();
    let send = async || {
        let request = store.app.request(Method::POST, RECEIPTS).key(&key);
        request.json(&receipt).send().await
    };
    let received = send().await;
    assert_eq!(received.status, 201, "{}", received.body);
    assert_eq!(received.body["movements"].as_array().unwrap().len(), 500);
    assert_eq!(
        received.body["journal_entry"]["postings"][0]["amount_minor"],
        499 * 500 / 2
    );
    // However large it is, its repeat is its stored answer.
    let again = send().await;
    assert_eq!(
        (again.status, &again.body),
        (received.status, &received.body)
    );
    assert_eq!(
        store.rows("warehouse.stock_levels WHERE version = 1").await,
        2
    );
    store.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn goods_that_cost_nothing_move_without_an_entry() {
    let store = Store::new().await;
    let received = store.receive("ber-main", 5, 0).await;
    assert_eq!(received.body["journal_entry"], Value::Null);
    assert_eq!(received.body["movements"][0]["journal_entry"], Value::Null);
    assert_eq!(store.rows("accounting.journal_entries").await, 0);
    assert_eq!(store.numbers().await, [5, 0, 0, 1]);
    // Beside goods that cost something they have its entry.
    let receipt = json!({"location": "ber-main", "reference": "R", "lines": [
        {"item": store.items[0], "quantity": 1, "unit_cost_minor": 0},
        {"item": store.items[1], "quantity": 1, "unit_cost_minor": 9},
    ]});
    let received = store.app.post(RECEIPTS, receipt).await;
    let entry = &received.body["journal_entry"]["id"];
    assert!(entry.is_string());
    assert_eq!(received.body["movements"][0]["journal_entry"], *entry);
    store.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_rule_of_a_receipt_is_named_and_nothing_is_written() {
    let store = Store::new().await;
    let unknown = ItemId::random("g".parse().unwrap()).to_string();
    let with = |member: &str, value: Value| {
        let mut body = store.receipt("ber-main", 1, 1);
        body[member] = value;
        body
    };
    let line = |member: &str, value: Value| {
        let mut body = store.receipt("ber-main", 1, 1);
        body["lines"][0][member] = value;
        body
    };
    let many: Vec<Value> = vec![store.receipt("ber-main", 1, 1)["lines"][0].clone(); 501];
    for (body, pointers) in [
        (json!({}), &["/lines", "/location", "/reference"][..]),
        (json!([]), &[""]),
        (with("reference", json!(" ")), &["/reference"]),
        (with("reference", json!("x".repeat(129))), &["/reference"]),
        (with("kind", json!("return")), &["/kind"]),
        (with("location", json!("nowhere")), &["/location"]),
        (with("lines", json!([])), &["/lines"]),
        (with("lines", json!(many)), &["/lines"]),
        (with("lines", json!([1])), &["/lines/0"]),
        (with("journal_entry", json!(null)), &["/journal_entry"]),
        (with("colour", json!("red")), &["/colour"]),
        (line("quantity", json!(0)), &["/lines/0/quantity"]),
        (line("quantity", json!(-1)), &["/lines/0/quantity"]),
        (line("quantity", json!(1.0)), &["/lines/0/quantity"]),
        (line("cost_minor", json!(-1)), &["/lines/0/cost_minor"]),
        (line("cost_minor", json!("1")), &["/lines/0/cost_minor"]),
        (line("item", json!("LAMP-7")), &["/lines/0/item"]),
        (line("item", json!(unknown)), &["/lines/0/item"]),
        (line("colour", json!("red")), &["/lines/0/colour"]),
    ] {
        let refused = store.app.post(RECEIPTS, body.clone()).await;
        assert_eq!(refused.problem(), (422, "validation_failed"), "{body}");
        let mut found = refused.pointers();
        found.sort_unstable();
        assert_eq!(found, pointers, "{body}: {}", refused.body);
        assert_eq!(refused.body["effect"], "none");
    }
    let codes = async |body: Value| {
        let refused = store.app.post(RECEIPTS, body).await;
        let errors = refused.body["errors"].as_array().unwrap().clone();
        let codes = errors
            .iter()
            .map(|error| error["code"].as_str().unwrap().to_owned());
        codes.collect::<Vec<_>>()
    };
    assert_eq!(
        codes(with("location", json!("nowhere"))).await,
        ["location_unknown"]
    );
    let closed = "UPDATE platform.offices SET status = 'closed' WHERE code = 'ber'";
    store.db().query(closed).await;
    assert_eq!(
        codes(line("item", json!(unknown))).await,
        ["office_closed", "item_unknown"]
    );
    assert_eq!(store.rows("warehouse.stock_levels").await, 0);
    assert_eq!(store.rows("accounting.journal_entries").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_26_a_receipt_beyond_what_is_exact_is_refused() {
    let store = Store::new().await;
    let most = 9_007_199_254_740_991_i64;
    let post = async |lines: Value| {
        let body = json!({"location": "ber-main", "reference": "R", "lines": lines});
        store.app.post(RECEIPTS, body).await
    };
    let (lamp, other) = (&store.items[0], &store.items[1]);
    let line = |item: &str, quantity: i64, cost: i64| json!({"item": item, "quantity": quantity, "cost_minor": cost});
    for (lines, pointer) in [
        // Times the quantity.
        (
            json!([{"item": lamp, "quantity": 2, "unit_cost_minor": most}]),
            "/lines/0/unit_cost_minor",
        ),
        (json!([line(lamp, 1, most + 1)]), "/lines/0/cost_minor"),
        // The level's value, the level's quantity, the entry's total.
        (json!([line(lamp, 1, most), line(lamp, 1, 1)]), "/lines/1"),
        (json!([line(lamp, most, 1), line(lamp, 1, 1)]), "/lines/1"),
        (json!([line(lamp, 1, most), line(other, 1, 1)]), "/lines"),
    ] {
        let refused = post(lines.clone()).await;
        assert_eq!(
            refused.problem(),
            (422, "amount_out_of_range"),
            "{lines}: {}",
            refused.body
        );
        assert_eq!(refused.pointers(), [pointer], "{lines}");
    }
    assert_eq!(store.rows("warehouse.stock_movements").await, 0);
    let taken = post(json!([line(lamp, most, most)])).await;
    assert_eq!(taken.status, 201, "{}", taken.body);
    // What is there counts too, and so does the balance of the office.
    let refused = post(json!([line(lamp, 1, 0)])).await;
    assert_eq!(refused.problem(), (422, "amount_out_of_range"));
    assert_eq!(store.numbers().await, [most, 0, most, 1]);
    store.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_month_takes_no_receipt_that_costs_something() {
    let store = Store::new().await;
    store.close_this_month().await;
    let refused = store
        .app
        .post(RECEIPTS, store.receipt("ber-main", 1, 1))
        .await;
    assert_eq!(refused.problem(), (409, "period_closed"));
    assert_eq!(refused.body["office"], "ber");
    assert_eq!(refused.body["period"].as_str().unwrap().len(), 7);
    assert_eq!(store.rows("warehouse.stock_levels").await, 0);
    // Nothing to post: nothing to refuse. Another office has months of its own.
    store.receive("ber-main", 1, 0).await;
    store.receive("nyc-main", 1, 1).await;
    store.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_40_an_archived_item_takes_no_new_stock() {
    let store = Store::new().await;
    store.receive("ber-main", 3, 10).await;
    let item = format!("/v1/warehouse/items/{}", store.items[0]);
    let archived = store
        .app
        .patch(&item, 1, json!({"status": "archived"}))
        .await;
    assert_eq!(archived.status, 200);
    let refused = store
        .app
        .post(RECEIPTS, store.receipt("ber-main", 1, 1))
        .await;
    assert_eq!(refused.problem(), (409, "item_archived"));
    assert_eq!(refused.body["skus"], json!(["LAMP-7"]));
    let refused = store.adjust(store.adjustment(1)).await;
    assert_eq!(refused.problem(), (409, "item_archived"));
    let refused = store.adjust(store.count(4, 3)).await;
    assert_eq!(refused.problem(), (409, "item_archived"));
    // What exists can be finished.
    assert_eq!(store.adjust(store.count(3, 3)).await.status, 201);
    assert_eq!(store.adjust(store.adjustment(-3)).await.status, 201);
    assert_eq!(store.numbers().await, [0, 0, 0, 2]);
    store.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_28_an_item_with_stock_stays() {
    let store = Store::new().await;
    store.receive("ber-main", 3, 10).await;
    let item = format!("/v1/warehouse/items/{}", store.items[0]);
    let delete = async |path: &str| {
        let request = store.app.request(Method::DELETE, path).key(&new_key());
        request.header("if-match", "*").send().await
    };
    assert_eq!(delete(&item).await.problem(), (409, "item_in_use"));
    let other = format!("/v1/warehouse/items/{}", store.items[1]);
    assert_eq!(delete(&other).await.status, 204, "never used");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_take_goods_in() {
    let store = Store::new().await;
    let send = async |token: &str, path: &str, body: &Value| {
        let request = store
            .app
            .request_as(token, Method::POST, path)
            .key(&new_key());
        request.json(body).send().await
    };
    let (viewer, stranger) = (token(Role::Viewer, &["*"]), token(Role::Clerk, &["nyc"]));
    for (path, body) in [
        (RECEIPTS, store.receipt("ber-main", 1, 1)),
        (crate::stock::ADJUSTMENTS, store.adjustment(1)),
    ] {
        let refused = send(&viewer, path, &json!({})).await;
        assert_eq!(refused.problem(), (403, "scope_missing"), "before the body");
        let refused = send(&stranger, path, &body).await;
        assert_eq!(refused.problem(), (403, "office_forbidden"));
        let mut unknown = body.clone();
        unknown["location"] = json!("nowhere");
        assert_eq!(
            send(&stranger, path, &unknown).await.problem(),
            (422, "validation_failed")
        );
        let request = store.app.request(Method::POST, path).json(&body);
        let keyless = request.send().await;
        assert_eq!(keyless.problem(), (400, "idempotency_key_required"));
    }
    assert_eq!(store.rows("warehouse.stock_levels").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_10_a_repeat_of_a_receipt_is_its_stored_answer() {
    let store = Store::new().await;
    let key = new_key();
    let send = async |region: &str, token: &str, body: &Value| {
        let app = store.warehouse.in_region(region);
        let request = app.request_as(token, Method::POST, RECEIPTS).key(&key);
        request.json(body).send().await
    };
    let receipt = store.receipt("ber-main", 4, 10);
    let clerk = token(Role::Clerk, &["ber"]);
    let first = send("eu1", &clerk, &receipt).await;
    assert_eq!(first.status, 201, "{}", first.body);
    // State is not looked at again.
    store.close_this_month().await;
    for region in ["us1", "ap1"] {
        let again = send(region, &clerk, &receipt).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(again.header("idempotent-replayed"), "true");
    }
    let other = send("eu1", &clerk, &store.receipt("ber-main", 5, 10)).await;
    assert_eq!(other.problem(), (422, "idempotency_key_reused"));
    let lost = send("eu1", &token(Role::Clerk, &["nyc"]), &receipt).await;
    assert_eq!(lost.problem(), (403, "office_forbidden"));
    assert_eq!(store.numbers().await, [4, 0, 10, 1]);
    store.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_of_a_receipt_leaves_nothing() {
    let store = Store::new().await;
    let path = format!("{RECEIPTS}?dry_run=true");
    let request = store.app.request(Method::POST, &path);
    let rehearsed = request.json(&store.receipt("ber-main", 4, 10)).send().await;
    assert_eq!(rehearsed.status, 201, "{}", rehearsed.body);
    assert_eq!(rehearsed.header("dry-run"), "true");
    assert_eq!(rehearsed.body["movements"][0]["delta"], 4);
    for table in [
        "warehouse.stock_levels",
        "warehouse.stock_movements",
        "accounting.journal_entries",
        "accounting.periods",
        "platform.events WHERE kind LIKE 'warehouse.stock.%'",
    ] {
        assert_eq!(store.rows(table).await, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_11_a_receipt_lives_where_its_office_does() {
    let store = Store::new().await;
    let key = new_key();
    let request = store.app.request(Method::POST, RECEIPTS).key(&key);
    let received = request.json(&store.receipt("nyc-main", 2, 4)).send().await;
    assert_eq!(received.body["movements"][0]["home_region"], "us1");
    let all = "SELECT count(*) FROM (\
        SELECT region FROM warehouse.stock_levels UNION ALL SELECT region FROM warehouse.stock_movements \
        UNION ALL SELECT region FROM accounting.journal_entries UNION ALL SELECT region FROM accounting.postings \
        UNION ALL SELECT region FROM accounting.periods UNION ALL \
        SELECT region FROM platform.events WHERE kind LIKE '%.stock.%' OR kind LIKE 'accounting.%') AS rows \
        WHERE region <> 'us1'";
    assert_eq!(store.db().count(all).await, 0);
    let kept =
        format!("platform.audit_log WHERE office = 'nyc' AND region = 'us1' AND key = '{key}'");
    assert_eq!(store.rows(&kept).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_35_what_moved_is_never_changed_by_a_service() {
    let store = Store::new().await;
    store.receive("ber-main", 2, 4).await;
    for sql in [
        "UPDATE warehouse.stock_movements SET delta = 1",
        "DELETE FROM warehouse.stock_movements",
        "DELETE FROM warehouse.stock_levels",
    ] {
        assert_eq!(
            store.db().try_as_app(sql).await,
            Err("42501".into()),
            "{sql}"
        );
    }
}
