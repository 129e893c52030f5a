//! What is said to CockroachDB, and that its answers are understood: over a PostgreSQL that speaks it (`CockroachProxy`),
//! with real rows, and states of a few seconds ago for replicas that lag behind.

use std::time::Duration;

use kernel::{Call, Freshness, Read, ReadMode, ReadWant, SystemError, Timestamp, Token};
use platform_db::{Db, DbError, ReadOver, ReadSpec, Session};
use testkit::{Act::Answer, CockroachProxy, Did::Nothing, Rule, TestDb, When, eventually};

use crate::fixture::{Times, add, create, create_intent, request, test_db};

const BOUNDED: ReadMode = ReadMode::Bounded { max_ms: 10_000 };
/// As an operation reads what is one row; on PostgreSQL the name is as good as the key.
const ROW: &str =
    "SELECT count FROM things.things /* AS OF */ WHERE region = 'eu1' AND name = 'lamp'";
const LIST: &str = "SELECT count FROM things.things WHERE region = 'eu1' ORDER BY name";
const ROW_NOW: When = When::Text("things.things /* AS OF */ WHERE");
const NEAREST: When = When::Text("AS OF SYSTEM TIME with_max_staleness");
const FOLLOWER: When = When::Text("BEGIN AS OF SYSTEM TIME");

/// A thing with a count, in a PostgreSQL that speaks CockroachDB.
struct Speaking {
    test: TestDb,
    proxy: CockroachProxy,
    db: Db,
    keys: Times,
}

/// A count, and what its answer says of itself.
#[derive(Debug)]
struct Seen {
    count: i64,
    call: Call,
    at: Timestamp,
}

impl Seen {
    fn freshness(&self) -> Freshness {
        self.call.facts().freshness.clone().unwrap()
    }

    fn token(&self) -> Token {
        self.call.facts().reflects().unwrap()
    }

    fn is_follower(&self) -> bool {
        matches!(self.freshness(), Freshness::Follower { .. })
    }

    /// Writes acknowledged this long before are in it.
    fn max_ms(&self) -> u64 {
        match self.freshness() {
            Freshness::Strong { .. } => 0,
            Freshness::Follower { max_ms, .. }
            | Freshness::Cache { max_ms, .. }
            | Freshness::Snapshot { max_ms, .. } => max_ms,
        }
    }
}

fn spec(mode: Option<ReadMode>, token: Option<Token>) -> ReadSpec {
    ReadSpec {
        operation: "get_thing",
        want: ReadWant {
            mode,
            token,
            ..ReadWant::default()
        },
        home: "eu1".parse().unwrap(),
        snapshot: None,
    }
}

async fn first(session: &Session, sql: &'static str) -> Result<i64, DbError> {
    session.row(sql, &[]).await?.get("count")
}

async fn row(db: &Db, spec: ReadSpec) -> Result<Seen, SystemError> {
    let call = request(db);
    let work = async |session: &Session| first(session, ROW).await;
    Ok(seen(db.read_row(&call, spec, work).await?, call))
}

async fn page(db: &Db, spec: ReadSpec) -> Result<Seen, SystemError> {
    let call = request(db);
    let work = async |session: &Session| first(session, LIST).await;
    Ok(seen(db.read_page(&call, spec, work).await?, call))
}

fn seen(read: Read<i64>, call: Call) -> Seen {
    Seen {
        count: read.value,
        call,
        at: read.at,
    }
}

impl Speaking {
    /// `None` where the tests run on a CockroachDB, which speaks for itself.
    async fn new() -> Option<Self> {
        let test = test_db().await;
        if !test.speaks_postgres_with("a proxy that speaks CockroachDB") {
            return None;
        }
        // Before anything that the proxy shows.
        let write = create_intent(&test.db(), "key-lamp");
        create(&test.db(), write, "lamp").await.unwrap();
        let proxy = CockroachProxy::before(&test, "eu1").await;
        let db = test.db_speaking(&proxy, "eu1");
        Some(Self {
            test,
            proxy,
            db,
            keys: Times::default(),
        })
    }

    fn key(&self) -> String {
        format!("key-{:05}", self.keys.next())
    }

    /// Adds one; the token of the write.
    async fn add(&self) -> Token {
        let write = create_intent(&self.db, &self.key());
        let call = write.call.clone();
        add(&self.db, write, "lamp", 1).await.unwrap();
        call.facts().reflects().unwrap()
    }

    /// Until there is a past that has the thing, for lists too.
    async fn grows_old(&self) {
        eventually("replicas have it", async || {
            let listed = page(&self.db, spec(Some(BOUNDED), None)).await;
            listed.unwrap().is_follower()
        })
        .await;
        let _ = self.proxy.said();
    }

    /// What was said of the past, without its numbers.
    fn said(&self) -> Vec<String> {
        let said = self.proxy.said().into_iter();
        said.filter_map(|text| {
            let (_, clause) = text.split_once("AS OF SYSTEM TIME ")?;
            let end = clause.find([';', 'W']).unwrap_or(clause.len());
            Some(clause[..end].trim().to_owned())
        })
        .collect()
    }
}

#[tokio::test]
async fn a_write_is_said_as_cockroach_wants_it_and_its_token_is_its_commit() {
    let Some(speaking) = Speaking::new().await else {
        return;
    };
    let _ = speaking.proxy.said();
    let mut write = create_intent(&speaking.db, "key-shade");
    write.hot = vec!["things/lamp".into()];
    let call = write.call.clone();
    create(&speaking.db, write, "shade").await.unwrap();
    let said = speaking.proxy.said();
    let place = |part: &str| {
        let found = said.iter().position(|text| text.contains(part));
        found.unwrap_or_else(|| panic!("{part}: {said:#?}"))
    };
    let places = [
        place("BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE"),
        place("INSERT INTO things.things"),
        place("WITH audited AS"),
        place("COMMIT"),
        place("SHOW COMMIT TIMESTAMP"),
    ];
    assert!(places.is_sorted(), "{said:#?}");
    assert!(
        !said.iter().any(|text| text.contains("advisory")),
        "{said:#?}"
    );
    // The hybrid clock's own figures.
    let token = call.facts().reflects().unwrap();
    assert_eq!((token.nanos() % 1000, token.logical()), (0, 1));
}

#[tokio::test]
async fn hard_case_13_one_row_is_asked_of_the_nearest_replica() {
    let Some(speaking) = Speaking::new().await else {
        return;
    };
    // Its table is younger than what replicas have.
    let young = row(&speaking.db, spec(Some(BOUNDED), None)).await.unwrap();
    assert_eq!((young.count, young.is_follower()), (0, false));
    speaking.grows_old().await;
    let token = speaking.add().await;
    let _ = speaking.proxy.said();
    let stale = row(&speaking.db, spec(Some(BOUNDED), None)).await.unwrap();
    assert_eq!(speaking.said(), ["with_max_staleness('9s')"]);
    assert_eq!((stale.count, stale.is_follower()), (0, true));
    assert_eq!(stale.max_ms(), 9250);
    // What it shows may be as new as the answer: nobody who goes on with its token sees less.
    assert!(stale.token() > token);
    // Nothing of it crosses regions; a strong read from elsewhere does.
    assert_eq!(stale.call.facts().cross_region, 0);
    // A bound that no replica can keep, and a token that none can have yet.
    for (mode, token) in [
        (ReadMode::Bounded { max_ms: 3_000 }, None),
        (BOUNDED, Some(token)),
        (ReadMode::Local, Some(token)),
    ] {
        let read = row(&speaking.db, spec(Some(mode), token)).await.unwrap();
        assert_eq!((read.count, read.is_follower()), (1, false), "{mode:?}");
    }
    assert_eq!(speaking.said(), Vec::<String>::new());
}

#[tokio::test]
async fn local_asks_the_nearest_replica_alone_and_further_back() {
    let Some(speaking) = Speaking::new().await else {
        return;
    };
    speaking.proxy.lag(Duration::from_secs(6));
    speaking.grows_old().await;
    eventually("a replica that lags so far has it", async || {
        let read = row(&speaking.db, spec(Some(ReadMode::Local), None)).await;
        read.unwrap().is_follower()
    })
    .await;
    speaking.add().await;
    let _ = speaking.proxy.said();
    let read = row(&speaking.db, spec(Some(ReadMode::Local), None))
        .await
        .unwrap();
    assert_eq!((read.count, read.max_ms()), (0, 10_250));
    assert_eq!(
        speaking.said(),
        [
            "with_max_staleness('5s', true)",
            "with_max_staleness('10s', true)"
        ]
    );
}

#[tokio::test]
async fn hard_case_12_and_15_all_pages_show_the_state_of_the_first() {
    let Some(speaking) = Speaking::new().await else {
        return;
    };
    let _ = speaking.proxy.said();
    let one = page(&speaking.db, spec(None, None)).await.unwrap();
    let said = speaking.proxy.said();
    let began = "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY";
    assert!(said.iter().any(|text| text.starts_with(began)));
    assert!(
        said.iter()
            .any(|text| text.contains("cluster_logical_timestamp()"))
    );
    speaking.proxy.keeps_this().await;
    // The client sends the newest token that it has, which is the page's; meanwhile somebody writes.
    let newer = speaking.add().await;
    let mut next = spec(None, Some(one.token()));
    next.snapshot = Some(one.at);
    let two = page(&speaking.db, next.clone()).await.unwrap();
    assert_eq!((one.count, two.count), (0, 0));
    assert_eq!(two.token(), one.token());
    let nanos = one.at.as_millis() * 1_000_000;
    assert_eq!(speaking.said(), [format!("'{nanos}'")]);
    next.want.token = Some(newer);
    let ended = page(&speaking.db, next).await;
    assert!(
        matches!(ended, Err(SystemError::CursorExpired)),
        "{ended:?}"
    );
}

#[tokio::test]
async fn hard_case_16_what_is_gone_ends_a_walk_and_is_read_strong_otherwise() {
    let Some(speaking) = Speaking::new().await else {
        return;
    };
    speaking.grows_old().await;
    let one = page(&speaking.db, spec(None, None)).await.unwrap();
    // It is rounded up to a millisecond, which must have come: a refusal of what is to come would be retried.
    speaking.proxy.keeps_this().await;
    let mut next = spec(None, None);
    next.snapshot = Some(one.at);
    for code in ["42P01", "3D000", "3F000", "42703"] {
        let struck = |when| {
            speaking.proxy.wire().disarm();
            speaking
                .proxy
                .wire()
                .arm(Rule::new(when, Answer(code, Nothing)).times(1));
        };
        struck(When::Text("FROM things.things"));
        let ended = page(&speaking.db, next.clone()).await;
        assert!(
            matches!(ended, Err(SystemError::CursorExpired)),
            "{code} {ended:?}"
        );
        struck(When::Text("FROM things.things"));
        let read = page(&speaking.db, spec(Some(ReadMode::Local), None))
            .await
            .unwrap();
        assert!(!read.is_follower(), "{code}");
        struck(NEAREST);
        let read = row(&speaking.db, spec(Some(BOUNDED), None)).await.unwrap();
        assert!(!read.is_follower(), "{code}");
        assert_eq!(speaking.proxy.wire().hits(), 1, "{code}");
    }
}

#[tokio::test]
async fn a_page_waits_for_a_node_whose_clock_is_behind_and_not_for_what_is_gone() {
    let Some(speaking) = Speaking::new().await else {
        return;
    };
    let one = page(&speaking.db, spec(None, None)).await.unwrap();
    let mut next = spec(None, None);
    next.snapshot = Some(one.at);
    let wire = speaking.proxy.wire();
    wire.arm(Rule::new(FOLLOWER, Answer("XXUUU", Nothing)).times(2));
    let two = page(&speaking.db, next.clone()).await.unwrap();
    assert_eq!((two.count, wire.hits()), (0, 2));
    wire.disarm();
    wire.arm(Rule::new(FOLLOWER, Answer("XXUUU", Nothing)).always());
    let ended = page(&speaking.db, next).await;
    assert!(
        matches!(ended, Err(SystemError::CursorExpired)),
        "{ended:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_run_so_is_run_at_an_exact_time() {
    let Some(speaking) = Speaking::new().await else {
        return;
    };
    speaking.grows_old().await;
    let wire = speaking.proxy.wire();
    for code in ["0A000", "XXUUU", "42601"] {
        wire.disarm();
        wire.arm(Rule::new(NEAREST, Answer(code, Nothing)).always());
        let _ = speaking.proxy.said();
        let read = row(&speaking.db, spec(Some(BOUNDED), None)).await.unwrap();
        assert_eq!((read.is_follower(), read.max_ms()), (true, 5250), "{code}");
        assert_eq!(wire.hits(), 1);
    }
    // The exact time is refused as well.
    wire.arm(Rule::new(FOLLOWER, Answer("XXUUU", Nothing)).always());
    let read = row(&speaking.db, spec(Some(BOUNDED), None)).await.unwrap();
    assert!(!read.is_follower());
    // Two statements, or one that does not say where its moment goes: no replica is asked for one row.
    wire.disarm();
    let call = request(&speaking.db);
    let work = async |session: &Session| first(session, LIST).await;
    let read = speaking
        .db
        .read_row(&call, spec(Some(BOUNDED), None), work)
        .await;
    assert!(seen(read.unwrap(), call).is_follower());
}

#[tokio::test]
async fn a_bound_that_cannot_be_kept_names_what_could_be_had() {
    let Some(speaking) = Speaking::new().await else {
        return;
    };
    speaking.grows_old().await;
    let wire = speaking.proxy.wire();
    let quorum_is_lost = || {
        wire.disarm();
        wire.arm(Rule::new(ROW_NOW, Answer("58C00", Nothing)).always());
        wire.arm(Rule::new(When::Text("('9s') WHERE"), Answer("58C00", Nothing)).always());
        wire.arm(Rule::new(FOLLOWER, Answer("58C00", Nothing)).always());
    };
    quorum_is_lost();
    // The nearest replica is near enough: it has the last word.
    let read = row(&speaking.db, spec(Some(BOUNDED), None)).await.unwrap();
    assert!(read.is_follower());
    let read = row(&speaking.db, spec(Some(ReadMode::Local), None))
        .await
        .unwrap();
    assert!(read.is_follower());
    speaking.proxy.lag(Duration::from_secs(40));
    let asked = speaking.db.clock().now();
    match row(&speaking.db, spec(Some(BOUNDED), None)).await {
        Err(SystemError::TooFarBehind { as_of }) => {
            let age = asked.since(as_of);
            assert!(
                age > Duration::from_secs(39) && age < Duration::from_secs(41),
                "{age:?}"
            );
        }
        other => panic!("{other:?}"),
    }
    // Strong is never answered stale.
    let strong = row(&speaking.db, spec(None, None)).await;
    assert!(
        matches!(strong, Err(SystemError::Unavailable { .. })),
        "{strong:?}"
    );
    // A list looks further back within its bound.
    wire.disarm();
    wire.arm(Rule::new(FOLLOWER, Answer("58C00", Nothing)).times(1));
    wire.arm(Rule::new(When::Text("READ ONLY"), Answer("58C00", Nothing)).always());
    eventually("a list is twice as old", async || {
        wire.disarm();
        wire.arm(Rule::new(FOLLOWER, Answer("58C00", Nothing)).times(1));
        let mode = ReadMode::Bounded { max_ms: 11_000 };
        let read = page(&speaking.db, spec(Some(mode), None)).await.unwrap();
        read.max_ms() == 10_250
    })
    .await;
}

#[tokio::test]
async fn hard_case_16_a_held_snapshot_is_one_that_can_be_read() {
    let Some(speaking) = Speaking::new().await else {
        return;
    };
    let over = || {
        ReadOver::new(
            "export_rows",
            spec(Some(BOUNDED), None).want,
            None,
            vec!["eu1".parse::<kernel::RegionTag>().unwrap()],
        )
    };
    let look = async |session: &Session| first(session, LIST).await.map(drop);
    // The tables are younger than what it would be taken of; then they are not.
    for is_old in [false, true] {
        let _ = speaking.proxy.said();
        let call = request(&speaking.db);
        let held = speaking
            .db
            .hold_snapshot(&call, &over(), look)
            .await
            .unwrap();
        assert_eq!(speaking.said().len(), if is_old { 1 } else { 2 });
        let freshness = call.facts().freshness.clone();
        let Some(Freshness::Snapshot { max_ms, .. }) = freshness else {
            panic!("{freshness:?}")
        };
        assert_eq!(max_ms, if is_old { 5250 } else { 0 });
        let before = held.ask(first(held.session(), LIST)).await.unwrap();
        speaking.add().await;
        assert_eq!(held.ask(first(held.session(), LIST)).await.unwrap(), before);
        held.close().await;
        speaking.grows_old().await;
    }
}

/// A caller who writes in one region and reads in another with the token never sees less than the token; without it,
/// no less than what was acknowledged as long ago as the answer says, which is no longer than was asked for.
#[tokio::test]
async fn a_token_shows_what_it_names_and_no_token_what_the_bound_says() {
    let Some(speaking) = Speaking::new().await else {
        return;
    };
    let far = CockroachProxy::before(&speaking.test, "us1").await;
    far.lag(Duration::from_secs(4));
    let reader = speaking.test.db_speaking(&far, "us1");
    let (mut acknowledged, mut stale) = (vec![(speaking.db.clock().now(), 0_i64)], [0; 4]);
    eventually("every kind of read was stale for a while", async || {
        let token = speaking.add().await;
        let count = acknowledged.last().unwrap().1 + 1;
        acknowledged.push((speaking.db.clock().now(), count));
        // Tokens of the newest write, and of one that replicas may have.
        for (mode, one_row, kind) in [
            (BOUNDED, true, 0),
            (BOUNDED, false, 1),
            (ReadMode::Local, true, 2),
            (ReadMode::Local, false, 3),
        ] {
            let read = async |token| {
                let spec = spec(Some(mode), token);
                let read = if one_row {
                    row(&reader, spec).await
                } else {
                    page(&reader, spec).await
                };
                read.unwrap()
            };
            assert!(
                read(Some(token)).await.count >= count,
                "less than the token"
            );
            let free = read(None).await;
            let told = Duration::from_millis(free.max_ms());
            let since = free.call.received_at().minus(told);
            let promised = acknowledged.iter().rev().find(|(at, _)| *at <= since);
            assert!(
                free.count >= promised.map_or(0, |(_, count)| *count),
                "{free:?}"
            );
            assert!(mode != BOUNDED || free.max_ms() <= 10_000);
            if free.count < count {
                stale[kind] += 1;
            }
            // Whoever goes on with what it was told never sees less again.
            assert!(read(Some(free.token())).await.count >= free.count);
        }
        stale.iter().all(|times| *times > 3)
    })
    .await;
    assert!(
        far.said()
            .iter()
            .any(|text| text.contains("with_max_staleness"))
    );
}

/// An operator may call the cluster's regions as the provider does: our own is known by each of its names.
#[tokio::test]
async fn a_node_of_our_region_is_known_by_any_name_of_it() {
    let Some(speaking) = Speaking::new().await else {
        return;
    };
    for (called, is_away) in [
        ("eu1", false),
        ("cloud-eu1", false),
        ("us1", true),
        ("cloud-us1", true),
    ] {
        let node = CockroachProxy::before(&speaking.test, called).await;
        let db = speaking.test.db_speaking(&node, "eu1");
        let seen = row(&db, spec(None, None)).await.unwrap();
        let crossed = seen.call.facts().cross_region > 0;
        assert_eq!(crossed, is_away, "the node says {called}");
    }
}
