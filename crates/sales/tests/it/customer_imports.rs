//! `/v1/sales/customers/imports`

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
    Shop, app,
    customers::{CUSTOMERS, kim},
};

const IMPORTS: &str = "/v1/sales/customers/imports";

fn csv(rows: &[impl AsRef<str>]) -> String {
    let rows: Vec<&str> = rows.iter().map(AsRef::as_ref).collect();
    format!(
        "office,name,email,phone,tax_id\r\n{}\r\n",
        rows.join("\r\n")
    )
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

async fn customers(shop: &Shop) -> i64 {
    shop.db.count("SELECT count(*) FROM sales.customers").await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_row_is_the_single_post_that_it_stands_for() {
    let shop = Shop::new().await;
    let app = shop.app();
    app.post(CUSTOMERS, kim("ber")).await;
    let file = csv(&[
        "ber,\"Kim, the other\",kim2@example.com,+49 30 1,DE1",
        "ber,Taken,KIM@example.com,,",
        "ber,Twice,kim2@EXAMPLE.com,,",
        "nyc,Elsewhere,kim@example.com,'+1 212,",
        "xyz,Nowhere,,,",
        "ber,,kim,,",
        "ber,Bare,,,",
        "ber,too,few",
    ]);
    let answer = import(&app, &new_key(), "", &file).await;
    let (made, taken) = ((201, Value::Null), (409, json!("email_taken")));
    let invalid = (422, json!("validation_failed"));
    assert_eq!(
        ends(&answer),
        [
            made.clone(),
            taken.clone(),
            taken,
            made.clone(),
            invalid.clone(),
            invalid,
            made,
            (400, json!("malformed_csv"))
        ]
    );
    let lines = answer.lines();
    let pointers = |line: &Value| -> Vec<String> {
        let errors = line["errors"].as_array().unwrap().iter();
        errors
            .map(|error| error["pointer"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(pointers(&lines[4]), ["/office"]);
    assert_eq!(pointers(&lines[5]), ["/name", "/email"]);
    let shown = app
        .get(&format!("{CUSTOMERS}/{}", lines[3]["id"].as_str().unwrap()))
        .await;
    assert_eq!(
        (
            &shown.body["home_region"],
            &shown.body["phone"],
            &shown.body["tax_id"]
        ),
        (&json!("us1"), &json!("+1 212"), &Value::Null)
    );
    // Found, told of and receipted as a single POST's.
    let id = lines[0]["id"].as_str().unwrap();
    for sql in [
        format!(
            "SELECT count(*) FROM platform.search_entries WHERE region = 'eu1' AND kind = 'customer' AND id = '{id}'"
        ),
        format!(
            "SELECT count(*) FROM platform.events WHERE region = 'eu1' AND subject = '{id}' AND office = 'ber'"
        ),
        format!(
            "SELECT count(*) FROM platform.audit_log WHERE region = 'eu1' AND '{id}' = ANY (ids)"
        ),
    ] {
        assert_eq!(shop.db.count(&sql).await, 1, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_needs_its_office_and_all_rows_may_be_bound_together() {
    let shop = Shop::new().await;
    let clerk = token(Role::Clerk, &["ber"]);
    let file = csv(&["ber,A,a@example.com,,", "nyc,B,,,", "ber,C,a@example.com,,"]);
    let send = async |query: &str| {
        let request = shop
            .app()
            .request_as(&clerk, Method::POST, &format!("{IMPORTS}{query}"));
        request
            .key(&new_key())
            .body("text/csv", file.clone())
            .send()
            .await
    };
    let forbidden = || (403, json!("office_forbidden"));
    let taken = || (409, json!("email_taken"));
    for query in ["?mode=atomic", "?mode=atomic&dry_run=true"] {
        let failed = (409, json!("atomic_failed"));
        assert_eq!(ends(&send(query).await), [failed, forbidden(), taken()]);
    }
    assert_eq!(
        ends(&send("?dry_run=true").await),
        [(201, Value::Null), forbidden(), taken()]
    );
    for table in [
        "sales.customers",
        "platform.events",
        "platform.idempotency_keys",
        "platform.search_entries",
    ] {
        assert_eq!(
            shop.db
                .count(&format!("SELECT count(*) FROM {table}"))
                .await,
            0,
            "{table}"
        );
    }
    assert_eq!(
        ends(&send("").await),
        [(201, Value::Null), forbidden(), taken()]
    );
    let body = format!(
        "{}\n{}\n",
        kim("ber"),
        json!({"office": "nyc", "name": "N"})
    );
    let lines = shop.app().request(Method::POST, IMPORTS).key(&new_key());
    let lines = lines.body("application/x-ndjson", body).send().await;
    assert_eq!(ends(&lines), vec![(201, Value::Null); 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_every_fault_each_row_is_written_once() {
    let shop = Shop::new().await;
    let db = shop.db.db_in("eu1");
    let app = app(db.clone(), "eu1", Clock::System);
    let faults = [
        Fault::Serialization { attempts: 2 },
        Fault::BeforeCommit { attempts: 2 },
        Fault::ReplyLost,
        Fault::CommitLost,
    ];
    for (round, fault) in faults.into_iter().enumerate() {
        let file = csv(&[
            format!("ber,A,a{round}@example.com,,"),
            format!("nyc,B,a{round}@example.com,,"),
            format!("ber,C,A{round}@example.com,,"),
        ]);
        let key = new_key();
        db.faults().set("import_customers", fault);
        let first = import(&app, &key, "", &file).await;
        assert!(
            db.faults().hits("import_customers") > 0,
            "{fault:?} never struck"
        );
        let made = (201, Value::Null);
        assert_eq!(
            ends(&first),
            [made.clone(), made, (409, json!("email_taken"))],
            "{fault:?}"
        );
        assert_eq!(
            import(&app, &key, "", &file).await.text,
            first.text,
            "{fault:?}"
        );
        let effects = format!("SELECT count(*) FROM platform.audit_log WHERE key LIKE '{key}#%'");
        assert_eq!(shop.db.count(&effects).await, 2, "{fault:?}");
    }
    assert_eq!(customers(&shop).await, 8);
}

/// Rows and single POSTs, at three regions, want the same addresses: each goes to one.
#[tokio::test(flavor = "multi_thread")]
async fn hard_case_04_copies_of_one_import_and_posts_beside_them_share_the_addresses_out() {
    let shop = Shop::new().await;
    let apps = ["eu1", "us1", "ap1"].map(|region| shop.in_region(region));
    let rows: Vec<String> = (0..60)
        .map(|n| format!("ber,N,n{n}@example.com,,"))
        .collect();
    let file = csv(&rows);
    let key = new_key();
    let copies = (0..3).map(|n: usize| import(&apps[n], &key, "", &file));
    let posts = (0..60).map(|n: usize| {
        let body = json!({"office": "ber", "name": "N", "email": format!("N{n}@example.com")});
        apps[n % 3].post(CUSTOMERS, body)
    });
    let (copies, posts) = tokio::join!(
        futures_util::future::join_all(copies),
        futures_util::future::join_all(posts)
    );
    for copy in &copies {
        assert_eq!(copy.text, copies[0].text);
    }
    for (row, post) in ends(&copies[0]).into_iter().zip(posts) {
        let taken = (409, json!("email_taken"));
        match post.status.as_u16() {
            201 => assert_eq!(row, taken),
            _ => assert_eq!(
                (post.problem(), row),
                ((409, "email_taken"), (201, Value::Null))
            ),
        }
    }
    assert_eq!(customers(&shop).await, 60);
}

/// The process is killed in the middle of 10,000 rows; the same file, sent again, leaves each of them once.
#[tokio::test(flavor = "multi_thread")]
async fn hard_case_37_an_import_cut_in_the_middle_and_sent_again_leaves_each_customer_once() {
    const ROWS: i64 = 10_000;
    let shop = Shop::new().await;
    let office = |n| if n % 3 == 0 { "nyc" } else { "ber" };
    let rows: Vec<String> = (0..ROWS)
        .map(|n| format!("{},Customer {n},c{n}@example.com,,", office(n)))
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
        let app = app(
            shop.db.db_with_clock("eu1", Clock::System),
            "eu1",
            Clock::System,
        );
        let (key, file) = (key.clone(), file.clone());
        drop(doomed.spawn(async move { import(&app, &key, "", &file).await }));
    }
    eventually("some rows are written", async || {
        customers(&shop).await >= 1_000
    })
    .await;
    doomed.shutdown_background();
    let left = customers(&shop).await;
    assert!(left < ROWS, "it was over before it was cut");

    let answer = import(&shop.in_region("us1"), &key, "", &file).await;
    let lines = answer.lines();
    assert_eq!(i64::try_from(lines.len()).unwrap(), ROWS);
    for (line, number) in lines.iter().zip(1..) {
        assert_eq!(
            (&line["row"], &line["status"]),
            (&json!(number), &json!(201))
        );
    }
    for sql in [
        "SELECT count(DISTINCT email) FROM sales.customers".to_owned(),
        "SELECT count(*) FROM platform.events".to_owned(),
        "SELECT count(*) FROM platform.search_entries".to_owned(),
        format!("SELECT count(*) FROM platform.audit_log WHERE key LIKE '{key}#%'"),
        format!("SELECT count(*) FROM platform.idempotency_keys WHERE key LIKE '{key}#%'"),
    ] {
        assert_eq!(shop.db.count(&sql).await, ROWS, "{sql}");
    }
}
