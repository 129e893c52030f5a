//! The hosts of the database, in the order of its URL: a connection is to the first one that can be had.
//!
//! One table for all connections of a process, so that what one of them finds out holds for the others. With several
//! hosts, each address in use is asked every second, over a connection of its own, whether it lives. One that is silent
//! while another answers is left: what is under way there ends as on a lost connection, and runs again, or is asked for by
//! its key, elsewhere. The only host that answers is never left, however slow it is; nor is one left for a slow statement.

mod read;
mod watch;

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use deadpool_postgres::ClientWrapper;
use futures_util::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _, select_ok},
    stream::FuturesUnordered,
};
use rand::{Rng as _, seq::SliceRandom as _};
use tokio::{
    net::lookup_host,
    sync::Semaphore,
    task::AbortHandle,
    time::{sleep, timeout},
};
use tokio_postgres::{
    Config, NoTls,
    config::{LoadBalanceHosts, SslMode},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::read::{hosts, without_hosts};
use crate::{
    DatabaseUrl, DbError,
    connection::{Connection, Failure, NoConnection, Notices, Returns, drive, no_connection},
};

/// TCP, TLS and authentication of one address. A node that hangs still accepts, by its kernel.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// So many connections are made at once: after a loss they come back in rows, not in a herd.
const CONNECTING_MAX: usize = 8;
/// Before the next host is tried when one has too many connections (53300).
const BACK_OFF_MS: std::ops::Range<u64> = 50..200;

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
    returns: Arc<Returns>,
    places: Mutex<BTreeMap<Place, State>>,
    notices: Notices,
    /// Some name has several addresses.
    has_addresses: AtomicBool,
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
            returns: Arc::default(),
            places: Mutex::default(),
            notices: Notices::default(),
            has_addresses: AtomicBool::new(false),
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

    /// Whether there is more than one place to go to.
    pub(crate) fn are_several(&self) -> bool {
        self.hosts.len() > 1 || self.has_addresses.load(Ordering::Relaxed)
    }

    /// A connection to the first host that gives one; to one that failed before only when no other does, and then to
    /// whichever is first to answer.
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
        let last = self.any_of(down, &mut failed).await;
        last.ok_or_else(|| no_connection(failed))
    }

    /// All at once: one that is still lost must not hold up one that is not.
    async fn any_of(
        self: &Arc<Self>,
        places: Vec<Place>,
        failed: &mut Vec<NoConnection>,
    ) -> Option<Connection> {
        let asking = places
            .into_iter()
            .map(|place| async move { (place, self.open(place).await) });
        let mut asking: FuturesUnordered<_> = asking.collect();
        while let Some((place, opened)) = asking.next().await {
            match opened {
                Ok(opened) => return Some(self.keep(place, opened)),
                Err(error) => failed.push(error),
            }
        }
        None
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
                    let is_refusal = error.is_refusal();
                    tracing::debug!(%error, "database.not_connected");
                    failed.push(error);
                    if is_final {
                        return None;
                    }
                    if !is_refusal {
                        self.is_down_now(place);
                    }
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

    async fn is_another_there(&self, but: Option<Place>) -> bool {
        let asking: Vec<BoxFuture<'_, Result<(), ()>>> = (0..self.hosts.len())
            .map(|host| {
                async move {
                    for place in self.places_of(host).await.map_err(drop)? {
                        if Some(place) != but && self.open(place).await.is_ok() {
                            return Ok(());
                        }
                    }
                    Err(())
                }
                .boxed()
            })
            .collect();
        select_ok(asking).await.is_ok()
    }

    /// The addresses of a host, in any order: what is behind one name shares the load.
    async fn places_of(&self, host: usize) -> Result<Vec<Place>, NoConnection> {
        let here = &self.hosts[host];
        let address = match &here.at {
            At::Name => {
                let found = timeout(self.connect_within, lookup_host((&*here.name, here.port)));
                let addresses = match found.await {
                    Ok(Ok(found)) => found.map(|found| found.ip()).collect(),
                    // Names often fail together with what they stand for.
                    Ok(Err(_)) | Err(_) => self.known_of(host),
                };
                return self.places_at(host, addresses);
            }
            At::Address(address) => Some(*address),
            At::Socket(_) => None,
        };
        Ok(vec![Place { host, address }])
    }

    /// The addresses of a host that were tried before.
    fn known_of(&self, host: usize) -> Vec<IpAddr> {
        let places = self.places();
        let here = places.keys().filter(|place| place.host == host);
        here.filter_map(|place| place.address).collect()
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
        if addresses.len() > 1 {
            self.has_addresses.store(true, Ordering::Relaxed);
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
        Connection::new(client, place.host, &self.schema_changes, &self.returns)
    }

    fn is_down(&self, place: Place) -> bool {
        self.places().get(&place).is_some_and(|state| state.is_down)
    }

    fn is_up_now(&self, place: Place) {
        let mut places = self.places();
        let state = places.entry(place).or_default();
        if std::mem::take(&mut state.is_down) {
            // In no order, none comes before another.
            if !self.at_random {
                self.returns.came_back(place.host);
            }
            tracing::info!(host = self.told(place), "database.host_is_back");
        }
    }

    fn is_down_now(self: &Arc<Self>, place: Place) {
        self.watched(place, |state| {
            if !std::mem::replace(&mut state.is_down, true) {
                self.returns.went(place.host);
                tracing::warn!(host = self.told(place), "database.host_is_down");
            }
        });
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
