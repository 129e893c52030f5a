//! POST of many journal entries.

use axum::http::Method;
use kernel::Role;
use platform_db::Fault;
use serde_json::{Value, json};
use testkit::{
    Answer, TestApp,
    app::{new_key, token},
};

use crate::{ENTRIES, World, app, close};

const HEADER: &str =
    "reference,office,currency,description,effective_date,debit,credit,amount_minor,memo\r\n";

fn csv(rows: &[&str]) -> String {
    format!("{HEADER}{}\r\n", rows.join("\r\n"))
}

async fn import(app: &TestApp, key: &str, query: &str, file: &str) -> Answer {
    let token = token(Role::Manager, &["ber", "tok", "nyc"]);
    let request = app.request_as(&token, Method::POST, &format!("{ENTRIES}/imports{query}"));
    let request = request.key(key).body("text/csv", file.to_owned());
    request.send().await
}

/// Row, status and code (or null) of each line.
fn ends(answer: &Answer) -> Vec<(u64, u64, Value)> {
    let lines = answer.lines();
    let lines = lines.iter();
    lines
        .map(|line| {
            let number = |name: &str| line[name].as_u64().unwrap();
            (number("row"), number("status"), line["code"].clone())
        })
        .collect()
}

async fn entries(world: &World) -> i64 {
    let count = "SELECT count(*) FROM accounting.journal_entries";
    world.db.count(count).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_with_equal_reference_are_one_entry_and_each_entry_is_the_single_post() {
    let world = World::new().await;
    let app = world.app();
    close(&app, "ber", "2026-03").await;
    let file = csv(&[
        "R-1,ber,EUR,Rent,2026-01-01,5900,1000,120000,Depot",
        "R-1,ber,EUR,Rent,2026-01-01,5900,2100,19,",
        "R-2,tok,JPY,Rent,,5900,1000,7,",
        ",ber,EUR,Late,2026-03-31,5900,1000,1,",
        ",ber,USD,Dollars,2026-01-01,5900,1000,1,",
        ",ber,EUR,Nothing,2026-01-01,7777,1000,1,",
        ",ber,EUR,Stock,2026-01-01,1300,1000,1,",
        ",xyz,EUR,Nowhere,2026-01-01,5900,1000,1,",
        ",kuw,KWD,Elsewhere,2026-01-01,5900,1000,1,",
        ",ber,EUR,Free,2026-01-01,5900,1000,0,",
        ",kuw,KWD,Elsewhere,2026-01-01,5900,5900,1,",
        "R-3,nyc,USD,Rent,2026-02-01,5900,1000,5,",
    ]);
    let key = new_key();
    let answer = import(&app, &key, "", &file).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let expected = [
        (1, 201, Value::Null),
        (3, 201, Value::Null),
        (4, 409, json!("period_closed")),
        (5, 422, json!("currency_mismatch")),
        (6, 422, json!("account_unknown")),
        (7, 422, json!("controlled_account")),
        (8, 422, json!("validation_failed")),
        (9, 403, json!("office_forbidden")),
        (10, 422, json!("validation_failed")),
        (11, 422, json!("same_account")),
        (12, 201, Value::Null),
    ];
    let told = ends(&answer);
    let firsts: Vec<_> = told
        .iter()
        .filter(|(row, _, _)| *row != 2)
        .cloned()
        .collect();
    assert_eq!(firsts, expected);
    let lines = answer.lines();
    let first = lines[0]["id"].as_str().unwrap();
    let entry = app.get(&format!("{ENTRIES}/{first}")).await;
    assert_eq!(entry.body["postings"].as_array().unwrap().len(), 2);
    assert_eq!(entry.body["postings"][0]["memo"], "Depot");
    assert_eq!(entry.body["postings"][1]["amount_minor"], 19);
    assert_eq!(entries(&world).await, 3);
    // Each has its key, its audit row and its event where its office lives; the same file again makes nothing.
    let homes = "SELECT string_agg(region || ' ' || cardinality(event_ids), ',' ORDER BY region) \
        FROM platform.audit_log WHERE action = 'import_journal_entries' AND cardinality(event_ids) > 0";
    assert_eq!(
        world.db.query(homes).await,
        [[Some("ap1 1,eu1 1,us1 1".to_owned())]]
    );
    let again = import(&world.in_region("us1"), &key, "", &file).await;
    assert_eq!(again.text, answer.text);
    assert_eq!(entries(&world).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_entries_of_an_atomic_import_are_posted_or_none() {
    let world = World::new().await;
    let app = world.app();
    let good = "R-1,ber,EUR,Rent,2026-01-01,5900,1000,1,";
    let bad = "R-2,ber,EUR,Rent,2026-01-01,5900,5900,1,";
    let answer = import(&app, &new_key(), "?mode=atomic", &csv(&[good, bad])).await;
    let refused = [
        (1, 409, json!("atomic_failed")),
        (2, 422, json!("same_account")),
    ];
    assert_eq!(ends(&answer), refused);
    let rehearsed = import(&app, &new_key(), "?dry_run=true", &csv(&[good])).await;
    assert_eq!(ends(&rehearsed), [(1, 201, Value::Null)]);
    assert_eq!(entries(&world).await, 0);
    let answer = import(&app, &new_key(), "?mode=atomic", &csv(&[good])).await;
    assert_eq!(ends(&answer), [(1, 201, Value::Null)]);
    assert_eq!(entries(&world).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balance_out_of_range_refuses_the_entry_that_takes_it_there() {
    let world = World::new().await;
    let app = world.app();
    let most = kernel::money::AMOUNT_MAX;
    let file = csv(&[
        "R-1,ber,EUR,Rent,2026-01-01,5900,1000,1,",
        &format!("R-2,ber,EUR,Rent,2026-01-01,5900,1000,{most},"),
        "R-3,ber,EUR,Rent,2026-01-01,5900,1000,1,",
    ]);
    let answer = import(&app, &new_key(), "", &file).await;
    let codes: Vec<_> = ends(&answer)
        .into_iter()
        .map(|(_, status, _)| status)
        .collect();
    assert_eq!(codes, [201, 422, 201], "{}", answer.text);
    assert_eq!(entries(&world).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_has_exactly_one_effect_under_every_fault() {
    let world = World::new().await;
    let db = world.db.db_in("eu1");
    let app = app(db.clone(), "eu1");
    let faults = [
        Fault::Serialization { attempts: 2 },
        Fault::BeforeCommit { attempts: 2 },
        Fault::ReplyLost,
        Fault::CommitLost,
    ];
    let file = csv(&["R-1,ber,EUR,Rent,2026-01-01,5900,1000,1,"]);
    for (made, fault) in (1..).zip(faults) {
        db.faults().set("import_journal_entries", fault);
        let key = new_key();
        let first = import(&app, &key, "", &file).await;
        assert!(db.faults().hits("import_journal_entries") > 0, "{fault:?}");
        let again = import(&app, &key, "", &file).await;
        assert_eq!(
            ends(&again),
            [(1, 201, Value::Null)],
            "{fault:?}: {}",
            first.text
        );
        assert_eq!(entries(&world).await, made, "{fault:?}");
    }
}
