//! Every operation of the OpenAPI document refuses callers without a token and callers without the right.

use serde_json::{Value, json};

use crate::{
    http::{Answer, Api, fresh_key, send},
    world::{World, shared},
};

/// Open to everybody, as the contract says.
const PUBLIC: &[&str] = &[
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /docs",
    "GET /problems/{code}",
    "GET /v1/regions",
    "GET /v1/status",
];

/// Open to every token: what it may see is its own.
const ANY_TOKEN: &[&str] = &[
    "GET /v1/search",
    "GET /v1/writes/{key}",
    "POST /v1/writes/{key}/void",
    "POST /v1/writes/verify",
];

/// Method and path of every operation of the document.
async fn operations(world: &World) -> Vec<(String, String)> {
    let document = world.manager("eu1").with(None).get("/openapi.json").await;
    let document = document.expect(200).json();
    let methods = ["get", "put", "post", "delete", "patch"];
    let paths = document["paths"].as_object().unwrap();
    let list: Vec<_> = paths
        .iter()
        .flat_map(|(path, item)| {
            let item = item.as_object().unwrap();
            let known = item
                .keys()
                .filter(|method| methods.contains(&method.as_str()));
            known
                .map(|method| (method.to_uppercase(), path.clone()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(list.len() >= 20, "{list:#?}");
    list
}

/// The path with something plausible in every place.
fn filled(path: &str) -> String {
    let values = [
        ("{code}", "ber"),
        ("{key}", "acceptance-key"),
        ("{currency}", "EUR"),
        ("{office}", "ber"),
        ("{period}", "2026-11"),
        ("{resources}", "orders,items"),
        ("{payment}", "pay_eu1_00000000000000000000000000"),
        ("{shipment}", "shp_eu1_00000000000000000000000000"),
        ("{return}", "ret_eu1_00000000000000000000000000"),
        ("{id}", "itm_g_00000000000000000000000000"),
    ];
    let filled = values.iter().fold(path.to_owned(), |path, (name, value)| {
        path.replace(name, value)
    });
    assert!(!filled.contains('{'), "give {path} a value");
    filled
}

async fn ask(api: &Api, method: &str, path: &str) -> Answer {
    let request = api.request(method, &filled(path));
    let request = match method {
        "GET" => request,
        _ => request
            .header("idempotency-key", fresh_key())
            .header("if-match", "\"1\"")
            .json(&json!({})),
    };
    send(request).await.unwrap()
}

#[tokio::test]
async fn no_operation_lacks_an_authorization_case() {
    let world = shared().await;
    let api = world.manager("eu1");
    let (nobody, garbage) = (api.with(None), api.with(Some("not.a.token".into())));
    // A good token that names no right at all, and one with every right but to change things.
    let powerless = api.with(Some(world.mint(json!({"scope": "", "offices": "*"}))));
    let reader = api.with(Some(world.token(&["--role", "viewer"])));
    let mut uncovered = Vec::new();
    for (method, path) in operations(world).await {
        let name = format!("{method} {path}");
        if PUBLIC.contains(&name.as_str()) {
            let answer = ask(&nobody, &method, &path).await;
            assert!(![401, 403].contains(&answer.status), "{name}: {answer:#?}");
            continue;
        }
        for stranger in [&nobody, &garbage] {
            ask(stranger, &method, &path)
                .await
                .expect_problem(401, "unauthenticated");
        }
        let answer = ask(&powerless, &method, &path).await;
        if ANY_TOKEN.contains(&name.as_str()) {
            assert!(![401, 403].contains(&answer.status), "{name}: {answer:#?}");
        } else if answer.status != 403 || answer.code() != "scope_missing" {
            uncovered.push(format!("{name} without any scope: {}", answer.status));
        } else if method != "GET" {
            ask(&reader, &method, &path)
                .await
                .expect_problem(403, "scope_missing");
        }
    }
    assert!(
        uncovered.is_empty(),
        "no authorization case: {uncovered:#?}"
    );
}

#[tokio::test]
async fn a_token_is_believed_only_whole() {
    let world = shared().await;
    let offices = |claims: Value| world.manager("us1").with(Some(world.mint(claims)));
    let good = json!({"scope": "offices:read", "offices": "*"});
    offices(good.clone()).get("/v1/offices").await.expect(200);
    for (member, value) in [
        ("iss", json!("https://elsewhere.example")),
        ("aud", json!("another-api")),
        ("exp", json!(1_000_000_000)),
        ("iss", Value::Null),
        ("aud", Value::Null),
        ("exp", Value::Null),
        ("sub", Value::Null),
    ] {
        let mut claims = good.clone();
        claims[member] = value.clone();
        let answer = offices(claims).get("/v1/offices").await;
        answer.expect_problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn a_token_reaches_its_offices_only() {
    let world = shared().await;
    let token = world.token(&["--role", "manager", "--offices", "ber,nyc"]);
    let api = world.manager("eu1").with(Some(token));
    // Reference data is shown whole.
    api.get("/v1/offices/waw").await.expect(200);
    let location = |office: &str| {
        json!({"code": format!("{office}-{}", &fresh_key()[11..]).chars().take(32).collect::<String>(),
            "office": office, "name": "Shop", "kind": "store"})
    };
    let theirs = api
        .post("/v1/warehouse/locations", &fresh_key(), &location("waw"))
        .await;
    theirs.expect_problem(403, "office_forbidden");
    assert_eq!(theirs.text_of("effect"), "none");
    api.post("/v1/warehouse/locations", &fresh_key(), &location("ber"))
        .await
        .expect(201);
    let nowhere = api
        .post("/v1/warehouse/locations", &fresh_key(), &location("xyz"))
        .await;
    nowhere.expect_problem(422, "validation_failed");
}

#[tokio::test]
async fn roles_hold_what_they_are_named_for() {
    let world = shared().await;
    let item = |api: Api| async move {
        api.post("/v1/warehouse/items", &fresh_key(), &json!({}))
            .await
    };
    for role in ["clerk", "manager"] {
        item(world.role("eu1", role))
            .await
            .expect_problem(422, "validation_failed");
    }
    // A viewer who sends nothing acceptable is told of the scope first.
    for role in ["viewer", "accountant", "operator"] {
        item(world.role("eu1", role))
            .await
            .expect_problem(403, "scope_missing");
    }
}
