//! `up` from its start to its end, and the command line that scripts stand on.

use std::{
    collections::BTreeSet, fs, net::TcpListener, os::unix::fs::PermissionsExt as _, time::Duration,
};

use crate::{
    http::{Api, send},
    processes, wait,
    world::{Start, World, another_user, shared},
};

/// Time for three servers and a database to finish what they do.
const END_WITHIN: Duration = Duration::from_secs(20);

/// Everything a world runs.
fn parts(world: &World) -> Vec<u32> {
    let parts = processes::descendants(world.up_pid());
    let listeners: BTreeSet<_> = ["eu1", "us1", "ap1"]
        .iter()
        .map(|tag| world.port(tag))
        .chain([world.database_port()])
        .map(|port| processes::listener(port).unwrap_or_else(|| panic!("nobody listens on {port}")))
        .collect();
    assert_eq!(listeners.len(), 4, "three servers and a database");
    parts.into_iter().chain(listeners).collect()
}

async fn assert_gone(world: &World, parts: &[u32]) {
    let left = async || {
        parts
            .iter()
            .all(|pid| !processes::is_alive(*pid))
            .then_some(())
    };
    wait::until("the end of every process of the world", END_WITHIN, left).await;
    for (tag, _) in &world.regions {
        assert_eq!(
            processes::listener(world.port(tag)),
            None,
            "{tag} still listens"
        );
    }
    assert_eq!(
        processes::listener(world.database_port()),
        None,
        "the database still listens"
    );
}

#[tokio::test]
async fn up_prints_what_scripts_stand_on() {
    let world = shared().await;
    let tags: Vec<_> = world.regions.iter().map(|(tag, _)| tag.as_str()).collect();
    assert_eq!(tags, ["eu1", "us1", "ap1"]);
    assert!(
        world.database.starts_with("postgres://"),
        "{}",
        world.database
    );
    let log = world.stderr();
    assert!(!log.is_empty(), "progress goes to stderr");
    assert!(!log.contains("http://127."), "no address on stderr: {log}");
}

#[tokio::test]
async fn a_second_up_on_the_same_state_is_refused() {
    let world = shared().await;
    let second = Start {
        folder: Some(world.folder().clone()),
        ..Start::default()
    };
    let (status, stderr) = second.up_fails();
    assert_eq!(status.code(), Some(4), "{stderr}");
    assert!(stderr.contains("another"), "{stderr}");
    world.manager("eu1").get("/v1/offices").await.expect(200);
}

#[tokio::test]
async fn signals_end_up_cleanly_and_what_was_written_stays() {
    let mut world = Start::default().up().await;
    let folder = world.folder().clone();
    let item = serde_json::json!({"sku": "KEPT-1", "name": "Cup", "description": "Stays.", "country_of_origin": "FR", "unit": "each"});
    let created = world
        .manager("eu1")
        .post("/v1/warehouse/items", "kept-item-key", &item)
        .await;
    created.expect(201);
    let all = parts(&world);
    processes::signal(world.up_pid(), "INT");
    assert!(world.ended(END_WITHIN).await.success());
    assert_gone(&world, &all).await;

    let mut again = Start {
        folder: Some(folder),
        ..Start::default()
    }
    .up()
    .await;
    again
        .manager("us1")
        .get(created.header("location").unwrap())
        .await
        .expect(200);
    let all = parts(&again);
    processes::signal(again.up_pid(), "TERM");
    assert!(again.ended(END_WITHIN).await.success());
    assert_gone(&again, &all).await;
}

#[tokio::test]
async fn killing_up_leaves_nothing_running_and_the_next_one_starts() {
    let mut world = Start::default().up().await;
    let folder = world.folder().clone();
    let all = parts(&world);
    processes::signal(world.up_pid(), "KILL");
    world.ended(END_WITHIN).await;
    assert_gone(&world, &all).await;
    // The pid that it left behind is stale.
    let again = Start {
        folder: Some(folder),
        ..Start::default()
    }
    .up()
    .await;
    again.manager("ap1").get("/v1/offices").await.expect(200);
}

#[tokio::test]
async fn a_taken_port_is_replaced_and_printed() {
    // Whoever has the default port, it is taken.
    let taken = TcpListener::bind(("127.0.0.1", 8101));
    let world = Start::default().up().await;
    assert_ne!(world.port("eu1"), 8101);
    drop(taken);
    let ports: BTreeSet<_> = world
        .regions
        .iter()
        .map(|(tag, _)| world.port(tag))
        .collect();
    assert_eq!(ports.len(), 3);
    world.manager("eu1").get("/v1/offices").await.expect(200);
}

#[tokio::test]
async fn another_user_has_a_world_too() {
    let user = another_user();
    if user.is_none() {
        eprintln!("not root: the other tests ran as an ordinary user already");
    }
    let mut world = Start {
        user,
        ..Start::default()
    }
    .up()
    .await;
    world
        .manager("us1")
        .get("/v1/offices/ber")
        .await
        .expect(200);
    let all = parts(&world);
    processes::signal(world.up_pid(), "INT");
    assert!(world.ended(END_WITHIN).await.success());
    assert_gone(&world, &all).await;
}

#[tokio::test]
async fn a_folder_that_only_its_owner_enters_is_enough() {
    let folder = shared().await.folder().path().join("closed");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    let state = folder.join("state");
    let state = state.to_str().unwrap();
    let world = Start {
        arguments: &["--state", state],
        ..Start::default()
    }
    .up()
    .await;
    let api = Api::new(
        world.url("eu1"),
        Some(world.token(&["--role", "viewer", "--state", state])),
    );
    api.get("/v1/offices").await.expect(200);
    // As root the data is in a folder of the server's user, which the state records and would outlive it here.
    let elsewhere = fs::read_to_string(folder.join("state/home"));
    drop(world);
    if let Ok(home) = elsewhere {
        fs::remove_dir_all(home.trim()).unwrap();
    }
}

#[tokio::test]
async fn a_quota_is_met_and_answered() {
    let world = Start {
        arguments: &["--quota", "q=5;w=60"],
        ..Start::default()
    }
    .up()
    .await;
    let api = world.role("eu1", "viewer");
    let mut refused = None;
    for _ in 0..20 {
        let answer = api.get("/v1/offices").await;
        assert_eq!(answer.header("ratelimit-policy"), Some("\"api\";q=5;w=60"));
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        answer.expect(200);
    }
    let refused = refused.expect("the sixth request is one too many");
    refused.expect_problem(429, "quota-exceeded");
    assert!(
        refused
            .header("retry-after")
            .unwrap()
            .parse::<u32>()
            .is_ok(),
        "{refused:#?}"
    );
    assert!(refused.json()["retryable"].as_bool().unwrap());
    // The quota is each principal's own, and each region's.
    world
        .role("eu1", "clerk")
        .get("/v1/offices")
        .await
        .expect(200);
    world
        .role("us1", "viewer")
        .get("/v1/offices")
        .await
        .expect(200);
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_take_its_write_with_it() {
    let world = shared().await;
    let api = world.manager("eu1");
    let key = crate::http::fresh_key();
    let body = serde_json::json!({"sku": key, "name": "Cup", "description": "Made anyway.", "country_of_origin": "FR", "unit": "each"});
    let token = world.token(&["--role", "manager"]);
    // Sends the whole request and closes without reading a byte of the answer.
    let text = body.to_string();
    let request = format!(
        "POST /v1/warehouse/items HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nidempotency-key: {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    );
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", world.port("eu1"))).unwrap();
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    drop(stream);
    let committed = async || {
        let receipt = api.get(&format!("/v1/writes/{key}")).await;
        (receipt.status == 200 && receipt.text_of("status") == "committed").then_some(())
    };
    wait::until(
        "the write whose client hung up",
        Duration::from_secs(10),
        committed,
    )
    .await;
}

/// The region answers, whatever it answers.
pub(crate) async fn answers(api: &Api) -> bool {
    send(api.request("GET", "/healthz")).await.is_ok()
}
