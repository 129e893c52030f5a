//! What every answer has, whatever it answers.

use serde_json::json;

use crate::{
    http::{Answer, fresh_key, send},
    world::{World, shared},
};

/// The headers of every answer under `/v1`.
const ALWAYS: &[&str] = &[
    "request-id",
    "served-by",
    "freshness",
    "consistency-token",
    "request-cost",
    "server-timing",
    "ratelimit-policy",
    "ratelimit",
];

fn assert_headers(answer: &Answer) {
    for name in ALWAYS {
        assert!(
            answer.header(name).is_some(),
            "{name} is missing: {answer:#?}"
        );
    }
    assert!(
        answer
            .header("server-timing")
            .unwrap()
            .contains("total;dur="),
        "{answer:#?}"
    );
    assert!(
        answer.header("request-id").unwrap().starts_with("req_eu1_"),
        "{answer:#?}"
    );
    assert!(
        answer
            .header("served-by")
            .unwrap()
            .starts_with("eu1;node=\""),
        "{answer:#?}"
    );
}

#[tokio::test]
async fn every_answer_says_who_served_it_how_fresh_it_is_and_what_it_cost() {
    let world = shared().await;
    let api = world.manager("eu1");
    let anonymous = api.with(None);
    let items = "/v1/warehouse/items";
    let answers = [
        api.get(items).await,
        api.get("/v1/offices/ber").await,
        anonymous.get("/v1/regions").await,
        anonymous.get(items).await,
        anonymous.get("/v1/nothing").await,
        api.get("/v1/warehouse/items/itm_g_00000000000000000000000000")
            .await,
        api.post(items, &fresh_key(), &json!({})).await,
        send(api.request("POST", items).body("{")).await.unwrap(),
        send(api.request("PUT", items)).await.unwrap(),
        send(api.request("POST", items).body(vec![b' '; 2 * 1024 * 1024]))
            .await
            .unwrap(),
        send(
            api.request("GET", items)
                .header("x-padding", "p".repeat(20_000)),
        )
        .await
        .unwrap(),
    ];
    for answer in &answers {
        assert_headers(answer);
        if answer.status >= 400 {
            let body = answer.json();
            for member in [
                "type",
                "title",
                "status",
                "detail",
                "instance",
                "code",
                "request_id",
                "region",
                "retryable",
            ] {
                assert!(!body[member].is_null(), "{member} is missing: {answer:#?}");
            }
            assert_eq!(body["type"], format!("/problems/{}", answer.code()));
            assert_eq!(body["status"], answer.status);
            assert_eq!(body["request_id"].as_str(), answer.header("request-id"));
        }
    }
    // Refused before any work.
    let unauthenticated = &answers[3];
    assert_eq!(unauthenticated.header("freshness"), Some("none"));
    assert_eq!(
        unauthenticated.header("request-cost"),
        Some("sql=0, rows=0, retries=0, xregion=0")
    );
    assert_eq!(unauthenticated.header("www-authenticate"), Some("Bearer"));
    assert!(
        answers[0]
            .header("freshness")
            .unwrap()
            .starts_with("strong"),
        "{:#?}",
        answers[0]
    );
}

#[tokio::test]
async fn a_token_of_one_region_is_good_in_another() {
    let world = shared().await;
    let body = json!({"sku": fresh_key(), "name": "Cup", "description": "A cup.", "country_of_origin": "FR", "unit": "each"});
    let created = world
        .manager("eu1")
        .post("/v1/warehouse/items", &fresh_key(), &body)
        .await;
    created.expect(201);
    let token = created.header("consistency-token").unwrap();
    let path = created.header("location").unwrap();
    for consistency in ["strong", "bounded;max_ms=10000", "local"] {
        let request = world.manager("us1").request("GET", path);
        let request = request
            .header("consistency-token", token)
            .header("read-consistency", consistency);
        send(request).await.unwrap().expect(200);
    }
    let malformed = world
        .manager("us1")
        .request("GET", path)
        .header("consistency-token", "nonsense!");
    send(malformed)
        .await
        .unwrap()
        .expect_problem(400, "token_malformed");
    let unreadable = world
        .manager("us1")
        .request("GET", path)
        .header("read-consistency", "whenever");
    send(unreadable)
        .await
        .unwrap()
        .expect_problem(400, "invalid_parameter");
}

#[tokio::test]
async fn the_documents_are_served_by_us() {
    let world = shared().await;
    let api = world.manager("eu1").with(None);
    api.get("/healthz").await.expect(200);
    api.get("/readyz").await.expect(200);
    assert!(
        api.get("/metrics")
            .await
            .expect(200)
            .text
            .contains("# TYPE")
    );
    let openapi = api.get("/openapi.json").await;
    assert!(openapi.expect(200).text_of("openapi").starts_with("3.1"));
    let docs = api.get("/docs/").await;
    docs.expect(200);
    assert!(
        !docs.text.contains("src=\"http") && !docs.text.contains("//cdn"),
        "{}",
        docs.text
    );
    for code in codes(world).await {
        let page = api.get(&format!("/problems/{code}")).await;
        page.expect(200);
        assert!(page.text.contains(&code), "{code}: {}", page.text);
    }
    api.get("/problems/no_such_code").await.expect(404);
}

/// A few codes that answers were seen to have; the page of each is where its `type` says.
async fn codes(world: &World) -> Vec<String> {
    let api = world.manager("eu1");
    let refused = [
        api.with(None).get("/v1/offices").await,
        api.get("/v1/offices/nowhere").await,
        api.get("/v1/offices?colour=red").await,
        api.post("/v1/warehouse/items", &fresh_key(), &json!({}))
            .await,
    ];
    refused.iter().map(Answer::code).collect()
}

#[tokio::test]
async fn regions_and_status_need_no_token() {
    let world = shared().await;
    let api = world.manager("eu1").with(None);
    let regions = api.get("/v1/regions").await;
    regions.expect(200);
    let regions = regions.json();
    let listed: Vec<_> = regions["data"].as_array().unwrap().iter().collect();
    assert_eq!(listed.len(), 3);
    for region in listed {
        assert_eq!(
            region["base_url"],
            world.url(region["tag"].as_str().unwrap())
        );
        assert_eq!(region["status"], "up");
    }
    let status = api.get("/v1/status").await;
    status.expect(200);
    for region in status.json()["regions"].as_array().unwrap() {
        assert_eq!(region["systems"]["warehouse"], "operational", "{region}");
    }
}
