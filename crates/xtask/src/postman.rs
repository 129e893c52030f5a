//! `docs/openapi/meridian.postman_collection.json`: one request per operation, made of the document and of a plan that says
//! in which order they run and what later ones need of earlier ones. CI runs it against a world of its own.

mod collection;
mod plan;
mod runner;

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{openapi, run};

pub(crate) use runner::run;

const COLLECTION: &str = "docs/openapi/meridian.postman_collection.json";

/// Builds the binary and writes its collection.
pub(crate) fn write() -> Result<()> {
    run::run(run::cargo().args(["build", "--quiet", "--package", "meridian"]))?;
    let path = run::root().join(COLLECTION);
    fs::write(&path, built(&run::binary())?)
        .with_context(|| format!("could not write {COLLECTION}"))
}

/// Fails when the collection of the document that `binary` prints is not the committed one.
pub(crate) fn check(binary: &Path) -> Result<()> {
    let committed = fs::read_to_string(run::root().join(COLLECTION)).unwrap_or_default();
    if committed != built(binary)? {
        bail!(
            "{COLLECTION} is not what the code says; write it with: cargo xtask openapi --postman"
        );
    }
    Ok(())
}

fn built(binary: &Path) -> Result<String> {
    let document: Value =
        serde_json::from_str(&openapi::built(binary)?).context("the document is not JSON")?;
    let collection = collection::of(&document, plan::PLAN)?;
    Ok(format!("{}\n", serde_json::to_string_pretty(&collection)?))
}
