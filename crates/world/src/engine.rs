//! The embedded database, PostgreSQL or a CockroachDB cluster: found (or fetched), initialised once, started under
//! guards, and started again when it ends while it should not.

pub mod account;
pub mod binaries;
mod cluster;
pub mod cockroach;
mod download;
mod orphan;
mod server;

use std::{
    io,
    path::PathBuf,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use platform_runtime::Shutdown;

pub use self::{
    account::{Account, NoAccount},
    binaries::{Binaries, NamedError, Search},
    cockroach::Cockroach,
    download::DownloadError,
    server::Engine,
};
use crate::{
    process::{Running, SpawnError, lock_within},
    progress::Progress,
    state::{Folder, Hold, StateError},
};

/// The guard gives what it guards 15 s to end by itself, 3 s to leave at once, 3 s to be killed; and a little.
const END: Duration = Duration::from_secs(25);

/// Pauses before a server is started again that did not start, or not for long.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A server that ran this long had started.
const HEALTHY: Duration = Duration::from_secs(10);

/// One server, kept running for as long as the world is.
struct Kept<'a> {
    folder: &'a Folder,
    /// For people.
    what: &'a str,
    stop: &'a Shutdown,
    progress: Progress,
}

impl Kept<'_> {
    /// Keeps it running until it is to stop. One that ends is started again: at once where it ran for a while, and with
    /// growing pauses where it does not start, or ends as soon as it has.
    async fn running<F>(self, mut running: Running, start: impl Fn() -> F)
    where
        F: Future<Output = Result<Running, EngineError>>,
    {
        let lock = self.folder.child_lock(running.name());
        let mut pause = Duration::ZERO;
        loop {
            let since = Instant::now();
            tokio::select! {
                _ = running.wait() => {}
                () = self.stop.draining() => return running.end(END).await,
            }
            self.progress
                .step(&format!("{} ended, starting it again", self.what));
            pause = match since.elapsed() < HEALTHY {
                true => longer(pause),
                false => Duration::ZERO,
            };
            running = loop {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = self.stop.draining() => return,
                }
                let started = tokio::select! {
                    started = start() => started,
                    () = self.stop.draining() => {
                        // One whose start was broken off is waited for. An error is one of the lock's file: then
                        // nothing can tell, and nothing can be done.
                        let _ = lock_within(&lock, END).await;
                        return;
                    }
                };
                match started {
                    Ok(running) => break running,
                    Err(error) => {
                        pause = longer(pause);
                        let told = format!("{error}; next try in {pause:?}");
                        self.progress.step(&told);
                    }
                }
            };
            self.progress.step(&format!("{} runs again", self.what));
        }
    }
}

/// The pause behind one of this length.
fn longer(pause: Duration) -> Duration {
    (pause * 2).clamp(PAUSE_FIRST, PAUSE_MAX)
}

/// Which database is embedded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// One server.
    #[default]
    Postgres,
    /// Nodes in every region, of a program that is on the `PATH`.
    Cockroach,
}

/// What a user may say about the embedded database.
#[derive(Debug, Clone, Default)]
pub struct EngineOptions {
    /// Which it is.
    pub kind: Kind,
    /// The folder of the server's programs.
    pub named: Option<PathBuf>,
    /// `PATH`.
    pub path: Option<std::ffi::OsString>,
    /// The (first) port; 5433, for CockroachDB 26257, or a free one near it if not said.
    pub port: Option<u16>,
}

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Root has nobody to run it as.
    #[error(transparent)]
    NoAccount(#[from] NoAccount),
    /// The programs that the user named will not do.
    #[error(transparent)]
    Named(#[from] NamedError),
    /// There is no `cockroach`.
    #[error(
        "there is no cockroach on the PATH: install it by `{}` (without a licence key a cluster is throttled after 7 days; `up --fresh` begins a new one)",
        cockroach::install_line()
    )]
    NoCockroach,
    /// There are no programs.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// The state folder cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// A child could not be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// No port is free.
    #[error(transparent)]
    Port(#[from] crate::ports::NoFreePort),
    /// A file or folder cannot be used.
    #[error("could not use {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The unprivileged user may not run the programs.
    #[error(
        "the user {user} may not run the programs in {}: name others by MERIDIAN_PG_BIN, or open that folder to everyone",
        folder.display()
    )]
    Unreachable {
        /// Whom the server runs as.
        user: &'static str,
        /// The programs.
        folder: PathBuf,
    },
    /// There is data, and nothing that knows its password.
    #[error("{} has data but {} is gone: run `meridian up --fresh` to begin anew", data.display(), secrets.display())]
    Orphaned {
        /// The data.
        data: PathBuf,
        /// Where its passwords were.
        secrets: PathBuf,
    },
    /// Somebody started a server on our data.
    #[error("a PostgreSQL server that `meridian up` did not start (process {pid}) runs on {}: end it first", data.display())]
    Foreign {
        /// The server.
        pid: i32,
        /// The data.
        data: PathBuf,
    },
    /// A program of the server failed.
    #[error("{what} failed: {reason} (see {})", log.display())]
    Failed {
        /// What was tried.
        what: &'static str,
        /// The last thing it said.
        reason: String,
        /// All that it said.
        log: PathBuf,
    },
}

/// Whether a child of this name is a server of the database.
pub(crate) fn is_server(child: &str) -> bool {
    child == server::NAME || cockroach::is_node(child)
}

/// Ends servers whose guards were killed too.
pub(crate) async fn end_leftovers(hold: &Hold, children: &[String]) -> Result<(), EngineError> {
    let folder = hold.folder();
    let home = cluster::recorded_home(folder)?;
    let data = home
        .unwrap_or_else(|| folder.path().to_owned())
        .join("data");
    let ends = children.iter().map(async |child| {
        if child == server::NAME {
            server::orphan(folder, &data).end().await
        } else {
            cockroach::end_leftover(folder, child).await
        }
    });
    try_join_all(ends).await.map(drop)
}

/// Forgets the database and everything else of a state, wherever it lies. No child may be running.
///
/// # Errors
/// [`EngineError`].
pub fn wipe(hold: &Hold) -> Result<(), EngineError> {
    cluster::wipe_elsewhere(hold.folder())?;
    Ok(hold.wipe()?)
}

impl EngineError {
    /// Whether another process took the port of a node before the node could: the program says it in Go's words.
    pub(crate) fn is_port_taken(&self) -> bool {
        matches!(self, Self::Failed { reason, .. } if reason.contains("address already in use"))
    }

    fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
