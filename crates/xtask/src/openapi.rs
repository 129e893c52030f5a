//! `docs/openapi/v1.json`: the contract as committed, compared with the contract as built.

mod diff;

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::run;

const DOCUMENT: &str = "docs/openapi/v1.json";

/// Builds the binary and writes its document.
pub(crate) fn write() -> Result<()> {
    run::run(run::cargo().args(["build", "--quiet", "--package", "meridian"]))?;
    let built = built(&run::binary())?;
    let path = run::root().join(DOCUMENT);
    if let Ok(before) = fs::read_to_string(&path) {
        report(&before, &built)?;
    }
    fs::create_dir_all(path.parent().unwrap_or(&path))?;
    fs::write(&path, built).with_context(|| format!("could not write {DOCUMENT}"))
}

/// Fails when the document that `binary` prints is not the committed one.
pub(crate) fn check(binary: &Path) -> Result<()> {
    let built = built(binary)?;
    let committed = fs::read_to_string(run::root().join(DOCUMENT))
        .with_context(|| format!("{DOCUMENT} is missing; write it with: cargo xtask openapi"))?;
    if committed == built {
        return Ok(());
    }
    report(&committed, &built)?;
    bail!("{DOCUMENT} is not what the code says; if that is meant: cargo xtask openapi")
}

/// The document that `binary` prints.
pub(crate) fn built(binary: &Path) -> Result<String> {
    let mut text = run::output(Command::new(binary).arg("openapi"))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

fn report(before: &str, after: &str) -> Result<()> {
    let before: Value =
        serde_json::from_str(before).context("the committed document is not JSON")?;
    let after: Value = serde_json::from_str(after).context("the built document is not JSON")?;
    for change in diff::changes(&before, &after) {
        eprintln!("{change}");
    }
    Ok(())
}
