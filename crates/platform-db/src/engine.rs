//! Which database this is, and what must be said differently to it.

use std::{fmt, time::Duration};

/// The database behind the wire protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// PostgreSQL 15 or later: the embedded default.
    Postgres,
    /// CockroachDB v25.4 or later.
    Cockroach,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Transactions, one at a time.
    Transactions,
    /// Transactions that read a past moment, one at a time.
    PastReads,
    /// Single-statement reads of many requests at once.
    SharedReads,
}

/// Asks which engine it is.
pub(crate) const VERSION: &str = "SELECT version()";

/// Asks a node of CockroachDB where it is. An error, where nobody told it.
pub(crate) const GATEWAY_REGION: &str = "SELECT gateway_region()";

/// Every statement of this module that both engines know.
pub(crate) const STATEMENTS: &[&str] = &[VERSION];

/// Those that CockroachDB alone knows.
pub(crate) const COCKROACH_STATEMENTS: &[&str] = &[GATEWAY_REGION];

/// Whether a new connection is made ready by this, rather than a request answered.
#[cfg(feature = "testing")]
#[must_use]
pub fn makes_ready(sql: &str) -> bool {
    let told = |engine| purpose_of(sql, engine).is_some();
    sql == VERSION || sql == GATEWAY_REGION || told(Engine::Postgres) || told(Engine::Cockroach)
}

/// What a PostgreSQL is told where a CockroachDB is told this, if that makes a new connection ready.
#[cfg(feature = "testing")]
#[must_use]
pub fn postgres_settings(sql: &str) -> Option<&'static str> {
    purpose_of(sql, Engine::Cockroach).map(|purpose| Engine::Postgres.settings(purpose))
}

/// What a connection is for that is told this.
#[cfg(feature = "testing")]
fn purpose_of(sql: &str, engine: Engine) -> Option<Purpose> {
    let purposes = [
        Purpose::Transactions,
        Purpose::PastReads,
        Purpose::SharedReads,
    ];
    let mut purposes = purposes.into_iter();
    purposes.find(|purpose| engine.settings(*purpose) == sql)
}

impl Engine {
    /// From the answer to [`VERSION`].
    pub(crate) fn from_version(version: &str) -> Self {
        if version.starts_with("CockroachDB") {
            Self::Cockroach
        } else {
            Self::Postgres
        }
    }

    /// What a new connection is told. By engine, since a name that one does not know fails the connection.
    ///
    /// - `idle_in_transaction_session_timeout = 5s`: a gateway that hangs cannot commit later (hard case 3).
    /// - `force_generic_plan`: planning costs more than running our statements.
    /// - `enable_seqscan = off`: under SERIALIZABLE a scan of a small table locks all of it, so that writers of
    ///   different rows fail each other; through an index they lock what they touch.
    /// - `enable_bitmapscan = off`: a generic plan thinks little of how much a range holds, gathers it all and sorts
    ///   it; along the index a page is its first rows (a page of a million movements: 9 ms for 1,589 ms).
    /// - `gin_pending_list_limit = 64kB`: what waits to be sorted into the index of the search is read through by every
    ///   search; 4 MB of it cost more than the search.
    /// - `default_transaction_read_only`: what is pipelined behind a BEGIN that is refused (a cluster without a licence,
    ///   a node short of memory) runs on its own; it must not write without its key row.
    /// - `statement_timeout = 10s`: the longest deadline; every transaction sets its own, shorter.
    pub(crate) fn settings(self, purpose: Purpose) -> &'static str {
        match (self, purpose) {
            (Self::Postgres, Purpose::Transactions | Purpose::PastReads) => {
                "SET default_transaction_read_only = on; \
                 SET idle_in_transaction_session_timeout = '5s'; SET statement_timeout = '10s'; \
                 SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
                 SET enable_bitmapscan = off; SET gin_pending_list_limit = '64kB'"
            }
            (Self::Postgres, Purpose::SharedReads) => {
                "SET default_transaction_read_only = on; SET statement_timeout = '10s'; \
                 SET plan_cache_mode = force_generic_plan; SET enable_bitmapscan = off"
            }
            (Self::Cockroach, Purpose::Transactions | Purpose::PastReads) => {
                "SET default_transaction_read_only = on; \
                 SET idle_in_transaction_session_timeout = '5s'; SET statement_timeout = '10s'"
            }
            (Self::Cockroach, Purpose::SharedReads) => {
                "SET default_transaction_read_only = on; SET statement_timeout = '10s'"
            }
        }
    }
}

/// For the rest of a transaction that only reads, and reads nearly all rows of large tables: from end to end, into hashes
/// in memory. Along their indexes the rows of 1,000,000 movements are fetched one by one from all over the disk.
/// `force_custom_plan`: only a plan that sees how many offices are asked for can tell which way is the shorter.
pub(crate) const READ_NEARLY_ALL: &str = "SET LOCAL plan_cache_mode = force_custom_plan; \
    SET LOCAL enable_seqscan = on; SET LOCAL enable_bitmapscan = on; SET LOCAL work_mem = '64MB'";

/// The first words of a serializable transaction whose statements may take `remaining` each.
pub(crate) fn begin_write(remaining: Duration, traceparent: Option<&str>) -> String {
    format!(
        "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE{}; SET LOCAL statement_timeout = {}",
        Comment(traceparent),
        timeout_ms(remaining)
    )
}

/// The bound of a statement that nothing else bounds, as [`Engine::settings`] has it: the longest deadline.
pub(crate) const LONGEST: Duration = Duration::from_secs(10);

/// The bound of the statements that come before BEGIN.
pub(crate) fn set_timeout(remaining: Duration) -> String {
    format!("SET statement_timeout = {}", timeout_ms(remaining))
}

/// Whole milliseconds, never 0, which would mean no bound.
pub(crate) fn timeout_ms(remaining: Duration) -> u128 {
    remaining.as_millis().max(1)
}

/// The trace context as a comment: on BEGIN only, since a comment in every statement defeats the statement
/// cache (hard case 31). What is not of its alphabet is left out.
struct Comment<'a>(Option<&'a str>);

impl fmt::Display for Comment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(text) if text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => {
                write!(f, " /* traceparent={text} */")
            }
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_told_by_its_version() {
        let cockroach = "CockroachDB CCL v26.2.0 (x86_64-pc-linux-gnu)";
        assert_eq!(Engine::from_version(cockroach), Engine::Cockroach);
        assert_eq!(
            Engine::from_version("PostgreSQL 15.14 on x86_64"),
            Engine::Postgres
        );
    }

    #[test]
    fn hard_case_03_write_sessions_end_idle_transactions_on_both_engines() {
        for engine in [Engine::Postgres, Engine::Cockroach] {
            let settings = engine.settings(Purpose::Transactions);
            assert!(
                settings.contains("idle_in_transaction_session_timeout = '5s'"),
                "{settings}"
            );
        }
    }

    #[test]
    fn only_postgres_is_told_to_plan_generically() {
        for purpose in [Purpose::Transactions, Purpose::SharedReads] {
            assert!(
                Engine::Postgres
                    .settings(purpose)
                    .contains("plan_cache_mode")
            );
            assert!(
                !Engine::Cockroach
                    .settings(purpose)
                    .contains("plan_cache_mode")
            );
        }
    }

    #[test]
    fn hard_case_08_the_statement_timeout_is_the_remaining_deadline() {
        let begin = begin_write(Duration::from_millis(1234), None);
        assert!(
            begin.ends_with("SET LOCAL statement_timeout = 1234"),
            "{begin}"
        );
        assert_eq!(timeout_ms(Duration::ZERO), 1);
    }

    #[test]
    fn hard_case_31_the_trace_context_is_a_comment_on_begin() {
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(
            begin_write(Duration::ZERO, Some(trace))
                .contains(&format!("/* traceparent={trace} */"))
        );
        assert!(!begin_write(Duration::ZERO, Some("*/ DROP TABLE x")).contains("DROP"));
    }
}
