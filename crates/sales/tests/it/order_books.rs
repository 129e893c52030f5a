//! Random sequences of payments, refunds, shipments, cancellations and returns against a model, in currencies of 0, 2 and
//! 3 digits.

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::deal::{Deal, units};

/// Something done to an order; lines by number.
#[derive(Debug, Clone)]
enum Step {
    Pay(i64),
    Refund(i64),
    Ship(usize, i64),
    Cancel(usize, i64),
    /// To the shelf, or to scrap.
    TakeBack(usize, i64, bool),
}

fn any_step() -> impl Strategy<Value = Step> {
    let line = 0_usize..2;
    prop_oneof![
        (1_i64..40_000).prop_map(Step::Pay),
        (1_i64..30_000).prop_map(Step::Refund),
        (line.clone(), 1_i64..4).prop_map(|(line, units)| Step::Ship(line, units)),
        (line.clone(), 1_i64..4).prop_map(|(line, units)| Step::Ship(line, units)),
        (line.clone(), 1_i64..3).prop_map(|(line, units)| Step::Cancel(line, units)),
        (line, 1_i64..3, any::<bool>())
            .prop_map(|(line, units, restock)| Step::TakeBack(line, units, restock)),
    ]
}

#[derive(Debug, Clone)]
struct Line {
    price: i64,
    quantity: i64,
    shipped: i64,
    cancelled: i64,
    returned: i64,
}

impl Line {
    fn open(&self) -> i64 {
        self.quantity - self.shipped - self.cancelled
    }

    /// What the first `units` come to, with 19 % tax, rounded half up.
    fn gross(&self, units: i64) -> i64 {
        let net = self.price * units;
        net + (net * 1900 * 2 + 10_000).div_euclid(20_000)
    }
}

/// What an order must be.
#[derive(Debug, Clone)]
struct Model {
    lines: [Line; 2],
    paid: i64,
    refunded: i64,
    invoiced: i64,
    credited: i64,
    receivable: i64,
    deposit: i64,
}

impl Model {
    fn new() -> Self {
        let line = |price, quantity| Line {
            price,
            quantity,
            shipped: 0,
            cancelled: 0,
            returned: 0,
        };
        Self {
            lines: [line(10_000, 4), line(999, 6)],
            paid: 0,
            refunded: 0,
            invoiced: 0,
            credited: 0,
            receivable: 0,
            deposit: 0,
        }
    }

    fn status(&self) -> &'static str {
        if self.lines.iter().any(|line| line.open() > 0) {
            "confirmed"
        } else if self.lines.iter().any(|line| line.shipped > 0) {
            "fulfilled"
        } else {
            "cancelled"
        }
    }

    /// Does it, if it can be done.
    fn take(&mut self, step: &Step) -> bool {
        let status = self.status();
        match *step {
            Step::Pay(amount) => {
                if status == "cancelled" {
                    return false;
                }
                let owed = amount.min(self.receivable.max(0));
                self.paid += amount;
                self.receivable -= owed;
                self.deposit += amount - owed;
            }
            Step::Refund(amount) => {
                if amount > self.paid - self.refunded {
                    return false;
                }
                let ahead = amount.min(self.deposit);
                self.refunded += amount;
                self.deposit -= ahead;
                self.receivable += amount - ahead;
            }
            Step::Ship(line, units) => {
                let line = &mut self.lines[line];
                if units > line.open() {
                    return false;
                }
                let gross = line.gross(line.shipped + units) - line.gross(line.shipped);
                line.shipped += units;
                self.invoiced += gross;
                self.receivable += gross;
                let applied = self.deposit.min(self.receivable.max(0));
                self.deposit -= applied;
                self.receivable -= applied;
            }
            Step::Cancel(line, units) => {
                let line = &mut self.lines[line];
                if units > line.open() {
                    return false;
                }
                line.cancelled += units;
            }
            Step::TakeBack(line, units, _) => {
                let line = &mut self.lines[line];
                if units > line.shipped - line.returned {
                    return false;
                }
                let gross = line.gross(line.returned + units) - line.gross(line.returned);
                line.returned += units;
                self.credited += gross;
                self.receivable -= gross;
            }
        }
        true
    }
}

/// One order with goods of its own, and what it must be.
struct Case {
    order: Value,
    model: Model,
}

impl Case {
    async fn new(deal: &Deal, office: &str) -> Self {
        for (item, cost) in [(0, 24_001), (1, 607)] {
            let line = json!({"item": deal.items[item], "quantity": 6, "cost_minor": cost});
            let receipt =
                json!({"location": format!("{office}-main"), "reference": "R", "lines": [line]});
            let received = deal.app.post("/v1/warehouse/receipts", receipt).await;
            assert_eq!(received.status, 201, "{}", received.body);
        }
        Self {
            order: deal.order_at(office, &[(0, 4), (1, 6)]).await,
            model: Model::new(),
        }
    }

    async fn take(&mut self, deal: &Deal, step: Step) {
        let before = self.model.clone();
        let can = self.model.take(&step);
        if !can {
            self.model = before;
        }
        let amount = |amount: i64| json!({"amount_minor": amount, "method": "cash"});
        let (order, body) = (&self.order, |line, units_| {
            units(&self.order, &[(line, units_)])
        });
        let answer = match step {
            Step::Pay(sum) => deal.post(order, "payments", amount(sum)).await,
            Step::Refund(sum) => deal.post(order, "refunds", amount(sum)).await,
            Step::Ship(line, units) => {
                deal.post(order, "shipments", json!({"lines": body(line, units)}))
                    .await
            }
            Step::Cancel(line, units) => {
                let some = json!({"reason": "less", "lines": body(line, units)});
                deal.post(order, "cancel", some).await
            }
            Step::TakeBack(line, units, restock) => {
                let disposition = if restock { "restock" } else { "scrap" };
                deal.take_back(order, &[(line, units, disposition)]).await
            }
        };
        assert_eq!(answer.status.is_success(), can, "{step:?}: {}", answer.body);
        if !can {
            assert_eq!(answer.status, 409, "{step:?}: {}", answer.body);
        }
        self.agrees(deal).await;
    }

    async fn agrees(&self, deal: &Deal) {
        let (order, model) = (deal.read(&self.order).await, &self.model);
        let member = |name: &str| order[name].as_i64().unwrap();
        assert_eq!(order["status"], model.status());
        assert_eq!(
            [
                "paid_minor",
                "refunded_minor",
                "invoiced_minor",
                "credited_minor"
            ]
            .map(member),
            [model.paid, model.refunded, model.invoiced, model.credited]
        );
        for (shown, line) in order["lines"].as_array().unwrap().iter().zip(&model.lines) {
            let member = |name: &str| shown[name].as_i64().unwrap();
            assert_eq!(
                ["shipped", "cancelled", "returned"].map(member),
                [line.shipped, line.cancelled, line.returned]
            );
        }
        let balances = "SELECT receivable_minor || ' ' || deposit_minor FROM sales.orders ORDER BY created_at DESC, id LIMIT 1";
        assert_eq!(
            deal.texts(balances).await,
            [format!("{} {}", model.receivable, model.deposit)]
        );
        assert!(model.deposit >= 0);
        deal.ties_out().await;
    }

    /// Ships what is open and takes everything back: the parts add up, and with all money given back nothing is open.
    async fn finish(mut self, deal: &Deal) {
        for line in 0..2 {
            let open = self.model.lines[line].open();
            if open > 0 {
                self.take(deal, Step::Ship(line, open)).await;
            }
        }
        let shipped = self.model.lines.iter().map(|line| line.gross(line.shipped));
        assert_eq!(self.model.invoiced, shipped.sum::<i64>());
        for line in 0..2 {
            let out = self.model.lines[line].shipped - self.model.lines[line].returned;
            if out > 0 {
                self.take(deal, Step::TakeBack(line, out, true)).await;
            }
        }
        assert_eq!(self.model.credited, self.model.invoiced);
        let held = self.model.paid - self.model.refunded;
        if held > 0 {
            self.take(deal, Step::Refund(held)).await;
        }
        assert_eq!((self.model.receivable, self.model.deposit), (0, 0));
        let all_back =
            "SELECT count(*) FROM sales.order_lines WHERE cost_minor <> cost_returned_minor";
        assert_eq!(deal.shop.db.count(all_back).await, 0);
    }
}

fn whatever_happens_orders_stock_and_books_agree(office: &'static str, currency: &'static str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let deal = runtime.block_on(Deal::at(office, currency));
    let mut runner = TestRunner::new(ProptestConfig::with_cases(6));
    runner
        .run(&prop::collection::vec(any_step(), 1..14), |steps| {
            runtime.block_on(async {
                let mut case = Case::new(&deal, office).await;
                for step in steps {
                    case.take(&deal, step).await;
                }
                case.finish(&deal).await;
            });
            Ok(())
        })
        .unwrap();
}

#[test]
fn hard_case_27_whatever_happens_orders_stock_and_books_agree_in_euros() {
    whatever_happens_orders_stock_and_books_agree("ber", "EUR");
}

#[test]
fn hard_case_27_whatever_happens_orders_stock_and_books_agree_in_yen() {
    whatever_happens_orders_stock_and_books_agree("tyo", "JPY");
}

#[test]
fn hard_case_27_whatever_happens_orders_stock_and_books_agree_in_dinars() {
    whatever_happens_orders_stock_and_books_agree("kwi", "KWD");
}
