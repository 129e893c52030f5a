use std::{
    collections::BTreeSet, fs, net::TcpListener, os::unix::fs::PermissionsExt as _, path::Path,
    process::Stdio, time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{World, ended, eventually, get, listens, meridian, open_folder, psql, run};

const SOON: Duration = Duration::from_secs(30);

/// One world for a whole story, since each takes seconds to make.
#[test]
fn a_world_comes_up_refuses_a_second_one_and_ends_even_when_it_is_killed() {
    let dir = open_folder();
    let port = free_port();
    let taken = TcpListener::bind(("127.0.0.1", port + 1)).unwrap();
    let args = [
        "--port",
        &port.to_string(),
        "--database-port",
        &free_port().to_string(),
    ];
    let mut world = World::up(dir.path(), &args);
    let tags: Vec<_> = world.regions.iter().map(|(tag, _)| tag.as_str()).collect();
    assert_eq!(tags, ["eu1", "us1", "ap1"]);
    assert_eq!(world.authority(0), format!("127.0.0.1:{port}"));
    assert_ne!(
        world.authority(1),
        format!("127.0.0.1:{}", port + 1),
        "it is taken"
    );
    for index in 0..3 {
        assert_eq!(get(&world.authority(index), "/readyz").unwrap().0, 200);
    }
    assert!(
        world.database.starts_with("postgres://"),
        "{}",
        world.database
    );
    let progress = fs::read_to_string(dir.path().join("up.stderr")).unwrap();
    assert!(
        progress.contains("ready") && !progress.contains("http://127."),
        "{progress}"
    );

    refuses_a_second_one(&world, dir.path());
    keeps_its_secrets(dir.path());
    seeds_once(dir.path());
    has_nothing_to_migrate(dir.path());
    has_nothing_to_place(dir.path());
    is_well(dir.path());
    refuses_a_schema_of_the_future(&world, dir.path());

    // Killed without a word: everything it started ends by itself.
    let addresses = world.addresses();
    world.signal(Signal::KILL);
    world.wait();
    eventually("children end", SOON, || {
        !addresses.iter().any(|address| listens(address))
    });

    // And the next one finds its data, on the ports that it wants.
    drop(taken);
    let mut world = World::up(dir.path(), &args);
    assert_eq!(world.authority(1), format!("127.0.0.1:{}", port + 1));
    let addresses = world.addresses();
    world.signal(Signal::INT);
    assert_eq!(world.wait(), Some(0));
    assert!(
        !addresses.iter().any(|address| listens(address)),
        "nothing is left running"
    );
    assert!(!dir.path().join(".meridian/world.json").exists());
}

fn refuses_a_second_one(world: &World, folder: &Path) {
    let second = run(folder, &["up"]);
    assert_eq!(
        (second.code, second.stdout.as_str()),
        (Some(4), ""),
        "{second:?}"
    );
    assert!(
        second.line().contains(&world.child.id().to_string()),
        "{}",
        second.line()
    );
}

fn keeps_its_secrets(folder: &Path) {
    for name in ["issuer.pem", "jwks.json", "secrets.json", "world.json"] {
        let metadata = fs::metadata(folder.join(".meridian").join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

fn seeds_once(folder: &Path) {
    let seed = |items: &str| {
        let seeded = run(folder, &["seed", "--items", items, "--seed", "7", "--json"]);
        assert_eq!(seeded.code, Some(0), "{seeded:?}");
        let json: Value = serde_json::from_str(&seeded.stdout).unwrap();
        (
            json["loaded"].as_u64().unwrap(),
            json["present"].as_u64().unwrap(),
        )
    };
    assert_eq!(seed("1500"), (1500, 3), "the demo company was there");
    assert_eq!(seed("1500"), (0, 1503));
    assert_eq!(
        seed("2000"),
        (500, 1503),
        "a larger catalogue loads what is missing"
    );
}

fn is_well(folder: &Path) {
    let told = run(folder, &["doctor", "--strict", "--json"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    let json: Value = serde_json::from_str(&told.stdout).unwrap();
    let checks = json["checks"].as_array().unwrap();
    assert!(checks.len() > 20, "{json}");
    assert!(
        checks.iter().all(|check| check["outcome"] == "pass"),
        "{json}"
    );
}

fn has_nothing_to_place(folder: &Path) {
    for args in [&["regions", "plan"][..], &["regions", "apply"]] {
        let told = run(folder, args);
        assert_eq!(told.code, Some(0), "{told:?}");
        assert!(
            told.stdout.contains("nothing to place: this is PostgreSQL"),
            "{told:?}"
        );
    }
    let plan = run(folder, &["regions", "plan", "--json"]);
    assert_eq!(plan.stdout.trim_end(), "{\"hindrance\":null,\"steps\":[]}");
    let plan = run(folder, &["regions", "plan", "--sql"]);
    assert!(plan.stdout.starts_with("-- nothing to place"), "{plan:?}");
}

fn has_nothing_to_migrate(folder: &Path) {
    let migrated = run(folder, &["migrate", "--json"]);
    assert_eq!(migrated.code, Some(0), "{migrated:?}");
    let migrated: Value = serde_json::from_str(&migrated.stdout).unwrap();
    assert_eq!(migrated["applied"], serde_json::json!([]));
}

/// A server of an older build does not serve what it cannot know.
fn refuses_a_schema_of_the_future(world: &World, folder: &Path) {
    let history = "platform.migrations_platform";
    psql(
        &world.database,
        &format!(
            "INSERT INTO {history} (version, name, applied_on, checksum) \
             VALUES (9999, 'of_the_future', '2026-01-01T00:00:00Z', '1')"
        ),
    );
    let keys = [
        "--jwks",
        ".meridian/jwks.json",
        "--issuer",
        "urn:meridian:development",
    ];
    let mut serve = meridian(folder);
    serve.args([
        "serve",
        "all",
        "--region",
        "eu1",
        "--listen",
        "127.0.0.1:0",
        "--log",
        "error",
    ]);
    let refused = ended(
        serve
            .args(keys)
            .env("MERIDIAN_DATABASE_URL", &world.database),
    );
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.line().contains("9999"), "{}", refused.line());
    psql(
        &world.database,
        &format!("DELETE FROM {history} WHERE version = 9999"),
    );
}

#[test]
fn an_end_before_everything_has_started_leaves_nothing() {
    let dir = open_folder();
    let mut child = meridian(dir.path())
        .args([
            "up",
            "--port",
            &free_port().to_string(),
            "--database-port",
            &free_port().to_string(),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    let state = dir.path().join(".meridian");
    eventually("initdb runs", SOON, || {
        state.join("run/initdb.lock").exists()
    });
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    for lock in fs::read_dir(state.join("run")).unwrap() {
        let lock = lock.unwrap().path();
        fs::File::open(&lock)
            .unwrap()
            .try_lock()
            .unwrap_or_else(|_| panic!("{} is held", lock.display()));
    }
}

#[test]
fn streams_may_be_closed() {
    let dir = open_folder();
    let script = format!(
        "exec {} up --port {} --database-port {} <&- >&- 2>&-",
        env!("CARGO_BIN_EXE_meridian"),
        free_port(),
        free_port()
    );
    let mut child = std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(dir.path())
        .spawn()
        .unwrap();
    let told = dir.path().join(".meridian/world.json");
    eventually("it is up", Duration::from_secs(90), || told.exists());
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_database_that_cannot_be_reached_ends_up_with_the_reason() {
    let dir = open_folder();
    let up = ended(meridian(dir.path()).args([
        "up",
        "--database-url",
        "postgres://a:hunter2@127.0.0.1:1/b",
    ]));
    assert_eq!((up.code, up.stdout.as_str()), (Some(1), ""), "{up:?}");
    let last = up.stderr.lines().last().unwrap();
    assert!(
        last.starts_with("meridian: ") && !up.stderr.contains("hunter2"),
        "{last}"
    );
}

#[test]
fn a_cluster_without_its_program_ends_up_with_how_to_get_it() {
    let dir = open_folder();
    let mut up = meridian(dir.path());
    let up = ended(
        up.args(["up", "--engine", "cockroach"])
            .env("PATH", "/nowhere"),
    );
    assert_eq!((up.code, up.stdout.as_str()), (Some(1), ""), "{up:?}");
    let last = up.stderr.lines().last().unwrap();
    assert!(
        last.starts_with("meridian: there is no cockroach") && last.contains("7 days"),
        "{last}"
    );
}

/// A port that nobody has now, with two more after it.
pub(crate) fn free_port() -> u16 {
    (0..50)
        .find_map(|_| {
            let port = TcpListener::bind("127.0.0.1:0")
                .ok()?
                .local_addr()
                .ok()?
                .port();
            (1..3)
                .all(|step| TcpListener::bind(("127.0.0.1", port + step)).is_ok())
                .then_some(port)
        })
        .expect("three free ports in a row")
}

#[test]
fn two_worlds_that_start_at_once_with_the_same_wishes_share_no_port() {
    let folders = [open_folder(), open_folder()];
    let args = ["--port".to_owned(), free_port().to_string()];
    let args = args.each_ref().map(String::as_str);
    let worlds = std::thread::scope(|scope| {
        folders
            .each_ref()
            .map(|folder| scope.spawn(move || World::up(folder.path(), &args)))
            .map(|world| world.join().unwrap())
    });
    let all: Vec<_> = worlds.iter().flat_map(World::addresses).collect();
    let different: BTreeSet<_> = all.iter().collect();
    assert_eq!((all.len(), different.len()), (8, 8), "{all:?}");
}
