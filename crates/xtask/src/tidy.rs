//! The rules of the house that neither rustc nor clippy knows.
//!
//! Every rule is a function from files to findings, so that its tests are small bad files.

mod docs;
mod manifests;
pub(crate) mod rust;
pub(crate) mod sources;
pub(crate) mod sql;
mod statements;

use std::fmt;

use anyhow::{Context as _, Result, bail};

use crate::{run, tree};

/// A place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) problem: String,
}

impl Finding {
    pub(crate) fn new(path: &str, line: usize, problem: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line,
            problem: problem.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.problem)
    }
}

/// Checks the whole repository.
pub(crate) fn tidy() -> Result<()> {
    let files = tree::files(run::root())?;
    let mut metadata = run::cargo();
    let metadata = run::output(metadata.args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata = serde_json::from_str(&metadata).context("cargo metadata did not print JSON")?;
    let mut findings = manifests::check(&metadata, &files);
    for file in &files {
        findings.extend(sources::check(file));
    }
    findings.extend(sql::check(&files));
    findings.extend(statements::check(&files));
    findings.extend(docs::check(&files));
    findings.sort();
    for finding in &findings {
        eprintln!("{finding}");
    }
    if findings.is_empty() {
        Ok(())
    } else {
        bail!("{} findings", findings.len())
    }
}
