//! Every write under every fault of the switch: exactly one effect, and the retry counter moved.

use platform_db::Fault;
use serde_json::{Value, json};
use testkit::app::new_key;

use axum::http::Method;

use crate::{ACCOUNTS, ENTRIES, PERIODS, World, app, close, entry, id, posted};

/// One write: operation, path, body.
struct Write {
    operation: &'static str,
    path: String,
    body: Value,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_has_exactly_one_effect_under_every_fault() {
    let world = World::new().await;
    let db = world.db.db_in("eu1");
    let app = app(db.clone(), "eu1");
    let faults = [
        Fault::Serialization { attempts: 2 },
        Fault::BeforeCommit { attempts: 2 },
        Fault::ReplyLost,
        Fault::CommitLost,
    ];
    for (round, fault) in faults.into_iter().enumerate() {
        let made = posted(&app, entry("5900", "1000", 5, "2026-01-01")).await;
        let closed = format!("201{round}-01");
        close(&app, "ber", &closed).await;
        for write in writes(round, id(&made), &closed) {
            let key = new_key();
            db.faults().set(write.operation, fault);
            let send = async || {
                let request = app.request(Method::POST, &write.path).key(&key);
                request.json(&write.body).send().await
            };
            let what = format!("{} under {fault:?}", write.operation);
            let first = send().await;
            assert!(first.status.is_success(), "{what}: {}", first.body);
            assert!(db.faults().hits(write.operation) > 0, "{what}");
            let again = send().await;
            assert_eq!((again.status, &again.body), (first.status, &first.body));
            assert_eq!(again.header("idempotent-replayed"), "true");
            let effects = format!("SELECT count(*) FROM platform.audit_log WHERE key = '{key}'");
            assert_eq!(world.db.count(&effects).await, 1, "{what}");
        }
    }
    let events = world.db.count("SELECT count(*) FROM platform.events").await;
    let listed = "SELECT count(*) FROM (SELECT unnest(event_ids) FROM platform.audit_log) AS ids";
    assert_eq!(
        events,
        world.db.count(listed).await,
        "hard case 23: audit rows list every event"
    );
    let entries = "SELECT count(*) FROM accounting.journal_entries";
    assert_eq!(world.db.count(entries).await, 3 * 4);
}

fn writes(round: usize, made: &str, closed: &str) -> Vec<Write> {
    let write = |operation, path: String, body| Write {
        operation,
        path,
        body,
    };
    vec![
        write(
            "create_account",
            ACCOUNTS.to_owned(),
            json!({"code": format!("61{round}"), "name": "n", "type": "expense", "normal": "debit"}),
        ),
        write(
            "create_journal_entry",
            ENTRIES.to_owned(),
            entry("1000", "4000", 7, "2026-01-02"),
        ),
        write(
            "reverse_journal_entry",
            format!("{ENTRIES}/{made}/reverse"),
            json!({"reason": "r"}),
        ),
        write(
            "close_period",
            format!("{PERIODS}/ber/201{round}-02/close"),
            json!({}),
        ),
        write(
            "reopen_period",
            format!("{PERIODS}/ber/{closed}/reopen"),
            json!({"reason": "r"}),
        ),
    ]
}
