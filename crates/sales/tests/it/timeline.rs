//! The story of an order: what happened, oldest first, in all three systems.

use std::time::Duration;

use axum::http::Method;
use kernel::{Clock, Role};
use serde_json::{Value, json};
use testkit::app::token;

use crate::deal::Deal;

fn path(order: &Value) -> String {
    format!(
        "/v1/sales/orders/{}/timeline",
        order["id"].as_str().unwrap()
    )
}

async fn story(deal: &Deal, order: &Value) -> Vec<Value> {
    let told = deal.app.get(&path(order)).await;
    assert_eq!(told.status, 200, "{}", told.body);
    let facts = told.body["data"].as_array().unwrap().clone();
    let times: Vec<_> = facts
        .iter()
        .map(|fact| fact["at"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    facts
}

/// `system type` of each fact.
fn kinds(facts: &[Value]) -> Vec<String> {
    let word = |fact: &Value, member: &str| fact[member].as_str().unwrap().to_owned();
    let facts = facts.iter();
    facts
        .map(|fact| format!("{} {}", word(fact, "system"), word(fact, "type")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_names_every_document_movement_and_entry() {
    let deal = Deal::new().await;
    let order = deal.order(&[(0, 3)]).await;
    let payment = deal.pay(&order, 5_000).await;
    let shipment = deal.ship(&order, &[(0, 2)]).await;
    let rest =
        json!({"reason": "late", "lines": [{"line": order["lines"][0]["id"], "quantity": 1}]});
    deal.done(&order, "cancel", rest).await;
    let taken = deal.take_back(&order, &[(0, 1, "restock")]).await.body;
    let refund = deal.refund(&order, 100).await;
    let facts = story(&deal, &order).await;
    let told = kinds(&facts);
    // Entries of one moment come in the order of their ids.
    let expected = [
        "sales created",
        "sales confirmed",
        "warehouse reserved",
        "sales payment",
        "accounting entry",
        "sales shipment",
        "warehouse issue",
        "accounting entry",
        "accounting entry",
        "accounting entry",
        "sales cancelled",
        "sales fulfilled",
        "warehouse released",
        "sales return",
        "warehouse return",
        "accounting entry",
        "accounting entry",
        "sales refund",
        "accounting entry",
    ];
    assert_eq!(told, expected, "{facts:#?}");
    let of = |kind: &str| -> Vec<&Value> {
        let facts = facts.iter();
        facts.filter(|fact| fact["type"] == kind).collect()
    };
    for (kind, made) in [
        ("payment", &payment),
        ("shipment", &shipment),
        ("return", &taken),
        ("refund", &refund),
    ] {
        assert_eq!(of(kind)[0]["id"], made["id"], "{kind}");
    }
    assert_eq!(
        of("cancelled")[0]["lines"],
        json!([{"line": order["lines"][0]["id"], "quantity": 1}])
    );
    documents_name_what_the_systems_have(&facts);
}

fn documents_name_what_the_systems_have(facts: &[Value]) {
    let of = |kind: &str| -> Vec<&Value> {
        let facts = facts.iter();
        facts.filter(|fact| fact["type"] == kind).collect()
    };
    let entries: Vec<_> = of("entry").iter().map(|fact| fact["id"].clone()).collect();
    let named = facts
        .iter()
        .flat_map(|fact| fact["journal_entries"].as_array());
    let named: Vec<_> = named.flatten().cloned().collect();
    assert_eq!(named.len(), entries.len());
    assert!(named.iter().all(|entry| entries.contains(entry)));
    assert_eq!(
        of("shipment")[0]["movements"],
        json!([of("issue")[0]["id"]])
    );
    assert_eq!(of("return")[0]["movements"], json!([of("return")[1]["id"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_is_the_same_from_afar_and_not_for_everybody() {
    let deal = Deal::new().await;
    let order = deal.order(&[(0, 1)]).await;
    let facts = story(&deal, &order).await;
    let afar = deal.shop.in_region("ap1").get(&path(&order)).await;
    assert_eq!(afar.body["data"], json!(facts));
    let viewer = token(Role::Viewer, &["nyc"]);
    let refused = deal
        .app
        .request_as(&viewer, Method::GET, &path(&order))
        .send();
    assert_eq!(refused.await.problem(), (403, "office_forbidden"));
    let unknown = "/v1/sales/orders/ord_eu1_00000000000000000000000000/timeline";
    assert_eq!(deal.app.get(unknown).await.problem(), (404, "not_found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_comes_to_nothing_says_when() {
    let deal = Deal::new().await;
    let cancelled = deal.order(&[(0, 1)]).await;
    deal.done(&cancelled, "cancel", json!({"reason": "no"}))
        .await;
    assert_eq!(
        kinds(&story(&deal, &cancelled).await),
        [
            "sales created",
            "sales confirmed",
            "warehouse reserved",
            "sales cancelled",
            "warehouse released"
        ]
    );
    // A draft ends by its own time, written down or not.
    let draft = deal.draft(&[(0, 1)]).await;
    assert_eq!(kinds(&story(&deal, &draft).await), ["sales created"]);
    let tomorrow = Clock::fixed(Clock::System.now().plus(Duration::from_secs(25 * 3600)));
    let db = deal.shop.db.db_with_clock("eu1", tomorrow.clone());
    let later = crate::app(db, "eu1", tomorrow).get(&path(&draft)).await;
    let facts = later.body["data"].as_array().unwrap();
    assert_eq!(kinds(facts), ["sales created", "sales expired"]);
    assert_eq!(facts[1]["at"], draft["expires_at"]);
}
