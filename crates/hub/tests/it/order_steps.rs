//! Every step of an order under every fault of the switch: whoever repeats the same request, through another region, goes
//! on, and the order ends as if nothing had happened.

use axum::http::Method;
use platform_db::Fault;
use serde_json::{Value, json};
use testkit::{Answer, TestApp, app::new_key};

use crate::Company;

const FAULTS: [Fault; 5] = [
    Fault::Serialization { attempts: 2 },
    Fault::BeforeCommit { attempts: 2 },
    Fault::ReplyLost,
    Fault::CommitLost,
    Fault::OutcomeUnknown,
];

/// A step: its operation, what is asked for below the order, and with what.
type Step = (&'static str, &'static str, Value);

fn steps(line: &str) -> Vec<Step> {
    let back = json!({"line": line, "quantity": 2, "disposition": "restock", "reason": "Back"});
    vec![
        ("confirm_order", "/confirm", json!({})),
        (
            "record_payment",
            "/payments",
            json!({"amount_minor": 5000, "method": "card"}),
        ),
        (
            "ship_order",
            "/shipments",
            json!({"lines": [{"line": line, "quantity": 3}]}),
        ),
        (
            "cancel_order",
            "/cancel",
            json!({"reason": "Less", "lines": [{"line": line, "quantity": 1}]}),
        ),
        ("ship_order", "/shipments", json!({})),
        ("return_goods", "/returns", json!({"lines": [back]})),
        (
            "record_refund",
            "/refunds",
            json!({"amount_minor": 2000, "method": "card"}),
        ),
    ]
}

/// An office with goods, seen from three regions.
struct Shop {
    company: Company,
    apps: Vec<TestApp>,
    item: String,
    customer: String,
}

impl Shop {
    async fn new() -> Self {
        let company = Company::new().await;
        let apps: Vec<TestApp> = ["eu1", "us1", "ap1"]
            .map(|region| company.in_region(region))
            .into();
        let item = json!({"sku": "CUP", "name": "Cup", "description": "A cup.", "country_of_origin": "FR", "unit": "each",
            "prices": [{"currency": "EUR", "amount_minor": 1000}]});
        let item = id(&apps[0].post("/v1/warehouse/items", item).await);
        let lines = json!([{"item": item, "quantity": 1000, "unit_cost_minor": 400}]);
        let receipt = json!({"location": "ber-main", "reference": "R", "lines": lines});
        id(&apps[0].post("/v1/warehouse/receipts", receipt).await);
        let customer = json!({"office": "ber", "name": "Buyer"});
        let customer = id(&apps[0].post("/v1/sales/customers", customer).await);
        Self {
            company,
            apps,
            item,
            customer,
        }
    }

    fn order(&self) -> Step {
        let line = json!({"item": self.item, "location": "ber-main", "quantity": 5});
        let body = json!({"office": "ber", "customer": self.customer, "lines": [line], "hold_seconds": 600});
        ("create_order", "", body)
    }

    /// Sends a step under a fault, at a region that knows of the fault, and then to the next ones until it is certain.
    async fn take(&self, path: &str, step: &Step, fault: Option<Fault>) -> Answer {
        let (operation, below, body) = step;
        let (path, key) = (format!("{path}{below}"), new_key());
        let db = self.company.db.db_in("us1");
        let first = TestApp::new("us1", crate::systems(&db, &self.company.topology));
        let hits = db.faults().hits(operation);
        if let Some(fault) = fault {
            db.faults().set(operation, fault);
        }
        let mut answer = send(&first, &path, &key, body).await;
        assert_eq!(
            db.faults().hits(operation) > hits,
            fault.is_some(),
            "{operation} {fault:?}"
        );
        for app in &self.apps {
            if answer.status.as_u16() < 300 {
                // It happened once: whoever asks again is told the same.
                let again = send(app, &path, &key, body).await;
                assert_eq!((again.status, &again.text), (answer.status, &answer.text));
                return again;
            }
            assert_eq!(
                answer.problem(),
                (503, "outcome_unknown"),
                "{operation} {fault:?}: {}",
                answer.text
            );
            answer = send(app, &path, &key, body).await;
        }
        panic!("{operation} {fault:?}: {}", answer.text)
    }

    /// A whole order; the fault strikes at one of its steps, counted from its creation. What it ended as.
    async fn whole_order(&self, struck: Option<(usize, Fault)>) -> Value {
        let fault_at = |at| {
            struck
                .filter(|(step, _)| *step == at)
                .map(|(_, fault)| fault)
        };
        let created = self
            .take("/v1/sales/orders", &self.order(), fault_at(0))
            .await;
        let path = format!("/v1/sales/orders/{}", id(&created));
        for (at, step) in steps(created.body["lines"][0]["id"].as_str().unwrap())
            .iter()
            .enumerate()
        {
            self.take(&path, step, fault_at(at + 1)).await;
            let order = self.apps[at % 3].get(&path).await.body;
            assert_eq!(order["version"], at + 2, "one version a step: {order}");
        }
        let order = self.apps[0].get(&path).await.body;
        let timeline = self.apps[1].get(&format!("{path}/timeline")).await.body;
        let members = [
            "status",
            "version",
            "payment_status",
            "fulfilment_status",
            "paid_minor",
            "refunded_minor",
            "invoiced_minor",
            "credited_minor",
        ];
        let mut end: Vec<Value> = members.map(|name| order[name].clone()).into();
        end.push(json!(timeline["data"].as_array().unwrap().len()));
        Value::from(end)
    }
}

fn id(answer: &Answer) -> String {
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.text);
    answer.body["id"].as_str().unwrap_or_default().to_owned()
}

async fn send(app: &TestApp, path: &str, key: &str, body: &Value) -> Answer {
    app.request(Method::POST, path)
        .key(key)
        .json(body)
        .send()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_ends_the_same_whatever_fault_strikes_at_whichever_step() {
    let shop = Shop::new().await;
    let undisturbed = shop.whole_order(None).await;
    assert_eq!(undisturbed[0], "fulfilled");
    let mut orders = 1;
    for step in 0..=steps("").len() {
        for fault in FAULTS {
            let end = shop.whole_order(Some((step, fault))).await;
            assert_eq!(end, undisturbed, "{fault:?} at step {step}");
            orders += 1;
        }
    }
    // Of five units each order keeps two, and none is put aside any more.
    let path = format!("/v1/warehouse/levels?location=ber-main&item={}", shop.item);
    let level = &shop.apps[2].get(&path).await.body["data"][0];
    let stock = ["on_hand", "reserved", "value_minor"].map(|name| level[name].as_i64().unwrap());
    assert_eq!(stock, [1000 - 2 * orders, 0, 400 * (1000 - 2 * orders)]);
    let report = shop.apps[0].get("/v1/reports/integrity").await.body;
    let invariants = report["invariants"].as_array().unwrap();
    assert!(
        invariants.len() >= 6 && invariants.iter().all(|one| one["status"] == "pass"),
        "{report}"
    );
}
