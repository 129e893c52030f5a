//! The stock of an order's lines, as a system above moves it inside its own transaction.

use std::{collections::BTreeMap, time::Duration};

use accounting::ledger::PostError;
use kernel::{
    AmountMinor, Clock, OpError, Quantity, RegionTag, Reply,
    id::{ItemId, OrderLineId},
    money::AMOUNT_MAX,
};
use platform_db::{Refusal, TxError, Txn, offices};
use prometheus_client::registry::Registry;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::json;
use testkit::{Engine, app::new_key, call, eventually, intent};
use warehouse::{
    Sweeper, catalogue, locations,
    stock::{Booked, Demand, NotReserved, OrderStock, Place, Shortage, find_nearest, hot_names},
};

use crate::reservations::Stocked;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Refused {
    #[error("not reserved")]
    NotReserved(NotReserved),
    #[error("not posted")]
    NotPosted(PostError),
}

impl Refusal for Refused {}

impl From<NotReserved> for Refused {
    fn from(refusal: NotReserved) -> Self {
        Self::NotReserved(refusal)
    }
}

impl From<PostError> for Refused {
    fn from(refusal: PostError) -> Self {
        Self::NotPosted(refusal)
    }
}

/// What to do with a line, by its number.
#[derive(Debug, Clone)]
enum Step {
    /// Each with its hold's seconds; `None`: for good.
    Reserve(Vec<(usize, i64, Option<u64>)>),
    Release(usize, i64),
    Issue(usize, i64),
    Restock(usize, i64, i64),
}

use Step::{Issue, Release, Reserve, Restock};

/// Takes one step; what it issued had cost.
async fn take(
    txn: &Txn<'_>,
    stock: &mut OrderStock,
    lines: &[(OrderLineId, Place)],
    step: Step,
) -> Result<Option<i64>, TxError<Refused>> {
    match step {
        Reserve(wanted) => {
            let demands: Vec<Demand> = wanted
                .into_iter()
                .map(|(line, units, seconds)| Demand {
                    line: lines[line].0.clone(),
                    quantity: quantity(units),
                    until: seconds.map(|seconds| txn.now().plus(Duration::from_secs(seconds))),
                })
                .collect();
            stock.reserve::<Refused>(txn, &demands).await?;
        }
        Release(line, units) => {
            let line = &lines[line].0;
            stock.release(txn, line, quantity(units)).await?;
        }
        Issue(line, units) => {
            let issued = stock.issue(txn, &lines[line].0, quantity(units))?;
            return Ok(Some(issued.cost.get()));
        }
        Restock(line, units, cost) => {
            let cost = AmountMinor::new(cost).unwrap();
            let line = &lines[line].0;
            stock.restock::<Refused>(txn, line, quantity(units), cost)?;
        }
    }
    Ok(None)
}

/// Lines of one item at `ber-main`.
struct Lines {
    stocked: Stocked,
    lines: Vec<OrderLineId>,
    place: Place,
}

fn quantity(units: i64) -> Quantity {
    Quantity::new(units).unwrap()
}

impl Lines {
    async fn new(on_hand: i64) -> Self {
        let stocked = Stocked::with(on_hand).await;
        let eu1: RegionTag = "eu1".parse().unwrap();
        let lines = (0..3).map(|_| OrderLineId::random(eu1.clone())).collect();
        let place = Place {
            location: "ber-main".parse().unwrap(),
            item: stocked.item.parse::<ItemId>().unwrap(),
        };
        Self {
            stocked,
            lines,
            place,
        }
    }

    /// All steps in one write; what was issued.
    async fn write(&self, steps: Vec<Step>) -> Result<Vec<i64>, Refused> {
        let mut intent = intent(&call("eu1"), "test_order_stock", &new_key());
        intent.office = Some("ber".parse().unwrap());
        let home = offices::OfficeHome {
            region: "eu1".parse().unwrap(),
            office: "ber".parse().unwrap(),
        };
        intent.hot = hot_names(&home, std::slice::from_ref(&self.place));
        let lines: Vec<(OrderLineId, Place)> = self
            .lines
            .iter()
            .map(|line| (line.clone(), self.place.clone()))
            .collect();
        let written = self
            .stocked
            .warehouse
            .db
            .db()
            .write(intent, async move |txn| {
                let office = offices::get(txn, &"ber".parse().unwrap()).await?.unwrap();
                let mut stock = OrderStock::lock(txn, &office, &lines).await?;
                let mut costs = Vec::new();
                for step in steps.clone() {
                    costs.extend(take(txn, &mut stock, &lines, step).await?);
                }
                let booked = Booked {
                    reference: Some("shp_eu1_1"),
                    journal_entry: None,
                };
                stock.save(txn, booked).await?;
                Ok::<_, TxError<Refused>>(Reply {
                    status: 200,
                    location: None,
                    version: None,
                    body: Some(json!(costs).to_string()),
                    effect_ids: Vec::new(),
                })
            })
            .await;
        match written {
            Ok(reply) => Ok(serde_json::from_str(&reply.body.unwrap()).unwrap()),
            Err(OpError::Refused(refused)) => Err(refused),
            Err(other) => panic!("{other:?}"),
        }
    }

    /// Reservations as `line status quantity version`, `∞` behind those for good, by line and age.
    async fn reservations(&self) -> Vec<String> {
        let sql = "SELECT order_line, status || ' ' || quantity || ' ' || version || \
                       CASE WHEN expires_at IS NULL THEN ' ∞' ELSE '' END \
                   FROM warehouse.reservations ORDER BY created_at, id";
        let numbers: BTreeMap<String, usize> = self
            .lines
            .iter()
            .enumerate()
            .map(|(number, line)| (line.uuid().to_string(), number))
            .collect();
        let rows = self.stocked.warehouse.db.query(sql).await;
        let mut rows: Vec<String> = rows
            .into_iter()
            .map(|row| {
                let line = numbers[row[0].as_deref().unwrap()];
                format!("{line} {}", row[1].as_deref().unwrap())
            })
            .collect();
        rows.sort_unstable_by_key(|row| row.chars().next());
        rows
    }

    async fn end_holds(&self) {
        let over = "UPDATE warehouse.reservations SET expires_at = created_at - interval '1 hour' \
                    WHERE expires_at IS NOT NULL";
        self.stocked.warehouse.db.query(over).await;
    }

    async fn last_cause(&self) -> String {
        self.stocked.changes().await.pop().unwrap().1
    }
}

fn short(refused: Refused) -> Vec<(Shortage, i64, i64)> {
    let Refused::NotReserved(NotReserved::Insufficient { lines }) = refused else {
        panic!("{refused:?}");
    };
    lines
        .into_iter()
        .map(|line| {
            let numbers = (line.wanted.get(), line.available.get());
            (line, numbers.0, numbers.1)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_reserved_all_or_none_and_demand_is_summed_per_level() {
    let order = Lines::new(5).await;
    // Each alone would be possible.
    let both = vec![(0, 3, None), (1, 3, None)];
    let short = short(order.write(vec![Reserve(both)]).await.unwrap_err());
    assert_eq!(short.len(), 1);
    let (line, wanted, available) = &short[0];
    assert_eq!((*wanted, *available), (3, 2));
    assert_eq!(
        (line.line.as_ref(), line.sku.as_str()),
        (Some(&order.lines[1]), "LAMP-7")
    );
    assert_eq!(order.stocked.level().await, (5, 0, 1));
    order
        .write(vec![Reserve(vec![
            (0, 3, None),
            (1, 2, None),
            (2, 0, None),
        ])])
        .await
        .unwrap();
    assert_eq!(order.stocked.level().await, (5, 5, 2));
    assert_eq!(
        order.reservations().await,
        ["0 active 3 1 ∞", "1 active 2 1 ∞"]
    );
    assert_eq!(order.last_cause().await, "reserved");
    // Who could help is looked up behind the refusal.
    order.stocked.receive("nyc-main", 9).await;
    let is_postgres = order.stocked.warehouse.db.engine() == Engine::Postgres;
    let app = order.stocked.warehouse.db.db();
    let directory = platform_db::Directory::new(app.clone());
    let topology = std::sync::Arc::new(topology::Topology::embedded());
    let app = warehouse::App::new(app, directory, topology);
    let (ber, mut nearest) = ("ber".parse().unwrap(), None);
    // By a state that may be a few seconds old, where there are replicas.
    eventually("somebody who could help is known", async || {
        let lines = vec![line.clone()];
        let mut found = find_nearest(&app, &call("eu1"), &ber, lines).await;
        nearest = found.remove(0).nearest;
        nearest.is_some() || is_postgres
    })
    .await;
    let nearest = nearest.unwrap();
    assert_eq!(
        (nearest.office.as_str(), nearest.available.get()),
        ("nyc", 9)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_stands_counts_and_one_that_is_over_is_made_anew() {
    let order = Lines::new(5).await;
    let hold = Reserve(vec![(0, 3, Some(60)), (1, 1, Some(60))]);
    order.write(vec![hold.clone()]).await.unwrap();
    assert_eq!(order.stocked.level().await, (5, 4, 2));
    // Confirmed: what is held is kept, for good, and the level does not change.
    order
        .write(vec![Reserve(vec![(0, 3, None)])])
        .await
        .unwrap();
    assert_eq!(order.stocked.level().await, (5, 4, 2));
    assert_eq!(
        order.reservations().await,
        ["0 active 3 2 ∞", "1 active 1 1"]
    );
    // The other's time is up: over, and reserved anew in one version of the level.
    order.end_holds().await;
    order
        .write(vec![Reserve(vec![(0, 3, None), (1, 2, None)])])
        .await
        .unwrap();
    assert_eq!(order.stocked.level().await, (5, 5, 3));
    assert_eq!(
        order.reservations().await,
        ["0 active 3 2 ∞", "1 expired 1 2", "1 active 2 1 ∞"]
    );
    order.stocked.reserved_is_what_is_held().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shortage_sweeps_the_holds_of_other_orders_first_and_the_sweeper_does_too() {
    let order = Lines::new(5).await;
    let hold = Reserve(vec![(0, 5, Some(60))]);
    order.write(vec![hold]).await.unwrap();
    let refused = order.write(vec![Reserve(vec![(1, 4, None)])]).await;
    assert_eq!(short(refused.unwrap_err())[0].2, 0);
    order.end_holds().await;
    order
        .write(vec![Reserve(vec![(1, 4, Some(60))])])
        .await
        .unwrap();
    assert_eq!(order.stocked.level().await, (5, 4, 3));
    assert_eq!(
        order.reservations().await,
        ["0 expired 5 2", "1 active 4 1"]
    );
    let later = Clock::fixed(Clock::System.now().plus(Duration::from_secs(120)));
    let db = order.stocked.warehouse.db.db_with_clock("eu1", later);
    let swept = Sweeper::new(db, &mut Registry::default()).sweep().await;
    assert_eq!((swept.holds, swept.failures), (1, 0));
    assert_eq!(order.stocked.level().await, (5, 0, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_released_and_issued_shrinks_the_reservation_and_ends_it_at_nothing() {
    let order = Lines::new(10).await;
    order
        .write(vec![Reserve(vec![(0, 6, None)])])
        .await
        .unwrap();
    order.write(vec![Release(0, 1)]).await.unwrap();
    assert_eq!(order.reservations().await, ["0 active 5 2 ∞"]);
    assert_eq!(order.last_cause().await, "released");
    let costs = order.write(vec![Issue(0, 2)]).await.unwrap();
    assert_eq!(costs, [200]);
    assert_eq!(order.stocked.level().await, (8, 3, 4));
    assert_eq!(order.last_cause().await, "issue");
    let costs = order.write(vec![Issue(0, 3)]).await.unwrap();
    assert_eq!(costs, [300]);
    assert_eq!(order.reservations().await, ["0 consumed 3 4 ∞"]);
    // Nothing is held any more: nothing to let go of.
    order.write(vec![Release(0, 9)]).await.unwrap();
    assert_eq!(order.stocked.level().await, (5, 0, 5));
    order.write(vec![Restock(0, 2, 150)]).await.unwrap();
    assert_eq!(order.last_cause().await, "return");
    // Two movements of one level in one write, one event.
    order
        .write(vec![
            Reserve(vec![(0, 1, None), (1, 1, None)]),
            Issue(0, 1),
            Issue(1, 1),
        ])
        .await
        .unwrap();
    assert_eq!(order.stocked.level().await, (5, 0, 7));
    let movements = "SELECT kind || ' ' || delta || ' ' || value_delta_minor || ' ' || reference \
                     FROM warehouse.stock_movements WHERE kind <> 'receipt' ORDER BY recorded_at, value_delta_minor DESC";
    let movements = order.stocked.warehouse.db.query(movements).await;
    let movements: Vec<String> = movements
        .into_iter()
        .map(|mut row| row.remove(0).unwrap())
        .collect();
    assert_eq!(
        movements,
        [
            "issue -2 -200 shp_eu1_1",
            "issue -3 -300 shp_eu1_1",
            "return 2 150 shp_eu1_1",
            "issue -1 -93 shp_eu1_1",
            "issue -1 -93 shp_eu1_1",
        ]
        .map(str::to_owned)
    );
    order.stocked.reserved_is_what_is_held().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_40_an_archived_item_takes_no_new_hold_and_what_exists_is_finished() {
    let order = Lines::new(10).await;
    order
        .write(vec![Reserve(vec![(0, 2, Some(60))])])
        .await
        .unwrap();
    let archive = "UPDATE warehouse.items SET status = 'archived'";
    order.stocked.warehouse.db.query(archive).await;
    let both = Reserve(vec![(0, 2, None), (1, 1, None)]);
    let skus = vec!["LAMP-7".to_owned()];
    assert_eq!(
        order.write(vec![both]).await,
        Err(Refused::NotReserved(NotReserved::Archived { skus }))
    );
    order
        .write(vec![Reserve(vec![(0, 2, None)])])
        .await
        .unwrap();
    order.write(vec![Issue(0, 1)]).await.unwrap();
    order.write(vec![Restock(0, 1, 100)]).await.unwrap();
    order.write(vec![Release(0, 1)]).await.unwrap();
    assert_eq!(order.stocked.level().await, (10, 0, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn hard_case_26_a_level_takes_back_no_more_than_it_can_hold() {
    let order = Lines::new(10).await;
    let refused = order.write(vec![Restock(0, AMOUNT_MAX, 0)]).await;
    assert_eq!(refused, Err(Refused::NotPosted(PostError::OutOfRange)));
    assert_eq!(order.stocked.level().await, (10, 0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_has_one_active_reservation() {
    let order = Lines::new(10).await;
    order
        .write(vec![Reserve(vec![(0, 1, None)])])
        .await
        .unwrap();
    let twin = "SELECT count(*) FROM pg_indexes WHERE indexname = 'reservations_line_key' \
                AND indexdef LIKE 'CREATE UNIQUE%active%'";
    assert_eq!(order.stocked.warehouse.db.count(twin).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_copy_what_items_cost_and_where_locations_are() {
    let order = Lines::new(1).await;
    let db = order.stocked.warehouse.db.db();
    let (item, eur) = (order.place.item.clone(), "EUR".parse().unwrap());
    let unknown = ItemId::random(RegionTag::global());
    let spec = platform_db::ReadSpec::reference("quote", kernel::ReadWant::default(), None);
    let now = Clock::System.now();
    let read = db
        .read(
            &call("eu1"),
            spec,
            async move |session: &platform_db::Session| {
                let items = [item.clone(), unknown.clone()];
                let codes = ["ber-main", "nyc-main", "nowhere"].map(|code| code.parse().unwrap());
                Ok((
                    catalogue::quotes(session, &items, &eur, now).await?,
                    locations::offices_of(session, &codes).await?,
                ))
            },
        )
        .await
        .unwrap();
    let (quotes, offices) = read.value;
    assert_eq!(quotes.len(), 1);
    let quote = &quotes[&order.place.item.uuid()];
    assert_eq!((quote.sku.as_str(), quote.is_archived), ("LAMP-7", false));
    assert!(quote.price.is_some(), "{quote:?}");
    let offices: Vec<String> = offices
        .into_iter()
        .map(|(code, office)| format!("{code} {office}"))
        .collect();
    assert_eq!(offices, ["ber-main ber", "nyc-main nyc"]);
}

/// Random steps keep what is reserved the sum of what is held, and never take more than there is.
#[test]
fn reserved_is_what_is_held_whatever_orders_do() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let order = runtime.block_on(Lines::new(20));
    let mut runner = TestRunner::new(ProptestConfig::with_cases(6));
    let step = (0_usize..3, 1_i64..8, 0..5_u8);
    let steps = prop::collection::vec(step, 1..12);
    runner
        .run(&steps, |steps| {
            runtime.block_on(async {
                for (line, units, what) in steps {
                    let step = match what {
                        0 => Reserve(vec![(line, units, Some(60)), ((line + 1) % 3, 1, None)]),
                        1 => Reserve(vec![(line, units, None)]),
                        2 => Release(line, units),
                        3 => Restock(line, units, units * 90),
                        _ => {
                            order.end_holds().await;
                            continue;
                        }
                    };
                    let written = order.write(vec![step]).await;
                    assert!(
                        matches!(written, Ok(_) | Err(Refused::NotReserved(_))),
                        "{written:?}"
                    );
                    order.stocked.reserved_is_what_is_held().await;
                }
            });
            Ok(())
        })
        .unwrap();
}
