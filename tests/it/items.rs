//! One write, through several regions.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    http::{Answer, fresh_key},
    world::shared,
};

const ITEMS: &str = "/v1/warehouse/items";

fn lamp(sku: &str) -> Value {
    json!({
        "sku": sku, "name": "Lamp", "description": "A lamp that stands on a desk.", "country_of_origin": "DE",
        "unit": "each", "prices": [{"currency": "EUR", "amount_minor": 10_000}, {"currency": "JPY", "amount_minor": 1_600}]
    })
}

/// What a replay keeps.
fn stored(answer: &Answer) -> (u16, &str, Option<&str>, Option<&str>) {
    (
        answer.status,
        &answer.text,
        answer.header("etag"),
        answer.header("location"),
    )
}

#[tokio::test]
async fn an_item_made_in_one_region_is_read_in_another() {
    let world = shared().await;
    let sku = fresh_key();
    let created = world
        .manager("eu1")
        .post(ITEMS, &fresh_key(), &lamp(&sku))
        .await;
    created.expect(201);
    assert_eq!(created.header("etag"), Some("\"1\""));
    let location = created.header("location").unwrap().to_owned();
    assert_eq!(location, format!("{ITEMS}/{}", created.text_of("id")));

    let read = world.manager("ap1").get(&location).await;
    read.expect(200);
    assert_eq!(read.json(), created.json());
    assert!(
        read.header("served-by").unwrap().starts_with("ap1"),
        "{read:#?}"
    );
    let item = read.json();
    assert_eq!(
        (&item["sku"], &item["version"], &item["status"]),
        (&json!(sku), &json!(1), &json!("active"))
    );
    // Items live everywhere.
    assert_eq!(
        (&item["office"], &item["home_region"]),
        (&Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn a_repeat_through_another_region_is_the_first_answer() {
    let world = shared().await;
    let (key, body) = (fresh_key(), lamp(&fresh_key()));
    let first = world.manager("eu1").post(ITEMS, &key, &body).await;
    first.expect(201);
    assert_eq!(first.header("idempotent-replayed"), None);

    let repeat = world.manager("us1").post(ITEMS, &key, &body).await;
    assert_eq!(stored(&repeat), stored(&first));
    assert_eq!(repeat.header("idempotent-replayed"), Some("true"));
    assert_ne!(repeat.header("request-id"), first.header("request-id"));

    // A key may be quoted, as the draft has it.
    let quoted = world
        .manager("ap1")
        .post(ITEMS, &format!("\"{key}\""), &body)
        .await;
    assert_eq!(stored(&quoted), stored(&first));

    let mut other = body.clone();
    other["name"] = json!("Another lamp");
    let reused = world.manager("us1").post(ITEMS, &key, &other).await;
    reused.expect_problem(422, "idempotency_key_reused");
    assert_eq!(reused.text_of("effect"), "none");
}

#[tokio::test]
async fn a_write_without_a_key_is_refused() {
    let world = shared().await;
    let request = world
        .manager("eu1")
        .request("POST", ITEMS)
        .json(&lamp(&fresh_key()));
    let answer = crate::http::send(request).await.unwrap();
    answer.expect_problem(400, "idempotency_key_required");
    assert_eq!(answer.text_of("effect"), "none");
}

#[tokio::test]
async fn two_hundred_copies_over_three_regions_leave_one_item() {
    let world = shared().await;
    let sku = fresh_key();
    let (key, body) = (fresh_key(), lamp(&sku));
    let apis: Vec<_> = ["eu1", "us1", "ap1"].map(|tag| world.manager(tag)).into();
    let copies = (0..200).map(|copy| apis[copy % 3].post(ITEMS, &key, &body));
    let answers = join_all(copies).await;
    let distinct: BTreeSet<_> = answers.iter().map(stored).collect();
    assert_eq!(distinct.len(), 1, "{distinct:#?}");
    answers[0].expect(201);
    let fresh = answers
        .iter()
        .filter(|answer| answer.header("idempotent-replayed").is_none())
        .count();
    assert_eq!(fresh, 1, "one wrote, the others replay");

    let found = world
        .manager("ap1")
        .get(&format!("{ITEMS}?sku={sku}"))
        .await;
    found.expect(200);
    assert_eq!(found.json()["data"].as_array().unwrap().len(), 1);
    let verified = world
        .manager("us1")
        .post("/v1/writes/verify", &fresh_key(), &json!({"keys": [key]}))
        .await;
    verified.expect(200);
    assert_eq!(verified.json()["keys"], json!([{"key": key, "effects": 1}]));
}

#[tokio::test]
async fn a_dry_run_answers_as_the_write_would_and_leaves_nothing() {
    let world = shared().await;
    let sku = fresh_key();
    let request = world
        .manager("eu1")
        .request("POST", &format!("{ITEMS}?dry_run=true"))
        .json(&lamp(&sku));
    let answer = crate::http::send(request).await.unwrap();
    answer.expect(201);
    assert_eq!(answer.header("dry-run"), Some("true"));
    assert_eq!(answer.text_of("sku"), sku);
    let found = world
        .manager("eu1")
        .get(&format!("{ITEMS}?sku={sku}"))
        .await;
    assert_eq!(found.json()["data"], json!([]));
}

#[tokio::test]
async fn a_stale_version_changes_nothing() {
    let world = shared().await;
    let api = world.manager("eu1");
    let created = api.post(ITEMS, &fresh_key(), &lamp(&fresh_key())).await;
    let path = created.header("location").unwrap().to_owned();
    let rename = |etag: Option<&str>, name: &str| {
        let request = api.request("PATCH", &path).json(&json!({"name": name}));
        crate::http::send(match etag {
            Some(etag) => request.header("if-match", etag.to_owned()),
            None => request,
        })
    };
    rename(None, "One")
        .await
        .unwrap()
        .expect_problem(428, "if_match_required");
    let renamed = rename(Some("\"1\""), "Two").await.unwrap();
    renamed.expect(200);
    assert_eq!(renamed.header("etag"), Some("\"2\""));
    rename(Some("\"1\""), "Three")
        .await
        .unwrap()
        .expect_problem(412, "version_changed");
    let read = world.manager("us1").get(&path).await;
    assert_eq!(
        (read.text_of("name"), read.header("etag")),
        ("Two".into(), Some("\"2\""))
    );

    let unchanged = crate::http::send(api.request("GET", &path).header("if-none-match", "\"2\""))
        .await
        .unwrap();
    unchanged.expect(304);
    assert!(unchanged.text.is_empty());
}

#[tokio::test]
async fn a_receipt_tells_what_became_of_a_write() {
    let world = shared().await;
    let key = fresh_key();
    let created = world
        .manager("eu1")
        .post(ITEMS, &key, &lamp(&fresh_key()))
        .await;
    let receipt = world.manager("ap1").get(&format!("/v1/writes/{key}")).await;
    receipt.expect(200);
    let receipt = receipt.json();
    assert_eq!(
        (&receipt["status"], &receipt["settled"]),
        (&json!("committed"), &json!(true))
    );
    assert_eq!(receipt["effect_ids"], json!([created.text_of("id")]));
    assert_eq!(receipt["region"], "eu1");

    let stranger = world.token(&["--role", "manager", "--sub", "somebody-else"]);
    let theirs = world
        .manager("eu1")
        .with(Some(stranger))
        .get(&format!("/v1/writes/{key}"))
        .await;
    theirs.expect(200);
    assert_eq!(theirs.text_of("status"), "unknown");

    // What was never written is made certain by voiding the key.
    let unused = fresh_key();
    let voided = world
        .manager("us1")
        .post(
            &format!("/v1/writes/{unused}/void"),
            &fresh_key(),
            &json!({}),
        )
        .await;
    voided.expect(200);
    assert_eq!(
        (voided.text_of("status"), &voided.json()["settled"]),
        ("void".into(), &json!(true))
    );
    let late = world
        .manager("eu1")
        .post(ITEMS, &unused, &lamp(&fresh_key()))
        .await;
    late.expect_problem(409, "key_voided");
}

#[tokio::test]
async fn pages_show_every_item_once() {
    let world = shared().await;
    let api = world.manager("eu1");
    for _ in 0..5 {
        api.post(ITEMS, &fresh_key(), &lamp(&fresh_key()))
            .await
            .expect(201);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world
            .manager("us1")
            .get(&format!("{ITEMS}?limit=2{cursor}"))
            .await;
        page.expect(200);
        // What is made during the walk is not in its snapshot.
        api.post(ITEMS, &fresh_key(), &lamp(&fresh_key()))
            .await
            .expect(201);
        let page = page.json();
        seen.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(next) if seen.len() < 40 => cursor = format!("&cursor={next}"),
            _ => break,
        }
    }
    let distinct: BTreeSet<_> = seen.iter().collect();
    assert_eq!(distinct.len(), seen.len());
    assert!(seen.len() >= 5);
    let changed = api
        .get(&format!("{ITEMS}?limit=2&status=archived{cursor}"))
        .await;
    changed.expect_problem(400, "cursor_mismatch");
}
