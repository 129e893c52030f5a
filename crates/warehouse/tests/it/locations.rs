//! `/v1/warehouse/locations`

use axum::http::Method;
use kernel::Role;
use serde_json::{Value, json};
use testkit::app::{new_key, token};

use crate::Warehouse;

const LOCATIONS: &str = "/v1/warehouse/locations";

fn shop(code: &str, office: &str) -> Value {
    json!({"code": code, "office": office, "name": "Shop", "kind": "store"})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_belongs_to_an_office_and_shows_its_home() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    let made = app.post(LOCATIONS, shop("nyc-shop", "nyc")).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(made.header("location"), "/v1/warehouse/locations/nyc-shop");
    assert_eq!(
        (&made.body["office"], &made.body["home_region"]),
        (&json!("nyc"), &json!("us1"))
    );
    assert_eq!(
        app.get("/v1/warehouse/locations/nyc-shop").await.body,
        made.body
    );
    let taken = app.post(LOCATIONS, shop("nyc-shop", "ber")).await;
    assert_eq!(taken.problem(), (409, "already_exists"));
    assert_eq!(taken.header("location"), "/v1/warehouse/locations/nyc-shop");
    let nowhere = app.post(LOCATIONS, shop("x-shop", "xyz")).await;
    assert_eq!(
        (nowhere.problem(), nowhere.pointers()),
        ((422, "validation_failed"), vec!["/office"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_11_global_writes_keep_their_rows_in_the_primary_region() {
    let warehouse = Warehouse::new().await;
    let made = warehouse
        .in_region("us1")
        .post(LOCATIONS, shop("nyc-shop", "nyc"))
        .await;
    assert_eq!(made.status, 201);
    let office = Some("nyc".to_owned());
    for (table, office) in [
        ("idempotency_keys", office.clone()),
        ("audit_log", office),
        // An event of what belongs to every region is shown to every reader.
        ("events", None),
    ] {
        let rows = warehouse
            .db
            .query(&format!("SELECT region, office FROM platform.{table}"))
            .await;
        assert_eq!(rows, [[Some("eu1".to_owned()), office]], "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_10_a_token_that_lost_the_office_gets_no_replay() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    let key = new_key();
    let send = async |offices: &[&str]| {
        let token = token(Role::Clerk, offices);
        let request = app.request_as(&token, Method::POST, LOCATIONS).key(&key);
        request.json(&shop("nyc-shop", "nyc")).send().await
    };
    assert_eq!(send(&["ber"]).await.problem(), (403, "office_forbidden"));
    assert_eq!(send(&["nyc"]).await.status, 201);
    assert_eq!(send(&["nyc"]).await.header("idempotent-replayed"), "true");
    assert_eq!(send(&["ber"]).await.problem(), (403, "office_forbidden"));
    let clerk = token(Role::Clerk, &["ber"]);
    let patch = app.request_as(&clerk, Method::PATCH, "/v1/warehouse/locations/nyc-shop");
    let patch = patch.json(&json!({"name": "Mine"})).send().await;
    assert_eq!(
        patch.problem(),
        (403, "office_forbidden"),
        "before the version is asked for"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn locations_are_listed_by_office_to_everyone_who_may_read() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    app.post(LOCATIONS, shop("ber-shop", "ber")).await;
    app.post(LOCATIONS, shop("nyc-shop", "nyc")).await;
    let viewer = token(Role::Viewer, &["ber"]);
    let codes = async |query: &str| -> Vec<String> {
        let path = format!("{LOCATIONS}{query}");
        let page = app.request_as(&viewer, Method::GET, &path).send().await;
        assert_eq!(page.status, 200, "{}", page.body);
        let data = page.body["data"].as_array().unwrap();
        data.iter()
            .map(|row| row["code"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(codes("").await, ["nyc-shop", "ber-shop"]);
    assert_eq!(codes("?office=nyc").await, ["nyc-shop"]);
    assert_eq!(
        codes("?office=nyc,ber&order=asc").await,
        ["ber-shop", "nyc-shop"]
    );
    let nowhere = app.get(&format!("{LOCATIONS}?office=xyz")).await;
    assert_eq!(nowhere.problem(), (400, "invalid_parameter"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_keeps_its_office_and_its_version_counts_changes() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    let path = app
        .post(LOCATIONS, shop("ber-shop", "ber"))
        .await
        .header("location")
        .to_owned();
    let moved = app.patch(&path, 1, json!({"office": "nyc"})).await;
    assert_eq!(
        (moved.problem(), moved.pointers()),
        ((422, "validation_failed"), vec!["/office"])
    );
    let renamed = app
        .patch(&path, 1, json!({"name": "Kiosk", "kind": "virtual"}))
        .await;
    assert_eq!(
        (renamed.status.as_u16(), renamed.version()),
        (200, 2),
        "{}",
        renamed.body
    );
    assert_eq!(
        app.patch(&path, 1, json!({"name": "Hut"})).await.problem(),
        (412, "version_changed")
    );
}
