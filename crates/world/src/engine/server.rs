//! The server process: started, known to be ready, cleaned up after, and kept running.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use platform_runtime::Shutdown;
use rustix::process::{Signal, test_kill_process};

use super::{
    Account, Binaries, EngineError, EngineOptions, Kept, NamedError, Search,
    cluster::{self, Initdb, OWNER},
    download::download,
    orphan::Orphan,
};
use crate::{
    guard::{Ending, Guarded},
    ports::{self, Wish},
    process::{Running, Spec, rotate_log, telling_line},
    progress::Progress,
    state::{Folder, Hold, Passwords},
};

/// Names the server's lock and log.
pub(super) const NAME: &str = "postgres";

/// The default port is one above PostgreSQL's own, which may belong to a server of the system.
const PORT: Wish = Wish {
    default: 5433,
    option: "database-port",
};

/// Recovery replays at most `max_wal_size` (1 GiB) of log, which a slow disk reads in this time.
const READY: Duration = Duration::from_secs(60);

/// The embedded server of one state.
#[derive(Debug)]
pub struct Engine {
    folder: Folder,
    binaries: Binaries,
    account: Option<Account>,
    data: PathBuf,
    wish: Wish,
    port: u16,
    passwords: Passwords,
    exe: PathBuf,
}

impl Engine {
    /// Finds or fetches the programs and makes the data folder if there is none. `exe` is this binary, which
    /// is run as the guard.
    ///
    /// # Errors
    /// [`EngineError`], naming what to do.
    pub async fn prepare(
        hold: &Hold,
        options: &EngineOptions,
        exe: &Path,
        progress: &Progress,
    ) -> Result<Self, EngineError> {
        let account = Account::choose()?;
        let home = cluster::home(hold, account.as_ref())?;
        let data = home.join("data");
        let binaries = find(&home, &data, options, progress).await?;
        if let Some(account) = &account {
            may_run(account, &binaries)?;
        }
        let folder = hold.folder().clone();
        let secrets = folder.secrets();
        if cluster::version_of(&data).is_some() && !secrets.exists() {
            return Err(EngineError::Orphaned { data, secrets });
        }
        let passwords = hold.passwords()?;
        if cluster::version_of(&data).is_none() {
            progress.step(&format!(
                "making a database with PostgreSQL {}",
                binaries.major
            ));
            rotate_log(&folder.log("initdb"));
            let initdb = Initdb {
                folder: &folder,
                binaries: &binaries,
                account: account.as_ref(),
                exe,
                password: &passwords.owner,
            };
            initdb.run(&data).await?;
        }
        rotate_log(&folder.log(NAME));
        let wish = options
            .port
            .map_or(PORT, |default| Wish { default, ..PORT });
        let (port, exe) = (wish.default, exe.to_owned());
        Ok(Self {
            folder,
            binaries,
            account,
            data,
            wish,
            port,
            passwords,
            exe,
        })
    }

    /// Starts the server for the first time, on the default port or a free one, which it keeps from then on.
    ///
    /// # Errors
    /// [`EngineError`], with the line that the server said.
    pub async fn start_first(&mut self) -> Result<Running, EngineError> {
        // Between our look at a port and the server's, another process can take it, but hardly thrice.
        for _ in 0..2 {
            self.port = ports::reserve(self.wish, self.folder.path())?.release();
            match self.start().await {
                Err(EngineError::Failed { reason, .. })
                    if no_port(&reason) || !ports::is_free(self.port) => {}
                other => return other,
            }
        }
        self.port = ports::reserve(self.wish, self.folder.path())?.release();
        self.start().await
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the server's programs.
    #[must_use]
    pub fn programs(&self) -> &Path {
        &self.binaries.folder
    }

    /// The URL of the role that owns everything, with its password.
    #[must_use]
    pub fn owner_url(&self) -> String {
        let password = &self.passwords.owner;
        format!(
            "postgres://{OWNER}:{password}@127.0.0.1:{}/{OWNER}",
            self.port
        )
    }

    /// The password of the role that the services connect as.
    #[must_use]
    pub fn app_password(&self) -> &str {
        &self.passwords.app
    }

    /// Starts the server and waits until it takes connections, after an unclean end too.
    pub(crate) async fn start(&self) -> Result<Running, EngineError> {
        self.clean_up().await?;
        let spec = Spec::guarded(NAME, &self.exe, &self.guarded());
        let mut running = Running::spawn(&self.folder, &spec, Duration::from_secs(1)).await?;
        let log = self.folder.log(NAME);
        let deadline = Instant::now() + READY;
        loop {
            if is_ready(&self.data) {
                return Ok(running);
            }
            let reason = if running.ended().is_some() {
                telling_line(&log).unwrap_or_else(|| "it ended at once".into())
            } else if Instant::now() > deadline {
                format!("it was not ready within {} s", READY.as_secs())
            } else {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            return Err(EngineError::Failed {
                what: "starting PostgreSQL",
                reason,
                log,
            });
        }
    }

    /// Keeps it running until `stop`.
    pub async fn keep(&self, running: Running, stop: Shutdown, progress: Progress) {
        let kept = Kept {
            folder: &self.folder,
            what: "PostgreSQL",
            stop: &stop,
            progress,
        };
        kept.running(running, || self.start()).await;
    }

    fn guarded(&self) -> Guarded {
        let settings = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=", // none: its default folder is not always there, nor ours to use
            "max_connections=200",      // three regions of at most 40, a person's tools, a drill's
            "wal_level=minimal",        // nobody replicates a laptop's world
            "max_wal_senders=0",
            // A document of 500 lines reads as many rows: beyond half of this the whole table counts as read, and every
            // other writer of it is in its way.
            "max_pred_locks_per_transaction=1024",
            "jit=off", // our statements are short: compiling them takes longer than running them
            "timezone=UTC",
            "log_timezone=UTC",
        ];
        let mut args = vec![
            format!("-D{}", self.data.display()),
            format!("-p{}", self.port),
        ];
        args.extend(settings.iter().map(|setting| format!("-c{setting}")));
        Guarded {
            program: self.binaries.folder.join("postgres"),
            args,
            folder: self.data.clone(),
            account: self
                .account
                .as_ref()
                .map(|account| (account.uid, account.gid)),
            ending: Ending::Fast,
        }
    }

    /// Removes what a server leaves that was killed: its processes, which have its memory, and its pid file.
    async fn clean_up(&self) -> Result<(), EngineError> {
        let left = orphan(&self.folder, &self.data);
        left.end().await?;
        if let Some(pid) = left.leader() {
            if left.processes().contains(&pid) {
                let data = self.data.clone();
                return Err(EngineError::Foreign {
                    pid: pid.as_raw_nonzero().get(),
                    data,
                });
            }
            if !cfg!(target_os = "linux") && test_kill_process(pid).is_ok() {
                return Ok(()); // perhaps a number used again: the server looks at its shared memory to tell
            }
            // A process of another program may have the number now, which would keep the server from starting.
            let file = left.pid_file;
            fs::remove_file(&file).map_err(EngineError::io(file))?;
        }
        Ok(())
    }
}

/// The server of this data, should its guard be gone. Who outlived the postmaster ends as soon as it looks for it, which a
/// busy one does not.
pub(super) fn orphan<'a>(folder: &Folder, data: &'a Path) -> Orphan<'a> {
    Orphan {
        lock: folder.child_lock(NAME),
        folder: data,
        program: "postgres",
        pid_file: data.join(PID_FILE),
        told: (Signal::QUIT, Duration::from_millis(300)),
    }
}

async fn find(
    home: &Path,
    data: &Path,
    options: &EngineOptions,
    progress: &Progress,
) -> Result<Binaries, EngineError> {
    let downloads = home.join("binaries");
    let mut search = Search {
        named: options.named.clone(),
        path: options.path.clone(),
        downloads: vec![downloads.clone()],
        major: cluster::version_of(data),
    };
    if let Some(binaries) = search.find()? {
        return Ok(binaries);
    }
    let folder = download(&downloads, search.major, progress).await?;
    search.named = Some(folder.join("bin"));
    search
        .find()?
        .ok_or(EngineError::Named(NamedError::NotThere(folder)))
}

/// Whether the server ended because its port was taken, by a process that may have left it since: another
/// world that looks for ports holds each for a moment. PostgreSQL says "could not create any TCP/IP sockets".
fn no_port(reason: &str) -> bool {
    reason.contains("TCP/IP")
}

/// The server's user may be kept from programs that root can run.
fn may_run(account: &Account, binaries: &Binaries) -> Result<(), EngineError> {
    let mut command = std::process::Command::new(binaries.folder.join("postgres"));
    super::account::run_as(&mut command, Some(account));
    let output = command.arg("--version").current_dir("/").output();
    if output.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    Err(EngineError::Unreachable {
        user: account.name,
        folder: binaries.folder.clone(),
    })
}

const PID_FILE: &str = "postmaster.pid";

/// The eighth line of the pid file says so (as `pg_ctl` reads it, since PostgreSQL 10).
fn is_ready(data: &Path) -> bool {
    fs::read_to_string(data.join(PID_FILE)).is_ok_and(|text| {
        text.lines()
            .nth(7)
            .is_some_and(|status| status.trim() == "ready")
    })
}
