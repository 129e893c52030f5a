//! Reads over several homes while one of them hangs.

use std::{sync::Arc, time::Duration};

use futures_util::future::{join, join_all};
use kernel::{Call, Freshness, ReadWant, RegionTag, SystemError};
use platform_db::{Db, DbError, Read, ReadOver, ReadSpec, Session};
use testkit::{Proxy, TestDb, call_with_budget, eventually, intent, strong};

use crate::fixture::{Times, create, request, test_db};

const REGIONS: [&str; 3] = ["ap1", "eu1", "us1"];

fn tags(regions: &[&str]) -> Vec<RegionTag> {
    regions.iter().map(|tag| tag.parse().unwrap()).collect()
}

/// A database with one thing in each region, named as the region.
async fn things() -> (TestDb, Db) {
    let test = test_db().await;
    let db = test.db();
    for region in REGIONS {
        let mut intent = intent(&request(&db), "create_thing", &format!("key-of-{region}"));
        intent.home = region.parse().unwrap();
        create(&db, intent, region).await.unwrap();
    }
    (test, db)
}

/// A request whose parts of the deadline are short, but long for what answers.
fn hurried() -> Call {
    call_with_budget("eu1", Duration::from_secs(6))
}

fn over(regions: &[&str], whole: bool) -> ReadOver<RegionTag> {
    let want = ReadWant { whole, ..strong() };
    ReadOver::new("list_things", want, None, tags(regions))
}

async fn names(session: &Session, regions: &[RegionTag]) -> Result<Vec<String>, DbError> {
    let sql = "SELECT t.name FROM unnest($1::TEXT[]) AS r (region) \
               CROSS JOIN LATERAL (SELECT name FROM things.things WHERE region = r.region ORDER BY name) AS t \
               ORDER BY t.name";
    let rows = session.rows(sql, &[&regions]).await?;
    rows.iter().map(|row| row.get("name")).collect()
}

async fn page(db: &Db, call: &Call, regions: &[&str]) -> Result<Read<Vec<String>>, SystemError> {
    db.read_page_over(call, over(regions, false), names).await
}

fn unreachable(ended: Result<Read<Vec<String>>, SystemError>) -> Vec<RegionTag> {
    match ended {
        Err(SystemError::RegionsUnreachable { regions }) => regions,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_hung_region_is_left_out_and_named_until_it_is_healed() {
    let (test, db) = things().await;
    if !test.is_postgres_with("a region that policies and advisory locks hang") {
        return;
    }
    let call = request(&db);
    let whole = page(&db, &call, &REGIONS).await.unwrap();
    assert_eq!(
        (whole.value.as_slice(), whole.unreachable),
        (&REGIONS.map(String::from)[..], vec![])
    );
    assert!(
        call.facts().cross_region > 0,
        "others' rows are further away"
    );

    let hung = test.hang_region("ap1").await;
    // The first finds it out; to those after it the region is suspect, and none waits for it in vain.
    for _ in 0..2 {
        let call = hurried();
        let part = page(&db, &call, &REGIONS).await.unwrap();
        assert_eq!(part.value, ["eu1", "us1"]);
        assert_eq!(part.unreachable, tags(&["ap1"]));
        assert!(!call.remaining().is_zero(), "in time");
        let facts = call.facts().clone();
        assert!(
            facts.reflects().unwrap().time() >= part.at,
            "what is shown is covered"
        );
        assert!(matches!(facts.freshness, Some(Freshness::Strong { .. })));
    }
    // Of two homes one is left: the answer is that one's.
    let call = hurried();
    page(&db, &call, &["ap1", "us1"]).await.unwrap();
    let freshness = call.facts().freshness.clone();
    assert_eq!(
        freshness,
        Some(Freshness::Strong {
            home: "us1".parse().unwrap()
        })
    );
    // Who does not ask for it is not told of it.
    let others = page(&db, &hurried(), &["eu1", "us1"]).await.unwrap();
    assert_eq!(others.unreachable, vec![]);
    let report = db
        .read_snapshot_over(&hurried(), over(&REGIONS, false), names)
        .await
        .unwrap();
    assert_eq!(report.unreachable, tags(&["ap1"]));
    let counted = test.metric(
        "db_retries_total",
        &["operation=\"list_things\"", "reason=\"silent_region\""],
    );
    assert_eq!(counted, 4);

    hung.heal().await;
    let whole = page(&db, &request(&db), &REGIONS).await.unwrap();
    assert_eq!((whole.value.len(), whole.unreachable), (3, vec![]));
}

#[tokio::test]
async fn all_or_nothing_one_region_alone_and_all_of_them_are_refused() {
    let (test, db) = things().await;
    if !test.is_postgres_with("a region that policies and advisory locks hang") {
        return;
    }
    let ap1 = test.hang_region("ap1").await;
    let whole = db
        .read_page_over(&hurried(), over(&REGIONS, true), names)
        .await;
    assert_eq!(unreachable(whole), tags(&["ap1"]));
    let alone = page(&db, &hurried(), &["ap1"]).await;
    assert_eq!(unreachable(alone), tags(&["ap1"]));
    let others = [test.hang_region("eu1").await, test.hang_region("us1").await];
    let all = page(&db, &hurried(), &REGIONS).await;
    assert_eq!(unreachable(all), tags(&REGIONS));
    for region in others {
        region.heal().await;
    }
    ap1.heal().await;
    let whole = db
        .read_page_over(&request(&db), over(&REGIONS, true), names)
        .await;
    assert_eq!(whole.unwrap().value.len(), 3);
}

#[tokio::test]
async fn a_report_that_hangs_is_made_of_the_others() {
    let (test, db) = things().await;
    if !test.is_postgres_with("a region that policies and advisory locks hang") {
        return;
    }
    let _hung = test.hang_region("us1").await;
    let call = hurried();
    let report = db
        .read_snapshot_over(&call, over(&REGIONS, false), names)
        .await
        .unwrap();
    assert_eq!(report.value, ["ap1", "eu1"]);
    assert_eq!(report.unreachable, tags(&["us1"]));
    assert!(!call.remaining().is_zero());
}

/// Readers of a hung region leave nothing behind: neither connections of the pool nor statements on the server.
#[tokio::test]
async fn many_readers_of_a_hung_region_are_answered_and_leave_nothing_behind() {
    let (test, db) = things().await;
    if !test.is_postgres_with("a region that policies and advisory locks hang") {
        return;
    }
    let hung = test.hang_region("ap1").await;
    let reading = async |n: usize| {
        let call = hurried();
        let over = over(&REGIONS, false);
        let read = if n.is_multiple_of(2) {
            db.read_page_over(&call, over, names).await
        } else {
            db.read_snapshot_over(&call, over, names).await
        };
        assert_eq!(read.unwrap().unreachable, tags(&["ap1"]));
    };
    join_all((0..12).map(reading)).await;
    eventually("the server gives up what hung", async || {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                       AND wait_event_type = 'Lock'";
        test.count(waiting).await == 0
    })
    .await;
    hung.heal().await;
    let read = page(&db, &request(&db), &REGIONS).await.unwrap();
    assert_eq!(read.unreachable, vec![]);
}

/// Slowness alone makes no gap: a report goes on while the regions are asked, a page is read once more.
#[tokio::test]
async fn what_is_only_slow_is_whole() {
    let (_test, db) = things().await;
    for snapshot in [true, false] {
        let times = Arc::new(Times::default());
        let seen = Arc::clone(&times);
        let slow = async move |session: &Session, regions: &[RegionTag]| {
            if seen.next() == 1 {
                session
                    .rows("SELECT pg_sleep(2.5)::TEXT AS slept", &[])
                    .await?;
            }
            names(session, regions).await
        };
        let call = hurried();
        let read = if snapshot {
            db.read_snapshot_over(&call, over(&REGIONS, true), slow)
                .await
        } else {
            db.read_page_over(&call, over(&REGIONS, true), slow).await
        };
        let read = read.unwrap();
        assert_eq!((read.value.len(), read.unreachable), (3, vec![]));
        assert_eq!(times.get(), if snapshot { 1 } else { 2 });
    }
}

/// What lives elsewhere is read at once, however many wait for a region that hangs.
#[tokio::test]
async fn reads_of_other_regions_do_not_wait_for_one_that_hangs() {
    let (test, db) = things().await;
    if !test.is_postgres_with("a region that policies and advisory locks hang") {
        return;
    }
    let hung = test.hang_region("ap1").await;
    let one = async |call: Call, region: &str| {
        let region: RegionTag = region.parse().unwrap();
        let spec = ReadSpec {
            operation: "list_things",
            want: ReadWant::default(),
            home: region.clone(),
            snapshot: None,
        };
        let only = std::slice::from_ref(&region);
        let read = db.read(&call, spec, async |session: &Session| {
            names(session, only).await
        });
        (call.clone(), read.await)
    };
    let waiting = join_all((0..30).map(|_| one(request(&db), "ap1")));
    let others = async {
        let asked = (0..60).map(|n| one(request(&db), REGIONS[1 + n % 2]));
        for (call, read) in join_all(asked).await {
            assert_eq!(read.unwrap().value.len(), 1);
            assert!(
                call.elapsed() < Duration::from_secs(4),
                "{:?}",
                call.elapsed()
            );
        }
        hung.heal().await;
    };
    let (waited, ()) = join(waiting, others).await;
    assert!(
        waited
            .into_iter()
            .all(|(_, read)| read.unwrap().value == ["ap1"])
    );
}

/// Whoever stands behind a statement that takes long leaves it there; it is answered where it is, once. Of connections
/// there are no more than twice those that take turns.
#[tokio::test]
async fn a_slow_statement_delays_nobody_for_long_and_is_not_repeated() {
    let test = test_db().await;
    let proxy = Proxy::before(&test).await;
    let db = test.db_through(proxy.port());
    let times = Times::default();
    let sleep = async |seconds: f64| {
        let call = request(&db);
        let spec = ReadSpec::reference("sleep", ReadWant::default(), None);
        let slept = db.read(&call, spec, async |session: &Session| {
            times.next();
            let sql = "SELECT pg_sleep($1)::TEXT AS slept";
            session.rows(sql, &[&seconds]).await.map(drop)
        });
        slept.await.unwrap();
        call.elapsed()
    };
    join_all((0..4).map(|_| sleep(0.0))).await;
    let before = times.get();
    // The first of them is sent first; the others stand behind it, on this connection or the next.
    let (slow, quick) = join(sleep(4.0), join_all((0..20).map(|_| sleep(0.0)))).await;
    assert!(
        quick.iter().all(|waited| *waited < slow),
        "{quick:?} {slow:?}"
    );
    let asked = times.get() - before;
    assert!(
        (21..=41).contains(&asked),
        "each of the quick ones twice at most, the slow one once: {asked}"
    );
    // More that are slow than there are connections: they wait for each other.
    join_all((0..8).map(|_| sleep(1.0))).await;
    assert!(
        proxy.connections() <= 12,
        "{} connections",
        proxy.connections()
    );
}
