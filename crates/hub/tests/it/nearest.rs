//! `/v1/offices/nearest`, `/v1/regions` and `/v1/status`

use axum::http::Method;
use serde_json::json;
use testkit::TestApp;
use tokio::{net::TcpListener, task::JoinSet};

use crate::{Company, systems, systems_among};

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_32_the_place_comes_from_the_query_or_from_the_serving_region() {
    let company = Company::new().await;
    let vienna = company
        .app()
        .get("/v1/offices/nearest?lat=48.2&lon=16.37&limit=2")
        .await;
    assert_eq!(vienna.status, 200, "{}", vienna.body);
    assert_eq!(vienna.body["located_by"], "query");
    let names: Vec<_> = vienna.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| &o["office"])
        .collect();
    assert_eq!(names, ["ber", "waw"]);
    assert_eq!(vienna.body["data"][0]["region_status"], "up");
    let virginia = company.in_region("us1").get("/v1/offices/nearest").await;
    assert_eq!(virginia.body["located_by"], "region");
    assert_eq!(virginia.body["data"][0]["office"], "nyc");
    assert_eq!(virginia.body["data"].as_array().unwrap().len(), 5);
    // A client's own geo headers are not believed: it is no trusted proxy.
    let liar = company
        .in_region("us1")
        .request(Method::GET, "/v1/offices/nearest");
    let liar = liar
        .header("x-geo-latitude", "48.2")
        .header("x-geo-longitude", "16.37")
        .send()
        .await;
    assert_eq!(liar.body["located_by"], "region");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_coordinates_are_named() {
    let company = Company::new().await;
    let app = company.app();
    for (query, name) in [
        ("lat=91&lon=0", "lat"),
        ("lat=0&lon=-180.5", "lon"),
        ("lat=NaN&lon=0", "lat"),
        ("lat=inf&lon=0", "lat"),
        ("lat=1", "lon"),
        ("lon=1", "lat"),
        ("lat=1&lat=2&lon=3", "lat"),
        ("lat=&lon=3", "lat"),
        ("lat=1&lon=2&limit=0", "limit"),
        ("lat=1&lon=2&limit=x", "limit"),
    ] {
        let refused = app.get(&format!("/v1/offices/nearest?{query}")).await;
        assert_eq!(refused.problem(), (400, "invalid_parameter"), "{query}");
        assert_eq!(
            refused.body["errors"][0]["parameter"], name,
            "{query}: {}",
            refused.body
        );
    }
    let many = app
        .get("/v1/offices/nearest?lat=1&lon=2&limit=99999999999999999999")
        .await;
    assert_eq!(many.body["data"].as_array().unwrap().len(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_office_is_near_nothing() {
    let company = Company::new().await;
    let app = company.app();
    assert_eq!(
        app.patch("/v1/offices/ber", 1, json!({"status": "closed"}))
            .await
            .status,
        200
    );
    let vienna = app
        .get("/v1/offices/nearest?lat=48.2&lon=16.37&limit=1")
        .await;
    assert_eq!(vienna.body["data"][0]["office"], "waw");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_is_measured() {
    let company = Company::new().await;
    let app = company.app();
    let status = app.get("/v1/status").await;
    let of = |tag: &str| {
        let regions = status.body["regions"].as_array().unwrap();
        regions
            .iter()
            .find(|region| region["region"] == tag)
            .unwrap()
            .clone()
    };
    assert_eq!(
        of("eu1")["systems"],
        json!({"hub": "operational", "warehouse": "operational"})
    );
    assert_eq!(
        of("us1")["systems"],
        json!({"hub": "major", "warehouse": "major"})
    );
    let regions = app.get("/v1/regions").await;
    let states: Vec<_> = regions.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|region| {
            (
                region["tag"].as_str().unwrap(),
                region["status"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(states, [("eu1", "up"), ("us1", "down"), ("ap1", "down")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_is_believed_by_its_own_name_only() {
    let company = Company::new().await;
    let ap1 = TestApp::new("ap1", systems(&company.db.db_in("ap1"), &company.topology));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, ap1.router()).await });
    // The same process answers where us1 and ap1 are said to be; it is only one of them.
    let eu1 = systems_among(&company.db.db_in("eu1"), &company.topology, &url);
    let regions = TestApp::new("eu1", eu1).get("/v1/regions").await;
    let states: Vec<_> = regions.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|region| {
            (
                region["tag"].as_str().unwrap(),
                region["status"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(states, [("eu1", "up"), ("us1", "down"), ("ap1", "up")]);
}
