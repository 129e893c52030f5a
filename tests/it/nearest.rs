//! Which office is nearest.

use serde_json::json;

use crate::world::shared;

#[tokio::test]
async fn the_nearest_office_is_named_first() {
    let world = shared().await;
    // Vienna, the middle of the Atlantic on the American side, and both sides of the antimeridian.
    for (lat, lon, office) in [
        ("48.2", "16.37", "ber"),
        ("40", "-60", "nyc"),
        ("-20", "179.9", "syd"),
        ("-20", "-179.9", "syd"),
        ("90", "0", "ber"),
        ("-90", "0", "syd"),
    ] {
        let answer = world
            .manager("us1")
            .get(&format!("/v1/offices/nearest?lat={lat}&lon={lon}"))
            .await;
        answer.expect(200);
        let body = answer.json();
        assert_eq!(body["located_by"], "query");
        let data = body["data"].as_array().unwrap();
        assert_eq!(data[0]["office"], office, "{lat} {lon}: {body}");
        assert_eq!(data.len(), 5);
        let distances: Vec<_> = data
            .iter()
            .map(|entry| entry["distance_km"].as_u64().unwrap())
            .collect();
        assert!(distances.is_sorted(), "{distances:?}");
    }
}

#[tokio::test]
async fn an_office_comes_with_its_region() {
    let world = shared().await;
    let answer = world
        .manager("ap1")
        .get("/v1/offices/nearest?lat=52.52&lon=13.405&limit=2")
        .await;
    answer.expect(200);
    let berlin = json!({
        "office": "ber", "name": "Berlin", "distance_km": 0, "region": "eu1", "region_status": "up",
        "base_url": world.url("eu1"),
    });
    assert_eq!(answer.json()["data"][0], berlin);
    assert_eq!(answer.json()["data"][1]["distance_km"], 517); // Warsaw
}

#[tokio::test]
async fn without_coordinates_the_serving_region_stands_for_the_caller() {
    let world = shared().await;
    for (tag, office) in [("eu1", "ber"), ("us1", "nyc"), ("ap1", "sin")] {
        let answer = world.manager(tag).get("/v1/offices/nearest?limit=1").await;
        answer.expect(200);
        assert_eq!(answer.json()["located_by"], "region");
        assert_eq!(answer.json()["data"][0]["office"], office);
    }
}

#[tokio::test]
async fn what_is_no_coordinate_is_refused_by_name() {
    let world = shared().await;
    for (query, parameter) in [
        ("lat=90.1&lon=0", "lat"),
        ("lat=-91&lon=0", "lat"),
        ("lat=0&lon=180.5", "lon"),
        ("lat=NaN&lon=0", "lat"),
        ("lat=0&lon=nan", "lon"),
        ("lat=inf&lon=0", "lat"),
        ("lat=&lon=0", "lat"),
        ("lat=48,2&lon=16", "lat"),
        ("lat=1&lat=2&lon=0", "lat"),
        ("lat=1&lon=0&lon=0", "lon"),
        ("lat=48.2", "lon"),
        ("lon=16.37", "lat"),
        ("lat=1&lon=1&limit=0", "limit"),
        ("lat=1&lon=1&limit=many", "limit"),
    ] {
        let answer = world
            .manager("eu1")
            .get(&format!("/v1/offices/nearest?{query}"))
            .await;
        answer.expect_problem(400, "invalid_parameter");
        let errors = answer.json()["errors"].clone();
        let named = errors
            .as_array()
            .unwrap()
            .iter()
            .any(|error| error["parameter"] == parameter);
        assert!(named, "{query}: {errors}");
    }
    let unknown = world
        .manager("eu1")
        .get("/v1/offices/nearest?lat=1&lon=1&radius=5")
        .await;
    unknown.expect_problem(400, "unknown_parameter");
}
