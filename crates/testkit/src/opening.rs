//! A test's database as the services open it: in which region, through what, and in which words.

use std::{
    collections::HashMap,
    sync::{MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use kernel::{Clock, RegionTag};
use platform_db::{Db, DbConfig, PoolSizes};
use prometheus_client::{encoding::text::encode, registry::Registry};

use crate::{
    Act, CockroachProxy, Engine, Rule, TestDb, When,
    call::tag,
    db::{APP_PASSWORD, ON_COCKROACH, REGIONS},
};

/// What a statement takes longer where it is to be slow: on a cluster on one machine it is 5 to 50 ms.
const SLOW: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
pub(crate) struct Opened {
    pub(crate) dbs: HashMap<RegionTag, Db>,
    registries: Vec<Registry>,
}

impl TestDb {
    pub(crate) async fn in_dialect(self) -> Self {
        let Some(dialect) = std::env::var_os("TEST_DIALECT") else {
            return self;
        };
        let slow = dialect == "slow-cockroach";
        assert!(
            slow || dialect == "cockroach",
            "TEST_DIALECT={}: cockroach and slow-cockroach are known",
            dialect.display()
        );
        ON_COCKROACH.store(true, Ordering::Relaxed);
        let test = self.speaking_cockroach().await;
        for node in test.nodes.iter().filter(|_| slow) {
            let late = Rule::new(When::Any, Act::Delay(SLOW));
            node.wire().arm(late.always());
        }
        test
    }

    /// From now on the services meet a PostgreSQL that speaks CockroachDB ([`CockroachProxy`]) in each region, unless they
    /// meet the like anyway.
    pub async fn speaking_cockroach(mut self) -> Self {
        if self.engine() == Engine::Postgres {
            self.nodes = CockroachProxy::nodes(&self, &REGIONS).await;
            self.app_url = self.url_in(REGIONS[0]);
        }
        self
    }

    pub(crate) fn nodes(&self) -> &[CockroachProxy] {
        &self.nodes
    }

    /// The database as the process of region eu1 has it (regions eu1, us1, ap1; eu1 is primary).
    #[must_use]
    pub fn db(&self) -> Db {
        self.db_in(REGIONS[0])
    }

    /// The database as the process of another region has it; the same one each time.
    #[must_use]
    pub fn db_in(&self, region: &str) -> Db {
        let known = self.opened().dbs.get(&tag(region)).cloned();
        known.unwrap_or_else(|| {
            let db = self.open(region, &self.url_in(region), Clock::System, 16);
            self.opened().dbs.insert(tag(region), db.clone());
            db
        })
    }

    /// The database with another clock; a new handle each time.
    #[must_use]
    pub fn db_with_clock(&self, region: &str, clock: Clock) -> Db {
        self.open(region, &self.url_in(region), clock, 16)
    }

    /// The database with another pool; a new handle each time.
    #[must_use]
    pub fn db_with_connections(&self, connections: usize) -> Db {
        self.open(REGIONS[0], &self.app_url, Clock::System, connections)
    }

    /// The database of region eu1 through a proxy on this machine, which speaks without TLS; a new handle each time.
    #[must_use]
    pub fn db_through(&self, port: u16) -> Db {
        self.db_through_any(&[port])
    }

    /// The same through several, as if each were a node of its own.
    #[must_use]
    pub fn db_through_any(&self, ports: &[u16]) -> Db {
        self.db_at(&self.app_url_through(ports))
    }

    /// The database of region eu1 by any URL; a new handle each time.
    #[must_use]
    pub fn db_at(&self, url: &str) -> Db {
        self.open(REGIONS[0], url, Clock::System, 16)
    }

    /// The database of a region through a proxy that speaks CockroachDB; a new handle each time. Clocks may differ by a
    /// quarter of a second. The cluster may call the region by its tag, or by that with `cloud-` before it.
    #[must_use]
    pub fn db_speaking(&self, proxy: &CockroachProxy, region: &str) -> Db {
        let config = DbConfig {
            max_clock_offset: Duration::from_millis(250),
            ..self.config(region, &self.app_url_through(&[proxy.port()]), 16)
        };
        self.open_with(config, Clock::System)
    }

    /// Where the processes of a region connect.
    fn url_in(&self, region: &str) -> String {
        let nodes = REGIONS.iter().zip(&self.nodes);
        let own = nodes.into_iter().find(|(name, _)| **name == region);
        match own.map(|(_, node)| node).or(self.nodes.first()) {
            Some(node) => self.app_url_through(&[node.port()]),
            None => self.app_url.clone(),
        }
    }

    /// Connects as the services' role through proxies on this machine, which speak without TLS.
    #[must_use]
    pub fn app_url_through(&self, ports: &[u16]) -> String {
        let name = self.home.name();
        let hosts = ports.iter().map(|port| format!("127.0.0.1:{port}"));
        let hosts = hosts.collect::<Vec<_>>().join(",");
        format!("postgres://meridian_app:{APP_PASSWORD}@{hosts}/{name}")
    }

    fn open(&self, region: &str, url: &str, clock: Clock, connections: usize) -> Db {
        self.open_with(self.config(region, url, connections), clock)
    }

    fn config(&self, region: &str, url: &str, connections: usize) -> DbConfig {
        DbConfig {
            url: url.into(),
            region: tag(region),
            region_names: vec![region.to_owned(), format!("cloud-{region}")],
            regions: REGIONS.map(tag).to_vec(),
            primary: tag(REGIONS[0]),
            pools: PoolSizes {
                transactions: connections,
                ..PoolSizes::default()
            },
            // Sessions of CockroachDB tell their names, not their databases.
            application_name: format!("{} {region}", self.home.name()),
            max_clock_offset: Duration::ZERO,
        }
    }

    fn open_with(&self, config: DbConfig, clock: Clock) -> Db {
        let mut registry = Registry::default();
        let db = Db::open(config, clock, &mut registry).expect("our own configuration");
        self.opened().registries.push(registry);
        db
    }

    /// What `/metrics` would say of every `Db` made here.
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        for registry in &self.opened().registries {
            encode(&mut text, registry).expect("text can be written");
        }
        text
    }

    /// The sum of the samples of `/metrics` whose line begins with `name{` and has all of `labels`.
    #[must_use]
    pub fn metric(&self, name: &str, labels: &[&str]) -> u64 {
        self.metrics()
            .lines()
            .filter(|line| line.starts_with(&format!("{name}{{")))
            .filter(|line| labels.iter().all(|label| line.contains(label)))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    }

    pub(crate) fn opened(&self) -> MutexGuard<'_, Opened> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
