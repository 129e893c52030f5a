//! One connection to one host, and why it could not be had.

use std::{
    collections::BTreeMap,
    error::Error,
    fmt,
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use deadpool_postgres::ClientWrapper;
use futures_util::future::poll_fn;
use rand::Rng as _;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinHandle,
};
use tokio_postgres::AsyncMessage;

use crate::{DbError, tls};

/// A connection is replaced when it is about this old, so that load finds restarted nodes again
/// (CockroachDB: connection pooling, 5–30 min).
const LIFETIME: Duration = Duration::from_secs(300);
/// Each draws its own when it is made, so that those made together are not replaced together.
const JITTER_PERCENT: std::ops::RangeInclusive<u32> = 90..=110;
/// One to another host than those that come first is replaced when one of these has been back for this long: not at once,
/// since what comes back may go again, and not all together.
const PATIENCE_MS: std::ops::RangeInclusive<u64> = 1_000..=10_000;

/// A connection to the database. It is closed when it is dropped.
#[derive(Debug)]
pub struct Connection {
    client: ClientWrapper,
    /// How often the schema was found changed, by any connection of the process, and when this one last looked.
    schema_changes: (Arc<AtomicU64>, AtomicU64),
    /// Its node is in another region than we are: every round trip crosses.
    pub(crate) is_away: bool,
    since: Instant,
    lifetime: Duration,
    /// Of the hosts that come before its own, and how long it waits when one of them is back.
    returns: Arc<Returns>,
    host: usize,
    patience: Duration,
}

impl Connection {
    pub(crate) fn new(
        client: ClientWrapper,
        host: usize,
        schema_changes: &Arc<AtomicU64>,
        returns: &Arc<Returns>,
    ) -> Self {
        let mut random = rand::rng();
        Self {
            client,
            schema_changes: (
                Arc::clone(schema_changes),
                AtomicU64::new(schema_changes.load(Ordering::Relaxed)),
            ),
            is_away: host > 0,
            since: Instant::now(),
            lifetime: LIFETIME * random.random_range(JITTER_PERCENT) / 100,
            returns: Arc::clone(returns),
            host,
            patience: Duration::from_millis(random.random_range(PATIENCE_MS)),
        }
    }

    /// It is open, and there is no reason to replace it.
    pub(crate) fn is_usable(&self) -> bool {
        !self.client.is_closed() && !self.is_due()
    }

    /// It is old, or a host that comes before its own has been back for a while: whoever can makes another one.
    pub(crate) fn is_due(&self) -> bool {
        self.since.elapsed() >= self.lifetime
            || self.returns.any(self.host, self.since, self.patience)
    }

    /// The schema changed under a prepared statement (0A000): what was prepared on any connection is not to be trusted.
    pub(crate) fn schema_changed(&self) {
        self.schema_changes.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Forgets what was prepared before the schema changed.
    pub(crate) fn forget_stale_plans(&self) {
        let changes = self.schema_changes.0.load(Ordering::Relaxed);
        if self.schema_changes.1.swap(changes, Ordering::Relaxed) != changes {
            self.client.statement_cache.clear();
        }
    }
}

impl Deref for Connection {
    type Target = ClientWrapper;

    fn deref(&self) -> &ClientWrapper {
        &self.client
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut ClientWrapper {
        &mut self.client
    }
}

/// When hosts came back that had been lost.
#[derive(Debug, Default)]
pub(crate) struct Returns(Mutex<BTreeMap<usize, Instant>>);

impl Returns {
    pub(crate) fn came_back(&self, host: usize) {
        self.all().insert(host, Instant::now());
    }

    pub(crate) fn went(&self, host: usize) {
        self.all().remove(&host);
    }

    /// Whether a host before this one is back, and somebody has known better for so long since then: the host may have
    /// come back while the connection was made.
    fn any(&self, before: usize, since: Instant, patience: Duration) -> bool {
        let is_home = |at: &Instant| since.max(*at).elapsed() >= patience;
        before > 0 && self.all().range(..before).any(|(_, at)| is_home(at))
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<usize, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What servers said of their own accord: the first few, for who examines them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notices(Arc<Mutex<Vec<String>>>);

impl Notices {
    const KEPT: usize = 16;

    fn keep(&self, notice: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < Self::KEPT {
            kept.push(notice.to_owned());
        }
    }

    pub(crate) fn kept(&self) -> Vec<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
    }
}

/// Moves what is said on a connection, until it ends.
#[expect(
    clippy::disallowed_methods,
    reason = "the task ends with the connection, which its client closes when it is dropped"
)]
pub(crate) fn drive<S, T>(
    mut connection: tokio_postgres::Connection<S, T>,
    notices: Notices,
) -> JoinHandle<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        loop {
            match poll_fn(|context| connection.poll_message(context)).await {
                // CockroachDB tells of licences and of jobs that it waits for.
                Some(Ok(AsyncMessage::Notice(notice))) => {
                    tracing::debug!(notice = notice.message(), "database.notice");
                    notices.keep(notice.message());
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    tracing::debug!(error = &error as &dyn Error, "database.connection_ended");
                    return;
                }
                None => return,
            }
        }
    })
}

/// Why one host gave no connection.
#[derive(Debug)]
pub(crate) struct NoConnection {
    pub(crate) host: String,
    pub(crate) failure: Failure,
}

#[derive(Debug)]
pub(crate) enum Failure {
    /// It said nothing, or not to the end.
    Silent,
    /// Its name has no address.
    NoAddress,
    Said(tokio_postgres::Error),
}

impl NoConnection {
    fn code(&self) -> Option<&str> {
        match &self.failure {
            Failure::Silent | Failure::NoAddress => None,
            Failure::Said(error) => error.code().map(tokio_postgres::error::SqlState::code),
        }
    }

    /// Our password, or what we want, is refused: it would be by every other host, and again by this one.
    pub(crate) fn is_final(&self) -> bool {
        match &self.failure {
            Failure::Silent | Failure::NoAddress => false,
            Failure::Said(error) => {
                matches!(self.code(), Some("28P01" | "3D000")) || is_about_us(error)
            }
        }
    }

    /// Who we are is refused. A node of CockroachDB says 28000 also when it could not read who there is, so the other
    /// hosts are asked; only when nobody has anything else to say is it us.
    pub(crate) fn is_refusal(&self) -> bool {
        self.is_final() || self.code().is_some_and(|code| code.starts_with("28"))
    }

    /// It has too many connections.
    pub(crate) fn is_full(&self) -> bool {
        self.code() == Some("53300")
    }

    fn reason(&self) -> String {
        let error = match &self.failure {
            Failure::Silent => return "it does not answer".into(),
            Failure::NoAddress => return "its name has no address".into(),
            Failure::Said(error) => error,
        };
        if let Some(said) = error.as_db_error() {
            let (code, message) = (said.code().code(), said.message());
            return if demands_tls(message) {
                format!(
                    "the server demands TLS: add sslmode=verify-full and sslrootcert ({message})"
                )
            } else {
                format!("it says {code}: {message}")
            };
        }
        if let Some(reason) = tls::reason(error) {
            return reason;
        }
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        if cause == NO_TLS {
            return "the server does not offer TLS; use sslmode=disable or turn TLS on".into();
        }
        if cause.is_empty() {
            error.to_string()
        } else {
            format!("{error}: {cause}")
        }
    }
}

/// What the driver says of a server that refuses to speak TLS.
const NO_TLS: &str = "server does not support TLS";

/// CockroachDB's "node is running secure mode, SSL connection required"; PostgreSQL's pg_hba.conf, which lets nobody in
/// that comes with "no encryption".
fn demands_tls(message: &str) -> bool {
    message.contains("SSL connection required") || message.contains("no encryption")
}

/// The driver itself cannot do what the server asks of it, such as sending a password that it was not given.
fn is_about_us(error: &tokio_postgres::Error) -> bool {
    let told = error.to_string();
    told == "invalid configuration" || told == "authentication error"
}

impl fmt::Display for NoConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.host, self.reason())
    }
}

/// Why no host gave a connection.
#[derive(Debug)]
struct Nobody(Vec<NoConnection>);

impl fmt::Display for Nobody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, failed) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "; " };
            write!(f, "{comma}{failed}")?;
        }
        Ok(())
    }
}

impl Error for Nobody {}

/// What several failures come to.
pub(crate) fn no_connection(failed: Vec<NoConnection>) -> DbError {
    let is_about_us = failed.iter().any(NoConnection::is_final)
        || !failed.is_empty() && failed.iter().all(NoConnection::is_refusal);
    let source = Arc::new(Nobody(failed));
    if is_about_us {
        DbError::Denied { source }
    } else {
        DbError::Connect { source }
    }
}
