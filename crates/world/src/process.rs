//! Children: started so that they end with `up`, and known to be gone by a lock, never by a pid.
//!
//! A child's standard input is a pipe that only `up` holds: its end tells the child to leave. Its standard
//! output is its lock file, locked through the very description that the child and all its descendants
//! inherit, so that the lock is free exactly when the last of them has ended. Its standard error is its log.
//! It has a process group of its own: Ctrl-C reaches `up` alone, which ends children in the right order.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, ChildStdin, Command},
};

use crate::{
    guard::Guarded,
    state::{Folder, open_lock},
};

/// How often a lock is tried: well below what a person notices, far above what a processor does.
const TRY_EVERY: Duration = Duration::from_millis(20);

/// What to start.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// Names the lock and the log.
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) envs: Vec<(&'static str, String)>,
    /// Variables of ours that it must not see.
    pub(crate) unset: &'static [&'static str],
    /// The first line of its standard input.
    pub(crate) first_line: Option<String>,
}

impl Spec {
    /// A program run by `exe` as its guard.
    pub(crate) fn guarded(name: &str, exe: &Path, guarded: &Guarded) -> Self {
        Self {
            name: name.into(),
            program: exe.to_owned(),
            args: vec!["guard".into()],
            envs: Vec::new(),
            unset: &[],
            // A struct of texts and numbers always has a JSON form.
            first_line: serde_json::to_string(guarded).ok(),
        }
    }
}

/// A child. It ends when this is dropped, in its own time.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
}

/// Why a child was not started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// Its predecessor is still there.
    #[error("{name} of an earlier `meridian up` still runs: end the processes that have {} open (see `lsof`)", lock.display())]
    Lingers {
        /// The child.
        name: String,
        /// What is still locked.
        lock: PathBuf,
    },
    /// The system refused.
    #[error("could not start {name}: {source}")]
    Io {
        /// The child.
        name: String,
        /// Why.
        source: io::Error,
    },
}

impl Running {
    /// Starts a child once the last one of its name is gone, at most `patience` from now.
    pub(crate) async fn spawn(
        folder: &Folder,
        spec: &Spec,
        patience: Duration,
    ) -> Result<Self, SpawnError> {
        let failed = |source| SpawnError::Io {
            name: spec.name.clone(),
            source,
        };
        let lock_path = folder.child_lock(&spec.name);
        let Some(lock) = lock_within(&lock_path, patience).await.map_err(failed)? else {
            return Err(SpawnError::Lingers {
                name: spec.name.clone(),
                lock: lock_path,
            });
        };
        let log = open_log(&folder.log(&spec.name)).map_err(failed)?;
        let mut command = Command::new(&spec.program);
        command
            .args(&spec.args)
            .envs(spec.envs.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(lock)
            .stderr(log)
            .process_group(0);
        for name in spec.unset {
            command.env_remove(name);
        }
        let mut child = command.spawn().map_err(failed)?;
        drop(command); // and with it our copy of the lock
        // Taken from the child, since tokio closes the input of a child that it waits for.
        let mut stdin = child.stdin.take();
        if let (Some(line), Some(stdin)) = (&spec.first_line, stdin.as_mut()) {
            stdin
                .write_all(format!("{line}\n").as_bytes())
                .await
                .map_err(failed)?;
        }
        Ok(Self {
            name: spec.name.clone(),
            child,
            stdin,
        })
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Where the system cannot tell.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Tells it to leave and waits; after `patience` it is killed.
    pub async fn end(mut self, patience: Duration) {
        drop(self.stdin.take());
        if tokio::time::timeout(patience, self.child.wait())
            .await
            .is_err()
        {
            // An error means that it has just ended by itself.
            let _ = self.child.kill().await;
        }
    }

    /// Its name, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The lock, once nobody has it. `None`: somebody still has it after `patience`.
pub(crate) async fn lock_within(path: &Path, patience: Duration) -> io::Result<Option<File>> {
    let deadline = Instant::now() + patience;
    let file = open_lock(path)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                tokio::time::sleep(TRY_EVERY).await;
            }
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Waits until no child of `names` is left; gives those that are after `patience`.
pub(crate) async fn wait_for_all(
    folder: &Folder,
    names: &[String],
    patience: Duration,
) -> Vec<String> {
    let deadline = Instant::now() + patience;
    let mut left = Vec::new();
    for name in names {
        let patience = deadline.saturating_duration_since(Instant::now());
        match lock_within(&folder.child_lock(name), patience).await {
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => left.push(name.clone()),
        }
    }
    left
}

/// Begins a log anew, keeping one predecessor, so that logs do not grow over the years.
pub(crate) fn rotate_log(path: &Path) {
    // Without a log there is nothing to keep; one that cannot be moved is appended to.
    let _ = std::fs::rename(path, path.with_extension("log.1"));
}

/// The last line of a log that tells what went wrong, else the last one that says anything.
pub(crate) fn telling_line(path: &Path) -> Option<String> {
    let text = std::fs::read(path).ok()?;
    let tail = String::from_utf8_lossy(&text[text.len().saturating_sub(8192)..]);
    let lines: Vec<_> = tail
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let tells = |line: &&&str| {
        ["FATAL", "ERROR", "error:", "meridian: "]
            .iter()
            .any(|word| line.contains(word))
    };
    lines
        .iter()
        .rev()
        .find(tells)
        .or(lines.last())
        .map(ToString::to_string)
}

fn open_log(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}
