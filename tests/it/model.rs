//! Random steps of an office over three regions, valid and not, against a small model: each answer is the one that the
//! model gives, a repeat through another region is the same answer, and in the end orders, stock and books are the
//! model's.

mod shop;

use std::collections::BTreeMap;

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use self::shop::{Shop, Units};
use crate::{
    http::{Answer, Api, fresh_key, send},
    stories::unique,
    world::{World, shared},
};

/// One step. Orders and lines are named by numbers, taken modulo how many there are.
#[derive(Debug, Clone)]
enum Step {
    Receive {
        item: usize,
        quantity: i64,
        unit_cost: i64,
    },
    Lose {
        item: usize,
        quantity: i64,
    },
    Order(Units),
    Confirm(usize),
    Cancel(usize),
    CancelUnits(usize, Units),
    Pay(usize, i64),
    Refund(usize, i64),
    Ship(usize, Units),
    ShipAll(usize),
    TakeBack(usize, Units, bool),
    Broken(usize, Broken),
}

/// A request that breaks a rule of its own.
#[derive(Debug, Clone, Copy)]
enum Broken {
    NoUnits,
    UnknownLine,
    UnknownOrder,
    NoAmount,
    UnknownMember,
    NoKey,
    HalfAUnit,
}

fn units() -> impl Strategy<Value = Units> {
    vec((0..3_usize, 1..4_i64), 1..3)
}

fn step() -> impl Strategy<Value = Step> {
    use Broken::{HalfAUnit, NoAmount, NoKey, NoUnits, UnknownLine, UnknownMember, UnknownOrder};
    let broken = vec![
        NoUnits,
        UnknownLine,
        UnknownOrder,
        NoAmount,
        UnknownMember,
        NoKey,
        HalfAUnit,
    ];
    let at = 0..8_usize;
    prop_oneof![
        3 => (0..2_usize, 1..9_i64, 0..500_i64).prop_map(|(item, quantity, unit_cost)| Step::Receive { item, quantity, unit_cost }),
        1 => (0..2_usize, 1..4_i64).prop_map(|(item, quantity)| Step::Lose { item, quantity }),
        3 => vec((0..2_usize, 1..5_i64), 1..4).prop_map(Step::Order),
        4 => at.clone().prop_map(Step::Confirm),
        1 => at.clone().prop_map(Step::Cancel),
        2 => (at.clone(), units()).prop_map(|(at, units)| Step::CancelUnits(at, units)),
        3 => (at.clone(), 1..3000_i64).prop_map(|(at, amount)| Step::Pay(at, amount)),
        2 => (at.clone(), 1..2000_i64).prop_map(|(at, amount)| Step::Refund(at, amount)),
        3 => (at.clone(), units()).prop_map(|(at, units)| Step::Ship(at, units)),
        2 => at.clone().prop_map(Step::ShipAll),
        3 => (at.clone(), units(), any::<bool>()).prop_map(|(at, units, shelf)| Step::TakeBack(at, units, shelf)),
        1 => (at, prop::sample::select(broken)).prop_map(|(at, broken)| Step::Broken(at, broken)),
    ]
}

/// An office of its own, driven over three regions.
struct Driver {
    apis: Vec<Api>,
    turn: usize,
    office: String,
    items: Vec<String>,
    customer: String,
    /// Path and line ids of each order.
    orders: Vec<(String, Vec<String>)>,
    model: Shop,
}

impl Driver {
    async fn new(world: &World, currency: &str, tax_bp: i64, prices: [i64; 2]) -> Self {
        let apis: Vec<Api> = ["eu1", "us1", "ap1"].map(|tag| world.manager(tag)).into();
        let office = unique("model");
        let body = json!({"code": office, "name": "Model", "country": "DE", "city": "Ulm", "time_zone": "Asia/Tokyo",
            "currency": currency, "latitude": -15, "longitude": -25, "home_region": "us1", "default_tax_rate_bp": tax_bp});
        apis[0]
            .post("/v1/offices", &fresh_key(), &body)
            .await
            .expect(201);
        let mut items = Vec::new();
        for price in prices {
            let body = json!({"sku": fresh_key(), "name": "Thing", "description": "A thing.", "country_of_origin": "DE",
                "unit": "each", "prices": [{"currency": currency, "amount_minor": price}]});
            let made = apis[1]
                .post("/v1/warehouse/items", &fresh_key(), &body)
                .await;
            items.push(made.expect(201).text_of("id"));
        }
        let body = json!({"office": office, "name": "Buyer"});
        let made = apis[2]
            .post("/v1/sales/customers", &fresh_key(), &body)
            .await;
        let customer = made.expect(201).text_of("id");
        let model = Shop::new(prices, tax_bp);
        Self {
            apis,
            turn: 0,
            office,
            items,
            customer,
            orders: Vec::new(),
            model,
        }
    }

    fn api(&mut self) -> &Api {
        self.turn += 1;
        &self.apis[self.turn % 3]
    }

    /// Sends a write through one region, and again through the next: both answers are one.
    async fn twice(&mut self, path: &str, body: &Value) -> Answer {
        let key = fresh_key();
        let first = self.api().post(path, &key, body).await;
        let again = self.api().post(path, &key, body).await;
        assert_eq!(again.status, first.status, "{first:#?} and then {again:#?}");
        if first.status < 300 {
            assert_eq!(again.text, first.text);
            assert_eq!(
                again.header("idempotent-replayed"),
                Some("true"),
                "{again:#?}"
            );
        }
        first
    }

    fn location(&self) -> String {
        format!("{}-main", self.office)
    }

    fn lines(&self, at: usize, units: &Units) -> Vec<Value> {
        let ids = &self.orders[at].1;
        units
            .iter()
            .map(|(number, quantity)| json!({"line": ids[*number], "quantity": quantity}))
            .collect()
    }

    /// The order that a number names, if there is any, with units of lines that it has.
    fn at(&self, number: usize, units: &Units) -> Option<(usize, String, Units)> {
        let at = number.checked_rem(self.orders.len())?;
        let (path, lines) = &self.orders[at];
        let units = units
            .iter()
            .map(|(line, quantity)| (line % lines.len(), *quantity))
            .collect();
        Some((at, path.clone(), units))
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Receive {
                item,
                quantity,
                unit_cost,
            } => {
                let line = json!({"item": self.items[*item], "quantity": quantity, "unit_cost_minor": unit_cost});
                let body = json!({"location": self.location(), "reference": "R", "lines": [line]});
                self.twice("/v1/warehouse/receipts", &body)
                    .await
                    .expect(201);
                self.model.receive(*item, *quantity, quantity * unit_cost);
            }
            Step::Lose { item, quantity } => {
                let body = json!({"location": self.location(), "item": self.items[*item], "delta": -quantity, "reason": "theft"});
                let answer = self.twice("/v1/warehouse/adjustments", &body).await;
                judge(&answer, self.model.lose(*item, *quantity));
            }
            Step::Order(lines) => self.order(lines).await,
            Step::Broken(at, broken) => self.send_broken(*at, *broken).await,
            Step::Confirm(_)
            | Step::Cancel(_)
            | Step::CancelUnits(..)
            | Step::Pay(..)
            | Step::Refund(..)
            | Step::Ship(..)
            | Step::ShipAll(_)
            | Step::TakeBack(..) => self.take_with_order(step).await,
        }
    }

    async fn order(&mut self, lines: &Units) {
        let wanted: Vec<Value> = lines
            .iter()
            .map(|(item, quantity)| json!({"item": self.items[*item], "location": self.location(), "quantity": quantity}))
            .collect();
        let body = json!({"office": self.office, "customer": self.customer, "lines": wanted});
        let answer = self.twice("/v1/sales/orders", &body).await;
        let order = answer.expect(201).json();
        let ids = order["lines"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| line["id"].as_str().unwrap().to_owned());
        self.orders.push((
            format!("/v1/sales/orders/{}", answer.text_of("id")),
            ids.collect(),
        ));
        self.model.order(lines);
    }

    async fn take_with_order(&mut self, step: &Step) {
        let nothing = Units::new();
        let (number, units) = match step {
            Step::CancelUnits(at, units) | Step::Ship(at, units) | Step::TakeBack(at, units, _) => {
                (*at, units)
            }
            Step::Confirm(at)
            | Step::Cancel(at)
            | Step::Pay(at, _)
            | Step::Refund(at, _)
            | Step::ShipAll(at) => (*at, &nothing),
            Step::Receive { .. } | Step::Lose { .. } | Step::Order(_) | Step::Broken(..) => return,
        };
        let Some((at, path, units)) = self.at(number, units) else {
            return;
        };
        let (verb, body) = match step {
            Step::Confirm(_) => ("confirm", json!({})),
            Step::Cancel(_) => ("cancel", json!({"reason": "Changed"})),
            Step::CancelUnits(..) => (
                "cancel",
                json!({"reason": "Less", "lines": self.lines(at, &units)}),
            ),
            Step::Pay(_, amount) => (
                "payments",
                json!({"amount_minor": amount, "method": "card"}),
            ),
            Step::Refund(_, amount) => {
                ("refunds", json!({"amount_minor": amount, "method": "card"}))
            }
            Step::Ship(..) => ("shipments", json!({"lines": self.lines(at, &units)})),
            Step::TakeBack(_, _, shelf) => {
                let mut lines = self.lines(at, &units);
                for line in &mut lines {
                    line["disposition"] = json!(if *shelf { "restock" } else { "scrap" });
                    line["reason"] = json!("Back");
                }
                ("returns", json!({"lines": lines}))
            }
            Step::ShipAll(_) => ("shipments", json!({})),
            Step::Receive { .. } | Step::Lose { .. } | Step::Order(_) | Step::Broken(..) => return,
        };
        let answer = self.twice(&format!("{path}/{verb}"), &body).await;
        let model = &mut self.model;
        let expected = match step {
            Step::Confirm(_) => model.confirm(at),
            Step::Cancel(_) => model.cancel(at),
            Step::CancelUnits(..) => model.cancel_units(at, &units),
            Step::Pay(_, amount) => model.pay(at, *amount),
            Step::Refund(_, amount) => model.refund(at, *amount),
            Step::Ship(..) => model.ship(at, &summed(&units)),
            Step::TakeBack(_, _, shelf) => model.take_back(at, &units, *shelf),
            Step::ShipAll(_) => {
                let open = model.orders[at]
                    .lines
                    .iter()
                    .enumerate()
                    .map(|(number, line)| (number, line.open()));
                let open = open.filter(|(_, open)| *open > 0).collect();
                model.ship(at, &open)
            }
            Step::Receive { .. } | Step::Lose { .. } | Step::Order(_) | Step::Broken(..) => return,
        };
        judge(&answer, expected);
    }

    async fn send_broken(&mut self, number: usize, broken: Broken) {
        let Some((at, path, _)) = self.at(number, &Units::new()) else {
            return;
        };
        let line = json!(self.orders[at].1[0]);
        let (path, body) = match broken {
            Broken::NoUnits => (
                format!("{path}/shipments"),
                json!({"lines": [{"line": line, "quantity": 0}]}),
            ),
            Broken::HalfAUnit => (
                format!("{path}/shipments"),
                json!({"lines": [{"line": line, "quantity": 0.5}]}),
            ),
            Broken::UnknownLine => {
                let nobody = "oln_us1_00000000000000000000000000";
                (
                    format!("{path}/shipments"),
                    json!({"lines": [{"line": nobody, "quantity": 1}]}),
                )
            }
            Broken::UnknownOrder => (
                "/v1/sales/orders/ord_us1_00000000000000000000000000/confirm".into(),
                json!({}),
            ),
            Broken::NoAmount => (
                format!("{path}/payments"),
                json!({"amount_minor": 0, "method": "card"}),
            ),
            Broken::UnknownMember => (
                format!("{path}/refunds"),
                json!({"amount_minor": 1, "method": "card", "tip": 1}),
            ),
            Broken::NoKey => (format!("{path}/confirm"), json!({})),
        };
        let request = self.api().request("POST", &path).json(&body);
        let request = if matches!(broken, Broken::NoKey) {
            request
        } else {
            request.header("idempotency-key", fresh_key())
        };
        let answer = send(request).await.unwrap();
        let (status, code) = match broken {
            Broken::NoKey => (400, "idempotency_key_required"),
            Broken::UnknownOrder => (404, "not_found"),
            Broken::NoUnits
            | Broken::UnknownLine
            | Broken::NoAmount
            | Broken::UnknownMember
            | Broken::HalfAUnit => (422, "validation_failed"),
        };
        answer.expect_problem(status, code);
        assert_eq!(answer.text_of("effect"), "none");
    }

    /// Orders, stock and books are the model's, in every region.
    async fn compare(&mut self) {
        self.compare_orders().await;
        self.compare_stock().await;
        self.compare_books().await;
        let path = format!("/v1/reports/integrity?office={}", self.office);
        let report = self.api().get(&path).await.expect(200).json();
        let invariants = report["invariants"].as_array().unwrap();
        assert!(
            invariants
                .iter()
                .all(|invariant| invariant["status"] == "pass"),
            "{report:#}"
        );
    }

    async fn compare_orders(&mut self) {
        for at in 0..self.orders.len() {
            let path = self.orders[at].0.clone();
            let found = self.api().get(&path).await.expect(200).json();
            let order = &self.model.orders[at];
            let lines: Vec<Value> = order
                .lines
                .iter()
                .map(|line| json!([line.quantity, line.shipped, line.returned, line.cancelled]))
                .collect();
            let expected = json!([
                order.status,
                self.model.payment_status(order),
                self.model.totals(order).0,
                order.paid,
                order.refunded,
                order.invoiced,
                order.credited,
                lines
            ]);
            let members = [
                "status",
                "payment_status",
                "total_minor",
                "paid_minor",
                "refunded_minor",
                "invoiced_minor",
                "credited_minor",
            ];
            let mut said: Vec<Value> = members.map(|name| found[name].clone()).into();
            let lines = found["lines"].as_array().unwrap().iter();
            said.push(
                lines
                    .map(|line| {
                        json!([
                            line["quantity"],
                            line["shipped"],
                            line["returned"],
                            line["cancelled"]
                        ])
                    })
                    .collect(),
            );
            assert_eq!(Value::from(said), expected, "{found:#}");
        }
    }

    async fn compare_stock(&mut self) {
        for item in 0..2 {
            let path = format!(
                "/v1/warehouse/levels?location={}&item={}",
                self.location(),
                self.items[item]
            );
            let found = self.api().get(&path).await.expect(200).json();
            let (level, stock) = (&found["data"][0], self.model.stock[item]);
            let said = ["on_hand", "reserved", "value_minor"]
                .map(|name| level[name].as_i64().unwrap_or(0));
            assert_eq!(
                said,
                [stock.on_hand, stock.reserved, stock.value],
                "{found:#}"
            );
        }
    }

    async fn compare_books(&mut self) {
        let path = format!("/v1/reports/trial-balance?office={}", self.office);
        let found = self.api().get(&path).await.expect(200).json();
        let rows = found["data"].as_array().unwrap().iter();
        let said: BTreeMap<&str, i64> = rows
            .map(|row| {
                (
                    row["account"].as_str().unwrap(),
                    row["closing_minor"].as_i64().unwrap(),
                )
            })
            .filter(|(_, closing)| *closing != 0)
            .collect();
        let mut expected = self.model.books.clone();
        expected.retain(|_, balance| *balance != 0);
        assert_eq!(said, expected, "{found:#}");
    }
}

/// The answer is the model's.
#[track_caller]
fn judge(answer: &Answer, expected: Result<(), (u16, &'static str)>) {
    match expected {
        Ok(()) => assert!(answer.status < 300, "{answer:#?}"),
        Err((status, code)) => {
            answer.expect_problem(status, code);
            assert_eq!(answer.text_of("effect"), "none");
        }
    }
}

/// Units of one line named twice are shipped together.
fn summed(units: &Units) -> Units {
    let mut sums = BTreeMap::new();
    for (line, quantity) in units {
        *sums.entry(*line).or_insert(0) += quantity;
    }
    sums.into_iter().collect()
}

#[test]
fn random_steps_over_three_regions_end_where_a_small_model_ends() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let world = runtime.block_on(shared());
    let mut runner = TestRunner::new(Config {
        cases: 12,
        max_shrink_iters: 60,
        failure_persistence: None,
        ..Config::default()
    });
    let money = prop::sample::select(vec![("EUR", 1900), ("JPY", 1000), ("KWD", 0), ("USD", 625)]);
    let steps = (money, [1..400_i64, 1..400_i64], vec(step(), 30..60));
    runner
        .run(&steps, |((currency, tax_bp), prices, steps)| {
            let told = runtime.block_on(async {
                // A task of its own, so that a failed assertion is a failed case, which proptest makes smaller.
                let mut driver = JoinSet::new();
                driver.spawn(async move {
                    let mut driver = Driver::new(world, currency, tax_bp, prices).await;
                    for step in &steps {
                        driver.take(step).await;
                    }
                    driver.compare().await;
                });
                driver.join_next().await.unwrap()
            });
            told.map_err(|error| TestCaseError::fail(error.to_string()))
        })
        .unwrap();
}
