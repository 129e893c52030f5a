//! The hosts of the database, in the order of its URL: a connection is to the first one that can be had.
//!
//! One table for all connections of a process, so that what one of them finds out holds for the others. With several
//! hosts, each address in use is asked every second, over a connection of its own, whether it lives. One that is silent
//! while another answers is left: what is under way there ends as on a lost connection, and runs again, or is asked for by
//! its key, elsewhere. The only host that answers is never left, however slow it is; nor is one left for a slow statement.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::AtomicU64},
    time::Duration,
};

use deadpool_postgres::ClientWrapper;
use futures_util::future::{BoxFuture, FutureExt as _, select_ok};
use rand::{Rng as _, seq::SliceRandom as _};
use tokio::{
    net::lookup_host,
    sync::Semaphore,
    task::AbortHandle,
    time::{sleep, timeout},
};
use tokio_postgres::{
    Config, NoTls,
    config::{Host as Name, LoadBalanceHosts, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    DatabaseUrl, DbError,
    connection::{Connection, Failure, NoConnection, Notices, drive, no_connection},
};

/// TCP, TLS and authentication of one address. A node that hangs still accepts, by its kernel.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How often an address in use is asked whether it lives.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// One that does not answer an empty query for this long is silent.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// So many connections are made at once: after a loss they come back in rows, not in a herd.
const CONNECTING_MAX: usize = 8;
/// Before the next host is tried when one has too many connections (53300).
const BACK_OFF_MS: std::ops::Range<u64> = 50..200;
/// Sent but unacknowledged bytes for this long mean that the peer is gone; the kernel would wait for minutes.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(5);
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;

/// The hosts that a URL names, and what is known of each.
pub(crate) struct Hosts {
    /// All but where.
    config: Config,
    hosts: Vec<Host>,
    tls: Option<MakeRustlsConnect>,
    /// Any order, instead of the URL's.
    at_random: bool,
    connect_within: Duration,
    connecting: Semaphore,
    /// How often the schema was found changed.
    schema_changes: Arc<AtomicU64>,
    places: Mutex<BTreeMap<Place, State>>,
    notices: Notices,
}

#[derive(Debug)]
struct Host {
    /// For the certificate, and for people.
    name: String,
    at: At,
    port: u16,
}

#[derive(Debug)]
enum At {
    /// By its name, which may have several addresses.
    Name,
    Address(IpAddr),
    Socket(PathBuf),
}

/// One address of a host; none for a socket, or for a host whose name has no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    host: usize,
    address: Option<IpAddr>,
}

/// What is known of a place.
#[derive(Debug, Default)]
struct State {
    /// It failed when it was last tried: others come first.
    is_down: bool,
    is_watched: bool,
    /// The tasks of its connections.
    tasks: Vec<AbortHandle>,
}

impl State {
    fn is_used(&mut self) -> bool {
        self.tasks.retain(|task| !task.is_finished());
        !self.tasks.is_empty()
    }
}

impl std::fmt::Debug for Hosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hosts")
            .field("hosts", &self.hosts)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

impl Hosts {
    /// Reads the URL and the files that it names; connects to nothing.
    pub(crate) fn new(url: &str, application_name: &str) -> Result<Self, DbError> {
        let url = DatabaseUrl::parse(url)?;
        let driver = url.driver()?;
        let tls = url.tls().connector(driver.get_ssl_negotiation())?;
        let asked = driver.get_connect_timeout().copied();
        Ok(Self {
            config: without_hosts(&driver, application_name),
            hosts: hosts(&driver)?,
            tls,
            at_random: driver.get_load_balance_hosts() == LoadBalanceHosts::Random,
            connect_within: asked.map_or(CONNECT_WITHIN, |asked| asked.min(CONNECT_WITHIN)),
            connecting: Semaphore::new(CONNECTING_MAX),
            schema_changes: Arc::default(),
            places: Mutex::default(),
            notices: Notices::default(),
        })
    }

    /// A table for each host of the URL alone.
    pub(crate) fn each(url: &str, application_name: &str) -> Result<Vec<Self>, DbError> {
        let count = Self::new(url, application_name)?.hosts.len();
        let alone = |n| {
            let mut one = Self::new(url, application_name)?;
            one.hosts = vec![one.hosts.swap_remove(n)];
            Ok(one)
        };
        (0..count).map(alone).collect()
    }

    /// The hosts as people name them.
    pub(crate) fn told_all(&self) -> String {
        let told: Vec<String> = self.hosts.iter().map(Host::told).collect();
        told.join(", ")
    }

    /// Whether every host is this machine.
    pub(crate) fn are_here(&self) -> bool {
        self.hosts.iter().all(|host| match &host.at {
            At::Name => host.name == "localhost",
            At::Address(address) => address.is_loopback(),
            At::Socket(_) => true,
        })
    }

    /// Whether connections are encrypted, and verified.
    pub(crate) fn are_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// What the servers said of their own accord.
    pub(crate) fn notices(&self) -> Vec<String> {
        self.notices.kept()
    }

    /// Whether there is more than one host.
    pub(crate) fn are_several(&self) -> bool {
        self.hosts.len() > 1
    }

    /// A connection to the first host that gives one; to one that failed before only when no other does.
    pub(crate) async fn connect(self: &Arc<Self>) -> Result<Connection, DbError> {
        let _one_of_few = self.connecting.acquire().await;
        let mut failed = Vec::new();
        let mut down = Vec::new();
        let mut order: Vec<usize> = (0..self.hosts.len()).collect();
        if self.at_random {
            order.shuffle(&mut rand::rng());
        }
        for host in order {
            let places = match self.places_of(host).await {
                Ok(places) => places,
                Err(error) => {
                    failed.push(error);
                    continue;
                }
            };
            let (later, now) = places
                .into_iter()
                .partition::<Vec<_>, _>(|p| self.is_down(*p));
            down.extend(later);
            if let Some(connection) = self.first_of(now, &mut failed).await {
                return Ok(connection);
            }
            if failed.last().is_some_and(NoConnection::is_final) {
                return Err(no_connection(failed));
            }
        }
        let last = self.first_of(down, &mut failed).await;
        last.ok_or_else(|| no_connection(failed))
    }

    async fn first_of(
        self: &Arc<Self>,
        places: Vec<Place>,
        failed: &mut Vec<NoConnection>,
    ) -> Option<Connection> {
        for place in places {
            match self.open(place).await {
                Ok(opened) => return Some(self.keep(place, opened)),
                Err(error) => {
                    let (is_final, is_full) = (error.is_final(), error.is_full());
                    tracing::debug!(%error, "database.not_connected");
                    failed.push(error);
                    if is_final {
                        return None;
                    }
                    self.is_down_now(place);
                    if is_full {
                        let pause_ms = rand::rng().random_range(BACK_OFF_MS);
                        sleep(Duration::from_millis(pause_ms)).await;
                    }
                }
            }
        }
        None
    }

    /// Whether some host gives a connection now, whatever is known of it.
    pub(crate) async fn is_any_there(self: &Arc<Self>) -> bool {
        self.is_another_there(None).await
    }

    async fn is_another_there(&self, but: Option<usize>) -> bool {
        let others = (0..self.hosts.len()).filter(|host| Some(*host) != but);
        let asking: Vec<BoxFuture<'_, Result<(), ()>>> = others
            .map(|host| {
                async move {
                    for place in self.places_of(host).await.map_err(drop)? {
                        if self.open(place).await.is_ok() {
                            return Ok(());
                        }
                    }
                    Err(())
                }
                .boxed()
            })
            .collect();
        !asking.is_empty() && select_ok(asking).await.is_ok()
    }

    /// The addresses of a host, in any order: what is behind one name shares the load.
    async fn places_of(&self, host: usize) -> Result<Vec<Place>, NoConnection> {
        let here = &self.hosts[host];
        let address = match &here.at {
            At::Name => {
                let found = timeout(self.connect_within, lookup_host((&*here.name, here.port)));
                let addresses = match found.await {
                    Ok(Ok(found)) => found.map(|found| found.ip()).collect(),
                    Ok(Err(_)) | Err(_) => Vec::new(),
                };
                return self.places_at(host, addresses);
            }
            At::Address(address) => Some(*address),
            At::Socket(_) => None,
        };
        Ok(vec![Place { host, address }])
    }

    fn places_at(
        &self,
        host: usize,
        mut addresses: Vec<IpAddr>,
    ) -> Result<Vec<Place>, NoConnection> {
        if addresses.is_empty() {
            return Err(NoConnection {
                host: self.hosts[host].told(),
                failure: Failure::NoAddress,
            });
        }
        addresses.shuffle(&mut rand::rng());
        let places = addresses.into_iter().map(|address| Place {
            host,
            address: Some(address),
        });
        Ok(places.collect())
    }

    /// A connection to this place, within two seconds.
    async fn open(&self, place: Place) -> Result<Opened, NoConnection> {
        let host = &self.hosts[place.host];
        let opened = timeout(self.connect_within, self.opened(host, place)).await;
        let failure = match opened {
            Ok(Ok(opened)) => return Ok(opened),
            Ok(Err(error)) => Failure::Said(error),
            Err(_) => Failure::Silent,
        };
        Err(NoConnection {
            host: host.told(),
            failure,
        })
    }

    async fn opened(&self, host: &Host, place: Place) -> Result<Opened, tokio_postgres::Error> {
        let mut config = self.config.clone();
        config.port(host.port);
        match &host.at {
            At::Socket(path) => {
                config.host_path(path);
            }
            At::Name | At::Address(_) => {
                config.host(&host.name);
            }
        }
        if let Some(address) = place.address {
            config.hostaddr(address);
        }
        let tls = self.tls.as_ref().filter(|_| place.address.is_some());
        let (client, task) = if let Some(tls) = tls {
            config.ssl_mode(SslMode::Require);
            let (client, connection) = config.connect(tls.clone()).await?;
            (client, drive(connection, self.notices.clone()))
        } else {
            config.ssl_mode(SslMode::Disable);
            let (client, connection) = config.connect(NoTls).await?;
            (client, drive(connection, self.notices.clone()))
        };
        let aborts = task.abort_handle();
        Ok((ClientWrapper::new(client, task), aborts))
    }

    /// A connection for use.
    fn keep(self: &Arc<Self>, place: Place, (client, task): Opened) -> Connection {
        self.is_up_now(place);
        self.watched(place, |state| {
            state.is_used(); // forgets those that have ended
            state.tasks.push(task);
        });
        Connection::new(client, place.host, &self.schema_changes)
    }

    fn is_down(&self, place: Place) -> bool {
        self.places().get(&place).is_some_and(|state| state.is_down)
    }

    fn is_up_now(&self, place: Place) {
        let mut places = self.places();
        let state = places.entry(place).or_default();
        if std::mem::take(&mut state.is_down) {
            tracing::info!(host = self.told(place), "database.host_is_back");
        }
    }

    fn is_down_now(self: &Arc<Self>, place: Place) {
        self.watched(place, |state| {
            if !std::mem::replace(&mut state.is_down, true) {
                tracing::warn!(host = self.told(place), "database.host_is_down");
            }
        });
    }

    /// Changes what is known of a place, which is watched from now on if there is another to go to.
    #[expect(
        clippy::disallowed_methods,
        reason = "the task ends by itself, a second after the last of those who would want to know"
    )]
    fn watched(self: &Arc<Self>, place: Place, change: impl FnOnce(&mut State)) {
        let mut places = self.places();
        let state = places.entry(place).or_default();
        change(state);
        if self.are_several() && !std::mem::replace(&mut state.is_watched, true) {
            tokio::spawn(watch(Arc::downgrade(self), place));
        }
    }

    /// Whether nobody needs to know of the place any more; then it is not watched any more.
    fn is_forgotten(&self, place: Place) -> bool {
        let mut places = self.places();
        let state = places.entry(place).or_default();
        state.is_watched = state.is_used() || state.is_down;
        !state.is_watched
    }

    /// Asks a place whether it lives, on the connection of last time or on a new one.
    async fn ask(self: &Arc<Self>, place: Place, last: Option<Opened>) -> Option<Opened> {
        if let Some((client, task)) = last {
            match timeout(ANSWER_WITHIN, client.simple_query("")).await {
                Ok(Ok(_)) => return Some((client, task)),
                Ok(Err(_)) => {} // it was closed: a new one shows more
                Err(_) => {
                    self.leave(place).await;
                    return None;
                }
            }
        }
        match self.open(place).await {
            Ok(opened) => {
                self.is_up_now(place);
                Some(opened)
            }
            Err(error) => {
                if matches!(error.failure, Failure::Silent) {
                    self.leave(place).await;
                } else {
                    self.is_down_now(place);
                }
                None
            }
        }
    }

    /// Leaves a place that is silent, if another host answers.
    async fn leave(self: &Arc<Self>, place: Place) {
        if !self.is_another_there(Some(place.host)).await {
            return;
        }
        self.is_down_now(place);
        let tasks = std::mem::take(&mut self.places().entry(place).or_default().tasks);
        if !tasks.is_empty() {
            let connections = tasks.len();
            tracing::warn!(
                host = self.told(place),
                connections,
                "database.host_is_left"
            );
        }
        for task in tasks {
            task.abort();
        }
    }

    fn told(&self, place: Place) -> String {
        let host = self.hosts[place.host].told();
        match place.address {
            Some(address) if matches!(self.hosts[place.host].at, At::Name) => {
                format!("{host} ({address})")
            }
            Some(_) | None => host,
        }
    }

    fn places(&self) -> MutexGuard<'_, BTreeMap<Place, State>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client, and how its connection is ended from outside.
type Opened = (ClientWrapper, AbortHandle);

/// Asks a place every second, for as long as somebody uses it or wants it back.
async fn watch(hosts: Weak<Hosts>, place: Place) {
    let mut last = None;
    loop {
        sleep(ASK_EVERY).await;
        let Some(hosts) = hosts.upgrade() else { return };
        if hosts.is_forgotten(place) {
            return;
        }
        last = hosts.ask(place, last).await;
    }
}

impl Host {
    fn told(&self) -> String {
        match &self.at {
            At::Socket(path) => path.display().to_string(),
            At::Name | At::Address(_) if self.name.contains(':') => {
                format!("[{}]:{}", self.name, self.port)
            }
            At::Name | At::Address(_) => format!("{}:{}", self.name, self.port),
        }
    }
}

/// Host by host, in the URL's order.
fn hosts(driver: &Config) -> Result<Vec<Host>, DbError> {
    let (names, addresses, ports) = (
        driver.get_hosts(),
        driver.get_hostaddrs(),
        driver.get_ports(),
    );
    let count = names.len().max(addresses.len());
    let fits = |given: usize, least: usize| given == count || given <= least;
    if !(fits(names.len(), 0) && fits(addresses.len(), 0) && fits(ports.len(), 1)) {
        return Err(DbError::Config(
            "the URL has another number of hosts than of addresses or ports".into(),
        ));
    }
    let host = |n: usize| {
        let at = match (names.get(n), addresses.get(n)) {
            (Some(Name::Unix(path)), None) => At::Socket(path.clone()),
            (_, Some(address)) => At::Address(*address),
            (Some(Name::Tcp(name)), None) => name.parse().map_or(At::Name, At::Address),
            (None, None) => At::Name, // counted above
        };
        let name = match (names.get(n), addresses.get(n)) {
            (Some(Name::Tcp(name)), _) => name.clone(),
            (_, Some(address)) => address.to_string(),
            (_, None) => String::new(),
        };
        let port = ports.get(n).or_else(|| ports.first()).copied();
        Host {
            name,
            at,
            port: port.unwrap_or(5432),
        }
    };
    Ok((0..count).map(host).collect())
}

/// The driver's configuration: what the URL says of all hosts, and what must never be left to the kernel's defaults.
fn without_hosts(driver: &Config, application_name: &str) -> Config {
    let mut config = Config::new();
    if let Some(user) = driver.get_user() {
        config.user(user);
    }
    if let Some(password) = driver.get_password() {
        config.password(password);
    }
    if let Some(database) = driver.get_dbname() {
        config.dbname(database);
    }
    if let Some(options) = driver.get_options() {
        config.options(options);
    }
    config
        .application_name(application_name)
        .ssl_negotiation(driver.get_ssl_negotiation())
        .channel_binding(driver.get_channel_binding())
        .target_session_attrs(driver.get_target_session_attrs())
        .tcp_user_timeout(TCP_USER_TIMEOUT)
        .keepalives(true)
        .keepalives_idle(KEEPALIVE_IDLE)
        .keepalives_interval(KEEPALIVE_INTERVAL)
        .keepalives_retries(KEEPALIVE_RETRIES);
    config
}
