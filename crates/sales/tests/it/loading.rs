//! Sales that nobody made.

use std::sync::Arc;

use kernel::{LocationCode, Quantity, id::CustomerId};
use platform_db::{Directory, offices::OfficeHome};
use sales::loading::{NewCustomer, NewSale, Step, load_customer, load_sale};
use serde_json::json;
use topology::Topology;
use warehouse::stock::Place;

use crate::orders::{Counter, ORDERS};

/// An order under its number: so many lamps, and what becomes of them.
async fn load(counter: &Counter, app: &sales::App, number: u64, lamps: i64, steps: &[Step]) {
    let key = |name: &str| format!("seed-load:{name}").parse().unwrap();
    let home = OfficeHome {
        region: "eu1".parse().unwrap(),
        office: "ber".parse().unwrap(),
    };
    let new = NewCustomer {
        name: "Ada Example".into(),
        email: "ada@example.com".into(),
    };
    let customer: CustomerId = load_customer(app, &key("customer"), &home, new)
        .await
        .unwrap();
    let place = Place {
        location: "ber-main".parse::<LocationCode>().unwrap(),
        item: counter.lamp.parse().unwrap(),
    };
    let steps = (0..).zip(steps);
    let sale = NewSale {
        customer,
        reference: format!("SO-{number}"),
        lines: vec![(place, Quantity::new(lamps).unwrap())],
        steps: steps
            .map(|(n, step): (u64, _)| (key(&format!("order:{number}:{n}")), *step))
            .collect(),
    };
    load_sale(app, &key(&format!("order:{number}")), &home, sale)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sales_are_loaded_once_as_far_as_the_rules_allow() {
    let counter = Counter::with(10, 0).await;
    let db = counter.shop.db.db_in("us1");
    let directory = Directory::new(db.clone());
    let app = sales::App {
        warehouse: warehouse::App::new(
            db.clone(),
            directory.clone(),
            Arc::new(Topology::embedded()),
        ),
        db,
        directory,
    };
    let audited = async || {
        let sql = "SELECT count(*) FROM platform.audit_log";
        counter.shop.db.count(sql).await
    };
    let mut written = Vec::new();
    for round in 0..3 {
        load(&counter, &app, 1, 1, &[]).await;
        load(
            &counter,
            &app,
            2,
            2,
            &[Step::Confirm, Step::Pay, Step::Ship, Step::ReturnOne],
        )
        .await;
        load(&counter, &app, 3, 3, &[Step::Confirm, Step::ShipOne]).await;
        load(&counter, &app, 4, 1, &[Step::Confirm, Step::Cancel]).await;
        // There are not so many, now or ever: the draft stays one.
        load(&counter, &app, 5, 100, &[Step::Confirm, Step::Ship]).await;
        written.push(audited().await);
        if round == 1 {
            let keys = "DELETE FROM platform.idempotency_keys";
            counter.shop.db.query(keys).await;
        }
    }
    assert_eq!(
        written, [written[0]; 3],
        "a second load adds nothing, whatever the age of its keys"
    );
    let listed = counter.app.get(&format!("{ORDERS}?order=asc")).await;
    let states = listed.body["data"].as_array().unwrap().iter();
    let states: Vec<_> = states
        .map(|order| {
            [
                &order["reference"],
                &order["status"],
                &order["payment_status"],
            ]
            .map(|v| v.as_str().unwrap())
        })
        .collect();
    assert_eq!(
        states,
        [
            ["SO-1", "draft", "unpaid"],
            ["SO-2", "fulfilled", "paid"],
            ["SO-3", "confirmed", "unpaid"],
            ["SO-4", "cancelled", "paid"],
            ["SO-5", "draft", "unpaid"],
        ]
    );
    assert_eq!(counter.level(&counter.lamp).await, (8, 2));
    let customers = counter
        .app
        .get("/v1/sales/customers?email=ada@example.com")
        .await;
    assert_eq!(customers.body["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(customers.body["data"][0]["office"], json!("ber"));
}
