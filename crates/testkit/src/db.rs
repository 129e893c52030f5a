//! A fresh database per test, cloned from a template that is migrated once.

use std::{
    collections::HashMap,
    str::FromStr as _,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use kernel::{Clock, RegionTag};
use platform_db::{Db, DbConfig, Migrations, Pool};
use prometheus_client::{encoding::text::encode, registry::Registry};
use rand::Rng as _;
use sha2::{Digest as _, Sha256};
use tokio_postgres::{Config, SimpleQueryMessage, config::Host, error::SqlState};

use crate::{Server, call::tag, portable};

/// The regions of tests; the first one is primary.
const REGIONS: [&str; 3] = ["eu1", "us1", "ap1"];
const APP_PASSWORD: &str = "only-for-tests";

/// A database of this test's own. Dropped at the end; kept, and named on stderr, when the test failed.
#[derive(Debug)]
pub struct TestDb {
    server: Server,
    name: String,
    owner: Pool,
    owner_url: String,
    app_url: String,
    opened: Mutex<Opened>,
    /// The folder of a private server.
    folder: Option<tempfile::TempDir>,
}

#[derive(Debug, Default)]
struct Opened {
    dbs: HashMap<RegionTag, Db>,
    registries: Vec<Registry>,
}

impl TestDb {
    /// A clone of the template with these schemas (`platform` included, whether named or not).
    pub async fn new(systems: &[&'static Migrations]) -> Self {
        let server = tokio::task::spawn_blocking(Server::shared)
            .await
            .expect("a server");
        Self::on(server, None, systems).await
    }

    /// The same on a server of this test's own, which it may stop, kill and start again.
    pub async fn private(systems: &[&'static Migrations]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("meridian-test-")
            .tempdir()
            .expect("a folder");
        let path = folder.path().to_owned();
        let server = tokio::task::spawn_blocking(move || Server::private(&path))
            .await
            .expect("a server");
        Self::on(server, Some(folder), systems).await
    }

    async fn on(
        server: Server,
        folder: Option<tempfile::TempDir>,
        systems: &[&'static Migrations],
    ) -> Self {
        let maintenance = pool(server.url());
        let template = template(&maintenance, server.url(), systems).await;
        let name = format!("test_{:016x}", rand::rng().random::<u64>());
        run_patiently(
            &maintenance,
            &format!("CREATE DATABASE {name} TEMPLATE {template}"),
        )
        .await;
        let owner_url = url(server.url(), None, &name);
        let app_url = url(server.url(), Some(("meridian_app", APP_PASSWORD)), &name);
        Self {
            owner: pool(&owner_url),
            server,
            name,
            owner_url,
            app_url,
            opened: Mutex::default(),
            folder,
        }
    }

    /// Connects as the owner.
    #[must_use]
    pub fn owner_url(&self) -> &str {
        &self.owner_url
    }

    /// Connects as the services' role.
    #[must_use]
    pub fn app_url(&self) -> &str {
        &self.app_url
    }

    /// The server, to stop and start if it is private.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
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
            let db = self.open(region, &self.app_url, Clock::System, 16);
            self.opened().dbs.insert(tag(region), db.clone());
            db
        })
    }

    /// The database with another clock; a new handle each time.
    #[must_use]
    pub fn db_with_clock(&self, region: &str, clock: Clock) -> Db {
        self.open(region, &self.app_url, clock, 16)
    }

    /// The database with another pool; a new handle each time.
    #[must_use]
    pub fn db_with_connections(&self, connections: usize) -> Db {
        self.open(REGIONS[0], &self.app_url, Clock::System, connections)
    }

    /// The database of region eu1 through a proxy on this machine; a new handle each time.
    #[must_use]
    pub fn db_through(&self, port: u16) -> Db {
        let mut config = Config::from_str(&self.app_url).expect("our own URL");
        let database = config.get_dbname().expect("our own URL").to_owned();
        let url = format!("postgres://meridian_app:{APP_PASSWORD}@127.0.0.1:{port}/{database}");
        config.port(port);
        self.open(REGIONS[0], &url, Clock::System, 16)
    }

    /// The database of region eu1 by any URL; a new handle each time.
    #[must_use]
    pub fn db_at(&self, url: &str) -> Db {
        self.open(REGIONS[0], url, Clock::System, 16)
    }

    /// Port of the server.
    #[must_use]
    pub fn port(&self) -> u16 {
        Config::from_str(&self.app_url)
            .expect("our own URL")
            .get_ports()[0]
    }

    fn open(&self, region: &str, url: &str, clock: Clock, connections: usize) -> Db {
        let config = DbConfig {
            url: url.into(),
            region: tag(region),
            regions: REGIONS.map(tag).to_vec(),
            primary: tag(REGIONS[0]),
            max_connections: connections,
            read_connections: 2,
            application_name: format!("test {region}"),
            max_clock_offset: Duration::ZERO,
        };
        let mut registry = Registry::default();
        let db = Db::open(config, clock, &mut registry).expect("our own configuration");
        self.opened().registries.push(registry);
        db
    }

    /// Runs statements as the owner; the rows of all of them, as text.
    pub async fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let client = self
            .owner
            .get()
            .await
            .unwrap_or_else(|error| panic!("{error:?}"));
        let messages = client
            .simple_query(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        messages
            .into_iter()
            .filter_map(|message| {
                let SimpleQueryMessage::Row(row) = message else {
                    return None;
                };
                Some(
                    (0..row.len())
                        .map(|column| row.get(column).map(str::to_owned))
                        .collect(),
                )
            })
            .collect()
    }

    /// The only value of a query, as a number.
    pub async fn count(&self, sql: &str) -> i64 {
        let rows = self.query(sql).await;
        rows[0][0]
            .as_deref()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| panic!("{rows:?}"))
    }

    /// Runs a statement as the services' role.
    ///
    /// # Errors
    /// The SQLSTATE.
    pub async fn try_as_app(&self, sql: &str) -> Result<(), String> {
        let pool = pool(&self.app_url);
        let client = pool.get().await.unwrap_or_else(|error| panic!("{error:?}"));
        let ended = client.batch_execute(sql).await;
        ended.map_err(|error| {
            error
                .code()
                .map_or_else(|| error.to_string(), |c| c.code().to_owned())
        })
    }

    /// Prepares a statement as the services' sessions do and explains it, with table scans made so dear that one
    /// in the plan means that no index will do.
    pub async fn explain(&self, sql: &str) -> String {
        record(sql);
        for form in platform_db::past_forms(sql) {
            record(&form);
        }
        let client = self
            .owner
            .get()
            .await
            .unwrap_or_else(|error| panic!("{error:?}"));
        let statement = client
            .prepare(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let mut faults = portable::faults(sql, &self.nullable().await);
        faults.extend(portable::other_types(&statement));
        assert!(faults.is_empty(), "{sql}: {faults:?}");
        let nulls = vec!["NULL"; statement.params().len()].join(", ");
        let arguments = if nulls.is_empty() {
            nulls
        } else {
            format!("({nulls})")
        };
        // An inverted index is never scanned but by a bitmap.
        let bitmaps = if sql.contains(" @> ") { "on" } else { "off" };
        let script = format!(
            "SET enable_seqscan = off; SET enable_bitmapscan = {bitmaps}; SET plan_cache_mode = force_generic_plan;
             PREPARE explained AS {sql};
             EXPLAIN EXECUTE explained{arguments}"
        );
        let messages = client
            .simple_query(&script)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        client
            .batch_execute("DEALLOCATE explained")
            .await
            .expect("it was just prepared");
        let mut plan = String::new();
        for message in messages {
            if let SimpleQueryMessage::Row(row) = message {
                plan.push_str(row.get(0).unwrap_or_default());
                plan.push('\n');
            }
        }
        plan
    }

    /// The columns that may be null.
    async fn nullable(&self) -> portable::Nullable {
        let rows = self
            .query(
                "SELECT table_schema || '.' || table_name, column_name FROM information_schema.columns \
                 WHERE is_nullable = 'YES' AND table_schema IN ('platform', 'accounting', 'warehouse', 'sales')",
            )
            .await;
        let mut nullable = portable::Nullable::new();
        for row in rows {
            let [Some(table), Some(column)] = row.as_slice() else {
                continue;
            };
            let columns = nullable.entry(table.clone()).or_default();
            columns.insert(column.clone());
        }
        nullable
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

    fn opened(&self) -> std::sync::MutexGuard<'_, Opened> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let folder = self
                .folder
                .take()
                .map(|folder| folder.keep().display().to_string());
            let where_else = folder.map_or(String::new(), |folder| {
                format!(", with its log in {folder}")
            });
            eprintln!(
                "the database of the failed test is kept: {}{where_else}",
                self.owner_url
            );
            return;
        }
        let (url, name) = (self.server.url().to_owned(), self.name.clone());
        // Another thread, since this one runs the test's own runtime.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                if let Ok(client) = pool(&url).get().await {
                    let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                    client.batch_execute(&drop).await.ok(); // the server may be stopped by the test
                }
            });
            std::io::Result::Ok(())
        });
        dropping.join().ok();
    }
}

/// Makes the template if nobody has; every process of every test agrees on its name.
async fn template(maintenance: &Pool, server: &str, systems: &[&'static Migrations]) -> String {
    let mut hash = Sha256::new();
    for system in std::iter::once(&platform_db::migrations()).chain(systems) {
        for (name, text) in system.files.iter().chain(system.grants) {
            hash.update(format!("{}\0{name}\0{text}\0", system.system));
        }
    }
    let digest = hash.finalize();
    let number = u64::from_be_bytes([
        digest[0], digest[1], digest[2], digest[3], digest[4], digest[5], digest[6], digest[7],
    ]);
    let template = format!("template_{number:016x}");
    let client = maintenance
        .get()
        .await
        .unwrap_or_else(|error| panic!("{error:?}"));
    // One lock for all templates: roles are shared by the whole server.
    client
        .batch_execute("SELECT pg_advisory_lock(1)")
        .await
        .expect("a lock");
    let found = client
        .query_one(
            "SELECT count(*)::INT8 FROM pg_database WHERE datname = $1",
            &[&template],
        )
        .await
        .expect("a count");
    if found.get::<_, i64>(0) == 0 {
        let building = format!("building_{:016x}", rand::rng().random::<u64>());
        client
            .batch_execute(&format!("CREATE DATABASE {building}"))
            .await
            .expect("a database");
        platform_db::migrate(
            &url(server, None, &building),
            systems,
            Some(APP_PASSWORD),
            |_| {},
        )
        .await
        .unwrap_or_else(|error| panic!("the schemas can be migrated: {error:?}"));
        let rename = format!("ALTER DATABASE {building} RENAME TO {template}");
        run_patiently_on(&client, &rename).await;
    }
    client
        .batch_execute("SELECT pg_advisory_unlock(1)")
        .await
        .expect("our own lock");
    template
}

async fn run_patiently(pool: &Pool, sql: &str) {
    let client = pool.get().await.unwrap_or_else(|error| panic!("{error:?}"));
    run_patiently_on(&client, sql).await;
}

/// A database that somebody is just leaving cannot be renamed or cloned yet (55006).
async fn run_patiently_on(client: &tokio_postgres::Client, sql: &str) {
    crate::eventually(sql, async || match client.batch_execute(sql).await {
        Ok(()) => true,
        Err(error) if error.code() == Some(&SqlState::OBJECT_IN_USE) => false,
        Err(error) => panic!("{sql}: {error:?}"),
    })
    .await;
}

pub(crate) fn pool(url: &str) -> Pool {
    platform_db::pool(url, "test", 2).unwrap_or_else(|error| panic!("{error}"))
}

/// `server` with another database and, if given, another role.
fn url(server: &str, role: Option<(&str, &str)>, database: &str) -> String {
    let config = Config::from_str(server).unwrap_or_else(|error| panic!("{server}: {error}"));
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        Some(Host::Unix(_)) | None => "127.0.0.1".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let user = match role {
        Some((role, password)) => format!("{role}:{password}"),
        None => {
            let user = config.get_user().unwrap_or("postgres").to_owned();
            let password = config
                .get_password()
                .map(|text| format!(":{}", String::from_utf8_lossy(text)));
            user + &password.unwrap_or_default()
        }
    };
    format!("postgres://{user}@{host}:{port}/{database}")
}

/// Keeps a statement for the check against CockroachDB's grammar, where `cargo xtask test` names a folder.
///
/// # Panics
/// When the folder cannot be written to.
pub fn record(sql: &str) {
    if let Some(folder) = std::env::var_os("RECORD_STATEMENTS") {
        let name = format!("{:x}.sql", Sha256::digest(sql));
        let path = std::path::Path::new(&folder).join(name);
        std::fs::write(path, format!("{sql};\n")).expect("the folder was made for this");
    }
}
