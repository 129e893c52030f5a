//! Stock and books: one truth, whichever region is asked, whatever breaks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    failures::assert_exactly_once,
    http::{Answer, Api, fresh_key, send},
    processes, wait,
    world::{Start, World, shared},
};

const RECEIPTS: &str = "/v1/warehouse/receipts";
const ADJUSTMENTS: &str = "/v1/warehouse/adjustments";
const RESERVATIONS: &str = "/v1/warehouse/reservations";

/// A new item, made through `api`.
async fn item(api: &Api) -> String {
    let body = json!({"sku": fresh_key(), "name": "Cup", "description": "A cup.", "country_of_origin": "FR",
        "unit": "each"});
    let made = api.post("/v1/warehouse/items", &fresh_key(), &body).await;
    made.expect(201).text_of("id")
}

fn receipt(location: &str, item: &str, quantity: i64, cost_minor: i64) -> Value {
    json!({"location": location, "reference": "PO-7",
        "lines": [{"item": item, "quantity": quantity, "cost_minor": cost_minor}]})
}

/// The one level of an item at a location.
async fn level(api: &Api, location: &str, item: &str) -> Value {
    let path = format!("/v1/warehouse/levels?location={location}&item={item}");
    let listed = api.get(&path).await.expect(200).json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1, "{listed}");
    listed["data"][0].clone()
}

/// Every invariant holds, whichever region is asked.
pub(crate) async fn assert_integrity(world: &World) {
    for tag in ["eu1", "us1", "ap1"] {
        let report = world.manager(tag).get("/v1/reports/integrity").await;
        let report = report.expect(200).json();
        let invariants = report["invariants"].as_array().unwrap();
        assert!(invariants.len() >= 3, "{report}");
        for invariant in invariants {
            assert_eq!(invariant["status"], "pass", "{report}");
        }
    }
}

#[tokio::test]
async fn what_one_region_receives_the_others_reserve_adjust_and_find_in_the_books() {
    let world = shared().await;
    let [eu1, us1, ap1] = ["eu1", "us1", "ap1"].map(|tag| world.manager(tag));
    let item = item(&ap1).await;

    let received = eu1
        .post(RECEIPTS, &fresh_key(), &receipt("ber-main", &item, 3, 100))
        .await;
    let received = received.expect(201).json();
    let entry = &received["journal_entry"];
    assert_eq!(entry["postings"][0]["debit"], "1300");
    assert_eq!(entry["postings"][0]["credit"], "2050");
    assert_eq!(entry["postings"][0]["amount_minor"], 100);
    assert_eq!(received["movements"][0]["journal_entry"], entry["id"]);

    let hold = json!({"location": "ber-main", "item": item, "quantity": 2});
    let held = us1.post(RESERVATIONS, &fresh_key(), &hold).await;
    let held = held.expect(201).json();
    let lost = json!({"location": "ber-main", "item": item, "delta": -2, "reason": "damage"});
    let refused = ap1.post(ADJUSTMENTS, &fresh_key(), &lost).await;
    refused.expect_problem(409, "insufficient_stock");
    assert_eq!(refused.text_of("effect"), "none");
    let release = format!("{RESERVATIONS}/{}/release", held["id"].as_str().unwrap());
    ap1.post(&release, &fresh_key(), &json!({}))
        .await
        .expect(200);
    let adjusted = us1.post(ADJUSTMENTS, &fresh_key(), &lost).await;
    let adjusted = adjusted.expect(201).json();
    // Two of three units that cost 100 together: round(100 × 2 ÷ 3).
    assert_eq!(adjusted["movements"][0]["value_delta_minor"], -67);
    assert_eq!(adjusted["journal_entry"]["postings"][0]["debit"], "5900");

    for api in [&eu1, &us1, &ap1] {
        let level = level(api, "ber-main", &item).await;
        assert_eq!(
            (&level["on_hand"], &level["reserved"], &level["value_minor"]),
            (&json!(1), &json!(0), &json!(33)),
            "{level}"
        );
        let id = entry["id"].as_str().unwrap();
        let found = api
            .get(&format!("/v1/accounting/journal-entries/{id}"))
            .await;
        assert_eq!(found.expect(200).json()["office"], "ber");
    }
    let books = ap1.get("/v1/reports/trial-balance?office=ber").await;
    let books = books.expect(200).json();
    for total in books["totals"].as_array().unwrap() {
        assert_eq!(total["debit_minor"], total["credit_minor"], "{books}");
    }
    assert_integrity(world).await;
}

#[tokio::test]
async fn a_stock_of_a_hundred_is_reserved_a_hundred_times_over_three_regions() {
    let world = shared().await;
    let apis = ["eu1", "us1", "ap1"].map(|tag| world.manager(tag));
    let item = item(&apis[0]).await;
    apis[0]
        .post(
            RECEIPTS,
            &fresh_key(),
            &receipt("waw-main", &item, 100, 10_000),
        )
        .await
        .expect(201);
    let mut clients = JoinSet::new();
    for n in 0..1000 {
        let (api, item) = (apis[n % 3].clone(), item.clone());
        clients.spawn(async move {
            let body = json!({"location": "waw-main", "item": item, "quantity": 1});
            reserve_until_told(&api, &body).await
        });
    }
    let mut reserved = 0;
    for answer in clients.join_all().await {
        if answer.status == 201 {
            reserved += 1;
        } else {
            answer.expect_problem(409, "insufficient_stock");
            assert_eq!(answer.json()["lines"][0]["wanted"], 1);
            assert_eq!(answer.json()["lines"][0]["available"], 0);
        }
    }
    assert_eq!(reserved, 100);
    let level = level(&apis[1], "waw-main", &item).await;
    assert_eq!(
        (&level["reserved"], &level["available"]),
        (&json!(100), &json!(0))
    );
    assert_integrity(world).await;
}

/// Sends one reservation until it is made or refused: a server with too much to do says so, and the key stays good.
async fn reserve_until_told(api: &Api, body: &Value) -> Answer {
    let (key, started) = (fresh_key(), Instant::now());
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    loop {
        ticks.tick().await;
        let answer = api.post(RESERVATIONS, &key, body).await;
        if answer.status < 500 {
            return answer;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{answer:#?}");
    }
}

/// Clients that move one item's stock at two offices, in any region, and repeat each write until it is acknowledged.
struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    clients: JoinSet<Vec<String>>,
}

impl Load {
    fn start(world: &World, item: &str, clients: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let mut running = JoinSet::new();
        for client in 0..clients {
            let apis: Vec<_> = ["eu1", "us1", "ap1"].map(|tag| world.manager(tag)).into();
            let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
            let item = item.to_owned();
            running.spawn(async move {
                let mut keys = Vec::new();
                for n in client.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let location = ["ber-main", "nyc-main"][n % 2];
                    let (path, body) = match n % 3 {
                        0 => (RECEIPTS, receipt(location, &item, 7, 1000)),
                        1 => (ADJUSTMENTS, json!({"location": location, "item": item, "delta": -2, "reason": "theft"})),
                        _ => (RESERVATIONS, json!({"location": location, "item": item, "quantity": 1, "hold_seconds": 2})),
                    };
                    if let Some(key) = write(&apis, path, &body).await {
                        keys.push(key);
                    }
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                keys
            });
        }
        Self {
            stop,
            acknowledged,
            clients: running,
        }
    }

    /// Waits until so many more writes were answered: the load is flowing.
    async fn flows(&self, more: usize) {
        let wanted = self.acknowledged.load(Ordering::Relaxed) + more;
        let reached = async || (self.acknowledged.load(Ordering::Relaxed) >= wanted).then_some(());
        wait::until("more writes", Duration::from_secs(60), reached).await;
    }

    async fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let keys = self.clients.join_all().await;
        keys.into_iter().flatten().collect()
    }
}

/// One write with one key, sent to region after region until one answers for certain; `None` if it was refused.
async fn write(apis: &[Api], path: &str, body: &Value) -> Option<String> {
    let (key, started) = (fresh_key(), Instant::now());
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    for api in apis.iter().cycle() {
        let request = api
            .request("POST", path)
            .header("idempotency-key", &key)
            .json(body);
        if let Ok(answer) = send(request).await {
            match answer.status {
                201 => return Some(key),
                409 => {
                    answer.expect_problem(409, "insufficient_stock");
                    return None;
                }
                _ => assert!(answer.status >= 500, "{answer:#?}"),
            }
        }
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{key} is not answered"
        );
        ticks.tick().await;
    }
    None
}

#[tokio::test]
async fn a_killed_region_and_a_killed_database_leave_stock_and_books_in_agreement() {
    let world = Start {
        arguments: &["--port", "8331", "--database-port", "6331"],
        ..Start::default()
    }
    .up()
    .await;
    let item = item(&world.manager("eu1")).await;
    let load = Load::start(&world, &item, 6);
    load.flows(60).await;
    processes::signal(processes::listener(world.port("us1")).unwrap(), "KILL");
    load.flows(60).await;
    let server = processes::listener(world.database_port()).unwrap();
    processes::signal(server, "KILL");
    let back = async || processes::listener(world.database_port()).filter(|pid| *pid != server);
    wait::until("the database is back", Duration::from_secs(20), back).await;
    load.flows(60).await;
    let keys = load.stop().await;
    assert!(keys.len() > 60);
    let us1 = async || {
        crate::lifecycle::answers(&world.manager("us1"))
            .await
            .then_some(())
    };
    wait::until("us1 is back", Duration::from_secs(30), us1).await;
    assert_exactly_once(&world.manager("us1"), &keys).await;
    assert_integrity(&world).await;
    // The holds end by themselves, whoever sweeps them.
    for location in ["ber-main", "nyc-main"] {
        let free = async || {
            let level = level(&world.manager("ap1"), location, &item).await;
            (level["reserved"] == 0).then_some(())
        };
        wait::until("no hold is left", Duration::from_secs(30), free).await;
    }
    assert_integrity(&world).await;
}
