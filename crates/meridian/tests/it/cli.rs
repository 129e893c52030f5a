use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use crate::support::{ended, meridian, open_folder, run};

const SUBCOMMANDS: [&str; 9] = [
    "doctor",
    "up",
    "serve",
    "migrate",
    "regions",
    "seed",
    "token",
    "openapi",
    "healthcheck",
];

#[test]
fn every_subcommand_has_help_with_examples_and_exit_codes() {
    let dir = open_folder();
    let overview = run(dir.path(), &["--help"]);
    assert_eq!(overview.code, Some(0));
    assert!(overview.stdout.contains("Exit codes:"));
    for name in SUBCOMMANDS {
        assert!(overview.stdout.contains(name), "{name}");
        let help = run(dir.path(), &[name, "--help"]);
        assert_eq!(help.code, Some(0), "{name}");
        for part in [
            "Usage:",
            "Examples:",
            "Exit codes:",
            &format!("meridian {name}"),
        ] {
            assert!(
                help.stdout.contains(part),
                "{name}: {part}\n{}",
                help.stdout
            );
        }
    }
    assert!(
        !overview.stdout.contains("guard"),
        "the guard is nobody's subcommand"
    );
}

#[test]
fn a_wrong_command_line_is_code_2_and_one_line() {
    let dir = open_folder();
    for args in [
        &["nothing"][..],
        &["up", "--nothing"],
        &["up", "--quota", "600"],
        &["up", "--port", "70000"],
        &["up", "--engine", "oracle"],
        &[
            "up",
            "--engine",
            "cockroach",
            "--database-url",
            "postgres://h/d",
        ],
        &["serve", "all"],
        &[
            "serve", "payroll", "--region", "eu1", "--jwks", "a", "--issuer", "b",
        ],
        &["token"],
        &["token", "--role", "king"],
        &["token", "--role", "viewer", "--ttl", "2h"],
        &["token", "--role", "viewer", "--offices", ""],
        &["seed", "--items", "-1"],
        &["regions", "show"],
        &["regions", "plan", "--json", "--sql"],
        &["healthcheck", "--url", "localhost"],
    ] {
        let ended = run(dir.path(), args);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(2), ""),
            "{args:?}"
        );
        assert!(
            ended.line().contains("--help"),
            "{args:?}: {}",
            ended.line()
        );
    }
}

#[test]
fn what_is_missing_is_named_with_its_remedy() {
    let dir = open_folder();
    let serve = [
        "serve",
        "all",
        "--region",
        "eu1",
        "--jwks",
        "jwks.json",
        "--issuer",
        "x",
        "--listen",
        "127.0.0.1:0",
    ];
    for (args, code, remedy) in [
        (&serve[..], 2, "MERIDIAN_DATABASE_URL"),
        (&["migrate"], 1, "meridian up"),
        (&["seed"], 1, "meridian up"),
        (&["regions", "plan"], 1, "meridian up"),
        (&["regions", "apply", "--yes"], 1, "meridian up"),
        (
            &["migrate", "--database-url-file", "/nowhere/url"],
            1,
            "/nowhere/url",
        ),
        (
            &["up", "--regions", "/nowhere/regions"],
            1,
            "/nowhere/regions",
        ),
        (&["up", "--pg-bin", "/nowhere/bin"], 1, "MERIDIAN_PG_BIN"),
    ] {
        let ended = run(dir.path(), args);
        assert_eq!(ended.code, Some(code), "{args:?}: {ended:?}");
        let last = ended.stderr.lines().last().unwrap();
        assert!(
            last.starts_with("meridian: ") && last.contains(remedy),
            "{args:?}: {last}"
        );
    }
}

#[test]
fn a_region_that_is_none_is_told_with_those_that_are() {
    let dir = open_folder();
    let args = [
        "serve",
        "hub",
        "--region",
        "mars",
        "--jwks",
        "jwks.json",
        "--issuer",
        "x",
        "--listen",
        "127.0.0.1:0",
    ];
    let ended = run(dir.path(), &args);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("mars") && ended.stderr.contains("eu1"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_taken_address_has_an_exit_code_of_its_own() {
    let dir = open_folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let args = [
        "serve",
        "all",
        "--region",
        "eu1",
        "--jwks",
        "jwks.json",
        "--issuer",
        "x",
        "--listen",
        &address,
    ];
    let ended = ended(
        meridian(dir.path())
            .args(args)
            .env("MERIDIAN_DATABASE_URL", "postgres://a:b@127.0.0.1:1/c"),
    );
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(
        ended.stderr.contains(&address) && ended.stderr.contains("--listen"),
        "{}",
        ended.stderr
    );
}

/// Answers one request with this status.
fn answering(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 1024];
        let _ = stream.read(&mut head).unwrap();
        let body = r#"{"status":"as told"}"#;
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
    });
    address
}

#[test]
fn healthcheck_ends_with_0_only_when_the_server_can_serve() {
    let dir = open_folder();
    let check = |address: &str| {
        run(
            dir.path(),
            &["healthcheck", "--url", &format!("http://{address}")],
        )
    };
    let ready = check(&answering("200 OK"));
    assert_eq!(
        (ready.code, ready.stdout.as_str(), ready.stderr.as_str()),
        (Some(0), "ok\n", "")
    );
    let draining = check(&answering("503 Service Unavailable"));
    assert_eq!((draining.code, draining.stdout.as_str()), (Some(1), ""));
    assert!(draining.line().contains("503"), "{}", draining.line());
    let nobody = check("127.0.0.1:1");
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.line().contains("no answer"), "{}", nobody.line());
}

#[test]
fn healthcheck_tells_scripts_the_same_as_json() {
    let dir = open_folder();
    let address = answering("503 Service Unavailable");
    let ended = run(
        dir.path(),
        &[
            "healthcheck",
            "--json",
            "--url",
            &format!("http://{address}"),
        ],
    );
    let answer: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (answer["ok"].as_bool(), answer["status"].as_u64()),
        (Some(false), Some(503))
    );
    assert_eq!(ended.code, Some(1));
}

#[test]
fn the_contract_prints_without_a_database_and_into_a_closed_pipe() {
    let dir = open_folder();
    let ended = run(dir.path(), &["openapi"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let document: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for path in [
        "/v1/warehouse/items",
        "/v1/offices",
        "/v1/regions",
        "/v1/writes/{key}",
    ] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    let again = run(dir.path(), &["openapi"]);
    assert_eq!(
        again.stdout, ended.stdout,
        "the document does not depend on the run"
    );

    let mut child = meridian(dir.path())
        .arg("openapi")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
