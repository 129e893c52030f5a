//! The fault switch: makes writes fail on purpose, by operation name. Only with feature `testing`.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::DbError;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SQLSTATE 40001 in place of COMMIT, on the next `attempts` attempts.
    Serialization {
        /// How many attempts fail.
        attempts: u32,
    },
    /// The connection breaks before COMMIT is sent, on the next `attempts` attempts.
    BeforeCommit {
        /// How many attempts fail.
        attempts: u32,
    },
    /// COMMIT is done, but its answer never arrives. Once.
    ReplyLost,
    /// COMMIT is never done, and its answer never arrives. Once.
    CommitLost,
    /// COMMIT is done, its answer never arrives, and the key row cannot be asked for. Once.
    OutcomeUnknown,
}

/// The switch: off for every operation until set. Every clone of a `Db` shares it.
#[derive(Debug, Default)]
pub struct Faults {
    armed: Mutex<HashMap<&'static str, Armed>>,
}

#[derive(Debug, Default)]
struct Armed {
    fault: Option<Fault>,
    /// Set by [`Fault::OutcomeUnknown`] until the key row was asked for in vain.
    unreachable: bool,
    hits: u32,
}

impl Faults {
    /// Sets the fault of an operation; it clears itself once it has struck as often as it says.
    pub fn set(&self, operation: &'static str, fault: Fault) {
        self.armed().entry(operation).or_default().fault = Some(fault);
    }

    /// How often faults of an operation have struck.
    #[must_use]
    pub fn hits(&self, operation: &'static str) -> u32 {
        self.armed().get(operation).map_or(0, |armed| armed.hits)
    }

    /// The fault that strikes this attempt at its COMMIT, if one does.
    pub(crate) fn before_commit(&self, operation: &'static str) -> Option<Fault> {
        let mut all = self.armed();
        let armed = all.get_mut(operation)?;
        let fault = armed.fault?;
        armed.fault = match fault {
            Fault::Serialization { attempts } if attempts > 1 => Some(Fault::Serialization {
                attempts: attempts - 1,
            }),
            Fault::BeforeCommit { attempts } if attempts > 1 => Some(Fault::BeforeCommit {
                attempts: attempts - 1,
            }),
            Fault::Serialization { .. }
            | Fault::BeforeCommit { .. }
            | Fault::ReplyLost
            | Fault::CommitLost
            | Fault::OutcomeUnknown => None,
        };
        armed.unreachable = fault == Fault::OutcomeUnknown;
        armed.hits += 1;
        Some(fault)
    }

    /// Whether the key row can be asked for.
    pub(crate) fn before_resolve(&self, operation: &'static str) -> Result<(), DbError> {
        let unreachable = self
            .armed()
            .get_mut(operation)
            .is_some_and(|a| std::mem::take(&mut a.unreachable));
        if unreachable {
            // An error that is not worth asking again for, so that a test need not wait for 5 s.
            Err(DbError::Driver {
                source: Arc::new(io::Error::other("injected")),
            })
        } else {
            Ok(())
        }
    }

    fn armed(&self) -> MutexGuard<'_, HashMap<&'static str, Armed>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
