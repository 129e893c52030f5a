//! `meridian doctor`: asks a live database what would go wrong, and says what to do about it.
//!
//! A check is a question with a bound and a connection of its own, so that one that hangs or breaks its session holds
//! nobody else up. What was answered is judged by functions without I/O, which tests feed with what the engines print.
//! What cannot be asked (no right to, not there in this release, no answer in time) is unknown, never a failure.
//!
//! Nothing is changed. Sessions are read-only but for two kinds: plans are asked for by EXPLAIN, which runs nothing; and
//! the write that shows how conflicts end is a rehearsal of the runner's, which has no COMMIT.

mod chart;
mod clock;
mod data;
mod exam;
mod hosts;
mod licence;
mod literal;
mod nodes;
mod objects;
mod past;
mod plan;
mod plans;
mod pools;
mod regions;
mod retries;
mod role;
mod schema;
mod server;
mod session;
mod statistics;
mod types;
mod upkeep;

use std::{error::Error, pin::Pin, time::Duration};

use futures_util::{StreamExt as _, stream};
use kernel::{Clock, RegionTag};
use tokio::time::timeout;

pub use self::chart::CHECKS;
use self::exam::Exam;
use crate::{DbError, Migrations, engine::Engine, placement::Site};

/// What is examined, and what it is to be like.
#[derive(Debug, Clone)]
pub struct Patient {
    /// `postgres://…`, of the owner or of the services' role. Never printed.
    pub url: String,
    /// The region whose process would connect by this URL.
    pub region: RegionTag,
    /// Every region there is, the primary first.
    pub regions: Vec<RegionTag>,
    /// The same, with what the cluster may call them.
    pub sites: Vec<Site>,
    /// Every system of this build, `platform` among them.
    pub systems: Vec<&'static Migrations>,
    /// Every statement of theirs.
    pub statements: Vec<&'static str>,
    /// What its services will ask of it at most.
    pub load: Load,
    /// How far two clocks of the deployment may differ.
    pub max_clock_offset: Duration,
    /// This machine's clock.
    pub clock: Clock,
}

/// The connections of the services.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Of one process: for transactions and for reads.
    pub connections: u32,
    /// Processes per region.
    pub instances: u32,
    /// Of the database's nodes in one region, if that is known.
    pub vcpus: Option<u32>,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As it should be.
    Pass,
    /// Not as it should be.
    Fail,
    /// It could not be told.
    Unknown,
}

impl Outcome {
    /// `pass`, `fail` or `unknown`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it ended.
    pub outcome: Outcome,
    /// What was found, in one line.
    pub found: String,
    /// What to do about it, a command or a statement where there is one. Of all that fails, and of what is unknown where
    /// it can be found out otherwise.
    pub remedy: Option<String>,
}

impl Finding {
    fn pass(found: impl Into<String>) -> Self {
        Self::new(Outcome::Pass, found)
    }

    /// The check's own remedy, unless another one follows.
    fn fail(found: impl Into<String>) -> Self {
        Self::new(Outcome::Fail, found)
    }

    fn unknown(found: impl Into<String>) -> Self {
        Self::new(Outcome::Unknown, found)
    }

    fn new(outcome: Outcome, found: impl Into<String>) -> Self {
        Self {
            outcome,
            found: found.into(),
            remedy: None,
        }
    }

    fn remedied_by(self, remedy: impl Into<String>) -> Self {
        Self {
            remedy: Some(remedy.into()),
            ..self
        }
    }
}

/// Which engine a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// Both of them.
    Both,
    /// PostgreSQL alone.
    Postgres,
    /// CockroachDB alone.
    Cockroach,
}

impl On {
    fn includes(self, engine: Option<Engine>) -> bool {
        match (self, engine) {
            (Self::Both, _)
            | (Self::Postgres, Some(Engine::Postgres))
            | (Self::Cockroach, Some(Engine::Cockroach)) => true,
            (Self::Postgres | Self::Cockroach, _) => false,
        }
    }
}

type Asking<'a> = Pin<Box<dyn Future<Output = Result<Finding, DbError>> + 'a>>;

/// One question.
#[derive(Debug)]
pub struct Check {
    /// Stable, for scripts.
    pub name: &'static str,
    /// What it asks.
    pub asks: &'static str,
    /// What to do in general when it fails.
    pub remedy: &'static str,
    /// Which engine it is about.
    pub on: On,
    bound: Duration,
    ask: for<'a> fn(&'a Exam) -> Asking<'a>,
}

/// A check and what it found.
#[derive(Debug)]
pub struct Diagnosis {
    /// The check.
    pub check: &'static Check,
    /// What it found.
    pub finding: Finding,
}

/// How many questions are asked at once: few enough for a cluster without a licence, which allows five transactions.
const AT_ONCE: usize = 4;

/// Makes the checks of these names, or all that there are for this engine, in the order of [`CHECKS`].
///
/// # Errors
/// [`DbError::Config`] when the URL cannot be read.
pub async fn examine(patient: Patient, names: &[String]) -> Result<Vec<Diagnosis>, DbError> {
    let exam = Exam::begin(patient).await?;
    let is_wanted =
        |check: &&Check| names.is_empty() || names.iter().any(|name| *name == check.name);
    let asking = CHECKS
        .iter()
        .filter(|check| check.on.includes(exam.engine()))
        .filter(is_wanted)
        .map(|check| answer(check, &exam));
    Ok(stream::iter(asking).buffered(AT_ONCE).collect().await)
}

async fn answer(check: &'static Check, exam: &Exam) -> Diagnosis {
    let asked = timeout(check.bound, (check.ask)(exam)).await;
    let mut finding = match asked {
        Ok(Ok(finding)) => finding,
        Ok(Err(error)) => Finding::unknown(reason(&error)),
        Err(_) => Finding::unknown(format!("no answer within {} s", check.bound.as_secs())),
    };
    if finding.outcome == Outcome::Fail && finding.remedy.is_none() {
        finding.remedy = Some(check.remedy.to_owned());
    }
    Diagnosis { check, finding }
}

/// An error on one line, with what is behind it.
fn reason(error: &DbError) -> String {
    let said = cause(error);
    if error.source().is_none() {
        said
    } else {
        one_line(&format!("{error}: {said}"))
    }
}

/// What is behind an error, on one line.
fn cause(error: &DbError) -> String {
    let mut deepest: &(dyn Error + 'static) = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    let said = deepest.to_string();
    one_line(said.strip_prefix("ERROR: ").unwrap_or(&said))
}

/// The words of a text, on one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first few of many, and how many there are.
fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>();
    match names.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{} and {more} more", shown.join(", ")),
        Some(_) | None => shown.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_words_of_their_own() {
        let names: BTreeSet<_> = CHECKS.iter().map(|check| check.name).collect();
        assert_eq!(names.len(), CHECKS.len());
        for check in CHECKS {
            let plain = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(check.name.chars().all(plain), "{}", check.name);
            assert!(!check.remedy.is_empty() && !check.remedy.contains('|'));
            assert!(!check.asks.contains('|') && !check.asks.ends_with('.'));
        }
    }

    #[test]
    fn of_many_a_few_are_named() {
        let names = |count: usize| -> Vec<String> { (0..count).map(|i| format!("n{i}")).collect() };
        assert_eq!(some_of(&names(2)), "n0, n1");
        assert_eq!(some_of(&names(4)), "n0, n1, n2, n3");
        assert_eq!(some_of(&names(6)), "n0, n1, n2, n3 and 2 more");
    }

    #[test]
    fn an_error_says_what_it_is() {
        assert_eq!(
            reason(&DbError::Timeout),
            "the database did not answer in time"
        );
    }
}
