//! Every class of failure: each SQLSTATE that means something, and each way in which a connection ends.

use std::time::Duration;

use testkit::{
    Act::{self, Answer, Cut, CutInAnswer, CutInRequest, Delay, Die, Notice, Silence},
    Did::{All, Nothing},
    Rule, When,
};

use super::{judge::Says, scenarios::Kind};

/// What a class strikes at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// The first statement of a transaction behind BEGIN.
    Statement,
    /// Each statement of a transaction in its turn.
    Every,
    /// Each of the first statements in its turn, also those before the transaction.
    Opening,
    Begin,
    /// The statement that stores audit row, events and key row; COMMIT is pipelined behind it.
    Record,
    Commit,
    Connect,
    /// Whatever is said.
    Anything,
}

/// A class of failure.
#[derive(Debug, Clone)]
pub(super) struct Class {
    /// SQLSTATE; empty where nothing is answered.
    pub(super) code: &'static str,
    pub(super) at: At,
    act: Act,
    times: u32,
    /// What the first answer may say.
    says: Vec<Says>,
    /// The request's, if it is not the usual one.
    pub(super) deadline: Option<Duration>,
    /// A copy of the request is sent past the proxy as soon as the fault has struck.
    pub(super) twin: bool,
    /// What strikes after it.
    then: Option<Rule>,
    /// Only operations of this kind meet it.
    only: Option<Kind>,
}

/// The look for the rows of an import that are there already.
const FIND_ROWS: When =
    When::Text("FROM unnest($1::INT8[], $2::TEXT[], $3::UUID[]) AS w (n, region, id)");

/// Statements of an opening: the look for the key row, reads ahead of the transaction, BEGIN, what is pipelined behind it.
const OPENING: u32 = 4;

impl Class {
    fn new(code: &'static str, at: At, act: Act, says: &[Says]) -> Self {
        Self {
            code,
            at,
            act,
            times: 1,
            says: says.to_vec(),
            deadline: None,
            twin: false,
            then: None,
            only: None,
        }
    }

    fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    fn always(self) -> Self {
        self.times(u32::MAX)
    }

    fn within(self, milliseconds: u64) -> Self {
        Self {
            deadline: Some(Duration::from_millis(milliseconds)),
            ..self
        }
    }

    /// As the table shows it.
    pub(super) fn name(&self) -> String {
        let times = match self.times {
            1 => String::new(),
            u32::MAX => ", always".to_owned(),
            times => format!(", {times} times"),
        };
        let twin = if self.twin { ", a twin overtakes" } else { "" };
        let then = if self.then.is_some() {
            ", and then silence about what landed"
        } else {
            ""
        };
        format!("{:?} at {:?}{times}{twin}{then}", self.act, self.at)
    }

    /// Whether whoever meets it does nothing but wait, for seconds.
    pub(super) fn waits(&self) -> bool {
        self.deadline.is_some() || matches!(self.act, Silence(_))
    }

    /// Whether the like is written once before: whoever has little time has nothing to connect or to prepare then.
    pub(super) fn warms_up(&self) -> bool {
        self.deadline.is_some() && !self.connects()
    }

    /// Whether its connections must be new ones.
    pub(super) fn connects(&self) -> bool {
        self.at == At::Connect
    }

    /// Whether an operation of this kind meets it.
    pub(super) fn meets(&self, kind: Kind) -> bool {
        if self.only.is_some_and(|only| only != kind) {
            return false;
        }
        // What only reads breaks no constraint.
        let writes = matches!(kind, Kind::Transaction | Kind::Import);
        match self.at {
            At::Statement | At::Every | At::Opening | At::Connect | At::Anything => {
                writes || !self.code.starts_with("23")
            }
            At::Begin | At::Record | At::Commit => writes,
        }
    }

    /// Whether there is another statement in turn behind this one.
    pub(super) fn goes_on(&self, nth: u32) -> bool {
        match self.at {
            At::Every => true,
            At::Opening => nth < OPENING,
            At::Statement | At::Begin | At::Record | At::Commit | At::Connect | At::Anything => {
                false
            }
        }
    }

    /// The rules, of which the first strikes at the statement in turn.
    pub(super) fn rules(&self, kind: Kind, nth: u32) -> Vec<Rule> {
        let when = match (self.at, kind) {
            (At::Statement | At::Every, Kind::Transaction | Kind::Import) => When::InTransaction,
            // Whether a connection is to be had anew is chance, and what then fails are the classes at connecting.
            (At::Statement | At::Every, Kind::Statement | Kind::Read) => When::OfRequest,
            (At::Opening | At::Anything, _) => When::Any,
            (At::Begin, _) => When::Text("BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE"),
            (At::Record, _) => When::Text("INSERT INTO platform.audit_log"),
            (At::Commit, _) => When::Commit,
            (At::Connect, _) => When::Connect,
        };
        let mut rules = vec![Rule::new(when, self.act).times(self.times).after(nth)];
        rules.extend(self.then);
        rules
    }

    /// Whether the first answer may say so.
    pub(super) fn allows(&self, kind: Kind, says: Says) -> bool {
        self.says.contains(&says)
            || match kind {
                Kind::Transaction => false,
                // What was struck may have been the question what time it is, without which it goes well too.
                Kind::Read | Kind::Statement if says == Says::Done => true,
                // What never ends strikes whoever opens a connection anew, too, and a connection is tried for again.
                Kind::Read | Kind::Statement if says == Says::Late && self.times == u32::MAX => {
                    true
                }
                // Of what is asked for without a transaction conflicts are not counted, only the time is.
                Kind::Read => says == Says::Late && self.says.contains(&Says::Contention),
                // What is too much for its time is halved, and each half has a time of its own.
                Kind::Import => says == Says::Done && self.says.contains(&Says::Late),
                // It is not known of a statement that was sent alone whether it was run.
                Kind::Statement => {
                    says == Says::Unknown
                        || says == Says::Late && self.says.contains(&Says::Contention)
                }
            }
    }
}

/// What is retried until it goes well.
const RETRIED: [&str; 16] = [
    "40001", "40P01", "CR000", "55P03", "25P02", // another writer was first
    "40003", "57P01", "57P02", "57P03", "57P05", "25P03", "58C01", "53300", "08003", "08006",
    "08001", // the node is gone
];

/// Those that strike once, or a few times, and do not make anybody wait.
pub(super) fn quick() -> Vec<Class> {
    use At::{Anything, Begin, Commit, Connect, Every, Opening, Record, Statement};
    use Says::{Bug, Done, Late, Unavailable, Unknown};
    let mut classes = vec![
        Class::new("40001", Every, Answer("40001", Nothing), &[Done]),
        Class::new("40001", Statement, Answer("40001", All), &[Done]).times(3),
        // COMMIT behind it answers ROLLBACK (hard case 1).
        Class::new("40001", Record, Answer("40001", All), &[Done]),
        Class::new("23505", Statement, Answer("23505", Nothing), &[Done]),
        Class::new("23505", Record, Answer("23505", Nothing), &[Done]),
        Class::new("58C00", Begin, Answer("58C00", Nothing), &[Unavailable]),
        Class::new("XXC02", Begin, Answer("XXC02", Nothing), &[Unavailable]),
        Class::new("58C00", Statement, Answer("58C00", Nothing), &[Unavailable]),
        Class::new("53100", Statement, Answer("53100", Nothing), &[Unavailable]),
        Class::new("57014", Statement, Answer("57014", Nothing), &[Late]),
        Class::new("0A000", Statement, Answer("0A000", Nothing), &[Done]),
        Class::new("0A000", Statement, Answer("0A000", Nothing), &[Bug]).always(),
        Class::new("XXA00", Statement, Answer("XXA00", Nothing), &[Bug]),
        Class::new("XXUUU", Statement, Answer("XXUUU", Nothing), &[Bug]),
        Class::new("", Opening, Cut(Nothing), &[Done]),
        Class::new("", Statement, Cut(All), &[Done]),
        Class::new("", Statement, CutInRequest, &[Done]),
        Class::new("", Statement, CutInAnswer, &[Done]),
        Class::new("", Begin, Cut(Nothing), &[Done]),
        Class::new("", Record, Cut(Nothing), &[Done]),
        Class::new("", Connect, Cut(Nothing), &[Done]).times(2),
        Class::new("", Commit, CutInRequest, &[Done]),
        Class::new("", Commit, CutInAnswer, &[Done]),
        Class::new("", Commit, Delay(Duration::from_millis(200)), &[Done]),
        Class::new("", Anything, Notice("No license installed."), &[Done]).always(),
        Class {
            then: Some(
                Rule::new(FIND_ROWS, Answer("58C00", Nothing))
                    .after(1)
                    .always(),
            ),
            only: Some(Kind::Import),
            ..Class::new("40001", Statement, Answer("40001", Nothing), &[Unknown])
        },
        Class {
            twin: true,
            ..Class::new("23505", Begin, Delay(Duration::from_millis(300)), &[Done])
        },
        Class {
            twin: true,
            ..Class::new("23505", Record, Delay(Duration::from_millis(300)), &[Done])
        },
    ];
    classes.extend(by_code());
    classes
}

/// The same fault under many a code.
fn by_code() -> Vec<Class> {
    use At::{Commit, Connect, Statement};
    use Says::{Bug, Done, Unavailable};
    let mut classes = Vec::new();
    for code in RETRIED.into_iter().skip(1) {
        classes.push(Class::new(code, Statement, Answer(code, Nothing), &[Done]));
    }
    for code in ["57P01", "57P02", "57P03", "08006"] {
        classes.push(Class::new(code, Statement, Die(code, Nothing), &[Done]));
    }
    for code in ["53300", "57P01", "57P03"] {
        classes.push(Class::new(code, Connect, Die(code, Nothing), &[Done]).times(2));
    }
    for code in ["23502", "23503", "23514", "23P01"] {
        classes.push(Class::new(code, Statement, Answer(code, Nothing), &[Bug]));
    }
    for code in ["XCUBS", "XCHR1", "XCHR2"] {
        classes.push(Class::new(
            code,
            Statement,
            Answer(code, Nothing),
            &[Unavailable],
        ));
    }
    for code in ["40001", "40P01", "CR000"] {
        classes.push(Class::new(code, Commit, Answer(code, Nothing), &[Done]).times(2));
    }
    for did in [All, Nothing] {
        for code in [
            "40003", "57014", "58C00", "58C01", "53300", "0A000", "XXA00",
        ] {
            classes.push(at_commit(code, Answer(code, did)));
        }
        for code in ["57P01", "57P02", "08006"] {
            classes.push(at_commit(code, Die(code, did)));
        }
        classes.push(at_commit("", Cut(did)));
    }
    classes
}

/// Whether it landed, nobody knows; the key row tells, and the write goes well either way.
fn at_commit(code: &'static str, act: Act) -> Class {
    Class::new(code, At::Commit, act, &[Says::Done])
}

/// Those that keep everybody waiting for seconds. With a deadline of its own a write is still given time enough to get
/// to its statements on a busy machine.
pub(super) fn slow() -> Vec<Class> {
    use At::{Commit, Connect, Statement};
    use Says::{Contention, Done, Late, Unavailable, Unknown};
    vec![
        // `inject_retry_errors_enabled` and `inject_retry_errors_on_commit_enabled` of CockroachDB.
        Class::new("40001", Statement, Answer("40001", Nothing), &[Contention])
            .always()
            .within(3_000),
        Class::new("40001", Commit, Answer("40001", Nothing), &[Contention])
            .always()
            .within(3_000),
        Class::new(
            "53300",
            Connect,
            Die("53300", Nothing),
            &[Unavailable, Late],
        )
        .always()
        .within(2_000),
        Class::new(
            "57P03",
            Statement,
            Die("57P03", Nothing),
            &[Unavailable, Late],
        )
        .always()
        .within(2_000),
        Class::new("", Statement, Silence(Nothing), &[Late]).within(2_000),
        Class::new("", Commit, Silence(All), &[Done, Unknown]),
        Class::new("", Commit, Silence(Nothing), &[Done, Unknown]),
        // COMMIT is waited for until 2.5 s after the deadline; then it lands all the same (hard cases 2 and 3).
        Class::new(
            "",
            Commit,
            Delay(Duration::from_millis(4_800)),
            &[Unknown, Done],
        )
        .within(2_000),
    ]
}

/// Of the quick ones those that CockroachDB has words of its own for, and all that happens where the engines differ: at the
/// beginning, where advisory locks keep no twins apart there, and at the end, where COMMIT is asked for its time.
pub(super) fn cockroach() -> Vec<Class> {
    let own = ["40001", "40003", "58C00", "XXUUU"];
    let mut classes = quick();
    classes.retain(|class| match class.at {
        At::Statement => own.contains(&class.code),
        At::Begin | At::Record => true,
        At::Commit => own.contains(&class.code) || class.code.is_empty(),
        At::Every | At::Opening | At::Connect | At::Anything => false,
    });
    classes
}
