//! The doctor's command line; what it finds is tested in platform-db.

use platform_db::doctor::{CHECKS, On};
use serde_json::Value;

use crate::support::{ended, meridian, open_folder, run};

#[test]
fn a_database_that_does_not_answer_is_told_to_people_and_to_programs() {
    let dir = open_folder();
    let url = dir.path().join("url");
    std::fs::write(&url, "postgres://app:hunter2@127.0.0.1:1/meridian").unwrap();
    let doctor = |more: &[&str]| {
        let mut command = meridian(dir.path());
        command.args(["doctor", "--database-url-file"]).arg(&url);
        ended(command.args(more))
    };
    let told = doctor(&[]);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert_eq!(
        told.line(),
        "meridian: one check failed: what to do stands in the report"
    );
    assert!(
        told.stdout.contains("\nFAIL     hosts       127.0.0.1:1: "),
        "{}",
        told.stdout
    );
    assert!(
        told.stdout
            .contains("-> start it, or take it out of the URL\n"),
        "{}",
        told.stdout
    );
    assert!(!told.stdout.contains("hunter2"), "{}", told.stdout);

    let json = doctor(&["--json"]);
    assert_eq!(json.code, Some(1));
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["fail"], 1, "{json}");
    let hosts = json["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["name"] == "hosts");
    assert_eq!(hosts.unwrap()["outcome"], "fail");

    let one = doctor(&["--check", "schema"]);
    assert_eq!(one.code, Some(0), "what is unknown does not fail: {one:?}");
    assert!(
        one.stdout
            .ends_with("1 checks: 0 pass, 0 fail, 1 unknown\n"),
        "{}",
        one.stdout
    );
    assert_eq!(doctor(&["--check", "schema", "--strict"]).code, Some(1));
}

#[test]
fn a_wrong_command_line_is_code_2() {
    let dir = open_folder();
    for args in [
        &["doctor", "--check", "weather"][..],
        &["doctor", "--instances", "0"],
        &["doctor", "--region", "EU"],
    ] {
        let ended = run(dir.path(), args);
        assert_eq!(ended.code, Some(2), "{args:?}: {ended:?}");
    }
    let nowhere = run(dir.path(), &["doctor"]);
    assert_eq!(nowhere.code, Some(1));
    assert!(nowhere.line().contains("meridian up"), "{}", nowhere.line());
}

/// The table of the documentation is that of the program.
#[test]
fn every_check_is_documented_with_its_remedy() {
    let documented = include_str!("../../../../docs/operations.md");
    let rows: Vec<String> = CHECKS
        .iter()
        .map(|check| {
            let engine = match check.on {
                On::Both => "both",
                On::Postgres => "PostgreSQL",
                On::Cockroach => "CockroachDB",
            };
            format!(
                "| `{}` | {engine} | {} | {} |",
                check.name, check.asks, check.remedy
            )
        })
        .collect();
    let table = rows.join("\n");
    assert!(
        documented.contains(&table),
        "docs/operations.md must have:\n{table}"
    );
}
