//! `/v1/audit`

use axum::http::Method;
use kernel::Role;
use serde_json::{Value, json};
use testkit::app::{new_key, token};

use crate::{
    Company,
    reports::{item, receive},
};

fn rows(page: &Value) -> &Vec<Value> {
    page["data"].as_array().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_is_listed_with_who_and_what() {
    let company = Company::new().await;
    let app = company.app();
    let key = new_key();
    let place = json!({"code": "nyc-shop", "office": "nyc", "name": "Shop", "kind": "store"});
    let made = app
        .request(Method::POST, "/v1/warehouse/locations")
        .key(&key)
        .json(&place)
        .send()
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let changed = app
        .patch(made.header("location"), 1, json!({"name": "Store"}))
        .await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let page = company.in_region("ap1").get("/v1/audit?limit=2").await;
    assert_eq!(page.status, 200, "{}", page.text);
    let [change, creation] = rows(&page.body).as_slice() else {
        panic!("{}", page.text)
    };
    assert_eq!(creation["key"], key);
    assert_eq!(
        (&creation["who"], &creation["action"], &creation["region"]),
        (
            &json!("test:manager"),
            &json!("create_location"),
            &json!("eu1")
        )
    );
    assert_eq!(creation["request_id"], made.header("request-id"));
    assert_eq!(
        (&creation["before"], &creation["after"]["name"]),
        (&Value::Null, &json!("Shop"))
    );
    assert_eq!(
        (&change["before"]["name"], &change["after"]["name"]),
        (&json!("Shop"), &json!("Store"))
    );
    assert_eq!(creation["ids"], json!(["nyc-shop"]));
    assert_eq!(creation["event_ids"].as_array().unwrap().len(), 1);
    assert!(
        creation["scopes"]
            .as_array()
            .unwrap()
            .contains(&json!("warehouse:write"))
    );
    for filter in [
        format!("key={key}"),
        format!("request_id={}", made.header("request-id")),
        "action=create_location&who=test:manager&office=nyc".to_owned(),
    ] {
        let found = app.get(&format!("/v1/audit?{filter}")).await;
        assert_eq!(
            rows(&found.body),
            std::slice::from_ref(creation),
            "{filter}"
        );
    }
    // Work in the background says which worker did it.
    let loaded = app.get("/v1/audit?order=asc&limit=1").await;
    assert!(
        rows(&loaded.body)[0]["who"]
            .as_str()
            .unwrap()
            .starts_with("system:"),
        "{}",
        loaded.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_shows_every_row_once_in_either_order() {
    let company = Company::new().await;
    let app = company.app();
    let lamp = item(&app, "LAMP-7").await;
    for n in 0..9 {
        receive(
            &app,
            ["ber-main", "nyc-main", "tyo-main"][n % 3],
            &lamp,
            (1, 10),
        )
        .await;
    }
    let walk = async |filters: &str| {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = app.get(&format!("/v1/audit?limit=4{filters}{after}")).await;
            assert_eq!(page.status, 200, "{}", page.text);
            seen.extend(
                rows(&page.body)
                    .iter()
                    .map(|row| row["id"].as_str().unwrap().to_owned()),
            );
            match page.body["next_cursor"].as_str() {
                Some(cursor) => after = format!("&cursor={cursor}"),
                None => return seen,
            }
        }
    };
    let mut descending = walk("").await;
    let count = company
        .db
        .count("SELECT count(*) FROM platform.audit_log")
        .await;
    assert_eq!(descending.len() as i64, count);
    descending.reverse();
    assert_eq!(walk("&order=asc").await, descending);
    assert_eq!(walk("&office=nyc&action=receive_stock").await.len(), 3);
    let last = app.get("/v1/audit?limit=1").await;
    let at = rows(&last.body)[0]["at"].as_str().unwrap();
    assert_eq!(
        walk(&format!("&created_from={at}&created_to={at}"))
            .await
            .len(),
        1
    );
    assert_eq!(walk("&created_to=2020-01-01T00:00:00Z").await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_sees_its_offices_and_what_belongs_to_none() {
    let company = Company::new().await;
    let app = company.app();
    let lamp = item(&app, "LAMP-7").await;
    receive(&app, "ber-main", &lamp, (1, 10)).await;
    receive(&app, "nyc-main", &lamp, (1, 10)).await;
    let auditor = token(Role::Accountant, &["nyc"]);
    let ask = async |query: &str| {
        app.request_as(&auditor, Method::GET, &format!("/v1/audit{query}"))
            .send()
            .await
    };
    let shown = ask("?limit=200").await;
    let offices: std::collections::BTreeSet<_> = rows(&shown.body)
        .iter()
        .map(|row| row["office"].as_str())
        .collect();
    assert_eq!(offices.into_iter().collect::<Vec<_>>(), [None, Some("nyc")]);
    assert_eq!(
        rows(&ask("?office=nyc&action=receive_stock").await.body).len(),
        1
    );
    assert_eq!(
        ask("?office=ber").await.problem(),
        (403, "office_forbidden")
    );
    assert_eq!(
        ask("?office=nowhere").await.problem(),
        (400, "invalid_parameter")
    );
    let viewer = token(Role::Viewer, &["*"]);
    let refused = app
        .request_as(&viewer, Method::GET, "/v1/audit")
        .send()
        .await;
    assert_eq!(refused.problem(), (403, "scope_missing"));
}
