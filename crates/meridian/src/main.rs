#![doc = include_str!("../README.md")]

mod cli;
mod commands;
mod database;
mod failure;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;

use crate::{
    cli::{Cli, Command},
    failure::Failure,
};

fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => return failure::of_arguments(&error),
    };
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Up(args) => commands::up::run(args),
        Command::Serve(args) => commands::serve::run(args),
        Command::Migrate(args) => commands::migrate::run(args),
        Command::Regions(args) => commands::regions::run(args),
        Command::Seed(args) => commands::seed::run(args),
        Command::Doctor(args) => commands::doctor::run(args),
        Command::Token(args) => commands::token::run(&args),
        Command::Openapi => commands::openapi::run(),
        Command::Healthcheck(args) => commands::healthcheck::run(&args),
        Command::Guard => commands::guard::run(),
    }
}

/// Prints a result. A reader that has gone (`meridian openapi | head`) is no failure.
fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}
