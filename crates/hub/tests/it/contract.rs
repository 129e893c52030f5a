//! Corners of the contract over the routes of the hub.

use axum::http::Method;
use kernel::Role;
use serde_json::{Value, json};
use testkit::app::{new_key, token};

use crate::Company;

fn item(sku: &str) -> Value {
    json!({"sku": sku, "name": "n", "description": "d", "country_of_origin": "DE", "unit": "each"})
}

fn location(code: &str) -> Value {
    json!({"code": code, "office": "nyc", "name": "Shop", "kind": "store"})
}

/// The primary region keeps the writes that belong to no region, also those that name an office of another one.
#[tokio::test(flavor = "multi_thread")]
async fn hard_case_11_a_receipt_is_found_by_the_office_that_the_write_named() {
    let company = Company::new().await;
    let app = company.app();
    let key = new_key();
    let made = app.request(Method::POST, "/v1/warehouse/locations");
    let made = made.key(&key).json(&location("nyc-shop")).send().await;
    assert_eq!(made.status, 201, "{}", made.body);
    for query in ["", "?office=nyc", "?office=ber", "?office=g"] {
        let receipt = app.get(&format!("/v1/writes/{key}{query}")).await;
        assert_eq!(
            receipt.body["status"], "committed",
            "{query}: {}",
            receipt.body
        );
        assert_eq!(receipt.body["effect_ids"], json!(["nyc-shop"]), "{query}");
        // Nor is it made void by asking for that.
        let path = format!("/v1/writes/{key}/void{query}");
        let void = app.request(Method::POST, &path).send().await;
        assert_eq!(void.body["status"], "committed", "{query}: {}", void.body);
    }
    // Without the office it looks like one that nobody used.
    let berlin = token(Role::Manager, &["ber"]);
    let path = format!("/v1/writes/{key}");
    let theirs = app.request_as(&berlin, Method::GET, &path).send().await;
    assert_eq!(theirs.body["status"], "unknown", "{}", theirs.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_03_a_key_made_void_for_any_office_is_void_for_what_belongs_to_none() {
    let company = Company::new().await;
    let app = company.app();
    for query in ["", "?office=nyc", "?office=ber", "?office=g"] {
        let key = new_key();
        let path = format!("/v1/writes/{key}/void{query}");
        let void = app.request(Method::POST, &path).send().await;
        assert_eq!(void.status, 200, "{query}: {}", void.body);
        assert_eq!(
            (&void.body["status"], &void.body["settled"]),
            (&json!("void"), &json!(true)),
            "{query}"
        );
        for (path, body) in [
            ("/v1/warehouse/items", item("LAMP-7")),
            ("/v1/warehouse/locations", location("nyc-shop")),
        ] {
            let late = app.request(Method::POST, path).key(&key).json(&body);
            assert_eq!(
                late.send().await.problem(),
                (409, "key_voided"),
                "{query} {path}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_office_has_the_code_of_another_path() {
    let company = Company::new().await;
    let body = json!({"code": "nearest", "name": "Near", "country": "AT", "city": "Vienna",
        "time_zone": "Europe/Vienna", "currency": "EUR", "latitude": 48.2, "longitude": 16.4,
        "home_region": "eu1", "default_tax_rate_bp": 2000});
    let refused = company.app().post("/v1/offices", body).await;
    assert_eq!(refused.problem(), (422, "validation_failed"));
    assert_eq!(refused.body["errors"][0]["pointer"], "/code");
    assert_eq!(refused.body["errors"][0]["code"], "reserved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_with_both_coordinates_out_of_range_names_both() {
    let company = Company::new().await;
    let app = company.app();
    let refused = app.get("/v1/offices/nearest?lat=-91&lon=181").await;
    assert_eq!(refused.problem(), (400, "invalid_parameter"));
    let errors = refused.body["errors"].as_array().unwrap();
    let names: Vec<_> = errors.iter().map(|error| &error["parameter"]).collect();
    assert_eq!(names, ["lat", "lon"], "{}", refused.body);
}
