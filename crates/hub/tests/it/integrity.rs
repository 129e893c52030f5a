//! `/v1/reports/integrity`: passes while only the API writes, and names what was changed behind its back.

use serde_json::{Value, json};
use testkit::TestApp;

use crate::{
    Company,
    deals::{Deal, Rows, order_id},
    reports::{item, lose, receive},
};

const CODES: [&str; 7] = ["I1", "I2", "I3", "I4", "I5", "I6", "I7"];

async fn invariants(app: &TestApp) -> Vec<Value> {
    let report = app.get("/v1/reports/integrity").await;
    assert_eq!(report.status, 200, "{}", report.text);
    assert_eq!(report.body["unreachable"], json!([]));
    report.body["invariants"].as_array().unwrap().clone()
}

/// The codes of those that fail.
async fn failing(app: &TestApp) -> Vec<String> {
    let all = invariants(app).await;
    let failing = all.iter().filter(|invariant| invariant["status"] == "fail");
    failing
        .map(|invariant| invariant["code"].as_str().unwrap().to_owned())
        .collect()
}

/// Stock at two offices, some of it reserved.
async fn trade(company: &Company) -> TestApp {
    let app = company.app();
    let lamp = item(&app, "LAMP-7").await;
    receive(&app, "ber-main", &lamp, (3, 100)).await;
    receive(&app, "nyc-main", &lamp, (5, 1000)).await;
    lose(&app, "ber-main", &lamp, 1).await;
    let hold = json!({"location": "nyc-main", "item": lamp, "quantity": 2});
    let held = app.post("/v1/warehouse/reservations", hold).await;
    assert_eq!(held.status, 201, "{}", held.text);
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn every_invariant_holds_while_only_the_api_writes() {
    let company = Company::new().await;
    let app = company.app();
    let pass =
        |code: &str| json!({"code": code, "status": "pass", "violations": 0, "offenders": []});
    assert_eq!(invariants(&app).await, CODES.map(pass), "of nothing");
    trade(&company).await;
    assert_eq!(invariants(&app).await, CODES.map(pass));
    let table = app
        .request(axum::http::Method::GET, "/v1/reports/integrity")
        .header("accept", "text/csv");
    assert_eq!(
        table.send().await.text,
        "code,status,violations\r\nI1,pass,0\r\nI2,pass,0\r\nI3,pass,0\r\nI4,pass,0\r\nI5,pass,0\r\n\
         I6,pass,0\r\nI7,pass,0\r\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_posting_that_moves_less_than_nothing_is_named() {
    let company = Company::new().await;
    let app = trade(&company).await;
    let broken = app
        .get("/v1/warehouse/movements?office=ber&kind=adjust")
        .await;
    let broken = &broken.body["data"][0];
    company
        .db
        .lift_check("accounting.postings", "postings_amount_check")
        .await;
    company
        .db
        .query(
            "UPDATE accounting.postings SET amount_minor = -amount_minor \
             WHERE office = 'ber' AND debit = '5900'",
        )
        .await;
    let all = invariants(&app).await;
    assert_eq!(
        (&all[0]["status"], &all[0]["violations"]),
        (&json!("fail"), &json!(1)),
        "{all:?}"
    );
    let offender = &all[0]["offenders"][0];
    assert!(
        offender["posting"]
            .as_str()
            .unwrap()
            .starts_with("pst_eu1_"),
        "{offender}"
    );
    assert_eq!(offender["entry"], broken["journal_entry"]);
    // An amount with the wrong sign is worth twice itself: 33 went out of 1300, now 33 more are in it.
    assert_eq!(
        all[1]["offenders"],
        json!([{"office": "ber", "account": "1300", "currency": "EUR", "what": "balance",
            "expected": 67, "found": 133}])
    );
    assert_eq!(all[2]["status"], "pass");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_the_books_do_not_have_is_named() {
    let company = Company::new().await;
    let app = trade(&company).await;
    company
        .db
        .query(
            "UPDATE warehouse.stock_levels SET value_minor = value_minor + 1 WHERE office = 'nyc'",
        )
        .await;
    assert_eq!(failing(&app).await, ["I2"]);
    let all = invariants(&app).await;
    assert_eq!(
        (&all[1]["violations"], &all[1]["offenders"]),
        (
            &json!(1),
            &json!([{"office": "nyc", "account": "1300", "currency": "USD", "what": "balance",
                "expected": 1001, "found": 1000}])
        )
    );
    // Only those who may see the office are told.
    let berlin = app.get("/v1/reports/integrity?office=ber").await;
    assert_eq!(berlin.body["invariants"][1]["status"], "pass");
    // What is said to be on its way, with nothing on its way.
    company
        .db
        .query(
            "UPDATE warehouse.stock_levels SET value_minor = value_minor - 1 WHERE office = 'nyc'",
        )
        .await;
    assert_eq!(failing(&app).await, [""; 0]);
    company
        .db
        .query("UPDATE accounting.postings SET credit = '1350' WHERE office = 'nyc' AND credit = '2050'")
        .await;
    let all = invariants(&app).await;
    assert_eq!(
        all[1]["offenders"],
        json!([{"office": "nyc", "account": "1350", "currency": "USD", "what": "balance",
            "expected": 0, "found": -1000}])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_that_its_movements_or_reservations_do_not_explain_is_named() {
    let company = Company::new().await;
    let app = trade(&company).await;
    let level = app.get("/v1/warehouse/levels?office=nyc").await.body["data"][0].clone();
    for (change, back, what, expected, found) in [
        (
            "on_hand = on_hand + 1",
            "on_hand = on_hand - 1",
            "on_hand",
            5,
            6,
        ),
        (
            "reserved = reserved - 1",
            "reserved = reserved + 1",
            "reserved",
            2,
            1,
        ),
    ] {
        let update =
            |set: &str| format!("UPDATE warehouse.stock_levels SET {set} WHERE office = 'nyc'");
        company.db.query(&update(change)).await;
        let all = invariants(&app).await;
        assert_eq!(
            (&all[2]["status"], &all[2]["violations"]),
            (&json!("fail"), &json!(1)),
            "{all:?}"
        );
        assert_eq!(
            all[2]["offenders"],
            json!([{"office": "nyc", "level": level["id"], "what": what, "expected": expected, "found": found}])
        );
        company.db.query(&update(back)).await;
        assert_eq!(failing(&app).await, [""; 0]);
    }
    // A movement that nobody made.
    company
        .db
        .query("DELETE FROM warehouse.stock_movements WHERE office = 'ber' AND kind = 'adjust'")
        .await;
    assert_eq!(failing(&app).await, ["I3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_offenders_are_named_and_all_are_counted() {
    let company = Company::new().await;
    let app = company.app();
    for n in 0..12 {
        let item = item(&app, &format!("LAMP-{n}")).await;
        receive(&app, "ber-main", &item, (1, 10)).await;
    }
    company
        .db
        .query("UPDATE warehouse.stock_levels SET on_hand = 2 WHERE office = 'ber'")
        .await;
    let all = invariants(&app).await;
    assert_eq!(all[2]["violations"], 12);
    assert_eq!(all[2]["offenders"].as_array().unwrap().len(), 10);
}

/// Bought, paid in part, shipped but for one unit that is cancelled, in part brought back: of goods that cost nothing, so
/// that there is no stock to keep.
fn deal() -> Deal {
    Deal {
        office: 0,
        item: 0,
        quantity: 4,
        price: 1_000,
        tax_bp: 1900,
        cost: 0,
        placed: true,
        paid: [1_000, 500],
        shipped: 3,
        returned: 1,
        restocked: true,
        refunded: 200,
        day: 0,
    }
}

/// A deal that went on to the end, and an order that waits to be shipped, whose stock is put aside. Foreign keys are not
/// looked at, so that there are no levels.
async fn deals(company: &Company) -> (TestApp, [String; 2]) {
    let waiting = Deal {
        shipped: 0,
        returned: 0,
        ..deal()
    };
    let deals = [deal(), waiting];
    company.db.lift_foreign_keys().await;
    company.db.query(&Rows::of(&deals).0.sql).await;
    let ids = [0, 1].map(|n| order_id(n, &deals[n]).to_string());
    (company.app(), ids)
}

/// What one corruption breaks, when it is made and undone again: (invariant, `[what, expected, found]` of its offenders).
async fn broken_by(
    company: &Company,
    app: &TestApp,
    (change, back): (&str, &str),
) -> Vec<(String, Vec<Value>)> {
    company.db.query(change).await;
    let all = invariants(app).await;
    let broken = all.iter().filter(|invariant| invariant["status"] == "fail");
    let broken = broken.map(|invariant| {
        let offenders = invariant["offenders"].as_array().unwrap();
        assert_eq!(invariant["violations"], offenders.len(), "{invariant}");
        let told = offenders.iter();
        let told =
            told.map(|offender| json!([offender["what"], offender["expected"], offender["found"]]));
        (
            invariant["code"].as_str().unwrap().to_owned(),
            told.collect(),
        )
    });
    let broken = broken.collect();
    company.db.query(back).await;
    assert_eq!(failing(app).await, [""; 0], "{back}");
    broken
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_not_the_sum_of_its_parts_is_named() {
    let company = Company::new().await;
    let (app, _) = deals(&company).await;
    assert_eq!(failing(&app).await, [""; 0]);
    for check in ["order_lines_shipped_check", "order_lines_returned_check"] {
        company.db.lift_check("sales.order_lines", check).await;
    }
    let only = async |change: &str, back: &str| {
        let mut broken = broken_by(&company, &app, (change, back)).await;
        assert_eq!(broken.len(), 1, "{change}: {broken:?}");
        let (code, offenders) = broken.remove(0);
        assert_eq!(code, "I4", "{change}");
        offenders
    };
    let fulfilled = "UPDATE sales.order_lines SET";
    let of = "WHERE shipped > 0";
    let found = only(
        &format!("{fulfilled} cancelled = cancelled + 1 {of}"),
        &format!("{fulfilled} cancelled = cancelled - 1 {of}"),
    )
    .await;
    assert_eq!(found, [json!(["shipped + cancelled", 4, 5])]);
    let found = only(
        &format!("{fulfilled} returned = returned + 3 {of}"),
        &format!("{fulfilled} returned = returned - 3 {of}"),
    )
    .await;
    let both = [
        json!(["returned", 1, 4]),
        json!(["returned of shipped", 3, 4]),
    ];
    assert_eq!(found, both);
    let found = only(
        &format!("{fulfilled} cost_minor = 7 {of}"),
        &format!("{fulfilled} cost_minor = 0 {of}"),
    )
    .await;
    assert_eq!(found, [json!(["cost_minor", 0, 7])]);
    let found = only(
        "UPDATE sales.orders SET tax_minor = tax_minor + 1 WHERE status = 'fulfilled'",
        "UPDATE sales.orders SET tax_minor = tax_minor - 1 WHERE status = 'fulfilled'",
    )
    .await;
    assert_eq!(found, [json!(["tax_minor", 760, 761])]);
    let found = only(
        "UPDATE sales.return_lines SET net_minor = net_minor - 1",
        "UPDATE sales.return_lines SET net_minor = net_minor + 1",
    )
    .await;
    assert_eq!(found, [json!(["returns.amount_minor", 1_189, 1_190])]);
    let found = only(
        "UPDATE sales.shipments SET cost_minor = 5",
        "UPDATE sales.shipments SET cost_minor = 0",
    )
    .await;
    assert_eq!(found, [json!(["shipments.cost_minor", 0, 5])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_orders_say_of_money_is_checked_against_their_documents_and_the_books() {
    let company = Company::new().await;
    let (app, [order, _]) = deals(&company).await;
    company
        .db
        .lift_check("sales.orders", "orders_books_check")
        .await;
    let (change, back) = (
        "UPDATE sales.orders SET invoiced_minor = invoiced_minor + 1 WHERE status = 'fulfilled'",
        "UPDATE sales.orders SET invoiced_minor = invoiced_minor - 1 WHERE status = 'fulfilled'",
    );
    company.db.query(change).await;
    let all = invariants(&app).await;
    assert_eq!(
        all[3]["offenders"],
        json!([{"office": "ber", "order": order, "what": "invoiced_minor", "expected": 3_570, "found": 3_571}])
    );
    assert_eq!(
        all[4]["offenders"],
        json!([{"office": "ber", "order": order, "what": "invoiced - credited - paid + refunded",
            "expected": 1_081, "found": 1_080}])
    );
    company.db.query(back).await;
    assert_eq!(failing(&app).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_confirmed_order_has_still_to_ship_is_put_aside_for_it() {
    let company = Company::new().await;
    let (app, [_, waiting]) = deals(&company).await;
    company
        .db
        .query("UPDATE warehouse.reservations SET quantity = 3")
        .await;
    let all = invariants(&app).await;
    let line = all[3]["offenders"][0]["line"].clone();
    assert!(line.as_str().unwrap().starts_with("oln_eu1_"), "{line}");
    assert_eq!(
        all[3]["offenders"],
        json!([{"office": "ber", "order": waiting, "line": line, "what": "reserved", "expected": 4, "found": 3}])
    );
    company
        .db
        .query("UPDATE warehouse.reservations SET quantity = 4")
        .await;
    let broken = broken_by(
        &company,
        &app,
        (
            "UPDATE sales.orders SET status = 'cancelled' WHERE status = 'confirmed'",
            "UPDATE sales.orders SET status = 'confirmed' WHERE status = 'cancelled'",
        ),
    )
    .await;
    let reserved = vec![json!(["reserved", 0, 4])];
    assert_eq!(broken, [("I4".to_owned(), reserved)]);
    // Nobody hears of an office that the token does not reach.
    let tokyo = app.get("/v1/reports/integrity?office=tyo").await;
    assert_eq!(tokyo.body["invariants"][3]["status"], "pass");
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_27_books_that_say_something_else_of_an_order_are_named() {
    let company = Company::new().await;
    let (app, [order, waiting]) = deals(&company).await;
    let invoice = "WHERE debit = '1100' AND credit = '4000'";
    company
        .db
        .query(&format!(
            "UPDATE accounting.postings SET amount_minor = amount_minor + 1 {invoice}"
        ))
        .await;
    assert_eq!(failing(&app).await, ["I5"]);
    let all = invariants(&app).await;
    assert_eq!(
        all[4]["offenders"],
        json!([
            {"office": "ber", "order": order, "what": "invoiced - credited - paid + refunded", "expected": 1_080,
                "found": 1_081},
            {"office": "ber", "account": "1100", "order": order, "what": "receivable_minor", "expected": 1_080,
                "found": 1_081},
        ])
    );
    company
        .db
        .query(&format!(
            "UPDATE accounting.postings SET amount_minor = amount_minor - 1 {invoice}"
        ))
        .await;
    // A deposit on the wrong account leaves the difference of the two as it is.
    let (wrong, right) = (
        "UPDATE accounting.postings SET credit = '1100' WHERE credit = '2200' AND amount_minor = 500",
        "UPDATE accounting.postings SET credit = '2200' WHERE credit = '1100' AND debit = '1000' \
         AND amount_minor = 500 AND entry IN (SELECT journal_entry FROM sales.payments WHERE deposit_minor > 0)",
    );
    let broken = broken_by(&company, &app, (wrong, right)).await;
    let both = vec![
        json!(["receivable_minor", 0, -500]),
        json!(["deposit_minor", 1_300, 800]),
    ];
    assert_eq!(broken, [("I5".to_owned(), both)]);
    // Entries about an order that nobody knows.
    company
        .db
        .query(&format!(
            "UPDATE accounting.journal_entries SET subject_id = 'ord_eu1_00000000000000000000000000' \
             WHERE subject_id = '{waiting}'"
        ))
        .await;
    let all = invariants(&app).await;
    let orders = all[4]["offenders"].as_array().unwrap().iter();
    let orders: Vec<_> = orders.map(|offender| offender["order"].clone()).collect();
    let unknown = json!("ord_eu1_00000000000000000000000000");
    assert_eq!(orders.iter().filter(|order| **order == unknown).count(), 2);
    assert_eq!(orders.iter().filter(|order| **order == waiting).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_with_other_effects_than_one_is_named() {
    let company = Company::new().await;
    if !company
        .db
        .is_postgres_with("a table without its primary key")
    {
        return;
    }
    let app = trade(&company).await;
    company
        .db
        .query("ALTER TABLE platform.audit_log DROP CONSTRAINT audit_log_pkey")
        .await;
    let reserve = "action = 'reserve_stock'";
    let request = "SELECT request_id FROM platform.audit_log WHERE action = 'reserve_stock'";
    let request = company.db.query(request).await;
    let request = request[0][0].clone().unwrap();
    let told = |what: &str, expected: i64, found: i64| json!({"request_id": request, "what": what, "expected": expected, "found": found});
    let offenders = async |change: &str| {
        company.db.query(change).await;
        let all = invariants(&app).await;
        assert_eq!(failing(&app).await, ["I6"], "{change}");
        all[5]["offenders"].as_array().unwrap().clone()
    };
    // Done twice.
    let twice =
        format!("INSERT INTO platform.audit_log SELECT * FROM platform.audit_log WHERE {reserve}");
    assert_eq!(
        offenders(&twice).await,
        [told("effects", 1, 2), told("events", 2, 1)]
    );
    // Not done at all; what it told of remains.
    let lost = format!("DELETE FROM platform.audit_log WHERE {reserve}");
    assert_eq!(
        offenders(&lost).await,
        [told("effects", 1, 0), told("events", 0, 1)]
    );
    // An audit row outlives its key row, and the feed forgets after thirty days; before that it has every event.
    let company = Company::new().await;
    let app = trade(&company).await;
    company
        .db
        .query("DELETE FROM platform.idempotency_keys")
        .await;
    assert_eq!(failing(&app).await, [""; 0]);
    company
        .db
        .query(
            "DELETE FROM platform.events WHERE kind = 'warehouse.stock.changed' AND office = 'nyc'",
        )
        .await;
    assert_eq!(failing(&app).await, ["I6"]);
    let berlin = app.get("/v1/reports/integrity?office=ber").await;
    assert_eq!(berlin.body["invariants"][5]["status"], "pass");
    company
        .db
        .query("UPDATE platform.audit_log SET at = at - INTERVAL '30 days'; UPDATE platform.events SET time = time - INTERVAL '30 days'")
        .await;
    assert_eq!(failing(&app).await, [""; 0]);
}
