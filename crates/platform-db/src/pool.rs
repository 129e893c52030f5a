//! Pools of connections: one for transactions, one for reads of the past, and shared ones for single-statement reads.

mod lane;

use std::{
    collections::BTreeMap,
    fmt,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use deadpool::{
    Runtime, Status,
    managed::{self, Metrics, PoolError, RecycleError, RecycleResult, TimeoutType, Timeouts},
};
use futures_util::future::join;
use kernel::RegionTag;
use tokio::time::{timeout, timeout_at};
use tokio_postgres::SimpleQueryMessage;

pub(crate) use self::lane::{Shared, Ticket};

use self::lane::Lane;
use crate::{
    Connection, DbConfig, DbError,
    engine::{Engine, GATEWAY_REGION, Purpose, VERSION},
    hosts::Hosts,
};

/// What a new connection is asked and told.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(2);
/// One empty query: a peer that does not answer it is gone.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// Behind a request's deadline, so that who waited until then is told what it waited for.
const GRACE: Duration = Duration::from_millis(50);
/// A connection that was handed out this recently is not asked whether it lives: the question is a round trip,
/// which may cross an ocean, and a transaction that meets a dead connection before COMMIT just runs again.
const FRESH: Duration = Duration::from_secs(1);

/// Connections of one kind, one user at a time.
pub type Pool = managed::Pool<Connections>;
/// A connection out of a [`Pool`], to which it goes back.
pub type Object = managed::Object<Connections>;

/// Makes connections of one kind, and looks whether one can be used again.
pub struct Connections {
    hosts: Arc<Hosts>,
    /// What they are for; none is told nothing.
    session: Option<Settings>,
    /// When one of them did not answer last.
    silent_at: Mutex<Option<Instant>>,
}

/// What connections of a process are told.
#[derive(Debug, Clone)]
struct Settings {
    purpose: Purpose,
    /// What a node of our own region may call it.
    region_names: Arc<[String]>,
    engine: Arc<OnceLock<Engine>>,
}

/// Every connection of a process.
#[derive(Debug)]
pub(crate) struct Pools {
    hosts: Arc<Hosts>,
    transactions: Pool,
    past: Pool,
    reads: Arc<Connections>,
    /// Shared connections by the home of what they read.
    lanes: BTreeMap<RegionTag, Lane>,
    /// For asking whether the database is there, behind nobody.
    asking: Lane,
    engine: Arc<OnceLock<Engine>>,
}

/// A connection that one transaction uses. It goes back to the pool only after [`Lease::mark_clean`]:
/// a future that is dropped half-way leaves an open transaction (hard case 9).
#[derive(Debug)]
pub(crate) struct Lease {
    object: Option<Object>,
    clean: bool,
}

/// A connection of one's own to the database of a URL, for tools and tests.
///
/// # Errors
/// [`DbError::Config`], [`DbError::Connect`], [`DbError::Denied`].
pub async fn connect(url: &str, application_name: &str) -> Result<Connection, DbError> {
    Arc::new(Hosts::new(url, application_name)?).connect().await
}

/// A few connections to the database of a URL, for tools and tests.
///
/// # Errors
/// [`DbError::Config`].
pub fn pool(url: &str, application_name: &str, size: usize) -> Result<Pool, DbError> {
    let hosts = Arc::new(Hosts::new(url, application_name)?);
    Connections::new(hosts, None).pool(size)
}

impl Pools {
    /// Reads the configuration; connects to nothing.
    pub(crate) fn new(config: &DbConfig) -> Result<Self, DbError> {
        let hosts = Arc::new(Hosts::new(&config.url, &config.application_name)?);
        let engine = Arc::new(OnceLock::new());
        let region_names: Arc<[String]> = config.region_names.clone().into();
        let connections = |purpose| {
            let settings = Settings {
                purpose,
                region_names: Arc::clone(&region_names),
                engine: Arc::clone(&engine),
            };
            Connections::new(Arc::clone(&hosts), Some(settings))
        };
        let sizes = config.pools;
        let everywhere = RegionTag::global();
        let homes = config.regions.iter().chain(std::iter::once(&everywhere));
        Ok(Self {
            transactions: connections(Purpose::Transactions).pool(sizes.transactions)?,
            past: connections(Purpose::PastReads).pool(sizes.past)?,
            reads: Arc::new(connections(Purpose::SharedReads)),
            lanes: homes
                .map(|home| (home.clone(), Lane::new(sizes.reads)))
                .collect(),
            asking: Lane::new(1),
            hosts,
            engine,
        })
    }

    /// Which engine it is; known from the first connection on.
    pub(crate) fn engine(&self) -> Option<Engine> {
        self.engine.get().copied()
    }

    /// The hosts of all connections.
    pub(crate) fn hosts(&self) -> &Arc<Hosts> {
        &self.hosts
    }

    /// Size, idle and waiting of the transactions' pool.
    pub(crate) fn status(&self) -> Status {
        self.transactions.status()
    }

    /// A connection for a transaction, waited for until `deadline`.
    pub(crate) async fn lease(&self, deadline: Instant) -> Result<Lease, DbError> {
        Lease::of(&self.transactions, deadline).await
    }

    /// A connection for a transaction that reads a past moment, waited for until `deadline`.
    pub(crate) async fn lease_for_past(&self, deadline: Instant) -> Result<Lease, DbError> {
        Lease::of(&self.past, deadline).await
    }

    /// A connection that nobody else has or will have: it is closed when it is dropped.
    pub(crate) async fn single(&self, deadline: Instant) -> Result<Connection, DbError> {
        let wait = deadline.saturating_duration_since(Instant::now());
        let made = timeout(wait, self.reads.make());
        made.await.unwrap_or(Err(DbError::Timeout))
    }

    /// The shared connection whose turn it is, for what lives at `home`: what is read elsewhere does not wait for a
    /// region that hangs.
    pub(crate) async fn shared(
        &self,
        home: &RegionTag,
        turn: usize,
        deadline: Instant,
    ) -> Result<Arc<Shared>, DbError> {
        let lane = self.lanes.get(home);
        let lane = lane.or_else(|| self.lanes.get(&RegionTag::global()));
        let lane = lane.unwrap_or(&self.asking); // every other home is one of those
        lane.take(turn, deadline, || self.read_connection()).await
    }

    /// A connection that only asks whether the database is there.
    pub(crate) async fn asking(&self, deadline: Instant) -> Result<Arc<Shared>, DbError> {
        let made = || self.read_connection();
        self.asking.take(0, deadline, made).await
    }

    fn read_connection(&self) -> impl Future<Output = Result<Connection, DbError>> + use<> {
        let reads = Arc::clone(&self.reads);
        async move { reads.make().await }
    }

    /// Gives up a shared connection that broke or fell silent; requests that hold it finish or fail on it.
    pub(crate) fn forget(&self, broken: &Arc<Shared>) {
        for lane in self.lanes.values().chain(std::iter::once(&self.asking)) {
            lane.forget(broken);
        }
    }
}

impl Lease {
    async fn of(pool: &Pool, deadline: Instant) -> Result<Self, DbError> {
        Ok(Self {
            object: Some(get(pool, Some(deadline)).await?),
            clean: false,
        })
    }

    /// COMMIT or ROLLBACK was confirmed: the next transaction may use the connection.
    pub(crate) fn mark_clean(&mut self) {
        self.clean = true;
    }
}

impl Deref for Lease {
    type Target = Connection;

    #[expect(clippy::expect_used, reason = "only drop takes the object")]
    fn deref(&self) -> &Connection {
        self.object
            .as_ref()
            .expect("a lease holds its connection until it is dropped")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(object) = self.object.take()
            && !self.clean
        {
            drop(Object::take(object)); // closes it
        }
    }
}

impl Connections {
    fn new(hosts: Arc<Hosts>, session: Option<Settings>) -> Self {
        Self {
            hosts,
            session,
            silent_at: Mutex::default(),
        }
    }

    fn pool(self, size: usize) -> Result<Pool, DbError> {
        Pool::builder(self)
            .max_size(size.max(1))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| DbError::Config(error.to_string()))
    }

    fn silent_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.silent_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that knows what it is for.
    async fn make(&self) -> Result<Connection, DbError> {
        let mut connection = self.hosts.connect().await?;
        if let Some(settings) = &self.session {
            let preparing = timeout(PREPARE_TIMEOUT, settings.prepare(&mut connection));
            preparing
                .await
                .unwrap_or(Err(DbError::Timeout))
                .map_err(|error| DbError::Connect {
                    source: Arc::new(error),
                })?;
        }
        Ok(connection)
    }
}

impl Settings {
    /// Asks a new connection what it is, the first time, and tells it our settings.
    async fn prepare(&self, connection: &mut Connection) -> Result<(), DbError> {
        let engine = match self.engine.get() {
            Some(engine) => *engine,
            None => {
                let row = connection.query_one(VERSION, &[]).await?;
                let found = Engine::from_version(row.try_get(0)?);
                *self.engine.get_or_init(|| found)
            }
        };
        let told = connection.batch_execute(engine.settings(self.purpose));
        if engine == Engine::Cockroach {
            let (told, region) = join(told, connection.simple_query(GATEWAY_REGION)).await;
            told?;
            connection.is_away = is_elsewhere(region.ok(), &self.region_names);
        } else {
            told.await?;
        }
        Ok(())
    }
}

/// Whether a node says that it is in another region. One that does not say is not known to be.
fn is_elsewhere(answer: Option<Vec<SimpleQueryMessage>>, own: &[String]) -> bool {
    answer.into_iter().flatten().any(|message| {
        if let SimpleQueryMessage::Row(row) = message {
            row.get(0)
                .is_some_and(|found| own.iter().all(|name| name != found))
        } else {
            false
        }
    })
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

impl managed::Manager for Connections {
    type Type = Connection;
    type Error = DbError;

    async fn create(&self) -> Result<Connection, DbError> {
        // On the heap, since this is seldom, and every future that may have to connect would have room for a handshake.
        Box::pin(self.make()).await
    }

    async fn recycle(
        &self,
        connection: &mut Connection,
        metrics: &Metrics,
    ) -> RecycleResult<DbError> {
        if !connection.is_usable() {
            return Err(RecycleError::message("closed, or too old"));
        }
        if metrics.last_used() < FRESH {
            return Ok(());
        }
        let silent_at = *self.silent_at();
        let used_at = metrics.recycled.unwrap_or(metrics.created);
        // Behind one address may be several nodes. Where one of them hangs, so may all that has not been used since:
        // whoever asked them one by one would wait for each.
        if silent_at.is_some_and(|silent_at| used_at < silent_at) {
            return Err(RecycleError::message("not used since another was silent"));
        }
        match timeout(ANSWER_WITHIN, connection.simple_query("")).await {
            Ok(answered) => {
                answered.map_err(DbError::from)?;
                Ok(())
            }
            Err(_) => {
                *self.silent_at() = Some(Instant::now());
                Err(RecycleError::message("silent"))
            }
        }
    }
}

/// A connection out of a pool, waited for until `deadline`, if there is one.
pub(crate) async fn get(pool: &Pool, deadline: Option<Instant>) -> Result<Object, DbError> {
    let wait = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    // These bound each step alone; together they are bounded below.
    let timeouts = Timeouts {
        wait,
        create: wait,
        recycle: None,
    };
    let getting = pool.timeout_get(&timeouts);
    let got = match deadline {
        None => getting.await,
        Some(deadline) => match timeout_at((deadline + GRACE).into(), getting).await {
            Ok(got) => got,
            Err(_) => Err(PoolError::Timeout(TimeoutType::Create)),
        },
    };
    got.map_err(|error| match error {
        PoolError::Timeout(TimeoutType::Wait) => DbError::Timeout,
        PoolError::Backend(error) => error,
        PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle)
        | PoolError::Closed
        | PoolError::NoRuntimeSpecified
        | PoolError::PostCreateHook(_) => DbError::Connect {
            source: Arc::new(error),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PoolSizes;

    fn config(url: &str) -> DbConfig {
        let eu1: kernel::RegionTag = "eu1".parse().unwrap();
        DbConfig {
            url: url.into(),
            region: eu1.clone(),
            region_names: vec!["eu1".into()],
            regions: vec![eu1.clone()],
            primary: eu1,
            pools: PoolSizes::default(),
            application_name: "test".into(),
            max_clock_offset: Duration::ZERO,
        }
    }

    /// Somebody who accepts by the kernel, and says nothing.
    #[tokio::test]
    async fn waiting_and_connecting_end_together_at_the_deadline() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        let pool = pool(&format!("postgres://app@{address}/x"), "test", 1).unwrap();
        let started = Instant::now();
        let far = started + Duration::from_secs(60);
        // Whoever comes second waits two seconds until the first one's host is given up, and has one left to connect.
        let (first, (second, took)) = join(get(&pool, Some(far)), async {
            let second = get(&pool, Some(started + Duration::from_secs(3))).await;
            (second, started.elapsed())
        })
        .await;
        assert!(matches!(first, Err(DbError::Connect { .. })));
        assert!(matches!(second, Err(DbError::Connect { .. })));
        assert!(took < Duration::from_millis(3800), "{took:?}");
    }

    #[test]
    fn a_bad_url_is_a_configuration_error_that_holds_no_secret() {
        for bad in [
            "postgres://app:hunter2@localhost:nonsense/x",
            "postgres://app:hunter2@h/x?sslmode=prefer",
            "postgres://app:hunter2@h/x?sslmode=require&sslrootcert=/nowhere/ca.crt",
            "host=h1,h2 port=1,2,3 password=hunter2",
        ] {
            let error = Pools::new(&config(bad)).unwrap_err();
            assert!(matches!(error, DbError::Config(_)), "{error:?}");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
        assert!(!format!("{:?}", config("postgres://app:hunter2@h/x")).contains("hunter2"));
    }
}
