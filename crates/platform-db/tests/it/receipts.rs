//! What a key tells: receipts, voiding, counting.

use kernel::{IdempotencyKey, OpError, Principal, Scope};
use platform_db::{Db, Fault, Receipt, ReceiptStatus, Void};
use testkit::intent;

use crate::fixture::{add, assert_unknown, create, create_intent, request, test_db};

fn key(text: &str) -> IdempotencyKey {
    text.parse().unwrap()
}

async fn receipt(db: &Db, subject: &str, text: &str) -> Option<Receipt> {
    db.receipt(
        &request(db),
        &Principal::test(subject),
        &key(text),
        db.regions(),
    )
    .await
    .unwrap()
}

async fn void(db: &Db, text: &str) -> Receipt {
    let call = request(db);
    db.void(Void {
        call: &call,
        principal: &Principal::test("tester"),
        key: &key(text),
        office: Some(&"ber".parse().unwrap()),
        home: &"eu1".parse().unwrap(),
        scope: Scope::WarehouseWrite,
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_receipt_says_what_was_written_where_and_by_which_request() {
    let test = test_db().await;
    let db = test.db_in("us1");
    let mut write = create_intent(&db, "key-00001");
    write.office = Some("ber".parse().unwrap());
    let call = write.call.clone();
    let reply = create(&db, write, "lamp").await.unwrap();
    let receipt = receipt(&test.db_in("ap1"), "tester", "key-00001")
        .await
        .unwrap();
    assert_eq!(receipt.status, ReceiptStatus::Committed);
    assert_eq!(receipt.effect_ids, reply.effect_ids);
    assert_eq!(receipt.request_id, call.id().to_string());
    assert_eq!(
        (receipt.region.as_str(), receipt.served_in.as_str()),
        ("eu1", "us1")
    );
    assert_eq!(receipt.office.unwrap().as_str(), "ber");
    assert_eq!(receipt.scope, Scope::WarehouseWrite);
}

#[tokio::test]
async fn unknown_keys_refused_writes_and_other_peoples_keys_look_alike() {
    let test = test_db().await;
    let db = test.db();
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    create(&db, create_intent(&db, "key-00002"), "lamp")
        .await
        .unwrap_err();
    for (subject, key) in [
        ("tester", "key-00003"),
        ("tester", "key-00002"),
        ("somebody else", "key-00001"),
    ] {
        assert_eq!(receipt(&db, subject, key).await, None, "{subject} {key}");
    }
    let elsewhere = "us1".parse().unwrap();
    let asked = db
        .receipt(
            &request(&db),
            &Principal::test("tester"),
            &key("key-00001"),
            &[elsewhere],
        )
        .await
        .unwrap();
    assert_eq!(asked, None, "another region's rows are not asked");
}

#[tokio::test]
async fn hard_case_05_a_receipt_outlives_the_key_row() {
    let test = test_db().await;
    let db = test.db();
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    let before = receipt(&db, "tester", "key-00001").await;
    test.query("DELETE FROM platform.idempotency_keys").await;
    assert_eq!(receipt(&db, "tester", "key-00001").await, before);
    assert!(before.is_some());
}

#[tokio::test]
async fn hard_case_03_voiding_a_write_that_landed_gives_its_receipt() {
    let test = test_db().await;
    let db = test.db();
    db.faults().set("create_thing", Fault::OutcomeUnknown);
    assert_unknown(&create(&db, create_intent(&db, "key-00001"), "lamp").await);
    let voided = void(&db, "key-00001").await;
    assert_eq!(voided.status, ReceiptStatus::Committed);
    assert_eq!(Some(voided), receipt(&db, "tester", "key-00001").await);
    // Also when the key row is gone: what was written stays written.
    test.query("DELETE FROM platform.idempotency_keys").await;
    assert_eq!(
        void(&db, "key-00001").await.status,
        ReceiptStatus::Committed
    );
    assert_eq!(
        test.count("SELECT count(*) FROM platform.idempotency_keys")
            .await,
        0
    );
}

#[tokio::test]
async fn hard_case_03_voiding_is_for_good_and_may_be_repeated() {
    let test = test_db().await;
    let db = test.db();
    let first = void(&db, "key-00001").await;
    assert_eq!(
        (first.status, first.effect_ids.len()),
        (ReceiptStatus::Void, 0)
    );
    assert_eq!(void(&test.db_in("us1"), "key-00001").await, first);
    assert_eq!(receipt(&db, "tester", "key-00001").await, Some(first));
    let effects = db
        .verify(
            &request(&db),
            &Principal::test("tester"),
            &[key("key-00001")],
        )
        .await
        .unwrap();
    assert_eq!(effects, [0], "voiding is no effect");
}

#[tokio::test]
async fn hard_case_05_effects_are_counted_from_audit_rows_per_key_and_office() {
    let test = test_db().await;
    let db = test.db();
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    for office in ["ber", "nyc"] {
        // One key for two offices in two regions: the client's mistake, not a doubled write.
        let mut write = intent(&request(&db), "add", "key-00002");
        write.office = Some(office.parse().unwrap());
        write.home = if office == "ber" { "eu1" } else { "us1" }.parse().unwrap();
        add(&db, write, "lamp", 1).await.unwrap();
    }
    test.query("DELETE FROM platform.idempotency_keys").await;
    let keys = ["key-00002", "never-used", "key-00001", "key-00002"].map(key);
    let verify = async |subject: &str| {
        db.verify(&request(&db), &Principal::test(subject), &keys)
            .await
    };
    assert_eq!(verify("tester").await.unwrap(), [1, 0, 1, 1]);
    assert_eq!(verify("somebody else").await.unwrap(), [0, 0, 0, 0]);
    // A doubled write would be seen: the same office twice.
    test.query("UPDATE platform.audit_log SET office = 'ber'")
        .await;
    assert_eq!(verify("tester").await.unwrap(), [2, 0, 1, 2]);
}

#[tokio::test]
async fn a_refusal_leaves_no_trace() {
    let test = test_db().await;
    let db = test.db();
    let ended = add(
        &db,
        intent(&request(&db), "add", "key-00001"),
        "no such lamp",
        1,
    )
    .await;
    assert!(matches!(ended, Err(OpError::Common(_))), "{ended:?}");
    assert_eq!(receipt(&db, "tester", "key-00001").await, None);
    assert_eq!(
        test.count("SELECT count(*) FROM platform.idempotency_keys")
            .await,
        0
    );
}
