//! `up --engine cockroach` as the processes that it is: nodes, their guards, and what becomes of either. `cockroach` is a
//! stand-in here (`examples/cockroach.rs`), behind whose nodes is one PostgreSQL.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testkit::Server;

use crate::{
    support::{Answer, Ended, World, ended, eventually, get, meridian, open_folder, run, send},
    up::free_port,
};

const SOON: Duration = Duration::from_secs(30);
const NODES: [&str; 6] = [
    "cockroach-eu1-a",
    "cockroach-eu1-b",
    "cockroach-us1-a",
    "cockroach-us1-b",
    "cockroach-ap1-a",
    "cockroach-ap1-b",
];
const ITEM: &str = r#"{"sku":"KEPT-1","name":"Cup","description":"Stays.","country_of_origin":"FR","unit":"each"}"#;

/// A folder with a program `cockroach` and the server behind it.
struct Cluster {
    folder: tempfile::TempDir,
    server: Server,
    ports: [String; 2],
}

/// Cargo builds the example before it runs the tests.
fn stand_in() -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_meridian")).parent().unwrap();
    let program = target.join("examples/cockroach");
    assert!(
        program.is_file(),
        "{} is built by `cargo test`",
        program.display()
    );
    program
}

impl Cluster {
    fn new() -> Self {
        let folder = open_folder();
        let [programs, server] = ["programs", "server"].map(|name| folder.path().join(name));
        fs::create_dir(&programs).unwrap();
        fs::create_dir(&server).unwrap();
        symlink(stand_in(), programs.join("cockroach")).unwrap();
        Self {
            folder,
            server: Server::private(&server),
            ports: [(); 2].map(|()| free_port().to_string()),
        }
    }

    fn up(&self, more: &[&str]) -> World {
        let [port, database] = &self.ports;
        let ports = ["--port", port, "--database-port", database];
        let mut up = meridian(self.folder.path());
        up.args(["up", "--engine", "cockroach"]).args(ports);
        self.equip(up.args(more));
        World::start(self.folder.path(), &mut up)
    }

    fn cockroach(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new(self.folder.path().join("programs/cockroach"));
        self.equip(command.args(arguments));
        ended(&mut command)
    }

    fn equip(&self, command: &mut Command) {
        let mut path = self.folder.path().join("programs").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap());
        command
            .env("PATH", path)
            .env("COCKROACH_STAND_IN", self.server.url())
            // What migrations say is checked where they stand.
            .env_remove("RECORD_STATEMENTS");
    }

    fn state(&self, file: &str) -> PathBuf {
        self.folder.path().join(".meridian").join(file)
    }

    /// The process of a node, since it is ready.
    fn node(&self, name: &str) -> Option<Pid> {
        let file = self.state(&format!("cockroach/{name}/node.pid"));
        Pid::from_raw(fs::read_to_string(file).ok()?.parse().ok()?)
    }

    fn nodes(&self) -> [Pid; 6] {
        NODES.map(|name| self.node(name).unwrap())
    }

    /// Waits until there is another process of a node than this one.
    fn replaces(&self, name: &str, old: Pid, meanwhile: impl Fn()) {
        eventually("another process of the node", SOON, || {
            meanwhile();
            self.node(name).is_some_and(|new| new != old) && !is_alive(old)
        });
    }

    /// What `up` told people.
    fn told(&self) -> String {
        fs::read_to_string(self.folder.path().join("up.stderr")).unwrap()
    }

    fn token(&self) -> String {
        let token = run(self.folder.path(), &["token", "--role", "manager"]);
        format!("Bearer {}", token.stdout.trim_end())
    }

    /// Makes an item through a region; the same key is the same item.
    fn make_item(&self, world: &World, region: usize, key: &str) -> Option<Answer> {
        let headers = [
            ("Authorization", self.token()),
            ("Content-Type", "application/json".into()),
            ("Idempotency-Key", key.into()),
        ];
        let headers = headers
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        let item = ITEM.replace("KEPT-1", key);
        send(
            &world.authority(region),
            "POST /v1/warehouse/items",
            &headers,
            &item,
        )
    }

    fn reads(&self, world: &World, region: usize, made: &Answer) -> u16 {
        let (token, request) = (self.token(), format!("GET {}", made.header("location")));
        let headers = [
            ("Authorization", token.as_str()),
            ("Consistency-Token", made.header("consistency-token")),
        ];
        let read = send(&world.authority(region), &request, &headers, "").unwrap();
        if read.status == 200 {
            assert_eq!(read.body, made.body);
        }
        read.status
    }
}

fn assert_ready(world: &World, regions: &[usize]) {
    for region in regions {
        let answer = get(&world.authority(*region), "/readyz");
        assert_eq!(
            answer.as_ref().map(|(status, _)| *status),
            Some(200),
            "{answer:?}"
        );
    }
}

fn kill(pid: Pid, signal: Signal) {
    kill_process(pid, signal).unwrap();
}

/// The fields behind the name in a process's own account of itself: its state, its parent.
fn stat(pid: Pid) -> Option<(String, i32)> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    let mut fields = stat.rsplit(") ").next()?.split(' ');
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// A process that nobody has waited for yet is still listed, but runs no more.
fn is_alive(pid: Pid) -> bool {
    stat(pid).is_some_and(|(state, _)| state != "Z")
}

fn guard_of(pid: Pid) -> Pid {
    Pid::from_raw(stat(pid).unwrap().1).unwrap()
}

/// One cluster for a whole story, since each takes seconds to make.
#[test]
fn a_cluster_outlives_its_parts_and_ends_with_up() {
    let cluster = Cluster::new();
    let wished: u16 = cluster.ports[1].parse().unwrap();
    let taken = TcpListener::bind(("127.0.0.1", wished + 1)).unwrap();
    let world = cluster.up(&[]);
    comes_up(&cluster, &world, wished);
    let made = cluster.make_item(&world, 0, "made-first").unwrap();
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(cluster.reads(&world, 2, &made), 200);

    is_initialised_once(&cluster, wished);
    starts_a_killed_node_again(&cluster, &world);
    is_patient_with_a_node_that_does_not_start(&cluster, &world);
    goes_on_beside_a_hung_node(&cluster, &world);
    replaces_a_node_without_a_guard(&cluster, &world);
    assert_eq!(cluster.reads(&world, 1, &made), 200);
    drop(taken);
    let world = stops_and_starts(&cluster, world, &made);
    let world = ends_when_it_is_killed_but_for_an_orphan(&cluster, world, &made);
    begins_anew(&cluster, world, &made);
}

fn comes_up(cluster: &Cluster, world: &World, wished: u16) {
    assert_ready(world, &[0, 1, 2]);
    let told = cluster.told();
    assert!(told.contains("making one cluster"), "{told}");
    // The stand-in shows no regions. Everything else of a placement is tested on its model and its grammar.
    assert!(told.contains("no table is placed"), "{told}");
    for node in NODES {
        assert!(told.contains(&format!("node {node} is ready")), "{told}");
    }
    let mut pids: Vec<_> = cluster.nodes().map(Pid::as_raw_nonzero).into();
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 6);
    let hosts = world.database.split(['@', '/']).nth(3).unwrap();
    assert_eq!(hosts.split(',').count(), 6, "{hosts}");
    assert!(hosts.contains(&format!(":{wished},")), "{hosts}");
    assert!(
        !hosts.contains(&format!(":{},", wished + 1)),
        "it is taken: {hosts}"
    );
}

fn is_initialised_once(cluster: &Cluster, port: u16) {
    let host = format!("--host=127.0.0.1:{port}");
    let again = cluster.cockroach(&["init", "--insecure", &host]);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(
        again
            .stderr
            .contains("cluster has already been initialized"),
        "{again:?}"
    );
    let unknown = cluster.cockroach(&["init", "--insecure", "--hots=127.0.0.1:1"]);
    assert!(
        unknown.stderr.contains("unknown flag: --hots"),
        "{unknown:?}"
    );
}

fn starts_a_killed_node_again(cluster: &Cluster, world: &World) {
    let old = cluster.node(NODES[0]).unwrap();
    kill(old, Signal::KILL);
    let made = cluster
        .make_item(world, 0, "made-while-a-node-is-dead")
        .unwrap();
    assert_eq!(made.status, 201, "{made:?}");
    cluster.replaces(NODES[0], old, || assert_ready(world, &[0, 1, 2]));
    assert_eq!(cluster.reads(world, 0, &made), 200);
}

fn is_patient_with_a_node_that_does_not_start(cluster: &Cluster, world: &World) {
    let old = cluster.node(NODES[4]).unwrap();
    let program = cluster.folder.path().join("programs/cockroach");
    fs::remove_file(&program).unwrap();
    symlink("/bin/false", &program).unwrap();
    kill(old, Signal::KILL);
    let ends = format!("node {} ended", NODES[4]);
    let took = eventually("three ends", SOON, || {
        assert_ready(world, &[0, 1, 2]);
        cluster.told().matches(&ends).count() >= 3
    });
    assert!(
        took > Duration::from_millis(500),
        "{took:?}: there are pauses"
    );
    fs::remove_file(&program).unwrap();
    symlink(stand_in(), &program).unwrap();
    cluster.replaces(NODES[4], old, || assert_ready(world, &[0, 1, 2]));
}

/// Who had connections to it waits until they time out, and goes to the next node.
fn goes_on_beside_a_hung_node(cluster: &Cluster, world: &World) {
    let hung = cluster.node(NODES[2]).unwrap();
    kill(hung, Signal::STOP);
    let took = eventually("its region writes", SOON, || {
        assert_ready(world, &[0, 2]);
        let made = cluster.make_item(world, 1, "made-beside-a-hung-node");
        made.is_some_and(|made| made.status == 201)
    });
    eprintln!("beside a hung node its region wrote after {took:?}");
    eventually("its region is ready", SOON, || {
        get(&world.authority(1), "/readyz").is_some_and(|(status, _)| status == 200)
    });
    kill(hung, Signal::CONT);
    assert_eq!(cluster.node(NODES[2]), Some(hung));
}

fn replaces_a_node_without_a_guard(cluster: &Cluster, world: &World) {
    let old = cluster.node(NODES[5]).unwrap();
    kill(guard_of(old), Signal::KILL);
    cluster.replaces(NODES[5], old, || assert_ready(world, &[0, 1]));
}

fn stops_and_starts(cluster: &Cluster, mut world: World, made: &Answer) -> World {
    let nodes = cluster.nodes();
    world.signal(Signal::INT);
    assert_eq!(world.wait(), Some(0));
    assert!(!nodes.into_iter().any(is_alive), "nothing is left running");
    for node in NODES {
        let log = fs::read_to_string(cluster.state(&format!("logs/{node}.log"))).unwrap();
        assert!(
            log.contains("received signal 'terminated'"),
            "{node}: {log}"
        );
    }
    let world = cluster.up(&[]);
    assert_ready(&world, &[0, 1, 2]);
    assert!(
        !cluster.told().contains("making one cluster"),
        "{}",
        cluster.told()
    );
    assert_eq!(cluster.reads(&world, 2, made), 200);
    world
}

fn ends_when_it_is_killed_but_for_an_orphan(
    cluster: &Cluster,
    mut world: World,
    made: &Answer,
) -> World {
    let nodes = cluster.nodes();
    let [orphan, others @ ..] = nodes;
    // Stopped, so that it does not see the end of the guard before its own.
    world.signal(Signal::STOP);
    kill(guard_of(orphan), Signal::KILL);
    world.signal(Signal::KILL);
    world.wait();
    eventually("guards end their nodes", SOON, || {
        !others.into_iter().any(is_alive)
    });
    assert!(is_alive(orphan), "nobody is left to end it");
    let world = cluster.up(&[]);
    assert!(!is_alive(orphan));
    assert_ready(&world, &[0, 1, 2]);
    assert_eq!(cluster.reads(&world, 0, made), 200);
    world
}

fn begins_anew(cluster: &Cluster, mut world: World, made: &Answer) {
    world.signal(Signal::TERM);
    assert_eq!(world.wait(), Some(0));
    let world = cluster.up(&["--fresh"]);
    assert_ready(&world, &[0, 1, 2]);
    assert!(
        cluster.told().contains("making one cluster"),
        "{}",
        cluster.told()
    );
    let headers = [("Authorization", cluster.token())];
    let headers = headers
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let request = format!("GET {}", made.header("location"));
    let read = send(&world.authority(1), &request, &headers, "").unwrap();
    assert_eq!(read.status, 404, "{read:?}");
    let problem: Value = serde_json::from_str(&read.body).unwrap();
    assert_eq!(problem["status"], 404);
}

/// What `up` says whose program `cockroach` is this script.
fn up_of(script: &str) -> Ended {
    let folder = open_folder();
    let program = folder.path().join("cockroach");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut up = meridian(folder.path());
    up.args(["up", "--engine", "cockroach"]);
    let up = ended(up.env("PATH", folder.path()));
    assert_eq!((up.code, up.stdout.as_str()), (Some(1), ""), "{up:?}");
    up
}

#[test]
fn a_node_that_does_not_start_ends_up_with_what_it_said() {
    let up = up_of(
        "echo 'ERROR: this machine has no clock' >&2; echo 'Failed running \"start\"' >&2; exit 1",
    );
    let last = up.stderr.lines().last().unwrap();
    assert!(
        last.starts_with("meridian: starting CockroachDB failed: ERROR: this machine"),
        "{last}"
    );
    assert!(last.contains("logs/cockroach-"), "{last}");
}

#[test]
fn ports_that_others_take_first_are_replaced_but_not_for_ever() {
    let up =
        up_of("echo 'ERROR: listen tcp 127.0.0.1:26257: bind: address already in use' >&2; exit 1");
    let others = "a port was taken by another process, choosing others";
    assert_eq!(up.stderr.matches(others).count(), 4, "{up:?}");
}
