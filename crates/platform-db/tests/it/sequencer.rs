//! Events get their numbers: gapless, in the order of each resource, whoever gives them and whatever fails.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::{join, join_all};
use kernel::{Clock, Common, Intent, OpError, RegionTag, Reply, SystemError};
use platform_db::{Db, Event, Fault, Sequencer, Txn};
use prometheus_client::registry::Registry;
use serde_json::json;
use testkit::{TestDb, eventually, intent};

use crate::fixture::{Ended, create, create_intent, ok, request, test_db};

const REGIONS: [&str; 3] = ["eu1", "us1", "ap1"];

fn sequencer(db: &Db) -> Sequencer {
    Sequencer::new(db.clone(), &mut Registry::default())
}

fn intent_in(db: &Db, home: &str, operation: &'static str, key: &str) -> Intent {
    let mut intent = intent(&request(db), operation, key);
    intent.home = home.parse::<RegionTag>().unwrap();
    intent
}

/// Changes a thing, making it first if need be, and tells of it: version after version.
async fn change(db: &Db, intent: Intent, name: &str) -> Ended {
    let name = name.to_owned();
    db.write(intent, async move |txn: &Txn<'_>| {
        let home = &txn.intent().home;
        let found = txn
            .row_opt(
                "SELECT count, updated_at FROM things.things WHERE region = $1 AND name = $2 FOR UPDATE",
                &[home, &name],
            )
            .await?;
        let version = match &found {
            None => 1,
            Some(row) => {
                txn.observe(row.get("updated_at")?);
                row.get::<i64>("count")? + 1
            }
        };
        let sql = if found.is_some() {
            "UPDATE things.things SET count = $3, updated_at = $4 WHERE region = $1 AND name = $2"
        } else {
            "INSERT INTO things.things (region, id, name, count, updated_at)
             VALUES ($1, md5($2::TEXT)::UUID, $2, $3, $4)"
        };
        txn.execute(sql, &[home, &name, &version, &txn.now()]).await?;
        txn.emit(Event {
            kind: "things.thing.changed",
            subject: name.clone(),
            office: None,
            resource_version: version,
            data: json!({"version": version}),
        });
        Ok(ok("{}"))
    })
    .await
}

/// Numbers are 1, 2, 3 … per region, the counter is the last of them, and each resource's versions come in order.
async fn assert_sound(test: &TestDb) {
    let gaps = "SELECT count(*) FROM (SELECT seq - row_number() OVER (PARTITION BY region ORDER BY seq) AS gap
        FROM platform.events) AS s WHERE gap IS NULL OR gap <> 0";
    let counters = "SELECT count(*) FROM platform.event_counters AS c
        WHERE seq <> (SELECT count(*) FROM platform.events AS e WHERE e.region = c.region)";
    let disorder = "SELECT count(*) FROM (SELECT resource_version
            - row_number() OVER (PARTITION BY region, subject ORDER BY seq) AS off FROM platform.events) AS s
        WHERE off <> 0";
    for (what, sql) in [
        ("gaps", gaps),
        ("counters", counters),
        ("disorder", disorder),
    ] {
        assert_eq!(test.count(sql).await, 0, "{what}");
    }
}

async fn unsequenced(test: &TestDb) -> i64 {
    test.count("SELECT count(*) FROM platform.events WHERE seq IS NULL")
        .await
}

/// Forty changes, in every region in turn. Two writers share each thing, so that the versions of one come from several
/// processes.
async fn write_much(db: &Db, writer: usize) {
    let name = format!("thing-{}", writer / 2);
    for n in 0..40 {
        let key = format!("change-{writer}-{n:05}");
        loop {
            let mut intent = intent_in(db, REGIONS[(writer + n) % 3], "change_thing", &key);
            intent.hot = vec![name.clone()];
            match change(db, intent, &name).await {
                Ok(_) => break,
                Err(OpError::System(
                    SystemError::OutcomeUnknown { .. } | SystemError::Contended,
                )) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_21_many_sequencers_under_load_and_faults_number_every_event_once_and_in_order() {
    let test = Arc::new(test_db().await);
    let enough = Arc::new(AtomicBool::new(false));
    // Two processes in each region.
    let dbs: Vec<Db> = REGIONS
        .iter()
        .flat_map(|region| {
            [
                test.db_in(region),
                test.db_with_clock(region, Clock::System),
            ]
        })
        .collect();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let sequencers = dbs.iter().map(|db| {
        let mut stopped = stopped.clone();
        sequencer(db).run(async move { drop(stopped.wait_for(|stop| *stop).await) })
    });
    let writers = (0..9).map(|writer| {
        let (db, enough) = (test.db_in(REGIONS[writer % 3]), Arc::clone(&enough));
        async move {
            write_much(&db, writer).await;
            enough.store(true, Ordering::SeqCst);
        }
    });
    let breaking = async {
        let faults = [
            Fault::BeforeCommit { attempts: 2 },
            Fault::ReplyLost,
            Fault::CommitLost,
            Fault::Serialization { attempts: 1 },
        ];
        for round in 0.. {
            if enough.load(Ordering::SeqCst) {
                break;
            }
            for db in &dbs {
                db.faults().set("sequence_events", faults[round % 4]);
            }
            // Time for the faults to strike.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let driving = async {
        join(join_all(writers), breaking).await;
        eventually("every event has its number", async || {
            unsequenced(&test).await == 0
        })
        .await;
        stop.send_replace(true);
    };
    join(join_all(sequencers), driving).await;
    let hits: u32 = dbs
        .iter()
        .map(|db| db.faults().hits("sequence_events"))
        .sum();
    assert!(hits > 3, "faults struck: {hits}");
    assert_eq!(
        test.count("SELECT count(*) FROM platform.events").await,
        360
    );
    assert_sound(&test).await;
}

/// Writers of different rows do not fail each other, nor does the sequencer fail them.
#[tokio::test(flavor = "multi_thread")]
async fn sequencing_makes_no_write_run_again() {
    let test = test_db().await;
    let db = test.db();
    let done = AtomicBool::new(false);
    let writes = async {
        let writers = (0..16).map(|writer| {
            let db = &db;
            async move {
                for n in 0..30 {
                    let name = format!("thing-{writer}-{n}");
                    let intent = create_intent(db, &format!("create-{writer}-{n:05}"));
                    create(db, intent, &name).await.unwrap();
                }
            }
        });
        join_all(writers).await;
        done.store(true, Ordering::SeqCst);
    };
    let sequencing = async {
        let mut sequencers = [sequencer(&db), sequencer(&db)];
        while !done.load(Ordering::SeqCst) || unsequenced(&test).await > 0 {
            let [one, other] = &mut sequencers;
            join(one.sequence(), other.sequence()).await;
        }
    };
    join(writes, sequencing).await;
    assert_sound(&test).await;
    let conflicts = test.metric(
        "db_retries_total",
        &["operation=\"create_thing\"", "reason=\"conflict\""],
    );
    assert_eq!(conflicts, 0);
}

/// Nobody is left in us1: after 5 s another region numbers its events, and not before.
#[tokio::test(flavor = "multi_thread")]
async fn hard_case_21_another_regions_events_are_numbered_after_five_seconds() {
    let test = test_db().await;
    let db = test.db();
    let mut sequencer = sequencer(&db);
    for (home, key) in [("eu1", "key-00001"), ("us1", "key-00002")] {
        change(&db, intent_in(&db, home, "change_thing", key), "lamp")
            .await
            .unwrap();
    }
    let begun = Instant::now();
    assert_eq!(sequencer.sequence().await, 1, "its own at once");
    let mut calls = 0;
    while unsequenced(&test).await > 0 {
        calls += sequencer.sequence().await;
        assert!(begun.elapsed() < Duration::from_secs(15));
        // It is about how long it is patient.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(calls, 1);
    assert!(
        begun.elapsed() >= Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert_sound(&test).await;
}

/// A transaction that began earlier and committed later gets a later number; no number is left out for it.
#[tokio::test(flavor = "multi_thread")]
async fn hard_case_21_an_event_that_is_committed_late_gets_a_later_number() {
    let test = test_db().await;
    let db = test.db();
    let (opened, open) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
    let late = async {
        let ended: Ended = db
            .write(create_intent(&db, "key-00001"), async |txn: &Txn<'_>| {
                let reply = crate::fixture::insert_thing(txn, "late").await?;
                opened.notify_one();
                open.notified().await;
                Ok(reply)
            })
            .await;
        ended.unwrap();
    };
    let others = async {
        opened.notified().await;
        create(&db, create_intent(&db, "key-00002"), "early")
            .await
            .unwrap();
        assert_eq!(sequencer(&db).sequence().await, 1);
        open.notify_one();
    };
    join(late, others).await;
    assert_eq!(sequencer(&db).sequence().await, 1);
    let order = test
        .query("SELECT data->>'name' FROM platform.events ORDER BY seq")
        .await;
    assert_eq!(
        order,
        [[Some("early".to_owned())], [Some("late".to_owned())]]
    );
    assert_sound(&test).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_21_events_are_kept_for_thirty_days_and_without_a_number_for_ever() {
    let test = test_db().await;
    let db = test.db();
    for n in 0..5 {
        let key = format!("key-{n:05}");
        change(&db, intent_in(&db, "eu1", "change_thing", &key), "lamp")
            .await
            .unwrap();
    }
    assert_eq!(sequencer(&db).sequence().await, 5);
    // The second is younger than the third: what is kept has no gap, so the third waits for it.
    test.query("UPDATE platform.events SET time = now() - INTERVAL '31 days' WHERE seq IN (1, 3)")
        .await;
    change(
        &db,
        intent_in(&db, "eu1", "change_thing", "key-00006"),
        "lamp",
    )
    .await
    .unwrap();
    test.query("UPDATE platform.events SET time = now() - INTERVAL '90 days' WHERE seq IS NULL")
        .await;
    let kept = async || {
        let rows = "SELECT seq FROM platform.events ORDER BY seq NULLS LAST";
        let rows = test.query(rows).await;
        rows.iter()
            .map(|row| row[0].as_ref().map_or(0, |seq| seq.parse().unwrap()))
            .collect::<Vec<i64>>()
    };
    assert!(!sequencer(&db).purge().await);
    assert_eq!(kept().await, [2, 3, 4, 5, 0]);
    let later = Clock::fixed(db.clock().now().plus(Duration::from_secs(31 * 24 * 3600)));
    let later = test.db_with_clock("eu1", later);
    assert!(!sequencer(&later).purge().await);
    assert_eq!(kept().await, [0]);
    let purged = "SELECT purged FROM platform.event_counters WHERE region = 'eu1'";
    assert_eq!(test.count(purged).await, 5);
    // Numbers go on where they were.
    assert_eq!(sequencer(&db).sequence().await, 1);
    assert_eq!(kept().await, [6]);
}

/// Once the key row is deleted, the audit row still knows.
#[tokio::test(flavor = "multi_thread")]
async fn hard_case_05_key_rows_are_deleted_after_their_time_and_a_late_repeat_is_refused() {
    let test = test_db().await;
    let db = test.db();
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    let keys = "SELECT count(*) FROM platform.idempotency_keys";
    sequencer(&db).purge().await;
    assert_eq!(test.count(keys).await, 1, "its time is not up");
    let later = Clock::fixed(db.clock().now().plus(Duration::from_secs(8 * 24 * 3600)));
    sequencer(&test.db_with_clock("eu1", later)).purge().await;
    assert_eq!(test.count(keys).await, 0);
    let repeat: Result<Reply, _> = create(&db, create_intent(&db, "key-00001"), "lamp").await;
    assert!(
        matches!(repeat, Err(OpError::Common(Common::AlreadyExists { .. }))),
        "{repeat:?}"
    );
    assert_eq!(test.count("SELECT count(*) FROM things.things").await, 1);
}
