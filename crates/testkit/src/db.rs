//! A database per test: on PostgreSQL cloned from a template that is migrated once, on CockroachDB lent and emptied.

use std::{
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use platform_db::{Connection, DatabaseUrl, Migrations, Object, Pool};
use rand::Rng as _;
use sha2::{Digest as _, Sha256};
use tokio_postgres::{SimpleQueryMessage, error::SqlState, types::ToSql};

use crate::{
    CockroachProxy, Server,
    opening::Opened,
    slot::{Ending, Slot},
    template,
};

/// The regions of tests; the first one is primary.
pub(crate) const REGIONS: [&str; 3] = ["eu1", "us1", "ap1"];
/// The password of the services' role.
pub const APP_PASSWORD: &str = "only-for-tests";

/// A database that no other test uses meanwhile, as its migrations leave it. Dropped or given back at the end; kept, and
/// named on stderr, when the test failed.
#[derive(Debug)]
pub struct TestDb {
    server: Server,
    pub(crate) engine: Engine,
    pub(crate) home: Home,
    owner: Pool,
    owner_url: String,
    pub(crate) app_url: String,
    /// Where the services meet a PostgreSQL that speaks CockroachDB: in each region one.
    pub(crate) nodes: Vec<CockroachProxy>,
    pub(crate) opened: Mutex<Opened>,
}

/// Those of the services, on PostgreSQL.
const POSTGRES_SESSIONS: &str =
    "FROM pg_stat_activity WHERE datname = current_database() AND usename = 'meridian_app'";

/// Whose database it is, and so what becomes of it.
#[derive(Debug)]
pub(crate) enum Home {
    /// The test's own.
    Own(String),
    /// The test's own, on a server of its own in this folder.
    Private(String, tempfile::TempDir),
    /// Lent.
    Slot(Slot),
}

impl Home {
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Own(name) | Self::Private(name, _) => name.clone(),
            Self::Slot(slot) => slot.name(),
        }
    }
}

/// The database behind the wire protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Where tests run if nobody names another.
    Postgres,
    /// Where `TEST_DATABASE_URL` says so, or `TEST_DIALECT`.
    Cockroach,
}

impl TestDb {
    /// A database with these schemas (`platform` included, whether named or not). It speaks CockroachDB where
    /// `TEST_DIALECT` says so.
    pub async fn new(systems: &[&'static Migrations]) -> Self {
        let server = tokio::task::spawn_blocking(Server::shared)
            .await
            .expect("a server");
        let test = Self::on(server, None, systems).await;
        test.in_dialect().await
    }

    /// The same on a PostgreSQL of this test's own, which it may stop, kill and start again.
    pub async fn private(systems: &[&'static Migrations]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("meridian-test-")
            .tempdir()
            .expect("a folder");
        let path = folder.path().to_owned();
        let server = tokio::task::spawn_blocking(move || Server::private(&path))
            .await
            .expect("a server");
        let test = Self::on(server, Some(folder), systems).await;
        test.in_dialect().await
    }

    /// An empty database, for a test that migrates it, with [`APP_PASSWORD`] for the services' role.
    pub async fn blank() -> Self {
        let server = tokio::task::spawn_blocking(Server::shared)
            .await
            .expect("a server");
        let (address, engine) = engine_of(&server).await;
        let name = format!("test_{:016x}", rand::rng().random::<u64>());
        let create = format!("CREATE DATABASE {name}");
        let created = connected(&address).await.batch_execute(&create).await;
        created.unwrap_or_else(|error| panic!("{create}: {error:?}"));
        Self::at(server, engine, &address, Home::Own(name))
    }

    async fn on(
        server: Server,
        folder: Option<tempfile::TempDir>,
        systems: &[&'static Migrations],
    ) -> Self {
        let (address, engine) = engine_of(&server).await;
        let home = match (engine, folder) {
            (Engine::Cockroach, _) => {
                Home::Slot(Slot::take(&address, &template(systems, "test"), systems).await)
            }
            (Engine::Postgres, folder) => {
                let template = template(systems, "template");
                let name = template::clone(&address, &template, systems).await;
                folder.map_or_else(
                    || Home::Own(name.clone()),
                    |f| Home::Private(name.clone(), f),
                )
            }
        };
        Self::at(server, engine, &address, home)
    }

    fn at(server: Server, engine: Engine, address: &DatabaseUrl, home: Home) -> Self {
        let owner = address.clone().with_database(&home.name());
        let app = owner.clone().with_user("meridian_app", Some(APP_PASSWORD));
        Self {
            owner: pool(&owner.expose()),
            server,
            engine,
            home,
            owner_url: owner.expose(),
            app_url: app.expose(),
            nodes: Vec::new(),
            opened: Mutex::default(),
        }
    }

    /// Which database the services meet.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match self.nodes.is_empty() {
            true => self.engine,
            false => Engine::Cockroach,
        }
    }

    /// Whether the server is a PostgreSQL, for a test that says something to it in its own words. Where it is not, says
    /// what the test is about, and so why it ends here.
    #[must_use]
    pub fn is_postgres_with(&self, what: &str) -> bool {
        is_postgres(self.engine, what)
    }

    /// Whether the services meet a PostgreSQL, for a test of what they do with that alone.
    #[must_use]
    pub fn speaks_postgres_with(&self, what: &str) -> bool {
        is_postgres(self.engine(), what)
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

    /// Runs statements as the owner, again where they meet another writer; the rows of all of them, as text.
    pub async fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let client = self.owner().await;
        let mut tries = 0;
        let messages = loop {
            match client.simple_query(sql).await {
                Ok(messages) => break messages,
                Err(error)
                    if error.code() == Some(&SqlState::T_R_SERIALIZATION_FAILURE) && tries < 20 =>
                {
                    tries += 1;
                }
                Err(error) => panic!("{sql}: {error:?}"),
            }
        };
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

    pub(crate) async fn owner(&self) -> Object {
        patiently(|| self.owner.get()).await
    }

    /// Takes a CHECK of this test's database away.
    pub async fn lift_check(&self, table: &str, constraint: &str) {
        let which = format!("c.conname = '{constraint}' AND c.conrelid = '{table}'::REGCLASS");
        self.lift(&which).await;
    }

    /// Takes every foreign key of this test's database away, for rows that are written behind the services' back.
    pub async fn lift_foreign_keys(&self) {
        self.lift("c.contype = 'f'").await;
    }

    async fn lift(&self, which: &str) {
        let find = format!(
            "SELECT n.nspname::TEXT || '.' || t.relname::TEXT, c.conname::TEXT, pg_get_constraintdef(c.oid) \
             FROM pg_catalog.pg_constraint AS c JOIN pg_catalog.pg_class AS t ON t.oid = c.conrelid \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace WHERE {which}"
        );
        let (mut debts, mut drops) = (String::new(), Vec::new());
        for row in self.query(&find).await {
            let [table, name, definition] = [0, 1, 2].map(|n| row[n].clone().expect("text"));
            debts += &format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition};\n");
            drops.push(format!("ALTER TABLE {table} DROP CONSTRAINT {name}"));
        }
        assert!(!drops.is_empty(), "no such constraint: {which}");
        if let Home::Slot(slot) = &self.home {
            slot.owe(&debts).await;
        }
        for drop in drops {
            self.query(&drop).await;
        }
    }

    /// How many rows the planner thinks that a table has.
    pub async fn estimated_rows(&self, table: &str) -> i64 {
        let is_cockroach = self.engine == Engine::Cockroach;
        self.count(&platform_db::estimated_rows(is_cockroach, table))
            .await
    }

    /// How many sessions the services have.
    pub async fn sessions(&self) -> i64 {
        let sql = match self.engine {
            Engine::Postgres => format!("SELECT count(*) {POSTGRES_SESSIONS}"),
            Engine::Cockroach => format!("SELECT count(*) {}", self.own("SESSIONS")),
        };
        self.count(&sql).await
    }

    /// How many sessions of the services have a transaction open.
    pub async fn transactions(&self) -> i64 {
        self.transactions_where("state LIKE 'idle in transaction%'")
            .await
    }

    /// How many sessions of the services are at work or have a transaction open.
    pub async fn busy_sessions(&self) -> i64 {
        self.transactions_where("state <> 'idle'").await
    }

    /// A statement at work is in a transaction, on CockroachDB too, whose sessions do not tell of it.
    async fn transactions_where(&self, postgres: &str) -> i64 {
        let sql = match self.engine {
            Engine::Postgres => format!("SELECT count(*) {POSTGRES_SESSIONS} AND {postgres}"),
            Engine::Cockroach => format!("SELECT count(*) {}", self.own("TRANSACTIONS")),
        };
        self.count(&sql).await
    }

    /// On CockroachDB: what SHOW CLUSTER tells of the services of this database.
    fn own(&self, what: &str) -> String {
        let name = self.home.name();
        format!("FROM [SHOW CLUSTER {what}] WHERE strpos(application_name, '{name} ') = 1")
    }

    /// Ends every session of the services, as a node does that goes away.
    pub async fn end_sessions(&self) {
        let sql = match self.engine {
            Engine::Postgres => format!("SELECT pg_terminate_backend(pid) {POSTGRES_SESSIONS}"),
            Engine::Cockroach => format!(
                "CANCEL SESSIONS IF EXISTS (SELECT session_id {})",
                self.own("SESSIONS")
            ),
        };
        self.query(&sql).await;
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
        let client = patiently(|| pool.get()).await;
        let ended = client.batch_execute(sql).await;
        ended.map_err(|error| {
            error
                .code()
                .map_or_else(|| error.to_string(), |c| c.code().to_owned())
        })
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        self.opened().dbs.clear();
        self.nodes.clear();
        self.owner.close();
        let failed = std::thread::panicking();
        if failed {
            let until = match &self.home {
                Home::Slot(_) => ", until another test takes it".to_owned(),
                Home::Private(_, folder) => {
                    format!(", with its log in {}", folder.path().display())
                }
                Home::Own(_) => String::new(),
            };
            let name = self.home.name();
            eprintln!("the database of the failed test is kept: {name}{until}");
        }
        match &mut self.home {
            Home::Slot(slot) => slot.leave(if failed {
                Ending::Kept
            } else {
                Ending::Emptied
            }),
            Home::Private(_, folder) => folder.disable_cleanup(failed),
            Home::Own(_) if failed => {}
            Home::Own(name) => drop_database(&self.server, self.engine, name),
        }
    }
}

/// In another thread, since this one runs the test's own runtime.
fn drop_database(server: &Server, engine: Engine, name: &str) {
    let how = match engine {
        Engine::Postgres => "WITH (FORCE)",
        Engine::Cockroach => "CASCADE",
    };
    let (url, drop) = (
        server.url().to_owned(),
        format!("DROP DATABASE IF EXISTS {name} {how}"),
    );
    let dropping = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            if let Ok(client) = pool(&url).get().await {
                client.batch_execute(&drop).await.ok(); // what is left is in nobody's way
            }
        });
        std::io::Result::Ok(())
    });
    dropping.join().ok();
}

fn is_postgres(engine: Engine, what: &str) -> bool {
    let is = engine == Engine::Postgres;
    if !is {
        eprintln!("not on this engine: the test is about {what}, which PostgreSQL has");
    }
    is
}

async fn engine_of(server: &Server) -> (DatabaseUrl, Engine) {
    let address = DatabaseUrl::parse(server.url()).unwrap_or_else(|error| panic!("{error}"));
    let version = rows(&connected(&address).await, "SELECT version()", &[]).await;
    let engine = match version[0].get::<_, &str>(0).starts_with("CockroachDB") {
        true => Engine::Cockroach,
        false => Engine::Postgres,
    };
    ON_COCKROACH.fetch_or(engine == Engine::Cockroach, Ordering::Relaxed);
    (address, engine)
}

/// Whether every test of this process meets a CockroachDB, or what speaks like one.
pub(crate) static ON_COCKROACH: AtomicBool = AtomicBool::new(false);

pub(crate) fn on_cockroach() -> bool {
    ON_COCKROACH.load(Ordering::Relaxed)
}

/// Another one whenever `migrate` makes something else of the same files.
const MIGRATED: &str = "with the function that takes statistics, and schema public closed";

/// One name per set of schemas, on which every process of every test agrees.
fn template(systems: &[&'static Migrations], prefix: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(MIGRATED);
    for system in std::iter::once(&platform_db::migrations()).chain(systems) {
        for (name, text) in system.files.iter().chain(system.grants) {
            hash.update(format!("{}\0{name}\0{text}\0", system.system));
        }
        hash.update(format!("{:?}", system.localities));
    }
    let digest = hash.finalize();
    let number = u64::from_be_bytes([
        digest[0], digest[1], digest[2], digest[3], digest[4], digest[5], digest[6], digest[7],
    ]);
    format!("{prefix}_{number:016x}")
}

pub(crate) fn pool(url: &str) -> Pool {
    platform_db::pool(url, "test", 2).unwrap_or_else(|error| panic!("{error}"))
}

/// A connection that is no pool's.
pub(crate) async fn connected(url: &DatabaseUrl) -> Connection {
    let url = url.expose();
    patiently(|| platform_db::connect(&url, "test")).await
}

/// A fixture waits for a server that is slow to take a connection, longer than services do.
///
/// Of what gives futures rather than an async closure, which is not `Send` for every lifetime.
pub(crate) async fn patiently<C, E: fmt::Debug, F: Future<Output = Result<C, E>>>(
    mut connect: impl FnMut() -> F,
) -> C {
    const TRIES: usize = 10;
    let mut tries = 1;
    loop {
        match connect().await {
            Ok(connection) => return connection,
            Err(error) if tries == TRIES => panic!("{error:?}"),
            Err(_) => tries += 1,
        }
    }
}

pub(crate) async fn rows(
    client: &Connection,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Vec<tokio_postgres::Row> {
    let rows = client.query(sql, parameters).await;
    rows.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

/// Another database of the same servers.
pub(crate) fn at(server: &DatabaseUrl, database: &str) -> String {
    server.clone().with_database(database).expose()
}
