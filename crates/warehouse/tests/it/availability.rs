//! `/v1/warehouse/availability`

use axum::http::Method;
use kernel::{Role, id::ItemId};
use serde_json::{Value, json};
use testkit::{TestApp, app::token};

use crate::{Warehouse, items::lamp};

const ITEMS: &str = "/v1/warehouse/items";

/// Offices at their places, each with a depot and a shop; `ber` and `waw` in eu1, `nyc` in us1, `tyo` in ap1.
async fn world() -> (Warehouse, TestApp) {
    let warehouse = Warehouse::new().await;
    warehouse
        .db
        .query(
            "UPDATE platform.offices SET latitude = 52.52, longitude = 13.405 WHERE code = 'ber';
             UPDATE platform.offices SET latitude = 40.7128, longitude = -74.006 WHERE code = 'nyc'",
        )
        .await;
    for (code, region, latitude, longitude) in [
        ("waw", "eu1", 52.2297, 21.0122),
        ("tyo", "ap1", 35.6762, 139.6503),
    ] {
        warehouse
            .db
            .query(&format!(
                "INSERT INTO platform.offices (code, name, country, city, time_zone, currency, latitude, longitude, \
                     home_region, default_location, default_tax_rate_bp, status, version, created_at, updated_at) \
                 SELECT '{code}', '{code}', country, city, time_zone, currency, {latitude}, {longitude}, \
                     '{region}', '{code}-main', 1900, 'active', 1, now(), now() \
                 FROM platform.offices WHERE code = 'ber'"
            ))
            .await;
    }
    let app = warehouse.app();
    for office in ["ber", "waw", "nyc", "tyo"] {
        for (place, kind) in [("main", "depot"), ("shop", "store")] {
            let location = json!({"code": format!("{office}-{place}"), "office": office, "name": "n", "kind": kind});
            let made = app.post("/v1/warehouse/locations", location).await;
            assert_eq!(made.status, 201, "{}", made.body);
        }
    }
    (warehouse, app)
}

/// A new item, and what lies where of it: location, on hand, reserved.
async fn stocked(
    (warehouse, app): (&Warehouse, &TestApp),
    sku: &str,
    levels: &[(&str, i64, i64)],
) -> String {
    let made = app.post(ITEMS, lamp(sku)).await;
    let id: ItemId = made.body["id"].as_str().unwrap().parse().unwrap();
    for (location, on_hand, reserved) in levels {
        warehouse
            .db
            .query(&format!(
                "INSERT INTO warehouse.stock_levels (region, id, office, location, item, currency, on_hand, reserved, \
                     incoming, value_minor, version, created_at, updated_at) \
                 SELECT o.home_region, gen_random_uuid(), o.code, l.code, '{}', 'EUR', {on_hand}, {reserved}, \
                     0, 0, 1, now(), now() \
                 FROM warehouse.locations AS l JOIN platform.offices AS o ON o.code = l.office \
                 WHERE l.code = '{location}'",
                id.uuid()
            ))
            .await;
    }
    id.to_string()
}

async fn offices(app: &TestApp, query: &str) -> Vec<(String, i64)> {
    let found = app
        .get(&format!("/v1/warehouse/availability?{query}"))
        .await;
    assert_eq!(found.status, 200, "{query}: {}", found.body);
    let data = found.body["data"].as_array().unwrap();
    data.iter()
        .map(|row| {
            let office = row["office"].as_str().unwrap().to_owned();
            (office, row["available"].as_i64().unwrap())
        })
        .collect()
}

fn is(found: &[(String, i64)], expected: &[(&str, i64)]) -> bool {
    let found: Vec<_> = found.iter().map(|(o, n)| (o.as_str(), *n)).collect();
    found == expected
}

#[tokio::test(flavor = "multi_thread")]
async fn offices_that_have_enough_are_named_nearest_first() {
    let (warehouse, app) = world().await;
    let levels = [
        ("ber-main", 10, 8),
        ("ber-shop", 3, 0),
        ("waw-main", 40, 0),
        ("nyc-main", 5, 5),
        ("tyo-main", 7, 1),
    ];
    stocked((&warehouse, &app), "LAMP-7", &levels).await;
    let berlin = "sku=LAMP-7&lat=52.52&lon=13.405";
    let found = offices(&app, berlin).await;
    assert!(
        is(&found, &[("ber", 5), ("waw", 40), ("tyo", 6)]),
        "one number per office, none for one with nothing to give: {found:?}"
    );
    for (quantity, expected) in [
        (5, &[("ber", 5), ("waw", 40), ("tyo", 6)][..]),
        (6, &[("waw", 40), ("tyo", 6)]),
        (41, &[]),
    ] {
        let found = offices(&app, &format!("{berlin}&quantity={quantity}")).await;
        assert!(is(&found, expected), "{quantity}: {found:?}");
    }
    let tokyo = offices(&app, "sku=LAMP-7&lat=35.7&lon=139.7").await;
    assert_eq!(tokyo[0].0, "tyo");
    let found = app
        .get(&format!("/v1/warehouse/availability?{berlin}&quantity=40"))
        .await;
    assert_eq!(
        found.body,
        json!({
            "data": [{"office": "waw", "name": "waw", "available": 40, "distance_km": 517, "region": "eu1"}],
            "located_by": "query", "unreachable": [],
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_32_without_a_place_the_serving_region_is_the_place() {
    let (warehouse, app) = world().await;
    let levels = [("ber-main", 1, 0), ("nyc-main", 1, 0)];
    stocked((&warehouse, &app), "LAMP-7", &levels).await;
    for (region, first) in [("eu1", "ber"), ("us1", "nyc")] {
        let found = warehouse
            .in_region(region)
            .get("/v1/warehouse/availability?sku=LAMP-7")
            .await;
        assert_eq!(
            (&found.body["located_by"], &found.body["data"][0]["office"]),
            (&json!("region"), &json!(first))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reader_sees_every_office_that_does_business() {
    let (warehouse, app) = world().await;
    let levels = [("ber-main", 1, 0), ("waw-main", 2, 0), ("nyc-main", 3, 0)];
    let item = stocked((&warehouse, &app), "LAMP-7", &levels).await;
    let path = "/v1/warehouse/availability?sku=LAMP-7&lat=52.52&lon=13.405";
    let clerk = token(Role::Clerk, &["nyc"]);
    let found = app.request_as(&clerk, Method::GET, path).send().await;
    assert_eq!(found.body["data"].as_array().unwrap().len(), 3);
    warehouse
        .db
        .query("UPDATE platform.offices SET status = 'closed' WHERE code = 'ber'")
        .await;
    let found = offices(&app, "sku=LAMP-7&lat=52.52&lon=13.405").await;
    assert!(is(&found, &[("waw", 2), ("nyc", 3)]), "{found:?}");
    // Nobody can order an archived item, wherever it lies.
    let archived = app
        .patch(&format!("{ITEMS}/{item}"), 1, json!({"status": "archived"}))
        .await;
    assert_eq!(archived.status, 200, "{}", archived.body);
    assert_eq!(offices(&app, "sku=LAMP-7").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_questions_are_told_what_is_wrong() {
    let (warehouse, app) = world().await;
    stocked((&warehouse, &app), "LAMP-7", &[]).await;
    let unknown = app.get("/v1/warehouse/availability?sku=lamp-7").await;
    assert_eq!(unknown.problem(), (404, "unknown_sku"));
    assert_eq!(unknown.body["sku"], "lamp-7");
    assert_eq!(offices(&app, "sku=LAMP-7").await, []);
    for (query, code, name) in [
        ("", "invalid_parameter", "sku"),
        ("sku=LAMP-7&quantity=0", "invalid_parameter", "quantity"),
        ("sku=LAMP-7&quantity=-1", "invalid_parameter", "quantity"),
        ("sku=LAMP-7&quantity=1.5", "invalid_parameter", "quantity"),
        (
            "sku=LAMP-7&quantity=9007199254740992",
            "invalid_parameter",
            "quantity",
        ),
        (
            "sku=LAMP-7&quantity=99999999999999999999",
            "invalid_parameter",
            "quantity",
        ),
        ("sku=LAMP-7&lat=1", "invalid_parameter", "lon"),
        ("sku=LAMP-7&lat=91&lon=1", "invalid_parameter", "lat"),
        ("sku=LAMP-7&limit=1", "unknown_parameter", "limit"),
        ("sku=LAMP-7&item=1", "unknown_parameter", "item"),
    ] {
        let refused = app
            .get(&format!("/v1/warehouse/availability?{query}"))
            .await;
        assert_eq!(refused.problem(), (400, code), "{query}: {}", refused.body);
        let errors: &Value = &refused.body["errors"];
        assert_eq!(errors[0]["parameter"], name, "{query}: {errors}");
    }
    let stranger = app.request_as(
        "nobody",
        Method::GET,
        "/v1/warehouse/availability?sku=LAMP-7",
    );
    assert_eq!(stranger.send().await.problem(), (401, "unauthenticated"));
}
