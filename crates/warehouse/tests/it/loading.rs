//! Receipts and adjustments in bulk: imported, and loaded for companies that are made up.

use axum::http::Method;
use kernel::{AmountMinor, Clock, IdempotencyKey, Quantity, Role, Timestamp, id::ItemId};
use platform_db::{Fault, offices::OfficeHome};
use serde_json::{Value, json};
use testkit::{
    Answer,
    app::{new_key, token},
};
use warehouse::loading::{
    LoadStockError, LoadedStock, NewAdjustment, NewDocument, NewLine, NewReceipt, Reason,
    load_stock,
};

use crate::{
    app,
    stock::{RECEIPTS, Store},
};

fn imports() -> String {
    format!("{RECEIPTS}/imports")
}

async fn import(store: &Store, key: &str, query: &str, file: String) -> Answer {
    let request = store
        .app
        .request(Method::POST, &format!("{}{query}", imports()));
    request.key(key).body("text/csv", file).send().await
}

/// Status and code (or null) of each line.
fn ends(answer: &Answer) -> Vec<(u64, Value)> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let lines = answer.lines();
    let lines = lines.iter();
    lines
        .map(|line| (line["status"].as_u64().unwrap(), line["code"].clone()))
        .collect()
}

const HEADER: &str = "location,reference,kind,item,quantity,unit_cost_minor,cost_minor\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn each_run_of_one_reference_is_a_receipt() {
    let store = Store::new().await;
    let (lamp, other) = (&store.items[0], &store.items[1]);
    let file = format!(
        "{HEADER}ber-main,R-1,,{lamp},40,60,\r\nber-main,R-1,,{other},2,,5\r\nber-main,R-1,,{lamp},1,,1\r\n\
         nyc-main,R-2,opening,{lamp},3,10,\r\nnowhere,R-3,,{lamp},1,1,\r\nber-main,R-4,,{lamp},1,,\r\n\
         ber-main,R-5,,{lamp},1,0,\r\n"
    );
    let key = new_key();
    let answer = import(&store, &key, "", file).await;
    let good = || (201, Value::Null);
    let bad = || (422, json!("validation_failed"));
    assert_eq!(
        ends(&answer),
        [good(), good(), good(), good(), bad(), bad(), good()]
    );
    let lines = answer.lines();
    assert_eq!(lines[4]["errors"][0]["code"], "location_unknown");
    assert_eq!(lines[5]["errors"][0]["pointer"], "/lines/0/unit_cost_minor");
    // Each row names its own movement.
    for (line, delta) in [(0, 40), (1, 2), (2, 1), (3, 3), (6, 1)] {
        let id = lines[line]["id"].as_str().unwrap();
        let movement = store
            .app
            .get(&format!("/v1/warehouse/movements/{id}"))
            .await;
        assert_eq!(movement.body["delta"], delta, "{line}");
    }
    assert_eq!(
        store.rows("accounting.journal_entries").await,
        2,
        "R-1 and R-2"
    );
    assert_eq!(store.rows("warehouse.stock_levels").await, 3);
    // Of two receipts in one transaction each is a write of its own.
    assert_eq!(store.numbers().await, [42, 0, 2401, 2]);
    let audited = format!("platform.audit_log WHERE key IN ('{key}#1', '{key}#4', '{key}#7')");
    assert_eq!(
        store.rows(&audited).await,
        3,
        "keys are those of their first rows"
    );
    store.ties_out().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_sent_again_adds_nothing_even_under_faults() {
    let store = Store::new().await;
    let rows: String = (0..600)
        .map(|n| format!("ber-main,R-{n},,{},1,{},\r\n", store.items[n % 2], n % 7))
        .collect();
    let file = format!("{HEADER}{rows}");
    let key = new_key();
    let db = store.db().db_in("eu1");
    let eu1 = app(db.clone(), "eu1");
    for fault in [
        Fault::Serialization { attempts: 2 },
        Fault::BeforeCommit { attempts: 1 },
        Fault::ReplyLost,
        Fault::CommitLost,
    ] {
        db.faults().set("import_receipts", fault);
        let request = eu1.request(Method::POST, &imports()).key(&key);
        let answer = request.body("text/csv", file.clone()).send().await;
        let ends = ends(&answer);
        assert_eq!(ends.len(), 600);
        assert!(
            ends.iter().all(|end| *end == (201, Value::Null)),
            "{fault:?}"
        );
        assert_eq!(
            store.rows("warehouse.stock_movements").await,
            600,
            "{fault:?}"
        );
        store.ties_out().await;
    }
    assert!(db.faults().hits("import_receipts") >= 2);
    assert_eq!(store.numbers().await[3], 300, "a version per receipt");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_or_nothing_and_rehearsals_leave_nothing() {
    let store = Store::new().await;
    let lamp = &store.items[0];
    let good = format!("ber-main,R-1,,{lamp},1,1,\r\n");
    let bad = format!("{HEADER}{good}ber-main,R-2,,{lamp},0,1,\r\n");
    let answer = import(&store, &new_key(), "?mode=atomic", bad).await;
    assert_eq!(
        ends(&answer),
        [
            (409, json!("atomic_failed")),
            (422, json!("validation_failed"))
        ]
    );
    let request = store
        .app
        .request(Method::POST, &format!("{}?dry_run=true", imports()));
    let rehearsed = request
        .body("text/csv", format!("{HEADER}{good}"))
        .send()
        .await;
    assert_eq!(ends(&rehearsed), [(201, Value::Null)]);
    assert_eq!(store.rows("warehouse.stock_levels").await, 0);
    // Who may not post may not open, who may not write may not import.
    let opening =
        format!("{HEADER}ber-main,R-1,opening,{lamp},1,1,\r\n{good}").replace("R-1,,", "R-2,,");
    let send = async |role: Role| {
        let token = token(role, &["ber"]);
        let request = store
            .app
            .request_as(&token, Method::POST, &imports())
            .key(&new_key());
        request.body("text/csv", opening.clone()).send().await
    };
    assert_eq!(send(Role::Viewer).await.problem(), (403, "scope_missing"));
    let clerk = send(Role::Clerk).await;
    assert_eq!(
        ends(&clerk),
        [(403, json!("scope_missing")), (201, Value::Null)]
    );
    let strange = format!("{HEADER}nyc-main,R-1,,{lamp},1,1,\r\n");
    let request = store
        .app
        .request_as(&token(Role::Clerk, &["ber"]), Method::POST, &imports());
    let strange = request
        .key(&new_key())
        .body("text/csv", strange)
        .send()
        .await;
    assert_eq!(ends(&strange), [(403, json!("office_forbidden"))]);
    store.ties_out().await;
}

fn ber() -> OfficeHome {
    OfficeHome {
        region: "eu1".parse().unwrap(),
        office: "ber".parse().unwrap(),
    }
}

fn key(name: &str) -> IdempotencyKey {
    format!("load:{name}").parse().unwrap()
}

fn item(store: &Store, index: usize) -> ItemId {
    store.items[index].parse().unwrap()
}

fn receipt(store: &Store, opening: bool, quantity: i64, cost: i64) -> NewDocument {
    NewDocument::Receipt(NewReceipt {
        location: "ber-main".parse().unwrap(),
        opening,
        reference: "loaded".into(),
        lines: vec![NewLine {
            item: item(store, 0),
            quantity: Quantity::new(quantity).unwrap(),
            cost: AmountMinor::new(cost).unwrap(),
        }],
    })
}

fn adjustment(store: &Store, delta: i64) -> NewDocument {
    NewDocument::Adjustment(NewAdjustment {
        location: "ber-main".parse().unwrap(),
        item: item(store, 0),
        delta,
        reason: Reason::Damage,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn years_are_loaded_through_the_rules_of_every_day() {
    let store = Store::new().await;
    let db = store.db().db();
    let at: Timestamp = "2024-12-31T23:30:00Z".parse().unwrap();
    let documents = || {
        vec![
            (key("opening"), receipt(&store, true, 10, 100)),
            (key("receipt-1"), receipt(&store, false, 5, 20)),
            (key("damage-1"), adjustment(&store, -3)),
        ]
    };
    let loaded = load_stock(&db, &ber(), at, documents()).await.unwrap();
    let expected = LoadedStock {
        documents: 3,
        movements: 3,
        entries: 3,
    };
    assert_eq!(loaded, expected);
    // Again: nothing new, and what is new among what is known is loaded.
    let mut more = documents();
    more.push((key("damage-2"), adjustment(&store, -2)));
    let loaded = load_stock(&db, &ber(), at, documents()).await.unwrap();
    assert_eq!(loaded, LoadedStock::default());
    let loaded = load_stock(&db, &ber(), at, more).await.unwrap();
    assert_eq!((loaded.documents, loaded.movements), (1, 1));
    assert_eq!(
        store.numbers().await,
        [10, 0, 80, 4],
        "a version per document"
    );
    assert_eq!(
        store.postings().await.len(),
        4,
        "15 for 120 less 3 for 24 less 2 for 16"
    );
    let dated =
        "SELECT count(*) FROM accounting.journal_entries WHERE effective_date = DATE '2025-01-01'";
    assert_eq!(store.db().count(dated).await, 4, "the day at the office");
    let recorded = format!("warehouse.stock_movements WHERE recorded_at = '{at}'");
    assert_eq!(store.rows(&recorded).await, 3);
    let audited = "platform.audit_log WHERE action = 'load_stock' AND subject = 'system:seed' AND key LIKE 'load:%'";
    assert_eq!(store.rows(audited).await, 4);
    store.ties_out().await;
    // The past can be asked for.
    let path = "/v1/warehouse/levels?as_of=2025-06-01T00:00:00Z";
    assert_eq!(store.app.get(path).await.body["data"][0]["on_hand"], 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_a_rule_is_named_and_nothing_of_its_batch_is_loaded() {
    let store = Store::new().await;
    let db = store.db().db();
    let at = Clock::System.now();
    for broken in [
        receipt(&store, false, 0, 1),
        receipt(&store, false, 1, -1),
        adjustment(&store, 0),
        adjustment(&store, -11),
        NewDocument::Receipt(NewReceipt {
            location: "ber-main".parse().unwrap(),
            opening: false,
            reference: " ".into(),
            lines: Vec::new(),
        }),
    ] {
        let documents = vec![
            (key("good-one"), receipt(&store, false, 10, 100)),
            (key("broken-one"), broken),
        ];
        let error = load_stock(&db, &ber(), at, documents).await.unwrap_err();
        assert!(
            matches!(&error, LoadStockError::Invalid { key: of, .. } if *of == key("broken-one")),
            "{error}"
        );
        assert_eq!(store.rows("warehouse.stock_levels").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_has_exactly_one_effect_under_every_fault() {
    let store = Store::new().await;
    let db = store.db().db_in("eu1");
    let at = Clock::System.now();
    for (round, fault) in [
        Fault::Serialization { attempts: 2 },
        Fault::BeforeCommit { attempts: 2 },
        Fault::ReplyLost,
        Fault::CommitLost,
    ]
    .into_iter()
    .enumerate()
    {
        db.faults().set("load_stock", fault);
        let documents = || {
            (0..20)
                .map(|n| (key(&format!("{round}-{n}")), receipt(&store, false, 1, 2)))
                .collect()
        };
        load_stock(&db, &ber(), at, documents()).await.unwrap();
        load_stock(&db, &ber(), at, documents()).await.unwrap();
        let movements = 20 * (i64::try_from(round).unwrap() + 1);
        assert_eq!(
            store.rows("warehouse.stock_movements").await,
            movements,
            "{fault:?}"
        );
        store.ties_out().await;
    }
    assert!(db.faults().hits("load_stock") >= 6);
}
