//! A CockroachDB cluster on this machine: two nodes in each region, as many as it takes to lose a region and go on.
//!
//! Nodes are insecure, and listen on the loopback interface only. Each works in a folder of its own in the state folder, with
//! its store, and in that its logs.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use kernel::RegionTag;
use platform_runtime::Shutdown;
use rustix::process::Signal;
use tokio::process::Command;

use super::{EngineError, EngineOptions, Kept, orphan::Orphan};
use crate::{
    files,
    guard::{Ending, Guarded},
    ports::{self, Reserved, Wish},
    process::{Running, Spec, rotate_log, telling_line},
    progress::Progress,
    state::{Folder, Hold},
};

/// Two zones and three regions hold the five voters that survival of a region wants, two at most in one region.
const ZONES: [&str; 2] = ["a", "b"];
/// CockroachDB's own port, and those that follow it.
const PORT: u16 = 26257;
/// Of the console of the first node.
const HTTP_PORT: u16 = 8280;
/// Begins the names of nodes.
const PREFIX: &str = "cockroach-";
/// The database and those who make it.
const DATABASE: &str = "meridian";
const OWNER: &str = "root";
/// In the folder of a node: written once it has started up.
const PID_FILE: &str = "node.pid";
/// A node that drains hands its leases to others; with none of them left it tries for ever.
const DRAIN: Duration = Duration::from_secs(10);
/// Six nodes that start cold on a laptop.
const READY: Duration = Duration::from_secs(180);

/// The cluster of one state.
#[derive(Debug)]
pub struct Cockroach {
    program: PathBuf,
    exe: PathBuf,
    folder: Folder,
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    region: RegionTag,
    zone: &'static str,
    port: u16,
    http_port: u16,
}

impl Node {
    /// Names its lock, its log and its folder.
    fn name(&self) -> String {
        format!("{PREFIX}{}-{}", self.region, self.zone)
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Cockroach {
    /// Finds the program and chooses ports. The first region is the primary one.
    ///
    /// # Errors
    /// [`EngineError`], naming what to do.
    pub fn prepare(
        hold: &Hold,
        options: &EngineOptions,
        regions: &[RegionTag],
        exe: &Path,
    ) -> Result<Self, EngineError> {
        let program = find(options.path.as_deref()).ok_or(EngineError::NoCockroach)?;
        let folder = hold.folder().clone();
        let places: Vec<_> = regions
            .iter()
            .flat_map(|region| ZONES.map(|zone| (region.clone(), zone)))
            .collect();
        let wish = |base: u16| {
            (0..)
                .zip(&places)
                .map(|(n, _)| Wish {
                    default: base.saturating_add(n),
                    option: "database-port",
                })
                .collect::<Vec<_>>()
        };
        // Kept until all are chosen, so that no two nodes are given one.
        let ports = ports::reserve_all(&wish(options.port.unwrap_or(PORT)), folder.path())?;
        let http_ports = ports::reserve_all(&wish(HTTP_PORT), folder.path())?;
        let ports = ports.into_iter().zip(http_ports);
        let nodes = places.into_iter().zip(ports);
        let nodes = nodes.map(|((region, zone), (port, http_port))| Node {
            region,
            zone,
            port: Reserved::release(port),
            http_port: Reserved::release(http_port),
        });
        Ok(Self {
            program,
            exe: exe.to_owned(),
            nodes: nodes.collect(),
            folder,
        })
    }

    /// Starts every node, makes a cluster of them if they are none yet, and waits until each answers.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn start(&self, progress: &Progress) -> Result<Vec<Running>, EngineError> {
        let mut running = Vec::new();
        for node in &self.nodes {
            rotate_log(&self.folder.log(&node.name()));
            running.push(self.start_node(node).await?);
        }
        let deadline = Instant::now() + READY;
        if !self.is_initialised() {
            progress.step("making one cluster of the nodes");
            self.initialise(&mut running, deadline).await?;
        }
        for node in &self.nodes {
            let url = format!("postgres://{OWNER}@{}/?sslmode=disable", node.address());
            while let Err(error) = platform_db::connect(&url, "meridian up").await {
                self.check(&mut running, deadline, &error.to_string())?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            progress.step(&format!("node {} is ready", node.name()));
        }
        Ok(running)
    }

    /// Keeps every node running until `stop`.
    pub async fn keep(&self, running: Vec<Running>, stop: Shutdown, progress: Progress) {
        let nodes = self.nodes.iter().zip(running);
        let kept = nodes.map(|(node, running)| self.keep_node(node, running, &stop, progress));
        join_all(kept).await;
    }

    async fn keep_node(&self, node: &Node, running: Running, stop: &Shutdown, progress: Progress) {
        let kept = Kept {
            folder: &self.folder,
            what: &format!("node {}", node.name()),
            stop,
            progress,
        };
        kept.running(running, || self.start_node(node)).await;
    }

    /// The URL of who owns everything: all nodes, those of the primary region first.
    #[must_use]
    pub fn owner_url(&self) -> String {
        let primary = self.nodes.first().map(|node| node.region.clone());
        primary.map_or_else(String::new, |primary| self.url_in(&primary))
    }

    /// The same as one region has it: its own nodes first, the others for when they are gone.
    #[must_use]
    pub fn url_in(&self, region: &RegionTag) -> String {
        let (own, others): (Vec<_>, Vec<_>) =
            self.nodes.iter().partition(|node| node.region == *region);
        let hosts: Vec<_> = own.into_iter().chain(others).map(Node::address).collect();
        format!(
            "postgres://{OWNER}@{}/{DATABASE}?sslmode=disable",
            hosts.join(",")
        )
    }

    async fn start_node(&self, node: &Node) -> Result<Running, EngineError> {
        let name = node.name();
        end_leftover(&self.folder, &name).await?;
        let folder = folder_of(&self.folder, &name);
        fs::create_dir_all(&folder).map_err(EngineError::io(&folder))?;
        // The number that an earlier one wrote may be another program's now.
        let pid_file = folder.join(PID_FILE);
        files::remove(&pid_file).map_err(EngineError::io(pid_file))?;
        let guarded = Guarded {
            program: self.program.clone(),
            args: self.arguments(node),
            folder,
            account: None,
            ending: Ending::Drain,
        };
        let spec = Spec::guarded(&name, &self.exe, &guarded);
        Ok(Running::spawn(&self.folder, &spec, Duration::from_secs(1)).await?)
    }

    fn arguments(&self, node: &Node) -> Vec<String> {
        let join: Vec<_> = self.nodes.iter().map(Node::address).collect();
        vec![
            "start".into(),
            "--insecure".into(),
            // In the node's folder: what is above it may hold what a flag of several fields cannot.
            "--store=path=store".into(),
            format!("--pid-file={PID_FILE}"),
            format!("--listen-addr={}", node.address()),
            format!("--http-addr=127.0.0.1:{}", node.http_port),
            format!("--join={}", join.join(",")),
            format!("--locality=region={},zone={}", node.region, node.zone),
            // Writes to tables that live everywhere wait this out; one machine has one clock.
            "--max-offset=250ms".into(),
            // Its defaults are for a machine of its own.
            "--cache=128MiB".into(),
            "--max-sql-memory=128MiB".into(),
        ]
    }

    /// `cockroach init`, until a node listens and takes it. Said once in the life of a cluster.
    async fn initialise(
        &self,
        running: &mut [Running],
        deadline: Instant,
    ) -> Result<(), EngineError> {
        let Some(first) = self.nodes.first() else {
            return Ok(());
        };
        loop {
            let mut command = Command::new(&self.program);
            command
                .args(["init", "--insecure", &format!("--host={}", first.address())])
                .current_dir(self.home())
                .kill_on_drop(true);
            let ended = tokio::time::timeout(Duration::from_secs(30), command.output()).await;
            let said = match ended {
                Ok(Ok(output)) => {
                    let said = String::from_utf8_lossy(&output.stderr).into_owned();
                    if output.status.success() || said.contains("already been initialized") {
                        break;
                    }
                    said
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it did not end within 30 s".into(),
            };
            self.check(running, deadline, said.trim())?;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let record = self.record();
        files::write_private(&record, b"").map_err(EngineError::io(record))
    }

    /// An error once a node has ended, or there is no time left.
    fn check(
        &self,
        running: &mut [Running],
        deadline: Instant,
        said: &str,
    ) -> Result<(), EngineError> {
        for running in running {
            if running.ended().is_some() {
                let log = self.folder.log(running.name());
                let reason = telling_line(&log).unwrap_or_else(|| "it ended at once".into());
                return Err(EngineError::Failed {
                    what: "starting CockroachDB",
                    reason,
                    log,
                });
            }
        }
        if Instant::now() < deadline {
            return Ok(());
        }
        Err(EngineError::Failed {
            what: "starting CockroachDB",
            reason: format!("it was not ready within {} s: {said}", READY.as_secs()),
            log: self.home(),
        })
    }

    fn home(&self) -> PathBuf {
        home(&self.folder)
    }

    /// There once the cluster is one.
    fn record(&self) -> PathBuf {
        self.home().join("initialised")
    }

    fn is_initialised(&self) -> bool {
        self.record().exists()
    }
}

fn home(folder: &Folder) -> PathBuf {
    folder.path().join("cockroach")
}

/// Where a node of this name works.
fn folder_of(folder: &Folder, node: &str) -> PathBuf {
    home(folder).join(node)
}

/// Whether a child of this name is a node.
pub(super) fn is_node(child: &str) -> bool {
    child.starts_with(PREFIX)
}

/// Ends a node without a guard. Only for when its guard is gone, or has had its time.
pub(super) async fn end_leftover(folder: &Folder, node: &str) -> Result<(), EngineError> {
    let place = folder_of(folder, node);
    let left = Orphan {
        lock: folder.child_lock(node),
        folder: &place,
        program: "cockroach",
        pid_file: place.join(PID_FILE),
        told: (Signal::TERM, DRAIN),
    };
    left.end().await
}

fn find(path: Option<&OsStr>) -> Option<PathBuf> {
    path.into_iter()
        .flat_map(std::env::split_paths)
        .map(|folder| folder.join("cockroach"))
        .find(|file| file.is_file())
}

/// How to get the program on the system that this runs on.
#[must_use]
pub fn install_line() -> String {
    if cfg!(target_os = "macos") {
        return "brew install cockroachdb/tap/cockroach".into();
    }
    let machine = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    let name = format!("cockroach-v26.2.0.linux-{machine}");
    format!(
        "curl https://binaries.cockroachdb.com/{name}.tgz | tar -xz && sudo cp {name}/cockroach /usr/local/bin/"
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Stands in for the program of others: it notes what it is asked, and says what `init` says to whom it is too early.
    const STAND_IN: &str = r#"#!/bin/sh
echo "$@" >> "$PWD/asked"
if [ "$1" = init ] && [ "$(grep -c ^init "$PWD/asked")" = 1 ]; then echo "connection refused" >&2; exit 1; fi
if [ "$1" = init ] && [ -e "$PWD/old" ]; then echo "cluster has already been initialized" >&2; exit 1; fi
"#;

    fn cluster(dir: &Path) -> Cockroach {
        let program = dir.join("cockroach");
        fs::write(&program, STAND_IN).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let hold = Hold::take(&dir.join("state")).unwrap();
        let options = EngineOptions {
            path: Some(dir.into()),
            ..EngineOptions::default()
        };
        let regions = ["eu1", "us1", "ap1"].map(|tag| tag.parse().unwrap());
        let cluster =
            Cockroach::prepare(&hold, &options, &regions, Path::new("/meridian")).unwrap();
        fs::create_dir_all(cluster.home()).unwrap();
        cluster
    }

    #[test]
    fn every_region_has_two_nodes_of_its_own_place_and_ports() {
        let dir = tempfile::tempdir().unwrap();
        let cluster = cluster(dir.path());
        let all: Vec<_> = cluster
            .nodes
            .iter()
            .map(|node| cluster.arguments(node))
            .collect();
        assert_eq!(all.len(), 6);
        for (node, arguments) in cluster.nodes.iter().zip(&all) {
            let has = |text: &str| arguments.iter().any(|argument| argument == text);
            assert!(arguments[..2] == ["start", "--insecure"]);
            assert!(has(&format!(
                "--locality=region={},zone={}",
                node.region, node.zone
            )));
            assert!(has(&format!("--listen-addr=127.0.0.1:{}", node.port)));
            let join = arguments.iter().find(|a| a.starts_with("--join=")).unwrap();
            assert_eq!(join.split(',').count(), 6, "{join}");
        }
        let mut ports: Vec<_> = cluster
            .nodes
            .iter()
            .flat_map(|n| [n.port, n.http_port])
            .collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 12);
    }

    #[test]
    fn a_region_asks_its_own_nodes_first_and_knows_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let cluster = cluster(dir.path());
        let us1 = "us1".parse().unwrap();
        let url = cluster.url_in(&us1);
        let hosts = url.split(['@', '/']).nth(3).unwrap().split(',');
        let hosts: Vec<_> = hosts.map(str::to_owned).collect();
        let own: Vec<_> = cluster.nodes[2..4].iter().map(Node::address).collect();
        assert_eq!((&hosts[..2], hosts.len()), (&own[..], 6), "{url}");
        assert!(cluster.owner_url().contains(&cluster.nodes[0].address()));
    }

    #[tokio::test]
    async fn a_cluster_is_made_once_also_when_nobody_wrote_it_down() {
        let dir = tempfile::tempdir().unwrap();
        let cluster = cluster(dir.path());
        let soon = Instant::now() + Duration::from_secs(60);
        assert!(!cluster.is_initialised());
        cluster.initialise(&mut [], soon).await.unwrap();
        assert!(cluster.is_initialised());
        let asked = fs::read_to_string(cluster.home().join("asked")).unwrap();
        let line = format!("init --insecure --host={}\n", cluster.nodes[0].address());
        assert_eq!(asked, line.repeat(2), "the first one came too early");
        fs::remove_file(cluster.record()).unwrap();
        fs::write(cluster.home().join("old"), "").unwrap();
        cluster.initialise(&mut [], soon).await.unwrap();
        assert!(cluster.is_initialised());
    }

    #[test]
    fn without_the_program_there_is_a_line_to_type() {
        assert_eq!(find(None), None);
        let told = EngineError::NoCockroach.to_string();
        assert!(
            told.contains(&install_line()) && told.contains("7 days"),
            "{told}"
        );
    }
}
