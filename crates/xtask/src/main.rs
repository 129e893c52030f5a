#![doc = include_str!("../README.md")]

mod crdb;
mod openapi;
mod postgres;
mod postman;
mod run;
mod test;
mod tidy;
mod tree;

use std::{env, process::ExitCode};

const USAGE: &str = "\
cargo xtask test              everything CI asks for
cargo xtask test --database-url URL
                              the tests alone, on this PostgreSQL or CockroachDB
cargo xtask openapi           write docs/openapi/v1.json from the binary
cargo xtask openapi --check   fail when it differs, naming breaking changes
cargo xtask openapi --postman write docs/openapi/meridian.postman_collection.json from the binary
cargo xtask postman           run that collection against a world of its own
cargo xtask sql               whether CockroachDB would parse our SQL
cargo xtask tidy              the rules of the house

Exit codes: 0 all well, 1 a check failed, 2 not a command.";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["test"] => test::test(),
        ["test", "--database-url", url] => test::test_on(url),
        ["openapi"] => openapi::write(),
        ["openapi", "--check"] => openapi::check(&run::binary()),
        ["openapi", "--postman"] => postman::write(),
        ["postman"] => postman::run(),
        ["sql"] => crdb::check(),
        ["tidy"] => tidy::tidy(),
        ["--help" | "-h" | "help"] => {
            eprintln!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
