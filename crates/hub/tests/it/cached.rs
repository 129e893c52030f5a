//! Offices from memory.

use axum::http::Method;
use serde_json::{Value, json};

use crate::Company;

const NEAREST: &str = "/v1/offices/nearest?lat=48.2&lon=16.37&limit=1";

fn vienna() -> Value {
    json!({
        "code": "vie", "name": "Vienna", "country": "AT", "city": "Vienna", "time_zone": "Europe/Vienna",
        "currency": "EUR", "latitude": 48.2082, "longitude": 16.3738, "home_region": "eu1",
        "default_tax_rate_bp": 2000,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn offices_come_from_memory_until_one_is_opened_or_changed() {
    let company = Company::new().await;
    let app = company.app();
    for path in ["/v1/offices/ber", "/v1/offices", NEAREST] {
        let first = app.plain(path).send().await;
        let again = app.warm(path).await;
        assert_eq!(again.body, first.body, "{path}");
        assert_eq!(
            again.header("request-cost"),
            "sql=0, rows=0, retries=0, xregion=0"
        );
    }
    let warm_all = async || {
        for path in ["/v1/offices/ber", "/v1/offices", NEAREST] {
            app.warm(path).await;
        }
    };
    warm_all().await;
    assert_eq!(app.post("/v1/offices", vienna()).await.status, 201);
    let all = app.plain("/v1/offices").send().await;
    assert_eq!(all.body["data"].as_array().unwrap().len(), 10);
    let nearest = app.plain(NEAREST).send().await;
    assert_eq!(nearest.body["data"][0]["office"], "vie");
    warm_all().await;
    let renamed = app
        .patch("/v1/offices/ber", 1, json!({"name": "Berlin Mitte"}))
        .await;
    assert_eq!(app.plain("/v1/offices/ber").send().await.body, renamed.body);
    let all = app.plain("/v1/offices").send().await;
    assert!(all.text.contains("Berlin Mitte"));
    warm_all().await;
    let closed = app
        .patch("/v1/offices/vie", 1, json!({"status": "closed"}))
        .await;
    assert_eq!(closed.status, 200, "{}", closed.body);
    let nearest = app.plain(NEAREST).send().await;
    assert_eq!(nearest.body["data"][0]["office"], "ber");
}

/// An order is taken, or not, by the office as it is: what is in memory decides no write.
#[tokio::test(flavor = "multi_thread")]
async fn hard_case_20_what_is_in_memory_decides_no_write() {
    let company = Company::new().await;
    let (eu1, us1) = (company.app(), company.in_region("us1"));
    assert_eq!(eu1.post("/v1/offices", vienna()).await.status, 201);
    let customer = json!({"office": "vie", "name": "Ada"});
    assert_eq!(
        us1.post("/v1/sales/customers", customer.clone())
            .await
            .status,
        201
    );
    for path in ["/v1/offices/vie", "/v1/offices", NEAREST] {
        us1.warm(path).await;
    }
    let item = json!({
        "sku": "LAMP-7", "name": "Lamp", "description": "A lamp.", "country_of_origin": "DE", "unit": "each",
    });
    let item = us1.post("/v1/warehouse/items", item).await;
    let item = item.body["id"].as_str().unwrap();
    let closed = eu1
        .patch("/v1/offices/vie", 1, json!({"status": "closed"}))
        .await;
    assert_eq!(closed.status, 200, "{}", closed.body);
    let receipt = json!({
        "location": "vie-main", "reference": "r", "lines": [{"item": item, "quantity": 1, "unit_cost_minor": 5}],
    });
    let refused = us1.post("/v1/warehouse/receipts", receipt).await;
    assert_eq!(refused.problem(), (422, "validation_failed"));
    assert_eq!(refused.body["errors"][0]["code"], "office_closed");
    let token = closed.header("consistency-token");
    let seen = us1
        .request(Method::GET, "/v1/offices/vie")
        .header("consistency-token", token)
        .send()
        .await;
    assert_eq!(seen.body["status"], "closed");
}
