//! GET of many journal entries.

use axum::http::Method;
use kernel::Role;
use serde_json::{Value, json};
use testkit::{
    TestApp,
    app::{Answer, token},
};

use crate::{ENTRIES, World, add, entry, id, posted, reverse};

fn ids(page: &Answer) -> Vec<String> {
    let rows = page.body["data"].as_array().map_or(&[][..], Vec::as_slice);
    rows.iter()
        .map(|row| row["id"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// Every page of a list.
async fn walk(app: &TestApp, query: &str) -> Vec<String> {
    let (mut walked, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get(&format!("{ENTRIES}?limit=2{query}{cursor}")).await;
        assert_eq!(page.status, 200, "{}", page.body);
        walked.extend(ids(&page));
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return walked,
        }
    }
}

fn at(office: &str, currency: &str, mut body: Value) -> Value {
    body["office"] = json!(office);
    body["currency"] = json!(currency);
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_filtered_and_paged_over_offices() {
    let world = World::new().await;
    let app = world.app();
    let mut both = entry("5900", "1000", 1, "2026-01-05");
    add(
        &mut both,
        json!({"debit": "1000", "credit": "4000", "amount_minor": 2}),
    );
    add(
        &mut both,
        json!({"debit": "1000", "credit": "4000", "amount_minor": 3}),
    );
    let bodies = [
        entry("5900", "1000", 1, "2026-01-01"),
        at("nyc", "USD", entry("1000", "4000", 1, "2026-01-02")),
        both,
        at("tok", "JPY", entry("5900", "2100", 1, "2026-01-03")),
        entry("1100", "4000", 1, "2026-01-04"),
    ];
    let mut made = Vec::new();
    for body in bodies {
        made.insert(0, id(&posted(&app, body).await).to_owned());
    }
    let of = |indexes: &[usize]| -> Vec<String> {
        indexes.iter().map(|index| made[*index].clone()).collect()
    };
    // Newest first: 0 ber 1100/4000, 1 tok, 2 ber both, 3 nyc, 4 ber 5900/1000.
    for (query, expected) in [
        ("", of(&[0, 1, 2, 3, 4])),
        ("&order=asc", of(&[4, 3, 2, 1, 0])),
        ("&office=ber", of(&[0, 2, 4])),
        ("&office=nyc,tok", of(&[1, 3])),
        ("&account=1000", of(&[2, 3, 4])),
        ("&account=1000&order=asc", of(&[4, 3, 2])),
        ("&account=1000&office=ber", of(&[2, 4])),
        ("&account=4000&effective_from=2026-01-04", of(&[0, 2])),
        (
            "&effective_from=2026-01-02&effective_to=2026-01-04",
            of(&[0, 1, 3]),
        ),
        ("&account=5000", of(&[])),
        ("&created_to=2020-01-01T00:00:00Z", of(&[])),
        ("&created_from=2020-01-01T00:00:00Z&office=tok", of(&[1])),
    ] {
        assert_eq!(walk(&app, query).await, expected, "{query}");
    }
    let narrow = token(Role::Viewer, &["nyc"]);
    let shown = app.request_as(&narrow, Method::GET, ENTRIES).send().await;
    assert_eq!(ids(&shown), of(&[3]));
    let path = format!("{ENTRIES}?office=nyc,ber");
    let refused = app.request_as(&narrow, Method::GET, &path).send().await;
    assert_eq!(refused.problem(), (403, "office_forbidden"));
    for (query, code) in [
        ("office=xyz", "invalid_parameter"),
        ("account=7777", "invalid_parameter"),
        ("effective_from=yesterday", "invalid_parameter"),
        ("reference=r", "unknown_parameter"),
        ("status=open", "unknown_parameter"),
    ] {
        let refused = app.get(&format!("{ENTRIES}?{query}")).await;
        assert_eq!(refused.problem(), (400, code), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_18_a_past_moment_shows_what_had_been_recorded_then() {
    let world = World::new().await;
    let app = world.app();
    let first = posted(&app, entry("5900", "1000", 1, "2026-01-01")).await;
    let then = first.body["recorded_at"].as_str().unwrap().to_owned();
    let second = posted(&app, entry("5900", "1000", 2, "2026-01-01")).await;
    reverse(&app, id(&first), json!({"reason": "r"})).await;
    let past = app.get(&format!("{ENTRIES}?as_of={then}")).await;
    assert_eq!(ids(&past), [id(&first)]);
    assert_eq!(past.body["data"][0]["reversed_by"], Value::Null);
    assert_eq!(past.body["data"][0]["version"], 1);
    assert_eq!(past.body["final"], false, "it is younger than 20 s");
    let by_account = app
        .get(&format!("{ENTRIES}?as_of={then}&account=5900"))
        .await;
    assert_eq!(ids(&by_account), [id(&first)]);
    let one = app
        .get(&format!("{}?as_of={then}", first.header("location")))
        .await;
    assert_eq!(
        (&one.body["reversed_by"], &one.body["final"]),
        (&Value::Null, &json!(false))
    );
    let unborn = app
        .get(&format!("{}?as_of={then}", second.header("location")))
        .await;
    assert_eq!(unborn.problem(), (404, "not_found"));
    let now = app.get(ENTRIES).await;
    assert_eq!(now.body.get("final"), None);
    for (as_of, status, code) in [
        ("2020-01-01T00:00:00Z", 422, "as_of_too_old"),
        ("2999-01-01T00:00:00Z", 422, "validation_failed"),
        ("then", 400, "invalid_parameter"),
    ] {
        let refused = app.get(&format!("{ENTRIES}?as_of={as_of}")).await;
        assert_eq!(refused.problem(), (status, code));
    }
    // An hour later the same question has one answer for ever.
    world
        .db
        .query("UPDATE platform.audit_log SET at = at - interval '1 hour'")
        .await;
    world
        .db
        .query(
            "UPDATE accounting.journal_entries SET recorded_at = recorded_at - interval '1 hour'",
        )
        .await;
    let old = world.db.query(
        "SELECT to_char(min(recorded_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') \
         FROM accounting.journal_entries",
    );
    let old = old.await[0][0].clone().unwrap();
    let past = app.get(&format!("{ENTRIES}?as_of={old}")).await;
    assert_eq!(
        (ids(&past), &past.body["final"]),
        (vec![id(&first).to_owned()], &json!(true))
    );
}
