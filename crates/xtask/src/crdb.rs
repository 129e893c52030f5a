//! Whether CockroachDB would parse our SQL, by the grammar its makers publish.
//!
//! The checker is a program of its own (`check_sql.py` with the published grammars beside it); where it is
//! not here, this says so loudly and lets the rest go on.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

use crate::{
    run,
    tidy::{rust, sources, sql},
    tree,
};

/// Both releases that are promised: the newest, and the one with long-term support.
const GRAMMARS: &[&str] = &["stmt_block.bnf", "stmt_block_v25.4.bnf"];

/// What the checker warns of and is meant, and where: rows that are hot on PostgreSQL are queued for there only; the
/// planner unlocks a table before it moves it, which its own tests hold it and its page to; and the doctor's questions on
/// nodes, which have no other source, are put together so that they stand whole only where tests record them.
const WARNINGS: &[(&str, &[&str])] = &[
    (
        "pg_advisory_",
        &[
            "platform-db.src.write.attempt.rs",
            "testkit.src.db.rs",
            RECORDED,
        ],
    ),
    ("SET LOCALITY needs", &[RECORDED, "docs.placement.md"]),
    ("crdb_internal is refused by default", &[RECORDED]),
];

/// Where tests write statements down, below `target/`.
const RECORDED: &str = "statements/recorded";

/// What clones a PostgreSQL for a test, or breaks it, is in its own words: no service sends them.
const POSTGRES_ONLY: [&str; 2] = [
    "crates/testkit/src/region.rs",
    "crates/testkit/src/template.rs",
];

/// Checks every `.sql` file, every statement that stands whole in a source file, and what documents tell to type.
pub(crate) fn check() -> Result<()> {
    let folder = run::target().join("statements/sources");
    empty(&folder)?;
    let mut paths = Vec::new();
    for file in tree::files(run::root())? {
        if file.has_extension("sql") {
            paths.push(run::root().join(&file.path));
        } else if file.has_extension("rs")
            && file.path.contains("/src/")
            && !file.path.contains("xtask")
            && !POSTGRES_ONLY.contains(&file.path.as_str())
            && !sources::is_test(&file.path)
        {
            let statements = statements(&file.text);
            if !statements.is_empty() {
                let path = folder.join(format!("{}.sql", file.path.replace('/', ".")));
                fs::write(&path, statements)?;
                paths.push(path);
            }
        } else if file.has_extension("md") {
            let blocks = sql_blocks(&file.text);
            if !blocks.trim().is_empty() {
                let path = folder.join(format!("{}.sql", file.path.replace('/', ".")));
                fs::write(&path, blocks)?;
                paths.push(path);
            }
        }
    }
    parse(&paths)
}

/// Where the tests that prepare every `STATEMENTS` of every system write them down, those put together by
/// macros included: made empty.
pub(crate) fn recorded() -> Result<PathBuf> {
    let folder = run::target().join(RECORDED);
    empty(&folder)?;
    Ok(folder)
}

/// Checks what the tests wrote down.
pub(crate) fn check_recorded(folder: &Path) -> Result<()> {
    let entries = fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    parse(&entries.iter().map(fs::DirEntry::path).collect::<Vec<_>>())
}

fn parse(paths: &[PathBuf]) -> Result<()> {
    let Some(checker) = checker() else {
        eprintln!(
            "SKIPPED: the CockroachDB grammar checker is not here; its folder can be named by CRDB_CHECKER"
        );
        return Ok(());
    };
    for grammar in GRAMMARS {
        let mut command = Command::new("python3");
        command
            .arg(checker.join("check_sql.py"))
            .arg("--lint")
            .arg("--grammar")
            .arg(checker.join(grammar));
        let output = command.args(paths).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let faults = faults(&said);
        for fault in &faults {
            eprintln!("{fault}");
        }
        if !faults.is_empty() {
            bail!("{grammar}: {} places, named above", faults.len());
        }
        if !output.status.success() {
            bail!("{grammar}: {}", String::from_utf8_lossy(&output.stderr));
        }
        eprintln!("{grammar}: {}", said.lines().last().unwrap_or_default());
    }
    Ok(())
}

/// The lines of what the checker said that name a place, but for the warnings that are meant.
fn faults(said: &str) -> Vec<&str> {
    let is_meant = |line: &str| {
        WARNINGS.iter().any(|(warning, places)| {
            line.contains(warning) && places.iter().any(|place| line.contains(place))
        })
    };
    said.lines()
        .filter(|line| line.contains(": syntax error") || line.contains(": warning: "))
        .filter(|line| !is_meant(line))
        .collect()
}

fn empty(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(fs::create_dir_all(folder)?),
    }
}

fn checker() -> Option<PathBuf> {
    let folder = env::var_os("CRDB_CHECKER")
        .map_or_else(|| run::root().join("../shared/tools/crdb"), PathBuf::from);
    let whole =
        |folder: &Path| folder.join("check_sql.py").is_file() && run::on_path("python3").is_some();
    whole(&folder).then_some(folder)
}

/// What stands in the `sql` blocks of a document, each line at its own place.
fn sql_blocks(markdown: &str) -> String {
    let mut inside = false;
    let mut text = String::new();
    for line in markdown.lines() {
        if line.starts_with("```") {
            inside = line == "```sql";
        } else if inside {
            text.push_str(line);
        }
        text.push('\n');
    }
    text
}

/// The statements of a source file, each after the line it stands in.
fn statements(source: &str) -> String {
    let literals = rust::parse(source).literals;
    literals
        .iter()
        // A brace is a place that `format!` fills, wherever the text is kept meanwhile.
        .filter(|literal| {
            literal.whole && sql::is_statement(&literal.text) && !literal.text.contains('{')
        })
        .map(|literal| {
            format!(
                "-- line {}\n{};\n",
                literal.line,
                literal.text.trim_end_matches(';')
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_statements_are_taken() {
        let source = "const A: &str = \"SELECT 1\";\nlet b = format!(\"SELECT {x}\");\nlet c = \"select a place\";";
        assert_eq!(statements(source), "-- line 1\nSELECT 1;\n");
    }

    #[test]
    fn what_does_not_parse_is_named_and_so_is_a_warning_that_is_not_meant() {
        let said = "a.sql:3: syntax error near 'LOCALTY'\n\
            target/statements/recorded/1.sql:1: warning: SET LOCALITY needs `SET (schema_locked = false)` first\n\
            b.sql:1: warning: SET LOCALITY needs `SET (schema_locked = false)` first\n\
            target/statements/recorded/2.sql:2: warning: crdb_internal is refused by default since v26.1\n\
            c.sql:2: warning: crdb_internal is refused by default since v26.1\n\
            crates.platform-db.src.write.attempt.rs.sql:2: warning: pg_advisory_lock does nothing\n\
            crates.hub.src.load.rs.sql:2: warning: pg_advisory_lock does nothing\n\
            1 of 5 statements failed\n";
        let named: Vec<&str> = faults(said)
            .iter()
            .map(|line| line.split(':').next().unwrap_or_default())
            .collect();
        assert_eq!(
            named,
            ["a.sql", "b.sql", "c.sql", "crates.hub.src.load.rs.sql"]
        );
    }

    /// The checker is the judge of a clause that is mistyped; where it is not here, nothing is shown.
    #[test]
    fn a_clause_that_is_mistyped_is_refused_by_both_grammars() {
        let path = env::temp_dir().join(format!("mistyped-{}.sql", std::process::id()));
        for (clause, parses) in [
            ("SET LOCALITY REGIONAL BY ROW AS crdb_region", true),
            ("SET LOCALTY REGIONAL BY ROW AS crdb_region", false),
            ("SET LOCALITY REGIONAL BY ROWS", false),
            ("SET (ttl_expiration_expression = )", false),
        ] {
            fs::write(&path, format!("ALTER TABLE sales.orders {clause};\n")).unwrap();
            for grammar in GRAMMARS {
                let Some(said) = said_of(&path, grammar) else {
                    continue;
                };
                let names_it = said.contains("mistyped-") && said.contains(":1: syntax error");
                assert_eq!(names_it, !parses, "{grammar}: {said}");
            }
        }
        fs::remove_file(&path).unwrap();
    }

    fn said_of(path: &Path, grammar: &str) -> Option<String> {
        let checker = checker()?;
        let mut command = Command::new("python3");
        command
            .arg(checker.join("check_sql.py"))
            .arg("--grammar")
            .arg(checker.join(grammar))
            .arg(path);
        Some(String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned())
    }

    #[test]
    fn the_statements_of_a_document_keep_their_lines() {
        let document = "# Run\n```sql\nSHOW JOBS;\n```\n```sh\nls\n```\n";
        assert_eq!(sql_blocks(document), "\n\nSHOW JOBS;\n\n\n\n\n");
    }
}
