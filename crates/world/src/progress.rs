//! What `up` tells a person while it works: short lines on standard error.
//!
//! No line carries an address: scripts look for the first `http://127.` that they see, and that one is on
//! standard output. A closed standard error is no reason to stop.

use std::{
    fmt,
    io::{self, Write as _},
    time::Instant,
};

/// Prints steps with the time since the start.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    start: Instant,
    quiet: bool,
}

impl Progress {
    /// Starts the clock.
    #[must_use]
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
            quiet: false,
        }
    }

    /// Prints nothing.
    #[must_use]
    pub fn quiet() -> Self {
        Self {
            start: Instant::now(),
            quiet: true,
        }
    }

    /// One step begins, or something happened.
    pub fn step(&self, what: &str) {
        if !self.quiet {
            line(format_args!(
                "[{:6.1} s] {what}",
                self.start.elapsed().as_secs_f32()
            ));
        }
    }
}

fn line(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
