//! Which crate may depend on which, and what every manifest says.

use serde_json::Value;

use super::Finding;
use crate::tree::File;

/// The crates from the ground up: each may depend on those of lower floors only.
const FLOORS: &[&[&str]] = &[
    &["kernel"],
    &["topology"],
    &["platform-db", "platform-http", "platform-runtime"],
    &["accounting"],
    &["warehouse"],
    &["sales"],
    &["hub"],
    &["world"],
    &["meridian"],
    &["load"],
];

/// For tests alone: nobody ships them.
const TESTS: &[&str] = &["testkit", "acceptance"];

/// Named by `platform-db` only, and by `testkit`, which makes and breaks databases.
const DRIVERS: &[&str] = &[
    "tokio-postgres",
    "deadpool",
    "deadpool-postgres",
    "deadpool-runtime",
    "refinery",
    "refinery-core",
    "postgres",
    "sqlx",
    "diesel",
];

/// `metadata` is what `cargo metadata --no-deps` prints.
pub(super) fn check(metadata: &Value, files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in list(metadata, "packages") {
        let name = text(package, "name");
        let path = format!("{name}/Cargo.toml");
        if !TESTS.contains(&name) && name != "xtask" && floor(name).is_none() {
            findings.push(Finding::new(
                &path,
                1,
                "is on no floor of the house; see FLOORS in xtask",
            ));
        }
        for dependency in list(package, "dependencies") {
            let on = text(dependency, "name");
            let for_tests = text(dependency, "kind") == "dev";
            if let Some(problem) = arrow(name, on, for_tests) {
                findings.push(Finding::new(&path, 1, problem));
            }
        }
    }
    for file in files
        .iter()
        .filter(|file| file.path.ends_with("/Cargo.toml"))
    {
        findings.extend(manifest(file));
    }
    for file in files.iter().filter(|file| file.path == "Cargo.lock") {
        for (line, text) in file
            .lines()
            .filter(|(_, text)| text.starts_with("source = "))
        {
            if text != r#"source = "registry+https://github.com/rust-lang/crates.io-index""# {
                findings.push(Finding::new(
                    &file.path,
                    line,
                    "a package that is not from crates.io",
                ));
            }
        }
    }
    findings
}

/// Why `from` may not depend on `on`.
fn arrow(from: &str, on: &str, for_tests: bool) -> Option<String> {
    if DRIVERS.contains(&on) && !["platform-db", "testkit"].contains(&from) {
        return Some(format!("only platform-db names {on}"));
    }
    if TESTS.contains(&on) {
        return (!for_tests).then(|| format!("{on} is a dev-dependency or none"));
    }
    let on_floor = floor(on)?;
    if from == "acceptance" || from == "xtask" {
        return Some(format!(
            "{from} stands outside the house and names no crate of it, such as {on}"
        ));
    }
    // What tests borrow does not ship, but a circle of tests is still a circle.
    let from_floor = if from == "testkit" {
        floor("sales")
    } else {
        floor(from)
    }?;
    (on_floor >= from_floor).then(|| format!("arrows run down: {from} may not depend on {on}"))
}

fn floor(name: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&name))
}

/// Versions stand in the workspace's manifest only, and every package takes part in the workspace's lints.
fn manifest(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in file.lines() {
        let pinned = text.contains("version = \"") || is_short_version(text);
        if pinned {
            let problem = "versions stand in [workspace.dependencies] only";
            findings.push(Finding::new(&file.path, line, problem));
        }
    }
    if !file.text.contains("[lints]\nworkspace = true") {
        findings.push(Finding::new(
            &file.path,
            1,
            "must end in [lints] workspace = true",
        ));
    }
    findings
}

/// `name = "1.2"`.
fn is_short_version(line: &str) -> bool {
    let value = line
        .split_once(" = \"")
        .map(|(_, value)| value.trim_end_matches('"'));
    value.is_some_and(|value| value.starts_with(|c: char| c.is_ascii_digit() || "^~=*".contains(c)))
}

fn list<'a>(value: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(member)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value
        .get(member)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arrows_run_down_only() {
        assert_eq!(arrow("hub", "warehouse", false), None);
        assert_eq!(arrow("platform-http", "kernel", false), None);
        for (from, on) in [
            ("warehouse", "hub"),
            ("platform-http", "platform-db"),
            ("kernel", "topology"),
            ("world", "meridian"),
            ("acceptance", "kernel"),
            ("xtask", "world"),
        ] {
            assert!(arrow(from, on, false).is_some(), "{from} {on}");
        }
    }

    #[test]
    fn drivers_and_test_crates_stay_where_they_belong() {
        assert_eq!(arrow("platform-db", "tokio-postgres", false), None);
        assert!(arrow("world", "tokio-postgres", false).is_some());
        assert!(arrow("hub", "refinery-core", true).is_some());
        assert_eq!(arrow("warehouse", "testkit", true), None);
        assert!(arrow("warehouse", "testkit", false).is_some());
    }

    #[test]
    fn findings_name_the_package() {
        let metadata = json!({"packages": [
            {"name": "attic", "dependencies": []},
            {"name": "kernel", "dependencies": [{"name": "hub", "kind": null}]},
        ]});
        let found: Vec<_> = check(&metadata, &[])
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("attic/Cargo.toml:1: is on no floor"));
        assert!(found[1].contains("kernel may not depend on hub"));
    }

    #[test]
    fn versions_stand_in_the_workspace_only() {
        let manifest_of = |text: &str| {
            let text = format!("{text}\n[lints]\nworkspace = true\n");
            manifest(&File {
                path: "crates/x/Cargo.toml".into(),
                text,
            })
            .len()
        };
        assert_eq!(
            manifest_of("serde.workspace = true\nversion.workspace = true\ndescription = \"a 1\""),
            0
        );
        assert_eq!(manifest_of("serde = \"1\""), 1);
        assert_eq!(manifest_of("serde = { version = \"1\" }"), 1);
        assert_eq!(
            manifest(&File {
                path: "crates/x/Cargo.toml".into(),
                text: String::new()
            })
            .len(),
            1
        );
    }

    #[test]
    fn packages_come_from_crates_io() {
        let text = "source = \"git+https://example.com/x\"\n".into();
        let found = check(
            &json!({}),
            &[File {
                path: "Cargo.lock".into(),
                text,
            }],
        );
        assert_eq!(found.len(), 1);
    }
}
