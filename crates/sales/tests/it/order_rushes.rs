//! Orders under stress: every fault of the switch, and many who want the last units.

use axum::http::Method;
use futures_util::{StreamExt as _, stream};
use kernel::Clock;
use platform_db::{Db, Fault};
use serde_json::{Value, json};
use testkit::{Answer, TestApp, app::new_key};

use crate::{
    app,
    orders::{Counter, ORDERS},
};

const FAULTS: [Fault; 4] = [
    Fault::Serialization { attempts: 2 },
    Fault::BeforeCommit { attempts: 2 },
    Fault::ReplyLost,
    Fault::CommitLost,
];

#[tokio::test(flavor = "multi_thread")]
async fn every_write_of_an_order_has_exactly_one_effect_under_every_fault() {
    let counter = Counter::with(100, 0).await;
    let db = counter.shop.db.db_in("eu1");
    let app = app(db.clone(), "eu1", Clock::System);
    for fault in FAULTS {
        let draft = async |lamps: i64| {
            let mut body = counter.lamps(lamps);
            body["hold_seconds"] = json!(600);
            let made = app.post(ORDERS, body).await;
            assert_eq!(made.status, 201, "{}", made.body);
            made
        };
        let made = draft(2).await;
        let path = made.header("location").to_owned();
        let mut new = counter.lamps(1);
        new["hold_seconds"] = json!(60);
        let writes = [
            ("create_order", Method::POST, ORDERS.to_owned(), new),
            (
                "update_order",
                Method::PATCH,
                path.clone(),
                json!({"lines": [counter.line(&counter.lamp, 3)]}),
            ),
            (
                "confirm_order",
                Method::POST,
                format!("{path}/confirm"),
                json!({}),
            ),
            (
                "cancel_order",
                Method::POST,
                format!("{path}/cancel"),
                json!({"reason": "r"}),
            ),
        ];
        for write in writes {
            once(&counter, (&db, &app), fault, write).await;
        }
        assert_eq!(app.get(&path).await.version(), 4);
    }
    let events = counter
        .shop
        .db
        .count("SELECT count(*) FROM platform.events")
        .await;
    let listed = "SELECT count(*) FROM (SELECT unnest(event_ids) FROM platform.audit_log) AS ids";
    assert_eq!(
        events,
        counter.shop.db.count(listed).await,
        "hard case 23: audit rows list every event"
    );
}

type Write = (&'static str, Method, String, Value);

/// One write under one fault.
async fn once(
    counter: &Counter,
    (db, app): (&Db, &TestApp),
    fault: Fault,
    (operation, method, path, body): Write,
) {
    let (key, before) = (new_key(), counter.level(&counter.lamp).await);
    db.faults().set(operation, fault);
    let send = async || {
        let request = app.request(method.clone(), &path).key(&key);
        let request = if method == Method::PATCH {
            request.header("if-match", "\"1\"")
        } else {
            request
        };
        request.json(&body).send().await
    };
    let first = send().await;
    assert!(
        first.status.is_success(),
        "{operation} under {fault:?}: {}",
        first.body
    );
    assert!(
        db.faults().hits(operation) > 0,
        "{operation} under {fault:?}"
    );
    let again = send().await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("idempotent-replayed"), "true");
    let effects = format!("SELECT count(*) FROM platform.audit_log WHERE key = '{key}'");
    assert_eq!(
        counter.shop.db.count(&effects).await,
        1,
        "{operation} under {fault:?}"
    );
    let after = counter.level(&counter.lamp).await;
    let change = match operation {
        "cancel_order" => -3,
        "confirm_order" => 0,
        _ => 1,
    };
    assert_eq!(after.1 - before.1, change, "{operation} under {fault:?}");
    counter.is_sound().await;
}

async fn drafts(counter: &Counter, count: usize) -> Vec<String> {
    stream::iter(0..count)
        .map(|_| counter.draft(1))
        .buffered(8)
        .collect()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_07_of_many_orders_over_three_regions_as_many_are_placed_as_there_is_stock() {
    let counter = Counter::with(20, 0).await;
    let paths = drafts(&counter, 60).await;
    let apps: Vec<TestApp> = ["eu1", "us1", "ap1"]
        .iter()
        .map(|region| counter.shop.in_region(region))
        .collect();
    let answers: Vec<Answer> = stream::iter(paths.iter().enumerate())
        .map(|(n, path)| {
            let (app, path) = (apps[n % 3].clone(), format!("{path}/confirm"));
            async move { app.post_patiently(&path, json!({})).await }
        })
        .buffer_unordered(60)
        .collect()
        .await;
    let placed = answers.iter().filter(|answer| answer.status == 200).count();
    let refused = answers
        .iter()
        .filter(|answer| answer.problem() == (409, "insufficient_stock"))
        .count();
    let odd = answers
        .iter()
        .find(|answer| !matches!(answer.status.as_u16(), 200 | 409));
    assert_eq!((placed, refused), (20, 40), "{odd:?}");
    assert_eq!(counter.level(&counter.lamp).await, (20, 20));
    counter.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_08_orders_that_want_the_same_levels_in_any_order_do_not_stop_each_other() {
    let counter = Counter::with(30, 30).await;
    let mut paths = Vec::new();
    for n in 0..20 {
        let mut lines = vec![
            counter.line(&counter.lamp, 1),
            counter.line(&counter.bulb, 1),
        ];
        if n % 2 == 0 {
            lines.reverse();
        }
        let mut body = counter.lamps(1);
        body["lines"] = json!(lines);
        let made = counter.app.post(ORDERS, body).await;
        paths.push(made.header("location").to_owned());
    }
    let apps: Vec<TestApp> = ["eu1", "us1"]
        .iter()
        .map(|region| counter.shop.in_region(region))
        .collect();
    // Placed and cancelled at once: each order ends as one of the two, and the stock says which.
    let answers: Vec<(u16, u16)> = stream::iter(paths.iter().enumerate())
        .map(|(n, path)| {
            let (one, other) = (apps[n % 2].clone(), apps[(n + 1) % 2].clone());
            async move {
                let (confirm, cancel) = (format!("{path}/confirm"), format!("{path}/cancel"));
                let (placed, gone) = tokio::join!(
                    one.post_patiently(&confirm, json!({})),
                    other.post_patiently(&cancel, json!({"reason": "r"}))
                );
                (placed.status.as_u16(), gone.status.as_u16())
            }
        })
        .buffer_unordered(20)
        .collect()
        .await;
    for answer in answers {
        assert!(matches!(answer, (200 | 409, 200)), "{answer:?}");
    }
    assert_eq!(
        (
            counter.level(&counter.lamp).await,
            counter.level(&counter.bulb).await
        ),
        ((30, 0), (30, 0))
    );
    counter.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_04_twins_of_one_confirm_are_told_the_same() {
    let counter = Counter::with(1, 0).await;
    let path = counter.draft(1).await;
    let key = new_key();
    let apps: Vec<TestApp> = ["eu1", "us1", "ap1"]
        .iter()
        .map(|region| counter.shop.in_region(region))
        .collect();
    let answers: Vec<Answer> = stream::iter(0..30)
        .map(|n| {
            let request = apps[n % 3]
                .request(Method::POST, &format!("{path}/confirm"))
                .key(&key);
            request.send()
        })
        .buffer_unordered(30)
        .collect()
        .await;
    for answer in &answers {
        assert_eq!(
            (answer.status.as_u16(), &answer.body),
            (200, &answers[0].body),
            "{}",
            answer.body
        );
    }
    assert_eq!(counter.level(&counter.lamp).await, (1, 1));
    counter.is_sound().await;
}
