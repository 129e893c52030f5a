//! `expand` on levels, movements and reservations.

use axum::http::Method;
use kernel::Role;
use serde_json::{Value, json};
use testkit::{
    Answer,
    app::{token, token_with},
};

use crate::stock::{LEVELS, MOVEMENTS, Store};

const RESERVATIONS: &str = "/v1/warehouse/reservations";

/// Goods at ber-main and nyc-main, and a reservation at ber-main.
async fn filled() -> Store {
    let store = Store::new().await;
    for location in ["ber-main", "nyc-main"] {
        assert_eq!(store.receive(location, 10, 100).await.status, 201);
    }
    let hold = json!({"location": "ber-main", "item": store.items[0], "quantity": 1});
    assert_eq!(store.app.post(RESERVATIONS, hold).await.status, 201);
    store
}

async fn shown(store: &Store, path: &str) -> Value {
    let answer = store.app.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.body
}

/// The row as it is without `expand`, its ids replaced by what GET of them shows.
async fn expected(store: &Store, row: &Value, members: &[&str]) -> Value {
    let mut row = row.clone();
    for member in members {
        let id = row[*member].as_str().unwrap();
        row[*member] = match *member {
            "item" => shown(store, &format!("/v1/warehouse/items/{id}")).await,
            "location" => shown(store, &format!("/v1/warehouse/locations/{id}")).await,
            other => panic!("{other}"),
        };
    }
    row
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_id_names_stands_in_its_place() {
    let store = filled().await;
    for base in [LEVELS, MOVEMENTS, RESERVATIONS] {
        let plain = shown(&store, &format!("{base}?limit=1&order=asc")).await;
        let list = format!("{base}?limit=1&order=asc&expand=item,location");
        let expanded = shown(&store, &list).await;
        let row = &plain["data"][0];
        let both = expected(&store, row, &["item", "location"]).await;
        assert_eq!(expanded["data"], json!([both]), "{list}");
        let path = format!("{base}/{}", row["id"].as_str().unwrap());
        assert_eq!(
            shown(&store, &format!("{path}?expand=location,item")).await,
            both
        );
        let location = expected(&store, row, &["location"]).await;
        assert_eq!(
            shown(&store, &format!("{path}?expand=location")).await,
            location
        );
        assert_eq!(shown(&store, &path).await, *row);
    }
    // The walk goes on whatever is expanded on its pages.
    let first = shown(&store, &format!("{LEVELS}?limit=1&expand=item")).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = shown(
        &store,
        &format!("{LEVELS}?limit=1&cursor={cursor}&expand=item,location"),
    )
    .await;
    assert_eq!(second["data"][0]["location"]["code"], "ber-main");
    assert_eq!(first["data"][0]["item"]["sku"], "LAMP-7");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_movement_shows_the_entry_of_another_system() {
    let store = filled().await;
    let list = format!("{MOVEMENTS}?office=ber&expand=journal_entry,item");
    let movement = shown(&store, &list).await["data"][0].clone();
    let entry = &movement["journal_entry"];
    assert!(
        entry["id"].as_str().unwrap().starts_with("jrn_eu1_"),
        "{entry}"
    );
    assert_eq!(
        entry["postings"][0]["amount_minor"],
        movement["value_delta_minor"]
    );
    let path = format!("{MOVEMENTS}/{}", movement["id"].as_str().unwrap());
    let one = shown(&store, &format!("{path}?expand=item,journal_entry")).await;
    assert_eq!(one, movement);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_what_is_named_does_not_see_it() {
    let store = filled().await;
    let id = shown(&store, &format!("{MOVEMENTS}?office=nyc")).await["data"][0]["id"].clone();
    let path = format!("{MOVEMENTS}/{}", id.as_str().unwrap());
    let get = async |token: &str, path: &str| -> Answer {
        store.app.request_as(token, Method::GET, path).send().await
    };
    let goods = token_with(&["warehouse:read"], &["*"]);
    assert_eq!(
        get(&goods, &format!("{path}?expand=item,location"))
            .await
            .status,
        200
    );
    let refused = get(&goods, &format!("{path}?expand=item,journal_entry")).await;
    assert_eq!(refused.problem(), (403, "scope_missing"));
    assert_eq!(refused.body["scope"], "accounting:read");
    let berlin = token(Role::Viewer, &["ber"]);
    let refused = get(&berlin, &format!("{path}?expand=journal_entry")).await;
    assert_eq!(refused.problem(), (403, "office_forbidden"));
    let listed = get(&berlin, &format!("{MOVEMENTS}?expand=journal_entry")).await;
    assert_eq!(listed.body["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_that_there_are_not_are_refused() {
    let store = filled().await;
    for (query, code) in [
        ("expand=items", "enum"),
        ("expand=", "enum"),
        ("expand=item,", "enum"),
        ("expand=item,journal_entry", "enum"),
        ("expand=item.prices", "enum"),
        ("expand=item,item,item,item,item", "too_many"),
        ("expand=item&expand=location", "repeated"),
    ] {
        let answer = store.app.get(&format!("{LEVELS}?{query}")).await;
        assert_eq!(
            answer.problem(),
            (400, "invalid_parameter"),
            "{query}: {}",
            answer.text
        );
        assert_eq!(answer.body["errors"][0]["parameter"], "expand");
        assert_eq!(
            answer.body["errors"][0]["code"], code,
            "{query}: {}",
            answer.text
        );
    }
    let named = store.app.get(&format!("{LEVELS}?expand=items")).await;
    let detail = named.body["detail"].as_str().unwrap();
    assert!(detail.contains("item, location"), "{detail}");
    let nowhere = store.app.get("/v1/warehouse/items?expand=item").await;
    assert_eq!(nowhere.problem(), (400, "unknown_parameter"));
    assert_eq!(
        store
            .app
            .get(&format!("{LEVELS}?expand=item,item"))
            .await
            .status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tag_is_weak_and_changes_with_what_is_shown() {
    let store = filled().await;
    let level = shown(&store, &format!("{LEVELS}?office=ber")).await["data"][0].clone();
    let path = format!("{LEVELS}/{}", level["id"].as_str().unwrap());
    let expanded = format!("{path}?expand=item");
    let version = level["version"].as_i64().unwrap();
    let strong = format!("\"{version}\"");
    assert_eq!(store.app.get(&path).await.header("etag"), strong);
    let first = store.app.get(&expanded).await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with(&format!("W/\"{version}-")), "{tag}");
    let ask = async |path: &str, tag: &str| {
        let request = store.app.request(Method::GET, path);
        request
            .header("if-none-match", tag)
            .send()
            .await
            .status
            .as_u16()
    };
    assert_eq!(ask(&expanded, &tag).await, 304);
    assert_eq!(ask(&expanded, &strong).await, 200, "another representation");
    assert_eq!(ask(&path, &tag).await, 200, "another representation");
    assert_eq!(ask(&path, &strong).await, 304);
    let item = format!("/v1/warehouse/items/{}", store.items[0]);
    assert_eq!(
        store
            .app
            .patch(&item, 1, json!({"name": "Renamed"}))
            .await
            .status,
        200
    );
    assert_eq!(ask(&path, &strong).await, 304, "the level is as it was");
    assert_eq!(ask(&expanded, &tag).await, 200, "the item is not");
    let renamed = store.app.get(&expanded).await;
    assert_ne!(renamed.header("etag"), tag);
    assert_eq!(renamed.body["item"]["name"], "Renamed");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_as_of_what_was_there_is_expanded() {
    let store = filled().await;
    let movement = shown(&store, &format!("{MOVEMENTS}?office=ber")).await["data"][0].clone();
    let at = movement["recorded_at"].as_str().unwrap();
    let level = shown(
        &store,
        &format!("{LEVELS}?office=ber&as_of={at}&expand=item,location"),
    )
    .await;
    assert_eq!(level["data"][0]["item"]["id"], store.items[0]);
    assert_eq!(level["data"][0]["location"]["code"], "ber-main");
    let id = level["data"][0]["id"].as_str().unwrap();
    let one = store
        .app
        .get(&format!("{LEVELS}/{id}?as_of={at}&expand=item"))
        .await;
    assert_eq!((one.status.as_u16(), one.header("etag")), (200, ""));
}
