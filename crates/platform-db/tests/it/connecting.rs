//! Hosts that give no connection, each in its own way, and connections that are made anew: nobody waits for longer than
//! one host has.

use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use platform_db::{Db, Session};
use testkit::{
    Act::{self, Answer, Cut, Delay, Notice, Silence},
    Did::Nothing,
    Proxy, Rule, TestDb,
    When::{self, Connect},
    WireProxy, eventually,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

use crate::fixture::{Times, add, count_of, create, create_intent, request, spec, test_db};

/// What a host has to give a connection.
const PATIENCE: Duration = Duration::from_secs(2);
/// What a busy machine takes for the rest.
const REST: Duration = Duration::from_secs(3);
/// So many connections are made at once.
const AT_ONCE: u32 = 8;

/// Two hosts, of which the first is not one that can be had.
struct Pair {
    test: TestDb,
    second: Proxy,
    keys: Times,
}

impl Pair {
    async fn new() -> Self {
        let test = test_db().await;
        create(&test.db(), create_intent(&test.db(), "key-lamp"), "lamp")
            .await
            .unwrap();
        let second = Proxy::before(&test).await;
        Self {
            test,
            second,
            keys: Times::default(),
        }
    }

    async fn refusing(act: Act) -> (Self, WireProxy, Db) {
        let pair = Self::new().await;
        let first = WireProxy::before(&pair.test).await;
        first.arm(Rule::new(Connect, act).always());
        let db = pair.db_behind(first.port());
        (pair, first, db)
    }

    fn db_behind(&self, first: u16) -> Db {
        self.test.db_through_any(&[first, self.second.port()])
    }

    /// A write; how long it took.
    async fn write(&self, db: &Db) -> Duration {
        let started = Instant::now();
        let key = format!("key-{:05}", self.keys.next());
        let mut intent = create_intent(db, &key);
        intent.hot = vec!["lamp".into()];
        add(db, intent, "lamp", 1).await.unwrap();
        started.elapsed()
    }

    /// Nobody asks the second host for anything any more, not even whether it lives.
    async fn is_left_alone(&self, db: &Db) -> bool {
        let before = self.second.round_trips();
        for _ in 0..20 {
            self.write(db).await;
            read(db).await;
        }
        self.second.round_trips() == before
    }
}

/// A read; how long it took.
async fn read(db: &Db) -> Duration {
    let started = Instant::now();
    let work = async |session: &Session| count_of(session, "lamp").await;
    let found = db
        .read(&request(db), spec("get_thing"), work)
        .await
        .unwrap();
    assert!(found.value.is_some());
    started.elapsed()
}

/// A node that is on its way out or in (57P01, 57P03), that has too many connections, that cannot read who there is
/// (28000, of a CockroachDB), or that goes away half-way.
#[tokio::test]
async fn a_host_that_refuses_is_passed_over_at_once() {
    for act in [
        Answer("57P01", Nothing),
        Answer("57P03", Nothing),
        Answer("53300", Nothing),
        Answer("28000", Nothing),
        Cut(Nothing),
    ] {
        let (pair, first, db) = Pair::refusing(act).await;
        let took = pair.write(&db).await;
        assert!(took < PATIENCE, "{act:?}: {took:?}");
        assert!(first.hits() > 0 && pair.second.connections() > 0);
    }
}

/// What nobody has anything else to say to is our own fault, and told so.
#[tokio::test]
async fn only_when_every_host_refuses_us_is_it_our_fault() {
    let test = test_db().await;
    let (first, second) = (
        WireProxy::before(&test).await,
        WireProxy::before(&test).await,
    );
    let db = test.db_through_any(&[first.port(), second.port()]);
    let told = async || {
        let error = db.check_schema(&[]).await.unwrap_err();
        format!("{error:?}")
    };
    first.arm(Rule::new(Connect, Answer("28000", Nothing)).always());
    second.arm(Rule::new(Connect, Answer("28000", Nothing)).always());
    assert!(told().await.contains("Denied"));
    second.disarm();
    second.arm(Rule::new(Connect, Answer("57P03", Nothing)).always());
    assert!(told().await.contains("Connect"));
}

/// All are lost, and one comes back: it is not waited for behind one that says nothing.
#[tokio::test]
async fn of_hosts_that_all_were_lost_the_first_to_answer_is_taken() {
    let (pair, first, db) = Pair::refusing(Silence(Nothing)).await;
    let second = WireProxy::before(&pair.test).await;
    second.arm(Rule::new(Connect, Answer("57P03", Nothing)));
    let db_of_two = pair.test.db_through_any(&[first.port(), second.port()]);
    drop(db);
    // Both fail, then the second is tried again and gives a connection.
    let took = pair.write(&db_of_two).await;
    assert!(took >= PATIENCE && took < 2 * PATIENCE, "{took:?}");
    assert_eq!(second.hits(), 1);
}

/// A port that takes no more connections, though nobody refuses them: what is sent to it is dropped.
async fn deaf() -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let mut queue = Vec::new();
    let at = listener.local_addr().unwrap();
    while queue.len() < 8
        && let Ok(Ok(taken)) = timeout(Duration::from_millis(300), TcpStream::connect(at)).await
    {
        queue.push(taken);
    }
    (listener, queue)
}

/// Many who come at once wait for it together, and whoever comes later does not at all.
async fn costs_its_time_once(db: &Db) {
    let writes = (0..24).map(async |n| {
        let started = Instant::now();
        let (key, name) = (format!("key-new-{n:02}"), format!("lamp-{n}"));
        create(db, create_intent(db, &key), &name).await.unwrap();
        started.elapsed()
    });
    let longest = join_all(writes).await.into_iter().max().unwrap();
    assert!(longest >= PATIENCE, "the first host was not tried");
    assert!(longest < PATIENCE + REST, "{longest:?}");
    // Shared connections are new ones.
    let took = read(db).await;
    assert!(took < PATIENCE, "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_says_nothing_costs_its_time_once() {
    let (_pair, first, db) = Pair::refusing(Silence(Nothing)).await;
    costs_its_time_once(&db).await;
    // And some that asked meanwhile whether it is back.
    let tried = first.hits();
    assert!((1..=AT_ONCE + 3).contains(&tried), "{tried}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_nobody_gets_through_to_costs_its_time_once() {
    let pair = Pair::new().await;
    let (first, queue) = deaf().await;
    let db = pair.db_behind(first.local_addr().unwrap().port());
    costs_its_time_once(&db).await;
    // Where the kernel goes on taking connections, this is the host that says nothing.
    eprintln!("the kernel took {} connections", queue.len());
}

/// While nothing else is going on: somebody has asked the host whether it lives, on a connection for that.
async fn is_asked(host: &WireProxy) {
    host.arm(Rule::new(When::Any, Notice("asked")));
    host.struck().await;
    host.disarm();
}

/// One that lives, and has no time for who is new, is not cut off from those that it serves.
#[tokio::test]
async fn a_host_that_gives_no_new_connections_keeps_those_that_it_has() {
    let pair = Pair::new().await;
    let first = WireProxy::before(&pair.test).await;
    let db = pair.db_behind(first.port());
    // Each of the two shared connections that take turns, and one for transactions.
    read(&db).await;
    read(&db).await;
    pair.write(&db).await;
    is_asked(&first).await;
    first.arm(Rule::new(Connect, Silence(Nothing)).always());
    let times = Times::default();
    let long = async {
        let sleeping = async |session: &Session| {
            times.next();
            let sql = "SELECT pg_sleep(7)::TEXT AS slept";
            session.rows(sql, &[]).await.map(drop)
        };
        db.read(&request(&db), spec("sleep"), sleeping)
            .await
            .unwrap();
    };
    let others = join_all((0..4).map(async |_| pair.write(&db).await));
    join(long, others).await;
    assert_eq!(times.get(), 1, "it was answered where it was asked");
    assert!(first.hits() > 2, "it was asked for new ones meanwhile");
    assert!(pair.second.connections() > 0);
}

/// It answers on the connections that it has, and so lives; but it gave none once, and whether it does is what counts.
#[tokio::test]
async fn a_host_that_was_full_for_a_moment_is_gone_back_to() {
    let pair = Pair::new().await;
    let first = WireProxy::before(&pair.test).await;
    let db = pair.db_behind(first.port());
    pair.write(&db).await;
    is_asked(&first).await;
    first.arm(Rule::new(Connect, Answer("53300", Nothing)));
    read(&db).await;
    assert!(first.hits() == 1 && pair.second.connections() > 0);
    eventually("the second host is left alone", async || {
        pair.is_left_alone(&db).await
    })
    .await;
}

/// A host that is back and slow to give connections: reads go on where they were until the next connection is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_home_is_taken_soon_and_no_read_waits_for_it() {
    let (pair, first, db) = Pair::refusing(Answer("57P03", Nothing)).await;
    for _ in 0..4 {
        read(&db).await;
    }
    first.disarm();
    let slow = Duration::from_millis(1500);
    first.arm(Rule::new(Connect, Delay(slow)).always());
    let (started, mut longest) = (Instant::now(), Duration::ZERO);
    eventually("the second host is left alone", async || {
        let before = pair.second.round_trips();
        for _ in 0..20 {
            longest = longest.max(read(&db).await);
        }
        pair.second.round_trips() == before
    })
    .await;
    eprintln!(
        "home after {:?}, longest read {longest:?}",
        started.elapsed()
    );
    assert!(longest < slow, "{longest:?}");
}

/// Behind one address may be several nodes, of which one hangs: nobody looks whether the only address lives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_hang_are_not_waited_for_one_by_one() {
    let pair = Pair::new().await;
    let db = pair.test.db_through(pair.second.port());
    let filled = async {
        join_all((0..16).map(async |_| pair.write(&db).await)).await;
    };
    filled.await;
    let (connections, used) = (pair.second.connections(), Instant::now());
    assert!(connections > 8, "a pool of them");
    eventually("none was used just now", async || {
        used.elapsed() > Duration::from_millis(1100)
    })
    .await;
    pair.second.hold();
    let took = pair.write(&db).await;
    assert!(took < Duration::from_secs(1) + REST, "{took:?}");
    pair.second.release();
}
