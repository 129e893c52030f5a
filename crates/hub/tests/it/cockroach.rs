//! The whole contract over a PostgreSQL that speaks CockroachDB (`testkit::CockroachProxy`): writes from a region that is
//! not the office's own, reads of every mode, a walk, a report, an export.

use axum::http::Method;
use serde_json::{Value, json};
use testkit::{Answer, CockroachProxy, TestApp, app::new_key, eventually};

use crate::{Company, systems};

const TRIAL_BALANCE: &str = "/v1/reports/trial-balance";
const EXPORT: &str = "/v1/exports/orders,movements,journal-entries,customers";
const BOUNDED: &str = "bounded;max_ms=10000";

async fn get(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Answer {
    let answer = ask(app, path, headers).await;
    assert_eq!(answer.status, 200, "{path} {headers:?}: {}", answer.text);
    answer
}

async fn ask(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = app.request(Method::GET, path);
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(name, value)
    });
    request.send().await
}

/// What `Freshness` begins with.
fn kind(answer: &Answer) -> String {
    let freshness = answer.header("freshness");
    freshness.split(';').next().unwrap_or_default().to_owned()
}

fn max_ms(answer: &Answer) -> u64 {
    let freshness = answer.header("freshness");
    let (_, rest) = freshness.split_once("max_ms=").unwrap();
    rest.split(';').next().unwrap().parse().unwrap()
}

async fn made(app: &TestApp, path: &str, body: Value) -> Answer {
    let (key, request) = (new_key(), app.request(Method::POST, path));
    let answer = request.key(&key).json(&body).send().await;
    assert!(answer.status.is_success(), "{path}: {}", answer.text);
    // The repeat finds the key row.
    let again = app.request(Method::POST, path).key(&key).json(&body);
    let again = again.send().await;
    assert_eq!((again.status, &again.text), (answer.status, &answer.text));
    answer
}

fn id(answer: &Answer) -> String {
    answer.body["id"].as_str().unwrap_or_default().to_owned()
}

/// An order of an office in Berlin from its goods to its end, said in us1; its path, the customer's and the payment's.
async fn deal(app: &TestApp) -> [String; 3] {
    let item = json!({"sku": "CUP", "name": "Cup", "description": "A cup.", "country_of_origin": "FR", "unit": "each",
        "prices": [{"currency": "EUR", "amount_minor": 1000}]});
    let item = id(&made(app, "/v1/warehouse/items", item).await);
    let lines = json!([{"item": item, "quantity": 10, "unit_cost_minor": 400}]);
    let receipt = json!({"location": "ber-main", "reference": "R", "lines": lines});
    made(app, "/v1/warehouse/receipts", receipt).await;
    let customer = json!({"office": "ber", "name": "Buyer"});
    let customer = id(&made(app, "/v1/sales/customers", customer).await);
    let line = json!({"item": item, "location": "ber-main", "quantity": 5});
    let order = json!({"office": "ber", "customer": customer, "lines": [line]});
    let order = made(app, "/v1/sales/orders", order).await;
    let path = format!("/v1/sales/orders/{}", id(&order));
    made(app, &format!("{path}/confirm"), json!({})).await;
    let payment = json!({"amount_minor": 5000, "method": "card"});
    let payment = id(&made(app, &format!("{path}/payments"), payment).await);
    made(app, &format!("{path}/shipments"), json!({})).await;
    let payment = format!("{path}/payments/{payment}");
    [path, format!("/v1/sales/customers/{customer}"), payment]
}

/// Every resource of one row, and one that has lines, of the mode.
async fn reads(app: &TestApp, paths: &[String; 3], mode: &str) -> Vec<Answer> {
    let [order, customer, payment] = paths;
    let paths = [
        customer,
        payment,
        "/v1/offices/ber",
        "/v1/warehouse/locations/ber-main",
        "/v1/accounting/accounts/1300",
        order,
        "/v1/warehouse/levels?office=ber",
        TRIAL_BALANCE,
    ];
    let mut answers = Vec::new();
    for path in paths {
        answers.push(ask(app, path, &[("read-consistency", mode)]).await);
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_over_a_server_that_speaks_cockroach() {
    let company = Company::new().await;
    if !company
        .db
        .speaks_postgres_with("a proxy that speaks CockroachDB")
    {
        return;
    }
    let proxy = CockroachProxy::before(&company.db, "us1").await;
    let db = company.db.db_speaking(&proxy, "us1");
    let app = TestApp::new("us1", systems(&db, &company.topology));
    let paths = deal(&app).await;
    let said = proxy.said();
    assert!(said.iter().any(|text| text == "SHOW COMMIT TIMESTAMP"));
    assert!(!said.iter().any(|text| text.contains("advisory")));

    // What the books say at once, and what they say when replicas have it, is the same.
    let strong = reads(&app, &paths, "strong").await;
    assert!(strong.iter().all(|answer| kind(answer) == "strong"));
    let mut stale = Vec::new();
    eventually("replicas have all of it", async || {
        stale = reads(&app, &paths, BOUNDED).await;
        // Until then what is not there yet is not found.
        stale
            .iter()
            .zip(&strong)
            .all(|(stale, strong)| kind(stale) == "follower" && stale.body == strong.body)
    })
    .await;
    assert!(stale.iter().all(|answer| max_ms(answer) <= 10_000));
    let _ = proxy.said();
    let local = reads(&app, &paths, "local").await;
    for (local, strong) in local.iter().zip(&strong) {
        assert_eq!(
            (kind(local).as_str(), &local.body),
            ("follower", &strong.body)
        );
    }
    let said = proxy.said();
    for table in [
        "sales.customers AS c",
        "sales.payments",
        "platform.offices",
        "warehouse.locations",
        "accounting.accounts",
    ] {
        let asked = format!("FROM {table} AS OF SYSTEM TIME with_max_staleness('5s', true)");
        assert!(
            said.iter().any(|text| text.contains(&asked)),
            "{asked}\n{said:#?}"
        );
    }

    // Without a header: several offices may be ten seconds old, one is strong.
    assert_eq!(kind(&get(&app, TRIAL_BALANCE, &[]).await), "follower");
    let one = format!("{TRIAL_BALANCE}?office=ber");
    assert_eq!(kind(&get(&app, &one, &[]).await), "strong");
    walk(&app, &proxy).await;
    exported(&app, &proxy).await;

    // A newer token wins over what a list over offices may be.
    let customer = json!({"office": "nyc", "name": "Newest"});
    let written = made(&app, "/v1/sales/customers", customer).await;
    let token = written.header("consistency-token");
    let listed = get(&app, "/v1/sales/customers", &[("consistency-token", token)]).await;
    assert!(listed.text.contains("Newest"), "{}", listed.text);
    let token = listed.header("consistency-token").to_owned();
    let path = format!("/v1/sales/customers/{}", id(&written));
    let headers = [
        ("consistency-token", token.as_str()),
        ("read-consistency", BOUNDED),
    ];
    assert_eq!(get(&app, &path, &headers).await.body["name"], "Newest");
}

/// A client that sends every token it is given turns all pages, and they show one state.
async fn walk(app: &TestApp, proxy: &CockroachProxy) {
    let path = "/v1/warehouse/movements?office=ber&limit=1";
    let first = get(app, path, &[]).await;
    assert_eq!(kind(&first), "strong");
    let _ = proxy.said();
    let (mut page, mut pages) = (first, 1);
    while let Some(cursor) = page.body["next_cursor"].as_str() {
        let token = page.header("consistency-token").to_owned();
        let next = format!("{path}&cursor={cursor}");
        page = get(app, &next, &[("consistency-token", &token)]).await;
        assert_eq!(kind(&page), "snapshot");
        pages += 1;
    }
    assert_eq!(pages, 2);
    let said = proxy.said();
    assert!(
        said.iter()
            .any(|text| text.starts_with("BEGIN AS OF SYSTEM TIME '"))
    );
}

/// One state for all resources: of a moment ago where that is fresh enough, else the present one.
async fn exported(app: &TestApp, proxy: &CockroachProxy) {
    for (mode, stale) in [(BOUNDED, true), ("strong", false)] {
        let _ = proxy.said();
        let answer = get(app, EXPORT, &[("read-consistency", mode)]).await;
        assert_eq!(kind(&answer), "snapshot");
        assert_eq!(max_ms(&answer) > 0, stale, "{mode}");
        let resources: Vec<Value> = answer
            .lines()
            .iter()
            .map(|line| line["resource"].clone())
            .collect();
        for resource in ["orders", "movements", "journal-entries", "customers"] {
            assert!(
                resources.contains(&resource.into()),
                "{resource} {mode}: {}",
                answer.text
            );
        }
        let said = proxy.said();
        let begins = said.iter().filter(|text| text.starts_with("BEGIN"));
        assert!(
            begins
                .clone()
                .all(|text| text.contains("AS OF SYSTEM TIME")),
            "{said:#?}"
        );
        assert_eq!(begins.count(), 1);
    }
}
