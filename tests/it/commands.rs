//! The command line that scripts stand on.

use std::{
    collections::BTreeSet,
    net::TcpListener,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::json;

use crate::{
    wait,
    world::{Start, binary, payload, shared},
};

#[tokio::test]
async fn a_token_says_what_was_asked_for() {
    let world = shared().await;
    let manager = payload(&world.token(&["--role", "manager"]));
    assert_eq!(
        (&manager["sub"], &manager["offices"]),
        (&"dev:manager".into(), &"*".into())
    );
    assert_eq!(manager["aud"], "meridian");
    assert_eq!(
        manager["exp"].as_i64().unwrap() - manager["iat"].as_i64().unwrap(),
        3600
    );
    let arguments = [
        "--role",
        "viewer",
        "--offices",
        "ber,nyc",
        "--sub",
        "shop",
        "--ttl",
        "60s",
    ];
    let viewer = payload(&world.token(&arguments));
    assert_eq!(viewer["sub"], "shop");
    assert_eq!(viewer["offices"], serde_json::json!(["ber", "nyc"]));
    assert_eq!(
        viewer["exp"].as_i64().unwrap() - viewer["iat"].as_i64().unwrap(),
        60
    );
    for bad in [
        vec!["--role", "king"],
        vec!["--role", "viewer", "--ttl", "2h"],
        vec!["--role", "viewer", "--offices", "B E R"],
        vec![],
    ] {
        let (status, stdout, stderr) = world.meridian(&[vec!["token"], bad.clone()].concat());
        assert!(
            !status.success() && stdout.is_empty() && !stderr.is_empty(),
            "{bad:?}: {stdout}{stderr}"
        );
    }
}

#[tokio::test]
async fn every_command_explains_itself() {
    let world = shared().await;
    for command in [
        "serve",
        "migrate",
        "up",
        "seed",
        "token",
        "openapi",
        "healthcheck",
    ] {
        let (status, stdout, _) = world.meridian(&[command, "--help"]);
        assert!(status.success(), "{command}");
        let text = stdout.to_lowercase();
        assert!(
            text.contains("example") && text.contains("exit"),
            "{command}: {stdout}"
        );
    }
    let (status, _, stderr) = world.meridian(&["dance"]);
    assert_eq!(status.code(), Some(2), "{stderr}");
}

#[tokio::test]
async fn a_bad_quota_names_what_would_do() {
    for quota in ["lots", "q=0;w=60", "q=5", "q=5;w=0"] {
        let (status, stderr) = Start {
            arguments: &["--quota", quota],
            ..Start::default()
        }
        .up_fails();
        assert!(!status.success(), "{quota}");
        assert!(
            stderr.contains("quota") && !stderr.contains("panicked"),
            "{quota}: {stderr}"
        );
    }
}

#[tokio::test]
async fn the_health_of_a_region_can_be_asked_from_a_shell() {
    let world = shared().await;
    let (status, _, stderr) = world.meridian(&["healthcheck", "--url", world.url("eu1")]);
    assert!(status.success(), "{stderr}");
    let nobody = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://127.0.0.1:{}", nobody.local_addr().unwrap().port());
    drop(nobody);
    let (status, _, stderr) = world.meridian(&["healthcheck", "--url", &url]);
    assert!(!status.success());
    assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
}

#[tokio::test]
async fn a_demo_company_is_there_and_a_catalogue_can_be_added() {
    let world = Start::default().up().await;
    let api = world.manager("eu1");
    let demo = api.get("/v1/warehouse/items").await;
    let items = demo.expect(200).json();
    for (name, country, amount) in [
        ("item_1", "DE", 10_000),
        ("item_2", "FR", 5_000),
        ("item_3", "ES", 7_000),
    ] {
        let item = items["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|item| item["name"] == name);
        let item = item.unwrap_or_else(|| panic!("{name}: {items}"));
        assert_eq!(item["country_of_origin"], country);
        assert!(
            item["prices"]
                .as_array()
                .unwrap()
                .iter()
                .any(|price| price["amount_minor"] == amount),
            "{item}"
        );
    }
    let (status, _, stderr) = world.meridian(&["seed", "--items", "500", "--seed", "7"]);
    assert!(status.success(), "{stderr}");
    let full = api.get("/v1/warehouse/items?limit=200").await;
    assert_eq!(
        full.expect(200).json()["data"].as_array().unwrap().len(),
        200
    );
}

#[tokio::test]
async fn a_history_of_stock_is_loaded_once_and_balances() {
    let world = shared().await;
    let api = world.manager("us1");
    // The demo company has stock and books at every office.
    let books = api
        .get("/v1/reports/trial-balance")
        .await
        .expect(200)
        .json();
    let offices: BTreeSet<_> = books["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["account"] == "1000")
        .map(|line| line["office"].to_string())
        .collect();
    assert_eq!(offices.len(), 9, "{books}");
    let arguments = [
        "seed", "--items", "20", "--seed", "3", "--scale", "400", "--json",
    ];
    let mut told = Vec::new();
    for _ in 0..2 {
        let (status, stdout, stderr) = world.meridian(&arguments);
        assert!(status.success(), "{stderr}");
        told.push(serde_json::from_str::<serde_json::Value>(&stdout).unwrap());
    }
    assert_eq!(told[0]["movements"], 400, "{told:?}");
    assert!(told[0]["entries"].as_u64() > Some(100), "{told:?}");
    assert_eq!(
        (&told[1]["movements"], &told[1]["entries"]),
        (&json!(0), &json!(0))
    );
    let worth = api
        .get("/v1/reports/stock-valuation")
        .await
        .expect(200)
        .json();
    for office in worth["offices"].as_array().unwrap() {
        assert_eq!(
            office["value_minor"], office["account_1300_minor"],
            "{office}"
        );
    }
    // Two years ago there was little, and nothing before.
    let now = api
        .get("/v1/warehouse/movements?limit=1")
        .await
        .expect(200)
        .json();
    let month: i64 = now["data"][0]["recorded_at"].as_str().unwrap()[..4]
        .parse()
        .unwrap();
    let past = format!(
        "/v1/reports/stock-valuation?as_of={}-06-01T00:00:00.000Z",
        month - 1
    );
    let past = api.get(&past).await.expect(200).json();
    assert_eq!(past["final"], true);
    assert!(past["data"].as_array().unwrap().len() < worth["data"].as_array().unwrap().len());
}

#[tokio::test]
async fn without_a_world_there_are_no_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary());
    command
        .args(["token", "--role", "viewer"])
        .current_dir(folder.path())
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("meridian up"), "the remedy is named: {text}");
    assert_eq!(text.trim_end().lines().count(), 1, "{text}");
}

#[tokio::test]
async fn the_printed_curl_lines_work_as_they_stand() {
    let world = shared().await;
    // The page for people may still be on its way when the lines for scripts are there.
    let page = async || Some(world.stdout()).filter(|text| text.contains("Ctrl-C"));
    let (page, _) = wait::until("the page for a newcomer", Duration::from_secs(20), page).await;
    let lines: Vec<_> = page
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("curl "))
        .collect();
    assert!(lines.len() >= 3, "{page}");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("meridian token --role manager)")),
        "{page}"
    );
    for line in lines {
        let mut shell = Command::new("sh");
        // Its own output, and the status behind it.
        let line = line.replacen("curl ", "curl -w '\\n%{http_code}' ", 1);
        let output = shell
            .args(["-c", &line])
            .current_dir(world.folder().path())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        assert!(
            status.starts_with('2'),
            "{line}\n{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            serde_json::from_str::<serde_json::Value>(body).is_ok(),
            "{line}\n{body}"
        );
    }
}
