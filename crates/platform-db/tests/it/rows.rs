//! Many writes in one transaction: whatever breaks, each row has exactly one effect of its own.

use futures_util::future::join_all;
use kernel::{Common, Intent, OpError, SystemError};
use platform_db::{Db, Fault, OpenRows, RowEnd, RowRefusal, RowsDone, RowsEnd, TxError, Txn};
use testkit::TestDb;

use crate::fixture::{THINGS, ThingError, create, create_intent, insert_thing, request, test_db};

/// Rows named by their keys; those whose name begins with `bad` are refused.
fn rows(db: &Db, names: &[&str]) -> Vec<Intent> {
    let call = request(db);
    let of = |name: &&str| {
        let mut intent = create_intent(db, &format!("row-key-{name}"));
        intent.call = call.clone();
        intent.operation = "create_things";
        intent.hot = vec![format!("thing {name}")];
        intent.fingerprint = [u8::try_from(name.len()).unwrap(); 32];
        intent
    };
    names.iter().map(of).collect()
}

async fn write_all(
    db: &Db,
    rows: Vec<Intent>,
    atomic: bool,
) -> Result<RowsEnd<ThingError>, OpError<ThingError>> {
    db.write_rows(rows, async move |txn: &Txn<'_>, open: OpenRows| {
        let mut done = Vec::new();
        for (_, intent) in open.iter() {
            let name = intent.key.as_str().trim_start_matches("row-key-");
            if name.starts_with("bad") {
                done.push(Err(RowRefusal::Own(ThingError::OnPurpose)));
                continue;
            }
            let row = txn.for_row(intent);
            let reply = insert_thing(&row, name).await?;
            done.push(Ok(row.wrote(reply)));
        }
        let commit = !atomic || done.iter().all(Result::is_ok);
        Ok::<_, TxError<ThingError>>(RowsDone { rows: done, commit })
    })
    .await
}

fn words(end: &RowsEnd<ThingError>) -> Vec<&'static str> {
    let word = |row: &RowEnd<ThingError>| match row {
        RowEnd::Written(_) => "written",
        RowEnd::Replayed(_) => "replayed",
        RowEnd::Refused(RowRefusal::Own(_)) => "refused",
        RowEnd::Refused(RowRefusal::Common(Common::KeyReused)) => "reused",
        RowEnd::Refused(RowRefusal::Common(_)) => "common",
    };
    end.rows.iter().map(word).collect()
}

/// One thing, one audit row with its event, one event and one key row per name.
async fn assert_each_once(test: &TestDb, names: &[&str]) {
    for name in names {
        for sql in [
            format!("SELECT count(*) FROM things.things WHERE name = '{name}'"),
            format!(
                "SELECT count(*) FROM platform.audit_log AS a JOIN platform.events AS e ON e.region = a.region \
                 WHERE a.key = 'row-key-{name}' AND a.after->>'name' = '{name}' AND e.data->>'name' = '{name}' \
                 AND cardinality(a.event_ids) = 1 AND a.ids = ARRAY[e.subject]"
            ),
            format!("SELECT count(*) FROM platform.events WHERE data->>'name' = '{name}'"),
            format!(
                "SELECT count(*) FROM platform.idempotency_keys WHERE key = 'row-key-{name}' AND status = 201 \
                 AND cardinality(effect_ids) = 1"
            ),
        ] {
            assert_eq!(test.count(&sql).await, 1, "{sql}");
        }
    }
}

#[tokio::test]
async fn rows_have_effects_answers_and_replays_of_their_own() {
    let test = test_db().await;
    let db = test.db();
    let end = write_all(&db, rows(&db, &["lamp", "bad", "desk"]), false)
        .await
        .unwrap();
    assert_eq!(words(&end), ["written", "refused", "written"]);
    assert!(end.committed);
    assert_each_once(&test, &["lamp", "desk"]).await;

    let again = write_all(&db, rows(&db, &["lamp", "bad", "desk", "sofa"]), false)
        .await
        .unwrap();
    assert_eq!(
        words(&again),
        ["replayed", "refused", "replayed", "written"]
    );
    match (&end.rows[0], &again.rows[0]) {
        (RowEnd::Written(first), RowEnd::Replayed(second)) => assert_eq!(first, second),
        other => panic!("{other:?}"),
    }
    assert_each_once(&test, &["lamp", "desk", "sofa"]).await;

    let mut changed = rows(&db, &["lamp"]);
    changed[0].fingerprint = [9; 32];
    let reused = write_all(&db, changed, false).await.unwrap();
    assert_eq!(words(&reused), ["reused"]);
    // A row's key is the key of a write: sent alone, it is replayed too.
    let mut alone = create_intent(&db, "row-key-lamp");
    alone.fingerprint = [4; 32];
    let alone = create(&db, alone, "lamp").await.unwrap();
    assert_eq!(alone.status, 201);
    assert_each_once(&test, &["lamp"]).await;
}

#[tokio::test]
async fn a_transaction_that_is_not_wanted_leaves_nothing() {
    let test = test_db().await;
    let db = test.db();
    let end = write_all(&db, rows(&db, &["lamp", "bad"]), true)
        .await
        .unwrap();
    assert_eq!(words(&end), ["written", "refused"]);
    assert!(!end.committed);
    let mut rehearsal = rows(&db, &["lamp", "desk"]);
    for row in &mut rehearsal {
        row.dry_run = true;
    }
    let end = write_all(&db, rehearsal, false).await.unwrap();
    assert_eq!(words(&end), ["written", "written"]);
    assert!(!end.committed);
    for table in [
        "things.things",
        "platform.audit_log",
        "platform.idempotency_keys",
        "platform.events",
    ] {
        let count = format!("SELECT count(*) FROM {table}");
        assert_eq!(test.count(&count).await, 0, "{table}");
    }
}

#[tokio::test]
async fn under_every_fault_each_row_is_written_once() {
    for fault in [
        Fault::Serialization { attempts: 2 },
        Fault::BeforeCommit { attempts: 2 },
        Fault::ReplyLost,
        Fault::CommitLost,
    ] {
        let test = test_db().await;
        let db = test.db();
        db.faults().set("create_things", fault);
        let end = write_all(&db, rows(&db, &["lamp", "bad", "desk"]), false)
            .await
            .unwrap();
        assert!(
            db.faults().hits("create_things") > 0,
            "the fault never struck"
        );
        assert_eq!(words(&end), ["written", "refused", "written"], "{fault:?}");
        assert_each_once(&test, &["lamp", "desk"]).await;
    }
}

#[tokio::test]
async fn an_unknown_outcome_is_told_and_the_repeat_finds_the_rows() {
    let test = test_db().await;
    let db = test.db();
    db.faults().set("create_things", Fault::OutcomeUnknown);
    let end = write_all(&db, rows(&db, &["lamp", "desk"]), false).await;
    assert!(
        matches!(
            end,
            Err(OpError::System(SystemError::OutcomeUnknown { .. }))
        ),
        "{end:?}"
    );
    let end = write_all(&db, rows(&db, &["lamp", "desk"]), false)
        .await
        .unwrap();
    assert_eq!(words(&end), ["replayed", "replayed"]);
    assert_each_once(&test, &["lamp", "desk"]).await;
}

/// Batches that overlap, all at once, in three regions: each row is written by one of them.
#[tokio::test]
async fn hard_case_04_twins_of_rows_are_replayed() {
    let test = TestDb::new(&[&THINGS]).await;
    let dbs = ["eu1", "us1", "ap1"].map(|region| test.db_in(region));
    let batches: [&[&str]; 4] = [
        &["lamp", "desk", "sofa"],
        &["desk", "sofa", "chair"],
        &["sofa", "chair", "lamp"],
        &["chair", "lamp", "desk"],
    ];
    let writes = (0..24).map(|n| {
        let db = dbs[n % 3].clone();
        let names = batches[n % 4];
        async move {
            // Who does not queue for what is hot may be told to come again, and does.
            loop {
                match write_all(&db, rows(&db, names), false).await {
                    Err(OpError::System(SystemError::Contended)) => {}
                    end => return end.unwrap(),
                }
            }
        }
    });
    let mut written = 0;
    for end in join_all(writes).await {
        for word in words(&end) {
            assert!(["written", "replayed"].contains(&word), "{word}");
            written += usize::from(word == "written");
        }
    }
    assert_eq!(written, 4);
    assert_each_once(&test, &["lamp", "desk", "sofa", "chair"]).await;
}

#[tokio::test]
async fn hard_case_05_a_row_done_long_ago_exists_already() {
    let test = test_db().await;
    let db = test.db();
    write_all(&db, rows(&db, &["lamp"]), false).await.unwrap();
    test.query("DELETE FROM platform.idempotency_keys").await;
    let end = write_all(&db, rows(&db, &["lamp"]), false).await.unwrap();
    assert!(
        matches!(
            &end.rows[0],
            RowEnd::Refused(RowRefusal::Common(Common::AlreadyExists {
                location: Some(_)
            }))
        ),
        "{end:?}"
    );
    assert_eq!(test.count("SELECT count(*) FROM things.things").await, 1);
}

/// The closure itself finds the name taken, by the row's own twin: that is no reason to refuse the row.
#[tokio::test]
async fn hard_case_04_a_row_is_not_refused_for_what_its_twin_wrote() {
    let test = TestDb::new(&[&THINGS]).await;
    let dbs = ["eu1", "us1", "ap1"].map(|region| test.db_in(region));
    let names = ["lamp", "desk", "sofa"];
    let writes = (0..24).map(|n| {
        let db = dbs[n % 3].clone();
        async move {
            let mut rows = rows(&db, &names);
            for row in &mut rows {
                row.hot = vec!["one import".into()];
            }
            db.write_rows(rows, async move |txn: &Txn<'_>, open: OpenRows| {
                let mut done = Vec::new();
                for (_, intent) in open.iter() {
                    let name = intent.key.as_str().trim_start_matches("row-key-");
                    let taken = txn
                        .row_opt(
                            "SELECT 1 AS one FROM things.things WHERE region = 'eu1' AND name = $1",
                            &[&name],
                        )
                        .await?;
                    if taken.is_some() {
                        done.push(Err(RowRefusal::Own(ThingError::NameTaken)));
                        continue;
                    }
                    let row = txn.for_row(intent);
                    let reply = insert_thing(&row, name).await?;
                    done.push(Ok(row.wrote(reply)));
                }
                let commit = n % 2 == 0 || done.iter().all(Result::is_ok);
                Ok::<_, TxError<ThingError>>(RowsDone { rows: done, commit })
            })
            .await
        }
    });
    for end in join_all(writes).await {
        for word in words(&end.unwrap()) {
            assert!(["written", "replayed"].contains(&word), "{word}");
        }
    }
    assert_each_once(&test, &names).await;
}
