//! Many writers, one row (hard case 7).

use std::time::Duration;

use futures_util::future::{join, join_all};
use kernel::{OpError, SystemError};
use testkit::{Engine, call_with_budget, eventually, intent};

use crate::fixture::{add, create, create_intent, request, test_db};

const WRITERS: i64 = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hard_case_07_writers_who_name_a_hot_row_queue_and_none_is_run_again() {
    let test = test_db().await;
    let regions = ["eu1", "us1", "ap1"];
    create(&test.db(), create_intent(&test.db(), "key-00001"), "lamp")
        .await
        .unwrap();
    let writers = (0..WRITERS).map(|n| {
        let db = test.db_in(regions[usize::try_from(n).unwrap() % 3]);
        async move {
            // How long so many take one after the other is the machine's matter.
            let call = call_with_budget(db.region().as_str(), Duration::from_secs(60));
            let mut intent = intent(&call, "add_hot", &format!("writer-{n:04}"));
            intent.hot = vec!["lamp".into(), "another name, in any order".into()];
            add(&db, intent, "lamp", 1).await
        }
    });
    let mut acknowledged = 0;
    for ended in join_all(writers).await {
        match ended {
            Ok(_) => acknowledged += 1,
            // Without advisory locks the last of so many may wait too long.
            Err(OpError::System(SystemError::Contended | SystemError::DeadlineExceeded))
                if test.engine() == Engine::Cockroach => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    let count = test.count("SELECT count FROM things.things").await;
    assert_eq!(count, acknowledged);
    if !test.speaks_postgres_with("the queue of advisory locks") {
        return;
    }
    assert_eq!(acknowledged, WRITERS);
    assert_eq!(
        test.metric(
            "db_retries_total",
            &["operation=\"add_hot\"", "reason=\"conflict\""]
        ),
        0
    );
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database =
                 (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(test.count(locks).await, 0, "locks are let go of");
}

/// The bound of one write's wait in the queue is not its connection's next user's: what that waits for may take longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hard_case_08_a_write_has_its_own_time_whoever_had_the_connection_before() {
    let test = test_db().await;
    if !test.speaks_postgres_with("advisory locks") {
        return;
    }
    let db = test.db_with_connections(1);
    let call = call_with_budget("eu1", Duration::from_secs(2));
    let mut short = intent(&call, "create_thing", "key-of-lamp");
    short.hot = vec!["lamp".into()];
    create(&db, short, "lamp").await.unwrap();
    let hold = test.query(
        "BEGIN; LOCK TABLE platform.idempotency_keys IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(2.5); COMMIT",
    );
    let held = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted
                AND relation = 'platform.idempotency_keys'::regclass";
    let next = async {
        eventually("the keys are locked", async || test.count(held).await > 0).await;
        create(&db, create_intent(&db, "key-of-desk"), "desk").await
    };
    let (_, ended) = join(hold, next).await;
    ended.unwrap();
}

/// Without naming the row, writers fail each other: each one ends in success or in contention, and the count is
/// what was acknowledged. The retry counter moves, so the test proves something.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hard_case_08_writers_who_fail_each_other_lose_nothing() {
    let test = test_db().await;
    let db = test.db();
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    let writers = (0..WRITERS / 2).map(|n| {
        let db = db.clone();
        async move {
            add(
                &db,
                intent(&request(&db), "add", &format!("writer-{n:04}")),
                "lamp",
                1,
            )
            .await
        }
    });
    let mut acknowledged = 0;
    for ended in join_all(writers).await {
        match ended {
            Ok(_) => acknowledged += 1,
            Err(OpError::System(SystemError::Contended)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(
        test.count("SELECT count FROM things.things").await,
        acknowledged
    );
    assert!(acknowledged > 0);
    if !test.speaks_postgres_with("a conflict that is certain") {
        return;
    }
    assert!(
        test.metric(
            "db_retries_total",
            &["operation=\"add\"", "reason=\"conflict\""]
        ) > 0
    );
}

/// Writers of different rows do not fail each other: keys are not read in the transaction, and small tables are
/// not scanned.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_of_different_rows_do_not_meet() {
    let test = test_db().await;
    let db = test.db();
    let writers = (0..WRITERS).map(|n| {
        let db = db.clone();
        async move {
            create(
                &db,
                create_intent(&db, &format!("writer-{n:04}")),
                &format!("lamp {n}"),
            )
            .await
        }
    });
    for ended in join_all(writers).await {
        ended.unwrap();
    }
    assert_eq!(
        test.count("SELECT count(*) FROM things.things").await,
        WRITERS
    );
    if !test.speaks_postgres_with("conflicts that are certain not to be") {
        return;
    }
    assert_eq!(
        test.metric("db_retries_total", &["operation=\"create_thing\""]),
        0
    );
}
