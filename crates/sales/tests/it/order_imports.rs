//! `/v1/sales/orders/imports`

use axum::http::Method;
use kernel::{Clock, Role};
use platform_db::Fault;
use serde_json::{Value, json};
use testkit::{
    Answer, TestApp,
    app::{new_key, token},
    eventually,
};

use crate::{
    app,
    orders::{Counter, ORDERS},
};

const IMPORTS: &str = "/v1/sales/orders/imports";
const HEADER: &str = "office,customer,reference,hold_seconds,currency,item,location,quantity";

fn csv(rows: &[impl AsRef<str>]) -> String {
    let rows: Vec<&str> = rows.iter().map(AsRef::as_ref).collect();
    format!("{HEADER}\r\n{}\r\n", rows.join("\r\n"))
}

async fn import(app: &TestApp, key: &str, query: &str, file: &str) -> Answer {
    let request = app.request(Method::POST, &format!("{IMPORTS}{query}"));
    let request = request.key(key).body("text/csv", file.to_owned());
    request.send().await
}

/// Status and code (or null) of each line.
fn ends(answer: &Answer) -> Vec<(u64, Value)> {
    let lines = answer.lines();
    let lines = lines.iter();
    lines
        .map(|line| (line["status"].as_u64().unwrap(), line["code"].clone()))
        .collect()
}

fn taken(n: usize) -> Vec<(u64, Value)> {
    vec![(201, Value::Null); n]
}

impl Counter {
    /// A row of `ber`: one line of an order for lamps.
    fn row(&self, reference: &str, hold: &str, quantity: i64) -> String {
        format!(
            "ber,{},{reference},{hold},,{},ber-main,{quantity}",
            self.kim, self.lamp
        )
    }

    async fn count(&self, table: &str) -> i64 {
        self.shop
            .db
            .count(&format!("SELECT count(*) FROM {table}"))
            .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_order_is_the_single_post_that_it_stands_for() {
    let counter = Counter::with(0, 0).await;
    let (kim, lee, lamp, bulb) = (&counter.kim, &counter.lee, &counter.lamp, &counter.bulb);
    let file = csv(&[
        format!("ber,{kim},PO-1,,,{lamp},ber-main,2"),
        format!("ber,{kim},PO-1,,,{bulb},ber-main,3"),
        format!("nyc,{lee},,,USD,{lamp},nyc-main,1"),
        format!("nyc,{lee},,,EUR,{lamp},nyc-main,1"),
        format!("ber,{lee},,,,{lamp},ber-main,1"),
        format!("ber,{kim},,,,{lamp},nyc-main,1"),
        format!("xyz,{kim},,,,{lamp},ber-main,1"),
        format!(
            "ber,{kim},,,,{},ber-main,0",
            lamp.replace("itm_g_", "itm_g_0")
        ),
        "ber,too,few".to_owned(),
    ]);
    let answer = import(&counter.app, &new_key(), "", &file).await;
    let lines = answer.lines();
    let invalid = || (422, json!("validation_failed"));
    assert_eq!(
        ends(&answer),
        [
            (201, Value::Null),
            (201, Value::Null),
            (201, Value::Null),
            (422, json!("currency_mismatch")),
            invalid(),
            (422, json!("location_of_other_office")),
            invalid(),
            invalid(),
            (400, json!("malformed_csv")),
        ],
        "{}",
        answer.text
    );
    assert_eq!(lines[0]["id"], lines[1]["id"]);
    assert_eq!(lines[4]["errors"][0]["pointer"], "/customer");
    assert_eq!(lines[6]["errors"][0]["pointer"], "/office");
    let shown = counter
        .app
        .get(&format!("{ORDERS}/{}", lines[0]["id"].as_str().unwrap()))
        .await;
    let body = json!({"office": "ber", "customer": kim, "reference": "PO-1",
        "lines": [counter.line(lamp, 2), counter.line(bulb, 3)]});
    let single = counter.app.post(ORDERS, body).await;
    for member in [
        "status",
        "reference",
        "currency",
        "subtotal_minor",
        "tax_minor",
        "total_minor",
        "customer",
    ] {
        assert_eq!(shown.body[member], single.body[member], "{member}");
    }
    let nyc = counter
        .app
        .get(&format!("{ORDERS}/{}", lines[2]["id"].as_str().unwrap()))
        .await;
    assert_eq!(
        (&nyc.body["home_region"], &nyc.body["currency"]),
        (&json!("us1"), &json!("USD"))
    );
    let id = lines[0]["id"].as_str().unwrap();
    assert_eq!(
        counter.events(id).await,
        [("sales.order.created".to_owned(), 1)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_taken_off_in_the_order_of_the_rows() {
    let counter = Counter::with(10, 0).await;
    let file = csv(&[
        counter.row("A", "900", 4),
        counter.row("A", "900", 2),
        counter.row("B", "900", 5),
        counter.row("C", "900", 3),
        counter.row("D", "", 100),
        counter.row("E", "900", 2),
    ]);
    let key = new_key();
    let short = (409, json!("insufficient_stock"));
    let made = (201, Value::Null);
    let expected = [
        made.clone(),
        made.clone(),
        short.clone(),
        made.clone(),
        made,
        short,
    ];
    assert_eq!(
        ends(&import(&counter.app, &new_key(), "?dry_run=true", &file).await),
        expected
    );
    assert_eq!(counter.level(&counter.lamp).await, (10, 0));
    let answer = import(&counter.app, &key, "", &file).await;
    assert_eq!(ends(&answer), expected);
    assert_eq!(counter.level(&counter.lamp).await, (10, 9));
    assert_eq!(counter.count("warehouse.reservations").await, 3);
    counter.is_sound().await;
    // One event a level and order, in the order of the versions.
    let kinds = "SELECT count(*) FROM platform.events WHERE kind = 'warehouse.stock.changed' \
        AND data->>'cause' = 'reserved'";
    assert_eq!(counter.shop.db.count(kinds).await, 2);
    // What was refused for want of goods is taken once they are there, and what was taken is not taken twice.
    counter.receive("ber-main", &counter.lamp, 10).await;
    let again = import(&counter.app, &key, "", &file).await;
    assert_eq!(ends(&again), taken(6));
    assert_eq!(again.lines()[0], answer.lines()[0]);
    assert_eq!(counter.level(&counter.lamp).await, (20, 16));
    counter.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_orders_or_none_and_only_of_offices_that_the_token_reaches() {
    let counter = Counter::with(5, 0).await;
    let file = csv(&[
        counter.row("A", "900", 3),
        format!("nyc,{},,,,{},nyc-main,1", counter.lee, counter.lamp),
        counter.row("B", "900", 3),
    ]);
    let clerk = token(Role::Clerk, &["ber"]);
    let send = async |query: &str| {
        let request = counter
            .app
            .request_as(&clerk, Method::POST, &format!("{IMPORTS}{query}"));
        request
            .key(&new_key())
            .body("text/csv", file.clone())
            .send()
            .await
    };
    let forbidden = (403, json!("office_forbidden"));
    let short = (409, json!("insufficient_stock"));
    let failed = (409, json!("atomic_failed"));
    let atomic = send("?mode=atomic").await;
    assert_eq!(ends(&atomic), [failed, forbidden.clone(), short.clone()]);
    assert_eq!(
        (
            counter.count("sales.orders").await,
            counter.level(&counter.lamp).await
        ),
        (0, (5, 0))
    );
    assert_eq!(
        ends(&send("").await),
        [(201, Value::Null), forbidden, short]
    );
    assert_eq!(
        (
            counter.count("sales.orders").await,
            counter.level(&counter.lamp).await
        ),
        (1, (5, 3))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn under_every_fault_each_order_is_taken_once() {
    let counter = Counter::with(100, 0).await;
    let db = counter.shop.db.db_in("eu1");
    let app = app(db.clone(), "eu1", Clock::System);
    let faults = [
        Fault::Serialization { attempts: 2 },
        Fault::BeforeCommit { attempts: 2 },
        Fault::ReplyLost,
        Fault::CommitLost,
    ];
    for fault in faults {
        let file = csv(&[
            counter.row("A", "900", 3),
            counter.row("B", "", 3),
            counter.row("C", "900", 1000),
        ]);
        let key = new_key();
        db.faults().set("import_orders", fault);
        let first = import(&app, &key, "", &file).await;
        assert!(
            db.faults().hits("import_orders") > 0,
            "{fault:?} never struck"
        );
        let short = (409, json!("insufficient_stock"));
        assert_eq!(
            ends(&first),
            [(201, Value::Null), (201, Value::Null), short],
            "{fault:?}"
        );
        assert_eq!(
            import(&app, &key, "", &file).await.text,
            first.text,
            "{fault:?}"
        );
        let effects = format!("SELECT count(*) FROM platform.audit_log WHERE key LIKE '{key}#%'");
        assert_eq!(counter.shop.db.count(&effects).await, 2, "{fault:?}");
    }
    assert_eq!(counter.level(&counter.lamp).await, (100, 12));
    counter.is_sound().await;
}

/// Imports that hold and single orders that hold want the same lamps at three regions: none is promised twice.
#[tokio::test(flavor = "multi_thread")]
async fn hard_case_07_imports_and_orders_beside_them_hold_no_lamp_twice() {
    let counter = Counter::with(100, 0).await;
    let apps = ["eu1", "us1", "ap1"].map(|region| counter.shop.in_region(region));
    let files: Vec<String> = (0..3)
        .map(|n| {
            csv(&(0..30)
                .map(|row| counter.row(&format!("{n}-{row}"), "900", 2))
                .collect::<Vec<_>>())
        })
        .collect();
    let key = new_key();
    // Of the first file two copies, of which one replays.
    let wanted =
        [(0, &key), (0, &key), (1, &new_key()), (2, &new_key())].map(|(n, key)| (n, key.clone()));
    let imports = wanted
        .iter()
        .map(|(n, key)| import(&apps[*n], key, "", &files[*n]));
    let mut held = counter.lamps(2);
    held["hold_seconds"] = json!(900);
    let orders = (0..20).map(|n: usize| apps[n % 3].post(ORDERS, held.clone()));
    let (imports, orders) = tokio::join!(
        futures_util::future::join_all(imports),
        futures_util::future::join_all(orders)
    );
    assert_eq!(imports[0].text, imports[1].text);
    for order in &orders {
        assert!(
            order.status == 201 || order.problem() == (409, "insufficient_stock"),
            "{}",
            order.body
        );
    }
    assert_eq!(counter.level(&counter.lamp).await, (100, 100));
    assert_eq!(counter.count("sales.orders").await, 50);
    counter.is_sound().await;
}

/// The process is killed in the middle of 4,000 orders; the same file, sent again, leaves each of them once.
#[tokio::test(flavor = "multi_thread")]
async fn hard_case_37_an_import_cut_in_the_middle_and_sent_again_leaves_each_order_once() {
    const ORDERS_OF_TWO: i64 = 4_000;
    let counter = Counter::with(0, 0).await;
    let rows: Vec<String> = (0..ORDERS_OF_TWO * 2)
        .map(|n| counter.row(&format!("PO-{}", n / 2), "", 1))
        .collect();
    let file = csv(&rows);
    let key = new_key();
    let doomed = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    {
        let _inside = doomed.enter();
        let db = counter.shop.db.db_with_clock("eu1", Clock::System);
        let app = app(db, "eu1", Clock::System);
        let (key, file) = (key.clone(), file.clone());
        drop(doomed.spawn(async move { import(&app, &key, "", &file).await }));
    }
    eventually("some orders are taken", async || {
        counter.count("sales.orders").await >= 500
    })
    .await;
    doomed.shutdown_background();
    let left = counter.count("sales.orders").await;
    assert!(left < ORDERS_OF_TWO, "it was over before it was cut");

    let answer = import(&counter.app, &key, "", &file).await;
    assert_eq!(ends(&answer), taken(8_000));
    for (sql, count) in [
        (
            "SELECT count(DISTINCT reference) FROM sales.orders".to_owned(),
            4_000,
        ),
        ("SELECT count(*) FROM sales.order_lines".to_owned(), 8_000),
        (
            "SELECT count(*) FROM platform.events WHERE kind = 'sales.order.created'".to_owned(),
            4_000,
        ),
        (
            format!("SELECT count(*) FROM platform.audit_log WHERE key LIKE '{key}#%'"),
            4_000,
        ),
    ] {
        assert_eq!(counter.shop.db.count(&sql).await, count, "{sql}");
    }
}
