//! `/v1/warehouse/items`

use axum::http::Method;
use kernel::{Clock, Role};
use serde_json::{Value, json};
use testkit::{
    Engine,
    app::{new_key, patiently, token},
    eventually,
};

use crate::Warehouse;

const ITEMS: &str = "/v1/warehouse/items";

pub(crate) fn lamp(sku: &str) -> Value {
    json!({
        "sku": sku, "name": "Desk lamp", "description": "A lamp.", "country_of_origin": "DE", "unit": "each",
        "prices": [{"currency": "EUR", "amount_minor": 10_000}, {"currency": "JPY", "amount_minor": 1_500}],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_made_in_one_region_is_read_in_another() {
    let warehouse = Warehouse::new().await;
    let made = warehouse.in_region("eu1").post(ITEMS, lamp("LAMP-7")).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let path = made.header("location").to_owned();
    assert_eq!(
        path,
        format!("{ITEMS}/{}", made.body["id"].as_str().unwrap())
    );
    assert_eq!(made.header("etag"), "\"1\"");
    let read = warehouse.in_region("ap1").get(&path).await;
    assert_eq!(read.body, made.body);
    assert_eq!(read.body["office"], Value::Null);
    assert_eq!(read.body["prices"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_the_stored_answer_in_any_region_and_another_body_is_refused() {
    let warehouse = Warehouse::new().await;
    let key = new_key();
    let send = async |region: &str, body: Value| {
        let app = warehouse.in_region(region);
        app.request(Method::POST, ITEMS)
            .key(&key)
            .json(&body)
            .send()
            .await
    };
    let first = send("eu1", lamp("LAMP-7")).await;
    let again = send("us1", lamp("LAMP-7")).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(
        send("ap1", lamp("LAMP-8")).await.problem(),
        (422, "idempotency_key_reused")
    );
    // The key row is looked at before the body is judged.
    assert_eq!(
        send("ap1", json!({})).await.problem(),
        (422, "idempotency_key_reused")
    );
    assert_eq!(
        warehouse
            .db
            .count("SELECT count(*) FROM warehouse.items")
            .await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_04_twins_with_one_sku_get_one_answer_and_strangers_are_told() {
    let warehouse = Warehouse::new().await;
    let key = new_key();
    let apps = ["eu1", "us1", "ap1"].map(|region| warehouse.in_region(region));
    let twins = (0..24).map(|n| {
        let request = apps[n % 3].request(Method::POST, ITEMS).key(&key);
        request.json(&lamp("LAMP-7")).send()
    });
    let answers = futures_util::future::join_all(twins).await;
    for answer in &answers {
        assert_eq!(
            (answer.status.as_u16(), &answer.body),
            (201, &answers[0].body)
        );
    }
    let stranger = apps[0].post(ITEMS, lamp("LAMP-7")).await;
    assert_eq!(stranger.problem(), (409, "sku_taken"));
    assert_eq!(stranger.body["effect"], "none");
    assert_eq!(
        warehouse
            .db
            .count("SELECT count(*) FROM platform.audit_log")
            .await,
        1
    );
    assert_eq!(
        warehouse
            .db
            .count("SELECT count(*) FROM platform.events")
            .await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_rule_of_a_body_is_named_and_nothing_is_written() {
    let app = Warehouse::new().await;
    let refused = app
        .app()
        .post(
            ITEMS,
            json!({
                "sku": " ", "name": "n".repeat(201), "description": "a\u{0}b", "country_of_origin": "XX",
                "unit": "kg", "barcode": 7, "colour": "red", "status": "active",
                "prices": [{"currency": "eur", "amount_minor": 1.0}, {"currency": "EUR", "amount_minor": -1}],
            }),
        )
        .await;
    assert_eq!(refused.problem(), (422, "validation_failed"));
    let mut pointers = refused.pointers();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            "/barcode",
            "/colour",
            "/country_of_origin",
            "/description",
            "/name",
            "/prices/0/amount_minor",
            "/prices/0/currency",
            "/prices/1/amount_minor",
            "/sku",
            "/status",
            "/unit",
        ]
    );
    let count =
        "SELECT (SELECT count(*) FROM warehouse.items) + (SELECT count(*) FROM platform.audit_log)";
    assert_eq!(app.db.count(count).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_40_a_merge_patch_changes_what_it_names_and_null_clears() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    let mut body = lamp("LAMP-7");
    body["barcode"] = json!("4006381333931");
    let made = app.post(ITEMS, body).await;
    let path = made.header("location").to_owned();
    let changed = app
        .patch(&path, 1, json!({"name": "Floor lamp", "barcode": null}))
        .await;
    assert_eq!(
        (changed.status.as_u16(), changed.version()),
        (200, 2),
        "{}",
        changed.body
    );
    assert_eq!(changed.body["name"], "Floor lamp");
    assert_eq!(changed.body["barcode"], Value::Null);
    assert_eq!(changed.body["description"], "A lamp.");
    // Nothing changes: the version stays.
    let same = app.patch(&path, 2, json!({"name": "Floor lamp"})).await;
    assert_eq!((same.status.as_u16(), same.version()), (200, 2));
    for (body, pointer) in [
        (json!({"sku": "X"}), "/sku"),
        (json!({"name": null}), "/name"),
        (json!({"prices": []}), "/prices"),
        (json!({"version": 3}), "/version"),
        (json!({"unit": "g"}), "/unit"),
    ] {
        let refused = app.patch(&path, 2, body).await;
        assert_eq!(
            (refused.problem(), refused.pointers()),
            ((422, "validation_failed"), vec![pointer])
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn preconditions_are_checked_after_existence() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    let made = app.post(ITEMS, lamp("LAMP-7")).await;
    let path = made.header("location").to_owned();
    let body = json!({"name": "Lamp"});
    let bare = app.request(Method::PATCH, &path).json(&body).send().await;
    assert_eq!(bare.problem(), (428, "if_match_required"));
    assert_eq!(
        app.patch(&path, 9, body.clone()).await.problem(),
        (412, "version_changed")
    );
    let absent = format!("{}0", &path[..path.len() - 1]);
    let absent = if absent == path {
        format!("{}1", &path[..path.len() - 1])
    } else {
        absent
    };
    let missing = app.request(Method::PATCH, &absent).json(&body).send().await;
    assert_eq!(missing.problem(), (404, "not_found"));
    assert_eq!(
        app.get(&format!("{ITEMS}/lamp")).await.problem(),
        (400, "invalid_parameter")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_28_an_item_goes_while_nothing_refers_to_it() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    let path = app
        .post(ITEMS, lamp("LAMP-7"))
        .await
        .header("location")
        .to_owned();
    let used = app.post(ITEMS, lamp("LAMP-8")).await;
    let used_path = used.header("location").to_owned();
    // What a later release's tables will do: refer to the item.
    warehouse
        .db
        .query(
            "CREATE TABLE warehouse.uses (item UUID, CONSTRAINT uses_item_fkey FOREIGN KEY (item) \
             REFERENCES warehouse.items (id))",
        )
        .await;
    warehouse
        .db
        .query("INSERT INTO warehouse.uses SELECT id FROM warehouse.items WHERE sku = 'LAMP-8'")
        .await;
    let delete = async |path: &str| {
        app.request(Method::DELETE, path)
            .header("if-match", "\"1\"")
            .key(&new_key())
            .send()
            .await
    };
    assert_eq!(delete(&used_path).await.problem(), (409, "item_in_use"));
    assert_eq!(delete(&path).await.status, 204);
    assert_eq!(app.get(&path).await.problem(), (404, "not_found"));
    let kinds = "SELECT kind FROM platform.events WHERE kind = 'warehouse.item.deleted'";
    assert_eq!(warehouse.db.query(kinds).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_shows_each_item_once_while_others_come_and_go() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    for n in 0..7 {
        assert_eq!(app.post(ITEMS, lamp(&format!("SKU-{n}"))).await.status, 201);
    }
    for order in ["asc", "desc"] {
        let mut skus = Vec::new();
        let mut path = format!("{ITEMS}?limit=3&order={order}");
        loop {
            let page = app.get(&path).await;
            assert_eq!(page.status, 200, "{}", page.body);
            let data = page.body["data"].as_array().unwrap();
            skus.extend(
                data.iter()
                    .map(|item| item["sku"].as_str().unwrap().to_owned()),
            );
            // A moment is a millisecond: what is made later in the one of the page belongs to the walk.
            let page_at = Clock::System.now();
            eventually("the next millisecond", async || {
                Clock::System.now() > page_at
            })
            .await;
            let late = app
                .post(ITEMS, lamp(&format!("LATE-{order}-{}", skus.len())))
                .await;
            assert_eq!(late.status, 201);
            let Some(cursor) = page.body["next_cursor"].as_str() else {
                break;
            };
            path = format!("{ITEMS}?limit=3&order={order}&cursor={cursor}");
        }
        let old: Vec<&String> = skus.iter().filter(|sku| sku.starts_with("SKU-")).collect();
        assert_eq!(old.len(), 7, "{skus:?}");
        assert!(
            !skus
                .iter()
                .any(|sku| sku.starts_with(&format!("LATE-{order}"))),
            "{skus:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_by_sku_status_and_age() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    let made = app.post(ITEMS, lamp("LAMP-7")).await;
    app.post(ITEMS, lamp("LAMP-8")).await;
    let path = made.header("location");
    assert_eq!(
        app.patch(path, 1, json!({"status": "archived"}))
            .await
            .status,
        200
    );
    let skus = async |query: &str| -> Vec<String> {
        let page = app.get(&format!("{ITEMS}?{query}")).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let data = page.body["data"].as_array().unwrap();
        data.iter()
            .map(|item| item["sku"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(skus("status=archived").await, ["LAMP-7"]);
    assert_eq!(skus("sku=LAMP-8").await, ["LAMP-8"]);
    assert_eq!(skus("sku=LAMP-8&status=archived").await, [""; 0]);
    assert_eq!(skus("sku=lamp-8").await, [""; 0]);
    let at = made.body["created_at"].as_str().unwrap();
    assert_eq!(
        skus(&format!("created_from={at}&created_to={at}")).await,
        ["LAMP-7"]
    );
    assert_eq!(
        app.get(&format!("{ITEMS}?status=gone")).await.problem(),
        (400, "invalid_parameter")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_reads_and_does_not_write() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    let viewer = token(Role::Viewer, &["*"]);
    let read = app.request_as(&viewer, Method::GET, ITEMS).send().await;
    assert_eq!(read.status, 200);
    let write = app
        .request_as(&viewer, Method::POST, ITEMS)
        .json(&json!({}))
        .send()
        .await;
    assert_eq!(write.problem(), (403, "scope_missing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_answers_as_the_real_one_and_leaves_nothing() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    let path = format!("{ITEMS}?dry_run=true");
    let rehearsed = app
        .request(Method::POST, &path)
        .json(&lamp("LAMP-7"))
        .send()
        .await;
    assert_eq!(
        (rehearsed.status.as_u16(), rehearsed.header("dry-run")),
        (201, "true")
    );
    let counts = "SELECT (SELECT count(*) FROM warehouse.items) + (SELECT count(*) FROM platform.audit_log) \
                  + (SELECT count(*) FROM platform.events) + (SELECT count(*) FROM platform.idempotency_keys)";
    assert_eq!(warehouse.db.count(counts).await, 0);
    app.post(ITEMS, lamp("LAMP-7")).await;
    let taken = app
        .request(Method::POST, &path)
        .json(&lamp("LAMP-7"))
        .send()
        .await;
    assert_eq!(taken.problem(), (409, "sku_taken"));
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_07_many_writers_of_one_item_wait_in_line() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    let path = app
        .post(ITEMS, lamp("LAMP-7"))
        .await
        .header("location")
        .to_owned();
    // By locks that PostgreSQL alone has. Elsewhere they meet at the row: some write again, some are told to come again.
    let queues = warehouse.db.engine() == Engine::Postgres;
    let writers = (0..64).map(|n| {
        let (app, path, key) = (&app, &path, new_key());
        let request = move || {
            let request = app.request(Method::PATCH, path).header("if-match", "*");
            let request = request.key(&key);
            request.json(&json!({"name": format!("Lamp {n}")}))
        };
        async move {
            match queues {
                true => request().send().await,
                false => patiently(request).await,
            }
        }
    });
    for answer in futures_util::future::join_all(writers).await {
        assert_eq!(answer.status, 200, "{}", answer.body);
        let cost = answer.header("request-cost");
        assert!(!queues || cost.contains("retries=0"), "{cost}");
    }
    assert_eq!(app.get(&path).await.version(), 65);
    let versions = "SELECT count(DISTINCT resource_version) FROM platform.events";
    assert_eq!(
        warehouse.db.count(versions).await,
        65,
        "hard case 23: versions have no gaps"
    );
}
