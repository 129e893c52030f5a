//! `/v1/reports`: what they say, to the cent, of which moment, to whom and in which form.

use std::time::Duration;

use axum::http::Method;
use kernel::{Clock, Role, Timestamp};
use serde_json::{Value, json};
use testkit::{
    TestApp,
    app::{Answer, new_key, token},
};

use crate::{Company, systems};

const TRIAL_BALANCE: &str = "/v1/reports/trial-balance";
const VALUATION: &str = "/v1/reports/stock-valuation";
const INTEGRITY: &str = "/v1/reports/integrity";

/// What a write made.
fn created(answer: Answer) -> Value {
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.body
}

/// A new item; its id.
pub(crate) async fn item(app: &TestApp, sku: &str) -> String {
    let body = json!({"sku": sku, "name": "Lamp", "description": "d", "country_of_origin": "DE", "unit": "each"});
    let made = created(app.post("/v1/warehouse/items", body).await);
    made["id"].as_str().unwrap().to_owned()
}

/// Goods that came, at what they cost together.
pub(crate) async fn receive(
    app: &TestApp,
    location: &str,
    item: &str,
    (quantity, cost): (i64, i64),
) -> Value {
    let body = json!({"location": location, "reference": "PO-1",
        "lines": [{"item": item, "quantity": quantity, "cost_minor": cost}]});
    created(app.post("/v1/warehouse/receipts", body).await)
}

/// Goods that are gone.
pub(crate) async fn lose(app: &TestApp, location: &str, item: &str, quantity: i64) -> Value {
    let body = json!({"location": location, "item": item, "delta": -quantity, "reason": "damage"});
    created(app.post("/v1/warehouse/adjustments", body).await)
}

/// A manual entry of one posting.
async fn post(
    app: &TestApp,
    (office, currency): (&str, &str),
    date: &str,
    posting: (&str, &str, i64),
) {
    let (debit, credit, amount) = posting;
    let body = json!({"office": office, "currency": currency, "description": "by hand", "effective_date": date,
        "postings": [{"debit": debit, "credit": credit, "amount_minor": amount}]});
    created(app.post("/v1/accounting/journal-entries", body).await);
}

/// `[office, currency, account, opening, debit, credit, closing]` of each row.
fn lines(report: &Value) -> Vec<Value> {
    let members = [
        "office",
        "currency",
        "account",
        "opening_minor",
        "debit_minor",
        "credit_minor",
        "closing_minor",
    ];
    let rows = report["data"].as_array().unwrap().iter();
    rows.map(|row| members.iter().map(|member| row[*member].clone()).collect())
        .collect()
}

async fn report(app: &TestApp, path: &str) -> Value {
    let answer = app.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.body
}

async fn csv(app: &TestApp, path: &str) -> String {
    let answer = app.request(Method::GET, path).header("accept", "text/csv");
    let answer = answer.send().await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    assert_eq!(
        answer.header("content-type"),
        "text/csv; charset=utf-8; header=present"
    );
    assert_eq!(answer.header("vary"), "accept");
    answer.text
}

/// Three lamps for a euro of which two break, and one lamp in Tokyo.
async fn trade(app: &TestApp) -> (String, String) {
    let (lamp, sum) = (item(app, "LAMP-7").await, item(app, "=SUM(A1)").await);
    receive(app, "ber-main", &lamp, (3, 100)).await;
    lose(app, "ber-main", &lamp, 2).await;
    receive(app, "tyo-main", &sum, (4, 1600)).await;
    (lamp, sum)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_balance_adds_the_books_up_to_the_cent() {
    let company = Company::new().await;
    let app = company.app();
    assert_eq!(
        report(&app, TRIAL_BALANCE).await,
        json!({"data": [], "totals": [], "unreachable": []}),
    );
    trade(&app).await;
    let found = report(&app, TRIAL_BALANCE).await;
    assert_eq!(
        lines(&found),
        [
            json!(["ber", "EUR", "1300", 0, 100, 67, 33]),
            json!(["ber", "EUR", "2050", 0, 0, 100, -100]),
            json!(["ber", "EUR", "5900", 0, 67, 0, 67]),
            json!(["tyo", "JPY", "1300", 0, 1600, 0, 1600]),
            json!(["tyo", "JPY", "2050", 0, 0, 1600, -1600]),
        ]
    );
    // Per currency, never across.
    assert_eq!(
        found["totals"],
        json!([
            {"currency": "EUR", "debit_minor": 167, "credit_minor": 167},
            {"currency": "JPY", "debit_minor": 1600, "credit_minor": 1600},
        ])
    );
    assert_eq!(found["unreachable"], json!([]));
    assert_eq!(found.get("final"), None);
    let expected = "office,currency,account,opening_minor,debit_minor,credit_minor,closing_minor\r\n\
        ber,EUR,1300,0,100,67,33\r\nber,EUR,2050,0,0,100,-100\r\nber,EUR,5900,0,67,0,67\r\n\
        tyo,JPY,1300,0,1600,0,1600\r\ntyo,JPY,2050,0,0,1600,-1600\r\n";
    assert_eq!(csv(&app, TRIAL_BALANCE).await, expected);
    let berlin = report(
        &company.in_region("ap1"),
        &format!("{TRIAL_BALANCE}?office=ber"),
    )
    .await;
    assert_eq!(lines(&berlin), lines(&found)[..3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_24_what_is_before_from_opens_and_a_closed_month_changes_nothing() {
    let company = Company::new().await;
    let app = company.app();
    let berlin = ("ber", "EUR");
    post(&app, berlin, "2025-01-31", ("1000", "3100", 500)).await;
    post(&app, berlin, "2025-02-01", ("1100", "1000", 70)).await;
    post(&app, berlin, "2025-02-28", ("1000", "1100", 20)).await;
    post(&app, berlin, "2025-03-01", ("1000", "1100", 3)).await;
    let february = format!("{TRIAL_BALANCE}?from=2025-02-01&to=2025-02-28");
    let expected = [
        json!(["ber", "EUR", "1000", 500, 20, 70, 450]),
        json!(["ber", "EUR", "1100", 0, 70, 20, 50]),
        json!(["ber", "EUR", "3100", -500, 0, 0, -500]),
    ];
    let found = report(&app, &february).await;
    assert_eq!(lines(&found), expected);
    assert_eq!(
        found["totals"],
        json!([{"currency": "EUR", "debit_minor": 90, "credit_minor": 90}])
    );
    // March is closed before February: its turnover alone is kept.
    for (month, act) in [
        ("2025-03", "close"),
        ("2025-02", "close"),
        ("2025-02", "reopen"),
        ("2025-01", "close"),
    ] {
        let path = format!("/v1/accounting/periods/ber/{month}/{act}");
        let body = if act == "reopen" {
            json!({"reason": "late"})
        } else {
            json!({})
        };
        let done = app.post(&path, body).await;
        assert_eq!(done.status, 200, "{}", done.text);
        assert_eq!(
            lines(&report(&app, &february).await),
            expected,
            "{month} {act}"
        );
    }
    let all = report(&app, TRIAL_BALANCE).await;
    assert_eq!(
        lines(&all),
        [
            json!(["ber", "EUR", "1000", 0, 523, 70, 453]),
            json!(["ber", "EUR", "1100", 0, 70, 23, 47]),
            json!(["ber", "EUR", "3100", 0, 0, 500, -500]),
        ]
    );
    let one_day = report(
        &app,
        &format!("{TRIAL_BALANCE}?from=2025-02-02&to=2025-02-27"),
    )
    .await;
    assert_eq!(
        lines(&one_day),
        [
            json!(["ber", "EUR", "1000", 430, 0, 0, 430]),
            json!(["ber", "EUR", "1100", 70, 0, 0, 70]),
            json!(["ber", "EUR", "3100", -500, 0, 0, -500]),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_valuation_says_what_each_place_has_beside_the_books() {
    let company = Company::new().await;
    let app = company.app();
    let (lamp, sum) = trade(&app).await;
    // What is there no more is worth nothing and not shown.
    let gone = item(&app, "GONE-1").await;
    receive(&app, "ber-main", &gone, (2, 55)).await;
    lose(&app, "ber-main", &gone, 2).await;
    let found = report(&app, VALUATION).await;
    assert_eq!(
        found["data"],
        json!([
            {"office": "ber", "location": "ber-main", "item": lamp, "sku": "LAMP-7", "currency": "EUR",
                "on_hand": 1, "unit_cost_minor": 33, "value_minor": 33},
            {"office": "tyo", "location": "tyo-main", "item": sum, "sku": "=SUM(A1)", "currency": "JPY",
                "on_hand": 4, "unit_cost_minor": 400, "value_minor": 1600},
        ])
    );
    assert_eq!(
        found["offices"],
        json!([
            {"office": "ber", "currency": "EUR", "value_minor": 33, "account_1300_minor": 33},
            {"office": "tyo", "currency": "JPY", "value_minor": 1600, "account_1300_minor": 1600},
        ])
    );
    let table = csv(&app, VALUATION).await;
    let expected = format!(
        "office,location,item,sku,currency,on_hand,unit_cost_minor,value_minor\r\n\
         ber,ber-main,{lamp},LAMP-7,EUR,1,33,33\r\ntyo,tyo-main,{sum},'=SUM(A1),JPY,4,400,1600\r\n"
    );
    assert_eq!(table, expected);
}

/// A company whose clock stands still, and the application at that time.
async fn at(company: &Company, time: Timestamp) -> TestApp {
    let clock = Clock::fixed(time);
    let db = company.db.db_with_clock("eu1", clock.clone());
    TestApp::with_clock("eu1", systems(&db, &company.topology), clock)
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_17_a_moment_is_final_once_nothing_can_be_added_to_it() {
    let company = Company::new().await;
    let now = Clock::System.now();
    let minutes = |n: u64| now.minus(Duration::from_secs(60 * n));
    let lamp = item(&company.app(), "LAMP-7").await;
    receive(
        &at(&company, minutes(60)).await,
        "ber-main",
        &lamp,
        (3, 100),
    )
    .await;
    lose(&at(&company, minutes(30)).await, "ber-main", &lamp, 2).await;
    let app = company.app();
    let then = minutes(45);
    let expected = [
        json!(["ber", "EUR", "1300", 0, 100, 0, 100]),
        json!(["ber", "EUR", "2050", 0, 0, 100, -100]),
    ];
    let path = format!("{TRIAL_BALANCE}?as_of={then}");
    let first = report(&app, &path).await;
    assert_eq!(lines(&first), expected);
    assert_eq!(first["final"], true);
    let valuation = format!("{VALUATION}?as_of={then}");
    let worth = report(&app, &valuation).await;
    assert_eq!(
        (
            &worth["data"][0]["on_hand"],
            &worth["data"][0]["value_minor"]
        ),
        (&json!(3), &json!(100))
    );
    assert_eq!(
        worth["offices"],
        json!([{"office": "ber", "currency": "EUR", "value_minor": 100, "account_1300_minor": 100}])
    );
    assert_eq!(worth["final"], true);

    // Whatever happens later, also to the months: the answer stays.
    lose(&app, "ber-main", &lamp, 1).await;
    let month = now.date_in("Europe/Berlin").unwrap().month();
    let close = format!("/v1/accounting/periods/ber/{month}/close");
    assert_eq!(app.post(&close, json!({})).await.status, 200);
    assert_eq!(report(&app, &path).await, first);
    assert_eq!(report(&app, &valuation).await, worth);

    // A young moment may still get what a transaction under way has stamped.
    let young = report(&app, &format!("{TRIAL_BALANCE}?as_of={now}")).await;
    assert_eq!(young["final"], false);
    let late = at(&company, now.plus(Duration::from_secs(20))).await;
    let old = report(&late, &format!("{TRIAL_BALANCE}?as_of={now}")).await;
    assert_eq!(old["final"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_18_as_of_goes_back_to_the_first_row_and_not_beyond_now() {
    let company = Company::new().await;
    let app = company.app();
    let now = Clock::System.now();
    for path in [TRIAL_BALANCE, VALUATION] {
        let early = app
            .get(&format!("{path}?as_of=2020-01-01T00:00:00.000Z"))
            .await;
        assert_eq!(early.problem(), (422, "as_of_too_old"), "{path}");
        let future = now.plus(Duration::from_secs(60));
        let future = app.get(&format!("{path}?as_of={future}")).await;
        assert_eq!(future.problem(), (422, "validation_failed"), "{path}");
        assert_eq!(
            report(&app, &format!("{path}?as_of={now}")).await["data"],
            json!([])
        );
    }
    // What is reserved is not kept for ever: integrity is of now.
    let refused = app.get(&format!("{INTEGRITY}?as_of={now}")).await;
    assert_eq!(refused.problem(), (400, "unknown_parameter"));
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_show_the_offices_that_the_token_reaches() {
    let company = Company::new().await;
    let app = company.app();
    trade(&app).await;
    let tokyo = token(Role::Viewer, &["tyo"]);
    for path in [TRIAL_BALANCE, VALUATION] {
        let narrowed = app.request_as(&tokyo, Method::GET, path).send().await;
        let offices = narrowed.body["data"].as_array().unwrap();
        assert!(
            !offices.is_empty() && offices.iter().all(|row| row["office"] == "tyo"),
            "{}",
            narrowed.text
        );
    }
    for path in [TRIAL_BALANCE, VALUATION, INTEGRITY] {
        let ask = async |query: &str| {
            let request = app.request_as(&tokyo, Method::GET, &format!("{path}{query}"));
            request.send().await
        };
        assert_eq!(ask("").await.status, 200);
        assert_eq!(ask("?office=tyo").await.status, 200);
        assert_eq!(
            ask("?office=tyo,ber").await.problem(),
            (403, "office_forbidden")
        );
        let unknown = ask("?office=tyo,xyz").await;
        assert_eq!(unknown.problem(), (400, "invalid_parameter"));
        assert_eq!(unknown.body["errors"][0]["parameter"], "office");
        assert_eq!(ask("?limit=1").await.problem(), (400, "unknown_parameter"));
        assert_eq!(ask("?allow_partial=false").await.status, 200);
        assert_eq!(
            ask("?allow_partial=perhaps").await.problem(),
            (400, "invalid_parameter")
        );
        let html = app.request(Method::GET, path).header("accept", "text/html");
        assert_eq!(html.send().await.problem(), (406, "not_acceptable"));
        let nobody = app.request_as("", Method::GET, path).send().await;
        assert_eq!(nobody.problem(), (401, "unauthenticated"));
    }
    for query in [
        "?from=2025-02-02&to=2025-02-01",
        "?from=2025-02-30",
        "?to=yesterday",
        "?as_of=now",
    ] {
        let refused = app.get(&format!("{TRIAL_BALANCE}{query}")).await;
        assert_eq!(refused.problem(), (400, "invalid_parameter"), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_26_a_number_that_json_does_not_keep_is_refused() {
    let company = Company::new().await;
    let app = company.app();
    let most = kernel::money::AMOUNT_MAX;
    for posting in [
        ("1000", "3100", most),
        ("3100", "1000", most),
        ("1000", "3100", 1),
    ] {
        post(&app, ("ber", "EUR"), "2025-02-01", posting).await;
    }
    let refused = app.get(TRIAL_BALANCE).await;
    assert_eq!(refused.problem(), (422, "amount_out_of_range"));
    // Another office or another span has no such number.
    let path = format!("{TRIAL_BALANCE}?from=2025-02-02");
    assert_eq!(
        lines(&report(&app, &path).await)[0],
        json!(["ber", "EUR", "1000", 1, 0, 0, 1])
    );
    assert_eq!(
        report(&app, &format!("{TRIAL_BALANCE}?office=nyc")).await["data"],
        json!([])
    );
    assert_eq!(
        report(&app, INTEGRITY).await["invariants"][0]["status"],
        "pass"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_over_several_offices_may_be_ten_seconds_old_unless_told_otherwise() {
    let company = Company::new().await;
    if !company.db.speaks_postgres_with("one copy of everything") {
        return;
    }
    let app = company.app();
    trade(&app).await;
    for path in [TRIAL_BALANCE, VALUATION, INTEGRITY] {
        let answer = app.get(path).await;
        // PostgreSQL has no followers: it gives more than it was asked for, and says so.
        assert!(answer.header("freshness").starts_with("strong;"), "{path}");
        let bounded = app
            .request(Method::GET, path)
            .header("read-consistency", "bounded;max_ms=10000");
        assert_eq!(bounded.send().await.body, answer.body, "{path}");
        assert!(!answer.header("consistency-token").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_office_with_stock_stays_open() {
    let company = Company::new().await;
    let app = company.app();
    let lamp = item(&app, "LAMP-7").await;
    receive(&app, "ber-main", &lamp, (2, 0)).await;
    let close = json!({"status": "closed"});
    let refused = app.patch("/v1/offices/ber", 1, close.clone()).await;
    assert_eq!(refused.problem(), (409, "office_not_empty"));
    assert_eq!(refused.body["effect"], "none");
    assert_eq!(app.get("/v1/offices/ber").await.body["status"], "active");
    // Its name may change all the same, and an office without stock closes.
    assert_eq!(
        app.patch("/v1/offices/ber", 1, json!({"name": "B"}))
            .await
            .status,
        200
    );
    let tokyo = app.patch("/v1/offices/tyo", 1, close.clone()).await;
    assert_eq!(
        (tokyo.status.as_u16(), &tokyo.body["status"]),
        (200, &json!("closed"))
    );
    lose(&app, "ber-main", &lamp, 2).await;
    let closed = app.patch("/v1/offices/ber", 2, close).await;
    assert_eq!(
        (closed.status.as_u16(), &closed.body["status"]),
        (200, &json!("closed"))
    );
    // A closed office takes no stock, and stays in the reports.
    let body = json!({"location": "ber-main", "reference": "PO-2", "lines": [{"item": lamp, "quantity": 1, "cost_minor": 1}]});
    let refused = app.post("/v1/warehouse/receipts", body).await;
    assert_eq!(refused.problem(), (422, "validation_failed"));
    assert_eq!(
        report(&app, &format!("{INTEGRITY}?office=ber")).await["invariants"][1]["status"],
        "pass"
    );
}

/// Whoever wins, a closed office has no stock.
#[tokio::test(flavor = "multi_thread")]
async fn hard_case_20_closing_and_receiving_at_once_leave_no_stock_in_a_closed_office() {
    let company = Company::new().await;
    let app = company.app();
    let lamp = item(&app, "LAMP-7").await;
    for office in ["ber", "waw", "nbo", "nyc", "mex", "tyo", "sin", "syd"] {
        let receipt = json!({"location": format!("{office}-main"), "reference": "PO-1",
            "lines": [{"item": lamp, "quantity": 1, "cost_minor": 5}]});
        let path = format!("/v1/offices/{office}");
        let closing = app.patch(&path, 1, json!({"status": "closed"}));
        let receiving = app
            .request(Method::POST, "/v1/warehouse/receipts")
            .key(&new_key())
            .json(&receipt)
            .send();
        let (closed, received) = tokio::join!(closing, receiving);
        match (closed.status.as_u16(), received.status.as_u16()) {
            (200, 422) => assert_eq!(received.body["errors"][0]["code"], "office_closed"),
            (409, 201) => assert_eq!(closed.problem(), (409, "office_not_empty")),
            other => panic!("{office}: {other:?}: {} {}", closed.text, received.text),
        }
    }
}
