//! Whether CockroachDB would parse our SQL, by the grammar its makers publish.
//!
//! The checker is a program of its own (`check_sql.py` with the published grammars beside it); where it is
//! not here, this says so loudly and lets the rest go on.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::{
    run,
    tidy::{rust, sql},
    tree,
};

/// Both releases that are promised: the newest, and the one with long-term support.
const GRAMMARS: &[&str] = &["stmt_block.bnf", "stmt_block_v25.4.bnf"];

/// What breaks a PostgreSQL for a test is in its own words: policies and functions that no service sends.
const POSTGRES_ONLY: &str = "crates/testkit/src/region.rs";

/// Checks every `.sql` file and every statement that stands whole in a source file.
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
            && file.path != POSTGRES_ONLY
        {
            let statements = statements(&file.text);
            if !statements.is_empty() {
                let path = folder.join(format!("{}.sql", file.path.replace('/', ".")));
                fs::write(&path, statements)?;
                paths.push(path);
            }
        }
    }
    parse(&paths)
}

/// Where the tests that prepare every `STATEMENTS` of every system write them down, those put together by
/// macros included: made empty.
pub(crate) fn recorded() -> Result<PathBuf> {
    let folder = run::target().join("statements/recorded");
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
            .arg("--grammar")
            .arg(checker.join(grammar));
        let said = run::output(command.args(paths))?;
        eprintln!("{grammar}: {}", said.lines().last().unwrap_or_default());
    }
    Ok(())
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
}
