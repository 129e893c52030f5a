//! Holds under stress: rushes, locks held by others, and every fault.

use std::sync::Arc;

use axum::http::Method;
use futures_util::{StreamExt as _, stream};
use kernel::{Common, OpError, Reply};
use platform_db::{Db, Fault, Never, TxError};
use serde_json::{Value, json};
use testkit::{Answer, Engine, TestApp, TestDb, app::new_key, call, eventually, intent};
use tokio::sync::Notify;

use crate::{
    app,
    reservations::{RESERVATIONS, Stocked},
};

/// A thousand ask for one each of a hundred, through the regions in turn.
async fn rush(regions: &[&str]) {
    let stocked = Stocked::with(100).await;
    let apps: Vec<TestApp> = regions
        .iter()
        .map(|region| stocked.warehouse.in_region(region))
        .collect();
    // PostgreSQL's queues end within the deadline; where rows have none, who is told to come again does.
    let queues = stocked.warehouse.db.engine() == Engine::Postgres;
    // As many at once as a client's connections would be: a process takes 512 before it says `overloaded`.
    let answers: Vec<Answer> = stream::iter(0..1000)
        .map(|n| {
            let (app, body) = (apps[n % apps.len()].clone(), stocked.wanted(1));
            async move {
                match queues {
                    true => app.post(RESERVATIONS, body).await,
                    false => app.post_patiently(RESERVATIONS, body).await,
                }
            }
        })
        .buffer_unordered(100)
        .collect()
        .await;
    let held = answers.iter().filter(|answer| answer.status == 201).count();
    let refused = answers
        .iter()
        .filter(|answer| answer.problem() == (409, "insufficient_stock"))
        .count();
    let odd = answers
        .iter()
        .find(|answer| !matches!(answer.status.as_u16(), 201 | 409));
    assert_eq!((held, refused), (100, 900), "{odd:?}");
    assert_eq!(stocked.level().await, (100, 100, 101));
    let changes = stocked.changes().await;
    let versions: Vec<i64> = changes.iter().map(|(version, _)| *version).collect();
    assert_eq!(
        versions,
        (1..=101).collect::<Vec<_>>(),
        "no gap, no version twice"
    );
    stocked.reserved_is_what_is_held().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_07_a_thousand_who_want_a_hundred_in_one_region() {
    rush(&["eu1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_07_a_thousand_who_want_a_hundred_through_three_regions() {
    rush(&["eu1", "us1", "ap1"]).await;
}

/// Runs a statement in a transaction of its own, which stays open until the gate opens.
async fn hold(db: Db, sql: &'static str, (taken, gate): (Arc<Notify>, Arc<Notify>)) {
    let intent = intent(&call("ap1"), "hold", &new_key());
    let ended = db
        .write(intent, async move |txn| {
            txn.execute(sql, &[]).await?;
            taken.notify_one();
            gate.notified().await;
            Err::<Reply, TxError<Never>>(TxError::Common(Common::IfMatchRequired)) // any refusal rolls it back
        })
        .await;
    assert!(
        matches!(ended, Err(OpError::Common(Common::IfMatchRequired))),
        "{sql}: {ended:?}"
    );
}

/// Until some session waits for such a lock.
async fn until_somebody_waits(db: &TestDb, what: &str) {
    let waiting = format!("SELECT count(*) FROM pg_locks WHERE NOT granted AND {what}");
    eventually(what, async || db.count(&waiting).await > 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_20_a_refusal_does_not_wait_for_who_could_help() {
    let stocked = Stocked::with(1).await;
    if !stocked
        .warehouse
        .db
        .speaks_postgres_with("locks of whole tables")
    {
        return;
    }
    stocked.receive("nyc-main", 40).await;
    let (db, other) = (&stocked.warehouse.db, stocked.warehouse.db.db_in("ap1"));
    let gates: [(Arc<Notify>, Arc<Notify>); 3] = Default::default();
    let [(row_taken, row_gate), (table_taken, table_gate), (queue, _)] = &gates;
    let row = "SELECT id FROM warehouse.stock_levels WHERE location = 'ber-main' FOR UPDATE";
    let table = "LOCK TABLE warehouse.stock_levels IN ACCESS EXCLUSIVE MODE";
    // The refusal waits for a row, a lock of the whole table waits for the refusal, and the look for others waits for
    // that lock.
    let refusal = async {
        row_taken.notified().await;
        let refused = stocked.reserve(2).await;
        table_taken.notified().await;
        table_gate.notify_one();
        refused
    };
    let locker = async {
        queue.notified().await;
        hold(other.clone(), table, gates[1].clone()).await;
    };
    let director = async {
        until_somebody_waits(db, "locktype IN ('transactionid', 'tuple')").await;
        queue.notify_one();
        until_somebody_waits(db, "mode = 'AccessExclusiveLock' AND locktype = 'relation'").await;
        row_gate.notify_one();
    };
    let holder = hold(other.clone(), row, gates[0].clone());
    let (refused, (), (), ()) = tokio::join!(refusal, locker, director, holder);
    assert_eq!(refused.problem(), (409, "insufficient_stock"));
    assert_eq!(refused.body["lines"][0]["nearest"], Value::Null);
    let refused = stocked.reserve(2).await;
    assert_eq!(refused.body["lines"][0]["nearest"]["office"], "nyc");
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_and_releases_have_exactly_one_effect_under_every_fault() {
    let stocked = Stocked::with(100).await;
    let db = stocked.warehouse.db.db_in("eu1");
    let app = app(db.clone(), "eu1");
    let faults = [
        Fault::Serialization { attempts: 2 },
        Fault::BeforeCommit { attempts: 2 },
        Fault::ReplyLost,
        Fault::CommitLost,
    ];
    for (round, fault) in (1..).zip(faults) {
        let twice = async |operation: &'static str, path: &str, body: &Value| {
            let key = new_key();
            db.faults().set(operation, fault);
            let send = async || {
                app.request(Method::POST, path)
                    .key(&key)
                    .json(body)
                    .send()
                    .await
            };
            let hits = db.faults().hits(operation);
            let first = send().await;
            assert!(
                first.status.is_success(),
                "{operation} under {fault:?}: {}",
                first.body
            );
            assert!(
                db.faults().hits(operation) > hits,
                "{operation} under {fault:?}"
            );
            let again = send().await;
            assert_eq!((again.status, &again.body), (first.status, &first.body));
            assert_eq!(again.header("idempotent-replayed"), "true");
            let effects = format!("SELECT count(*) FROM platform.audit_log WHERE key = '{key}'");
            assert_eq!(stocked.warehouse.db.count(&effects).await, 1);
            first
        };
        let held = twice("reserve_stock", RESERVATIONS, &stocked.wanted(7)).await;
        assert_eq!(stocked.level().await, (100, 7, 2 * round));
        let release = format!("{}/release", held.header("location"));
        twice("release_reservation", &release, &json!({})).await;
        assert_eq!(stocked.level().await, (100, 0, 2 * round + 1));
    }
    stocked.reserved_is_what_is_held().await;
}
