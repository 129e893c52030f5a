//! `/v1/reports/integrity`: passes while only the API writes, and names what was changed behind its back.

use serde_json::{Value, json};
use testkit::TestApp;

use crate::{
    Company,
    reports::{item, lose, receive},
};

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
    assert_eq!(
        invariants(&app).await,
        ["I1", "I2", "I3"].map(pass),
        "of nothing"
    );
    trade(&company).await;
    assert_eq!(invariants(&app).await, ["I1", "I2", "I3"].map(pass));
    let table = app
        .request(axum::http::Method::GET, "/v1/reports/integrity")
        .header("accept", "text/csv");
    assert_eq!(
        table.send().await.text,
        "code,status,violations\r\nI1,pass,0\r\nI2,pass,0\r\nI3,pass,0\r\n"
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
        .query("ALTER TABLE accounting.postings DROP CONSTRAINT postings_amount_check")
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
