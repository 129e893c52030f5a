//! Documentation that points at something points at something that is there.

use std::collections::BTreeSet;

use super::{Finding, rust};
use crate::tree::File;

const PROBLEMS: &str = "docs/problems.md";

/// Codes of the contract whose operations are not here yet; their pages are. This list only shrinks.
const LATER: &[&str] = &["fx_rate_required", "transfer_state"];

const ARCHITECTURE: &str = "docs/ARCHITECTURE.md";

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = problems(files);
    for file in files.iter().filter(|file| file.has_extension("md")) {
        findings.extend(links(file, files));
        if file.path == ARCHITECTURE && file.text.lines().count() > 400 {
            findings.push(Finding::new(
                &file.path,
                400,
                "more than 400 lines; nobody will read it",
            ));
        }
    }
    findings.extend(crate_docs(files));
    findings
}

/// The page of problems has one heading per code, and no other.
fn problems(files: &[File]) -> Vec<Finding> {
    let codes = problem_codes(files);
    let Some(page) = files.iter().find(|file| file.path == PROBLEMS) else {
        return codes
            .iter()
            .map(|code| Finding::new(PROBLEMS, 1, format!("no heading {code}")))
            .collect();
    };
    let headings: Vec<_> = page
        .lines()
        .filter_map(|(line, text)| Some((line, text.strip_prefix("## ")?.trim().trim_matches('`'))))
        .collect();
    let mut findings = Vec::new();
    for code in &codes {
        if !headings.iter().any(|(_, heading)| heading == code) {
            findings.push(Finding::new(PROBLEMS, 1, format!("no heading {code}")));
        }
    }
    for (line, heading) in &headings {
        if !codes.contains(*heading) && !LATER.contains(heading) {
            findings.push(Finding::new(
                PROBLEMS,
                *line,
                format!("{heading} is no code of ours"),
            ));
        }
    }
    let both = LATER.iter().filter(|code| codes.contains(**code));
    findings.extend(both.map(|code| {
        Finding::new(
            PROBLEMS,
            1,
            format!("{code} is here: take it off LATER in xtask"),
        )
    }));
    findings
}

/// The codes of every `ProblemType` in the sources.
fn problem_codes(files: &[File]) -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for file in files
        .iter()
        .filter(|file| file.path.contains("/src/") && file.has_extension("rs"))
    {
        if !file.text.contains("ProblemType") {
            continue;
        }
        let source = rust::parse(&file.text);
        for literal in source.literals {
            let line = file.text.lines().nth(literal.line - 1).unwrap_or_default();
            if declares(line, &literal.text) {
                codes.insert(literal.text);
            }
        }
    }
    codes
}

/// Whether the line declares a problem type with this code: `NAME: "code", 409, "Title"`,
/// `ProblemType::new("code", 409, "Title")` or `code: "code"`.
fn declares(line: &str, code: &str) -> bool {
    let plain = !code.is_empty()
        && code
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b"_-".contains(&b));
    let Some((_, after)) = line.split_once(&format!("\"{code}\"")) else {
        return false;
    };
    let status = after
        .trim_start_matches([',', ' '])
        .chars()
        .take_while(char::is_ascii_digit)
        .count()
        == 3;
    plain && (status || line.trim_start().starts_with("code: "))
}

/// Links between files lead somewhere.
fn links(file: &File, files: &[File]) -> Vec<Finding> {
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut findings = Vec::new();
    for (line, text) in file.lines() {
        for part in text.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or_default();
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with('/') {
                continue;
            }
            let path = joined(folder, target);
            let there = files
                .iter()
                .any(|other| other.path == path || other.path.starts_with(&format!("{path}/")));
            if !there {
                findings.push(Finding::new(
                    &file.path,
                    line,
                    format!("{target} leads nowhere"),
                ));
            }
        }
    }
    findings
}

fn joined(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// Every crate's README is its documentation.
fn crate_docs(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for manifest in files
        .iter()
        .filter(|file| file.path.starts_with("crates/") && file.path.ends_with("/Cargo.toml"))
    {
        let folder = manifest.path.trim_end_matches("/Cargo.toml");
        if !files
            .iter()
            .any(|file| file.path == format!("{folder}/README.md"))
        {
            findings.push(Finding::new(folder, 1, "has no README.md"));
        }
        let roots = [
            format!("{folder}/src/lib.rs"),
            format!("{folder}/src/main.rs"),
        ];
        for root in files.iter().filter(|file| roots.contains(&file.path)) {
            let lib_too =
                root.path.ends_with("main.rs") && files.iter().any(|file| file.path == roots[0]);
            if !lib_too
                && !root
                    .text
                    .contains("#![doc = include_str!(\"../README.md\")]")
            {
                findings.push(Finding::new(
                    &root.path,
                    1,
                    "must include README.md as its documentation",
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| File {
                path: (*path).into(),
                text: (*text).into(),
            })
            .collect();
        check(&files).iter().map(ToString::to_string).collect()
    }

    const CODES: (&str, &str) = (
        "crates/hub/src/problem.rs",
        "const A: ProblemType = ProblemType::new(\"sku_taken\", 409, \"Taken\");\n// \"not_this\", 404\nlog(\"nor_this\");",
    );

    #[test]
    fn every_code_has_a_heading_and_every_heading_a_code() {
        assert!(found(&[CODES, ("docs/problems.md", "# Problems\n## sku_taken\n")]).is_empty());
        assert_eq!(
            found(&[CODES, ("docs/problems.md", "# Problems\n")]),
            ["docs/problems.md:1: no heading sku_taken"]
        );
        assert_eq!(
            found(&[CODES, ("docs/problems.md", "## sku_taken\n## gone\n")]),
            ["docs/problems.md:2: gone is no code of ours"]
        );
    }

    #[test]
    fn links_lead_somewhere() {
        let there = (
            "docs/adr/0001-a.md",
            "[up](../ARCHITECTURE.md#top) [web](https://example.com) [here](#x)",
        );
        let page = ("docs/ARCHITECTURE.md", "[all](adr) [one](adr/0001-a.md)");
        assert!(found(&[there, page]).is_empty());
        assert_eq!(
            found(&[("README.md", "x\n[gone](docs/gone.md)")]),
            ["README.md:2: docs/gone.md leads nowhere"]
        );
    }

    #[test]
    fn crates_are_documented_by_their_readme() {
        let manifest = ("crates/x/Cargo.toml", "");
        assert_eq!(found(&[manifest, ("crates/x/src/lib.rs", "")]).len(), 2);
        let lib = (
            "crates/x/src/lib.rs",
            "#![doc = include_str!(\"../README.md\")]",
        );
        assert!(found(&[manifest, lib, ("crates/x/README.md", "")]).is_empty());
    }
}
