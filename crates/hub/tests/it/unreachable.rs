//! Lists and reports while a region hangs: what the others have, and the name of what is missing.

use axum::http::Method;
use futures_util::future::join_all;
use kernel::Role;
use serde_json::{Value, json};
use testkit::{Answer, TestApp, app::token};

use crate::{
    Company,
    reports::{item, receive},
};

const GAP: &str = "regions/ap1";

/// Every list over offices that has something to show at each of [`trade`]'s, and every report.
const PATHS: [&str; 10] = [
    "/v1/warehouse/levels",
    "/v1/warehouse/movements",
    "/v1/warehouse/movements?as_of=NOW",
    "/v1/warehouse/reservations",
    "/v1/warehouse/availability?sku=LAMP-7",
    "/v1/accounting/journal-entries",
    "/v1/accounting/periods",
    "/v1/sales/customers",
    "/v1/reports/trial-balance",
    "/v1/reports/stock-valuation",
];

/// Goods, a hold and a customer in each region.
async fn trade(app: &TestApp) {
    let lamp = item(app, "LAMP-7").await;
    for office in ["ber", "nyc", "tyo"] {
        let location = format!("{office}-main");
        receive(app, &location, &lamp, (5, 1000)).await;
        let hold = json!({"location": location, "item": lamp, "quantity": 2});
        let held = app.post("/v1/warehouse/reservations", hold).await;
        assert_eq!(held.status, 201, "{}", held.text);
        let customer = json!({"office": office, "name": "Ada"});
        let kept = app.post("/v1/sales/customers", customer).await;
        assert_eq!(kept.status, 201, "{}", kept.text);
    }
}

async fn ask(app: &TestApp, path: &str, more: &str) -> Answer {
    let now = kernel::Clock::System.now().to_string();
    let path = path.replace("NOW", &now);
    let joint = if path.contains('?') { '&' } else { '?' };
    newest(app, &format!("{path}{joint}{more}")).await
}

/// By the newest state on every database, so that what was just made is there.
async fn newest(app: &TestApp, path: &str) -> Answer {
    let request = app.request(Method::GET, path);
    request.header("read-consistency", "strong").send().await
}

/// The offices that rows are of.
fn offices(answer: &Answer) -> Vec<&str> {
    let rows = answer.body["data"].as_array().unwrap().iter();
    let mut offices: Vec<&str> = rows.map(|row| row["office"].as_str().unwrap()).collect();
    offices.sort_unstable();
    offices.dedup();
    offices
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_reports_name_the_region_that_they_could_not_reach() {
    name_the_gap(Company::new().await).await;
}

/// Lists, too, are transactions there, and have connections of their own.
#[tokio::test(flavor = "multi_thread")]
async fn lists_and_reports_name_it_where_the_database_speaks_cockroach() {
    if let Some(company) = Company::speaking_cockroach().await {
        name_the_gap(company).await;
    }
}

async fn name_the_gap(company: Company) {
    if !company
        .db
        .is_postgres_with("a region that policies and advisory locks hang")
    {
        return;
    }
    let app = company.app();
    trade(&app).await;
    let hung = company.db.hang_region("ap1").await;
    // All at once: none stands in line behind another's statement that hangs.
    let asking = PATHS.map(async |path| {
        let part = ask(&app, path, "allow_partial=true").await;
        assert_eq!(part.status, 200, "{path}: {}", part.text);
        assert_eq!(part.body["unreachable"], json!([GAP]), "{path}");
        assert_eq!(offices(&part), ["ber", "nyc"], "{path}");
        assert!(part.headers.contains_key("consistency-token"), "{path}");

        let whole = ask(&app, path, "allow_partial=false").await;
        assert_eq!(whole.problem(), (503, "region_unavailable"), "{path}");
        assert_eq!(whole.body["unreachable"], json!([GAP]), "{path}");
        let odd = ask(&app, path, "allow_partial=perhaps").await;
        assert_eq!(odd.problem(), (400, "invalid_parameter"), "{path}");

        if !path.contains("availability") {
            let alone = ask(&app, path, "office=tyo").await;
            assert_eq!(alone.problem(), (503, "region_unavailable"), "{path}");
            let others = ask(&app, path, "office=ber,nyc").await;
            assert_eq!(others.body["unreachable"], json!([]), "{path}");
        }
    });
    join_all(asking).await;
    hung.heal().await;
    for path in PATHS {
        let whole = ask(&app, path, "allow_partial=false").await;
        assert_eq!(whole.status, 200, "{path}: {}", whole.text);
        assert_eq!(whole.body["unreachable"], json!([]), "{path}");
        assert_eq!(offices(&whole), ["ber", "nyc", "tyo"], "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_seen_never_passes() {
    pass_nothing_unseen(Company::new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_seen_never_passes_where_the_database_speaks_cockroach() {
    if let Some(company) = Company::speaking_cockroach().await {
        pass_nothing_unseen(company).await;
    }
}

async fn pass_nothing_unseen(company: Company) {
    if !company
        .db
        .is_postgres_with("a region that policies and advisory locks hang")
    {
        return;
    }
    let app = company.app();
    trade(&app).await;
    let statuses = |report: &Answer| -> Vec<Value> {
        let all = report.body["invariants"].as_array().unwrap().iter();
        all.map(|invariant| invariant["status"].clone()).collect()
    };
    let hung = company.db.hang_region("ap1").await;
    let report = newest(&app, "/v1/reports/integrity").await;
    assert_eq!(report.status, 200, "{}", report.text);
    assert_eq!(report.body["unreachable"], json!([GAP]));
    let found = statuses(&report);
    assert!(
        found.iter().all(|status| status == "unknown"),
        "{}",
        report.text
    );
    // What is broken where it could look is broken.
    company
        .db
        .query("UPDATE warehouse.stock_levels SET on_hand = on_hand + 1 WHERE office = 'ber'")
        .await;
    let report = newest(&app, "/v1/reports/integrity").await;
    assert!(
        statuses(&report).contains(&json!("fail")),
        "{}",
        report.text
    );
    let whole = newest(&app, "/v1/reports/integrity?allow_partial=false").await;
    assert_eq!(whole.problem(), (503, "region_unavailable"));

    let others = [
        company.db.hang_region("eu1").await,
        company.db.hang_region("us1").await,
    ];
    let none = newest(&app, "/v1/reports/integrity").await;
    assert_eq!(none.problem(), (503, "region_unavailable"));
    for region in others {
        region.heal().await;
    }
    hung.heal().await;
    let report = newest(&app, "/v1/reports/integrity").await;
    assert_eq!(report.body["unreachable"], json!([]));
    assert!(
        !statuses(&report).contains(&json!("unknown")),
        "{}",
        report.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_names_the_region_that_it_could_not_reach() {
    let company = Company::new().await;
    if !company
        .db
        .is_postgres_with("a region that policies and advisory locks hang")
    {
        return;
    }
    let app = company.app();
    trade(&app).await;
    let entry = app
        .get("/v1/accounting/journal-entries?office=tyo")
        .await
        .body["data"][0]["id"]
        .clone();
    let entry = entry.as_str().unwrap();
    let kinds = |answer: &Answer| -> Vec<(Value, Value)> {
        assert_eq!(answer.status, 200, "{}", answer.text);
        let hits = answer.body["data"].as_array().unwrap().iter();
        let mut kinds: Vec<(Value, Value)> = hits
            .map(|hit| (hit["type"].clone(), hit["office"].clone()))
            .collect();
        kinds.sort_by_key(|(kind, office)| (kind.to_string(), office.to_string()));
        kinds
    };
    let of = |offices: &[&str]| -> Vec<(Value, Value)> {
        let customer = |office: &&str| (json!("customer"), json!(office));
        offices.iter().map(customer).collect()
    };
    let ada = "/v1/search?q=ada";
    let hung = company.db.hang_region("ap1").await;
    let part = app.get(ada).await;
    assert_eq!(kinds(&part), of(&["ber", "nyc"]));
    assert_eq!(part.body["unreachable"], json!([GAP]));
    let whole = app.get(&format!("{ada}&allow_partial=false")).await;
    assert_eq!(whole.problem(), (503, "region_unavailable"));
    let odd = app.get(&format!("{ada}&allow_partial=perhaps")).await;
    assert_eq!(odd.problem(), (400, "invalid_parameter"));
    let gone = app.get(&format!("/v1/search?q={entry}")).await;
    assert_eq!(kinds(&gone), []);
    assert_eq!(gone.body["unreachable"], json!([GAP]));
    // Whoever sees nothing that lives there misses nothing.
    let berlin = token(Role::Viewer, &["ber"]);
    let own = app.request_as(&berlin, Method::GET, ada).send().await;
    assert_eq!(kinds(&own), of(&["ber"]));
    assert_eq!(own.body["unreachable"], json!([]));
    hung.heal().await;
    let whole = app.get(&format!("{ada}&allow_partial=false")).await;
    assert_eq!(kinds(&whole), of(&["ber", "nyc", "tyo"]));
    let found = app.get(&format!("/v1/search?q={entry}")).await;
    assert_eq!(kinds(&found), [(json!("journal_entry"), json!("tyo"))]);

    // Items, locations and offices live in the primary region.
    let hung = company.db.hang_region("eu1").await;
    let part = app.get("/v1/search?q=lamp-7").await;
    assert_eq!(part.body["unreachable"], json!(["regions/eu1"]));
    hung.heal().await;
    assert_eq!(search_types(&app, "lamp-7").await, ["item"]);
}

async fn search_types(app: &TestApp, q: &str) -> Vec<String> {
    let answer = app.get(&format!("/v1/search?q={q}")).await;
    let hits = answer.body["data"].as_array().unwrap().iter();
    hits.map(|hit| hit["type"].as_str().unwrap().to_owned())
        .collect()
}
