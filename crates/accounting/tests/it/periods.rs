//! Months: closing, reopening, listing.

use axum::http::Method;
use futures_util::future::join;
use kernel::Role;
use serde_json::{Value, json};
use testkit::app::{new_key, token};

use crate::{ENTRIES, PERIODS, World, close, entry, events_of, posted, reopen};

#[tokio::test(flavor = "multi_thread")]
async fn a_month_is_closed_and_reopened() {
    let world = World::new().await;
    let app = world.app();
    posted(&app, entry("5900", "1000", 5, "2026-01-31")).await;
    posted(&app, entry("1000", "4000", 7, "2026-01-01")).await;
    let closed = close(&app, "ber", "2026-01").await;
    assert_eq!(closed.status, 200, "{}", closed.body);
    assert_eq!(closed.header("etag"), "\"2\"");
    for (member, value) in [
        ("office", json!("ber")),
        ("home_region", json!("eu1")),
        ("period", json!("2026-01")),
        ("status", json!("closed")),
        ("reason", Value::Null),
        ("version", json!(2)),
    ] {
        assert_eq!(closed.body[member], value, "{member}");
    }
    let stored = world
        .db
        .query(
            "SELECT account, debit_minor, credit_minor FROM accounting.period_balances ORDER BY account",
        )
        .await;
    let expected = [["1000", "7", "5"], ["4000", "0", "7"], ["5900", "5", "0"]];
    assert_eq!(
        stored,
        expected.map(|row| row.map(|text| Some(text.to_owned())).to_vec())
    );
    let again = close(&app, "ber", "2026-01").await;
    assert_eq!(again.problem(), (409, "period_state"));
    assert_eq!(again.body["period_status"], "closed");
    let open = reopen(&app, "ber", "2026-01").await;
    assert_eq!((open.status.as_u16(), open.version()), (200, 3));
    assert_eq!(open.body["reason"], "An invoice came late");
    assert_eq!(
        world
            .db
            .count("SELECT count(*) FROM accounting.period_balances")
            .await,
        0
    );
    let again = reopen(&app, "ber", "2026-01").await;
    assert_eq!(again.problem(), (409, "period_state"));
    posted(&app, entry("5900", "1000", 5, "2026-01-31")).await;
    assert_eq!(
        events_of(&world, "ber/2026-01").await,
        ["accounting.period.closed 2", "accounting.period.reopened 3"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_that_was_never_touched_counts_as_open() {
    let world = World::new().await;
    let app = world.app();
    assert_eq!(
        reopen(&app, "nyc", "2031-07").await.problem(),
        (409, "period_state")
    );
    let closed = close(&app, "nyc", "2031-07").await;
    assert_eq!((closed.status.as_u16(), closed.version()), (200, 1));
    assert_eq!(closed.body["home_region"], "us1");
    assert_eq!(
        events_of(&world, "nyc/2031-07").await,
        ["accounting.period.closed 1"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_24_a_closed_month_and_an_open_one_before_it_add_up() {
    let world = World::new().await;
    let app = world.app();
    posted(&app, entry("1000", "3100", 100, "2026-03-10")).await;
    close(&app, "ber", "2026-03").await;
    posted(&app, entry("1000", "3100", 20, "2026-02-10")).await;
    posted(&app, entry("1000", "3100", 3, "2026-04-10")).await;
    let statement =
        |query: &str| format!("/v1/accounting/accounts/1000/statement?office=ber{query}");
    let whole = app.get(&statement("")).await;
    assert_eq!(whole.body["closing_minor"], 123);
    let april = app.get(&statement("&from=2026-04-01")).await;
    assert_eq!(
        (&april.body["opening_minor"], &april.body["closing_minor"]),
        (&json!(120), &json!(123))
    );
    // A span that cuts the closed month counts its postings.
    let late = app.get(&statement("&from=2026-03-11&to=2026-03-31")).await;
    assert_eq!(
        (&late.body["opening_minor"], &late.body["closing_minor"]),
        (&json!(120), &json!(120))
    );
    reopen(&app, "ber", "2026-03").await;
    assert_eq!(app.get(&statement("")).await.body["closing_minor"], 123);
    assert_eq!(
        app.get(&statement("&from=2026-04-01")).await.body,
        april.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_month_or_no_office_is_not_found() {
    let world = World::new().await;
    let app = world.app();
    for (office, month) in [
        ("ber", "2026-13"),
        ("ber", "2026-1"),
        ("ber", "march"),
        ("ber", "2026-01-01"),
        ("xyz", "2026-01"),
    ] {
        for answer in [
            close(&app, office, month).await,
            reopen(&app, office, month).await,
        ] {
            assert_eq!(answer.problem(), (404, "not_found"), "{office} {month}");
        }
    }
    let path = format!("{PERIODS}/ber/2026-01/reopen");
    for body in [
        json!({}),
        json!({"reason": ""}),
        json!({"reason": "r", "force": true}),
    ] {
        let refused = app.post(&path, body).await;
        assert_eq!(refused.problem(), (422, "validation_failed"));
    }
    let path = format!("{PERIODS}/ber/2026-01/close");
    let refused = app.post(&path, json!({"force": true})).await;
    assert_eq!(refused.problem(), (422, "validation_failed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_needs_the_right_to_post_and_reopening_to_administer() {
    let world = World::new().await;
    let app = world.app();
    let send = async |role, office: &str, verb: &str| {
        let token = token(role, &[office]);
        let path = format!("{PERIODS}/ber/2026-05/{verb}");
        let body = if verb == "close" {
            json!({})
        } else {
            json!({"reason": "r"})
        };
        let request = app.request_as(&token, Method::POST, &path).key(&new_key());
        request.json(&body).send().await
    };
    for verb in ["close", "reopen"] {
        assert_eq!(
            send(Role::Viewer, "ber", verb).await.problem(),
            (403, "scope_missing")
        );
        assert_eq!(
            send(Role::Accountant, "nyc", verb).await.problem(),
            (403, "office_forbidden")
        );
        assert_eq!(send(Role::Accountant, "ber", verb).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn periods_are_listed_by_office_and_state() {
    let world = World::new().await;
    let app = world.app();
    for (office, month) in [
        ("ber", "2026-01"),
        ("nyc", "2026-01"),
        ("tok", "2026-02"),
        ("ber", "2026-02"),
    ] {
        close(&app, office, month).await;
    }
    reopen(&app, "ber", "2026-01").await;
    let names = |page: &Value| -> Vec<String> {
        let rows = page["data"].as_array().unwrap().iter();
        rows.map(|row| {
            format!(
                "{} {}",
                row["office"].as_str().unwrap(),
                row["period"].as_str().unwrap()
            )
        })
        .collect()
    };
    let all = app.get(PERIODS).await;
    assert_eq!(
        names(&all.body),
        ["ber 2026-02", "tok 2026-02", "nyc 2026-01", "ber 2026-01"]
    );
    let (mut walked, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get(&format!("{PERIODS}?limit=1{cursor}")).await;
        walked.extend(names(&page.body));
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(walked, names(&all.body));
    let some = app
        .get(&format!("{PERIODS}?office=ber,tok&status=closed&order=asc"))
        .await;
    assert_eq!(names(&some.body), ["tok 2026-02", "ber 2026-02"]);
    let narrow = token(Role::Viewer, &["nyc"]);
    let shown = app.request_as(&narrow, Method::GET, PERIODS).send().await;
    assert_eq!(names(&shown.body), ["nyc 2026-01"]);
    let path = format!("{PERIODS}?office=ber");
    let refused = app.request_as(&narrow, Method::GET, &path).send().await;
    assert_eq!(refused.problem(), (403, "office_forbidden"));
    let unknown = app.get(&format!("{PERIODS}?status=locked")).await;
    assert_eq!(unknown.problem(), (400, "invalid_parameter"));
}

/// Nobody posts into a month between the sum and the closing.
#[tokio::test(flavor = "multi_thread")]
async fn closing_and_posting_at_once_leaves_books_that_add_up() {
    let world = World::new().await;
    let app = world.app();
    for round in 0..12 {
        let month = format!("20{:02}-06", 10 + round);
        let date = format!("{month}-15");
        let post = async || {
            let apps = ["eu1", "us1", "ap1"].map(|region| world.in_region(region));
            let posts = apps
                .iter()
                .map(|app| app.post(ENTRIES, entry("1000", "3100", 1, &date)));
            futures_util::future::join_all(posts).await
        };
        let (answers, closed) = join(post(), close(&app, "ber", &month)).await;
        assert_eq!(closed.status, 200, "{}", closed.body);
        for answer in &answers {
            let ended = (answer.status.as_u16(), answer.body["code"].as_str());
            assert!(
                matches!(ended, (201, None) | (409, Some("period_closed"))),
                "{}",
                answer.body
            );
        }
    }
    let torn = "SELECT count(*) FROM (
            SELECT period, sum(amount_minor) AS posted FROM accounting.postings GROUP BY period
        ) AS p FULL JOIN (
            SELECT period, sum(debit_minor) AS stored FROM accounting.period_balances GROUP BY period
        ) AS b ON b.period = p.period WHERE p.posted IS DISTINCT FROM b.stored";
    assert_eq!(world.db.count(torn).await, 0);
}
