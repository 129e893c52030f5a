//! `/v1/warehouse/levels` and `/v1/warehouse/movements`

use std::{collections::BTreeSet, time::Duration};

use axum::http::Method;
use kernel::{Clock, Role, Timestamp, id::ItemId};
use serde_json::{Value, json};
use testkit::{TestApp, app::token};

use crate::{
    app_with_clock,
    stock::{ADJUSTMENTS, LEVELS, MOVEMENTS, RECEIPTS, Store},
};

/// Levels at `ber-main` (both items), `ber-shop` and `nyc-main`.
async fn filled() -> Store {
    let store = Store::new().await;
    for location in ["ber-main", "ber-shop", "nyc-main"] {
        store.receive(location, 10, 100).await;
    }
    let other = json!({"location": "ber-main", "reference": "R-2", "kind": "opening", "lines": [
        {"item": store.items[1], "quantity": 1, "cost_minor": 5}]});
    assert_eq!(store.app.post(RECEIPTS, other).await.status, 201);
    store
}

/// A walk shows the millisecond in which it began whole.
async fn next_millisecond() {
    let began = Clock::System.now();
    while Clock::System.now() <= began.plus(Duration::from_millis(1)) {
        tokio::task::yield_now().await;
    }
}

/// Places of the rows of a list, in its order.
async fn places(app: &TestApp, path: &str) -> Vec<String> {
    let listed = app.get(path).await;
    assert_eq!(listed.status, 200, "{path}: {}", listed.body);
    let rows = listed.body["data"].as_array().unwrap();
    rows.iter()
        .map(|row| {
            let text = |member: &str| row[member].as_str().unwrap().to_owned();
            format!("{} {}", text("location"), text("sku"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_and_movements_are_listed_by_place_and_item() {
    let store = filled().await;
    let (lamp, other) = (&store.items[0], &store.items[1]);
    let all = [
        "ber-main LAMP-8",
        "nyc-main LAMP-7",
        "ber-shop LAMP-7",
        "ber-main LAMP-7",
    ];
    for base in [LEVELS, MOVEMENTS] {
        for (query, expected) in [
            (String::new(), &all[..]),
            ("?order=asc&limit=1".into(), &all[3..]),
            ("?office=ber,nyc".into(), &all),
            ("?office=nyc".into(), &all[1..2]),
            ("?location=ber-shop".into(), &all[2..3]),
            ("?location=ber-shop&office=nyc".into(), &[]),
            (format!("?item={lamp}"), &all[1..]),
            (format!("?item={lamp}&office=ber"), &all[2..]),
            (format!("?item={lamp}&location=ber-main"), &all[3..]),
            ("?sku=LAMP-8".into(), &all[..1]),
            (format!("?sku=LAMP-8&item={other}"), &all[..1]),
            (format!("?sku=LAMP-8&item={lamp}"), &[]),
            ("?created_from=2100-01-01T00:00:00Z".into(), &[]),
            ("?created_to=2100-01-01T00:00:00Z&order=desc".into(), &all),
            ("?created_to=2000-01-01T00:00:00Z".into(), &[]),
        ] {
            let path = format!("{base}{query}");
            let found = places(&store.app, &path).await;
            assert_eq!(found, expected, "{path}");
        }
        let unknown = ItemId::random("g".parse().unwrap());
        for (query, code) in [
            ("office=nowhere", "invalid_parameter"),
            ("location=nowhere", "invalid_parameter"),
            ("sku=nothing", "invalid_parameter"),
            (&format!("item={unknown}"), "invalid_parameter"),
            ("item=LAMP-7", "invalid_parameter"),
            ("colour=red", "unknown_parameter"),
            ("status=active", "unknown_parameter"),
        ] {
            let refused = store.app.get(&format!("{base}?{query}")).await;
            assert_eq!(refused.problem(), (400, code), "{query}");
        }
    }
    let kind = format!("{MOVEMENTS}?kind=opening");
    assert_eq!(places(&store.app, &kind).await, &all[..1]);
    let kind = format!("{MOVEMENTS}?kind=opening&item={lamp}");
    assert_eq!(places(&store.app, &kind).await, &[""; 0]);
    for (query, expected) in [
        ("reference=R-2", &all[..1]),
        ("reference=R-2&order=asc&limit=1", &all[..1]),
        ("reference=R-2&office=nyc", &[]),
        ("reference=R", &[]),
        (&format!("reference=R-2&item={other}"), &all[..1]),
        (&format!("reference=R-2&item={lamp}"), &[]),
        ("reference=R-2&kind=receipt", &[]),
    ] {
        let path = format!("{MOVEMENTS}?{query}");
        assert_eq!(places(&store.app, &path).await, expected, "{path}");
    }
    let refused = store.app.get(&format!("{MOVEMENTS}?kind=gift")).await;
    assert_eq!(refused.problem(), (400, "invalid_parameter"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_shows_each_row_once_and_nothing_made_since() {
    let store = filled().await;
    for base in [LEVELS, MOVEMENTS] {
        for order in ["asc", "desc"] {
            let query = format!("order={order}&limit=1");
            let mut seen = Vec::new();
            let mut page = store.app.get(&format!("{base}?{query}")).await;
            next_millisecond().await;
            // Made since: of no page.
            let late = json!({"location": "nyc-main", "reference": "late", "lines": [
                {"item": store.items[1], "quantity": 1, "cost_minor": 1}]});
            store.app.post(RECEIPTS, late).await;
            loop {
                assert_eq!(page.status, 200, "{}", page.body);
                seen.push(page.body["data"][0]["id"].as_str().unwrap().to_owned());
                let Some(cursor) = page.body["next_cursor"].as_str() else {
                    break;
                };
                page = store
                    .app
                    .get(&format!("{base}?{query}&cursor={cursor}"))
                    .await;
            }
            let distinct: BTreeSet<_> = seen.iter().collect();
            assert_eq!(distinct.len(), seen.len(), "{base} {order}");
            let all = store.app.get(&format!("{base}?limit=200")).await;
            let all = all.body["data"].as_array().unwrap().len();
            // The level of the late receipts is made by the first of them, during the first walk.
            let late = if base == LEVELS && order == "desc" {
                0
            } else {
                1
            };
            assert_eq!(seen.len() + late, all, "{base} {order}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_narrow_in_silence_and_ids_are_refused() {
    let store = filled().await;
    let clerk = token(Role::Clerk, &["nyc"]);
    let get = async |path: &str| store.app.request_as(&clerk, Method::GET, path).send().await;
    for base in [LEVELS, MOVEMENTS] {
        let listed = get(base).await;
        let offices: Vec<&Value> = listed.body["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| &row["office"])
            .collect();
        assert_eq!(offices, ["nyc"], "{base}");
        let refused = get(&format!("{base}?office=ber")).await;
        assert_eq!(refused.problem(), (403, "office_forbidden"));
        let own = listed.body["data"][0]["id"].as_str().unwrap();
        assert_eq!(get(&format!("{base}/{own}")).await.status, 200);
        let listed = store.app.get(&format!("{base}?office=ber")).await;
        let other = listed.body["data"][0]["id"].as_str().unwrap();
        let refused = get(&format!("{base}/{other}")).await;
        assert_eq!(refused.problem(), (403, "office_forbidden"));
        let prefix = &own[..3];
        let missing = format!("{base}/{prefix}_us1_00000000000000000000000001");
        assert_eq!(get(&missing).await.problem(), (404, "not_found"));
        let garbled = get(&format!("{base}/itm_g_1")).await;
        assert_eq!(garbled.problem(), (400, "invalid_parameter"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_39_a_level_is_read_by_id_in_any_region() {
    let store = filled().await;
    let level = store.level("ber-main").await;
    let path = format!("{LEVELS}/{}", level["id"].as_str().unwrap());
    let us1 = store.warehouse.in_region("us1");
    let read = us1.get(&path).await;
    assert_eq!((&read.body, read.header("etag")), (&level, "\"1\""));
    let request = us1.request(Method::GET, &path);
    let same = request.header("if-none-match", "\"1\"").send().await;
    assert_eq!(same.status, 304);
    // The region of an id is a hint.
    let moved = path.replace("lvl_eu1_", "lvl_ap1_");
    assert_eq!(store.app.get(&moved).await.body, level);
}

/// What happened when, by fixed clocks.
struct Past {
    store: Store,
    start: Timestamp,
}

impl Past {
    /// 10 for 100 after a minute, 4 less after two, 2 reserved after three.
    async fn new() -> Self {
        let past = Self {
            store: Store::new().await,
            start: Clock::System.now().plus(Duration::from_secs(3600)),
        };
        let receipt = past.store.receipt("ber-main", 10, 100);
        assert_eq!(past.app(60).post(RECEIPTS, receipt).await.status, 201);
        let less = past.store.adjustment(-4);
        assert_eq!(past.app(120).post(ADJUSTMENTS, less).await.status, 201);
        let hold = json!({"location": "ber-main", "item": past.store.items[0], "quantity": 2});
        let held = past.app(180).post("/v1/warehouse/reservations", hold).await;
        assert_eq!(held.status, 201);
        past
    }

    fn at(&self, seconds: u64) -> Timestamp {
        self.start.plus(Duration::from_secs(seconds))
    }

    fn app(&self, seconds: u64) -> TestApp {
        let clock = Clock::fixed(self.at(seconds));
        let db = self.store.db().db_with_clock("eu1", clock.clone());
        app_with_clock(db, "eu1", clock)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_18_a_level_of_the_past_is_what_its_movements_sum_to() {
    let past = Past::new().await;
    let app = past.app(300);
    let now = app.get(LEVELS).await.body["data"][0].clone();
    assert_eq!((&now["on_hand"], &now["reserved"]), (&json!(6), &json!(2)));
    let path = format!("{LEVELS}/{}", now["id"].as_str().unwrap());
    for (seconds, on_hand, value) in [(60, 10, 100), (119, 10, 100), (120, 6, 60), (299, 6, 60)] {
        let query = format!("as_of={}", past.at(seconds));
        let listed = app.get(&format!("{LEVELS}?{query}")).await;
        let is_final = seconds < 299;
        assert_eq!(listed.body["final"], is_final, "{}", listed.body);
        let mut expected = now.clone();
        for member in [
            "reserved",
            "available",
            "incoming",
            "version",
            "created_at",
            "updated_at",
        ] {
            expected[member] = Value::Null;
        }
        expected["on_hand"] = json!(on_hand);
        expected["value_minor"] = json!(value);
        assert_eq!(listed.body["data"], json!([expected]), "{seconds}");
        for more in ["&item=", "&order=asc&item="] {
            let narrowed = format!("{LEVELS}?{query}{more}{}", past.store.items[0]);
            assert_eq!(
                app.get(&narrowed).await.body["data"],
                json!([expected]),
                "{seconds}"
            );
        }
        let by_id = app.get(&format!("{path}?{query}")).await;
        expected["final"] = json!(is_final);
        assert_eq!(by_id.body, expected, "{seconds}");
        assert_eq!(by_id.header("etag"), "", "a moment has no version");
    }
    // Before it was there.
    let query = format!("as_of={}", past.at(59));
    assert_eq!(
        app.get(&format!("{LEVELS}?{query}")).await.body["data"],
        json!([])
    );
    assert_eq!(
        app.get(&format!("{path}?{query}")).await.problem(),
        (404, "not_found")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_18_movements_of_the_past_are_those_recorded_by_then() {
    let past = Past::new().await;
    let app = past.app(300);
    let count = async |query: &str| {
        let listed = app.get(&format!("{MOVEMENTS}?{query}")).await;
        assert_eq!(listed.status, 200, "{}", listed.body);
        listed.body["data"].as_array().unwrap().len()
    };
    let item = &past.store.items[0];
    for (seconds, expected) in [(59, 0), (60, 1), (119, 1), (120, 2)] {
        let at = past.at(seconds);
        assert_eq!(count(&format!("as_of={at}")).await, expected, "{seconds}");
        assert_eq!(
            count(&format!("as_of={at}&item={item}")).await,
            expected,
            "{seconds}"
        );
        let later = format!("as_of={at}&created_to={}", past.at(60));
        assert_eq!(count(&later).await, expected.min(1), "{seconds}: both hold");
    }
    let last = app.get(MOVEMENTS).await.body["data"][0].clone();
    let path = format!("{MOVEMENTS}/{}", last["id"].as_str().unwrap());
    let before = app.get(&format!("{path}?as_of={}", past.at(119))).await;
    assert_eq!(before.problem(), (404, "not_found"));
    let then = app.get(&format!("{path}?as_of={}", past.at(120))).await;
    assert_eq!(then.body, last);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_is_one_of_the_companys_past() {
    let past = Past::new().await;
    let app = past.app(300);
    let level = app.get(LEVELS).await.body["data"][0]["id"].clone();
    let movement = app.get(MOVEMENTS).await.body["data"][0]["id"].clone();
    let by_id = |base: &str, id: &Value| format!("{base}/{}", id.as_str().unwrap());
    for path in [
        LEVELS.to_owned(),
        MOVEMENTS.to_owned(),
        by_id(LEVELS, &level),
        by_id(MOVEMENTS, &movement),
    ] {
        let future = app.get(&format!("{path}?as_of={}", past.at(301))).await;
        assert_eq!(future.problem(), (422, "validation_failed"), "{path}");
        let old = app.get(&format!("{path}?as_of=2000-01-01T00:00:00Z")).await;
        assert_eq!(old.problem(), (422, "as_of_too_old"), "{path}");
        let garbled = app.get(&format!("{path}?as_of=yesterday")).await;
        assert_eq!(garbled.problem(), (400, "invalid_parameter"), "{path}");
    }
    for path in ["/v1/warehouse/items", "/v1/warehouse/reservations"] {
        let refused = app.get(&format!("{path}?as_of={}", past.at(1))).await;
        assert_eq!(refused.problem(), (400, "unknown_parameter"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_17_what_is_recorded_is_younger_than_what_it_found() {
    let past = Past::new().await;
    // Received before the others, and written after them.
    let late = past.app(90);
    let found = late.post(ADJUSTMENTS, past.store.adjustment(1)).await;
    assert_eq!(found.status, 201, "{}", found.body);
    let after = past.at(180).plus(Duration::from_millis(1)).to_string();
    let movement = &found.body["movements"][0];
    assert_eq!(movement["recorded_at"], after);
    assert_eq!(
        found.body["journal_entry"]["recorded_at"], after,
        "one time per transaction"
    );
    let app = past.app(300);
    let level = app.get(LEVELS).await.body["data"][0].clone();
    assert_eq!(
        (&level["updated_at"], &level["on_hand"]),
        (&json!(after), &json!(7))
    );
    // So no moment shows a level that never was.
    for (seconds, on_hand) in [(100, 10), (150, 6), (179, 6), (181, 7)] {
        let path = format!("{LEVELS}?as_of={}", past.at(seconds));
        assert_eq!(
            app.get(&path).await.body["data"][0]["on_hand"],
            on_hand,
            "{seconds}"
        );
    }
}
