//! `/v1/events`: what it shows to whom, cursors, filters, waiting.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use axum::http::Method;
use futures_util::{StreamExt as _, stream};
use kernel::{Clock, Role};
use platform_db::{Db, Sequencer};
use serde_json::{Value, json};
use testkit::{Answer, Engine, TestApp, app::token, eventually};

use crate::{
    Company,
    reports::{item, lose, receive},
    systems,
};

/// Numbers everything, as the processes of every region do.
pub(crate) async fn sequence(company: &Company) {
    let waiting = "SELECT count(*) FROM platform.events WHERE seq IS NULL";
    eventually("every event has its number", async || {
        for region in ["eu1", "us1", "ap1"] {
            sequencer(&company.db.db_in(region)).sequence().await;
        }
        company.db.count(waiting).await == 0
    })
    .await;
}

pub(crate) fn sequencer(db: &Db) -> Sequencer {
    Sequencer::new(
        db.clone(),
        &mut prometheus_client::registry::Registry::default(),
    )
}

async fn page(app: &TestApp, query: &str) -> Value {
    let answer = app.get(&format!("/v1/events{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text);
    answer.body
}

fn cursor(page: &Value) -> String {
    page["next_cursor"].as_str().unwrap().to_owned()
}

fn events(page: &Value) -> &Vec<Value> {
    page["data"].as_array().unwrap()
}

/// Follows the feed with these filters until there is nothing more.
async fn all(app: &TestApp, filters: &str, limit: usize) -> Vec<Value> {
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let next = page(app, &format!("?limit={limit}{filters}{after}")).await;
        if events(&next).is_empty() {
            return seen;
        }
        assert!(events(&next).len() <= limit);
        seen.extend(events(&next).clone());
        after = format!("&cursor={}", cursor(&next));
    }
}

/// Stock that moves at three offices in three regions.
async fn trade(app: &TestApp) {
    let lamp = item(app, "LAMP-7").await;
    for location in ["ber-main", "nyc-main", "tyo-main"] {
        receive(app, location, &lamp, (3, 100)).await;
        lose(app, location, &lamp, 1).await;
    }
}

fn of<'a>(events: &'a [Value], region: &str) -> Vec<&'a Value> {
    events
        .iter()
        .filter(|event| event["region"] == region)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_cloud_events_in_the_order_of_each_region() {
    let company = Company::new().await;
    let app = company.app();
    let begun = page(&app, "").await;
    assert_eq!(begun["data"], json!([]), "nothing has a number yet");
    trade(&app).await;
    sequence(&company).await;
    let seen = all(&company.in_region("us1"), "", 7).await;
    let stored = company
        .db
        .count("SELECT count(*) FROM platform.events")
        .await;
    assert_eq!(seen.len() as i64, stored);
    for region in ["eu1", "us1", "ap1"] {
        let seqs: Vec<i64> = of(&seen, region)
            .iter()
            .map(|e| e["seq"].as_i64().unwrap())
            .collect();
        assert_eq!(
            seqs,
            (1..=seqs.len() as i64).collect::<Vec<_>>(),
            "{region}"
        );
    }
    let changed: Vec<_> = seen
        .iter()
        .filter(|e| e["type"] == "warehouse.stock.changed" && e["office"] == "nyc")
        .collect();
    assert_eq!(changed.len(), 2);
    let event = changed[1];
    assert!(
        event["id"].as_str().unwrap().starts_with("evt_us1_"),
        "{event}"
    );
    assert_eq!(
        (
            &event["specversion"],
            &event["source"],
            &event["region"],
            &event["resource_version"]
        ),
        (
            &json!("1.0"),
            &json!("/regions/us1"),
            &json!("us1"),
            &json!(2)
        )
    );
    assert_eq!(event["subject"], event["data"]["id"]);
    assert_eq!(
        (&event["data"]["on_hand"], &event["data"]["cause"]),
        (&json!(2), &json!("adjust"))
    );
    assert!(
        event["request_id"].as_str().unwrap().starts_with("req_"),
        "{event}"
    );
    // Items belong to no office: the primary region keeps their events.
    let made = seen
        .iter()
        .find(|e| e["type"] == "warehouse.item.created")
        .unwrap();
    assert_eq!(
        (&made["office"], &made["region"]),
        (&Value::Null, &json!("eu1"))
    );
    // What began before is continued, wherever it is asked.
    let next = page(&app, &format!("?limit=200&cursor={}", cursor(&begun))).await;
    assert_eq!(events(&next).len() as i64, stored);
    assert_eq!(next["unreachable"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_22_the_same_cursor_gives_the_same_events_and_has_no_age() {
    let company = Company::new().await;
    let app = company.app();
    trade(&app).await;
    sequence(&company).await;
    let first = page(&app, "?limit=5").await;
    let after = cursor(&first);
    let second = page(&app, &format!("?limit=200&cursor={after}")).await;
    // Two weeks later, with new events behind.
    let cup = item(&app, "CUP-1").await;
    receive(&app, "nyc-main", &cup, (1, 5)).await;
    sequence(&company).await;
    let later = Clock::fixed(
        Clock::System
            .now()
            .plus(Duration::from_secs(14 * 24 * 3600)),
    );
    let db = company.db.db_with_clock("eu1", later.clone());
    let then = TestApp::with_clock("eu1", systems(&db, &company.topology), later);
    let again = page(&then, &format!("?limit=200&cursor={after}")).await;
    for region in ["eu1", "us1", "ap1"] {
        let (before, now) = (of(events(&second), region), of(events(&again), region));
        assert_eq!(now[..before.len()], before[..], "{region}");
    }
    assert!(events(&again).len() > events(&second).len());
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_22_a_cursor_below_the_oldest_event_names_the_region() {
    let company = Company::new().await;
    let app = company.app();
    trade(&app).await;
    sequence(&company).await;
    let behind = cursor(&page(&app, "?limit=1").await);
    let end = cursor(&page(&app, "?limit=200").await);
    company
        .db
        .query("UPDATE platform.events SET time = now() - INTERVAL '31 days' WHERE region = 'us1'")
        .await;
    sequencer(&company.db.db_in("us1")).purge().await;
    let expired = app.get(&format!("/v1/events?cursor={behind}")).await;
    assert_eq!(
        expired.problem(),
        (410, "cursor_expired"),
        "{}",
        expired.text
    );
    assert_eq!(expired.body["expired"], json!(["us1"]));
    assert!(
        expired.body["detail"].as_str().unwrap().contains("us1"),
        "{}",
        expired.text
    );
    // One that has read them all is good, and without a cursor the feed begins with what is kept.
    assert_eq!(
        page(&app, &format!("?cursor={end}")).await["data"],
        json!([])
    );
    let seen = all(&app, "", 3).await;
    assert_eq!(of(&seen, "us1"), [&Value::Null; 0]);
    assert!(!of(&seen, "eu1").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_belong_to_their_filters_and_nonsense_is_refused() {
    let company = Company::new().await;
    let app = company.app();
    let after = cursor(&page(&app, "?types=office.*").await);
    for other in ["", "&types=office.created", "&types=office.*&office=ber"] {
        let answer = app.get(&format!("/v1/events?cursor={after}{other}")).await;
        assert_eq!(answer.problem(), (400, "cursor_mismatch"), "{other}");
    }
    let same = app
        .get(&format!("/v1/events?limit=3&types=office.*&cursor={after}"))
        .await;
    assert_eq!(same.status, 200, "{}", same.text);
    let of_a_list = app.get("/v1/offices?limit=1").await;
    let of_a_list = of_a_list.body["next_cursor"].as_str().unwrap().to_owned();
    for bad in ["nonsense", "", "%00", "AAAA", &of_a_list] {
        let answer = app.get(&format!("/v1/events?cursor={bad}")).await;
        assert_eq!(
            answer.problem(),
            (400, "invalid_parameter"),
            "{bad}: {}",
            answer.text
        );
    }
    for bad in [
        "types=",
        "types=*",
        "types=a,,b",
        "types=Office.created",
        "types=%25",
        "limit=0",
        "limit=x",
        "office=",
        "office=Nowhere!",
        "office=nowhere",
        "cursor=a&cursor=b",
    ] {
        let answer = app.get(&format!("/v1/events?{bad}")).await;
        assert_eq!(
            answer.problem(),
            (400, "invalid_parameter"),
            "{bad}: {}",
            answer.text
        );
    }
    for unknown in ["type=x", "order=asc", "allow_partial=true"] {
        let answer = app.get(&format!("/v1/events?{unknown}")).await;
        assert_eq!(answer.problem(), (400, "unknown_parameter"), "{unknown}");
    }
}

/// What the filters let through is what this says, whatever they are.
#[tokio::test(flavor = "multi_thread")]
async fn types_and_offices_filter_the_feed() {
    let company = Company::new().await;
    let app = company.app();
    trade(&app).await;
    sequence(&company).await;
    let everything = all(&app, "", 200).await;
    let types = [
        "",
        "office.created",
        "office.*",
        "warehouse.*",
        "warehouse.stock.*",
        "warehouse.stock.changed,accounting.*",
        "ware.*",
        "warehouse",
        "warehouse.stock_changed",
        "w_rehouse.*",
        "no.such.type",
        "accounting.entry.posted",
    ];
    for wanted in types {
        for offices in ["", "ber", "nyc,tyo", "waw"] {
            let is_wanted = |event: &&Value| {
                let kind = event["type"].as_str().unwrap();
                let by_type = wanted.is_empty()
                    || wanted
                        .split(',')
                        .any(|pattern| match pattern.strip_suffix('*') {
                            Some(beginning) => kind.starts_with(beginning),
                            None => kind == pattern,
                        });
                let office = event["office"].as_str();
                by_type
                    && (offices.is_empty() || offices.split(',').any(|code| Some(code) == office))
            };
            let mut filters = String::new();
            for (name, value) in [("types", wanted), ("office", offices)] {
                if !value.is_empty() {
                    filters += &format!("&{name}={value}");
                }
            }
            let mut expected: Vec<_> = everything.iter().filter(is_wanted).cloned().collect();
            let mut found = all(&app, &filters, 4).await;
            let key = |event: &Value| (event["region"].to_string(), event["seq"].as_i64());
            expected.sort_by_key(key);
            found.sort_by_key(key);
            assert_eq!(found, expected, "{filters}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_sees_its_offices_and_what_belongs_to_none() {
    let company = Company::new().await;
    let app = company.app();
    trade(&app).await;
    sequence(&company).await;
    let viewer = token(Role::Viewer, &["nyc"]);
    let ask = async |query: &str| -> Answer {
        app.request_as(&viewer, Method::GET, &format!("/v1/events{query}"))
            .send()
            .await
    };
    let seen = ask("?limit=200").await;
    let offices: std::collections::BTreeSet<_> = events(&seen.body)
        .iter()
        .map(|event| event["office"].as_str())
        .collect();
    assert_eq!(offices.into_iter().collect::<Vec<_>>(), [None, Some("nyc")]);
    assert_eq!(
        ask("?office=ber").await.problem(),
        (403, "office_forbidden")
    );
    assert_eq!(ask("?office=nyc").await.status, 200);
    // The cursor moves past what the token may not see.
    let first = ask("?limit=1").await;
    assert_eq!(events(&first.body).len(), 1);
    let after = cursor(&seen.body);
    assert_eq!(
        ask(&format!("?cursor={after}")).await.body["data"],
        json!([])
    );
    assert_eq!(cursor(&ask(&format!("?cursor={after}")).await.body), after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_without_visible_events_moves_on() {
    let company = Company::new().await;
    let app = company.app();
    trade(&app).await;
    sequence(&company).await;
    let none = page(&app, "?types=no.such.type").await;
    assert_eq!(
        (&none["data"], &none["unreachable"]),
        (&json!([]), &json!([]))
    );
    let places = |cursor: &str| -> Vec<u8> {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(cursor)
            .unwrap()[9..]
            .to_vec()
    };
    let all = page(&app, "?limit=200").await;
    assert_eq!(
        places(&cursor(&none)),
        places(&cursor(&all)),
        "behind everything"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_ends_with_the_first_event_or_with_its_time() {
    let company = Company::new().await;
    let app = company.app();
    sequence(&company).await;
    let end = cursor(&page(&app, "?limit=200").await);
    let wait = async |cursor: &str, prefer: &str| {
        let begun = Instant::now();
        let path = format!("/v1/events?cursor={cursor}");
        let answer = app
            .request(Method::GET, &path)
            .header("prefer", prefer)
            .send()
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        (answer.body, begun.elapsed())
    };
    for prefer in ["wait=0", "wait=soon", "return=minimal"] {
        let (nothing, took) = wait(&end, prefer).await;
        assert_eq!(
            (&nothing["data"], cursor(&nothing)),
            (&json!([]), end.clone())
        );
        assert!(took < Duration::from_secs(5), "{prefer}: {took:?}");
    }
    let (nothing, took) = wait(&end, "wait=1").await;
    assert_eq!(nothing["data"], json!([]));
    assert!(
        took >= Duration::from_secs(1) && took < Duration::from_secs(10),
        "{took:?}"
    );
    // Longer than a request's deadline, and woken by the first event.
    let stop = tokio::sync::Notify::new();
    let sequencer = sequencer(&company.db.db_in("us1")).run(stop.notified());
    let write = async {
        // Past the deadline that other requests have.
        tokio::time::sleep(Duration::from_millis(10_500)).await;
        let begun = Instant::now();
        let place = json!({"code": "nyc-shop", "office": "nyc", "name": "Shop", "kind": "store"});
        assert_eq!(app.post("/v1/warehouse/locations", place).await.status, 201);
        begun
    };
    let eu1 = crate::events::sequencer(&company.db.db()).run(stop.notified());
    let follow = async {
        let ((found, took), begun) = futures_util::future::join(wait(&end, "wait=30"), write).await;
        stop.notify_waiters();
        (found, took, begun.elapsed())
    };
    let ((found, took, since_write), (), ()) =
        futures_util::future::join3(follow, sequencer, eu1).await;
    assert_eq!(events(&found).len(), 1, "{found}");
    assert_eq!(events(&found)[0]["type"], "warehouse.location.created");
    assert!(took > Duration::from_secs(10), "{took:?}");
    let most = match company.db.engine() {
        Engine::Postgres => Duration::from_secs(2),
        Engine::Cockroach => Duration::from_secs(10),
    };
    assert!(
        since_write < most,
        "in calm an event shows within 2 s: {since_write:?}"
    );
}

/// Many wait, and hold nothing that others need.
#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_keep_nobody_out_and_hold_no_connection() {
    let company = Company::new().await;
    sequence(&company).await;
    let app = company.app();
    let end = cursor(&page(&app, "?limit=200").await);
    let path = format!("/v1/events?cursor={end}");
    let refused = AtomicUsize::new(0);
    let waiting = async {
        // No more at once than a process works at: each gives its place to the next as soon as it waits.
        let requests = (0..700).map(|_| {
            let request = app.request(Method::GET, &path);
            request.header("prefer", "wait=30").send()
        });
        let mut answers = stream::iter(requests).buffer_unordered(700);
        while let Some(answer) = answers.next().await {
            assert_eq!(
                answer.status, 503,
                "it came while others were let in: {}",
                answer.text
            );
            refused.fetch_add(1, Ordering::SeqCst);
        }
    };
    let others = async {
        eventually("all wait, and no connection is held", async || {
            company.db.busy_sessions().await == 0 && app.get("/v1/offices/ber").await.status == 200
        })
        .await;
        for _ in 0..20 {
            let answer = app.get("/v1/offices/ber").await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
    };
    tokio::select! {
        () = others => {}
        () = waiting => panic!("nobody waits"),
    }
    let refused = refused.load(Ordering::SeqCst);
    // All places but those that the others took for a moment.
    assert!(refused < 700 - 500, "{refused}");
}

/// A region that cannot be read is named, keeps its place, and is read when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_cannot_be_read_keeps_its_place() {
    let company = Company::new().await;
    if !company.db.is_postgres_with("a policy that raises an error") {
        return;
    }
    let app = company.app();
    trade(&app).await;
    sequence(&company).await;
    let everything = all(&app, "", 200).await;
    let begun = page(&app, "?limit=4").await;
    company.db.query(
        "CREATE FUNCTION public.reach(region TEXT) RETURNS BOOL LANGUAGE plpgsql AS $$ BEGIN
            IF region = 'ap1' THEN RAISE EXCEPTION 'range unavailable' USING ERRCODE = '58C00'; END IF;
            RETURN true;
        END $$;
        ALTER TABLE platform.event_counters ENABLE ROW LEVEL SECURITY;
        CREATE POLICY reach ON platform.event_counters USING (public.reach(region))",
    ).await;
    let mut seen = events(&begun).clone();
    let mut after = cursor(&begun);
    loop {
        let next = page(&app, &format!("?limit=4&cursor={after}")).await;
        assert_eq!(next["unreachable"], json!(["regions/ap1"]));
        after = cursor(&next);
        if events(&next).is_empty() {
            break;
        }
        assert_eq!(of(events(&next), "ap1"), [&Value::Null; 0]);
        seen.extend(events(&next).clone());
    }
    company
        .db
        .query("ALTER TABLE platform.event_counters DISABLE ROW LEVEL SECURITY")
        .await;
    let rest = page(&app, &format!("?limit=200&cursor={after}")).await;
    assert_eq!(rest["unreachable"], json!([]));
    assert_eq!(of(events(&rest), "ap1").len(), events(&rest).len());
    seen.extend(events(&rest).clone());
    let key = |event: &Value| (event["region"].to_string(), event["seq"].as_i64());
    let (mut seen, mut everything) = (seen, everything);
    seen.sort_by_key(key);
    everything.sort_by_key(key);
    assert_eq!(seen, everything);
}
