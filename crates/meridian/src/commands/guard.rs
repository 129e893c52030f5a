//! The process between `up` and the database server.

use std::process;

use crate::failure::{FAILED, Failure};

pub(crate) fn run() -> Result<(), Failure> {
    match world::guard::run() {
        Ok(code) => process::exit(code.into()),
        Err(error) => Err(Failure::new(FAILED, format!("guard: {error}"))),
    }
}
