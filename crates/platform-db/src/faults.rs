//! The fault switch: makes writes fail on purpose, by operation name.

/// The switch. Off for every operation until set.
#[derive(Debug, Default)]
pub struct Faults {}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SQLSTATE 40001 instead of COMMIT, on the next `attempts` attempts.
    Serialization {
        /// How many attempts fail.
        attempts: u32,
    },
    /// The connection breaks before COMMIT is sent, on the next `attempts` attempts.
    BeforeCommit {
        /// How many attempts fail.
        attempts: u32,
    },
    /// COMMIT is done, but its answer never arrives.
    ReplyLost,
    /// COMMIT is never done, and its answer never arrives.
    CommitLost,
}

impl Faults {
    /// Sets the fault of an operation; it clears itself once it has struck.
    pub fn set(&self, _operation: &'static str, _fault: Fault) {
        unimplemented!()
    }

    /// How often faults of an operation have struck.
    #[must_use]
    pub fn hits(&self, _operation: &'static str) -> u32 {
        unimplemented!()
    }
}
