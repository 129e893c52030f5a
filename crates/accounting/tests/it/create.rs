//! POST and GET of one journal entry.

use axum::http::Method;
use kernel::{Role, money::AMOUNT_MAX};
use serde_json::{Value, json};
use testkit::{
    TestApp,
    app::{new_key, token},
};

use crate::{ENTRIES, World, add, close, entry, events_of, id, posted};

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_posted_and_read_from_any_region() {
    let world = World::new().await;
    let body = json!({
        "office": "ber", "currency": "EUR", "description": "Rent of November", "effective_date": "2026-11-01",
        "postings": [
            {"debit": "5900", "credit": "1000", "amount_minor": 120_000, "memo": "Depot"},
            {"debit": "4900", "credit": "1000", "amount_minor": 1},
        ],
    });
    let made = posted(&world.app(), body).await;
    let path = made.header("location").to_owned();
    assert_eq!(path, format!("{ENTRIES}/{}", id(&made)));
    assert_eq!(made.header("etag"), "\"1\"");
    let view = &made.body;
    for (member, value) in [
        ("office", json!("ber")),
        ("home_region", json!("eu1")),
        ("currency", json!("EUR")),
        ("effective_date", json!("2026-11-01")),
        ("description", json!("Rent of November")),
        ("recorded_by", json!("test:manager")),
        ("subject", Value::Null),
        ("source", Value::Null),
        ("reverses", Value::Null),
        ("reversed_by", Value::Null),
        ("version", json!(1)),
    ] {
        assert_eq!(view[member], value, "{member}");
    }
    assert_eq!(view["created_at"], view["recorded_at"]);
    assert_eq!(view["updated_at"], view["recorded_at"]);
    assert_eq!(view["postings"][0]["memo"], "Depot");
    assert_eq!(view["postings"][0]["amount_minor"], 120_000);
    assert_eq!(view["postings"][1]["debit"], "4900");
    assert_eq!(view["postings"][1]["memo"], Value::Null);
    assert!(
        view["postings"][0]["id"]
            .as_str()
            .unwrap()
            .starts_with("pst_eu1_")
    );
    for region in ["eu1", "us1"] {
        let found = world.in_region(region).get(&path).await;
        assert_eq!((found.status.as_u16(), &found.body), (200, view));
        assert_eq!(found.header("etag"), "\"1\"");
        let request = world.in_region(region).request(Method::GET, &path);
        let same = request.header("if-none-match", "\"1\"").send().await;
        assert_eq!(same.status, 304);
    }
    assert_eq!(
        events_of(&world, id(&made)).await,
        ["accounting.entry.posted 1"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_without_a_date_is_of_today_and_a_repeat_is_the_same_answer() {
    let world = World::new().await;
    let mut body = entry("5900", "1000", 5, "");
    body.as_object_mut().unwrap().remove("effective_date");
    let (app, key) = (world.app(), new_key());
    let send = async |region: &str| {
        let app = world.in_region(region);
        app.request(Method::POST, ENTRIES)
            .key(&key)
            .json(&body)
            .send()
            .await
    };
    let first = app
        .request(Method::POST, ENTRIES)
        .key(&key)
        .json(&body)
        .send()
        .await;
    let recorded: kernel::Timestamp = first.body["recorded_at"].as_str().unwrap().parse().unwrap();
    let today = recorded.date_in("Europe/Berlin").unwrap().to_string();
    assert_eq!(first.body["effective_date"], today);
    let again = send("us1").await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(
        world
            .db
            .count("SELECT count(*) FROM accounting.journal_entries")
            .await,
        1
    );
    let other = entry("5900", "1000", 6, "2026-01-01");
    let reused = app
        .request(Method::POST, ENTRIES)
        .key(&key)
        .json(&other)
        .send()
        .await;
    assert_eq!(reused.problem(), (422, "idempotency_key_reused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_leaves_nothing() {
    let world = World::new().await;
    let path = format!("{ENTRIES}?dry_run=true");
    let request = world.app().request(Method::POST, &path);
    let answer = request
        .json(&entry("5900", "1000", 5, "2026-01-01"))
        .send()
        .await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("dry-run"), "true");
    for table in [
        "accounting.journal_entries",
        "accounting.periods",
        "platform.events",
    ] {
        assert_eq!(
            world
                .db
                .count(&format!("SELECT count(*) FROM {table}"))
                .await,
            0
        );
    }
}

/// A good entry with another value at `pointer` is refused for it alone.
async fn refused_for(app: &TestApp, (pointer, value): (&str, Value), code: &str, rule: &str) {
    let answer = app.post(ENTRIES, with(pointer, value.clone())).await;
    assert_eq!(answer.problem(), (422, code), "{pointer} {value}");
    assert_eq!(answer.pointers(), [pointer], "{value}");
    assert_eq!(answer.body["errors"][0]["code"], rule, "{pointer} {value}");
    assert_eq!(answer.body["effect"], "none");
}

fn with(pointer: &str, value: Value) -> Value {
    let mut body = entry("5900", "1000", 5, "2026-01-01");
    match body.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => body[&pointer[1..]] = value,
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_body_may_not_say_is_named_by_its_pointer() {
    let world = World::new().await;
    let app = world.app();
    for (pointer, value, rule) in [
        ("/description", json!(" "), "length"),
        ("/office", json!("xxx"), "office_unknown"),
        ("/effective_date", json!("2026-02-30"), "format"),
        ("/postings", json!([]), "length"),
        ("/postings/0/amount_minor", json!(0), "range"),
        ("/postings/0/amount_minor", json!(-1), "range"),
        ("/postings/0/amount_minor", json!(1.0), "type"),
        ("/postings/0/debit", json!("no account"), "format"),
        ("/recorded_at", json!("2026-01-01T00:00:00Z"), "read_only"),
        ("/colour", json!("red"), "unknown_member"),
    ] {
        refused_for(&app, (pointer, value), "validation_failed", rule).await;
    }
    let posting = &with("/description", json!("d"))["postings"][0];
    let many = vec![posting.clone(); 501];
    refused_for(
        &app,
        ("/postings", json!(many)),
        "validation_failed",
        "length",
    )
    .await;
    posted(&app, with("/postings", json!(many[..500]))).await;
    let entries = "SELECT count(*) FROM accounting.journal_entries";
    assert_eq!(world.db.count(entries).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_books_do_not_allow_has_a_code_of_its_own() {
    let world = World::new().await;
    let app = world.app();
    let too_much = json!(AMOUNT_MAX + 1);
    for (pointer, value, code) in [
        ("/postings/0/amount_minor", too_much, "amount_out_of_range"),
        ("/currency", json!("USD"), "currency_mismatch"),
        ("/postings/0/debit", json!("7777"), "account_unknown"),
        ("/postings/0/credit", json!("5900"), "same_account"),
        ("/postings/0/debit", json!("1300"), "controlled_account"),
        ("/postings/0/credit", json!("1350"), "controlled_account"),
    ] {
        refused_for(&app, (pointer, value), code, code).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_broken_rules_the_first_is_named_and_all_of_its_kind_are_listed() {
    let world = World::new().await;
    let app = world.app();
    let posting =
        |debit: &str, credit: &str| json!({"debit": debit, "credit": credit, "amount_minor": 1});
    let body = |currency: &str, postings: &[Value]| json!({"office": "ber", "currency": currency, "description": "d", "postings": postings});
    let all = [
        posting("7777", "1000"),
        posting("1300", "1300"),
        posting("1000", "8888"),
    ];
    let answer = app.post(ENTRIES, body("USD", &all)).await;
    assert_eq!(answer.problem(), (422, "account_unknown"));
    assert_eq!(
        answer.pointers(),
        ["/postings/0/debit", "/postings/2/credit"]
    );
    let answer = app.post(ENTRIES, body("USD", &all[1..2])).await;
    assert_eq!(answer.problem(), (422, "currency_mismatch"));
    let answer = app.post(ENTRIES, body("EUR", &all[1..2])).await;
    assert_eq!(answer.problem(), (422, "same_account"));
    assert_eq!(answer.pointers(), ["/postings/0/credit"]);
    // Beside a plain error everything that the body alone tells is listed.
    let mixed = json!({"office": "ber", "currency": "EUR", "postings": [posting("1300", "1300")]});
    let answer = app.post(ENTRIES, mixed).await;
    assert_eq!(answer.problem(), (422, "validation_failed"));
    let codes: Vec<&str> = answer.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["code"].as_str().unwrap())
        .collect();
    assert_eq!(
        codes,
        [
            "required",
            "same_account",
            "controlled_account",
            "controlled_account"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_posted_into_a_closed_month() {
    let world = World::new().await;
    let app = world.app();
    assert_eq!(close(&app, "ber", "2026-03").await.status, 200);
    let refused = app
        .post(ENTRIES, entry("5900", "1000", 5, "2026-03-31"))
        .await;
    assert_eq!(refused.problem(), (409, "period_closed"));
    assert_eq!(
        (&refused.body["office"], &refused.body["period"]),
        (&json!("ber"), &json!("2026-03"))
    );
    posted(&app, entry("5900", "1000", 5, "2026-04-01")).await;
    posted(&app, entry("5900", "1000", 5, "2026-02-28")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_26_totals_and_balances_stay_within_what_json_keeps_exact() {
    let world = World::new().await;
    let app = world.app();
    let mut body = entry("5900", "1000", AMOUNT_MAX, "2026-01-01");
    add(
        &mut body,
        json!({"debit": "5900", "credit": "1000", "amount_minor": 1}),
    );
    let refused = app.post(ENTRIES, body).await;
    assert_eq!(refused.problem(), (422, "amount_out_of_range"));
    posted(&app, entry("5900", "1000", AMOUNT_MAX - 1, "2026-01-01")).await;
    let refused = app
        .post(ENTRIES, entry("5900", "4000", 1 << 34, "2026-02-01"))
        .await;
    assert_eq!(refused.problem(), (422, "amount_out_of_range"));
    // A cent is one too many where the books are full, whatever day it is of.
    posted(&app, entry("5900", "1000", 1, "2026-02-01")).await;
    let refused = app
        .post(ENTRIES, entry("5900", "4000", 1, "2025-12-31"))
        .await;
    assert_eq!(refused.problem(), (422, "amount_out_of_range"));
    // The other way it comes back into range; and what another office has is another balance.
    posted(&app, entry("1000", "5900", 1 << 34, "2026-02-01")).await;
    let mut elsewhere = entry("5900", "1000", AMOUNT_MAX, "2026-01-01");
    elsewhere["office"] = json!("nyc");
    elsewhere["currency"] = json!("USD");
    posted(&app, elsewhere).await;
    // Also when the month is closed, and its turnover summed up.
    assert_eq!(close(&app, "ber", "2026-01").await.status, 200);
    let refused = app
        .post(ENTRIES, entry("5900", "4000", 1 << 35, "2026-02-01"))
        .await;
    assert_eq!(refused.problem(), (422, "amount_out_of_range"));
    assert_eq!(
        world
            .db
            .count("SELECT count(*) FROM accounting.postings")
            .await,
        4
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_of_an_office_out_of_reach_is_neither_posted_nor_shown() {
    let world = World::new().await;
    let app = world.app();
    let made = posted(&app, entry("5900", "1000", 5, "2026-01-01")).await;
    let stranger = token(Role::Accountant, &["nyc"]);
    let as_stranger = |method, path: &str| app.request_as(&stranger, method, path);
    let body = entry("5900", "1000", 5, "2026-01-01");
    let post = as_stranger(Method::POST, ENTRIES)
        .key(&new_key())
        .json(&body);
    assert_eq!(post.send().await.problem(), (403, "office_forbidden"));
    // The body is looked at before the office, and the office before the month.
    let unknown = entry("7777", "1000", 5, "2026-01-01");
    let post = as_stranger(Method::POST, ENTRIES)
        .key(&new_key())
        .json(&unknown);
    assert_eq!(post.send().await.problem(), (422, "account_unknown"));
    let get = as_stranger(Method::GET, made.header("location"));
    assert_eq!(get.send().await.problem(), (403, "office_forbidden"));
    let missing = format!("{ENTRIES}/jrn_eu1_00000000000000000000000000");
    assert_eq!(app.get(&missing).await.problem(), (404, "not_found"));
    let other_kind = format!("{ENTRIES}/pst_eu1_00000000000000000000000000");
    assert_eq!(
        app.get(&other_kind).await.problem(),
        (400, "invalid_parameter")
    );
}
