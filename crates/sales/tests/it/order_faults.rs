//! Every write of money and goods under every fault of the switch: exactly one effect, and the retry counter moved.

use axum::http::Method;
use kernel::Clock;
use platform_db::Fault;
use serde_json::{Value, json};
use testkit::app::new_key;

use crate::{
    app,
    deal::{Deal, path, units},
};

/// One write: operation, what below the order, body.
struct Write {
    operation: &'static str,
    what: &'static str,
    body: Value,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_of_money_and_goods_has_exactly_one_effect_under_every_fault() {
    let deal = Deal::new().await;
    let db = deal.shop.db.db_in("eu1");
    let app = app(db.clone(), "eu1", Clock::System);
    let faults = [
        Fault::Serialization { attempts: 2 },
        Fault::BeforeCommit { attempts: 2 },
        Fault::ReplyLost,
        Fault::CommitLost,
    ];
    for (round, fault) in faults.into_iter().enumerate() {
        let order = deal.order(&[(0, 2), (1, 1)]).await;
        for write in writes(&order, round) {
            let key = new_key();
            db.faults().set(write.operation, fault);
            let to = path(&order, write.what);
            let send = async || {
                let request = app.request(Method::POST, &to).key(&key);
                request.json(&write.body).send().await
            };
            let what = format!("{} under {fault:?}", write.operation);
            let first = send().await;
            assert_eq!(first.status, 201, "{what}: {}", first.body);
            assert!(db.faults().hits(write.operation) > 0, "{what}");
            let again = send().await;
            assert_eq!((again.status, &again.body), (first.status, &first.body));
            assert_eq!(again.header("idempotent-replayed"), "true");
            let effects = format!("SELECT count(*) FROM platform.audit_log WHERE key = '{key}'");
            assert_eq!(deal.shop.db.count(&effects).await, 1, "{what}");
            deal.ties_out().await;
        }
        let after = deal.read(&order).await;
        assert_eq!(
            (
                &after["paid_minor"],
                &after["refunded_minor"],
                &after["version"]
            ),
            (&json!(500), &json!(200), &json!(6))
        );
        assert_eq!(after["lines"][0]["returned"], 1);
    }
}

fn writes(order: &Value, round: usize) -> Vec<Write> {
    let write = |operation, what, body| Write {
        operation,
        what,
        body,
    };
    let money = |amount: i64, reference: &str| json!({"amount_minor": amount, "method": "card", "external_reference": format!("{reference}-{round}")});
    let mut back = units(order, &[(0, 1)]);
    back[0]["disposition"] = json!("restock");
    back[0]["reason"] = json!("broken");
    vec![
        write("record_payment", "payments", money(500, "P")),
        write(
            "ship_order",
            "shipments",
            json!({"lines": units(order, &[(0, 2), (1, 1)])}),
        ),
        write("return_goods", "returns", json!({"lines": back})),
        write("record_refund", "refunds", money(200, "R")),
    ]
}
