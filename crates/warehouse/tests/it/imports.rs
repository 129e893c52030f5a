//! `/v1/warehouse/items/imports`

use axum::http::Method;
use kernel::{Clock, Role};
use platform_db::Fault;
use serde_json::{Value, json};
use testkit::{
    Answer, TestApp,
    app::{new_key, token},
    eventually,
};

use crate::{Warehouse, app, items::lamp};

const IMPORTS: &str = "/v1/warehouse/items/imports";
const HEADER: &str = "sku,name,description,country_of_origin,unit,barcode,price_EUR,price_JPY\r\n";

fn csv(rows: &[&str]) -> String {
    format!("{HEADER}{}\r\n", rows.join("\r\n"))
}

/// A good row.
fn row(sku: &str) -> String {
    format!("{sku},Desk lamp,A lamp.,DE,each,,10000,1500")
}

async fn import(app: &TestApp, key: &str, query: &str, file: &str) -> Answer {
    let request = app.request(Method::POST, &format!("{IMPORTS}{query}"));
    request
        .key(key)
        .body("text/csv", file.to_owned())
        .send()
        .await
}

/// Status and code (or null) of each line.
fn ends(answer: &Answer) -> Vec<(u64, Value)> {
    let lines = answer.lines();
    let lines = lines.iter();
    lines
        .map(|line| (line["status"].as_u64().unwrap(), line["code"].clone()))
        .collect()
}

async fn items(warehouse: &Warehouse) -> i64 {
    let count = "SELECT count(*) FROM warehouse.items";
    warehouse.db.count(count).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_row_is_the_single_post_that_it_stands_for() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    app.post("/v1/warehouse/items", lamp("OLD")).await;
    let file = csv(&[
        "LAMP-7,\"Desk lamp, black\",'=A lamp.,DE,each,4006381333931,10000,",
        "OLD,n,d,DE,each,,,",
        "LAMP-7,n,d,DE,each,,,",
        "\"LAMP-8\",,d,XX,kg,,x,-1",
        "too,few,cells",
        "LAMP-9,n,d,DE,each,,,1500",
    ]);
    let answer = import(&app, &new_key(), "", &file).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    for name in [
        "request-id",
        "served-by",
        "freshness",
        "consistency-token",
        "request-cost",
        "ratelimit",
    ] {
        assert!(!answer.header(name).is_empty(), "{name}");
    }
    let taken = || (409, json!("sku_taken"));
    assert_eq!(
        ends(&answer),
        [
            (201, Value::Null),
            taken(),
            taken(),
            (422, json!("validation_failed")),
            (400, json!("malformed_csv")),
            (201, Value::Null),
        ]
    );
    let lines = answer.lines();
    let rows: Vec<u64> = lines
        .iter()
        .map(|line| line["row"].as_u64().unwrap())
        .collect();
    assert_eq!(rows, [1, 2, 3, 4, 5, 6]);
    let errors = lines[3]["errors"].as_array().unwrap();
    let pointers: Vec<&str> = errors
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(
        pointers,
        [
            "/name",
            "/country_of_origin",
            "/unit",
            "/prices/0/amount_minor",
            "/prices/1/amount_minor"
        ]
    );
    let item = app
        .get(&format!(
            "/v1/warehouse/items/{}",
            lines[0]["id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(item.body["name"], "Desk lamp, black");
    assert_eq!(item.body["description"], "=A lamp.");
    assert_eq!(item.body["barcode"], "4006381333931");
    assert_eq!(item.body["prices"][0]["amount_minor"], 10_000);
    assert_eq!(item.body["prices"].as_array().unwrap().len(), 1);
    has_made(&warehouse, answer.header("request-id"), 2).await;
}

/// As many events as items, and a key row for each and for the transaction.
async fn has_made(warehouse: &Warehouse, request_id: &str, made: i64) {
    for (table, rows) in [
        ("platform.events", made),
        ("platform.idempotency_keys", made + 1),
        ("platform.audit_log", made + 1),
    ] {
        let count = format!("SELECT count(*) FROM {table} WHERE request_id = '{request_id}'");
        assert_eq!(warehouse.db.count(&count).await, rows, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_ndjson_are_bodies() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    let body = format!("{}\n\n{{\"sku\":\n[]\n{}", lamp("A"), lamp("B"));
    let key = new_key();
    let send = async || {
        let request = app.request(Method::POST, IMPORTS).key(&key);
        request
            .body("application/x-ndjson; charset=UTF-8", body.clone())
            .send()
            .await
    };
    let answer = send().await;
    assert_eq!(
        ends(&answer),
        [
            (201, Value::Null),
            (400, json!("malformed_json")),
            (422, json!("validation_failed")),
            (201, Value::Null),
        ]
    );
    assert_eq!(send().await.text, answer.text);
    // The same rows as CSV are the same bodies, so they are replayed.
    let file = csv(&[&row("A"), "", "x", "x", &row("B")]);
    let again = import(&app, &key, "", &file).await;
    assert_eq!(again.lines()[0], answer.lines()[0]);
    assert_eq!(again.lines()[3], answer.lines()[3]);
    assert_eq!(items(&warehouse).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_file_again_is_replayed_and_a_corrected_one_goes_on() {
    let warehouse = Warehouse::new().await;
    let key = new_key();
    let file = csv(&[&row("A"), "B,n,d,DE,kg,,,", &row("C")]);
    let first = import(&warehouse.in_region("eu1"), &key, "", &file).await;
    assert_eq!(
        ends(&first)
            .iter()
            .map(|(status, _)| *status)
            .collect::<Vec<_>>(),
        [201, 422, 201]
    );
    let again = import(&warehouse.in_region("us1"), &key, "", &file).await;
    assert_eq!(again.text, first.text);
    let corrected = csv(&[&row("A"), &row("B"), &row("C"), &row("D")]);
    let corrected = import(&warehouse.in_region("ap1"), &key, "", &corrected).await;
    assert_eq!(ends(&corrected), vec![(201, Value::Null); 4]);
    assert_eq!(corrected.lines()[0], first.lines()[0]);
    // A row that was written and says something else now is another request.
    let other = import(&warehouse.in_region("eu1"), &key, "", &csv(&[&row("Z")])).await;
    assert_eq!(ends(&other), [(422, json!("idempotency_key_reused"))]);
    assert_eq!(items(&warehouse).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_tells_what_would_happen_and_writes_nothing() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    let file = csv(&[&row("A"), &row("A"), &row("B")]);
    let request = app.request(Method::POST, &format!("{IMPORTS}?dry_run=true"));
    let answer = request.body("text/csv", file).send().await;
    assert_eq!(answer.header("dry-run"), "true");
    assert_eq!(
        ends(&answer),
        [
            (201, Value::Null),
            (409, json!("sku_taken")),
            (201, Value::Null)
        ]
    );
    for table in [
        "warehouse.items",
        "platform.audit_log",
        "platform.idempotency_keys",
        "platform.events",
    ] {
        assert_eq!(
            warehouse
                .db
                .count(&format!("SELECT count(*) FROM {table}"))
                .await,
            0,
            "{table}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_rows_or_none() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    let key = new_key();
    let failed = || (409, json!("atomic_failed"));
    for (bad, end) in [
        ("X,n,d,DE,kg,,,", (422, json!("validation_failed"))),
        ("X,n", (400, json!("malformed_csv"))),
        (row("A").as_str(), (409, json!("sku_taken"))),
    ] {
        for query in ["?mode=atomic", "?mode=atomic&dry_run=true"] {
            let answer = import(&app, &key, query, &csv(&[&row("A"), bad, &row("C")])).await;
            assert_eq!(answer.status, 200);
            assert_eq!(ends(&answer), [failed(), end.clone(), failed()], "{query}");
            assert_eq!(items(&warehouse).await, 0);
        }
    }
    let good = csv(&[&row("A"), &row("B"), &row("C")]);
    let answer = import(&app, &key, "?mode=atomic", &good).await;
    assert_eq!(ends(&answer), vec![(201, Value::Null); 3]);
    assert_eq!(
        import(&app, &key, "?mode=atomic", &good).await.text,
        answer.text
    );
    assert_eq!(items(&warehouse).await, 3);

    let many: Vec<String> = (0..501).map(|n| row(&format!("M-{n}"))).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let refused = import(&app, &new_key(), "?mode=atomic", &csv(&many)).await;
    assert_eq!(refused.problem(), (413, "body_too_large"));
    assert_eq!(refused.body["effect"], "none");
    let taken = import(&app, &new_key(), "?mode=atomic", &csv(&many[..500])).await;
    assert_eq!(ends(&taken), vec![(201, Value::Null); 500]);
    assert_eq!(items(&warehouse).await, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_import_is_refused_as_a_whole() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    let (key, good) = (new_key(), csv(&[&row("A")]));
    let good = good.as_bytes();
    let (table, lines) = ("text/csv", "application/x-ndjson");
    for (key, kind, query, body, code) in [
        ("", table, "", good, "idempotency_key_required"),
        ("short", table, "", good, "idempotency_key_invalid"),
        (&key, table, "?mode=all", good, "invalid_parameter"),
        (&key, table, "?modus=atomic", good, "unknown_parameter"),
        (&key, "text/plain", "", good, "unsupported_media_type"),
        (
            &key,
            "text/csv; charset=latin1",
            "",
            good,
            "unsupported_media_type",
        ),
        (&key, table, "", b"", "malformed_csv"),
        (&key, table, "", b"sku,\xff\xfe\n", "malformed_csv"),
        (&key, table, "", b"sku,name\nA,a\n", "validation_failed"),
        (&key, lines, "", b"{}\n\xc3", "malformed_json"),
    ] {
        let mut request = app.request(Method::POST, &format!("{IMPORTS}{query}"));
        if !key.is_empty() {
            request = request.key(key);
        }
        let answer = request.body(kind, body.to_vec()).send().await;
        let status = match code {
            "unsupported_media_type" => 415,
            "validation_failed" => 422,
            _ => 400,
        };
        assert_eq!(answer.problem(), (status, code), "{kind} {query}");
        assert_eq!(answer.body["effect"], "none");
    }
    assert_eq!(items(&warehouse).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_has_the_rights_and_the_size_of_one() {
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    let key = new_key();
    let good = csv(&[&row("A")]);
    let viewer = app.request_as(&token(Role::Viewer, &["*"]), Method::POST, IMPORTS);
    let viewer = viewer.key(&key).body("text/csv", good.clone()).send().await;
    assert_eq!(viewer.problem(), (403, "scope_missing"));
    let large = app.request(Method::POST, IMPORTS).key(&key);
    let large = large
        .body("text/csv", vec![b'x'; (50 << 20) + 1])
        .send()
        .await;
    assert_eq!(large.problem(), (413, "body_too_large"));
    assert_eq!(items(&warehouse).await, 0);
    // A byte order mark is none of the text.
    let marked = import(&app, &key, "", &format!("\u{feff}{good}")).await;
    assert_eq!(ends(&marked), [(201, Value::Null)]);
    let empty = app.request(Method::POST, IMPORTS).key(&key);
    let empty = empty.body("application/x-ndjson", "").send().await;
    assert_eq!((empty.status.as_u16(), empty.text.as_str()), (200, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn under_every_fault_each_row_is_written_once() {
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
        let rows = ["A", "B", "B"].map(|sku| row(&format!("{sku}-{round}")));
        let file = csv(&[&rows[0], &rows[1], &rows[2]]);
        let key = new_key();
        db.faults().set("import_items", fault);
        let first = import(&app, &key, "", &file).await;
        assert!(
            db.faults().hits("import_items") > 0,
            "{fault:?} never struck"
        );
        assert_eq!(
            ends(&first),
            [
                (201, Value::Null),
                (201, Value::Null),
                (409, json!("sku_taken"))
            ],
            "{fault:?}"
        );
        assert_eq!(
            import(&app, &key, "", &file).await.text,
            first.text,
            "{fault:?}"
        );
        let effects = format!("SELECT count(*) FROM platform.audit_log WHERE key LIKE '{key}#%'");
        assert_eq!(warehouse.db.count(&effects).await, 2, "{fault:?}");
    }
    assert_eq!(items(&warehouse).await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_is_the_last_line_and_the_repeat_tells() {
    let warehouse = Warehouse::new().await;
    let db = warehouse.db.db_in("eu1");
    let app = app(db.clone(), "eu1");
    let (key, file) = (new_key(), csv(&[&row("A"), "x", &row("B")]));
    db.faults().set("import_items", Fault::OutcomeUnknown);
    let first = import(&app, &key, "", &file).await;
    assert_eq!(first.status, 200);
    let lines = first.lines();
    let last = lines.last().unwrap();
    assert_eq!(
        (&last["status"], &last["code"]),
        (&json!(503), &json!("outcome_unknown"))
    );
    assert_eq!(last["retryable"], true);
    assert!(last.get("row").is_none() && lines.len() == 1, "{lines:?}");
    let again = import(&app, &key, "", &file).await;
    assert_eq!(
        ends(&again)
            .iter()
            .map(|(status, _)| *status)
            .collect::<Vec<_>>(),
        [201, 400, 201]
    );
    assert_eq!(items(&warehouse).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_04_copies_of_one_import_get_one_answer() {
    let warehouse = Warehouse::new().await;
    let apps = ["eu1", "us1", "ap1"].map(|region| warehouse.in_region(region));
    let key = new_key();
    let rows: Vec<String> = (0..700).map(|n| row(&format!("T-{n}"))).collect();
    let file = csv(&rows.iter().map(String::as_str).collect::<Vec<_>>());
    let copies = (0..6).map(|n| import(&apps[n % 3], &key, "", &file));
    let answers = futures_util::future::join_all(copies).await;
    for answer in &answers {
        assert_eq!(ends(answer), vec![(201, Value::Null); 700]);
        assert_eq!(answer.text, answers[0].text);
    }
    assert_eq!(items(&warehouse).await, 700);
}

/// The process is killed in the middle of 100,000 rows; the same file, sent again, leaves each of them once.
#[tokio::test(flavor = "multi_thread")]
async fn hard_case_37_an_import_cut_in_the_middle_and_sent_again_leaves_each_row_once() {
    const ROWS: i64 = 100_000;
    let warehouse = Warehouse::new().await;
    let rows: Vec<String> = (0..ROWS).map(|n| format!("R-{n},n,d,DE,each,,,")).collect();
    let file = csv(&rows.iter().map(String::as_str).collect::<Vec<_>>());
    let key = new_key();

    let doomed = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    {
        let _inside = doomed.enter();
        let app = app(warehouse.db.db_with_clock("eu1", Clock::System), "eu1");
        let (key, file) = (key.clone(), file.clone());
        drop(doomed.spawn(async move { import(&app, &key, "", &file).await }));
    }
    eventually("some rows are written", async || {
        items(&warehouse).await >= 5_000
    })
    .await;
    doomed.shutdown_background();
    let left = items(&warehouse).await;
    assert!(left < ROWS, "it was over before it was cut");

    let answer = import(&warehouse.app(), &key, "", &file).await;
    let lines = answer.lines();
    assert_eq!(i64::try_from(lines.len()).unwrap(), ROWS);
    for (line, number) in lines.iter().zip(1..) {
        assert_eq!(
            (&line["row"], &line["status"]),
            (&json!(number), &json!(201))
        );
    }
    for sql in [
        "SELECT count(DISTINCT sku) FROM warehouse.items".to_owned(),
        "SELECT count(*) FROM platform.events".to_owned(),
        format!("SELECT count(*) FROM platform.audit_log WHERE key LIKE '{key}#%'"),
        format!("SELECT count(*) FROM platform.idempotency_keys WHERE key LIKE '{key}#%'"),
    ] {
        assert_eq!(warehouse.db.count(&sql).await, ROWS, "{sql}");
    }
}

/// An import leaves the planner with the number of rows that there are.
#[tokio::test(flavor = "multi_thread")]
async fn statistics_follow_an_import() {
    const ROWS: usize = 600;
    let warehouse = Warehouse::new().await;
    let app = warehouse.app();
    let rows: Vec<String> = (0..ROWS).map(|n| row(&format!("LAMP-{n}"))).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let db = warehouse.db.db();
    let statistician = platform_db::Statistician::new(db.clone());
    assert_eq!(statistician.look().await, 0, "nothing has changed");
    assert_eq!(import(&app, &new_key(), "", &csv(&rows)).await.status, 200);
    assert_eq!(items(&warehouse).await, 600);
    assert!(
        statistician.look().await >= 5,
        "items, prices, keys, audit, events"
    );
    assert_eq!(warehouse.db.estimated_rows("warehouse.items").await, 600);
    assert_eq!(
        statistician.look().await,
        0,
        "each table rests for a minute"
    );
}
