//! Every list is walked by a client that sends each token it was given (hard case 15).

use axum::http::Method;
use kernel::Token;
use serde_json::json;
use testkit::{Answer, TestApp};

use crate::{Company, made};

/// Four of each kind, and the lists that show them, also those that look something up first.
async fn lists(app: &TestApp) -> Vec<String> {
    let mut item = String::new();
    let mut customer = String::new();
    let mut order = String::new();
    for n in 0..4 {
        let price = json!([{"currency": "EUR", "amount_minor": 1000}]);
        let body = json!({"sku": format!("LAMP-{n}"), "name": "Lamp", "description": "A lamp.",
            "country_of_origin": "DE", "unit": "each", "prices": price});
        item = made(app, "/v1/warehouse/items", body).await;
        let body =
            json!({"code": format!("ber-{n}"), "office": "ber", "name": "Shop", "kind": "store"});
        made(app, "/v1/warehouse/locations", body).await;
        let body = json!({"office": "ber", "name": "Kim"});
        customer = made(app, "/v1/sales/customers", body).await;
        let body = json!({"office": "ber", "currency": "EUR", "description": "Rent",
            "postings": [{"debit": "5900", "credit": "1000", "amount_minor": 7}]});
        made(app, "/v1/accounting/journal-entries", body).await;
    }
    for n in 0..4 {
        let line = json!({"item": item, "quantity": 9, "unit_cost_minor": 400});
        let body = json!({"location": format!("ber-{n}"), "reference": "R", "lines": [line]});
        made(app, "/v1/warehouse/receipts", body).await;
        let body = json!({"location": format!("ber-{n}"), "item": item, "quantity": 1, "hold_seconds": 86_400});
        made(app, "/v1/warehouse/reservations", body).await;
        let line = json!({"item": item, "location": format!("ber-{n}"), "quantity": 2});
        let body = json!({"office": "ber", "customer": customer, "lines": [line]});
        order = made(app, "/v1/sales/orders", body).await;
    }
    made(app, &format!("/v1/sales/orders/{order}/confirm"), json!({})).await;
    for _ in 0..4 {
        let path = format!("/v1/sales/orders/{order}/payments");
        made(app, &path, json!({"amount_minor": 100, "method": "card"})).await;
    }
    [
        "/v1/offices",
        "/v1/audit",
        "/v1/warehouse/items",
        "/v1/warehouse/locations",
        "/v1/warehouse/levels",
        "/v1/warehouse/levels?item={item}",
        "/v1/warehouse/movements?item={item}",
        "/v1/warehouse/movements?expand=item",
        "/v1/warehouse/reservations?item={item}",
        "/v1/accounting/accounts",
        "/v1/accounting/journal-entries",
        "/v1/accounting/journal-entries?account=1000",
        "/v1/sales/customers",
        "/v1/sales/orders",
        "/v1/sales/orders?customer={customer}",
        "/v1/sales/orders?expand=customer,lines.item",
        "/v1/sales/orders/{order}/payments",
    ]
    .iter()
    .map(|path| {
        let path = path.replace("{item}", &item);
        let path = path.replace("{customer}", &customer);
        path.replace("{order}", &order)
    })
    .collect()
}

/// Of each list three pages, each asked for with the token of the page before it and the newest of all.
async fn walk(app: &TestApp) {
    for list in lists(app).await {
        let sign = if list.contains('?') { '&' } else { '?' };
        let mut path = format!("{list}{sign}limit=1");
        let mut token = String::new();
        let mut shown = Vec::new();
        for page in 0..3 {
            let mut request = app.request(Method::GET, &path);
            request = request.header("read-consistency", "strong");
            if page > 0 {
                request = request.header("consistency-token", &token);
            }
            let answer = request.send().await;
            assert_eq!(answer.status, 200, "page {page} of {list}: {}", answer.text);
            shown.extend(answer.body["data"].as_array().unwrap().iter().cloned());
            token = answer.header("consistency-token").to_owned();
            let cursor = &answer.body["next_cursor"];
            let cursor = cursor
                .as_str()
                .unwrap_or_else(|| panic!("page {page} of {list} is the last: {}", answer.text));
            path = format!("{list}{sign}limit=1&cursor={cursor}");
        }
        let mut apart = shown.clone();
        apart.dedup();
        assert_eq!(apart.len(), 3, "{list}: {shown:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_15_a_client_that_sends_every_token_turns_all_pages() {
    walk(&Company::new().await.app()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_15_the_pages_turn_on_a_database_that_speaks_cockroach() {
    if let Some(company) = Company::speaking_cockroach().await {
        walk(&company.app()).await;
    }
}

/// A page tells its own state only, and what reads nothing tells the newest that the process has seen.
#[tokio::test(flavor = "multi_thread")]
async fn what_reads_nothing_tells_the_token_of_the_page_before_it() {
    let company = Company::new().await;
    let app = company.app();
    let token = |answer: &Answer| answer.header("consistency-token").parse::<Token>().unwrap();
    let nothing = || app.get("/v1/nothing");
    let before = token(&nothing().await);
    let page = token(&app.get("/v1/accounting/accounts").await);
    assert!(page > before);
    assert_eq!(token(&nothing().await), page);
}
