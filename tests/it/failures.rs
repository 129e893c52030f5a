//! A region and the database, killed under load.

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
    http::{Api, fresh_key, send},
    lifecycle::answers,
    processes,
    stock::assert_integrity,
    wait,
    world::{Start, World},
};

const ITEMS: &str = "/v1/warehouse/items";

/// What `/v1/status` of a region says of another one's warehouse.
async fn warehouse_of(api: &Api, tag: &str) -> Option<String> {
    let answer = send(api.request("GET", "/v1/status")).await.ok()?;
    let status: Value = serde_json::from_str(&answer.text).ok()?;
    let region = status["regions"]
        .as_array()?
        .iter()
        .find(|region| region["region"] == tag)?
        .clone();
    Some(region["systems"]["warehouse"].as_str()?.to_owned())
}

/// Clients that make items one after another, in any region, and repeat each until it is acknowledged.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    clients: JoinSet<Vec<String>>,
}

impl Load {
    pub(crate) fn start(world: &World, clients: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let mut running = JoinSet::new();
        for _ in 0..clients {
            let apis: Vec<_> = ["eu1", "us1", "ap1"].map(|tag| world.manager(tag)).into();
            let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
            running.spawn(async move {
                let mut keys = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    keys.push(make_item(apis.clone()).await);
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

    /// Waits until so many more writes were acknowledged: the load is flowing.
    pub(crate) async fn flows(&self, more: usize, within: Duration) {
        let wanted = self.acknowledged.load(Ordering::Relaxed) + more;
        let reached = async || (self.acknowledged.load(Ordering::Relaxed) >= wanted).then_some(());
        wait::until("more acknowledged writes", within, reached).await;
    }

    /// Stops the clients; the keys of all acknowledged writes.
    pub(crate) async fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients
            .join_all()
            .await
            .into_iter()
            .flatten()
            .collect()
    }
}

/// One write with one key, sent to region after region until one acknowledges it.
async fn make_item(apis: Vec<Api>) -> String {
    let key = fresh_key();
    let body = json!({"sku": key, "name": "Cup", "description": "A cup.", "country_of_origin": "FR", "unit": "each"});
    let started = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    for api in apis.iter().cycle() {
        let request = api
            .request("POST", ITEMS)
            .header("idempotency-key", &key)
            .json(&body);
        if let Ok(answer) = send(request).await {
            if answer.status == 201 {
                break;
            }
            // What is not acknowledged is our failure or the database's, and says what may be concluded.
            assert!(answer.status >= 500, "{answer:#?}");
            let effect = answer.text_of("effect");
            assert!(
                effect == "none" || (effect == "unknown" && answer.text.contains("receipt")),
                "{answer:#?}"
            );
        }
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{key} is not acknowledged"
        );
        ticks.tick().await;
    }
    key
}

/// Every acknowledged write has exactly one effect, by the count of audit rows.
pub(crate) async fn assert_exactly_once(api: &Api, keys: &[String]) {
    for keys in keys.chunks(1000) {
        let verified = api
            .post("/v1/writes/verify", &fresh_key(), &json!({"keys": keys}))
            .await;
        let summary = verified.expect(200).json()["summary"].clone();
        assert_eq!(
            summary,
            json!({"acknowledged": keys.len(), "lost": 0, "doubled": 0})
        );
    }
}

/// A world away from the usual ports: a world that starts while a part of this one is down would take its place.
pub(crate) async fn on_ports(arguments: &[&str]) -> World {
    Start {
        arguments,
        ..Start::default()
    }
    .up()
    .await
}

#[tokio::test]
async fn a_killed_region_is_seen_missed_and_back_on_its_port() {
    let world = on_ports(&["--port", "8311", "--database-port", "6311"]).await;
    let (api, lost) = (world.manager("eu1"), world.manager("ap1"));
    let load = Load::start(&world, 4);
    load.flows(20, Duration::from_secs(30)).await;
    let (port, victim) = (
        world.port("ap1"),
        processes::listener(world.port("ap1")).unwrap(),
    );
    processes::signal(victim, "KILL");

    // The others say so, and go on serving.
    let down = async || {
        warehouse_of(&api, "ap1")
            .await
            .filter(|status| status != "operational")
    };
    wait::until("eu1 says that ap1 is down", Duration::from_secs(5), down).await;
    assert!(!answers(&lost).await, "it is long enough gone to be seen");
    assert_eq!(
        warehouse_of(&api, "us1").await.as_deref(),
        Some("operational")
    );
    api.get("/v1/offices/ber").await.expect(200);
    load.flows(20, Duration::from_secs(30)).await;

    // `up` brings it back: first after 8 s.
    let back = async || answers(&lost).await.then_some(());
    wait::until("ap1 is back", Duration::from_secs(25), back).await;
    assert_ne!(processes::listener(port), Some(victim));
    let up = async || {
        warehouse_of(&api, "ap1")
            .await
            .filter(|status| status == "operational")
    };
    wait::until("eu1 says that ap1 is up", Duration::from_secs(10), up).await;
    let keys = load.stop().await;
    assert_exactly_once(&lost, &keys).await;
    assert_integrity(&world).await;
}

#[tokio::test]
async fn a_killed_database_loses_no_acknowledged_write() {
    let world = on_ports(&["--port", "8321", "--database-port", "6321"]).await;
    let load = Load::start(&world, 8);
    for _ in 0..2 {
        load.flows(50, Duration::from_secs(60)).await;
        let server = processes::listener(world.database_port()).unwrap();
        processes::signal(server, "KILL");
        let back = async || processes::listener(world.database_port()).filter(|pid| *pid != server);
        wait::until(
            "the database is back on its port",
            Duration::from_secs(20),
            back,
        )
        .await;
    }
    // The regions recover by themselves.
    load.flows(50, Duration::from_secs(60)).await;
    for tag in ["eu1", "us1", "ap1"] {
        let api = world.manager(tag);
        let ready = async || {
            let answer = send(api.request("GET", "/readyz")).await.ok()?;
            (answer.status == 200).then_some(())
        };
        wait::until(
            &format!("{tag} is ready again"),
            Duration::from_secs(20),
            ready,
        )
        .await;
    }
    let keys = load.stop().await;
    assert!(keys.len() >= 150);
    for tag in ["eu1", "us1", "ap1"] {
        assert_exactly_once(&world.manager(tag), &keys).await;
    }
    assert_integrity(&world).await;
}
