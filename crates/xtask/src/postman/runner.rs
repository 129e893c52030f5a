//! Runs the collection with newman against a world of its own.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use super::COLLECTION;
use crate::{postgres, run};

/// Pinned, as every tool is.
const NEWMAN: &str = "newman@6.2.2";
/// For a world that is told to end.
const END: Duration = Duration::from_secs(60);

/// Brings a world up, runs every request, and takes it down. Without npm it is skipped, and says so.
pub(crate) fn run() -> Result<()> {
    let Some(newman) = newman()? else {
        return Ok(());
    };
    let pg_bin = postgres::find_or_install()?;
    let state = run::target().join("postman");
    let world = World::up(&state, &pg_bin)?;
    let mut token = Command::new(run::binary());
    token
        .args(["token", "--role", "manager", "--state"])
        .arg(&state);
    let token = run::output(&mut token)?;
    let mut newman = Command::new(newman);
    newman
        .arg("run")
        .arg(run::root().join(COLLECTION))
        .args(["--reporter-cli-no-banner", "--color", "off"])
        .args(["--timeout-request", "20000"]);
    newman.args(["--env-var", &format!("baseUrl={}", world.url)]);
    newman.args(["--env-var", &format!("token={}", token.trim())]);
    let output = newman.output().context("could not run newman")?;
    drop(world);
    let printed = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("newman: {}\n{printed}", output.status);
    }
    for line in printed.lines() {
        // Of the summary.
        if line.contains(" requests ") || line.contains(" assertions ") {
            eprintln!("{line}");
        }
    }
    Ok(())
}

/// Where newman is, installed if need be.
fn newman() -> Result<Option<PathBuf>> {
    let folder = run::target().join(NEWMAN);
    let binary = folder.join("node_modules/.bin/newman");
    if binary.is_file() {
        return Ok(Some(binary));
    }
    let Some(npm) = run::on_path("npm") else {
        eprintln!("SKIPPED: npm is not here, and the Postman collection was not run");
        return Ok(None);
    };
    fs::create_dir_all(&folder)?;
    let mut install = Command::new(npm);
    install
        .args([
            "install",
            "--no-audit",
            "--no-fund",
            "--no-save",
            "--loglevel",
            "error",
            "--prefix",
        ])
        .arg(&folder)
        .arg(NEWMAN);
    if let Err(error) = run::output(&mut install) {
        eprintln!(
            "SKIPPED: {NEWMAN} cannot be installed, and the Postman collection was not run: {error:#}"
        );
        return Ok(None);
    }
    Ok(Some(binary))
}

/// A `meridian up` of our own.
struct World {
    up: Child,
    /// Of its first region.
    url: String,
}

impl World {
    fn up(state: &Path, pg_bin: &Path) -> Result<Self> {
        let log = state.with_extension("log");
        let mut up = Command::new(run::binary());
        up.args(["up", "--fresh", "--state"]).arg(state);
        up.env("MERIDIAN_PG_BIN", pg_bin);
        up.stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?);
        let mut up = up.spawn().context("could not run meridian up")?;
        let stdout = up.stdout.take().context("its output")?;
        let mut lines = BufReader::new(stdout).lines();
        // Its first line is that of its first region, once everything is up.
        let first = lines.next().transpose()?.unwrap_or_default();
        let Some((_, url)) = first.split_once(' ') else {
            bail!("meridian up did not come up: see {}", log.display());
        };
        let url = url.to_owned();
        Ok(Self { up, url })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let pid = self.up.id().to_string();
        let _ = Command::new("kill").args(["-s", "TERM", &pid]).status();
        let until = Instant::now() + END;
        while self.up.try_wait().is_ok_and(|ended| ended.is_none()) {
            if Instant::now() > until {
                let _ = self.up.kill();
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
