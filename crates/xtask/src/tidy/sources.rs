//! What a single source file may say.

use super::{Finding, rust};
use crate::tree::File;

/// A file that no reader can hold in mind.
const LINES_MAX: usize = 800;

/// Every rule over one file.
pub(super) fn check(file: &File) -> Vec<Finding> {
    let mut findings = words(file);
    if file.has_extension("rs") {
        findings.extend(size(file));
        findings.extend(names(file));
        findings.extend(layers(file));
        findings.extend(silenced(file));
    }
    if is_test(&file.path) {
        findings.extend(sleeps(file));
    }
    findings
}

/// Whether it holds nothing but tests.
pub(crate) fn is_test(path: &str) -> bool {
    path.ends_with(".rs")
        && (path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs"))
}

fn size(file: &File) -> Option<Finding> {
    let lines = file.text.lines().count();
    (lines > LINES_MAX)
        .then(|| Finding::new(&file.path, lines, format!("more than {LINES_MAX} lines")))
}

/// Marks of unfinished work, and places of one machine. Put together here, so that this file is clean.
fn words(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let banned = [
        ("TO", "DO"),
        ("FIX", "ME"),
        ("HA", "CK:"),
        ("XX", "X:"),
        ("to", "do!("),
        ("unimpl", "emented!("),
        ("#[ig", "nore"),
        ("/ro", "ot/"),
        ("/wo", "rk/"),
    ];
    // Licences and lock files are not ours to word.
    if ["LICENSE", "Cargo.lock"].contains(&file.path.as_str()) {
        return findings;
    }
    for (line, text) in file.lines() {
        for (head, tail) in banned {
            let word = format!("{head}{tail}");
            if text.contains(&word) {
                findings.push(Finding::new(
                    &file.path,
                    line,
                    format!("{word} must not appear"),
                ));
            }
        }
    }
    findings
}

/// Names that say nothing, and the one file name that hides where a module is.
fn names(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let name = file.path.rsplit('/').next().unwrap_or_default();
    if name == "mod.rs" {
        findings.push(Finding::new(
            &file.path,
            1,
            "a folder x/ has its module in x.rs, not in mod.rs",
        ));
    }
    if [
        "common.rs",
        "util.rs",
        "utils.rs",
        "helper.rs",
        "helpers.rs",
        "misc.rs",
    ]
    .contains(&name)
    {
        findings.push(Finding::new(
            &file.path,
            1,
            "a drawer for anything; say what it holds",
        ));
    }
    for (line, text) in rust::parse(&file.text).code.lines().enumerate() {
        for keyword in ["struct ", "enum ", "trait "] {
            let Some((_, rest)) = text.split_once(keyword) else {
                continue;
            };
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
            for vague in ["Manager", "Helper", "Dto", "Impl", "Util", "Utils"] {
                if name.ends_with(vague) {
                    let problem = format!("{name}: the ending {vague} says nothing");
                    findings.push(Finding::new(&file.path, line + 1, problem));
                }
            }
        }
    }
    findings
}

/// Inside a system: api → ops → domain and storage, storage → domain, and domain knows nobody.
fn layers(file: &File) -> Vec<Finding> {
    let layer = ["api", "ops", "domain", "storage"]
        .into_iter()
        .find(|layer| {
            file.path.contains(&format!("/src/{layer}/"))
                || file.path.ends_with(&format!("/src/{layer}.rs"))
        });
    let forbidden: &[&str] = match layer {
        Some("ops") => &["crate::api", "axum::"],
        Some("storage") => &["crate::api", "crate::ops", "axum::"],
        Some("domain") => &[
            "crate::api",
            "crate::ops",
            "crate::storage",
            "axum::",
            "tokio::",
            "platform_db::",
            "platform_http::",
        ],
        _ => &[],
    };
    let mut findings = Vec::new();
    for (line, text) in rust::parse(&file.text).code.lines().enumerate() {
        for name in forbidden.iter().filter(|name| text.contains(*name)) {
            let problem = format!("{} must not name {name}", layer.unwrap_or_default());
            findings.push(Finding::new(&file.path, line + 1, problem));
        }
    }
    findings
}

/// A lint that does not apply is expected with its reason, so that it is missed when it comes to apply.
fn silenced(file: &File) -> Vec<Finding> {
    let code = rust::parse(&file.text).code;
    let lines = code.lines().enumerate();
    lines
        .filter(|(_, text)| text.contains("#[allow(") || text.contains("#![allow("))
        .map(|(line, _)| Finding::new(&file.path, line + 1, "use #[expect(lint, reason = \"…\")]"))
        .collect()
}

/// A test that waits by the clock is slow on good days and wrong on bad ones. What looks for a condition
/// again and again may pause between two looks, and where time itself is the point the line above says so.
fn sleeps(file: &File) -> Vec<Finding> {
    let code = rust::parse(&file.text).code;
    let mut findings = Vec::new();
    let mut looks_again = false;
    for (line, text) in code.lines().enumerate() {
        if let Some((_, name)) = text.split_once("fn ") {
            looks_again = ["eventually", "poll", "until", "wait"]
                .iter()
                .any(|verb| name.starts_with(verb));
        }
        let sleeps = text.contains("thread::sleep(") || text.contains("time::sleep(");
        let above = line
            .checked_sub(1)
            .and_then(|above| file.text.lines().nth(above));
        let reasoned = above.is_some_and(|text| text.trim_start().starts_with("// "));
        if sleeps && !looks_again && !reasoned {
            let problem =
                "wait for a condition with a deadline, or say above why time is the point";
            findings.push(Finding::new(&file.path, line + 1, problem));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&File {
            path: path.into(),
            text: text.into(),
        })
        .iter()
        .map(ToString::to_string)
        .collect()
    }

    #[test]
    fn tidy_files_pass() {
        assert!(
            found(
                "crates/hub/src/ops/read_status.rs",
                "use crate::domain::Status;\n"
            )
            .is_empty()
        );
    }

    #[test]
    fn unfinished_work_is_found_anywhere() {
        let mark = ["TO", "DO"].concat();
        assert_eq!(
            found("docs/a.md", &format!("one\n{mark}: two"))[0],
            format!("docs/a.md:2: {mark} must not appear")
        );
        assert!(found("LICENSE", &mark).is_empty());
    }

    #[test]
    fn files_are_short_and_named_for_what_they_hold() {
        assert_eq!(found("crates/x/src/a.rs", &"\n".repeat(801)).len(), 1);
        assert!(found("crates/x/src/a.rs", &"\n".repeat(800)).is_empty());
        assert_eq!(found("crates/x/src/a/mod.rs", "").len(), 1);
        assert_eq!(found("crates/x/src/utils.rs", "").len(), 1);
        assert_eq!(
            found("crates/x/src/a.rs", "pub struct PoolManager;").len(),
            1
        );
        assert!(
            found(
                "crates/x/src/a.rs",
                "pub struct Implied; // struct PoolManager"
            )
            .is_empty()
        );
    }

    #[test]
    fn layers_look_one_way() {
        assert_eq!(
            found(
                "crates/warehouse/src/domain/item.rs",
                "use platform_db::Row;"
            )
            .len(),
            1
        );
        assert_eq!(
            found(
                "crates/warehouse/src/storage/items.rs",
                "use crate::{a, b};\nuse crate::ops::x;"
            )
            .len(),
            1
        );
        assert_eq!(
            found("crates/warehouse/src/ops.rs", "fn f() -> axum::Router").len(),
            1
        );
        assert!(
            found(
                "crates/warehouse/src/api/items.rs",
                "use crate::ops::x; use axum::Router;"
            )
            .is_empty()
        );
    }

    #[test]
    fn lints_are_expected_not_allowed() {
        assert_eq!(
            found("crates/x/src/a.rs", "#[allow(dead_code)]\nfn f() {}").len(),
            1
        );
        assert!(found("crates/x/src/a.rs", "#[expect(dead_code, reason = \"x\")]").is_empty());
    }

    #[test]
    fn tests_do_not_wait_by_the_clock() {
        let text = "std::thread::sleep(x);\ntokio::time::sleep(x).await;";
        assert_eq!(found("tests/it/main.rs", text).len(), 2);
        assert_eq!(found("crates/x/tests/it/main.rs", text).len(), 2);
        assert!(found("crates/x/src/a.rs", text).is_empty());
        let looking = "fn eventually(what: &str) {\n    thread::sleep(x);\n}\n";
        assert!(found("tests/it/main.rs", looking).is_empty());
        assert_eq!(
            found(
                "tests/it/main.rs",
                &format!("{looking}fn f() {{ thread::sleep(x) }}")
            )
            .len(),
            1
        );
        let reasoned = "// Longer than a head may take.\nthread::sleep(x);";
        assert!(found("tests/it/main.rs", reasoned).is_empty());
    }
}
