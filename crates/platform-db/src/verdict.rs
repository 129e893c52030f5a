//! What an error means for the transaction it happened in. An allowlist: what it does not know is a bug.

use crate::DbError;

/// What to do about an error before COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Another writer was first: roll back, pause, run again, count it.
    Conflict,
    /// The connection or its node is gone, hence the transaction too: run again on another, do not count it.
    Lost,
    /// The deadline passed.
    Deadline,
    /// A unique constraint was broken, perhaps by a twin.
    Unique,
    /// A foreign key or a check was broken.
    Constraint,
    /// The schema changed under a prepared statement: run again on a fresh connection, once.
    StalePlan,
    /// The database is there but cannot work now.
    Unavailable,
    /// A mistake of ours.
    Bug,
}

/// Codes of `docs/failures.md` and PostgreSQL's appendix A, and classes of codes.
const CODES: &[(&str, Verdict)] = &[
    ("40001", Verdict::Conflict),    // serialization_failure
    ("40P01", Verdict::Conflict),    // deadlock_detected
    ("CR000", Verdict::Conflict),    // CockroachDB's old retry code
    ("55P03", Verdict::Conflict),    // lock_not_available
    ("25P02", Verdict::Conflict), // in_failed_sql_transaction: what came first was not waited for; it shows next time
    ("57014", Verdict::Deadline), // query_canceled: statement_timeout is the remaining deadline
    ("23505", Verdict::Unique),   // unique_violation
    ("23502", Verdict::Constraint), // not_null_violation
    ("23503", Verdict::Constraint), // foreign_key_violation
    ("23514", Verdict::Constraint), // check_violation
    ("23P01", Verdict::Constraint), // exclusion_violation
    ("0A000", Verdict::StalePlan), // "cached plan must not change result type"
    ("40003", Verdict::Lost), // statement_completion_unknown: before COMMIT it means nothing worse
    ("57P01", Verdict::Lost), // admin_shutdown: draining
    ("57P02", Verdict::Lost), // crash_shutdown
    ("57P03", Verdict::Lost), // cannot_connect_now
    ("57P05", Verdict::Lost), // idle_session_timeout
    ("25P03", Verdict::Lost), // idle_in_transaction_session_timeout
    ("53300", Verdict::Lost), // too_many_connections
    ("58C01", Verdict::Lost), // CockroachDB: internal node connection failure
    ("08", Verdict::Lost),    // connection exceptions
    ("58C00", Verdict::Unavailable), // CockroachDB: range unavailable
    ("53", Verdict::Unavailable), // insufficient resources: disk full
    ("XXC02", Verdict::Unavailable), // CockroachDB: throttled for want of a licence
    ("XCUBS", Verdict::Unavailable), // CockroachDB: bounded staleness cannot be had
    ("XCHR1", Verdict::Unavailable), // CockroachDB: not homed here
    ("XCHR2", Verdict::Unavailable), // CockroachDB: nowhere to be homed
];

/// The table of codes and classes of codes, with the name of what each means, for tests that must know all of them.
#[cfg(feature = "testing")]
#[must_use]
pub fn verdicts() -> Vec<(&'static str, String)> {
    let named = CODES
        .iter()
        .map(|(code, verdict)| (*code, format!("{verdict:?}")));
    named.collect()
}

impl Verdict {
    pub(crate) fn of(error: &DbError) -> Self {
        match error {
            DbError::Sql { code, .. } => Self::of_code(code),
            DbError::Lost { .. } | DbError::Connect { .. } => Self::Lost,
            DbError::Denied { .. } => Self::Unavailable,
            DbError::Timeout => Self::Deadline,
            DbError::Decode { .. }
            | DbError::NoRow
            | DbError::NotOneRow
            | DbError::Driver { .. }
            | DbError::Config(_) => Self::Bug,
        }
    }

    /// The first that the SQLSTATE begins with counts; what is not in the table is a bug.
    pub(crate) fn of_code(code: &str) -> Self {
        let known = CODES.iter().find(|(known, _)| code.starts_with(known));
        known.map_or(Self::Bug, |(_, verdict)| *verdict)
    }

    /// Whether the same may well succeed a moment later.
    pub(crate) fn is_repeated(self) -> bool {
        matches!(self, Self::Conflict | Self::Lost)
    }

    /// Whether an error that answers COMMIT says for certain that nothing was committed.
    pub(crate) fn is_definite_at_commit(self) -> bool {
        match self {
            Self::Conflict | Self::Unique | Self::Constraint => true,
            Self::Lost | Self::Deadline | Self::StalePlan | Self::Unavailable | Self::Bug => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    fn sql(code: &str) -> DbError {
        let source = Arc::new(std::io::Error::other("test"));
        DbError::Sql {
            code: code.into(),
            constraint: None,
            source,
        }
    }

    #[test]
    fn hard_case_08_what_is_retried_and_what_is_not() {
        for (code, verdict) in [
            ("40001", Verdict::Conflict),
            ("40P01", Verdict::Conflict),
            ("CR000", Verdict::Conflict),
            ("40003", Verdict::Lost),
            ("53300", Verdict::Lost),
            ("57P01", Verdict::Lost),
            ("58C01", Verdict::Lost),
            ("25P03", Verdict::Lost),
            ("08006", Verdict::Lost),
            ("57014", Verdict::Deadline),
            ("23505", Verdict::Unique),
            ("23503", Verdict::Constraint),
            ("53100", Verdict::Unavailable),
            ("58C00", Verdict::Unavailable),
            ("XXC02", Verdict::Unavailable),
            ("XCUBS", Verdict::Unavailable),
            ("0A000", Verdict::StalePlan),
            ("XXA00", Verdict::Bug),
            ("XXUUU", Verdict::Bug),
            ("42601", Verdict::Bug),
            ("25P02", Verdict::Conflict),
        ] {
            assert_eq!(Verdict::of(&sql(code)), verdict, "{code}");
        }
    }

    proptest! {
        /// Whatever COMMIT answers, only conflicts and broken constraints are taken for a certain no.
        #[test]
        fn hard_case_02_unknown_codes_at_commit_are_unknown_outcomes(code in "[0-9A-Z]{5}") {
            let certain = Verdict::of(&sql(&code)).is_definite_at_commit();
            let conflict = ["40001", "40P01", "CR000", "55P03", "25P02"].contains(&code.as_str());
            let constraint = ["23502", "23503", "23505", "23514", "23P01"].contains(&code.as_str());
            prop_assert_eq!(certain, conflict || constraint);
        }
    }
}
