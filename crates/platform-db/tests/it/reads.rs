//! How fresh reads are, and what they cost.

use std::time::Duration;

use futures_util::future::join_all;
use kernel::{Freshness, ReadMode, ReadWant, RegionTag, SystemError, Token};
use platform_db::{Db, DbError, Read, ReadSpec, Session};
use testkit::{Act::Delay, Proxy, Rule, When, WireProxy, call_with_budget, eventually};

use crate::fixture::{add, count_of, create, create_intent, request, test_db};

fn spec(home: &str) -> ReadSpec {
    ReadSpec {
        operation: "get_thing",
        want: ReadWant::default(),
        home: home.parse::<RegionTag>().unwrap(),
        snapshot: None,
    }
}

async fn read(
    db: &Db,
    call: &kernel::Call,
    spec: ReadSpec,
) -> Result<Read<Option<i64>>, SystemError> {
    db.read(call, spec, async |session: &Session| {
        count_of(session, "lamp").await
    })
    .await
}

#[tokio::test]
async fn a_strong_read_sees_every_write_before_it_and_its_token_covers_it() {
    let test = test_db().await;
    let db = test.db();
    for n in 0..5 {
        let write = create_intent(&db, &format!("key-{n:05}"));
        let written = write.call.clone();
        create(&db, write, if n == 0 { "lamp" } else { "other" })
            .await
            .ok();
        let call = request(&db);
        let read = read(&db, &call, spec("eu1")).await.unwrap();
        assert_eq!(read.value, Some(0));
        let facts = call.facts().clone();
        assert_eq!(
            facts.freshness,
            Some(Freshness::Strong {
                home: "eu1".parse().unwrap()
            })
        );
        assert!(facts.reflects() >= written.facts().reflects());
        assert_eq!(facts.reflects(), Some(Token::at(read.at)));
        assert_eq!(facts.cross_region, 0);
    }
}

#[tokio::test]
async fn a_read_costs_one_statement_and_says_when_it_crosses_regions() {
    let test = test_db().await;
    create(&test.db(), create_intent(&test.db(), "key-00001"), "lamp")
        .await
        .unwrap();
    for (region, home, crosses) in [
        ("eu1", "eu1", 0),
        ("eu1", "g", 0),
        ("us1", "g", 0),
        ("us1", "eu1", 1),
    ] {
        let db = test.db_in(region);
        // The first reads prepare the statement on each shared connection and sample the database's time.
        for _ in 0..2 {
            read(&db, &request(&db), spec(home)).await.unwrap();
        }
        let call = request(&db);
        read(&db, &call, spec(home)).await.unwrap();
        let facts = call.facts().clone();
        assert_eq!(
            (facts.statements, facts.rows, facts.cross_region),
            (1, 1, crosses),
            "{region} {home}"
        );
    }
}

#[tokio::test]
async fn on_postgres_every_mode_is_answered_strong_and_says_so() {
    let test = test_db().await;
    if !test.speaks_postgres_with("one copy of everything") {
        return;
    }
    let db = test.db();
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    for mode in [
        ReadMode::Strong,
        ReadMode::Local,
        ReadMode::Bounded { max_ms: 60_000 },
    ] {
        let call = request(&db);
        let mut spec = spec("eu1");
        spec.want.mode = Some(mode);
        assert_eq!(read(&db, &call, spec).await.unwrap().value, Some(0));
        assert!(matches!(
            call.facts().freshness,
            Some(Freshness::Strong { .. })
        ));
    }
}

#[tokio::test]
async fn hard_case_15_a_walk_shows_its_snapshot_and_ends_at_a_newer_token() {
    let test = test_db().await;
    let db = test.db();
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    let first_call = request(&db);
    let first = db
        .read_page(&first_call, spec("eu1"), async |s: &Session| {
            count_of(s, "lamp").await
        })
        .await
        .unwrap();
    // The client sends the newest token it has, which is that of the first page: the page turns.
    let mut second = spec("eu1");
    second.snapshot = Some(first.at);
    second.want.token = first_call.facts().reflects();
    let call = request(&db);
    read(&db, &call, second.clone()).await.unwrap();
    match call.facts().freshness.clone() {
        Some(Freshness::Snapshot { as_of, max_ms, .. }) => {
            assert_eq!(as_of, first.at);
            let age = call.received_at().since(first.at);
            assert_eq!(u128::from(max_ms), age.as_millis());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(call.facts().reflects(), first_call.facts().reflects());
    // It wrote in between: the walk is over.
    second.want.token = Some(Token::at(first.at.plus(Duration::from_millis(1))));
    let ended = read(&db, &request(&db), second).await;
    assert!(
        matches!(ended, Err(SystemError::CursorExpired)),
        "{ended:?}"
    );
}

/// A caller who writes here and reads far away never sees less than the token, and where everything is read strong,
/// neither without it.
#[tokio::test]
async fn a_token_is_kept_over_a_long_way() {
    let test = test_db().await;
    let (near, proxy) = (test.db(), WireProxy::before(&test).await);
    let far = test.db_through(proxy.port());
    create(&near, create_intent(&near, "key-00000"), "lamp")
        .await
        .unwrap();
    proxy.arm(Rule::new(When::Any, Delay(Duration::from_millis(20))).always());
    for count in 1..=5 {
        let write = create_intent(&near, &format!("key-{count:05}"));
        let written = write.call.clone();
        add(&near, write, "lamp", 1).await.unwrap();
        let token = written.facts().reflects();
        for (mode, token) in [
            (Some(ReadMode::Local), token),
            (Some(ReadMode::Bounded { max_ms: 10_000 }), token),
            (None, None),
        ] {
            let mut spec = spec("eu1");
            (spec.want.mode, spec.want.token) = (mode, token);
            let call = request(&far);
            assert_eq!(read(&far, &call, spec).await.unwrap().value, Some(count));
            assert!(call.facts().reflects() >= written.facts().reflects());
        }
    }
    assert!(proxy.hits() >= 15);
}

#[tokio::test]
async fn hard_case_14_a_token_from_the_future_is_unknown() {
    let test = test_db().await;
    let db = test.db();
    let mut spec = spec("eu1");
    spec.want.token = Some(Token::at(db.clock().now().plus(Duration::from_secs(60))));
    let ended = read(&db, &request(&db), spec).await;
    assert!(matches!(ended, Err(SystemError::TokenUnknown)), "{ended:?}");
}

#[tokio::test]
async fn several_statements_of_a_snapshot_see_one_moment() {
    let test = test_db().await;
    let db = test.db();
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    let call = request(&db);
    let read = db
        .read_snapshot(&call, spec("eu1"), async |session: &Session| {
            let before = count_of(session, "lamp").await?;
            test.query("UPDATE things.things SET count = count + 1")
                .await;
            Ok((before, count_of(session, "lamp").await?))
        })
        .await
        .unwrap();
    assert_eq!(read.value, (Some(0), Some(0)));
    assert_eq!(test.count("SELECT count FROM things.things").await, 1);
    // Nothing can be written in one, and the connection is not lost for it.
    let written = db
        .read_snapshot(&request(&db), spec("eu1"), async |session: &Session| {
            session.execute("DELETE FROM things.things", &[]).await
        })
        .await;
    assert!(
        matches!(
            written,
            Err(SystemError::Bug {
                effect_unknown: false,
                ..
            })
        ),
        "{written:?}"
    );
}

#[tokio::test]
async fn shared_connections_cannot_write() {
    let test = test_db().await;
    let db = test.db();
    let written = db
        .read(&request(&db), spec("eu1"), async |session: &Session| {
            session.execute("DELETE FROM things.things", &[]).await
        })
        .await;
    match written {
        Err(SystemError::Bug { source, .. }) => {
            assert_eq!(
                source.downcast_ref::<DbError>().unwrap().code(),
                Some("25006")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn many_reads_share_a_few_connections() {
    let test = test_db().await;
    let db = test.db();
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    let reads =
        (0..200).map(|_| async { read(&db, &request(&db), spec("eu1")).await.unwrap().value });
    assert!(join_all(reads).await.iter().all(|value| *value == Some(0)));
    assert!(
        test.sessions().await <= 3,
        "two shared ones and one of the write"
    );
}

#[tokio::test]
async fn a_silent_wire_is_given_up_at_the_deadline_and_then_replaced() {
    let test = test_db().await;
    let proxy = Proxy::before(&test).await;
    let db = test.db_through(proxy.port());
    create(&db, create_intent(&db, "key-00001"), "lamp")
        .await
        .unwrap();
    for _ in 0..2 {
        read(&db, &request(&db), spec("eu1")).await.unwrap(); // on each shared connection
    }
    proxy.swallow_answers(true);
    let call = call_with_budget("eu1", Duration::from_millis(300));
    let ended = read(&db, &call, spec("eu1")).await;
    assert!(
        matches!(ended, Err(SystemError::DeadlineExceeded)),
        "{ended:?}"
    );
    assert!(call.elapsed() < Duration::from_secs(5));
    proxy.swallow_answers(false);
    eventually("reads work again", async || {
        let call = call_with_budget("eu1", Duration::from_secs(5));
        read(&db, &call, spec("eu1")).await.is_ok()
    })
    .await;
}
