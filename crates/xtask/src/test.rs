//! `cargo xtask test`: everything CI asks for.

use std::{process::Command, time::Instant};

use anyhow::{Result, bail};

use crate::{crdb, openapi, postgres, postman, run, tidy};

/// Runs every step, also after one that failed, and says at the end which did.
pub(crate) fn test() -> Result<()> {
    let started = Instant::now();
    let mut steps = Steps::default();
    steps.run("tools", tools);
    steps.run("format", || {
        run::run(run::cargo().args(["fmt", "--all", "--check"]))
    });
    steps.run("tidy", tidy::tidy);
    steps.run("lints", || {
        let mut clippy = run::cargo();
        clippy.args([
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--locked",
        ]);
        run::run(clippy.args(["--", "--deny", "warnings"]))
    });
    steps.run("licences and sources", deny);
    steps.run("CockroachDB grammar", crdb::check);
    // The acceptance tests drive the binary that users get, without the fault switches of tests.
    let built = steps.run("binary", || {
        run::run(run::cargo().args(["build", "--quiet", "--locked", "--package", "meridian"]))
    });
    if built {
        steps.run("OpenAPI drift", || openapi::check(&run::binary()));
        steps.run("Postman drift", || postman::check(&run::binary()));
        steps.run("Postman collection", postman::run);
    }
    steps.run("tests", tests);
    let minutes = started.elapsed().as_secs() / 60;
    let seconds = started.elapsed().as_secs() % 60;
    if steps.failed.is_empty() {
        eprintln!("\nall of it passed in {minutes} min {seconds} s");
        return Ok(());
    }
    bail!(
        "after {minutes} min {seconds} s, failed: {}",
        steps.failed.join(", ")
    )
}

#[derive(Debug, Default)]
struct Steps {
    failed: Vec<&'static str>,
}

impl Steps {
    fn run(&mut self, name: &'static str, step: impl FnOnce() -> Result<()>) -> bool {
        eprintln!("\n==> {name}");
        let started = Instant::now();
        let outcome = step();
        if let Err(error) = &outcome {
            eprintln!("{name}: {error:#}");
            self.failed.push(name);
        }
        eprintln!("    {} s", started.elapsed().as_secs());
        outcome.is_ok()
    }
}

/// rustfmt and clippy come with the toolchain; where they do not, rustup adds them.
fn tools() -> Result<()> {
    for component in ["rustfmt", "clippy"] {
        let command = if component == "rustfmt" {
            "fmt"
        } else {
            "clippy"
        };
        if run::succeeds(run::cargo().args([command, "--version"])) {
            continue;
        }
        let add = Command::new("rustup")
            .args(["component", "add", component])
            .status();
        if !add.is_ok_and(|status| status.success()) {
            bail!("{component} is missing; add it with: rustup component add {component}");
        }
    }
    Ok(())
}

fn deny() -> Result<()> {
    if !run::succeeds(run::cargo().args(["deny", "--version"])) {
        eprintln!("SKIPPED: cargo-deny is not here; cargo install --locked cargo-deny");
        return Ok(());
    }
    run::run(run::cargo().args(["deny", "check", "bans", "licenses", "sources"]))
}

/// All tests of the workspace on one PostgreSQL server, which ends with them.
fn tests() -> Result<()> {
    let bin = postgres::find_or_install()?;
    let server = postgres::start(&bin)?;
    eprintln!("PostgreSQL of {} at {}", bin.display(), server.url);
    let recorded = crdb::recorded()?;
    let set = |mut command: Command| {
        command
            .env("TEST_DATABASE_URL", &server.url)
            .env("MERIDIAN_PG_BIN", &bin);
        command
            .env("MERIDIAN_BIN", run::binary())
            .env("RECORD_STATEMENTS", &recorded);
        command
    };
    // The template databases, before runners start that would wait for each other to make them.
    let mut templates = set(run::cargo());
    templates.args(["test", "--quiet", "--locked"]);
    for package in ["platform-db", "accounting", "warehouse", "sales"] {
        templates.args(["--package", package]);
    }
    run::run(templates.args(["--test", "it", "template_is_made"]))?;
    if run::succeeds(run::cargo().args(["nextest", "--version"])) {
        let profile = if std::env::var_os("CI").is_some() {
            "ci"
        } else {
            "default"
        };
        let mut nextest = set(run::cargo());
        nextest.args([
            "nextest",
            "run",
            "--workspace",
            "--locked",
            "--profile",
            profile,
        ]);
        run::run(&mut nextest)?;
        let mut docs = set(run::cargo());
        run::run(docs.args(["test", "--quiet", "--workspace", "--locked", "--doc"]))?;
    } else {
        let mut test = set(run::cargo());
        run::run(test.args(["test", "--workspace", "--locked", "--no-fail-fast"]))?;
    }
    crdb::check_recorded(&recorded)
}
