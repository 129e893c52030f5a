//! Failures as a distributed database sends them over the wire: each row of the table of SQLSTATEs, once where a write is
//! under way and once where it is at COMMIT.

use std::time::{Duration, Instant};

use futures_util::future::join;
use kernel::{Common, Freshness, OpError, Reply, SystemError};
use platform_db::{Db, ReceiptStatus, Session, Txn, Void};
use testkit::{
    Act::{Answer, Cut, CutInAnswer, CutInRequest, Delay, Die, Notice, Silence},
    Did::{All, Nothing},
    Rule, TestDb, When, WireProxy, call_with_budget, eventually, intent,
};

use crate::fixture::{
    Ended, Times, assert_unknown, count_of, create, create_intent, insert_thing, request, spec,
    test_db,
};

const INSERT: When = When::Text("INSERT INTO things.things");
const FIND: When = When::Text("request_id\n    FROM platform.idempotency_keys");
const RECORD: When = When::Text("WITH audited AS");
const READ: When = When::Text("SELECT count FROM things.things");

/// How a write or a read ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    Well,
    Contended,
    Unavailable,
    Late,
    Bug,
}

impl Ends {
    fn of(error: &SystemError) -> Self {
        match error {
            SystemError::Contended => Self::Contended,
            SystemError::Unavailable { .. } => Self::Unavailable,
            SystemError::DeadlineExceeded => Self::Late,
            SystemError::Bug {
                effect_unknown: false,
                ..
            } => Self::Bug,
            SystemError::OutcomeUnknown { .. }
            | SystemError::RegionsUnreachable { .. }
            | SystemError::TooFarBehind { .. }
            | SystemError::TokenUnknown
            | SystemError::CursorExpired
            | SystemError::Bug { .. } => panic!("{error:?}"),
        }
    }
}

/// A rule, how what meets it ends, and why how often it was run again.
type Row = (Rule, Ends, Option<(&'static str, u64)>);

fn row(rule: Rule, ends: Ends, why: &'static str, times: u64) -> Row {
    (rule, ends, Some((why, times)))
}

/// A database behind the proxy.
struct Wired {
    test: TestDb,
    proxy: WireProxy,
    db: Db,
    keys: Times,
}

impl Wired {
    /// Its statements are prepared, so that what fails is what is run.
    async fn new() -> Self {
        let test = test_db().await;
        let proxy = WireProxy::before(&test).await;
        let db = test.db_through(proxy.port());
        let wired = Self {
            test,
            proxy,
            db,
            keys: Times::default(),
        };
        wired.works().await;
        wired
    }

    /// A new key, also the name of the thing that is made under it.
    fn key(&self) -> String {
        format!("key-{:05}", self.keys.next())
    }

    async fn create(&self, key: &str) -> Ended {
        create(&self.db, create_intent(&self.db, key), key).await
    }

    async fn read(&self, key: &str) -> Result<Option<i64>, SystemError> {
        let call = request(&self.db);
        let read = self
            .db
            .read(&call, spec("get_thing"), async |session: &Session| {
                count_of(session, key).await
            })
            .await?;
        Ok(read.value)
    }

    fn retries(&self, operation: &str, why: &str) -> u64 {
        let labels = [
            format!("operation=\"{operation}\""),
            format!("reason=\"{why}\""),
        ];
        let labels = [labels[0].as_str(), labels[1].as_str()];
        self.test.metric("db_retries_total", &labels)
    }

    /// Things, key rows, audit rows and events of a key: all 1, or all 0.
    async fn effects(&self, key: &str) -> i64 {
        let things = format!("SELECT count(*) FROM things.things WHERE name = '{key}'");
        let effects = self.test.count(&things).await;
        for rows in [
            format!("platform.audit_log WHERE key = '{key}'"),
            format!("platform.idempotency_keys WHERE key = '{key}'"),
            format!("platform.events WHERE data ->> 'name' = '{key}'"),
        ] {
            let count = self
                .test
                .count(&format!("SELECT count(*) FROM {rows}"))
                .await;
            assert_eq!(count, effects, "{rows}");
        }
        effects
    }

    /// No connection in the pool is poisoned, and none holds a transaction open.
    async fn works(&self) {
        self.proxy.disarm();
        for _ in 0..2 {
            let key = self.key();
            self.create(&key).await.unwrap();
            assert_eq!(self.effects(&key).await, 1);
            assert_eq!(self.read(&key).await.unwrap(), Some(0));
        }
        eventually("no transaction is open", async || {
            self.test.transactions().await == 0
        })
        .await;
    }

    /// A write meets a rule, and ends as the table says, with one effect or none.
    async fn write(&self, (rule, ends, again): Row) {
        let key = self.key();
        let whys = [
            "conflict",
            "connection",
            "unresolved",
            "stale_plan",
            "collision",
        ];
        let before = whys.map(|why| self.retries("create_thing", why));
        self.proxy.arm(rule);
        let ended = self.create(&key).await;
        assert!(self.proxy.hits() > 0, "it never struck: {rule:?}");
        let was = match &ended {
            Ok(_) => Ends::Well,
            Err(OpError::System(error)) => Ends::of(error),
            Err(other) => panic!("{rule:?}: {other:?}"),
        };
        assert_eq!(was, ends, "{rule:?}: {ended:?}");
        for (why, before) in whys.into_iter().zip(before) {
            let expected = again.filter(|(what, _)| *what == why).map_or(0, |(_, n)| n);
            let moved = self.retries("create_thing", why) - before;
            assert_eq!(moved, expected, "{rule:?}: {why}");
        }
        let effects = self.effects(&key).await;
        assert_eq!(effects, i64::from(ends == Ends::Well), "{rule:?}");
        self.works().await;
        // Whoever repeats it with the same key gets the one effect.
        let repeated = self.create(&key).await.unwrap();
        if let Ok(reply) = ended {
            assert_eq!(repeated, reply, "{rule:?}");
        }
        assert_eq!(self.effects(&key).await, 1, "{rule:?}");
    }
}

/// What fails before COMMIT was sent certainly wrote nothing.
#[tokio::test(flavor = "multi_thread")]
async fn hard_case_08_a_statement_that_fails_ends_as_its_code_says() {
    let wired = Wired::new().await;
    // 25P02 alone: whoever waits for several statements at once may hear of the second failure first.
    for code in ["40001", "40P01", "CR000", "25P02"] {
        let rule = Rule::new(INSERT, Answer(code, Nothing));
        wired
            .write(row(rule.times(2), Ends::Well, "conflict", 2))
            .await;
    }
    for code in ["40003", "53300", "57P01", "08006", "58C01"] {
        let rule = Rule::new(INSERT, Answer(code, Nothing));
        wired.write(row(rule, Ends::Well, "connection", 1)).await;
    }
    for code in ["57P01", "57P02", "57P03", "08006"] {
        let rule = Rule::new(INSERT, Die(code, All));
        wired.write(row(rule, Ends::Well, "connection", 1)).await;
    }
    for act in [Cut(Nothing), Cut(All), CutInRequest, CutInAnswer] {
        wired
            .write(row(Rule::new(INSERT, act), Ends::Well, "connection", 1))
            .await;
    }
    let stale = Rule::new(INSERT, Answer("0A000", Nothing));
    wired.write(row(stale, Ends::Well, "stale_plan", 1)).await;
    wired
        .write(row(stale.always(), Ends::Bug, "stale_plan", 1))
        .await;
    for (code, ends) in [
        ("58C00", Ends::Unavailable),
        ("57014", Ends::Late),
        ("XCUBS", Ends::Unavailable),
        ("XXA00", Ends::Bug),
        ("XXUUU", Ends::Bug),
    ] {
        wired
            .write((Rule::new(INSERT, Answer(code, All)), ends, None))
            .await;
    }
}

/// The look for the key row, BEGIN, and the record with COMMIT pipelined behind it.
#[tokio::test(flavor = "multi_thread")]
async fn hard_case_01_a_failure_at_any_statement_of_a_write_leaves_one_effect() {
    let wired = Wired::new().await;
    for when in [FIND, When::Text("BEGIN"), INSERT, RECORD] {
        let rule = Rule::new(when, Answer("40001", Nothing));
        wired.write(row(rule, Ends::Well, "conflict", 1)).await;
        // On a cluster without a licence it is BEGIN that is refused; what was pipelined behind it must not count.
        let rule = Rule::new(when, Answer("58C00", Nothing));
        wired.write((rule, Ends::Unavailable, None)).await;
    }
    for when in [FIND, When::Text("BEGIN")] {
        let rule = Rule::new(when, Cut(Nothing));
        wired.write(row(rule, Ends::Well, "connection", 1)).await;
    }
    // COMMIT was sent behind the record: the key row is asked.
    let rule = Rule::new(RECORD, Cut(Nothing));
    wired.write(row(rule, Ends::Well, "unresolved", 1)).await;
}

/// Only a conflict is a certain no; anything else may have landed, and the key row tells.
#[tokio::test(flavor = "multi_thread")]
async fn hard_case_02_a_commit_that_fails_ends_as_its_code_says() {
    let wired = Wired::new().await;
    for code in ["40001", "CR000"] {
        let rule = Rule::new(When::Commit, Answer(code, Nothing));
        wired
            .write(row(rule.times(3), Ends::Well, "conflict", 3))
            .await;
    }
    for code in [
        "40003", "57P01", "58C00", "58C01", "53300", "57014", "0A000", "XXA00", "XX000",
    ] {
        let rule = Rule::new(When::Commit, Answer(code, All));
        wired.write((rule, Ends::Well, None)).await;
        let rule = Rule::new(When::Commit, Answer(code, Nothing));
        wired.write(row(rule, Ends::Well, "unresolved", 1)).await;
    }
    for act in [Cut(All), CutInAnswer, Die("57P01", All)] {
        wired
            .write((Rule::new(When::Commit, act), Ends::Well, None))
            .await;
    }
    for act in [Cut(Nothing), CutInRequest, Die("57P01", Nothing)] {
        let rule = Rule::new(When::Commit, act);
        wired.write(row(rule, Ends::Well, "unresolved", 1)).await;
    }
}

/// As CockroachDB's `inject_retry_errors_enabled` and `inject_retry_errors_on_commit_enabled` do.
#[tokio::test(flavor = "multi_thread")]
async fn hard_case_08_conflicts_without_end_are_bounded_and_change_nothing() {
    let wired = Wired::new().await;
    for when in [When::InTransaction, When::Commit] {
        let rule = Rule::new(when, Answer("40001", Nothing)).always();
        wired
            .write(row(rule, Ends::Contended, "conflict", 19))
            .await;
    }
}

/// Followers fail with 25P02; what counts is what came first, and the transaction is gone on the server too.
#[tokio::test(flavor = "multi_thread")]
async fn hard_case_09_behind_a_failed_statement_the_first_code_counts() {
    let wired = Wired::new().await;
    wired.proxy.arm(Rule::new(INSERT, Answer("40001", All)));
    let times = Times::default();
    let ended: Ended = wired
        .db
        .write(
            create_intent(&wired.db, "key-pipelined"),
            async |txn: &Txn<'_>| {
                times.next();
                let follower = txn.row_opt("SELECT count FROM things.things LIMIT 1", &[]);
                let (inserted, followed) = join(insert_thing(txn, "lamp"), follower).await;
                followed?; // 25P02 is what the closure tells
                inserted
            },
        )
        .await;
    assert_eq!(ended.unwrap().status, 201);
    assert_eq!(times.get(), 2);
    assert_eq!(wired.retries("create_thing", "conflict"), 1);
    let lamps = "SELECT count(*) FROM things.things WHERE name = 'lamp'";
    assert_eq!(wired.test.count(lamps).await, 1);
    wired.works().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_never_answered_is_found_by_its_key_row() {
    let wired = Wired::new().await;
    let rule = Rule::new(When::Commit, Silence(All));
    wired.write((rule, Ends::Well, None)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_vanishes_is_run_again() {
    let wired = Wired::new().await;
    let rule = Rule::new(When::Commit, Silence(Nothing));
    wired.write(row(rule, Ends::Well, "unresolved", 1)).await;
}

/// A node that neither answers nor closes: the deadline ends it, and nothing was written.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_never_answered_ends_at_the_deadline() {
    let wired = Wired::new().await;
    wired.proxy.arm(Rule::new(INSERT, Silence(All)));
    let call = call_with_budget("eu1", Duration::from_secs(2));
    let ended = create(
        &wired.db,
        intent(&call, "create_thing", "key-silent"),
        "key-silent",
    )
    .await;
    let Err(OpError::System(error)) = &ended else {
        panic!("{ended:?}")
    };
    assert_eq!(Ends::of(error), Ends::Late);
    assert_eq!(wired.effects("key-silent").await, 0);
    wired.works().await;
}

/// Nothing may be said for certain while the key row cannot be asked.
#[tokio::test(flavor = "multi_thread")]
async fn hard_case_02_an_unknown_commit_behind_an_unreachable_key_row_is_unknown() {
    let wired = Wired::new().await;
    wired.proxy.arm(Rule::new(When::Commit, Cut(All)));
    wired
        .proxy
        .arm(Rule::new(FIND, Answer("XX000", Nothing)).after(1).always());
    assert_unknown(&wired.create("key-unknown").await);
    wired.works().await;
    assert_eq!(wired.effects("key-unknown").await, 1);
    assert_eq!(wired.create("key-unknown").await.unwrap().status, 201);
    assert_eq!(wired.effects("key-unknown").await, 1);
}

/// COMMIT is on its way for a while: a void that is asked for meanwhile tells what it becomes.
#[tokio::test(flavor = "multi_thread")]
async fn hard_case_03_a_void_and_a_late_commit_agree() {
    let wired = Wired::new().await;
    let late = Duration::from_millis(500);
    wired.proxy.arm(Rule::new(When::Commit, Delay(late)));
    let write = create_intent(&wired.db, "key-void");
    let (principal, key, home, scope) = (
        write.principal.clone(),
        write.key.clone(),
        write.home.clone(),
        write.scope,
    );
    let direct = wired.test.db();
    let call = request(&direct);
    let voiding = async {
        eventually("COMMIT is held up", async || wired.proxy.hits() > 0).await;
        direct
            .void(Void {
                call: &call,
                principal: &principal,
                key: &key,
                office: None,
                home: &home,
                scope,
            })
            .await
            .unwrap()
    };
    let (ended, receipt) = join(create(&wired.db, write, "key-void"), voiding).await;
    match ended {
        Ok(Reply { status, .. }) => {
            assert_eq!(status, 201);
            assert_eq!(receipt.status, ReceiptStatus::Committed);
            assert_eq!(wired.effects("key-void").await, 1);
        }
        Err(OpError::Common(Common::KeyVoided)) => {
            assert_eq!(receipt.status, ReceiptStatus::Void);
            let things = "SELECT count(*) FROM things.things WHERE name = 'key-void'";
            assert_eq!(wired.test.count(things).await, 0);
        }
        other => panic!("{other:?}"),
    }
    wired.works().await;
}

/// What strikes a request strikes none of the statements that make its connections ready, the second one's neither.
#[tokio::test]
async fn a_fault_of_a_request_leaves_the_making_of_connections_alone() {
    let test = test_db().await;
    for act in [Answer("0A000", Nothing), Answer("XXUUU", Nothing)] {
        let proxy = WireProxy::before(&test).await;
        let db = test.db_through(proxy.port());
        proxy.arm(Rule::new(When::OfRequest, act).always());
        let work = async |session: &Session| count_of(session, "lamp").await;
        let ended = db.read(&request(&db), spec("get_thing"), work).await;
        assert!(
            matches!(ended, Err(SystemError::Bug { .. })),
            "{act:?}: {ended:?}"
        );
    }
}

/// The stored answer is of a state that the token has, also where nobody says what time it was behind its reading.
#[tokio::test]
async fn a_replays_token_covers_the_write_whatever_becomes_of_the_rollback() {
    let wired = Wired::new().await;
    let key = wired.key();
    let elsewhere = wired.test.db();
    let intent = create_intent(&elsewhere, &key);
    let call = intent.call.clone();
    let first = create(&elsewhere, intent, &key).await.unwrap();
    let written = call.facts().reflects().unwrap();
    wired
        .proxy
        .arm(Rule::new(When::Text("clock_timestamp"), Cut(Nothing)));
    let intent = create_intent(&wired.db, &key);
    let call = intent.call.clone();
    assert_eq!(create(&wired.db, intent, &key).await.unwrap(), first);
    assert_eq!(wired.proxy.hits(), 1);
    let facts = call.facts().clone();
    assert!(facts.reflects() >= Some(written), "{facts:?}");
    assert!(matches!(facts.freshness, Some(Freshness::Strong { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_fails_ends_as_its_code_says() {
    let wired = Wired::new().await;
    wired.create("key-read").await.unwrap();
    for (act, ends, why) in [
        (Answer("40001", Nothing), Ends::Well, Some("conflict")),
        (Answer("CR000", Nothing), Ends::Well, Some("conflict")),
        (Answer("40003", All), Ends::Well, Some("connection")),
        (Answer("53300", Nothing), Ends::Well, Some("connection")),
        (Answer("58C01", Nothing), Ends::Well, Some("connection")),
        (Die("57P01", Nothing), Ends::Well, Some("connection")),
        (Cut(Nothing), Ends::Well, Some("connection")),
        (CutInAnswer, Ends::Well, Some("connection")),
        (CutInRequest, Ends::Well, Some("connection")),
        (Answer("0A000", Nothing), Ends::Well, Some("stale_plan")),
        (Answer("58C00", Nothing), Ends::Unavailable, None),
        (Answer("57014", Nothing), Ends::Late, None),
        (Answer("XXUUU", Nothing), Ends::Bug, None),
        (Notice("no licence"), Ends::Well, None),
    ] {
        let whys = ["conflict", "connection", "stale_plan"];
        let before = whys.map(|why| wired.retries("get_thing", why));
        wired.proxy.arm(Rule::new(READ, act));
        let was = match wired.read("key-read").await {
            Ok(found) => {
                assert_eq!(found, Some(0), "{act:?}");
                Ends::Well
            }
            Err(error) => Ends::of(&error),
        };
        assert_eq!((was, wired.proxy.hits()), (ends, 1), "{act:?}");
        for (name, before) in whys.into_iter().zip(before) {
            let moved = wired.retries("get_thing", name) - before;
            assert_eq!(moved, u64::from(why == Some(name)), "{act:?}: {name}");
        }
        wired.works().await;
    }
}

/// A node that has too many clients, or is draining, or is half dead when it is asked for a connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_refused_is_asked_for_again() {
    let wired = Wired::new().await;
    for act in [Die("53300", Nothing), Die("57P03", Nothing), Cut(Nothing)] {
        wired.proxy.arm(Rule::new(INSERT, Cut(Nothing)));
        wired.proxy.arm(Rule::new(When::Connect, act).times(2));
        let key = wired.key();
        wired.create(&key).await.unwrap();
        assert_eq!(wired.proxy.hits(), 3);
        assert_eq!(wired.effects(&key).await, 1);
        wired.works().await;
    }
}

/// Licence warnings come between any two answers.
#[tokio::test(flavor = "multi_thread")]
async fn notices_are_harmless() {
    let wired = Wired::new().await;
    let notice =
        Notice("No license installed. The maximum number of concurrently open transactions is 5.");
    let rule = Rule::new(When::Any, notice).always();
    wired.write((rule, Ends::Well, None)).await;
}

/// What a connection has not prepared yet is prepared before the last batch: on a node that hangs just then, a write
/// ends with its deadline all the same.
#[tokio::test]
async fn hard_case_08_a_node_that_hangs_before_the_last_batch_is_waited_for_until_the_deadline() {
    let test = test_db().await;
    let proxy = WireProxy::before(&test).await;
    let db = test.db_through(proxy.port());
    let prepared = When::Prepare("WITH audited AS");
    proxy.arm(Rule::new(prepared, Silence(Nothing)).always());
    let call = call_with_budget("eu1", Duration::from_secs(2));
    let started = Instant::now();
    let ended = create(&db, intent(&call, "create_thing", "key-00001"), "lamp").await;
    let late = matches!(ended, Err(OpError::System(SystemError::DeadlineExceeded)));
    assert!(late, "{ended:?}");
    assert!(started.elapsed() < Duration::from_secs(4));
    assert_eq!(proxy.hits(), 1);
    assert_eq!(test.count("SELECT count(*) FROM things.things").await, 0);
}
