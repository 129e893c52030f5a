//! `GET /v1/search` finds what the caller may read.

use axum::http::Method;
use kernel::Role;
use serde_json::{Value, json};
use testkit::{
    TestApp,
    app::{new_key, token},
};

use crate::Company;

async fn make_item(app: &TestApp, sku: &str, name: &str) -> Value {
    let item = json!({"sku": sku, "name": name, "description": "d", "country_of_origin": "DE", "unit": "each",
        "barcode": format!("bar-{sku}")});
    let made = app.post("/v1/warehouse/items", item).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.body
}

async fn search(app: &TestApp, q: &str) -> Vec<Value> {
    let q: String = q.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let answer = app.get(&format!("/v1/search?q={q}")).await;
    assert_eq!(answer.status, 200, "{q}: {}", answer.text);
    assert_eq!(answer.body["unreachable"], json!([]));
    answer.body["data"].as_array().unwrap().clone()
}

async fn ids(app: &TestApp, q: &str) -> Vec<String> {
    let hits = search(app, q).await;
    hits.iter()
        .map(|hit| hit["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_exactly_comes_first() {
    let company = Company::new().await;
    let app = company.app();
    let lamp = make_item(&app, "LAMP-7", "Grüne Tischlampe").await;
    let shade = make_item(&app, "SHADE-1", "LAMP-7 Schirm").await;
    let (lamp, shade) = (lamp["id"].as_str().unwrap(), shade["id"].as_str().unwrap());

    let hits = search(&app, " lamp-7").await;
    assert_eq!(
        hits[0],
        json!({"type": "item", "id": lamp, "title": "Grüne Tischlampe", "office": null, "score": 1.0})
    );
    assert_eq!(hits[1]["id"], shade);
    assert!(hits[1]["score"].as_f64().unwrap() >= 0.9, "{hits:?}");
    for q in [
        lamp,
        "bar-LAMP-7",
        "grüne",
        "GRÜNE TISCHLAMPE",
        "Grüne Tihslampe",
        "Grüne Tischlmape",
    ] {
        assert_eq!(ids(&app, q).await[0], lamp, "{q}");
    }
    let berlin = search(&app, "ber").await;
    let of = |kind: &str| {
        berlin
            .iter()
            .find(|hit| hit["type"] == kind)
            .unwrap()
            .clone()
    };
    assert_eq!(
        (&of("office")["id"], &of("office")["score"]),
        (&json!("ber"), &json!(1.0))
    );
    assert_eq!(of("location")["office"], "ber");
    let two = app.get("/v1/search?q=lamp&limit=1").await;
    assert_eq!(two.body["data"].as_array().unwrap().len(), 1);
    for limit in ["1000", "99999999999999999999"] {
        let many = app.get(&format!("/v1/search?q=lamp&limit={limit}")).await;
        assert_eq!(many.status, 200, "{limit} is taken as 50");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn renaming_and_deleting_move_the_hits() {
    let company = Company::new().await;
    let app = company.app();
    let item = make_item(&app, "SOFA-1", "Chaiselongue").await;
    let path = format!("/v1/warehouse/items/{}", item["id"].as_str().unwrap());
    let renamed = app.patch(&path, 1, json!({"name": "Ottomane"})).await;
    assert_eq!(renamed.status, 200, "{}", renamed.text);
    assert!(ids(&app, "chaiselongue").await.is_empty());
    assert_eq!(ids(&app, "ottomane").await, [item["id"].as_str().unwrap()]);
    let office = app
        .patch("/v1/offices/ber", 1, json!({"name": "Hauptstadtbüro"}))
        .await;
    assert_eq!(office.status, 200, "{}", office.text);
    assert_eq!(ids(&app, "hauptstadt").await, ["ber"]);
    let place = app.get("/v1/warehouse/locations?office=ber").await.body["data"][0].clone();
    let code = place["code"].as_str().unwrap();
    let version = place["version"].as_i64().unwrap();
    let path_of_place = format!("/v1/warehouse/locations/{code}");
    let moved = app
        .patch(&path_of_place, version, json!({"name": "Zwischenlager"}))
        .await;
    assert_eq!(moved.status, 200, "{}", moved.text);
    assert_eq!(ids(&app, "zwishcenlager").await, [code]);

    let gone = app
        .request(Method::DELETE, &path)
        .key(&new_key())
        .header("if-match", "\"2\"");
    assert_eq!(gone.send().await.status, 204);
    assert!(ids(&app, "ottomane").await.is_empty());
    assert!(ids(&app, "SOFA-1").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_found_too() {
    let company = Company::new().await;
    let app = company.app();
    let csv = "sku,name,description,country_of_origin,unit\nI-1,Importierte Vase,d,DE,each\nI-2,Karaffe,d,DE,each\n";
    let request = app.request(Method::POST, "/v1/warehouse/items/imports");
    let done = request.key(&new_key()).body("text/csv", csv).send().await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(search(&app, "vase").await[0]["title"], "Importierte Vase");
    assert_eq!(search(&app, "i-2").await[0]["title"], "Karaffe");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_token_may_read_is_found() {
    let company = Company::new().await;
    let app = company.app();
    make_item(&app, "BERLIN-1", "Berlin snow globe").await;
    let entry = json!({"office": "ber", "currency": "EUR", "description": "Opening balance",
        "postings": [{"debit": "1000", "credit": "1100", "amount_minor": 5}]});
    let entry = app.post("/v1/accounting/journal-entries", entry).await;
    assert_eq!(entry.status, 201, "{}", entry.text);
    let entry = entry.body["id"].as_str().unwrap().to_owned();
    let kinds = async |token: &str, q: &str| -> Vec<String> {
        let path = format!("/v1/search?q={q}");
        let answer = app.request_as(token, Method::GET, &path).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let hits = answer.body["data"].as_array().unwrap().clone();
        let mut kinds: Vec<_> = hits
            .iter()
            .map(|hit| hit["type"].as_str().unwrap().to_owned())
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    };
    let nyc = token(Role::Viewer, &["nyc"]);
    assert_eq!(
        kinds(&nyc, "berlin").await,
        ["item", "location", "office"],
        "reference data"
    );
    assert!(
        kinds(&nyc, &entry).await.is_empty(),
        "another office's books"
    );
    let ber = token(Role::Viewer, &["ber"]);
    assert_eq!(kinds(&ber, &entry).await, ["journal_entry"]);
    assert_eq!(search(&app, &entry).await[0]["title"], "Opening balance");
    let offices = testkit::app::token_with(&["offices:read"], &["*"]);
    assert_eq!(kinds(&offices, "berlin").await, ["office"]);
    assert!(kinds(&offices, &entry).await.is_empty());
    assert!(
        kinds(&testkit::app::token_with(&["audit:read"], &["*"]), "berlin")
            .await
            .is_empty()
    );
    let anonymous = app
        .request_as("", Method::GET, "/v1/search?q=berlin")
        .send()
        .await;
    assert_eq!(anonymous.problem(), (401, "unauthenticated"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_searched_for_is_refused() {
    let company = Company::new().await;
    let app = company.app();
    let long = "a".repeat(201);
    for (query, code) in [
        ("?q=a", "query_too_short"),
        ("?q=", "query_too_short"),
        ("?q=%20a%20%09", "query_too_short"),
        ("", "invalid_parameter"),
        ("?q=ab&limit=0", "invalid_parameter"),
        ("?q=ab&limit=x", "invalid_parameter"),
        (&format!("?q={long}"), "invalid_parameter"),
        ("?q=a%00b", "invalid_parameter"),
        ("?q=ab&offset=1", "unknown_parameter"),
    ] {
        let answer = app.get(&format!("/v1/search{query}")).await;
        assert_eq!(answer.problem(), (400, code), "{query}: {}", answer.text);
    }
    for query in ["ää", "%25%25", "%27%27", &"ä".repeat(200), "%5C%22%27;--"] {
        let query: String = query
            .chars()
            .map(|c| {
                if c == 'ä' {
                    "%C3%A4".into()
                } else {
                    c.to_string()
                }
            })
            .collect();
        let answer = app.get(&format!("/v1/search?q={query}")).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["data"]),
            (200, &json!([])),
            "{query}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_the_search_is_made_findable_once() {
    let company = Company::new().await;
    let app = company.app();
    let item = make_item(&app, "OLD-1", "Grandfather clock").await;
    company
        .db
        .query("DELETE FROM platform.search_entries")
        .await;
    assert!(ids(&app, "grandfather").await.is_empty());
    let places = company
        .db
        .count("SELECT count(*) FROM warehouse.locations")
        .await;
    let offices = company
        .db
        .count("SELECT count(*) FROM platform.offices")
        .await;
    let db = company.db.db();
    let indexed = hub::index_missing(&db).await.unwrap();
    assert_eq!(i64::try_from(indexed).unwrap(), 1 + places + offices);
    assert_eq!(hub::index_missing(&db).await.unwrap(), 0);
    assert_eq!(
        ids(&app, "grandfather").await,
        [item["id"].as_str().unwrap()]
    );
    assert_eq!(ids(&app, "ber").await[0], "ber");
}
