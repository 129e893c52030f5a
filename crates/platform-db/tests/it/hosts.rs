//! Several hosts in the URL, of which some are lost: two proxies in front of one database stand for two nodes.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::{join, join_all, join3};
use kernel::{IdempotencyKey, OpError, Principal, ReadWant, SystemError};
use platform_db::{Db, ReadSpec, Session};
use testkit::{Act, Did, Engine, Proxy, Rule, TestDb, When, WireProxy, eventually, intent};

use crate::fixture::{Times, add, count_of, create, create_intent, request, spec, test_db};

/// How long nothing at all may be written when one host is lost while another answers: it is silent for two seconds, then
/// asked for, and whoever was connecting to it waits for two more. Loose, since other tests keep the machine busy.
const GAP_MAX: Duration = Duration::from_secs(9);

struct Two<F = Proxy> {
    test: TestDb,
    first: F,
    second: Proxy,
    db: Db,
}

async fn two_hosts() -> Two {
    let test = test_db().await;
    let first = Proxy::before(&test).await;
    let port = first.port();
    Two::new(test, first, port).await
}

async fn read(db: &Db) -> Result<Option<i64>, SystemError> {
    let read = db
        .read(
            &request(db),
            spec("get_thing"),
            async |session: &Session| count_of(session, "lamp").await,
        )
        .await;
    read.map(|read| read.value)
}

/// A stream of writes and reads until it is enough, through whatever happens meanwhile.
struct Stream<'a> {
    db: &'a Db,
    enough: AtomicBool,
}

impl<'a> Stream<'a> {
    fn of(db: &'a Db) -> Self {
        Self {
            db,
            enough: AtomicBool::new(false),
        }
    }

    /// Keys of what was acknowledged, and the longest time without.
    async fn write(&self) -> (Vec<IdempotencyKey>, Duration) {
        let writers = (0..4).map(async |writer| {
            let (mut done, mut last, mut gap) = (Vec::new(), Instant::now(), Duration::ZERO);
            for n in 0.. {
                if self.enough.load(Ordering::SeqCst) {
                    break;
                }
                let key = format!("writer-{writer}-{n:05}");
                loop {
                    let mut intent = intent(&request(self.db), "add", &key);
                    intent.hot = vec!["lamp".into()];
                    match add(self.db, intent, "lamp", 1).await {
                        Ok(_) => break,
                        // A client repeats what it does not know with the same key.
                        Err(OpError::System(
                            SystemError::OutcomeUnknown { .. }
                            | SystemError::Unavailable { .. }
                            | SystemError::DeadlineExceeded,
                        )) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }
                gap = gap.max(last.elapsed());
                last = Instant::now();
                done.push(key.parse().unwrap());
            }
            (done, gap)
        });
        let ended = join_all(writers).await;
        let gap = ended.iter().map(|(_, gap)| *gap).max().unwrap();
        (ended.into_iter().flat_map(|(done, _)| done).collect(), gap)
    }

    /// Reads that all must be answered; the longest one.
    async fn read(&self) -> Duration {
        let mut longest = Duration::ZERO;
        while !self.enough.load(Ordering::SeqCst) {
            let started = Instant::now();
            assert!(read(self.db).await.unwrap().is_some());
            longest = longest.max(started.elapsed());
        }
        longest
    }
}

impl<F> Two<F> {
    async fn new(test: TestDb, first: F, first_port: u16) -> Self {
        let second = Proxy::before(&test).await;
        let db = test.db_through_any(&[first_port, second.port()]);
        create(&db, create_intent(&db, "key-00001"), "lamp")
            .await
            .unwrap();
        Self {
            test,
            first,
            second,
            db,
        }
    }

    /// Twenty more writes are there.
    async fn goes_on(&self) {
        let before = self.test.count("SELECT count FROM things.things").await;
        eventually("writes go on", async || {
            self.test.count("SELECT count FROM things.things").await >= before + 20
        })
        .await;
    }

    /// Runs a stream meanwhile; nothing is lost or doubled, and nothing stands still for long.
    async fn under_load(&self, meanwhile: impl Future<Output = ()>) {
        let stream = Stream::of(&self.db);
        let meanwhile = async {
            self.goes_on().await;
            meanwhile.await;
            self.goes_on().await;
            stream.enough.store(true, Ordering::SeqCst);
        };
        let ((keys, gap), longest, ()) = join3(stream.write(), stream.read(), meanwhile).await;
        let principal = Principal::test("tester");
        let verified = self.db.verify(&request(&self.db), &principal, &keys).await;
        assert_eq!(verified.unwrap(), vec![1; keys.len()], "lost or doubled");
        let count = self.test.count("SELECT count FROM things.things").await;
        assert_eq!(count, i64::try_from(keys.len()).unwrap());
        eprintln!("longest gap of writes {gap:?}, longest read {longest:?}");
        assert!(gap < GAP_MAX && longest < GAP_MAX, "{gap:?} {longest:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hard_case_02_a_hung_host_is_left_and_gone_back_to() {
    let two = two_hosts().await;
    two.under_load(async {
        two.first.swallow_answers(true);
        // Readiness does not wait for the host to be left.
        assert!(two.db.ping().await.is_ok(), "another one answers");
        two.goes_on().await;
        two.first.swallow_answers(false);
        let before = two.first.round_trips();
        eventually("the first host is gone back to", async || {
            two.second.cut();
            read(&two.db).await.unwrap();
            two.first.round_trips() > before + 20
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hard_case_02_a_dead_host_is_left_and_gone_back_to() {
    let Two {
        test,
        first,
        second,
        db,
    } = two_hosts().await;
    let third = Proxy::before(&test).await;
    let two = Two {
        test,
        first: third, // not in the URL
        second,
        db,
    };
    let first = std::sync::Mutex::new(Some(first));
    two.under_load(async {
        let back = first.lock().unwrap().take().unwrap().down();
        two.goes_on().await;
        assert!(two.db.ping().await.is_ok());
        let back = back().await;
        eventually("the first host is gone back to", async || {
            two.second.cut();
            read(&two.db).await.unwrap();
            back.round_trips() > 20
        })
        .await;
        *first.lock().unwrap() = Some(back);
    })
    .await;
}

#[tokio::test]
async fn trips_through_another_host_are_told_and_no_host_at_all_is_not_ready() {
    let two = two_hosts().await;
    let trips = async || {
        let call = request(&two.db);
        let spec = ReadSpec::reference("list_things", ReadWant::default(), None);
        let asked = async |session: &Session| count_of(session, "lamp").await;
        two.db.read(&call, spec, asked).await.unwrap();
        let facts = call.facts();
        facts.cross_region
    };
    assert_eq!(trips().await, 0);
    let Two {
        first, second, db, ..
    } = &two;
    first.swallow_answers(true);
    first.cut();
    // Every host but the first is elsewhere on PostgreSQL; on CockroachDB both say where the node behind them is.
    let elsewhere = trips().await > 0;
    assert!(elsewhere || two.test.engine() == Engine::Cockroach);
    second.swallow_answers(true);
    eventually("it is told that no host answers", async || {
        db.ping().await.is_err()
    })
    .await;
    let started = Instant::now();
    assert!(db.ping().await.is_err());
    assert!(started.elapsed() < Duration::from_secs(5));
    first.swallow_answers(false);
    first.cut();
    eventually("the first is found again", async || db.ping().await.is_ok()).await;
}

/// The one that answers at all is not left for being slow, even where it says nothing for longer than a silent one may.
#[tokio::test]
async fn the_only_host_that_answers_is_never_left() {
    let two = two_hosts().await;
    two.second.swallow_answers(true);
    let times = Times::default();
    let sleep = async |seconds: f64| {
        let call = request(&two.db);
        let spec = ReadSpec::reference("sleep", ReadWant::default(), None);
        let slept = two.db.read(&call, spec, async |session: &Session| {
            times.next();
            let sql = "SELECT pg_sleep($1)::TEXT AS slept";
            session.rows(sql, &[&seconds]).await.map(drop)
        });
        slept.await.unwrap();
    };
    // Each of the two connections that take turns knows the statement then.
    sleep(0.0).await;
    sleep(0.0).await;
    let before = two.first.round_trips();
    let silence = async {
        eventually("it runs", async || two.first.round_trips() > before).await;
        // From now on the first host hears nothing on the connections there are.
        two.first.hold();
    };
    join(sleep(5.0), silence).await;
    assert_eq!(times.get(), 3, "it was answered where it was asked");
    two.first.release();
}

/// Every connection of the pool is to the host that hangs, and many more requests wait for one: they go on together when
/// it is left, and not one after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_full_of_connections_to_a_hung_host_is_free_again_at_once() {
    let two = two_hosts().await;
    let before = two.first.round_trips();
    let writes = (0..48).map(async |n| {
        let started = Instant::now();
        let (key, name) = (format!("key-full-{n:02}"), format!("lamp-{n}"));
        let ended = create(&two.db, create_intent(&two.db, &key), &name).await;
        assert!(ended.is_ok(), "{ended:?}");
        started.elapsed()
    });
    let hang = async {
        eventually("the pool is at work", async || {
            two.first.round_trips() > before + 20
        })
        .await;
        two.first.swallow_answers(true);
    };
    let (took, ()) = join(join_all(writes), hang).await;
    let longest = took.into_iter().max().unwrap();
    eprintln!("longest write {longest:?}");
    assert!(longest < GAP_MAX, "{longest:?}");
    let written = "SELECT count(*) FROM things.things WHERE name LIKE 'lamp-%'";
    assert_eq!(two.test.count(written).await, 48);
}

/// A node that is drained: it takes nobody new, ends what is at rest, and lets transactions come to their end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hard_case_08_a_host_that_drains_is_left_without_a_gap() {
    let test = test_db().await;
    let node = WireProxy::before(&test).await;
    let port = node.port();
    let two = Two::new(test, node, port).await;
    let node = &two.first;
    two.under_load(async {
        let gone = "57P01";
        node.arm(Rule::new(When::Connect, Act::Answer(gone, Did::Nothing)).always());
        node.arm(Rule::new(When::Text("BEGIN"), Act::Die(gone, Did::Nothing)).always());
        node.arm(
            Rule::new(
                When::Text("SELECT count FROM"),
                Act::Die(gone, Did::Nothing),
            )
            .always(),
        );
        two.goes_on().await;
        assert!(two.db.ping().await.is_ok());
        let (connections, hits) = (node.connections(), node.hits());
        assert!(hits > 0);
        // It is started again.
        node.disarm();
        eventually("it is gone back to", async || {
            node.connections() > connections + 4
        })
        .await;
    })
    .await;
}
