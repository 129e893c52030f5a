//! How a subcommand fails: one line on standard error that names the remedy, and an exit code.

use std::{
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::error::ErrorKind;

/// It did not work; the line says what to do.
pub(crate) const FAILED: u8 = 1;
/// The command line is wrong.
pub(crate) const USAGE: u8 = 2;
/// The database has a schema that this build does not know.
pub(crate) const SCHEMA: u8 = 3;
/// Another process has the state folder or the address.
pub(crate) const IN_USE: u8 = world::region::ADDRESS_IN_USE;

/// Why a subcommand ends early.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// An error whose text says everything.
    pub(crate) fn of(error: &dyn Error) -> Self {
        Self::new(FAILED, error.to_string())
    }

    /// An error and what caused it.
    pub(crate) fn with_causes(error: &dyn Error) -> Self {
        Self::new(FAILED, world::setup::with_causes(error))
    }

    pub(crate) fn report(self) -> ExitCode {
        say(&self.message);
        ExitCode::from(self.code)
    }
}

/// Help and version are answers; anything else is told in one line.
pub(crate) fn of_arguments(error: &clap::Error) -> ExitCode {
    let help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if help {
        // A reader that has gone is no failure.
        let _ = error.print();
    } else {
        say(&one_line(&error.render().to_string()));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE))
}

/// clap writes a paragraph, a usage and a hint; the usage is what `--help` is for.
fn one_line(rendered: &str) -> String {
    let text = rendered.strip_prefix("error: ").unwrap_or(rendered);
    let said = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let said = said
        .filter(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    format!("{} (see --help)", said.collect::<Vec<_>>().join(" "))
}

fn say(message: &str) {
    let line = message.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let _ = writeln!(io::stderr().lock(), "meridian: {line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_command_line_is_told_in_one_line() {
        use clap::Parser as _;
        let error =
            crate::cli::Cli::try_parse_from(["meridian", "token", "--role", "king"]).unwrap_err();
        let line = one_line(&error.render().to_string());
        assert!(!line.contains('\n'), "{line}");
        assert!(
            line.contains("king") && line.contains("viewer") && line.ends_with("(see --help)"),
            "{line}"
        );
    }
}
