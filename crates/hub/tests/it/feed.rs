//! The feed read through failures is what the audit rows list.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::http::Method;
use futures_util::future::{join, join_all};
use platform_db::{Db, Fault};
use serde_json::{Value, json};
use testkit::{TestApp, app::new_key};

use crate::{Company, events::sequencer, systems};

const REGIONS: [&str; 3] = ["eu1", "us1", "ap1"];

/// Sends until it is acknowledged, with one key.
async fn insist(app: &TestApp, path: &str, body: &Value) -> Value {
    let key = new_key();
    loop {
        let answer = app
            .request(Method::POST, path)
            .key(&key)
            .json(body)
            .send()
            .await;
        if answer.status.is_success() {
            return answer.body;
        }
        assert!(answer.status.is_server_error(), "{path}: {}", answer.text);
    }
}

/// Receipts and losses of the same goods at three offices, and now and then a new item.
async fn write(app: TestApp, writer: usize, items: Vec<Value>, enough: Arc<AtomicBool>) {
    for n in 0.. {
        if enough.load(Ordering::SeqCst) {
            return;
        }
        let location = ["ber-main", "nyc-main", "tyo-main"][(writer + n) % 3];
        let line = |item: &Value| json!({"item": item, "quantity": 2, "cost_minor": 10});
        let lines: Vec<Value> = items.iter().map(line).collect();
        let receipt =
            json!({"location": location, "reference": format!("{writer}-{n}"), "lines": lines});
        insist(&app, "/v1/warehouse/receipts", &receipt).await;
        let loss =
            json!({"location": location, "item": items[n % 2], "delta": -1, "reason": "theft"});
        insist(&app, "/v1/warehouse/adjustments", &loss).await;
        if n % 5 == 0 {
            let new = json!({"sku": format!("NEW-{writer}-{n}"), "name": "n", "description": "d",
                "country_of_origin": "DE", "unit": "each"});
            insist(&app, "/v1/warehouse/items", &new).await;
        }
    }
}

/// A slow consumer: small pages, each cursor asked twice, no matter what fails in between.
async fn consume(app: TestApp, done: Arc<AtomicBool>) -> Vec<Value> {
    let (mut seen, mut after) = (Vec::new(), String::new());
    let ask = async |after: &str| loop {
        let answer = app.get(&format!("/v1/events?limit=3{after}")).await;
        if answer.status == 200 {
            return answer.body;
        }
        assert!(answer.status.is_server_error(), "{}", answer.text);
    };
    loop {
        // Read before the page, so that a last page behind it misses nothing.
        let is_last = done.load(Ordering::SeqCst);
        let first = ask(&after).await;
        let page = ask(&after).await;
        assert!(first["data"].as_array().unwrap().len() <= 3);
        let events = page["data"].as_array().unwrap();
        let is_whole = page["unreachable"] == json!([]);
        if events.is_empty() && is_whole && is_last {
            return seen;
        }
        seen.extend(events.clone());
        after = format!("&cursor={}", page["next_cursor"].as_str().unwrap());
        if events.is_empty() {
            // A slow consumer.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Ids of the events that the audit rows list, by region, and their requests.
async fn listed(app: &TestApp) -> (BTreeMap<String, BTreeSet<String>>, BTreeSet<String>, usize) {
    let (mut ids, mut requests, mut count, mut after) =
        (BTreeMap::new(), BTreeSet::new(), 0, String::new());
    loop {
        let page = app
            .get(&format!("/v1/audit?limit=200&order=asc{after}"))
            .await;
        assert_eq!(page.status, 200, "{}", page.text);
        for row in page.body["data"].as_array().unwrap() {
            requests.insert(row["request_id"].as_str().unwrap().to_owned());
            let region = row["region"].as_str().unwrap().to_owned();
            let of_region: &mut BTreeSet<String> = ids.entry(region).or_default();
            for id in row["event_ids"].as_array().unwrap() {
                count += 1;
                of_region.insert(id.as_str().unwrap().to_owned());
            }
        }
        match page.body["next_cursor"].as_str() {
            Some(cursor) => after = format!("&cursor={cursor}"),
            None => return (ids, requests, count),
        }
    }
}

fn break_things(dbs: &[Db], round: usize) {
    let faults = [
        Fault::Serialization { attempts: 2 },
        Fault::BeforeCommit { attempts: 1 },
        Fault::ReplyLost,
        Fault::CommitLost,
        Fault::OutcomeUnknown,
    ];
    let operations = [
        "receive_stock",
        "adjust_stock",
        "create_item",
        "sequence_events",
    ];
    for (n, db) in dbs.iter().enumerate() {
        let operation = operations[(round + n) % operations.len()];
        db.faults()
            .set(operation, faults[(round + 2 * n) % faults.len()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_23_the_feed_read_through_failures_is_what_the_audit_rows_list() {
    let company = Company::on_a_server_of_its_own().await;
    let dbs: Vec<Db> = REGIONS
        .iter()
        .map(|region| company.db.db_in(region))
        .collect();
    let apps: Vec<TestApp> = REGIONS
        .iter()
        .zip(&dbs)
        .map(|(region, db)| TestApp::new(region, systems(db, &company.topology)))
        .collect();
    let mut items = Vec::new();
    for sku in ["LAMP-7", "CUP-1"] {
        let body = json!({"sku": sku, "name": "n", "description": "d", "country_of_origin": "DE", "unit": "each"});
        items.push(apps[0].post("/v1/warehouse/items", body).await.body["id"].clone());
    }
    let (enough, done) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let stop = tokio::sync::watch::channel(false);
    let sequencers = dbs.iter().map(|db| {
        let mut stopped = stop.1.clone();
        sequencer(db).run(async move { drop(stopped.wait_for(|stop| *stop).await) })
    });
    let writers = (0..6).map(|n| write(apps[n % 3].clone(), n, items.clone(), Arc::clone(&enough)));
    let breaking = async {
        for round in 0..60 {
            break_things(&dbs, round);
            // Time for the faults to strike.
            tokio::time::sleep(Duration::from_millis(50)).await;
            if round == 30 {
                tokio::task::block_in_place(|| {
                    company.db.server().kill();
                    company.db.server().start();
                });
            }
        }
        enough.store(true, Ordering::SeqCst);
    };
    let producing = async {
        join(join_all(writers), breaking).await;
        testkit::eventually("every event has its number", async || {
            let waiting = "SELECT count(*) FROM platform.events WHERE seq IS NULL";
            company.db.count(waiting).await == 0
        })
        .await;
        done.store(true, Ordering::SeqCst);
    };
    let all = async {
        let consumer = consume(apps[1].clone(), Arc::clone(&done));
        let (seen, ()) = join(consumer, producing).await;
        stop.0.send_replace(true);
        seen
    };
    let (seen, _) = join(all, join_all(sequencers)).await;
    compare(&apps[2], &seen).await;
    let hits: u32 = dbs
        .iter()
        .map(|db| db.faults().hits("receive_stock") + db.faults().hits("sequence_events"))
        .sum();
    assert!(hits > 5, "faults struck: {hits}");
    assert!(seen.len() > 100, "{}", seen.len());
}

/// Per region the same set, no gap, no repeat; per resource each version once and in order.
async fn compare(app: &TestApp, seen: &[Value]) {
    let (listed, requests, count) = listed(app).await;
    assert_eq!(seen.len(), count);
    let mut regions: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    let mut versions: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for event in seen {
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        assert!(requests.contains(&text("request_id")), "{event}");
        regions.entry(text("region")).or_default().push(event);
        versions
            .entry(text("subject"))
            .or_default()
            .push(event["resource_version"].as_i64().unwrap());
    }
    for (region, events) in &regions {
        let seqs: Vec<i64> = events
            .iter()
            .map(|event| event["seq"].as_i64().unwrap())
            .collect();
        assert_eq!(
            seqs,
            (1..=seqs.len() as i64).collect::<Vec<_>>(),
            "{region}"
        );
        let ids: BTreeSet<String> = events
            .iter()
            .map(|event| event["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(Some(&ids), listed.get(region), "{region}");
    }
    for (subject, versions) in versions {
        assert_eq!(
            versions,
            (1..=versions.len() as i64).collect::<Vec<_>>(),
            "{subject}"
        );
    }
}
