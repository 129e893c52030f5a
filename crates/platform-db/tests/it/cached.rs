//! Reference data in memory: what is shown, to whom, and for how long.

use std::{
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::{FutureExt as _, future::join_all, poll};
use kernel::{
    Call, Freshness, Read, ReadMode, ReadWant, SystemError, Timestamp, Token, call::Facts,
};
use platform_db::{Cached, Db, Event, Never, ReadSpec, Source, TxError, Txn};
use serde_json::json;
use testkit::{
    Act::{Answer, Silence},
    CockroachProxy,
    Did::Nothing,
    Rule, TestDb, When, WireProxy, call_with_budget, eventually,
};
use tokio::sync::Semaphore;

use crate::fixture::{count_of, create, create_intent, ok, request, test_db};

type Count = Option<i64>;
type Counts = Cached<String, Count>;

static COUNTS: Source<String, Count> = Source {
    name: "counts",
    topic: "things.thing",
    subject: Some(String::clone),
    one_row: false,
    bytes: |count| count.map(|_| 8),
    load: |session, name, _| async move { count_of(session, &name).await }.boxed(),
};

const READ: When = When::Text("SELECT count FROM things.things");

/// A database with a lamp, and a cache over it.
async fn lamp() -> (TestDb, Db, Counts) {
    let test = test_db().await;
    let db = test.db();
    create(&db, create_intent(&db, "key-of-lamp"), "lamp")
        .await
        .unwrap();
    let counts = Cached::new(&db, &COUNTS);
    (test, db, counts)
}

fn spec(want: ReadWant) -> ReadSpec {
    ReadSpec::reference("get_thing", want, None)
}

/// What the request is shown, and what its answer says of itself.
async fn ask(counts: &Counts, call: &Call, want: ReadWant) -> (Count, Facts) {
    let read: Read<_> = counts.read(call, spec(want), "lamp".into()).await.unwrap();
    (*read.value, call.facts().clone())
}

async fn look(db: &Db, counts: &Counts, want: ReadWant) -> (Count, Facts) {
    ask(counts, &request(db), want).await
}

/// Writes the lamp's count, with an event that says so.
async fn set(db: &Db, count: i64) -> Token {
    let intent = create_intent(db, &testkit::app::new_key());
    let call = intent.call.clone();
    db.write(intent, async move |txn: &Txn<'_>| {
        txn.execute(
            "UPDATE things.things SET count = $1 WHERE region = 'eu1' AND name = 'lamp'",
            &[&count],
        )
        .await?;
        txn.emit(Event {
            kind: "things.thing.changed",
            subject: "lamp".into(),
            office: None,
            resource_version: count,
            data: json!({}),
        });
        Ok::<_, TxError<Never>>(ok("{}"))
    })
    .await
    .unwrap();
    call.facts().reflects().unwrap()
}

fn is_cached(facts: &Facts) -> bool {
    matches!(facts.freshness, Some(Freshness::Cache { .. }))
}

fn is_strong(facts: &Facts) -> bool {
    matches!(facts.freshness, Some(Freshness::Strong { .. }))
}

/// What the answer says of its age.
fn age(facts: &Facts) -> (Timestamp, u64) {
    match facts.freshness {
        Some(Freshness::Cache { as_of, max_ms, .. }) => (as_of, max_ms),
        ref other => panic!("{other:?}"),
    }
}

/// Reads until an answer came from memory, which on a slow machine may take more than one.
async fn warm(db: &Db, counts: &Counts) -> (Count, Facts) {
    let mut shown = None;
    eventually("an answer from memory", async || {
        let answer = look(db, counts, ReadWant::default()).await;
        let hit = is_cached(&answer.1);
        shown = hit.then_some(answer);
        hit
    })
    .await;
    shown.unwrap()
}

fn asked(test: &TestDb, outcome: &str) -> u64 {
    let outcome = format!("outcome=\"{outcome}\"");
    test.metric("cache_requests_total", &["cache=\"counts\"", &outcome])
}

#[tokio::test]
async fn what_is_in_memory_costs_nothing_and_says_how_old_it_is() {
    let (test, db, counts) = lamp().await;
    let (value, first) = look(&db, &counts, ReadWant::default()).await;
    assert_eq!(value, Some(0));
    assert!(is_strong(&first) && first.statements > 0, "{first:?}");
    assert_eq!((asked(&test, "hit"), asked(&test, "miss")), (0, 1));
    let call = request(&db);
    let before = call.received_at();
    let (value, facts) = warm(&db, &counts).await;
    assert_eq!((value, facts.statements, facts.rows), (Some(0), 0, 0));
    let (as_of, max_ms) = age(&facts);
    assert!(max_ms <= 2000 && as_of <= before.plus(Duration::from_secs(2)));
    assert!(
        facts.reflects() >= first.reflects(),
        "not older than what it shows"
    );
    assert!(asked(&test, "hit") > 0);
    // To those who ask for it, the database's own word; and it is kept for the others.
    let bypasses = [
        ReadWant {
            mode: Some(ReadMode::Strong),
            ..ReadWant::default()
        },
        ReadWant {
            no_cache: true,
            ..ReadWant::default()
        },
    ];
    for (n, want) in (1..).zip(bypasses) {
        let (_, facts) = look(&db, &counts, want).await;
        assert!(is_strong(&facts) && facts.statements > 0, "{want:?}");
        assert_eq!(asked(&test, "bypass"), n);
    }
    let local = ReadWant {
        mode: Some(ReadMode::Local),
        ..ReadWant::default()
    };
    eventually("an answer from memory", async || {
        is_cached(&look(&db, &counts, local).await.1)
    })
    .await;
    // Nothing lives longer than its second.
    eventually("it is read again", async || {
        is_strong(&look(&db, &counts, ReadWant::default()).await.1)
    })
    .await;
}

#[tokio::test]
async fn a_bound_smaller_than_the_age_goes_to_the_database() {
    let (_test, db, counts) = lamp().await;
    warm(&db, &counts).await;
    let bounded = |max_ms| ReadWant {
        mode: Some(ReadMode::Bounded { max_ms }),
        ..ReadWant::default()
    };
    for max_ms in [0, 1, 10, 100, 500, 1500] {
        for _ in 0..20 {
            let (value, facts) = look(&db, &counts, bounded(max_ms)).await;
            assert_eq!(value, Some(0));
            if is_cached(&facts) {
                assert!(age(&facts).1 <= max_ms, "{facts:?}");
            } else {
                assert!(is_strong(&facts));
            }
        }
    }
}

/// What another region wrote is seen at once with its token, without it within the bound; and an answer that does not
/// show it yet never claims that it does.
#[tokio::test]
async fn hard_case_14_a_newer_token_bypasses_and_without_one_it_is_seen_within_the_bound() {
    let (test, db, _) = lamp().await;
    let other = test.db_in("us1");
    let counts = Cached::new(&other, &COUNTS);
    for count in 1..=5 {
        warm(&other, &counts).await;
        let token = set(&db, count).await;
        let with_token = ReadWant {
            token: Some(token),
            ..ReadWant::default()
        };
        let plain = look(&other, &counts, ReadWant::default()).await;
        let told = look(&other, &counts, with_token).await;
        assert_eq!(told.0, Some(count));
        assert!(told.1.reflects() >= Some(token));
        if plain.0 != Some(count) {
            let (as_of, _) = age(&plain.1);
            assert!(Token::at(as_of) <= token, "{as_of} {token:?}");
        }
        // What the token brought in is there for those without one.
        assert_eq!(
            look(&other, &counts, ReadWant::default()).await.0,
            Some(count)
        );
    }
    let asked = request(&other);
    warm(&other, &counts).await;
    set(&db, 9).await;
    eventually("the write is seen", async || {
        look(&other, &counts, ReadWant::default()).await.0 == Some(9)
    })
    .await;
    assert!(asked.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn the_next_read_of_the_process_that_wrote_sees_it_without_a_token() {
    let (_test, db, counts) = lamp().await;
    for count in 1..=20 {
        warm(&db, &counts).await;
        set(&db, count).await;
        let (value, facts) = look(&db, &counts, ReadWant::default()).await;
        assert_eq!(value, Some(count));
        assert!(is_strong(&facts));
    }
}

/// A list is of all that its topic has.
#[tokio::test]
async fn a_list_is_outdated_by_every_event_of_its_topic() {
    static LISTS: Source<(), Vec<i64>> = Source {
        name: "lists",
        topic: "things.thing",
        subject: None,
        one_row: false,
        bytes: |list| Some(list.len() * 8),
        load: |session, (), _| {
            async move {
                let rows = session
                    .rows("SELECT count FROM things.things WHERE region = 'eu1'", &[])
                    .await?;
                rows.iter().map(|row| row.get("count")).collect()
            }
            .boxed()
        },
    };
    let (_test, db, _) = lamp().await;
    let lists = Cached::new(&db, &LISTS);
    let look = async || {
        let call = request(&db);
        let read = lists
            .read(&call, spec(ReadWant::default()), ())
            .await
            .unwrap();
        assert!(
            call.facts().reflects().unwrap().time() >= read.at,
            "a walk may begin with it"
        );
        (Vec::clone(&read.value), is_cached(&call.facts()))
    };
    eventually("an answer from memory", async || look().await.1).await;
    create(&db, create_intent(&db, "key-of-sofa"), "sofa")
        .await
        .unwrap();
    assert_eq!(look().await, (vec![0, 0], false));
    set(&db, 7).await;
    let (mut counts, cached) = look().await;
    counts.sort_unstable();
    assert_eq!((counts, cached), (vec![0, 7], false));
}

#[tokio::test]
async fn a_hundred_readers_wait_for_one_read() {
    let (test, db, _) = lamp().await;
    // On a machine so busy that one read takes a second, those who wait read by themselves.
    eventually("one read for all of them", async || {
        let counts = Cached::new(&db, &COUNTS);
        let before = (asked(&test, "miss"), asked(&test, "hit"));
        let calls: Vec<Call> = (0..100).map(|_| request(&db)).collect();
        let want = ReadWant::default();
        let answers = join_all(calls.iter().map(|call| ask(&counts, call, want))).await;
        assert!(answers.iter().all(|(value, _)| *value == Some(0)));
        let read = answers.iter().filter(|(_, facts)| facts.rows > 0).count();
        let counted = (
            asked(&test, "miss") - before.0,
            asked(&test, "hit") - before.1,
        );
        (read, counted) == (1, (1, 99))
    })
    .await;
}

#[tokio::test]
async fn hard_case_32_that_something_is_not_there_is_never_kept() {
    let (test, db, _) = lamp().await;
    let other = test.db_in("us1");
    let counts = Cached::new(&other, &COUNTS);
    let find = async |name: &str| {
        let call = request(&other);
        let read = counts.read(&call, spec(ReadWant::default()), name.into());
        let value = *read.await.unwrap().value;
        assert!(is_strong(&call.facts()), "{value:?}");
        value
    };
    for name in ["sofa", "bed", "desk"] {
        for _ in 0..3 {
            assert_eq!(find(name).await, None);
        }
        let key = format!("key-of-{name}");
        create(&db, create_intent(&db, &key), name).await.unwrap();
        assert_eq!(find(name).await, Some(0));
    }
}

#[tokio::test]
async fn a_failed_read_leaves_nothing_behind() {
    let (test, db, _) = lamp().await;
    let proxy = WireProxy::before(&test).await;
    let through = test.db_through(proxy.port());
    let counts = Cached::new(&through, &COUNTS);
    let read = async |call: &Call| {
        let read = counts.read(call, spec(ReadWant::default()), "lamp".into());
        read.await.map(|read| *read.value)
    };
    read(&request(&db)).await.unwrap();
    set(&db, 1).await;
    eventually("what was read before is too old", async || {
        let call = request(&db);
        read(&call).await.unwrap();
        is_strong(&call.facts())
    })
    .await;
    for n in 0..3 {
        // Whoever waits for a read that fails reads by itself: the failure may have been that request's own.
        let counts = Cached::new(&through, &COUNTS);
        proxy.arm(Rule::new(READ, Answer("42601", Nothing)));
        let calls: Vec<Call> = (0..3).map(|_| request(&db)).collect();
        let ended = join_all(calls.iter().map(|call| {
            let read = counts.read(call, spec(ReadWant::default()), "lamp".into());
            async { read.await.map(|read| *read.value) }
        }))
        .await;
        let failed = ended.iter().filter(|ended| ended.is_err()).count();
        assert_eq!(failed, 1, "{n}: {ended:?}");
        assert!(ended.iter().flatten().all(|value| *value == Some(1)));
    }
}

/// The first read of each gate waits behind what it has read.
struct Gate {
    taken: AtomicBool,
    open: Semaphore,
}

impl Gate {
    const fn closed() -> Self {
        Self {
            taken: AtomicBool::new(false),
            open: Semaphore::const_new(0),
        }
    }

    async fn pass(&self) {
        if !self.taken.swap(true, Ordering::SeqCst) {
            self.open.acquire().await.unwrap().forget();
        }
    }
}

macro_rules! gated {
    ($gate:ident, $source:ident) => {
        static $gate: Gate = Gate::closed();
        static $source: Source<String, Count> = Source {
            load: |session, name, _| {
                async move {
                    let count = count_of(session, &name).await;
                    $gate.pass().await;
                    count
                }
                .boxed()
            },
            ..COUNTS
        };
    };
}

/// A read that began before a write of this process is neither waited for nor found by those who come behind it.
#[tokio::test]
async fn a_read_under_way_is_not_what_a_write_leaves_behind() {
    gated!(GATE, GATED);
    let (_test, db, _) = lamp().await;
    let counts = Cached::new(&db, &GATED);
    let call = request(&db);
    let mut early = pin!(ask(&counts, &call, ReadWant::default()));
    eventually("it has read", async || {
        assert!(poll!(early.as_mut()).is_pending());
        GATE.taken.load(Ordering::SeqCst)
    })
    .await;
    set(&db, 1).await;
    assert_eq!(look(&db, &counts, ReadWant::default()).await.0, Some(1));
    GATE.open.add_permits(1);
    assert_eq!(early.await.0, Some(0), "it was asked before the write");
    assert_eq!(look(&db, &counts, ReadWant::default()).await.0, Some(1));
}

/// The read is its first asker's: when that leaves, one of those who wait goes on, and no place is lost.
#[tokio::test]
async fn who_waits_goes_on_when_the_reader_leaves() {
    gated!(GATE, GATED);
    let (_test, db, _) = lamp().await;
    let counts = Cached::new(&db, &GATED);
    let (first, second) = (request(&db), request(&db));
    let mut leaves = Box::pin(ask(&counts, &first, ReadWant::default()));
    let mut stays = pin!(ask(&counts, &second, ReadWant::default()));
    eventually("it has read", async || {
        assert!(poll!(leaves.as_mut()).is_pending());
        assert!(poll!(stays.as_mut()).is_pending());
        GATE.taken.load(Ordering::SeqCst)
    })
    .await;
    drop(leaves);
    assert_eq!(stays.await.0, Some(0));
    assert_eq!(look(&db, &counts, ReadWant::default()).await.0, Some(0));
}

/// A read that hangs for one holds nobody else: not past their deadlines, and not for longer than a second.
#[tokio::test]
async fn nobody_waits_long_for_a_read_that_hangs() {
    gated!(GATE, GATED);
    let (_test, db, _) = lamp().await;
    let counts = Cached::new(&db, &GATED);
    let call = request(&db);
    let mut hangs = pin!(ask(&counts, &call, ReadWant::default()));
    eventually("it has read", async || {
        assert!(poll!(hangs.as_mut()).is_pending());
        GATE.taken.load(Ordering::SeqCst)
    })
    .await;
    let hurried = call_with_budget("eu1", Duration::from_millis(200));
    let late = counts.read(&hurried, spec(ReadWant::default()), "lamp".into());
    let late = late.await.map(|read| *read.value);
    assert!(
        matches!(late, Err(SystemError::DeadlineExceeded)),
        "{late:?}"
    );
    assert!(
        hurried.elapsed() < Duration::from_secs(5),
        "{:?}",
        hurried.elapsed()
    );
    let patient = request(&db);
    assert_eq!(ask(&counts, &patient, ReadWant::default()).await.0, Some(0));
    assert!(!patient.remaining().is_zero());
    assert!(poll!(hangs.as_mut()).is_pending());
}

/// Behind a database that says nothing any more, what is in memory is shown until it is too old, and then nothing is.
#[tokio::test]
async fn behind_a_silent_database_answers_last_as_long_as_they_may() {
    let (test, _, _) = lamp().await;
    // On a machine so busy that what is in memory is too old at once there is nothing to see.
    eventually("an answer without a database", async || {
        let proxy = WireProxy::before(&test).await;
        let db = test.db_through(proxy.port());
        let counts = Cached::new(&db, &COUNTS);
        warm(&db, &counts).await;
        proxy.arm(Rule::new(When::Any, Silence(Nothing)).always());
        let mut shown = 0;
        loop {
            let call = call_with_budget("eu1", Duration::from_millis(300));
            let read = counts.read(&call, spec(ReadWant::default()), "lamp".into());
            match read.await {
                Ok(read) => {
                    assert_eq!(*read.value, Some(0));
                    assert!(age(&call.facts()).1 <= 2000);
                    shown += 1;
                    tokio::task::yield_now().await;
                }
                Err(SystemError::DeadlineExceeded | SystemError::Unavailable { .. }) => break,
                Err(error) => panic!("{error:?}"),
            }
        }
        shown > 0
    })
    .await;
}

/// The clock offset counts twice: nodes differ by it, and so may this process. What a replica said is not kept.
#[tokio::test]
async fn hard_case_14_on_cockroach_the_age_told_includes_the_clock_offsets() {
    let (test, _, _) = lamp().await;
    if !test.speaks_postgres_with("a proxy that speaks CockroachDB") {
        return;
    }
    let proxy = CockroachProxy::before(&test, "us1").await;
    let db = test.db_speaking(&proxy, "us1");
    let counts = Cached::new(&db, &COUNTS);
    let (_, facts) = warm(&db, &counts).await;
    let (_, max_ms) = age(&facts);
    assert!((500..=2000).contains(&max_ms), "{max_ms}");
    let local = ReadWant {
        mode: Some(ReadMode::Local),
        ..ReadWant::default()
    };
    eventually("a replica has the lamp", async || {
        let (value, facts) = look(&db, &counts, local).await;
        let stale = matches!(facts.freshness, Some(Freshness::Follower { .. }));
        stale && value == Some(0)
    })
    .await;
    assert!(is_strong(&look(&db, &counts, ReadWant::default()).await.1));
}

/// 8 MiB, whatever there is to keep.
#[tokio::test]
async fn a_cache_takes_no_more_memory_than_it_may() {
    static LARGE: Source<u32, Count> = Source {
        name: "large",
        topic: "things.large",
        subject: Some(u32::to_string),
        one_row: false,
        bytes: |count| count.map(|_| 1 << 20),
        load: |session, _, _| async move { count_of(session, "lamp").await }.boxed(),
    };
    let (test, db, _) = lamp().await;
    let large = Cached::new(&db, &LARGE);
    for key in 0..50 {
        let call = request(&db);
        let read = large.read(&call, spec(ReadWant::default()), key);
        assert_eq!(*read.await.unwrap().value, Some(0));
        assert!(test.metric("cache_bytes", &["cache=\"large\""]) <= 8 << 20);
        assert!(test.metric("cache_entries", &["cache=\"large\""]) < 8);
    }
}
