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

    /// Codes of `cockroachdb` section 6 and PostgreSQL's appendix A.
    fn of_code(code: &str) -> Self {
        match code {
            // serialization_failure, deadlock_detected, CockroachDB's old retry code, lock_not_available
            "40001" | "40P01" | "CR000" | "55P03" => Self::Conflict,
            "57014" => Self::Deadline, // query_canceled: statement_timeout is the remaining deadline
            "23505" => Self::Unique,
            "23502" | "23503" | "23514" | "23P01" => Self::Constraint,
            "0A000" => Self::StalePlan, // "cached plan must not change result type"
            // admin_shutdown, crash_shutdown, cannot_connect_now, idle in (transaction) timeouts, too many
            // connections, internal node connection failure, and 40003, which before COMMIT means nothing worse
            "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "53300" | "58C01" | "40003" => {
                Self::Lost
            }
            _ if code.starts_with("08") => Self::Lost,
            // range unavailable; throttled for want of a licence; no replica nearby that is young enough, or at home
            "58C00" | "XXC02" | "XCUBS" | "XCHR1" | "XCHR2" => Self::Unavailable,
            _ if code.starts_with("53") => Self::Unavailable, // disk full, out of memory
            _ => Self::Bug,
        }
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
            ("25P02", Verdict::Bug),
        ] {
            assert_eq!(Verdict::of(&sql(code)), verdict, "{code}");
        }
    }

    proptest! {
        /// Whatever COMMIT answers, only conflicts and broken constraints are taken for a certain no.
        #[test]
        fn hard_case_02_unknown_codes_at_commit_are_unknown_outcomes(code in "[0-9A-Z]{5}") {
            let certain = Verdict::of(&sql(&code)).is_definite_at_commit();
            let conflict = ["40001", "40P01", "CR000", "55P03"].contains(&code.as_str());
            let constraint = ["23502", "23503", "23505", "23514", "23P01"].contains(&code.as_str());
            prop_assert_eq!(certain, conflict || constraint);
        }
    }
}
