//! Reversals.

use axum::http::Method;
use futures_util::future::join_all;
use kernel::Role;
use serde_json::{Value, json};
use testkit::app::{new_key, token};

use crate::{ENTRIES, World, add, close, entry, events_of, id, posted, reverse};

#[tokio::test(flavor = "multi_thread")]
async fn a_reversal_swaps_the_sides_and_shows_on_both_entries() {
    let world = World::new().await;
    let app = world.app();
    let mut body = entry("5900", "1000", 5, "2026-01-01");
    add(
        &mut body,
        json!({"debit": "1100", "credit": "4000", "amount_minor": 7, "memo": "m"}),
    );
    let made = posted(&app, body).await;
    let answer = reverse(
        &app,
        id(&made),
        json!({"reason": "Paid twice", "effective_date": "2026-02-01"}),
    )
    .await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let view = &answer.body;
    assert_eq!(
        answer.header("location"),
        format!("{ENTRIES}/{}", id(&answer))
    );
    assert_eq!(view["reverses"], made.body["id"]);
    assert_eq!(view["effective_date"], "2026-02-01");
    assert_eq!(view["description"], "Reversal of Rent: Paid twice");
    assert_eq!(view["source"], Value::Null);
    assert_eq!(
        (
            &view["postings"][0]["debit"],
            &view["postings"][0]["credit"]
        ),
        (&json!("1000"), &json!("5900"))
    );
    assert_eq!(
        (
            &view["postings"][1]["debit"],
            &view["postings"][1]["amount_minor"]
        ),
        (&json!("4000"), &json!(7))
    );
    let old = app.get(made.header("location")).await;
    assert_eq!(old.body["reversed_by"], view["id"]);
    assert_eq!((old.version(), old.header("etag")), (2, "\"2\""));
    assert_eq!(old.body["updated_at"], view["recorded_at"]);
    assert_eq!(old.body["created_at"], made.body["created_at"]);
    assert!(view["recorded_at"].as_str() > made.body["recorded_at"].as_str());
    assert_eq!(
        events_of(&world, id(&made)).await,
        ["accounting.entry.posted 1", "accounting.entry.reversed 2"]
    );
    assert_eq!(
        events_of(&world, id(&answer)).await,
        ["accounting.entry.posted 1"]
    );
    let again = reverse(&app, id(&made), json!({"reason": "r"})).await;
    assert_eq!(again.problem(), (409, "already_reversed"));
    assert_eq!(again.body["reversed_by"], view["id"]);
    // A reversal may be reversed itself.
    let back = reverse(&app, id(&answer), json!({"reason": "It was right"})).await;
    assert_eq!(back.status, 201);
    assert_eq!(back.body["postings"][0]["debit"], "5900");
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_35_of_many_reversals_at_once_one_is_made() {
    let world = World::new().await;
    let made = posted(&world.app(), entry("5900", "1000", 5, "2026-01-01")).await;
    let apps = ["eu1", "us1", "ap1", "eu1", "us1", "ap1"].map(|region| world.in_region(region));
    let tries = apps
        .iter()
        .map(|app| reverse(app, id(&made), json!({"reason": "r"})));
    let answers = join_all(tries).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let refused = answers
        .iter()
        .filter(|answer| answer.problem() == (409, "already_reversed"));
    assert_eq!((made, refused.count()), (1, 5));
    let reversals = "SELECT count(*) FROM accounting.journal_entries WHERE reverses IS NOT NULL";
    assert_eq!(world.db.count(reversals).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_35_the_services_cannot_change_the_ledger() {
    let world = World::new().await;
    posted(&world.app(), entry("5900", "1000", 5, "2026-01-01")).await;
    for sql in [
        "UPDATE accounting.journal_entries SET description = 'x'",
        "DELETE FROM accounting.journal_entries",
        "UPDATE accounting.postings SET amount_minor = 1",
        "DELETE FROM accounting.postings",
        "SELECT id FROM accounting.postings FOR UPDATE",
        "SELECT id FROM accounting.journal_entries FOR UPDATE",
        "TRUNCATE accounting.postings",
        "DELETE FROM accounting.periods",
        "UPDATE accounting.period_balances SET debit_minor = 1",
        "UPDATE accounting.accounts SET name = 'x'",
    ] {
        assert_eq!(
            world.db.try_as_app(sql).await,
            Err("42501".to_owned()),
            "{sql}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_system_made_is_not_reversed_here() {
    let world = World::new().await;
    let app = world.app();
    let made = posted(&app, entry("5900", "1000", 5, "2026-01-01")).await;
    world
        .db
        .query(
            "UPDATE accounting.journal_entries SET source_type = 'movement', source_id = 'mov_eu1_1', \
             source_rule = 'receipt'",
        )
        .await;
    let refused = reverse(&app, id(&made), json!({"reason": "r"})).await;
    assert_eq!(refused.problem(), (409, "system_entry"));
    assert_eq!(refused.body["rule"], "receipt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reversal_is_refused_in_the_order_of_the_contract() {
    let world = World::new().await;
    let app = world.app();
    let made = posted(&app, entry("5900", "1000", 5, "2026-01-01")).await;
    let path = format!("{ENTRIES}/{}/reverse", id(&made));
    for (body, pointer) in [
        (json!({}), "/reason"),
        (
            json!({"reason": "r", "effective_date": "soon"}),
            "/effective_date",
        ),
        (json!({"reason": "r", "postings": []}), "/postings"),
    ] {
        let refused = app.post(&path, body).await;
        assert_eq!(refused.problem(), (422, "validation_failed"));
        assert_eq!(refused.pointers(), [pointer]);
    }
    let missing = "jrn_eu1_00000000000000000000000000";
    let refused = reverse(&app, missing, json!({})).await;
    assert_eq!(refused.problem(), (422, "validation_failed"));
    let refused = reverse(&app, missing, json!({"reason": "r"})).await;
    assert_eq!(refused.problem(), (404, "not_found"));
    let nowhere = reverse(
        &app,
        "jrn_mars_00000000000000000000000000",
        json!({"reason": "r"}),
    )
    .await;
    assert_eq!(nowhere.problem(), (404, "not_found"));
    let stranger = token(Role::Accountant, &["nyc"]);
    let request = app
        .request_as(&stranger, Method::POST, &path)
        .key(&new_key());
    let refused = request.json(&json!({"reason": "r"})).send().await;
    assert_eq!(refused.problem(), (403, "office_forbidden"));
    close(&app, "ber", "2026-02").await;
    let refused = app
        .post(
            &path,
            json!({"reason": "r", "effective_date": "2026-02-03"}),
        )
        .await;
    assert_eq!(refused.problem(), (409, "period_closed"));
    assert_eq!(refused.body["period"], "2026-02");
}
