//! What one write does, and what a repeat of it does.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::future::join_all;
use kernel::{
    Clock, Common, Freshness, IdempotencyKey, Offices, OpError, Principal, Reply, Timestamp, Token,
};
use platform_db::{Never, TxError, Txn};
use testkit::intent;

use crate::fixture::{
    ThingError, Times, add, assert_one_effect, create, create_intent, ok, request, test_db,
};

#[tokio::test]
async fn a_write_stores_its_effect_its_audit_row_its_event_and_its_key() {
    let test = test_db().await;
    let db = test.db();
    let mut intent = create_intent(&db, "key-00001");
    intent.office = Some("ber".parse().unwrap());
    let call = intent.call.clone();
    let reply = create(&db, intent, "lamp").await.unwrap();
    assert_eq!(reply.status, 201);
    assert_one_effect(&test, "lamp").await;
    let audit = test
        .query(
            "SELECT a.subject, a.issuer, a.action, a.key, a.office, a.served_in, a.request_id, a.ids[1],
                    a.after->>'name', a.location, a.scope, e.request_id = a.request_id,
                    cardinality(a.event_ids), e.kind, e.time = a.at, k.committed_at = a.at, k.id = a.id
             FROM platform.audit_log a, platform.events e, platform.idempotency_keys k",
        )
        .await;
    let id = &reply.effect_ids[0];
    let expected = [
        "tester",
        "https://issuer.test",
        "create_thing",
        "key-00001",
        "ber",
        "eu1",
        &call.id().to_string(),
        id,
        "lamp",
        &format!("/v1/things/{id}"),
        "warehouse:write",
        "t",
        "1",
        "things.thing.created",
        "t",
        "t",
        "t",
    ];
    assert_eq!(audit, [expected.map(|text| Some(text.to_owned())).to_vec()]);
    let facts = call.facts().clone();
    assert_eq!(
        facts.freshness,
        Some(Freshness::Strong {
            home: "eu1".parse().unwrap()
        })
    );
    assert!(
        facts.reflects().is_some()
            && facts.commit.is_some()
            && facts.statements > 0
            && facts.rows > 0
    );
    assert_eq!(
        (facts.retries, facts.cross_region, facts.replayed),
        (0, 0, false)
    );
}

#[tokio::test]
async fn a_repeat_is_answered_with_the_stored_answer_in_any_region() {
    let test = test_db().await;
    let first = create(&test.db(), create_intent(&test.db(), "key-00001"), "lamp")
        .await
        .unwrap();
    for region in ["eu1", "us1", "ap1"] {
        let db = test.db_in(region);
        let intent = create_intent(&db, "key-00001");
        let call = intent.call.clone();
        assert_eq!(create(&db, intent, "lamp").await.unwrap(), first);
        let facts = call.facts().clone();
        assert!(facts.replayed && facts.reflects().is_some());
        assert_eq!(
            facts.cross_region > 0,
            region != "eu1",
            "{region}: {facts:?}"
        );
    }
    assert_one_effect(&test, "lamp").await;
}

#[tokio::test]
async fn the_same_key_with_another_request_is_refused() {
    let test = test_db().await;
    let db = test.db();
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    let other = intent(&request(&db), "create_other_thing", "key-00001");
    let ended = create(&db, other, "other").await;
    assert!(
        matches!(ended, Err(OpError::Common(Common::KeyReused))),
        "{ended:?}"
    );
    assert_one_effect(&test, "lamp").await;
}

#[tokio::test]
async fn a_key_belongs_to_its_principal() {
    let test = test_db().await;
    let db = test.db();
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    let mut theirs = create_intent(&db, "key-00001");
    theirs.principal = Principal::test("somebody else");
    create(&db, theirs, "another lamp").await.unwrap();
    assert_eq!(test.count("SELECT count(*) FROM things.things").await, 2);
}

#[tokio::test]
async fn a_rehearsal_answers_and_stores_nothing() {
    let test = test_db().await;
    let db = test.db();
    let mut intent = create_intent(&db, "key-00001");
    intent.dry_run = true;
    let call = intent.call.clone();
    assert_eq!(create(&db, intent, "lamp").await.unwrap().status, 201);
    assert!(call.facts().dry_run);
    for table in [
        "things.things",
        "platform.audit_log",
        "platform.events",
        "platform.idempotency_keys",
    ] {
        assert_eq!(
            test.count(&format!("SELECT count(*) FROM {table}")).await,
            0,
            "{table}"
        );
    }
    // It ignores a key that was used, too.
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    let mut again = create_intent(&db, "key-00001");
    again.dry_run = true;
    let ended = create(&db, again, "lamp").await;
    assert!(
        matches!(ended, Err(OpError::Refused(ThingError::NameTaken))),
        "{ended:?}"
    );
}

/// Hard case 4: the loser of a race replays, it never answers `name_taken` for its own twin.
#[tokio::test]
async fn hard_case_04_copies_of_one_write_leave_one_effect_and_identical_answers() {
    let test = test_db().await;
    let regions = ["eu1", "us1", "ap1"];
    let copies = (0..60).map(|n| {
        let db = test.db_in(regions[n % 3]);
        async move {
            create(&db, create_intent(&db, "key-00001"), "lamp")
                .await
                .unwrap()
        }
    });
    let replies: Vec<Reply> = join_all(copies).await;
    assert!(
        replies.iter().all(|reply| *reply == replies[0]),
        "{replies:?}"
    );
    assert_one_effect(&test, "lamp").await;
}

#[tokio::test]
async fn hard_case_04_another_writes_row_in_the_way_is_a_refusal_and_is_judged_anew() {
    let test = test_db().await;
    let db = test.db();
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    let taken = create(&db, create_intent(&db, "key-00002"), "lamp").await;
    assert!(
        matches!(taken, Err(OpError::Refused(ThingError::NameTaken))),
        "{taken:?}"
    );
    // Nothing was stored for the refusal: once the cause is gone, the same key works.
    test.query("UPDATE things.things SET name = 'old lamp'")
        .await;
    assert_eq!(
        create(&db, create_intent(&db, "key-00002"), "lamp")
            .await
            .unwrap()
            .status,
        201
    );
}

/// Hard case 5: the audit row remembers what the key row has forgotten.
#[tokio::test]
async fn hard_case_05_a_late_repeat_of_any_write_exists_already() {
    let test = test_db().await;
    let db = test.db();
    let created = create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    let add_one = || intent(&request(&db), "add", "key-00002");
    add(&db, add_one(), "lamp", 1).await.unwrap();
    test.query("DELETE FROM platform.idempotency_keys").await;
    let late = create(&db, create_intent(&db, "key-00001"), "lamp").await;
    match late {
        Err(OpError::Common(Common::AlreadyExists { location })) => {
            assert_eq!(location, created.location)
        }
        other => panic!("{other:?}"),
    }
    let late = add(&db, add_one(), "lamp", 1).await;
    assert!(
        matches!(
            late,
            Err(OpError::Common(Common::AlreadyExists { location: None }))
        ),
        "{late:?}"
    );
    assert_eq!(test.count("SELECT count FROM things.things").await, 1);
    // Also when the operation itself would refuse by now.
    test.query("UPDATE things.things SET name = 'gone'").await;
    let late = add(&db, add_one(), "lamp", 1).await;
    assert!(
        matches!(late, Err(OpError::Common(Common::AlreadyExists { .. }))),
        "{late:?}"
    );
}

#[tokio::test]
async fn hard_case_05_key_rows_are_read_whatever_their_age() {
    let test = test_db().await;
    let db = test.db();
    let first = create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    test.query("UPDATE platform.idempotency_keys SET expire_at = now() - INTERVAL '1 day'")
        .await;
    assert_eq!(
        create(&db, create_intent(&db, "key-00001"), "lamp")
            .await
            .unwrap(),
        first
    );
}

#[tokio::test]
async fn hard_case_06_a_write_without_a_key_has_one_of_its_own() {
    let test = test_db().await;
    let db = test.db();
    let call = request(&db);
    let mut nameless = intent(&call, "create_thing", "key-00001");
    nameless.key = IdempotencyKey::auto(call.id());
    let before = call.facts().statements;
    create(&db, nameless.clone(), "lamp").await.unwrap();
    let key = test
        .query("SELECT key FROM platform.idempotency_keys")
        .await;
    assert_eq!(key[0][0], Some(format!("auto:{}", call.id())));
    let receipt = db
        .receipt(
            &request(&db),
            &nameless.principal,
            &nameless.key,
            db.regions(),
        )
        .await
        .unwrap();
    assert!(receipt.is_some());
    assert!(call.facts().statements > before);
}

/// Hard case 9: the follower's 25P02 does not hide the 40001 that caused it, nor does a closure that looks away.
#[tokio::test]
async fn hard_case_09_the_first_failure_on_the_wire_is_the_one_judged() {
    let test = test_db().await;
    let db = test.db();
    let times = Arc::new(Times::default());
    let seen = Arc::clone(&times);
    let ended: Result<Reply, OpError<ThingError>> = db
        .write(
            intent(&request(&db), "look_away", "key-00001"),
            async move |txn: &Txn<'_>| {
                if seen.next() == 1 {
                    let (first, second) = futures_util::future::join(
                        txn.execute(RAISE_40001, &[]),
                        txn.rows("SELECT 1 AS follower", &[]),
                    )
                    .await;
                    assert_eq!(first.unwrap_err().code(), Some("40001"));
                    assert_eq!(second.unwrap_err().code(), Some("25P02"));
                }
                Ok(ok("{}")) // in spite of everything
            },
        )
        .await;
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!(times.get(), 2);
    assert_eq!(
        test.metric(
            "db_retries_total",
            &["operation=\"look_away\"", "reason=\"conflict\""]
        ),
        1
    );
}

/// PostgreSQL raises what a table says: a cast of a text that names a serialization failure is not enough.
const RAISE_40001: &str =
    "DO $$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = '40001'; END $$";

#[tokio::test]
async fn hard_case_09_a_dropped_write_leaves_no_open_transaction_in_the_pool() {
    let test = test_db().await;
    let db = test.db_with_connections(1);
    let stuck: Result<Result<Reply, OpError<Never>>, _> = tokio::time::timeout(
        Duration::from_millis(300),
        db.write(intent(&request(&db), "stuck", "key-00001"), async |txn: &Txn<'_>| {
            txn.execute("INSERT INTO things.things VALUES ('eu1', gen_random_uuid(), 'stuck', 0, now())", &[])
                .await?;
            std::future::pending().await
        }),
    )
    .await;
    assert!(stuck.is_err(), "it should hang");
    // The only connection is had by the next one, in no transaction, and the row is gone.
    create(&db, create_intent(&db, "key-00002"), "stuck")
        .await
        .unwrap();
    assert_one_effect(&test, "stuck").await;
}

#[tokio::test]
async fn hard_case_10_a_lost_office_is_told_first() {
    let test = test_db().await;
    let db = test.db();
    let mut first = create_intent(&db, "key-00001");
    first.office = Some("ber".parse().unwrap());
    create(&db, first, "lamp").await.unwrap();
    // Another body, too: 403 goes before 422.
    let mut again = intent(&request(&db), "create_other_thing", "key-00001");
    again.principal.offices = Offices::Some(BTreeSet::from(["waw".parse().unwrap()]));
    let ended = create(&db, again, "lamp").await;
    match ended {
        Err(OpError::Common(Common::OfficeForbidden { office })) => {
            assert_eq!(office.as_str(), "ber")
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn hard_case_11_key_audit_and_events_live_where_the_intent_says() {
    let test = test_db().await;
    let db = test.db_in("ap1");
    let mut intent = create_intent(&db, "key-00001");
    intent.home = db.primary().clone();
    intent.office = Some("nyc".parse().unwrap());
    create(&db, intent, "lamp").await.unwrap();
    for table in ["audit_log", "events", "idempotency_keys"] {
        let rows = test
            .query(&format!("SELECT region FROM platform.{table}"))
            .await;
        assert_eq!(rows, [[Some("eu1".to_owned())]], "{table}");
    }
}

#[tokio::test]
async fn hard_case_14_a_writes_token_covers_its_commit() {
    let test = test_db().await;
    let db = test.db();
    let intent = create_intent(&db, "key-00001");
    let call = intent.call.clone();
    create(&db, intent, "lamp").await.unwrap();
    let after = test
        .query("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::INT8")
        .await;
    let after = Timestamp::from_millis(after[0][0].as_ref().unwrap().parse().unwrap());
    let stored = test
        .query(
            "SELECT (extract(epoch FROM committed_at) * 1000)::INT8 FROM platform.idempotency_keys",
        )
        .await;
    let stored = Timestamp::from_millis(stored[0][0].as_ref().unwrap().parse().unwrap());
    let token = call.facts().reflects().unwrap();
    assert!(
        Token::at(stored) <= token && token <= Token::at(after),
        "{stored} {token:?} {after}"
    );
}

/// Hard case 17: who waited stamps later than whom it waited for, whatever its own clock said.
#[tokio::test]
async fn hard_case_17_times_never_go_back_on_a_row() {
    let test = test_db().await;
    let ahead = test.db_with_clock("eu1", Clock::System);
    create(&ahead, create_intent(&ahead, "key-00001"), "lamp")
        .await
        .unwrap();
    test.query("UPDATE things.things SET updated_at = '2100-01-01T00:00:00.500Z'")
        .await;
    let db = test.db();
    add(&db, intent(&request(&db), "add", "key-00002"), "lamp", 1)
        .await
        .unwrap();
    let rows = test
        .query(
            "SELECT t.updated_at = '2100-01-01T00:00:00.501Z', a.at = t.updated_at
                FROM things.things t, platform.audit_log a WHERE a.action = 'add'",
        )
        .await;
    assert_eq!(rows, [[Some("t".to_owned()), Some("t".to_owned())]]);
}

#[tokio::test]
async fn a_broken_check_is_the_operations_refusal_and_changes_nothing() {
    let test = test_db().await;
    let db = test.db();
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    let ended = add(&db, intent(&request(&db), "add", "key-00002"), "lamp", -1).await;
    assert!(
        matches!(ended, Err(OpError::Refused(ThingError::TooFew))),
        "{ended:?}"
    );
    let ended = add(
        &db,
        intent(&request(&db), "add", "key-00003"),
        "no such lamp",
        1,
    )
    .await;
    assert!(
        matches!(ended, Err(OpError::Common(Common::NotFound { .. }))),
        "{ended:?}"
    );
    assert_one_effect(&test, "lamp").await;
}

#[tokio::test]
async fn statements_polled_together_are_sent_in_order_though_the_first_is_not_prepared_yet() {
    const FIRST: &str =
        "UPDATE things.things SET name = 'cup' WHERE region = 'eu1' AND name = $1 || ''";
    const SECOND: &str =
        "UPDATE things.things SET name = name || '!' WHERE region = 'eu1' AND name = $1";
    let test = test_db().await;
    let db = test.db_with_connections(1);
    let run = async |key: &str, statements: &'static [(&'static str, &'static str)]| {
        let ran = db
            .write(create_intent(&db, key), async move |txn: &Txn<'_>| {
                let all = statements
                    .iter()
                    .map(async |(sql, name)| txn.execute(sql, &[name]).await);
                futures_util::future::try_join_all(all).await?;
                Ok::<_, TxError<ThingError>>(ok("{}"))
            })
            .await;
        ran.unwrap();
    };
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    // On the one connection there is, the second statement is prepared from now on.
    run("key-00002", &[(SECOND, "nothing")]).await;
    run("key-00003", &[(FIRST, "lamp"), (SECOND, "cup")]).await;
    let names = test.query("SELECT name FROM things.things").await;
    assert_eq!(names, [[Some("cup!".to_owned())].to_vec()]);
}
