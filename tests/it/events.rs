//! The event feed, followed while a region and the database are killed, is what the audit log lists.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    failures::{Load, on_ports},
    http::{Api, fresh_key, send},
    processes, wait,
};

/// One page, from whichever region gives it.
async fn ask(apis: &[Api], path: &str) -> Value {
    let started = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    for api in apis.iter().cycle() {
        if let Ok(answer) = send(api.request("GET", path)).await {
            if answer.status == 200 {
                return answer.json();
            }
            assert!(answer.status >= 500, "{answer:#?}");
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{path}");
        ticks.tick().await;
    }
    unreachable!("there are regions");
}

/// Follows the feed in small pages, each cursor asked twice, until there is nothing more after `done`.
async fn follow(apis: Vec<Api>, done: Arc<AtomicBool>) -> Vec<Value> {
    let (mut seen, mut after) = (Vec::new(), String::new());
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    loop {
        let is_last = done.load(Ordering::SeqCst);
        let path = format!("/v1/events?limit=20{after}");
        ask(&apis, &path).await;
        let page = ask(&apis, &path).await;
        let events = page["data"].as_array().unwrap();
        seen.extend(events.clone());
        after = format!("&cursor={}", page["next_cursor"].as_str().unwrap());
        if events.is_empty() {
            if is_last && page["unreachable"] == json!([]) {
                return seen;
            }
            ticks.tick().await;
        }
    }
}

/// Ids of the events that the audit rows list, by region.
async fn listed(apis: &[Api]) -> BTreeMap<String, Vec<String>> {
    let (mut ids, mut after) = (BTreeMap::new(), String::new());
    loop {
        let page = ask(apis, &format!("/v1/audit?order=asc&limit=200{after}")).await;
        for row in page["data"].as_array().unwrap() {
            let region = row["region"].as_str().unwrap().to_owned();
            let of_region: &mut Vec<String> = ids.entry(region).or_default();
            let events = row["event_ids"].as_array().unwrap().iter();
            of_region.extend(events.map(|id| id.as_str().unwrap().to_owned()));
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => after = format!("&cursor={cursor}"),
            None => return ids,
        }
    }
}

/// Per region the same events as the audit rows list, numbered without a gap; per resource every version, in order.
fn compare(seen: &[Value], listed: &BTreeMap<String, Vec<String>>) {
    let mut regions: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    let mut versions: BTreeMap<&str, Vec<(i64, &str)>> = BTreeMap::new();
    for event in seen {
        let region = event["region"].as_str().unwrap();
        regions.entry(region).or_default().push(event);
        let of_subject = versions.entry(event["subject"].as_str().unwrap());
        let version = event["resource_version"].as_i64().unwrap();
        let kind = event["type"].as_str().unwrap();
        of_subject.or_default().push((version, kind));
    }
    for (region, ids) in listed {
        let events = regions.remove(region.as_str()).unwrap_or_default();
        let seqs: Vec<i64> = events.iter().map(|e| e["seq"].as_i64().unwrap()).collect();
        let counted = (1..).take(seqs.len()).collect::<Vec<i64>>();
        assert_eq!(seqs, counted, "{region}");
        let found: BTreeSet<_> = events.iter().map(|e| e["id"].as_str().unwrap()).collect();
        assert_eq!(found, ids.iter().map(String::as_str).collect(), "{region}");
        assert_eq!(events.len(), ids.len(), "{region}");
    }
    assert!(regions.is_empty(), "{regions:?}");
    for (subject, versions) in versions {
        // One event a version, but two where a shipment is an order's last.
        let in_order = versions.windows(2).all(|pair| {
            let ((before, _), (after, kind)) = (pair[0], pair[1]);
            after == before + 1 || (after == before && kind == "sales.order.fulfilled")
        });
        assert!(in_order, "{subject}: {versions:?}");
    }
}

#[tokio::test]
async fn hard_case_23_the_feed_followed_through_kills_is_what_the_audit_log_lists() {
    let world = on_ports(&["--port", "8361", "--database-port", "6361"]).await;
    let apis: Vec<_> = ["us1", "ap1", "eu1"].map(|tag| world.manager(tag)).into();
    let done = Arc::new(AtomicBool::new(false));
    let mut consumer = JoinSet::new();
    consumer.spawn(follow(apis.clone(), Arc::clone(&done)));
    let load = Load::start(&world, 6);
    load.flows(50, Duration::from_secs(60)).await;
    processes::signal(processes::listener(world.port("eu1")).unwrap(), "KILL");
    load.flows(50, Duration::from_secs(60)).await;
    let server = processes::listener(world.database_port()).unwrap();
    processes::signal(server, "KILL");
    load.flows(50, Duration::from_secs(60)).await;
    let keys = load.stop().await;
    // The last of them: an event that shows once every one before it has its number.
    let key = fresh_key();
    let last = json!({"sku": key, "name": "Cup", "description": "A cup.", "country_of_origin": "FR", "unit": "each"});
    let made = async || {
        let api = world.manager("us1");
        let request = api.request("POST", "/v1/warehouse/items");
        let answer = send(request.header("idempotency-key", &key).json(&last)).await;
        answer.ok().filter(|answer| answer.status == 201)
    };
    let (made, _) = wait::until("a last item", Duration::from_secs(30), made).await;
    let id = made.json()["id"].clone();
    let shown = async || {
        let mut after = String::new();
        loop {
            let path = format!("/v1/events?limit=200&types=warehouse.item.created{after}");
            let page = ask(&apis, &path).await;
            let events = page["data"].as_array().unwrap();
            if events.iter().any(|event| event["subject"] == id) {
                return Some(());
            }
            if events.is_empty() {
                return None;
            }
            after = format!("&cursor={}", page["next_cursor"].as_str().unwrap());
        }
    };
    wait::until("the last event shows", Duration::from_secs(15), shown).await;
    done.store(true, Ordering::SeqCst);
    let seen = consumer.join_next().await.unwrap().unwrap();
    assert!(seen.len() > keys.len(), "{} of {}", seen.len(), keys.len());
    compare(&seen, &listed(&apis).await);
}
