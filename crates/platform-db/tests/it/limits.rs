//! What bounds a write: time, round trips, sessions.

use std::{sync::Arc, time::Duration};

use kernel::{OpError, Reply, SystemError};
use platform_db::{Never, TxError, Txn};
use testkit::{Proxy, call_with_budget, intent};

use crate::fixture::{
    ThingError, Times, add, assert_one_effect, create, create_intent, insert_thing, lock_thing, ok,
    request, test_db,
};

#[tokio::test]
async fn hard_case_08_a_write_that_cannot_commit_in_time_is_refused_in_time() {
    let test = test_db().await;
    let db = test.db();
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    // Somebody else holds the row.
    let holder = test.db();
    let (held, wait) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
    let holding = holder.write(
        intent(&request(&holder), "hold", "key-00002"),
        async |txn: &Txn<'_>| {
            lock_thing(txn, "lamp").await?;
            held.notify_one();
            wait.notified().await;
            Ok::<_, TxError<ThingError>>(ok("{}"))
        },
    );
    let late = async {
        held.notified().await;
        let call = call_with_budget("eu1", Duration::from_millis(300));
        let ended = add(&db, intent(&call, "add", "key-00003"), "lamp", 1).await;
        wait.notify_one();
        (ended, call.elapsed())
    };
    let (held, (ended, elapsed)) = futures_util::future::join(holding, late).await;
    assert!(held.is_ok(), "{held:?}");
    assert!(
        matches!(ended, Err(OpError::System(SystemError::DeadlineExceeded))),
        "{ended:?}"
    );
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    assert_eq!(test.count("SELECT count FROM things.things").await, 0);
}

/// A write is at most four round trips, its key and everything else included.
#[tokio::test]
async fn a_typical_write_is_at_most_four_round_trips() {
    let test = test_db().await;
    let proxy = Proxy::before(&test).await;
    let db = test.db_through(proxy.port());
    // Statements are prepared once per connection.
    create(&db, create_intent(&db, "warm-0001"), "warm")
        .await
        .unwrap();
    let mut hot = intent(&request(&db), "add", "warm-0002");
    hot.hot = vec!["warm".into()];
    add(&db, hot, "warm", 1).await.unwrap();
    create(&db, create_intent(&db, "warm-0001"), "warm")
        .await
        .unwrap();

    let before = proxy.round_trips();
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    let insert = proxy.round_trips() - before;

    let before = proxy.round_trips();
    let mut hot = intent(&request(&db), "add", "key-00002");
    hot.hot = vec!["lamp".into()];
    add(&db, hot, "lamp", 1).await.unwrap();
    let update = proxy.round_trips() - before;

    let before = proxy.round_trips();
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    let replay = proxy.round_trips() - before;
    // As drawn in `write.rs`; one more when the pool asks whether a connection lives that was idle for a second.
    assert!(
        insert <= 3 && update <= 4 && replay <= 3,
        "{insert} {update} {replay}"
    );
    assert!(insert + update + replay <= 8, "{insert} {update} {replay}");
}

#[tokio::test]
async fn the_closure_may_run_often_but_its_effect_is_one() {
    let test = test_db().await;
    let db = test.db();
    let times = Arc::new(Times::default());
    let seen = Arc::clone(&times);
    db.faults().set(
        "create_thing",
        platform_db::Fault::Serialization { attempts: 3 },
    );
    let reply: Result<Reply, OpError<ThingError>> = db
        .write(
            create_intent(&db, "key-00001"),
            async move |txn: &Txn<'_>| {
                seen.next();
                insert_thing(txn, "lamp").await
            },
        )
        .await;
    assert!(reply.is_ok());
    assert_eq!(times.get(), 4);
    assert_one_effect(&test, "lamp").await;
}

#[tokio::test]
async fn hard_case_03_sessions_of_writes_are_told_their_bounds() {
    let test = test_db().await;
    let db = test.db();
    let call = call_with_budget("eu1", Duration::from_millis(5000));
    let ended: Result<Reply, OpError<Never>> = db
        .write(intent(&call, "look", "key-00001"), async |txn: &Txn<'_>| {
            let row = txn
                .row(
                    "SELECT current_setting('idle_in_transaction_session_timeout') AS idle,
                            current_setting('statement_timeout') AS statement,
                            current_setting('transaction_isolation') AS isolation",
                    &[],
                )
                .await?;
            let text = |column: &str| row.get::<String>(column);
            // CockroachDB tells milliseconds without a unit.
            assert!(["5s", "5000"].contains(&text("idle")?.as_str()));
            assert_eq!(text("isolation")?, "serializable");
            let statement: u64 = text("statement")?.trim_end_matches("ms").parse().unwrap();
            assert!(
                (1..=5000).contains(&statement),
                "the remaining deadline, not {statement}"
            );
            Ok(ok("{}"))
        })
        .await;
    ended.unwrap();
}

/// Handlers of axum must be `Send`: closures own what they capture.
#[tokio::test]
async fn writes_and_reads_can_move_between_threads() {
    fn is_send<F: Future + Send>(future: F) -> F {
        future
    }
    let test = test_db().await;
    let db = test.db();
    let name = "lamp".to_owned();
    let write = db.write(
        create_intent(&db, "key-00001"),
        async move |txn: &Txn<'_>| insert_thing(txn, &name).await,
    );
    is_send(write).await.unwrap();
    let spec = crate::fixture::spec("get_thing");
    let (call, name) = (request(&db), "lamp".to_owned());
    let read = db.read_snapshot(&call, spec, async move |session: &platform_db::Session| {
        crate::fixture::count_of(session, &name).await
    });
    assert_eq!(is_send(read).await.unwrap().value, Some(0));
}
