//! `cargo xtask test`: everything CI asks for.

use std::{env, path::Path, process::Command, time::Instant};

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
    let recorded = crdb::recorded()?;
    steps.run("tests", || tests(&recorded));
    steps.run("CockroachDB grammar of what tests recorded", || {
        crdb::check_recorded(&recorded)
    });
    steps.end(started)
}

/// Every test on a given server. What kills its server, or is about the embedded one, has a PostgreSQL of its own all the
/// same.
pub(crate) fn test_on(url: &str) -> Result<()> {
    let started = Instant::now();
    let mut steps = Steps::default();
    let built = steps.run("binary", || {
        run::run(run::cargo().args(["build", "--quiet", "--locked", "--package", "meridian"]))
    });
    if built {
        steps.run("tests", || tests_on(url));
        steps.run("worlds", || worlds_on(url));
    }
    steps.end(started)
}

#[derive(Debug, Default)]
struct Steps {
    failed: Vec<&'static str>,
}

impl Steps {
    /// Says how it ended.
    fn end(self, started: Instant) -> Result<()> {
        let minutes = started.elapsed().as_secs() / 60;
        let seconds = started.elapsed().as_secs() % 60;
        if self.failed.is_empty() {
            eprintln!("\nall of it passed in {minutes} min {seconds} s");
            return Ok(());
        }
        bail!(
            "after {minutes} min {seconds} s, failed: {}",
            self.failed.join(", ")
        )
    }

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

/// All tests of the workspace on one PostgreSQL server, which ends with them; statements are written to `recorded`.
fn tests(recorded: &Path) -> Result<()> {
    let bin = postgres::find_or_install()?;
    let server = postgres::start(&bin)?;
    eprintln!("PostgreSQL of {} at {}", bin.display(), server.url);
    let suite = Suite {
        url: &server.url,
        bin: &bin,
        recorded: Some(recorded),
    };
    suite.make_templates()?;
    let profile = if env::var_os("CI").is_some() {
        "ci"
    } else {
        "default"
    };
    suite.run_all(profile, &["--workspace"])
}

/// All tests of the workspace on the server of this URL, but for those that start worlds.
fn tests_on(url: &str) -> Result<()> {
    let bin = postgres::find_or_install()?;
    let suite = Suite::on(url, &bin);
    suite.make_templates()?;
    suite.run_all("given", &["--workspace", "--exclude", ACCEPTANCE])
}

/// Those: in one process they share a world, which takes minutes to come up on a cluster.
fn worlds_on(url: &str) -> Result<()> {
    let bin = postgres::find_or_install()?;
    let mut worlds = Suite::on(url, &bin).cargo();
    worlds.env("ACCEPTANCE_DATABASE_URL", url);
    run::run(worlds.args([
        "test",
        "--locked",
        "--no-fail-fast",
        "--package",
        ACCEPTANCE,
    ]))
}

/// The package that starts whole worlds.
const ACCEPTANCE: &str = "acceptance";

/// The tests of the workspace and what they need.
struct Suite<'a> {
    url: &'a str,
    /// The programs of PostgreSQL, for tests that start one of their own.
    bin: &'a Path,
    /// Where statements are written down.
    recorded: Option<&'a Path>,
}

impl<'a> Suite<'a> {
    fn on(url: &'a str, bin: &'a Path) -> Self {
        Self {
            url,
            bin,
            recorded: None,
        }
    }

    fn cargo(&self) -> Command {
        let mut command = run::cargo();
        command
            .env("TEST_DATABASE_URL", self.url)
            .env("MERIDIAN_PG_BIN", self.bin)
            .env("MERIDIAN_BIN", run::binary());
        if let Some(recorded) = self.recorded {
            command.env("RECORD_STATEMENTS", recorded);
        }
        command
    }

    /// The template databases, before runners start that would wait for each other to make them.
    fn make_templates(&self) -> Result<()> {
        let mut templates = self.cargo();
        templates.args(["test", "--quiet", "--locked"]);
        for package in ["platform-db", "accounting", "warehouse", "sales"] {
            templates.args(["--package", package]);
        }
        run::run(templates.args(["--test", "it", "template_is_made"]))
    }

    fn run_all(&self, profile: &str, which: &[&str]) -> Result<()> {
        let mut runner = self.cargo();
        if run::succeeds(run::cargo().args(["nextest", "--version"])) {
            runner.args(["nextest", "run", "--locked", "--profile", profile]);
            run::run(runner.args(which))?;
            let mut docs = self.cargo();
            docs.args(["test", "--quiet", "--locked", "--doc"]);
            return run::run(docs.args(which));
        }
        // Without words on what to build it builds the examples too, which tests start, and runs those of documents.
        runner.args(["test", "--locked", "--no-fail-fast"]);
        run::run(runner.args(which))
    }
}
