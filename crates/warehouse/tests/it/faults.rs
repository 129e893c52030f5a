//! Every write under every fault of the switch: exactly one effect, and the retry counter moved.

use axum::http::Method;
use platform_db::Fault;
use serde_json::{Value, json};
use testkit::app::new_key;

use crate::{Warehouse, app, items::lamp};

/// One write: operation, method, path, precondition, body.
struct Write {
    operation: &'static str,
    method: Method,
    path: String,
    if_match: Option<&'static str>,
    body: Value,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_has_exactly_one_effect_under_every_fault() {
    let warehouse = Warehouse::new().await;
    let db = warehouse.db.db_in("eu1");
    let app = app(db.clone(), "eu1");
    let faults = [
        Fault::Serialization { attempts: 2 },
        Fault::BeforeCommit { attempts: 2 },
        Fault::ReplyLost,
        Fault::CommitLost,
    ];
    for (round, fault) in faults.into_iter().enumerate() {
        let item = app
            .post("/v1/warehouse/items", lamp(&format!("BASE-{round}")))
            .await;
        let doomed = app
            .post("/v1/warehouse/items", lamp(&format!("GONE-{round}")))
            .await;
        let place =
            json!({"code": format!("base-{round}"), "office": "ber", "name": "n", "kind": "depot"});
        let place = app.post("/v1/warehouse/locations", place).await;
        let stock = json!({"location": format!("base-{round}"), "item": item.body["id"]});
        let others = writes(
            round,
            item.header("location"),
            doomed.header("location"),
            place.header("location"),
        );
        for write in others.into_iter().chain(stock_writes(&stock)) {
            let key = new_key();
            db.faults().set(write.operation, fault);
            let send = async || {
                let mut request = app.request(write.method.clone(), &write.path).key(&key);
                if let Some(version) = write.if_match {
                    request = request.header("if-match", version);
                }
                request.json(&write.body).send().await
            };
            let first = send().await;
            assert!(
                first.status.is_success(),
                "{} under {fault:?}: {}",
                write.operation,
                first.body
            );
            assert!(
                db.faults().hits(write.operation) > 0,
                "{} under {fault:?}",
                write.operation
            );
            let again = send().await;
            assert_eq!((again.status, &again.body), (first.status, &first.body));
            assert_eq!(again.header("idempotent-replayed"), "true");
            let effects = format!("SELECT count(*) FROM platform.audit_log WHERE key = '{key}'");
            assert_eq!(
                warehouse.db.count(&effects).await,
                1,
                "{} under {fault:?}",
                write.operation
            );
        }
    }
    let events = warehouse
        .db
        .count("SELECT count(*) FROM platform.events")
        .await;
    let listed = "SELECT count(*) FROM (SELECT unnest(event_ids) FROM platform.audit_log) AS ids";
    assert_eq!(
        events,
        warehouse.db.count(listed).await,
        "hard case 23: audit rows list every event"
    );
}

fn writes(round: usize, item: &str, doomed: &str, place: &str) -> Vec<Write> {
    let write = |operation, method, path: &str, if_match, body| Write {
        operation,
        method,
        path: path.to_owned(),
        if_match,
        body,
    };
    let location =
        json!({"code": format!("new-{round}"), "office": "ber", "name": "n", "kind": "depot"});
    vec![
        write(
            "create_item",
            Method::POST,
            "/v1/warehouse/items",
            None,
            lamp(&format!("NEW-{round}")),
        ),
        write(
            "update_item",
            Method::PATCH,
            item,
            Some("\"1\""),
            json!({"name": "other"}),
        ),
        write(
            "set_item_price",
            Method::PUT,
            &format!("{item}/prices/USD"),
            None,
            json!({"amount_minor": 7}),
        ),
        write(
            "delete_item",
            Method::DELETE,
            doomed,
            Some("\"1\""),
            json!({}),
        ),
        write(
            "create_location",
            Method::POST,
            "/v1/warehouse/locations",
            None,
            location,
        ),
        write(
            "update_location",
            Method::PATCH,
            place,
            Some("\"1\""),
            json!({"name": "other"}),
        ),
    ]
}

/// Writes of stock to a place.
fn stock_writes(place: &Value) -> Vec<Write> {
    let write = |operation, path: &str, body| Write {
        operation,
        method: Method::POST,
        path: path.to_owned(),
        if_match: None,
        body,
    };
    let line = json!({"item": place["item"], "quantity": 3, "cost_minor": 10});
    let receipt = json!({"location": place["location"], "reference": "R", "lines": [line]});
    let mut adjustment = place.clone();
    adjustment["delta"] = json!(-1);
    adjustment["reason"] = json!("theft");
    vec![
        write("receive_stock", "/v1/warehouse/receipts", receipt),
        write("adjust_stock", "/v1/warehouse/adjustments", adjustment),
    ]
}
