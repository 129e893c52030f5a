//! The guard alone, as the tests of this crate run it: `guard guard` reads what to run from standard input.

use std::process::ExitCode;

fn main() -> ExitCode {
    match world::guard::run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("guard: {error}");
            ExitCode::FAILURE
        }
    }
}
