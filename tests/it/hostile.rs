//! Every kind of bad input: each a precise 4xx, and nothing is written.

use reqwest::Body;
use serde_json::{Value, json};

use crate::{
    http::{Answer, Api, fresh_key, send},
    world::shared,
};

const ITEMS: &str = "/v1/warehouse/items";

fn good(sku: &str) -> Value {
    json!({"sku": sku, "name": "Cup", "description": "A cup.", "country_of_origin": "FR", "unit": "each"})
}

/// Sends bytes as a new item, and checks what every refusal of a write promises.
async fn refuse(
    api: &Api,
    bytes: impl Into<Body>,
    content_type: &str,
    status: u16,
    code: &str,
) -> Answer {
    let key = fresh_key();
    let request = api
        .request("POST", ITEMS)
        .header("idempotency-key", &key)
        .header("content-type", content_type);
    let answer = send(request.body(bytes)).await.unwrap();
    answer.expect_problem(status, code);
    assert_eq!(answer.text_of("effect"), "none", "{answer:#?}");
    assert_eq!(answer.json()["retryable"], json!(false), "{answer:#?}");
    assert_not_written(api, &key).await;
    answer
}

/// The audit rows know of no effect.
async fn assert_not_written(api: &Api, key: &str) {
    let verified = api
        .post("/v1/writes/verify", &fresh_key(), &json!({"keys": [key]}))
        .await;
    verified.expect(200);
    assert_eq!(verified.json()["keys"][0]["effects"], 0, "{key}");
}

/// An item with one member replaced, refused at that member.
async fn refuse_member(api: &Api, member: &str, value: Value) {
    let mut body = good(&fresh_key());
    body[member] = value.clone();
    let answer = refuse(
        api,
        body.to_string(),
        "application/json",
        422,
        "validation_failed",
    )
    .await;
    let errors = answer.json()["errors"].clone();
    let here = |pointer: &str| {
        pointer == format!("/{member}") || pointer.starts_with(&format!("/{member}/"))
    };
    let named = errors
        .as_array()
        .unwrap()
        .iter()
        .any(|error| here(error["pointer"].as_str().unwrap()));
    assert!(named, "{member} = {value}: {errors}");
}

#[tokio::test]
async fn what_is_not_json_is_malformed() {
    let api = shared().await.manager("eu1");
    let cut = &good("x").to_string()[..20];
    let (deep, deepest) = (
        "[".repeat(10_000),
        format!("{}{}", "[".repeat(33), "]".repeat(33)),
    );
    for text in [
        "{",
        "nul",
        "{\"sku\": 1,}",
        "{'sku': 1}",
        "[1] [2]",
        "{\"a\": 1e}",
        "{\"a\": 01}",
        cut,
    ] {
        refuse(
            &api,
            text.to_owned(),
            "application/json",
            400,
            "malformed_json",
        )
        .await;
    }
    refuse(&api, deep, "application/json", 400, "malformed_json").await;
    refuse(&api, deepest, "application/json", 400, "malformed_json").await;
    let twice = "{\"sku\": \"a\", \"sku\": \"b\"}";
    refuse(&api, twice, "application/json", 400, "malformed_json").await;
    let not_utf8 = b"{\"sku\": \"\xff\xfe\"}".to_vec();
    refuse(&api, not_utf8, "application/json", 400, "malformed_json").await;
    let half_a_pair = "{\"sku\": \"\\ud800\"}";
    refuse(&api, half_a_pair, "application/json", 400, "malformed_json").await;
}

#[tokio::test]
async fn the_wrong_types_are_named() {
    let api = shared().await.manager("us1");
    for value in [json!(7), json!(null), json!(true), json!([]), json!({})] {
        refuse_member(&api, "sku", value.clone()).await;
        refuse_member(&api, "name", value).await;
    }
    refuse_member(&api, "prices", json!("10 EUR")).await;
    refuse_member(&api, "prices", json!([1])).await;
    // No body is an empty object, which lacks what is required.
    for body in ["", "[]", "7", "\"item\"", "null", "true"] {
        refuse(&api, body, "application/json", 422, "validation_failed").await;
    }
}

#[tokio::test]
async fn every_broken_rule_of_a_body_is_listed() {
    let api = shared().await.manager("eu1");
    let body =
        json!({"sku": "", "name": 7, "country_of_origin": "XX", "unit": "dozen", "colour": "red"});
    let answer = refuse(
        &api,
        body.to_string(),
        "application/json",
        422,
        "validation_failed",
    )
    .await;
    let errors = answer.json()["errors"].as_array().unwrap().clone();
    for pointer in [
        "/sku",
        "/name",
        "/description",
        "/country_of_origin",
        "/unit",
        "/colour",
    ] {
        assert!(
            errors.iter().any(|error| error["pointer"] == pointer),
            "{pointer}: {errors:#?}"
        );
    }
}

#[tokio::test]
async fn unknown_and_read_only_members_are_refused() {
    let api = shared().await.manager("ap1");
    for member in [
        "id",
        "version",
        "created_at",
        "updated_at",
        "office",
        "home_region",
        "status",
        "skew",
        "a/b~c",
    ] {
        let mut body = good(&fresh_key());
        body[member] = json!("x");
        let answer = refuse(
            &api,
            body.to_string(),
            "application/json",
            422,
            "validation_failed",
        )
        .await;
        let pointer = format!("/{}", member.replace('~', "~0").replace('/', "~1"));
        assert_eq!(
            answer.json()["errors"][0]["pointer"],
            pointer,
            "{answer:#?}"
        );
    }
}

#[tokio::test]
async fn texts_have_limits() {
    let api = shared().await.manager("eu1");
    refuse_member(&api, "sku", json!("s".repeat(129))).await;
    refuse_member(&api, "name", json!("n".repeat(201))).await;
    refuse_member(&api, "description", json!("d".repeat(2001))).await;
    for member in ["sku", "name"] {
        refuse_member(&api, member, json!("")).await;
        refuse_member(&api, member, json!(" \t\u{a0}")).await;
        refuse_member(&api, member, json!("a\u{0}b")).await;
    }
    // The other side of each limit, in characters and not in bytes.
    let mut body = good(&"ß".repeat(100));
    body["sku"] = json!(format!(
        "{}{}",
        fresh_key(),
        "ß".repeat(128 - fresh_key().chars().count())
    ));
    body["name"] = json!("😀".repeat(200));
    body["description"] = json!("d".repeat(2000));
    api.post(ITEMS, &fresh_key(), &body).await.expect(201);
}

#[tokio::test]
async fn numbers_have_limits() {
    let api = shared().await.manager("us1");
    for amount in [
        "9007199254740992",
        "1e400",
        "99999999999999999999999999",
        "-1",
        "1.0",
        "1.5",
        "\"100\"",
    ] {
        let body = good(&fresh_key()).to_string();
        let prices = format!(",\"prices\":[{{\"currency\":\"EUR\",\"amount_minor\":{amount}}}]}}");
        let body = format!("{}{prices}", body.strip_suffix('}').unwrap());
        let key = fresh_key();
        let request = api.request("POST", ITEMS).header("idempotency-key", &key);
        let answer = send(
            request
                .header("content-type", "application/json")
                .body(body),
        )
        .await
        .unwrap();
        assert!([400, 422].contains(&answer.status), "{amount}: {answer:#?}");
        assert!(
            ["validation_failed", "malformed_json", "amount_out_of_range"]
                .contains(&&*answer.code()),
            "{answer:#?}"
        );
        assert_not_written(&api, &key).await;
    }
    let mut body = good(&fresh_key());
    body["prices"] = json!([{"currency": "EUR", "amount_minor": 9_007_199_254_740_991_i64}]);
    api.post(ITEMS, &fresh_key(), &body).await.expect(201);
}

#[tokio::test]
async fn codes_of_the_world_are_checked() {
    let api = shared().await.manager("eu1");
    refuse_member(&api, "country_of_origin", json!("XX")).await;
    refuse_member(&api, "country_of_origin", json!("de")).await;
    refuse_member(&api, "unit", json!("stone")).await;
    refuse_member(
        &api,
        "prices",
        json!([{"currency": "EURO", "amount_minor": 1}]),
    )
    .await;
    refuse_member(&api, "prices", json!([{"currency": "EUR"}])).await;
    refuse_member(
        &api,
        "prices",
        json!([{"currency": "EUR", "amount_minor": 1, "colour": 2}]),
    )
    .await;
}

#[tokio::test]
async fn bodies_have_a_size_and_a_type() {
    let api = shared().await.manager("eu1");
    refuse(
        &api,
        vec![b' '; 10 * 1024 * 1024],
        "application/json",
        413,
        "body_too_large",
    )
    .await;
    refuse(
        &api,
        vec![b' '; 1024 * 1024 + 1],
        "application/json",
        413,
        "body_too_large",
    )
    .await;
    let body = good(&fresh_key()).to_string();
    for content_type in [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "json",
        "",
    ] {
        refuse(
            &api,
            body.clone(),
            content_type,
            415,
            "unsupported_media_type",
        )
        .await;
    }
    // One byte below the limit is read to its end.
    let padded = format!("{}{body}", " ".repeat(1024 * 1024 - body.len()));
    let request = api
        .request("POST", ITEMS)
        .header("idempotency-key", fresh_key());
    let request = request.header("content-type", "application/json; charset=utf-8");
    send(request.body(padded)).await.unwrap().expect(201);
}

#[tokio::test]
async fn keys_have_a_form() {
    let api = shared().await.manager("eu1");
    for key in [
        "short",
        "auto:abcdefgh",
        "with space here",
        "ümlaut-key",
        &"k".repeat(129),
        "abc#defgh",
        "\"",
        "\"\"",
    ] {
        let request = api
            .request("POST", ITEMS)
            .header("idempotency-key", key.as_bytes())
            .json(&good(&fresh_key()));
        send(request)
            .await
            .unwrap()
            .expect_problem(400, "idempotency_key_invalid");
    }
}

#[tokio::test]
async fn paths_and_queries_are_read_strictly() {
    let api = shared().await.manager("ap1");
    for (path, status, code) in [
        ("/v1/warehouse/items?colour=red", 400, "unknown_parameter"),
        ("/v1/warehouse/items?limit=-1", 400, "invalid_parameter"),
        (
            "/v1/warehouse/items?limit=1&limit=2",
            400,
            "invalid_parameter",
        ),
        (
            "/v1/warehouse/items?order=sideways",
            400,
            "invalid_parameter",
        ),
        ("/v1/warehouse/items?status=lost", 400, "invalid_parameter"),
        (
            "/v1/warehouse/items?cursor=nonsense",
            400,
            "invalid_parameter",
        ),
        ("/v1/warehouse/items/not-an-id", 400, "invalid_parameter"),
        (
            "/v1/warehouse/items/ord_eu1_00000000000000000000000000",
            400,
            "invalid_parameter",
        ),
        (
            "/v1/warehouse/items/itm_g_00000000000000000000000000",
            404,
            "not_found",
        ),
        ("/v1/warehouse/locations/nowhere", 404, "not_found"),
        ("/v1/offices/nowhere", 404, "not_found"),
        ("/v1/nothing/here", 404, "not_found"),
        ("/v1/warehouse/items/%00", 400, "invalid_parameter"),
        ("/v1/warehouse/items/%ff", 400, "invalid_parameter"),
    ] {
        let answer = api.get(path).await;
        answer.expect_problem(status, code);
    }
    let long = api
        .get(&format!("/v1/warehouse/items?sku={}", "s".repeat(9000)))
        .await;
    long.expect_problem(414, "uri_too_long");
    let heavy = send(
        api.request("GET", ITEMS)
            .header("x-padding", "p".repeat(20_000)),
    )
    .await
    .unwrap();
    heavy.expect_problem(431, "headers_too_large");
    let mut many = api.request("GET", ITEMS);
    for index in 0..80 {
        many = many.header(format!("x-many-{index}"), "1");
    }
    send(many)
        .await
        .unwrap()
        .expect_problem(431, "headers_too_large");
    let method = send(api.request("DELETE", ITEMS)).await.unwrap();
    method.expect_problem(405, "method_not_allowed");
    assert!(
        method.header("allow").unwrap().contains("GET"),
        "{method:#?}"
    );
}
