//! Connections: a pool for transactions, a few shared ones for single-statement reads.

use std::{
    ops::Deref,
    str::FromStr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Metrics, Object, Pool, PoolError,
    RecyclingMethod, Runtime, TimeoutType, Timeouts,
};
use rand::Rng as _;
use tokio_postgres::{NoTls, config::LoadBalanceHosts, config::SslMode};

use crate::{
    DbConfig, DbError,
    engine::{Engine, Purpose, VERSION},
};

/// A connection is replaced when it is about this old, so that load finds restarted nodes again
/// (CockroachDB: connection pooling, 5–30 min).
const LIFETIME: Duration = Duration::from_secs(300);
/// Each check draws its own limit within ±10 %, so that connections do not reconnect together.
const JITTER_PERCENT: std::ops::RangeInclusive<u32> = 90..=110;
/// TCP connect, then authentication and session settings.
const CREATE_TIMEOUT: Duration = Duration::from_secs(3);
/// One empty query: a peer that does not answer it is gone.
const RECYCLE_TIMEOUT: Duration = Duration::from_secs(1);
/// A connection that was handed out this recently is not asked whether it lives: the question is a round trip,
/// which may cross an ocean, and a transaction that meets a dead connection before COMMIT just runs again.
const FRESH: Duration = Duration::from_secs(1);
/// Sent but unacknowledged bytes for this long mean that the peer is gone; the kernel would wait for minutes.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(5);
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;

/// Every connection of a process.
#[derive(Debug)]
pub(crate) struct Pools {
    transactions: Pool,
    reads: Pool,
    slots: Vec<Slot>,
    engine: Arc<OnceLock<Engine>>,
}

/// The place of one shared connection.
#[derive(Debug, Default)]
struct Slot {
    current: Mutex<Option<Arc<Shared>>>,
    /// Held while connecting, so that a burst of reads opens one connection and not one each.
    connecting: tokio::sync::Mutex<()>,
}

/// A connection that many reads use at once.
#[derive(Debug)]
pub(crate) struct Shared {
    client: ClientWrapper,
    since: Instant,
    lifetime: Duration,
}

/// A connection that one transaction uses. It goes back to the pool only after [`Lease::mark_clean`]:
/// a future that is dropped half-way leaves an open transaction (hard case 9).
#[derive(Debug)]
pub(crate) struct Lease {
    object: Option<Object>,
    clean: bool,
}

impl Pools {
    /// Reads the configuration; connects to nothing.
    pub(crate) fn new(config: &DbConfig) -> Result<Self, DbError> {
        let postgres = postgres_config(config)?;
        let engine = Arc::new(OnceLock::new());
        Ok(Self {
            transactions: pool(
                &postgres,
                config.max_connections,
                Purpose::Transactions,
                &engine,
            )?,
            // Connections are taken out of this one for good: it only makes them.
            reads: pool(
                &postgres,
                config.read_connections,
                Purpose::SharedReads,
                &engine,
            )?,
            slots: (0..config.read_connections.max(1))
                .map(|_| Slot::default())
                .collect(),
            engine,
        })
    }

    /// Which engine it is; known from the first connection on.
    pub(crate) fn engine(&self) -> Option<Engine> {
        self.engine.get().copied()
    }

    /// Size, idle and waiting of the transactions' pool.
    pub(crate) fn status(&self) -> deadpool_postgres::Status {
        self.transactions.status()
    }

    /// A connection for a transaction, waited for until `deadline`.
    pub(crate) async fn lease(&self, deadline: Instant) -> Result<Lease, DbError> {
        let object = get(&self.transactions, deadline).await?;
        Ok(Lease {
            object: Some(object),
            clean: false,
        })
    }

    /// A connection that nobody else has or will have: it is closed when it is dropped.
    pub(crate) async fn single(&self, deadline: Instant) -> Result<ClientWrapper, DbError> {
        Ok(Object::take(get(&self.reads, deadline).await?))
    }

    /// The shared connection whose turn it is.
    pub(crate) async fn shared(
        &self,
        turn: usize,
        deadline: Instant,
    ) -> Result<Arc<Shared>, DbError> {
        let slot = &self.slots[turn % self.slots.len()];
        if let Some(shared) = slot.usable() {
            return Ok(shared);
        }
        let _connecting = slot.connecting.lock().await;
        if let Some(shared) = slot.usable() {
            return Ok(shared);
        }
        let shared = Arc::new(Shared {
            client: self.single(deadline).await?,
            since: Instant::now(),
            lifetime: LIFETIME * rand::rng().random_range(JITTER_PERCENT) / 100,
        });
        *slot.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&shared));
        Ok(shared)
    }

    /// Gives up a shared connection that broke or fell silent; requests that hold it finish or fail on it.
    pub(crate) fn forget(&self, broken: &Arc<Shared>) {
        for slot in &self.slots {
            let mut current = slot.current.lock().unwrap_or_else(PoisonError::into_inner);
            if current
                .as_ref()
                .is_some_and(|shared| Arc::ptr_eq(shared, broken))
            {
                *current = None;
            }
        }
    }
}

impl Slot {
    fn usable(&self) -> Option<Arc<Shared>> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current
            .as_ref()
            .filter(|s| !s.client.is_closed() && s.since.elapsed() < s.lifetime)
            .map(Arc::clone)
    }
}

impl Deref for Shared {
    type Target = ClientWrapper;

    fn deref(&self) -> &ClientWrapper {
        &self.client
    }
}

impl Lease {
    /// COMMIT or ROLLBACK was confirmed: the next transaction may use the connection.
    pub(crate) fn mark_clean(&mut self) {
        self.clean = true;
    }
}

impl Deref for Lease {
    type Target = ClientWrapper;

    #[expect(clippy::expect_used, reason = "only drop takes the object")]
    fn deref(&self) -> &ClientWrapper {
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

async fn get(pool: &Pool, deadline: Instant) -> Result<Object, DbError> {
    let wait = deadline.saturating_duration_since(Instant::now());
    let timeouts = Timeouts {
        wait: Some(wait),
        create: Some(CREATE_TIMEOUT.min(wait)),
        recycle: Some(RECYCLE_TIMEOUT),
    };
    pool.timeout_get(&timeouts)
        .await
        .map_err(|error| match error {
            PoolError::Timeout(TimeoutType::Wait) => DbError::Timeout,
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle)
            | PoolError::Backend(_)
            | PoolError::Closed
            | PoolError::NoRuntimeSpecified
            | PoolError::PostCreateHook(_) => DbError::Connect {
                source: Arc::new(error),
            },
        })
}

fn pool(
    postgres: &tokio_postgres::Config,
    size: usize,
    purpose: Purpose,
    engine: &Arc<OnceLock<Engine>>,
) -> Result<Pool, DbError> {
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let engine = Arc::clone(engine);
    Pool::builder(Manager::from_config(postgres.clone(), NoTls, recycling))
        .max_size(size.max(1))
        .runtime(Runtime::Tokio1)
        .pre_recycle(Hook::async_fn(
            |client: &mut ClientWrapper, metrics: &Metrics| {
                // deadpool knows no lifetime of its own.
                let limit = LIFETIME * rand::rng().random_range(JITTER_PERCENT) / 100;
                let (aged_out, fresh) = (metrics.age() >= limit, metrics.last_used() < FRESH);
                Box::pin(async move {
                    if aged_out {
                        return Err(HookError::message("aged out"));
                    }
                    if !fresh {
                        client.simple_query("").await.map_err(HookError::Backend)?;
                    }
                    Ok(())
                })
            },
        ))
        .post_create(Hook::async_fn(move |client: &mut ClientWrapper, _| {
            let engine = Arc::clone(&engine);
            Box::pin(async move {
                prepare_session(client, purpose, &engine)
                    .await
                    .map_err(HookError::Backend)
            })
        }))
        .build()
        .map_err(|error| DbError::Config(error.to_string()))
}

/// Asks a new connection what it is, the first time, and tells it our settings.
async fn prepare_session(
    client: &ClientWrapper,
    purpose: Purpose,
    known: &OnceLock<Engine>,
) -> Result<(), tokio_postgres::Error> {
    let engine = match known.get() {
        Some(engine) => *engine,
        None => {
            let row = client.query_one(VERSION, &[]).await?;
            let found = Engine::from_version(row.try_get(0)?);
            *known.get_or_init(|| found)
        }
    };
    client.batch_execute(engine.settings(purpose)).await
}

/// The driver's configuration: what the URL says, and what must never be left to the kernel's defaults.
pub(crate) fn postgres_config(config: &DbConfig) -> Result<tokio_postgres::Config, DbError> {
    // The parser's message names the option, never the value: it holds no password.
    let mut postgres = tokio_postgres::Config::from_str(&config.url)
        .map_err(|error| DbError::Config(error.to_string()))?;
    if postgres.get_ssl_mode() == SslMode::Require {
        return Err(DbError::Config("sslmode=require is not built in".into()));
    }
    postgres
        .application_name(&config.application_name)
        .connect_timeout(CREATE_TIMEOUT)
        .tcp_user_timeout(TCP_USER_TIMEOUT)
        .keepalives(true)
        .keepalives_idle(KEEPALIVE_IDLE)
        .keepalives_interval(KEEPALIVE_INTERVAL)
        .keepalives_retries(KEEPALIVE_RETRIES)
        .load_balance_hosts(LoadBalanceHosts::Random);
    Ok(postgres)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> DbConfig {
        let eu1: kernel::RegionTag = "eu1".parse().unwrap();
        DbConfig {
            url: url.into(),
            region: eu1.clone(),
            regions: vec![eu1.clone()],
            primary: eu1,
            max_connections: 1,
            read_connections: 1,
            application_name: "test".into(),
            max_clock_offset: Duration::ZERO,
        }
    }

    #[test]
    fn sockets_never_wait_for_the_kernels_defaults() {
        let postgres = postgres_config(&config("postgres://app@localhost/meridian")).unwrap();
        assert_eq!(postgres.get_tcp_user_timeout(), Some(&TCP_USER_TIMEOUT));
        assert_eq!(postgres.get_keepalives_idle(), KEEPALIVE_IDLE);
        assert_eq!(postgres.get_connect_timeout(), Some(&CREATE_TIMEOUT));
    }

    #[test]
    fn a_bad_url_is_a_configuration_error_that_holds_no_secret() {
        for bad in [
            "postgres://app:hunter2@localhost:nonsense/x",
            "postgres://app:hunter2@h/x?sslmode=require",
        ] {
            let error = Pools::new(&config(bad)).unwrap_err();
            assert!(matches!(error, DbError::Config(_)), "{error:?}");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
        assert!(!format!("{:?}", config("postgres://app:hunter2@h/x")).contains("hunter2"));
    }
}
