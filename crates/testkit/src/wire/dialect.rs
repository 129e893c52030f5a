//! A PostgreSQL that speaks CockroachDB: what is one engine's alone is translated, and written down.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kernel::{Clock, Timestamp};

use super::history::{Before, History, Kept};
use crate::{TestDb, record};

const VERSION: &str =
    "SELECT 'CockroachDB CCL v26.2.1 (a PostgreSQL behind the proxy of a test)' AS version";
/// By the hybrid clock: nanoseconds, a logical part.
const COMMIT_TIME: &str = "SELECT ((extract(epoch FROM clock_timestamp()) * 1000000)::INT8 * 1000)::TEXT \
    || '.0000000001' AS commit_timestamp";
const LOGICAL_TIME: &str =
    "((extract(epoch FROM clock_timestamp()) * 1000000)::INT8 * 1000)::NUMERIC(30, 10)";
const READ_ONLY: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const CLAUSE: &str = "AS OF SYSTEM TIME ";
/// What PostgreSQL alone knows.
const UNKNOWN: [(&str, &str); 5] = [
    ("pg_advisory", "42883"),
    ("gin_pending_list_limit", "42704"),
    ("enable_seqscan", "42704"),
    ("enable_bitmapscan", "42704"),
    ("force_generic_plan", "42704"),
];
/// What makes of a statement one that may touch more than one row.
const SEVERAL_ROWS: [&str; 5] = [" JOIN ", "ANY (", "ANY(", "unnest", " LIMIT "];

/// What is said in place of a statement.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Translation {
    /// This, and its answer is the answer.
    Text(String),
    /// This, behind BEGIN and before COMMIT.
    Within { begin: String, text: String },
    /// Nothing: it is refused.
    Refused { code: &'static str, text: String },
    /// The first words of a transaction whose tables are younger than it.
    Younger(String),
}

/// What a node of this region says.
#[derive(Debug, Clone)]
pub(super) struct Dialect {
    region: String,
    cluster: Arc<Cluster>,
}

/// What all nodes have in common: the past, how far replicas lag behind, and what was said.
#[derive(Debug)]
struct Cluster {
    /// None: it has no past.
    history: Option<History>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    lag: Duration,
    /// Where somebody listens.
    said: Option<Vec<String>>,
}

impl Dialect {
    pub(super) async fn over(db: &TestDb, region: &str, before: Before) -> Self {
        let history = History::keep(db.owner_url(), before).await;
        Self::new(region, Some(history), Duration::from_secs(3))
    }

    /// Every replica is the present one.
    pub(super) fn of_the_present(region: &str) -> Self {
        Self::new(region, None, Duration::ZERO)
    }

    fn new(region: &str, history: Option<History>, lag: Duration) -> Self {
        let state = Mutex::new(State { lag, said: None });
        Self {
            region: region.to_owned(),
            cluster: Arc::new(Cluster { history, state }),
        }
    }

    /// Writes down from now on what is said.
    pub(super) fn listening(self) -> Self {
        self.state().said = Some(Vec::new());
        self
    }

    /// Another node.
    pub(super) fn in_region(&self, region: &str) -> Self {
        Self {
            region: region.to_owned(),
            cluster: Arc::clone(&self.cluster),
        }
    }

    pub(super) fn lag(&self, lag: Duration) {
        self.state().lag = lag;
    }

    pub(super) fn said(&self) -> Vec<String> {
        let mut state = self.state();
        let said = state.said.as_mut().expect("somebody listens");
        std::mem::take(said)
    }

    pub(super) fn keeps(&self, time: Timestamp) -> bool {
        let history = self.cluster.history.as_ref();
        history.is_some_and(|history| history.reaches(time))
    }

    /// Writes down what is run; for the grammar any number of so many digits is like the others.
    pub(super) fn note(&self, text: &str) {
        record(&digits_alike(text.trim_end_matches(';')));
        if let Some(said) = &mut self.state().said {
            said.push(text.to_owned());
        }
    }

    pub(super) fn translate(&self, text: &str, in_transaction: bool) -> Translation {
        let refused = |code, text: &str| Translation::Refused {
            code,
            text: text.to_owned(),
        };
        if let Some((word, code)) = UNKNOWN.into_iter().find(|(word, _)| text.contains(word)) {
            return refused(code, &format!("{word} is PostgreSQL's"));
        }
        if text.contains("[SHOW REGIONS FROM CLUSTER]") {
            return refused("42501", "a PostgreSQL has no regions to show");
        }
        if let Some((_, table)) = text.split_once("FROM [SHOW CREATE TABLE ") {
            let table = table.trim_end_matches(']');
            return Translation::Text(format!(
                "SELECT 'CREATE TABLE {table} ()' AS create_statement"
            ));
        }
        if let Some(rest) = text.strip_prefix("BEGIN AS OF SYSTEM TIME '") {
            return self.begin(rest);
        }
        if let Some((from, clause)) = text.split_once(CLAUSE) {
            let Some((clause, rest)) = clause.split_once(')') else {
                return refused("42601", "no function behind AS OF SYSTEM TIME");
            };
            let statement = format!("{from}{rest}");
            return match Bounded::read(clause, Clock::System.now()) {
                None => refused(
                    "XXUUU",
                    "AS OF SYSTEM TIME: only constant expressions are allowed",
                ),
                Some(_) if in_transaction => refused(
                    "0A000",
                    "cannot use a bounded staleness query in a transaction",
                ),
                Some(_) if SEVERAL_ROWS.iter().any(|word| text.contains(word)) => refused(
                    "0A000",
                    "cannot use bounded staleness for queries that may touch more than one range or require an index \
                     join",
                ),
                Some(bounded) => self.nearest(bounded, statement),
            };
        }
        Translation::Text(match text {
            "SELECT version()" => VERSION.to_owned(),
            "SHOW COMMIT TIMESTAMP" => COMMIT_TIME.to_owned(),
            // It plans as it is told, and has to plan as it does elsewhere: to look at no more rows than it must.
            _ if let Some(settings) = platform_db::postgres_settings(text) => settings.to_owned(),
            _ if let Some(("ANALYZE", table)) = text.split_once(' ') => {
                format!("SELECT platform.take_statistics('{table}')")
            }
            _ => statistics(text)
                .replace("cluster_logical_timestamp()", LOGICAL_TIME)
                .replace("gateway_region()", &format!("'{}'::TEXT", self.region)),
        })
    }

    /// A transaction at an exact time, given in nanoseconds.
    fn begin(&self, rest: &str) -> Translation {
        let (nanos, rest) = rest.split_once('\'').unwrap_or((rest, ""));
        let at = nanos.parse::<i64>().ok().map(|nanos| nanos / 1_000_000);
        let Some(at) = at.map(Timestamp::from_millis) else {
            return Translation::Refused {
                code: "XXUUU",
                text: "AS OF SYSTEM TIME: value is neither timestamp, decimal, nor interval".into(),
            };
        };
        if at > Clock::System.now() {
            return Translation::Refused {
                code: "XXUUU",
                text: "AS OF SYSTEM TIME: cannot specify timestamp in the future".into(),
            };
        }
        match self.state_at(at) {
            Kept::Younger => Translation::Younger(format!("{READ_ONLY}{rest}")),
            Kept::Present => Translation::Text(format!("{READ_ONLY}{rest}")),
            Kept::Snapshot(id) => Translation::Text(format!(
                "{READ_ONLY}; SET TRANSACTION SNAPSHOT '{id}'{rest}"
            )),
        }
    }

    /// One row of the nearest replica, if that has come far enough.
    fn nearest(&self, bounded: Bounded, text: String) -> Translation {
        let has = Clock::System.now().minus(self.state().lag);
        if has < bounded.floor {
            if !bounded.only {
                return Translation::Text(text); // the leaseholder's
            }
            let seconds = |time: Timestamp| {
                let millis = time.as_millis();
                format!("{}.{:03}000000,0", millis / 1000, millis % 1000)
            };
            return Translation::Refused {
                code: "XCUBS",
                text: format!(
                    "bounded staleness read with minimum timestamp bound of {} could not be satisfied by a local \
                     resolved timestamp of {}",
                    seconds(bounded.floor),
                    seconds(has)
                ),
            };
        }
        match self.state_at(has) {
            Kept::Younger => Translation::Refused {
                code: "42P01",
                text: "relation does not exist".into(),
            },
            Kept::Present => Translation::Text(text),
            Kept::Snapshot(id) => Translation::Within {
                begin: format!("{READ_ONLY}; SET TRANSACTION SNAPSHOT '{id}'"),
                text,
            },
        }
    }

    fn state_at(&self, time: Timestamp) -> Kept {
        let history = self.cluster.history.as_ref();
        history.map_or(Kept::Present, |history| history.at(time))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.cluster
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the planner thinks of a table, where that is asked for.
fn statistics(text: &str) -> String {
    let asked = text.split_once("[SHOW STATISTICS FOR TABLE ");
    match asked.and_then(|(before, rest)| Some((before, rest.split_once(']')?))) {
        Some((before, (table, rest))) => format!(
            "{before}(SELECT reltuples::INT8 AS row_count, now() AS created, NULL::TEXT AS partial_predicate \
             FROM pg_catalog.pg_class WHERE oid = '{table}'::REGCLASS) AS s{rest}"
        ),
        None => text.to_owned(),
    }
}

/// The text with every number of three digits or more, which times have, made of ones.
fn digits_alike(text: &str) -> String {
    let mut alike = String::with_capacity(text.len());
    for part in text.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let digits = part.trim_end_matches(|c: char| !c.is_ascii_digit());
        match digits.len() {
            0..3 => alike += part,
            long => {
                alike += &"1".repeat(long);
                alike += &part[long..];
            }
        }
    }
    alike
}

/// Bounded staleness, as the clause says it.
#[derive(Debug, Clone, Copy)]
struct Bounded {
    floor: Timestamp,
    only: bool,
}

impl Bounded {
    /// `with_max_staleness('9s', true`
    fn read(clause: &str, now: Timestamp) -> Option<Self> {
        let (function, arguments) = clause.split_once("('")?;
        let (value, only) = arguments.split_once('\'')?;
        let floor = match function {
            "with_max_staleness" => {
                let seconds = value.strip_suffix('s')?.parse().ok()?;
                now.minus(Duration::from_secs(seconds))
            }
            "with_min_timestamp" => value.parse().ok()?,
            _ => return None,
        };
        let only = match only {
            "" => false,
            ", true" => true,
            _ => return None,
        };
        Some(Self { floor, only })
    }
}
