//! The sweeper, and random holds against a model.

use std::{
    sync::Arc,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use axum::http::Method;
use futures_util::future::join_all;
use kernel::{Clock, Timestamp};
use platform_db::{Db, Fault};
use prometheus_client::registry::Registry;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::json;
use testkit::{TestApp, app::new_key, eventually};
use tokio::{sync::oneshot, task::JoinSet};
use warehouse::Sweeper;

use crate::{
    items::lamp,
    reservations::{RESERVATIONS, Stocked},
};

fn sweeper(db: Db) -> Sweeper {
    Sweeper::new(db, &mut Registry::default())
}

/// Holds one each, of so many seconds; their paths.
async fn hold_for(stocked: &Stocked, seconds: &[u64]) -> Vec<String> {
    let mut paths = Vec::new();
    for seconds in seconds {
        let mut wanted = stocked.wanted(1);
        wanted["hold_seconds"] = json!(seconds);
        let held = stocked.app.post(RESERVATIONS, wanted).await;
        assert_eq!(held.status, 201, "{}", held.body);
        paths.push(held.header("location").to_owned());
    }
    paths
}

fn in_seconds(seconds: u64) -> Clock {
    Clock::fixed(Clock::System.now().plus(Duration::from_secs(seconds)))
}

const SWEEPS: &str = "SELECT count(*) FROM platform.audit_log WHERE action = 'expire_holds'";

#[tokio::test(flavor = "multi_thread")]
async fn due_holds_are_ended_once_and_their_stock_is_given_back() {
    let stocked = Stocked::with(10).await;
    let paths = hold_for(&stocked, &[60, 900, 60]).await;
    let db = &stocked.warehouse.db;
    let early = sweeper(db.db_with_clock("eu1", in_seconds(30)));
    assert_eq!(early.sweep().await.holds, 0);
    assert_eq!(stocked.level().await, (10, 3, 4));
    let sweeper = sweeper(db.db_with_clock("eu1", in_seconds(90)));
    let swept = sweeper.sweep().await;
    assert_eq!((swept.holds, swept.failures), (2, 0));
    // Two holds of one level: one write, one version, one event.
    assert_eq!(stocked.level().await, (10, 1, 5));
    assert_eq!(stocked.changes().await[4], (5, "expired".to_owned()));
    for (path, status, version) in [
        (&paths[0], "expired", 2),
        (&paths[1], "active", 1),
        (&paths[2], "expired", 2),
    ] {
        let hold = stocked.app.get(path).await;
        assert_eq!(
            (&hold.body["status"], hold.version()),
            (&json!(status), version)
        );
    }
    let audit = "SELECT issuer || '|' || subject || '|' || region || '|' || office || '|' || cardinality(ids) \
                 FROM platform.audit_log WHERE action = 'expire_holds'";
    let rows = db.query(audit).await;
    assert_eq!(
        rows,
        [[Some("meridian|system:sweeper|eu1|ber|2".to_owned())]]
    );
    assert_eq!(sweeper.sweep().await.holds, 0);
    assert_eq!(db.count(SWEEPS).await, 1, "nothing to do is not recorded");
    stocked.reserved_is_what_is_held().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_sweepers_at_once_end_each_hold_once() {
    let stocked = Stocked::with(40).await;
    hold_for(&stocked, &[60; 40]).await;
    // Other levels too, so that the sweepers meet on some and not on others.
    for n in 0..6 {
        let item = stocked
            .app
            .post("/v1/warehouse/items", lamp(&format!("LAMP-{}", 10 + n)))
            .await;
        let id = item.body["id"].as_str().unwrap();
        stocked.receive_of(id, "nyc-main", 5).await;
        for _ in 0..3 {
            let wanted = json!({"location": "nyc-main", "item": item.body["id"], "quantity": 1, "hold_seconds": 60});
            assert_eq!(stocked.app.post(RESERVATIONS, wanted).await.status, 201);
        }
    }
    let db = &stocked.warehouse.db;
    let sweepers: Vec<Sweeper> = ["eu1", "us1", "ap1", "eu1", "us1"]
        .iter()
        .map(|region| sweeper(db.db_with_clock(region, in_seconds(120))))
        .collect();
    let swept = join_all(sweepers.iter().map(Sweeper::sweep)).await;
    assert_eq!(
        swept.iter().map(|swept| swept.failures).sum::<usize>(),
        0,
        "{swept:?}"
    );
    assert_eq!(
        swept.iter().map(|swept| swept.holds).sum::<usize>(),
        58,
        "{swept:?}"
    );
    assert_eq!(
        db.count(
            "SELECT count(*) FROM warehouse.reservations WHERE status = 'expired' AND version = 2"
        )
        .await,
        58
    );
    assert_eq!(db.count(SWEEPS).await, 7, "one write a level");
    let events = "SELECT count(*) FROM platform.events WHERE data ->> 'cause' = 'expired'";
    assert_eq!(db.count(events).await, 7);
    assert_eq!(stocked.level().await, (40, 0, 42));
    stocked.reserved_is_what_is_held().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_regions_are_left_to_themselves_for_ten_seconds() {
    let stocked = Stocked::with(10).await;
    hold_for(&stocked, &[60]).await;
    let db = &stocked.warehouse.db;
    for (region, seconds, holds) in [("us1", 65, 0), ("us1", 75, 1), ("eu1", 75, 0)] {
        let swept = sweeper(db.db_with_clock(region, in_seconds(seconds)))
            .sweep()
            .await;
        assert_eq!(
            (swept.holds, swept.failures),
            (holds, 0),
            "{region} after {seconds} s"
        );
    }
    // It is the stock's home that keeps what was done.
    assert_eq!(
        db.query("SELECT region FROM platform.audit_log WHERE action = 'expire_holds'")
            .await[0][0]
            .as_deref(),
        Some("eu1")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_has_exactly_one_effect_under_every_fault() {
    let stocked = Stocked::with(10).await;
    let faults = [
        Fault::Serialization { attempts: 2 },
        Fault::BeforeCommit { attempts: 2 },
        Fault::ReplyLost,
        Fault::CommitLost,
        Fault::OutcomeUnknown,
    ];
    for (round, fault) in (1_i64..).zip(faults) {
        hold_for(&stocked, &[1]).await;
        // Later each time: what the last sweep stamped is not in the future of this one.
        let late = in_seconds(60 * round.unsigned_abs());
        let db = stocked.warehouse.db.db_with_clock("eu1", late);
        db.faults().set("expire_holds", fault);
        let sweeper = sweeper(db.clone());
        let swept = sweeper.sweep().await;
        assert!(db.faults().hits("expire_holds") > 0, "{fault:?}");
        let known = fault != Fault::OutcomeUnknown;
        assert_eq!(swept.holds, usize::from(known), "{fault:?}: {swept:?}");
        assert_eq!(swept.failures, usize::from(!known), "{fault:?}: {swept:?}");
        assert_eq!(sweeper.sweep().await.holds, 0, "{fault:?}");
        assert_eq!(stocked.level().await, (10, 0, 1 + 2 * round), "{fault:?}");
        assert_eq!(stocked.warehouse.db.count(SWEEPS).await, round, "{fault:?}");
    }
    stocked.reserved_is_what_is_held().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweeper_outlives_what_the_database_does_to_it_and_ends_when_told() {
    let stocked = Stocked::with(10).await;
    hold_for(&stocked, &[1]).await;
    let db = &stocked.warehouse.db;
    let mut registry = Registry::default();
    let sweeper = Sweeper::new(db.db_with_clock("eu1", in_seconds(60)), &mut registry);
    db.query("REVOKE SELECT ON warehouse.reservations FROM meridian_app")
        .await;
    let swept = sweeper.sweep().await;
    assert_eq!(
        (swept.holds, swept.failures),
        (0, 3),
        "no region could be looked at"
    );
    db.query("GRANT SELECT ON warehouse.reservations TO meridian_app")
        .await;
    let (stop, stopped) = oneshot::channel::<()>();
    let mut running = JoinSet::new();
    running.spawn(sweeper.run(async move {
        stopped.await.ok();
    }));
    eventually("the hold is swept", async || stocked.level().await.1 == 0).await;
    stop.send(()).unwrap();
    running.join_next().await.unwrap().unwrap();
    let mut metrics = String::new();
    prometheus_client::encoding::text::encode(&mut metrics, &registry).unwrap();
    for line in [
        "warehouse_holds_expired_total 1",
        "warehouse_sweeps_total{outcome=\"failed\"} 1",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
}

/// What a client or time may do.
#[derive(Debug, Clone)]
enum Step {
    Reserve {
        quantity: i64,
        seconds: i64,
    },
    /// The n-th hold, if there is one.
    Release(prop::sample::Index),
    Sweep,
    Pass {
        seconds: i64,
    },
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (1_i64..8, 1_i64..60).prop_map(|(quantity, seconds)| Step::Reserve { quantity, seconds }),
        2 => any::<prop::sample::Index>().prop_map(Step::Release),
        1 => Just(Step::Sweep),
        2 => (1_i64..30).prop_map(|seconds| Step::Pass { seconds }),
    ]
}

/// The tiny model: a hold is given back when it is released or swept, and is over when its time is up.
#[derive(Debug)]
struct Hold {
    path: String,
    quantity: i64,
    until_ms: i64,
    state: &'static str,
}

impl Hold {
    fn stands(&self, now_ms: i64) -> bool {
        self.state == "active" && now_ms < self.until_ms
    }
}

const STOCK: i64 = 20;

struct World {
    stocked: Stocked,
    app: TestApp,
    clock: Arc<AtomicI64>,
    sweeper: Sweeper,
}

impl World {
    async fn new() -> Self {
        let mut stocked = Stocked::with(1).await;
        let clock = Arc::new(AtomicI64::new(Clock::System.now().as_millis()));
        let fixed = Clock::Fixed(Arc::clone(&clock));
        let app = stocked.at("eu1", &fixed);
        let sweeper = sweeper(stocked.warehouse.db.db_with_clock("eu1", fixed));
        stocked.app = app.clone();
        Self {
            stocked,
            app,
            clock,
            sweeper,
        }
    }

    /// Runs the steps on a new item, and compares every answer with the model's.
    async fn run(&mut self, steps: &[Step]) {
        let made = self.app.post("/v1/warehouse/items", lamp(&new_key())).await;
        self.stocked.item = made.body["id"].as_str().unwrap().to_owned();
        self.stocked.receive("ber-main", STOCK).await;
        let mut holds: Vec<Hold> = Vec::new();
        for step in steps {
            // What is written is stamped 1 ms apart at least; a second makes that no matter of time.
            let now = self.clock.fetch_add(1000, Ordering::SeqCst) + 1000;
            match step {
                Step::Reserve { quantity, seconds } => {
                    self.reserve((*quantity, *seconds), &mut holds, now).await
                }
                Step::Release(index) if !holds.is_empty() => {
                    self.release(index.get_mut(&mut holds), now).await;
                }
                Step::Release(_) => {}
                Step::Sweep => {
                    self.sweeper.sweep().await;
                    end_due(&mut holds, now);
                }
                Step::Pass { seconds } => {
                    self.clock.fetch_add(seconds * 1000, Ordering::SeqCst);
                }
            }
            let expected: i64 = holds
                .iter()
                .filter(|hold| hold.state == "active")
                .map(|hold| hold.quantity)
                .sum();
            let item: kernel::id::ItemId = self.stocked.item.parse().unwrap();
            let reserved = format!(
                "SELECT reserved FROM warehouse.stock_levels WHERE item = '{}'",
                item.uuid()
            );
            assert_eq!(
                self.stocked.warehouse.db.count(&reserved).await,
                expected,
                "{step:?}"
            );
        }
        self.stocked.reserved_is_what_is_held().await;
        let now = self.clock.load(Ordering::SeqCst);
        for hold in &holds {
            let shown = self.app.get(&hold.path).await;
            let expected = if hold.state == "active" && !hold.stands(now) {
                "expired"
            } else {
                hold.state
            };
            assert_eq!(shown.body["status"], expected, "{hold:?} at {now}");
            assert_eq!(
                shown.version(),
                if hold.state == "active" { 1 } else { 2 },
                "{hold:?}"
            );
        }
    }

    async fn reserve(&self, (quantity, seconds): (i64, i64), holds: &mut Vec<Hold>, now: i64) {
        let mut wanted = self.stocked.wanted(quantity);
        wanted["hold_seconds"] = json!(seconds);
        let answer = self.app.post(RESERVATIONS, wanted).await;
        let shown: i64 = holds
            .iter()
            .filter(|hold| hold.state == "active")
            .map(|hold| hold.quantity)
            .sum();
        let standing: i64 = holds
            .iter()
            .filter(|hold| hold.stands(now))
            .map(|hold| hold.quantity)
            .sum();
        if quantity > STOCK - standing {
            assert_eq!(answer.problem(), (409, "insufficient_stock"));
            assert_eq!(answer.body["lines"][0]["available"], STOCK - standing);
            return;
        }
        if quantity > STOCK - shown {
            end_due(holds, now);
        }
        assert_eq!(answer.status, 201, "{}", answer.body);
        let until: Timestamp = answer.body["expires_at"].as_str().unwrap().parse().unwrap();
        assert_eq!(until.as_millis(), now + seconds * 1000);
        holds.push(Hold {
            path: answer.header("location").to_owned(),
            quantity,
            until_ms: until.as_millis(),
            state: "active",
        });
    }

    async fn release(&self, hold: &mut Hold, now: i64) {
        let path = format!("{}/release", hold.path);
        let answer = self
            .app
            .request(Method::POST, &path)
            .key(&new_key())
            .send()
            .await;
        if hold.stands(now) {
            assert_eq!(answer.status, 200, "{}", answer.body);
            hold.state = "released";
        } else {
            assert_eq!(answer.problem(), (409, "reservation_not_active"));
        }
    }
}

fn end_due(holds: &mut [Hold], now: i64) {
    for hold in holds
        .iter_mut()
        .filter(|hold| hold.state == "active" && !hold.stands(now))
    {
        hold.state = "expired";
    }
}

/// Any sequence of holds, releases, sweeps and time: answers, levels and states are those of the model.
#[test]
fn random_holds_releases_and_sweeps_agree_with_a_model() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut world = runtime.block_on(World::new());
    let config = ProptestConfig {
        cases: 24,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    };
    let world = std::cell::RefCell::new(&mut world);
    let ended = TestRunner::new(config).run(&prop::collection::vec(any_step(), 1..30), |steps| {
        runtime.block_on(world.borrow_mut().run(&steps));
        Ok(())
    });
    ended.unwrap();
}
