//! The fault switch: whatever breaks, there is exactly one effect, and the answer is true.

use kernel::{Common, OpError, SystemError};
use platform_db::{Fault, ReceiptStatus, Txn, Void};
use proptest::prelude::*;
use testkit::{Proxy, TestDb, intent};

use crate::fixture::{
    Ended, THINGS, ThingError, Times, add, assert_one_effect, assert_unknown, create,
    create_intent, insert_thing, request, test_db,
};

async fn create_under(test: &TestDb, fault: Fault) -> Ended {
    let db = test.db();
    db.faults().set("create_thing", fault);
    let ended = create(&db, create_intent(&db, "key-00001"), "lamp").await;
    assert!(
        db.faults().hits("create_thing") > 0,
        "the fault never struck"
    );
    ended
}

fn retries(test: &TestDb, reason: &str) -> u64 {
    test.metric(
        "db_retries_total",
        &[
            "operation=\"create_thing\"",
            &format!("reason=\"{reason}\""),
        ],
    )
}

#[tokio::test]
async fn hard_case_08_a_conflict_on_any_attempt_leaves_one_effect() {
    for attempts in [1, 2, 5] {
        let test = test_db().await;
        let reply = create_under(&test, Fault::Serialization { attempts })
            .await
            .unwrap();
        assert_eq!(reply.status, 201);
        assert_one_effect(&test, "lamp").await;
        assert_eq!(retries(&test, "conflict"), u64::from(attempts));
    }
}

#[tokio::test]
async fn hard_case_08_conflicts_without_end_are_contention_and_change_nothing() {
    let test = test_db().await;
    let ended = create_under(&test, Fault::Serialization { attempts: 1000 }).await;
    assert!(
        matches!(ended, Err(OpError::System(SystemError::Contended))),
        "{ended:?}"
    );
    assert_eq!(test.db().faults().hits("create_thing"), 20);
    assert_eq!(test.count("SELECT count(*) FROM things.things").await, 0);
    assert_eq!(
        test.count("SELECT count(*) FROM platform.audit_log").await,
        0
    );
}

#[tokio::test]
async fn hard_case_08_a_connection_lost_before_commit_is_not_counted_as_a_retry() {
    let test = test_db().await;
    let db = test.db();
    db.faults()
        .set("create_thing", Fault::BeforeCommit { attempts: 2 });
    let intent = create_intent(&db, "key-00001");
    let call = intent.call.clone();
    create(&db, intent, "lamp").await.unwrap();
    assert_eq!(call.facts().retries, 0);
    assert_eq!(retries(&test, "connection"), 2);
    assert_one_effect(&test, "lamp").await;
}

/// The record fails on a key row that came in between; COMMIT, sent along with it, answers Ok and was a ROLLBACK.
#[tokio::test]
async fn hard_case_01_commit_behind_a_failed_record_is_not_believed() {
    let test = test_db().await;
    let db = test.db();
    let ended: Ended = db
        .write(create_intent(&db, "key-00001"), async |txn: &Txn<'_>| {
            let reply = insert_thing(txn, "outer").await?;
            let other = intent(&request(&db), "create_other_thing", "key-00001");
            create(&db, other, "inner").await.ok();
            Ok(reply)
        })
        .await;
    assert!(
        matches!(ended, Err(OpError::Common(Common::KeyReused))),
        "{ended:?}"
    );
    assert_eq!(
        test.query("SELECT name FROM things.things").await,
        [[Some("inner".to_owned())]]
    );
    assert_eq!(
        test.count("SELECT count(*) FROM platform.audit_log").await,
        1
    );
}

/// The fault that finds the bugs: it happened, and nobody was told.
#[tokio::test]
async fn hard_case_02_a_commit_whose_answer_is_lost_is_found_by_its_key_row() {
    let test = test_db().await;
    let db = test.db();
    db.faults().set("create_thing", Fault::ReplyLost);
    let intent = create_intent(&db, "key-00001");
    let call = intent.call.clone();
    let reply = create(&db, intent, "lamp").await.unwrap();
    assert_eq!(reply.status, 201);
    assert!(
        !call.facts().replayed,
        "it is the first answer, not a repeat"
    );
    assert!(call.facts().reflects().is_some());
    assert_one_effect(&test, "lamp").await;
    // And the repeat is the stored answer.
    assert_eq!(
        create(&db, create_intent(&db, "key-00001"), "lamp")
            .await
            .unwrap(),
        reply
    );
    assert_one_effect(&test, "lamp").await;
}

#[tokio::test]
async fn hard_case_02_a_commit_that_did_not_land_is_run_again() {
    let test = test_db().await;
    assert_eq!(
        create_under(&test, Fault::CommitLost).await.unwrap().status,
        201
    );
    assert_eq!(retries(&test, "unresolved"), 1);
    assert_one_effect(&test, "lamp").await;
}

#[tokio::test]
async fn hard_case_02_what_nobody_can_tell_is_said_so_and_settles_by_the_same_key() {
    let test = test_db().await;
    assert_unknown(&create_under(&test, Fault::OutcomeUnknown).await);
    let db = test.db();
    assert_eq!(
        create(&db, create_intent(&db, "key-00001"), "lamp")
            .await
            .unwrap()
            .status,
        201
    );
    assert_one_effect(&test, "lamp").await;
}

/// After a COMMIT that nobody answered, a refusal of the rerun proves nothing.
#[tokio::test]
async fn hard_case_02_after_an_unresolved_commit_there_is_no_refusal() {
    let test = test_db().await;
    let db = test.db();
    db.faults().set("create_thing", Fault::CommitLost);
    let times = Times::default();
    let ended: Ended = db
        .write(create_intent(&db, "key-00001"), async |txn: &Txn<'_>| {
            if times.next() == 1 {
                insert_thing(txn, "lamp").await
            } else {
                Err(ThingError::OnPurpose.into())
            }
        })
        .await;
    assert_eq!(times.get(), 2);
    assert_unknown(&ended);
}

#[tokio::test]
async fn hard_case_02_after_an_unresolved_commit_there_is_no_contention_either() {
    let test = test_db().await;
    let db = test.db();
    db.faults().set("create_thing", Fault::CommitLost);
    let times = Times::default();
    let ended: Ended = db
        .write(create_intent(&db, "key-00001"), async |txn: &Txn<'_>| {
            if times.next() == 1 {
                db.faults().set("create_thing", Fault::CommitLost);
            } else {
                db.faults()
                    .set("create_thing", Fault::Serialization { attempts: 1000 });
            }
            insert_thing(txn, "lamp").await
        })
        .await;
    assert_unknown(&ended);
    assert_eq!(test.count("SELECT count(*) FROM things.things").await, 0);
}

/// COMMIT reaches the server through a wire that swallows its answer.
#[tokio::test]
async fn hard_case_02_a_black_hole_after_commit_is_found_by_the_key_row() {
    let test = test_db().await;
    let proxy = Proxy::before(&test).await;
    let db = test.db_through(proxy.port());
    create(&db, create_intent(&db, "warm-0001"), "warm")
        .await
        .unwrap();
    let times = Times::default();
    let ended: Ended = db
        .write(create_intent(&db, "key-00001"), async |txn: &Txn<'_>| {
            let reply = insert_thing(txn, "lamp").await?;
            if times.next() == 1 {
                proxy.swallow_answers(true);
            }
            Ok(reply)
        })
        .await_with(async {
            // The effect is there although nobody was told; then the wire breaks, and the next one works.
            testkit::eventually("the commit has landed", async || {
                test.count("SELECT count(*) FROM things.things WHERE name = 'lamp'")
                    .await
                    == 1
            })
            .await;
            proxy.cut();
            proxy.swallow_answers(false);
        })
        .await;
    assert_eq!(ended.unwrap().status, 201);
    assert_eq!(times.get(), 1);
    assert_eq!(
        test.count("SELECT count(*) FROM things.things WHERE name = 'lamp'")
            .await,
        1
    );
    assert_eq!(
        test.count("SELECT count(*) FROM platform.audit_log WHERE key = 'key-00001'")
            .await,
        1
    );
}

/// Attempt 1's COMMIT is held up on the wire, its key is not found, the rerun commits, then COMMIT 1 arrives.
#[tokio::test]
async fn hard_case_02_a_commit_that_arrives_late_finds_the_key_row_in_its_way() {
    let test = test_db().await;
    let proxy = Proxy::before(&test).await;
    let db = test.db_through(proxy.port());
    create(&db, create_intent(&db, "warm-0001"), "warm")
        .await
        .unwrap();
    let times = Times::default();
    let ended: Ended = db
        .write(create_intent(&db, "key-00001"), async |txn: &Txn<'_>| {
            let reply = insert_thing(txn, "lamp").await?;
            if times.next() == 1 {
                proxy.hold();
            }
            Ok(reply)
        })
        .await;
    assert_eq!(ended.unwrap().status, 201);
    assert!(times.get() > 1, "the first COMMIT was held up");
    proxy.release();
    // The held connection is closed once the server has read what was held.
    testkit::eventually("no transaction is open", async || {
        test.transactions().await == 0
    })
    .await;
    for sql in [
        "SELECT count(*) FROM things.things WHERE name = 'lamp'",
        "SELECT count(*) FROM platform.audit_log WHERE key = 'key-00001'",
        "SELECT count(*) FROM platform.idempotency_keys WHERE key = 'key-00001'",
    ] {
        assert_eq!(test.count(sql).await, 1, "{sql}");
    }
}

/// Runs a future beside another.
trait AwaitWith: Future + Sized {
    async fn await_with(self, other: impl Future<Output = ()>) -> Self::Output {
        futures_util::future::join(self, other).await.0
    }
}

impl<F: Future> AwaitWith for F {}

#[tokio::test]
async fn hard_case_03_a_void_key_keeps_a_late_commit_out() {
    let test = test_db().await;
    let db = test.db();
    let intent = create_intent(&db, "key-00001");
    let (principal, key, home) = (
        intent.principal.clone(),
        intent.key.clone(),
        intent.home.clone(),
    );
    let call = request(&db);
    let void = Void {
        call: &call,
        principal: &principal,
        key: &key,
        office: None,
        home: &home,
        scope: intent.scope,
    };
    let times = Times::default();
    // The key is made void after the write has looked for it and before its COMMIT.
    let ended: Ended = db
        .write(intent, async |txn: &Txn<'_>| {
            let reply = insert_thing(txn, "lamp").await?;
            if times.next() == 1 {
                let receipt = db.void(void).await.map_err(|_| ThingError::OnPurpose)?;
                assert_eq!(receipt.status, ReceiptStatus::Void);
            }
            Ok(reply)
        })
        .await;
    assert!(
        matches!(ended, Err(OpError::Common(Common::KeyVoided))),
        "{ended:?}"
    );
    let later = create(&db, create_intent(&db, "key-00001"), "lamp").await;
    assert!(
        matches!(later, Err(OpError::Common(Common::KeyVoided))),
        "{later:?}"
    );
    assert_eq!(test.count("SELECT count(*) FROM things.things").await, 0);
    assert_eq!(
        test.count("SELECT count(*) FROM platform.audit_log").await,
        0
    );
}

#[tokio::test]
async fn a_fault_strikes_the_operation_it_names_and_no_other() {
    let test = test_db().await;
    let db = test.db();
    db.faults().set("add", Fault::ReplyLost);
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    assert_eq!(db.faults().hits("create_thing"), 0);
    add(&db, intent(&request(&db), "add", "key-00002"), "lamp", 1)
        .await
        .unwrap();
    assert_eq!(db.faults().hits("add"), 1);
    assert_eq!(test.count("SELECT count FROM things.things").await, 1);
}

fn any_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        (1_u32..4).prop_map(|attempts| Fault::Serialization { attempts }),
        (1_u32..3).prop_map(|attempts| Fault::BeforeCommit { attempts }),
        Just(Fault::ReplyLost),
        Just(Fault::CommitLost),
        Just(Fault::OutcomeUnknown),
    ]
}

/// The law: after any run of faults, a client that repeats each unknown outcome with the same key ends with a
/// count that is the sum of what it sent, and verify counts one effect for each key.
#[test]
fn whatever_fails_each_write_happens_once() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let test = runtime.block_on(TestDb::new(&[&THINGS]));
    let db = test.db();
    let cases = Times::default();
    let config = ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(faults in prop::collection::vec((any_fault(), 1_i64..100), 1..6))| {
        let case = cases.next();
        let name = format!("lamp {case}");
        runtime.block_on(async {
            let first = intent(&request(&db), "create_thing", &format!("create-{case:03}"));
            create(&db, first, &name).await.unwrap();
            let mut keys = Vec::new();
            for (n, (fault, delta)) in faults.iter().enumerate() {
                let key = format!("add-{case:03}-{n:03}");
                db.faults().set("add", *fault);
                let once = || add(&db, intent(&request(&db), "add", &key), &name, *delta);
                let ended = once().await;
                if ended.is_err() {
                    assert_unknown(&ended);
                    once().await.unwrap();
                }
                keys.push(key.parse().unwrap());
            }
            let principal = kernel::Principal::test("tester");
            let effects = db.verify(&request(&db), &principal, &keys).await.unwrap();
            assert_eq!(effects, vec![1; keys.len()]);
            let sum: i64 = faults.iter().map(|(_, delta)| delta).sum();
            let count = test.count(&format!("SELECT count FROM things.things WHERE name = '{name}'")).await;
            assert_eq!(count, sum);
        });
    });
    // The database is dropped while its runtime still lives.
    runtime.block_on(async { drop(test) });
}
