//! One region of the laptop world: a process that serves all systems, and who looks after it.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, Instant},
};

use kernel::RegionTag;
use platform_runtime::Shutdown;

use crate::{
    http,
    issuer::ISSUER,
    process::{Running, SpawnError, Spec, rotate_log, telling_line},
    progress::Progress,
    state::Folder,
};

/// What all regions of a world have in common.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// This binary.
    pub(crate) exe: PathBuf,
    pub(crate) folder: Folder,
    /// The folder of region files, if not the embedded ones.
    pub(crate) regions: Option<PathBuf>,
    /// The URLs that services connect by.
    pub(crate) databases: BTreeMap<RegionTag, String>,
    pub(crate) quota: String,
    /// What the servers log.
    pub(crate) log: String,
    /// Every region with its port.
    pub(crate) all: Vec<(RegionTag, u16)>,
}

/// What `serve` ends with when somebody else has its address.
pub const ADDRESS_IN_USE: u8 = 4;

impl RegionError {
    /// Whether another process took the port before the region could.
    pub(crate) fn is_port_taken(&self) -> bool {
        matches!(self, Self::Ended { code: Some(code), .. } if *code == i32::from(ADDRESS_IN_USE))
    }
}

/// A region that will not start.
#[derive(Debug, thiserror::Error)]
pub enum RegionError {
    /// The process could not be made.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// It ended.
    #[error("region {region} ended while it started: {reason} (see {})", log.display())]
    Ended {
        /// The region.
        region: RegionTag,
        /// The last thing it said.
        reason: String,
        /// All it said.
        log: PathBuf,
        /// Its exit code.
        code: Option<i32>,
    },
    /// It does not become ready.
    #[error("region {region} was not ready within {seconds} s: {reason} (see {})", log.display())]
    NotReady {
        /// The region.
        region: RegionTag,
        /// How long it had.
        seconds: u64,
        /// What it answered last.
        reason: String,
        /// All it said.
        log: PathBuf,
    },
}

/// A region is ready 0.3 s after its start; on a machine that compiles meanwhile it may take far longer.
const READY: Duration = Duration::from_secs(60);

/// A request may take 10 s and its COMMIT 5 s more; closing connections and saying goodbye take up to 4 s.
pub(crate) const END: Duration = Duration::from_secs(20);

/// The first pause before a restart: long enough for others to see that the region is gone.
const PAUSE_FIRST: Duration = Duration::from_secs(8);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// A region that ran this long was healthy: its next pause is the first one again.
const HEALTHY: Duration = Duration::from_secs(30);

/// A process that was started and is not known to be ready.
#[derive(Debug)]
pub(crate) struct Started {
    running: Running,
    node: String,
}

/// Starts, watches and ends one region.
#[derive(Debug)]
pub(crate) struct Keeper<'a> {
    pub(crate) region: RegionTag,
    pub(crate) port: u16,
    pub(crate) settings: &'a Settings,
    pub(crate) progress: &'a Progress,
}

impl Keeper<'_> {
    /// Starts the process; its log begins anew. It gets a name, so that the answers of a stranger who has the port
    /// are not taken for its own.
    pub(crate) async fn start(&self) -> Result<Started, SpawnError> {
        rotate_log(&self.log());
        let node = format!("{:08x}", rand::random::<u32>());
        let mut spec = self.spec();
        spec.args.extend(["--node".into(), node.clone().into()]);
        Ok(Started {
            running: self.spawn(&spec).await?,
            node,
        })
    }

    async fn spawn(&self, spec: &Spec) -> Result<Running, SpawnError> {
        Running::spawn(&self.settings.folder, spec, Duration::from_secs(1)).await
    }

    /// Waits until it serves.
    pub(crate) async fn ready(&self, started: Started) -> Result<Running, RegionError> {
        let Started { mut running, node } = started;
        let authority = format!("127.0.0.1:{}", self.port);
        let deadline = Instant::now() + READY;
        loop {
            if let Some(status) = running.ended() {
                let log = self.log();
                let reason = telling_line(&log).unwrap_or_else(|| "it said nothing".into());
                let (region, code) = (self.region.clone(), status.code());
                return Err(RegionError::Ended {
                    region,
                    reason,
                    log,
                    code,
                });
            }
            let reason = match http::get(&authority, "/readyz", Duration::from_secs(2)).await {
                Ok(answer) if answer.status == 200 && is_from(&node, &answer.body) => {
                    return Ok(running);
                }
                Ok(answer) => format!("{} {}", answer.status, answer.body.trim()),
                Err(error) => error.to_string(),
            };
            if Instant::now() > deadline {
                return Err(RegionError::NotReady {
                    region: self.region.clone(),
                    seconds: READY.as_secs(),
                    reason,
                    log: self.log(),
                });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Keeps it running on its port until `stop`.
    pub(crate) async fn keep(&self, mut running: Running, stop: Shutdown) {
        let mut pause = PAUSE_FIRST;
        let mut since = Instant::now();
        loop {
            let status = tokio::select! {
                status = running.wait() => status,
                () = stop.draining() => return running.end(END).await,
            };
            if since.elapsed() >= HEALTHY {
                pause = PAUSE_FIRST;
            }
            running = loop {
                let how = status
                    .as_ref()
                    .map_or_else(ToString::to_string, |status| tell(*status));
                self.progress.step(&format!(
                    "region {} ended ({how}), starts again in {} s",
                    self.region,
                    pause.as_secs()
                ));
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = stop.draining() => return,
                }
                pause = next_pause(pause);
                match self.spawn(&self.spec()).await {
                    Ok(running) => break running,
                    Err(error) => self.progress.step(&error.to_string()),
                }
            };
            since = Instant::now();
            self.progress.step(&format!(
                "region {} started on port {}",
                self.region, self.port
            ));
        }
    }

    fn database(&self) -> String {
        let url = self.settings.databases.get(&self.region);
        url.cloned().unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.settings.folder.log(self.region.as_str())
    }

    fn spec(&self) -> Spec {
        let settings = self.settings;
        let path = |path: &Path| path.as_os_str().to_owned();
        let mut args: Vec<OsString> = vec![
            "serve".into(),
            "all".into(),
            "--region".into(),
            self.region.as_str().into(),
            "--listen".into(),
            format!("127.0.0.1:{}", self.port).into(),
            "--jwks".into(),
            path(&settings.folder.jwks()),
            "--issuer".into(),
            ISSUER.into(),
            "--quota".into(),
            settings.quota.clone().into(),
            "--end-with-stdin".into(),
        ];
        for (tag, port) in &settings.all {
            args.extend([
                "--peer".into(),
                format!("{tag}=http://127.0.0.1:{port}").into(),
            ]);
        }
        if let Some(regions) = &settings.regions {
            args.extend(["--regions".into(), path(regions)]);
        }
        Spec {
            name: self.region.as_str().to_owned(),
            program: settings.exe.clone(),
            args,
            envs: vec![
                // Not an argument: everyone on the machine can read those.
                ("MERIDIAN_DATABASE_URL", self.database()),
                ("MERIDIAN_LOG", settings.log.clone()),
            ],
            // What a user set for a single server would give all regions one name, or another database.
            unset: &["MERIDIAN_DATABASE_URL_FILE", "MERIDIAN_NODE"],
            first_line: None,
        }
    }
}

/// `/readyz` names the process that answers.
fn is_from(node: &str, body: &str) -> bool {
    let body: Option<serde_json::Value> = serde_json::from_str(body).ok();
    body.is_some_and(|body| body["node"] == node)
}

fn next_pause(pause: Duration) -> Duration {
    (pause * 2).min(PAUSE_MAX)
}

fn tell(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "for an unknown reason".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_eight_seconds_to_a_minute() {
        let pauses = std::iter::successors(Some(PAUSE_FIRST), |pause| Some(next_pause(*pause)));
        let seconds: Vec<_> = pauses.take(5).map(|pause| pause.as_secs()).collect();
        assert_eq!(seconds, [8, 16, 32, 60, 60]);
    }

    #[test]
    fn a_stranger_on_the_port_is_not_taken_for_the_region() {
        assert!(is_from(
            "7d9f0a12",
            r#"{"status":"ready","node":"7d9f0a12"}"#
        ));
        assert!(!is_from(
            "7d9f0a12",
            r#"{"status":"ready","node":"00000000"}"#
        ));
        assert!(!is_from("7d9f0a12", "ok"));
    }

    #[test]
    fn the_database_password_is_no_argument() {
        let settings = Settings {
            exe: "/bin/meridian".into(),
            folder: Folder::new("/state"),
            regions: Some("/clone/regions".into()),
            databases: BTreeMap::from([(
                "us1".parse().unwrap(),
                "postgres://meridian_app:hunter2@127.0.0.1:5433/meridian".into(),
            )]),
            quota: "q=600;w=60".into(),
            log: "warn".into(),
            all: vec![
                ("eu1".parse().unwrap(), 8101),
                ("us1".parse().unwrap(), 8102),
            ],
        };
        let progress = Progress::quiet();
        let keeper = Keeper {
            region: "us1".parse().unwrap(),
            port: 8102,
            settings: &settings,
            progress: &progress,
        };
        let spec = keeper.spec();
        let line = spec
            .args
            .iter()
            .map(|arg| arg.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ");
        assert!(
            line.starts_with("serve all --region us1 --listen 127.0.0.1:8102 "),
            "{line}"
        );
        assert!(line.contains("--peer eu1=http://127.0.0.1:8101"), "{line}");
        assert!(line.contains("--quota q=600;w=60") && line.contains("--regions /clone/regions"));
        assert!(!line.contains("hunter2"), "{line}");
        assert!(
            spec.envs
                .iter()
                .any(|(name, value)| *name == "MERIDIAN_DATABASE_URL" && value.contains("hunter2"))
        );
    }
}
