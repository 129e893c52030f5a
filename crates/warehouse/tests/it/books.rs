//! Stock and books agree, whatever happens and whatever fails.

use std::collections::BTreeMap;

use axum::http::Method;
use futures_util::{StreamExt as _, stream};
use platform_db::Fault;
use proptest::{
    prelude::*,
    test_runner::{Config as ProptestConfig, TestRunner},
};
use serde_json::{Value, json};
use testkit::{Engine, TestApp, app::new_key};

use crate::{
    app,
    reservations::RESERVATIONS,
    stock::{ADJUSTMENTS, RECEIPTS, Store},
};

#[derive(Debug, Clone)]
enum Step {
    /// Units and cost of each line.
    Receive(Vec<(i64, i64)>),
    Adjust(i64, Option<i64>),
    /// What is counted, and how far off the expectation is.
    Count(i64, i64),
    Reserve(i64),
    /// Which of the holds so far.
    Release(prop::sample::Index),
}

fn any_step() -> impl Strategy<Value = Step> {
    let line = (1..30_i64, 0..500_i64);
    let delta = (-25..25_i64).prop_filter("not 0", |delta| *delta != 0);
    prop_oneof![
        prop::collection::vec(line, 1..4).prop_map(Step::Receive),
        (delta, prop::option::of(0..20_i64)).prop_map(|(delta, cost)| Step::Adjust(delta, cost)),
        (0..40_i64, prop::sample::select(vec![0, 0, 0, 1]))
            .prop_map(|(counted, off)| Step::Count(counted, off)),
        (1..20_i64).prop_map(Step::Reserve),
        any::<prop::sample::Index>().prop_map(Step::Release),
    ]
}

/// The rules in plain numbers.
#[derive(Debug, Default, Clone)]
struct Model {
    on_hand: i64,
    reserved: i64,
    value: i64,
    version: i64,
    /// Quantities of the holds that stand, by path.
    holds: BTreeMap<String, i64>,
}

impl Model {
    fn share(&self, units: i64) -> i64 {
        (2 * self.value * units + self.on_hand) / (2 * self.on_hand)
    }

    /// Brings `delta` units; the status of the answer.
    fn adjust(&mut self, delta: i64, unit_cost: Option<i64>) -> (u16, Option<i64>) {
        let worth = match delta {
            0 => return (201, None),
            delta if delta > 0 && self.on_hand == 0 => delta * unit_cost.unwrap_or(0),
            delta if delta > 0 => self.share(delta),
            delta if -delta > self.on_hand - self.reserved => return (409, None),
            delta => -self.share(-delta),
        };
        self.on_hand += delta;
        self.value += worth;
        self.version += 1;
        (201, Some(worth))
    }
}

/// A store whose items come one after the other: each sequence has a fresh one.
struct World {
    store: Store,
    sequences: usize,
}

impl World {
    async fn run(&mut self, steps: &[Step]) {
        self.sequences += 1;
        let mut item = crate::items::lamp("");
        item["sku"] = json!(format!("RANDOM-{}", self.sequences));
        let made = self.store.app.post("/v1/warehouse/items", item).await;
        let item = made.body["id"].as_str().unwrap().to_owned();
        let mut model = Model::default();
        for step in steps {
            self.take(&item, &mut model, step).await;
            let path = format!("/v1/warehouse/levels?item={item}");
            let listed = self.store.app.get(&path).await;
            let level = &listed.body["data"][0];
            let number = |member: &str| level[member].as_i64().unwrap_or(0);
            assert_eq!(
                (
                    number("on_hand"),
                    number("reserved"),
                    number("value_minor"),
                    number("version")
                ),
                (model.on_hand, model.reserved, model.value, model.version),
                "{step:?}"
            );
        }
        self.store.ties_out().await;
    }

    async fn take(&self, item: &str, model: &mut Model, step: &Step) {
        let app = &self.store.app;
        let place = |more: Value| {
            let mut body = json!({"location": "ber-main", "item": item});
            body.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            body
        };
        match step {
            Step::Receive(lines) => {
                let rows: Vec<Value> = lines
                    .iter()
                    .map(|(units, cost)| json!({"item": item, "quantity": units, "cost_minor": cost}))
                    .collect();
                let body = json!({"location": "ber-main", "reference": "R", "lines": rows});
                let received = app.post(RECEIPTS, body).await;
                assert_eq!(received.status, 201, "{}", received.body);
                model.on_hand += lines.iter().map(|(units, _)| units).sum::<i64>();
                model.value += lines.iter().map(|(_, cost)| cost).sum::<i64>();
                model.version += 1;
            }
            Step::Adjust(delta, cost) => {
                let body = json!({"delta": delta, "unit_cost_minor": cost, "reason": "found"});
                let answer = app.post(ADJUSTMENTS, place(body)).await;
                expect(&answer, model.adjust(*delta, *cost), step);
            }
            Step::Count(counted, off) => {
                let expected = model.on_hand + off;
                let body =
                    json!({"counted": counted, "expected_on_hand": expected, "reason": "count"});
                let answer = app.post(ADJUSTMENTS, place(body)).await;
                let wanted = match off {
                    0 => model.adjust(counted - model.on_hand, None),
                    _ => (412, None),
                };
                expect(&answer, wanted, step);
            }
            Step::Reserve(units) => {
                let answer = app
                    .post(RESERVATIONS, place(json!({"quantity": units})))
                    .await;
                let fits = *units <= model.on_hand - model.reserved;
                assert_eq!(answer.status, if fits { 201 } else { 409 }, "{step:?}");
                if fits {
                    model
                        .holds
                        .insert(answer.header("location").to_owned(), *units);
                    model.reserved += units;
                    model.version += 1;
                }
            }
            Step::Release(which) if !model.holds.is_empty() => {
                let path = which
                    .get(&model.holds.keys().cloned().collect::<Vec<_>>())
                    .clone();
                let answer = app.post(&format!("{path}/release"), json!({})).await;
                assert_eq!(answer.status, 200, "{}", answer.body);
                model.reserved -= model.holds.remove(&path).unwrap();
                model.version += 1;
            }
            Step::Release(_) => {}
        }
    }
}

/// Status and worth are those of the model.
fn expect(answer: &testkit::Answer, (status, worth): (u16, Option<i64>), step: &Step) {
    assert_eq!(answer.status, status, "{step:?}: {}", answer.body);
    let moved = &answer.body["movements"][0]["value_delta_minor"];
    assert_eq!(moved.as_i64(), worth, "{step:?}");
}

/// Any sequence of receipts, adjustments, counts, holds and releases: answers and levels are those of the model, and
/// stock and books agree (I1 to I3).
#[test]
fn random_documents_and_holds_agree_with_a_model() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let world = runtime.block_on(async {
        World {
            store: Store::new().await,
            sequences: 0,
        }
    });
    let config = ProptestConfig {
        cases: 24,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    };
    let world = std::cell::RefCell::new(world);
    let ended = TestRunner::new(config).run(&prop::collection::vec(any_step(), 1..25), |steps| {
        runtime.block_on(world.borrow_mut().run(&steps));
        Ok(())
    });
    ended.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_07_many_writers_of_one_level_wait_in_line() {
    let store = Store::new().await;
    store.receive("ber-main", 100, 1000).await;
    // By locks that PostgreSQL alone has. Elsewhere they meet at the row: some write again, some are told to come again.
    let queues = store.db().engine() == Engine::Postgres;
    let writers = (0..64).map(|n| {
        let body = store.adjustment(if n % 2 == 0 { -1 } else { 1 });
        let app = &store.app;
        async move {
            match queues {
                true => app.post(ADJUSTMENTS, body).await,
                false => app.post_patiently(ADJUSTMENTS, body).await,
            }
        }
    });
    for answer in futures_util::future::join_all(writers).await {
        assert_eq!(answer.status, 201, "{}", answer.body);
        let cost = answer.header("request-cost");
        assert!(!queues || cost.contains("retries=0"), "{cost}");
    }
    assert_eq!(store.numbers().await, [100, 0, 1000, 65]);
    store.ties_out().await;
}

/// 64 writers of one level through three regions, while commits fail, connections break and answers get lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_hot_level_keeps_its_sum_under_faults() {
    let store = Store::new().await;
    store.receive("ber-main", 200, 1000).await;
    let dbs = ["eu1", "us1", "ap1"].map(|region| store.db().db_in(region));
    let apps: Vec<_> = ["eu1", "us1", "ap1"]
        .into_iter()
        .zip(&dbs)
        .map(|(region, db)| app(db.clone(), region))
        .collect();
    let faults = [
        Fault::Serialization { attempts: 2 },
        Fault::BeforeCommit { attempts: 2 },
        Fault::ReplyLost,
        Fault::CommitLost,
        Fault::OutcomeUnknown,
    ];
    // Each task writes one after the other, so that faults strike all along.
    let tasks = (0..64_usize).map(|n| {
        let (app, db, store) = (&apps[n % 3], &dbs[n % 3], &store);
        async move {
            let mut done = Vec::new();
            for round in 0..3 {
                let (key, fault) = (new_key(), faults[(n + round) % faults.len()]);
                let (operation, path, body) = match (n + round) % 4 {
                    0 => ("receive_stock", RECEIPTS, store.receipt("ber-main", 1, 7)),
                    1 => ("adjust_stock", ADJUSTMENTS, store.adjustment(1)),
                    _ => ("adjust_stock", ADJUSTMENTS, store.adjustment(-1)),
                };
                db.faults().set(operation, fault);
                let delta = write_until_known(app, path, &key, &body).await;
                done.push((key, delta));
            }
            done
        }
    });
    let done: Vec<Vec<(String, i64)>> = stream::iter(tasks).buffer_unordered(64).collect().await;
    let done = done.concat();
    let hits: u32 = dbs
        .iter()
        .flat_map(|db| ["receive_stock", "adjust_stock"].map(|name| db.faults().hits(name)))
        .sum();
    assert!(hits > 40, "{hits} faults struck");
    let sum: i64 = done.iter().map(|(_, delta)| delta).sum();
    let [on_hand, _, _, version] = store.numbers().await;
    assert_eq!(
        (on_hand, version),
        (200 + sum, 193),
        "each of 192 writes counted once"
    );
    for (key, _) in done {
        let effects = format!("platform.audit_log WHERE key = '{key}'");
        assert_eq!(store.rows(&effects).await, 1, "{key}");
    }
    store.ties_out().await;
}

/// Units that a write moved: an unknown outcome is asked again under its key until it is known.
async fn write_until_known(app: &TestApp, path: &str, key: &str, body: &Value) -> i64 {
    for _ in 0..20 {
        let request = app.request(Method::POST, path).key(key);
        let answer = request.json(body).send().await;
        if answer.status != 503 {
            assert_eq!(answer.status, 201, "{}", answer.body);
            return answer.body["movements"][0]["delta"].as_i64().unwrap();
        }
        let code = answer.problem().1;
        assert!(["outcome_unknown", "contention"].contains(&code), "{code}");
    }
    panic!("{key}: no end in 20 attempts");
}
