//! What an error says of the past moment that was asked for. Pure.

use kernel::Timestamp;

use crate::{DbError, verdict::Verdict};

/// Why a moment could not be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nobody who has it answered in time.
    Unserved,
    /// This statement cannot be run so.
    Unsuited,
    /// It lies before what is read was made, or history does not reach so far back (hard case 16).
    Gone,
}

/// Undefined table, database, schema, column: the schema is younger.
const YOUNGER: [&str; 4] = ["42P01", "3D000", "3F000", "42703"];
/// A timestamp ahead of the node's clock, or behind what is kept of history: CockroachDB gives neither a code of its own.
const OUT_OF_RANGE: [&str; 2] = ["XXUUU", "22023"];

impl Refusal {
    /// `None` for what has to do with the connection or with other writers, or is a mistake of ours.
    pub(crate) fn of(error: &DbError) -> Option<Self> {
        match (Verdict::of(error), error.code()) {
            (_, Some(code)) if YOUNGER.contains(&code) => Some(Self::Gone),
            (Verdict::Unavailable | Verdict::Deadline, _) => Some(Self::Unserved),
            (Verdict::Conflict | Verdict::Lost, _) => None,
            // An allowlist would turn what we did not foresee into a failure, and strong answers everything.
            (
                Verdict::StalePlan | Verdict::Bug | Verdict::Unique | Verdict::Constraint,
                Some(_),
            ) => Some(Self::Unsuited),
            (Verdict::StalePlan | Verdict::Bug | Verdict::Unique | Verdict::Constraint, None) => {
                matches!(error, DbError::NotOneRow).then_some(Self::Unsuited)
            }
        }
    }

    /// Whether a walk's moment is gone for good.
    pub(crate) fn ends_walk(error: &DbError) -> bool {
        Self::of(error) == Some(Self::Gone) || Self::is_out_of_range(error)
    }

    /// Whether a moment may lie ahead of the node's clock, or behind its history.
    pub(crate) fn is_out_of_range(error: &DbError) -> bool {
        error
            .code()
            .is_some_and(|code| OUT_OF_RANGE.contains(&code))
    }
}

/// How far the nearest replica has come, as it says when that is not far enough: `… could not be satisfied by a local
/// resolved timestamp of 1795000000.123456789,0`. For the caller to read; nothing is decided by it.
pub(crate) fn resolved(error: &DbError) -> Option<Timestamp> {
    let message = error.message().filter(|_| error.code() == Some("XCUBS"))?;
    let (_, time) = message.rsplit_once("resolved timestamp of ")?;
    let (seconds, rest) = time.split_once('.')?;
    let seconds: i64 = seconds.parse().ok()?;
    let millis: i64 = rest.get(..3)?.parse().ok()?;
    Some(Timestamp::from_millis(
        seconds.checked_mul(1000)?.checked_add(millis)?,
    ))
}
