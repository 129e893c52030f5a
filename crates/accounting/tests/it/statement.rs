//! What moved on one account.

use axum::http::Method;
use kernel::{Role, money::AMOUNT_MAX};
use serde_json::{Value, json};
use testkit::app::token;

use crate::{World, entry, id, posted};

fn path(query: &str) -> String {
    format!("/v1/accounting/accounts/1000/statement?{query}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_stands_between_its_balances() {
    let world = World::new().await;
    let app = world.app();
    let mut made = Vec::new();
    for (debit, credit, amount, date) in [
        ("1000", "3100", 100, "2026-01-31"),
        ("5900", "1000", 30, "2026-02-02"),
        ("1000", "4000", 7, "2026-02-01"),
        ("1100", "4000", 50, "2026-02-01"),
        ("1000", "4000", 9, "2026-02-02"),
        ("1000", "4000", 1000, "2026-03-01"),
    ] {
        made.push(posted(&app, entry(debit, credit, amount, date)).await);
    }
    let answer = app
        .get(&path("office=ber&from=2026-02-01&to=2026-02-28"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let line = |index: usize, debit: &str, credit: &str, amount: i64, date: &str| {
        json!({"entry": id(&made[index]), "effective_date": date, "debit": debit, "credit": credit,
            "amount_minor": amount, "memo": null})
    };
    let expected = json!({
        "account": "1000", "office": "ber", "currency": "EUR", "from": "2026-02-01", "to": "2026-02-28",
        "opening_minor": 100,
        "postings": [
            line(2, "1000", "4000", 7, "2026-02-01"),
            line(1, "5900", "1000", 30, "2026-02-02"),
            line(4, "1000", "4000", 9, "2026-02-02"),
        ],
        "closing_minor": 86,
    });
    assert_eq!(answer.body, expected);
    let whole = app.get(&path("office=ber")).await;
    assert_eq!(
        (&whole.body["opening_minor"], &whole.body["closing_minor"]),
        (&json!(0), &json!(1086))
    );
    let then = made[0].body["recorded_at"].as_str().unwrap();
    let past = app.get(&path(&format!("office=ber&as_of={then}"))).await;
    assert_eq!(
        (&past.body["closing_minor"], &past.body["final"]),
        (&json!(100), &json!(false))
    );
    assert_eq!(past.body["as_of"], then);
    let elsewhere = app.get(&path("office=tok")).await;
    assert_eq!(
        (
            &elsewhere.body["currency"],
            &elsewhere.body["closing_minor"]
        ),
        (&json!("JPY"), &json!(0))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_names_one_office_one_account_and_a_span() {
    let world = World::new().await;
    let app = world.app();
    for (query, parameter) in [
        ("", "office"),
        ("office=xyz", "office"),
        ("office=ber,nyc", "office"),
        ("office=ber&from=2026-02-02&to=2026-02-01", "to"),
        ("office=ber&from=2026-02-30", "from"),
    ] {
        let refused = app.get(&path(query)).await;
        assert_eq!(refused.problem(), (400, "invalid_parameter"), "{query}");
        assert_eq!(refused.body["errors"][0]["parameter"], parameter, "{query}");
    }
    let missing = "/v1/accounting/accounts/7777/statement?office=ber";
    assert_eq!(app.get(missing).await.problem(), (404, "not_found"));
    let stranger = token(Role::Accountant, &["nyc"]);
    let ask = async |path: &str| app.request_as(&stranger, Method::GET, path).send().await;
    assert_eq!(ask(missing).await.problem(), (404, "not_found"));
    assert_eq!(
        ask(&path("office=ber")).await.problem(),
        (403, "office_forbidden")
    );
    assert_eq!(ask(&path("office=nyc")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_26_a_statement_that_json_cannot_show_is_refused() {
    let world = World::new().await;
    let app = world.app();
    posted(&app, entry("1000", "3100", 5, "2026-01-01")).await;
    posted(&app, entry("1000", "3100", 1, "2026-02-01")).await;
    // As if a million entries had come before.
    world
        .db
        .query(&format!(
            "UPDATE accounting.postings SET amount_minor = {AMOUNT_MAX} WHERE period = '2026-01'"
        ))
        .await;
    let refused = app.get(&path("office=ber")).await;
    assert_eq!(refused.problem(), (422, "amount_out_of_range"));
    let small = app.get(&path("office=ber&to=2026-01-31")).await;
    assert_eq!(small.body["closing_minor"], AMOUNT_MAX);
    assert_eq!(refused.body.get("effect"), None::<&Value>);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_of_too_many_postings_asks_for_a_shorter_span() {
    let world = World::new().await;
    let app = world.app();
    posted(&app, entry("1000", "3100", 1, "2026-01-01")).await;
    world
        .db
        .query(
            "INSERT INTO accounting.postings (region, id, entry, line, office, currency, period, effective_date, \
                 recorded_at, debit, credit, amount_minor) \
             SELECT p.region, gen_random_uuid(), p.entry, n, p.office, p.currency, p.period, p.effective_date, \
                 p.recorded_at, p.debit, p.credit, 1 \
             FROM accounting.postings AS p CROSS JOIN generate_series(2, 100000) AS n",
        )
        .await;
    let full = app.get(&path("office=ber")).await;
    assert_eq!(full.body["closing_minor"], 100_000);
    posted(&app, entry("1000", "3100", 1, "2026-01-01")).await;
    let refused = app.get(&path("office=ber")).await;
    assert_eq!(refused.problem(), (422, "validation_failed"));
    assert_eq!(refused.body["errors"][0]["parameter"], "from");
}
