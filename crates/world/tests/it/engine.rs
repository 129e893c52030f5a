use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    process::{Command, Stdio},
    time::Duration,
};

use platform_runtime::Shutdown;
use world::{EngineOptions, Progress};

use crate::support::{
    Bench, eventually, guard, here, is_alive, kill, open_to_all, postmaster, prepare, psql, start,
};

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_database_is_made_once_private_and_ends_with_its_guard() {
    let bench = Bench::new();
    let hold = bench.hold();
    let (mut engine, running) = start(&hold, here()).await;
    let made = psql(
        &engine,
        "CREATE TABLE t AS SELECT current_database()::text, current_user::text",
    );
    assert_eq!(made, Ok(String::new()));
    assert_eq!(
        psql(&engine, "SELECT * FROM t"),
        Ok("meridian|meridian".into())
    );
    assert_eq!(
        psql(&engine, "SHOW listen_addresses"),
        Ok("127.0.0.1".into())
    );
    assert_eq!(
        psql(&engine, "SHOW unix_socket_directories"),
        Ok(String::new())
    );
    assert_eq!(
        psql(
            &engine,
            "SELECT bool_and(auth_method = 'scram-sha-256') FROM pg_hba_file_rules"
        ),
        Ok("t".into())
    );

    let data = bench.data();
    assert_eq!(
        fs::metadata(&data).unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert_ne!(
        fs::metadata(&data).unwrap().uid(),
        0,
        "PostgreSQL refuses root"
    );
    let pid = postmaster(&data).unwrap();
    running.end(SOON).await;
    assert!(!is_alive(pid));

    // The next start finds the data.
    let running = engine.start_first().await.unwrap();
    assert_eq!(psql(&engine, "SELECT count(*) FROM t"), Ok("1".into()));
    running.end(SOON).await;
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let bench = Bench::new();
    let hold = bench.hold();
    let (engine, running) = start(&hold, here()).await;
    let url = engine.owner_url().replace("meridian:", "meridian:x");
    let output = Command::new(engine.programs().join("psql"))
        .args(["-c", "SELECT 1", &url])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("password authentication failed"));
    running.end(SOON).await;
}

#[tokio::test]
async fn a_killed_server_is_back_within_five_seconds_with_every_commit() {
    let bench = Bench::new();
    let hold = bench.hold();
    let (engine, running) = start(&hold, here()).await;
    psql(&engine, "CREATE TABLE t (n INT8)").unwrap();
    let stop = Shutdown::new();
    let data = bench.data();
    let hurt = async {
        // A backend that is busy outlives its postmaster and holds its memory.
        let mut busy = Command::new(engine.programs().join("psql"))
            .args([
                "-Xq",
                "-c",
                "SELECT count(*) FROM generate_series(1, 1000000000000)",
                &engine.owner_url(),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        eventually("a busy backend", SOON, || {
            psql(&engine, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series(1,%' AND pid <> pg_backend_pid()")
                == Ok("1".into())
        })
        .await;
        psql(&engine, "INSERT INTO t VALUES (1)").unwrap();
        let pid = postmaster(&data).unwrap();
        kill(pid);
        let took = eventually("the server is back", Duration::from_secs(10), || {
            postmaster(&data).is_some_and(|new| new != pid)
                && psql(&engine, "SELECT count(*) FROM t") == Ok("1".into())
        })
        .await;
        assert!(took < Duration::from_secs(5), "{took:?}");
        busy.wait().unwrap();
        stop.begin();
    };
    tokio::join!(engine.keep(running, stop.clone(), Progress::quiet()), hurt);
    assert_eq!(postmaster(&data), None, "the server has left");
}

#[tokio::test]
async fn a_killed_guard_leaves_a_server_that_the_next_start_replaces() {
    let bench = Bench::new();
    let hold = bench.hold();
    let (engine, running) = start(&hold, here()).await;
    let data = bench.data();
    let old = postmaster(&data).unwrap();
    let guard: i32 = fs::read_to_string(format!("/proc/{old}/stat"))
        .unwrap()
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.split(' ').nth(1)?.parse().ok())
        .unwrap();
    let stop = Shutdown::new();
    let hurt = async {
        kill(guard);
        eventually("another server", SOON, || {
            postmaster(&data).is_some_and(|new| new != old)
                && psql(&engine, "SELECT 1") == Ok("1".into())
        })
        .await;
        assert!(!is_alive(old));
        stop.begin();
    };
    tokio::join!(engine.keep(running, stop.clone(), Progress::quiet()), hurt);
}

#[tokio::test]
async fn a_pid_file_whose_number_belongs_to_another_program_is_stale() {
    let bench = Bench::new();
    let hold = bench.hold();
    let (mut engine, running) = start(&hold, here()).await;
    running.end(SOON).await;
    let data = bench.data();
    // Our own number: alive, and no server.
    fs::write(
        data.join("postmaster.pid"),
        format!("{}\n{}\n", std::process::id(), data.display()),
    )
    .unwrap();
    let running = engine.start_first().await.unwrap();
    assert_eq!(psql(&engine, "SELECT 1"), Ok("1".into()));
    running.end(SOON).await;
}

#[tokio::test]
async fn a_taken_port_is_replaced() {
    let bench = Bench::new();
    let hold = bench.hold();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let options = EngineOptions {
        port: Some(port),
        ..here()
    };
    let (engine, running) = start(&hold, options).await;
    assert_ne!(engine.port(), port);
    assert_eq!(psql(&engine, "SELECT 1"), Ok("1".into()));
    running.end(SOON).await;
}

#[tokio::test]
async fn lost_passwords_are_told_with_the_remedy() {
    let bench = Bench::new();
    let hold = bench.hold();
    drop(prepare(&hold, here()).await);
    fs::remove_file(bench.state().join("secrets.json")).unwrap();
    let error = world::Engine::prepare(&hold, &here(), &guard(), &Progress::quiet())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("--fresh"), "{error}");
}

#[tokio::test]
async fn as_root_in_a_closed_folder_data_goes_where_its_owner_can_enter() {
    if !rustix::process::geteuid().is_root() {
        // Anyone else runs the server as themselves, wherever they are: the same start must just work.
        let bench = Bench::new();
        let hold = bench.hold();
        start(&hold, here()).await.1.end(SOON).await;
        assert!(!bench.state().join("home").exists());
        return;
    }
    let bench = Bench::new();
    let hold = bench.hold();
    fs::set_permissions(bench.dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let (engine, running) = start(&hold, here()).await;
    let data = bench.data();
    assert!(!data.starts_with(bench.dir.path()), "{}", data.display());
    assert_eq!(psql(&engine, "SELECT 1"), Ok("1".into()));
    running.end(SOON).await;
    world::engine::wipe(&hold).unwrap();
    assert!(!data.exists() && !bench.state().join("home").exists());
    open_to_all(bench.dir.path());
}

#[test]
fn the_guard_ends_its_child_when_its_input_ends() {
    use std::io::Write as _;
    let mut guard = Command::new(guard())
        .arg("guard")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = guard.stdin.take().unwrap();
    writeln!(
        stdin,
        r#"{{"program":"/bin/sleep","args":["600"],"folder":"/","account":null,"ending":"fast"}}"#
    )
    .unwrap();
    drop(stdin);
    assert_eq!(
        guard.wait().unwrap().code(),
        Some(130),
        "128 + SIGINT, as sent"
    );
}

#[test]
fn the_guard_passes_on_how_its_child_ended() {
    use std::io::Write as _;
    let mut guard = Command::new(guard())
        .arg("guard")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = guard.stdin.take().unwrap();
    writeln!(
        stdin,
        r#"{{"program":"/bin/sh","args":["-c","exit 7"],"folder":"/","account":null,"ending":"fast"}}"#
    )
    .unwrap();
    assert_eq!(guard.wait().unwrap().code(), Some(7));
}
