//! The database goes away and comes back.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::future::{join, join_all};
use kernel::{OpError, Principal, SystemError};
use platform_db::{Session, Txn};
use testkit::{TestDb, call_with_budget, eventually, intent};

use crate::fixture::{
    Ended, THINGS, Times, add, count_of, create, create_intent, insert_thing, request, spec,
};

/// 57P01 in the middle of a transaction: it runs again on a fresh connection, uncounted.
#[tokio::test]
async fn hard_case_08_a_backend_that_is_ended_before_commit_costs_nothing_but_time() {
    let test = TestDb::new(&[&THINGS]).await;
    let db = test.db();
    let intent = create_intent(&db, "key-00001");
    let call = intent.call.clone();
    let times = Times::default();
    let ended: Ended = db
        .write(intent, async |txn: &Txn<'_>| {
            let reply = insert_thing(txn, "lamp").await?;
            if times.next() == 1 {
                test.end_sessions().await;
            }
            Ok(reply)
        })
        .await;
    // COMMIT met a closed connection, so the key row was asked: not there, run again.
    ended.unwrap();
    assert_eq!(times.get(), 2);
    assert_eq!(call.facts().retries, 0);
    assert_eq!(test.count("SELECT count(*) FROM things.things").await, 1);
}

#[tokio::test]
async fn a_read_on_a_shared_connection_that_broke_is_read_again() {
    let test = TestDb::new(&[&THINGS]).await;
    let db = test.db();
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    let read = || async {
        db.read(
            &request(&db),
            spec("get_thing"),
            async |session: &Session| count_of(session, "lamp").await,
        )
        .await
    };
    assert_eq!(read().await.unwrap().value, Some(0));
    test.end_sessions().await;
    for _ in 0..4 {
        assert_eq!(read().await.unwrap().value, Some(0));
    }
}

/// The server is killed like a machine that loses power, under writers, and started again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hard_case_02_a_killed_and_restarted_database_loses_and_doubles_nothing() {
    let test = TestDb::private(&[&THINGS]).await;
    let db = test.db();
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    let enough = AtomicBool::new(false);
    let writers = (0..8).map(|writer| {
        let (db, enough) = (&db, &enough);
        async move {
            let mut acknowledged = Vec::new();
            for n in 0.. {
                if enough.load(Ordering::SeqCst) {
                    break;
                }
                let key = format!("writer-{writer}-{n:05}");
                loop {
                    let mut intent = intent(&request(db), "add", &key);
                    intent.hot = vec!["lamp".into()];
                    match add(db, intent, "lamp", 1).await {
                        Ok(_) => break,
                        // A client repeats what it does not know with the same key.
                        Err(OpError::System(
                            SystemError::OutcomeUnknown { .. }
                            | SystemError::Unavailable { .. }
                            | SystemError::DeadlineExceeded,
                        )) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }
                acknowledged.push(key.parse().unwrap());
            }
            acknowledged
        }
    });
    let breaking = async {
        let committed = async |more: i64| {
            let before = test.count("SELECT count FROM things.things").await;
            eventually("writers go on", async || {
                test.count("SELECT count FROM things.things").await >= before + more
            })
            .await;
        };
        committed(50).await;
        tokio::task::block_in_place(|| {
            test.server().kill();
            test.server().start();
        });
        eventually("the owner's pool is healthy again", async || {
            db.ping().await.is_ok()
        })
        .await;
        committed(50).await;
        enough.store(true, Ordering::SeqCst);
    };
    let (keys, ()) = join(join_all(writers), breaking).await;
    let keys: Vec<_> = keys.concat();
    let principal = Principal::test("tester");
    let effects = db.verify(&request(&db), &principal, &keys).await.unwrap();
    assert_eq!(effects, vec![1; keys.len()], "lost or doubled");
    let count = test.count("SELECT count FROM things.things").await;
    assert_eq!(count, i64::try_from(keys.len()).unwrap());
    let retried = test.metric("db_retries_total", &["operation=\"add\""]);
    assert!(retried > 0, "the restart went unnoticed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_database_a_write_is_unavailable_at_its_deadline_and_a_ping_within_a_second() {
    let test = TestDb::private(&[&THINGS]).await;
    let db = test.db();
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    db.ping().await.unwrap();
    tokio::task::block_in_place(|| test.server().stop());
    let call = call_with_budget("eu1", Duration::from_millis(700));
    let ended = create(&db, intent(&call, "create_thing", "key-00002"), "lamp 2").await;
    assert!(
        matches!(ended, Err(OpError::System(SystemError::Unavailable { .. }))),
        "{ended:?}"
    );
    assert!(
        call.elapsed() < Duration::from_secs(3),
        "{:?}",
        call.elapsed()
    );
    assert!(matches!(
        db.ping().await,
        Err(SystemError::Unavailable { .. })
    ));
    tokio::task::block_in_place(|| test.server().start());
    eventually("it answers again", async || db.ping().await.is_ok()).await;
    create(&db, create_intent(&db, "key-00003"), "lamp 3")
        .await
        .unwrap();
}
