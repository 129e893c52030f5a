//! A world's database in a temporary folder, and ways to hurt it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use world::{Engine, EngineOptions, Hold, Progress, process::Running};

/// The state folder of one test; whatever it started has ended when it is dropped.
pub(crate) struct Bench {
    pub(crate) dir: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        open_to_all(dir.path());
        Self { dir }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub(crate) fn hold(&self) -> Hold {
        Hold::take(&self.state()).unwrap()
    }

    /// The data folder, wherever it is.
    pub(crate) fn data(&self) -> PathBuf {
        let home = fs::read_to_string(self.state().join("home"));
        home.map_or_else(|_| self.state(), PathBuf::from)
            .join("data")
            .canonicalize()
            .unwrap()
    }
}

/// `tempfile` makes folders that only their owner may enter.
pub(crate) fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

pub(crate) async fn start(hold: &Hold, options: EngineOptions) -> (Engine, Running) {
    let mut engine = prepare(hold, options).await;
    let running = engine.start_first().await.unwrap();
    (engine, running)
}

pub(crate) async fn prepare(hold: &Hold, options: EngineOptions) -> Engine {
    Engine::prepare(hold, &options, &guard(), &Progress::quiet())
        .await
        .unwrap()
}

/// Where this machine has its PostgreSQL.
pub(crate) fn here() -> EngineOptions {
    EngineOptions {
        named: std::env::var_os("MERIDIAN_PG_BIN").map(Into::into),
        path: std::env::var_os("PATH"),
        ..EngineOptions::default()
    }
}

/// Cargo builds the example before it runs the tests.
pub(crate) fn guard() -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    let guard = deps
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/guard");
    assert!(
        guard.is_file(),
        "{} is built by `cargo test`",
        guard.display()
    );
    guard
}

/// Runs one statement with `psql`, as a user of the printed URL would.
pub(crate) fn psql(engine: &Engine, statement: &str) -> Result<String, String> {
    let output = Command::new(engine.programs().join("psql"))
        .args([
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            statement,
            &engine.owner_url(),
        ])
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

pub(crate) fn postmaster(data: &Path) -> Option<i32> {
    fs::read_to_string(data.join("postmaster.pid"))
        .ok()?
        .lines()
        .next()?
        .parse()
        .ok()
}

pub(crate) fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

pub(crate) fn is_alive(pid: i32) -> bool {
    // A process that nobody has waited for yet is still listed, but runs no more.
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(") ").next().unwrap_or("Z").starts_with('Z'))
}

/// Waits for a condition instead of for a time.
pub(crate) async fn eventually(
    what: &str,
    longest: Duration,
    condition: impl Fn() -> bool,
) -> Duration {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < longest, "not within {longest:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    start.elapsed()
}
