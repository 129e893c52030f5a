//! The hub through its router, on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod audit;
mod cached;
mod cockroach;
mod contract;
mod deals;
mod document;
mod events;
mod exports;
mod fault_matrix;
mod feed;
mod integrity;
mod nearest;
mod offices;
mod order_steps;
mod plans;
mod reports;
mod sales_reports;
mod search;
mod unreachable;
mod walks;
mod writes;

use std::{collections::BTreeMap, sync::Arc};

use platform_db::{Db, Directory, Migrations};
use platform_http::System;
use serde_json::Value;
use testkit::{TestApp, TestDb};
use topology::Topology;

/// Hub and warehouse of every region over a database of its own, with the offices of `regions/offices.yaml`.
struct Company {
    db: TestDb,
    topology: Arc<Topology>,
}

impl Company {
    async fn new() -> Self {
        Self::over(TestDb::new(&migrations()).await).await
    }

    /// Over a PostgreSQL that speaks CockroachDB. None where every test has the like.
    async fn speaking_cockroach() -> Option<Self> {
        let db = TestDb::new(&migrations()).await;
        if !db.speaks_postgres_with("a proxy that speaks CockroachDB") {
            return None;
        }
        Some(Self::over(db.speaking_cockroach().await).await)
    }

    /// On a server that the test may kill.
    async fn on_a_server_of_its_own() -> Self {
        Self::over(TestDb::private(&migrations()).await).await
    }

    async fn over(db: TestDb) -> Self {
        let topology = Arc::new(Topology::embedded());
        hub::load_offices(&db.db(), &topology).await.unwrap();
        Self { db, topology }
    }

    fn in_region(&self, region: &str) -> TestApp {
        TestApp::new(region, systems(&self.db.db_in(region), &self.topology))
    }

    fn app(&self) -> TestApp {
        self.in_region("eu1")
    }
}

fn migrations() -> [&'static Migrations; 3] {
    [
        accounting::migrations(),
        warehouse::migrations(),
        sales::migrations(),
    ]
}

/// Port 1 refuses: the other regions are down.
const NOBODY: &str = "http://127.0.0.1:1";

/// The other regions are down.
fn systems(db: &Db, topology: &Arc<Topology>) -> Vec<System> {
    systems_among(db, topology, "http://127.0.0.1:1")
}

/// Every other region is said to be at `url`.
fn systems_among(db: &Db, topology: &Arc<Topology>, url: &str) -> Vec<System> {
    systems_that_ask(db, topology, url, client())
}

/// What regions ask each other with; it takes a while to make.
fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Every other region is said to be at `url`, and asked by this client.
fn systems_that_ask(
    db: &Db,
    topology: &Arc<Topology>,
    url: &str,
    client: reqwest::Client,
) -> Vec<System> {
    let directory = Directory::new(db.clone());
    let names = vec!["warehouse".to_owned(), "hub".to_owned()];
    let urls: BTreeMap<_, _> = topology
        .tags()
        .into_iter()
        .map(|tag| (tag, url.to_owned()))
        .collect();
    let peers = hub::Peers::new(db.region().clone(), names, urls, db.clone(), client);
    let warehouse = warehouse::App::new(db.clone(), directory.clone(), Arc::clone(topology));
    vec![
        accounting::system(accounting::App::new(db.clone(), directory.clone())),
        warehouse::system(warehouse.clone()),
        sales::system(sales::App {
            db: db.clone(),
            directory: directory.clone(),
            warehouse,
        }),
        hub::system(hub::App::new(
            db.clone(),
            directory,
            Arc::clone(topology),
            peers,
        )),
    ]
}

/// Makes something; its id.
async fn made(app: &TestApp, path: &str, body: Value) -> String {
    let answer = app.post(path, body).await;
    assert!(answer.status.is_success(), "{path}: {}", answer.text);
    answer.body["id"].as_str().unwrap_or_default().to_owned()
}
