//! What an office should be after a row of steps, as simply as it can be said: no I/O, no concurrency, no database.

use std::collections::BTreeMap;

/// An order as the model has it.
#[derive(Debug, Clone, Default)]
pub(super) struct Order {
    pub(super) status: &'static str,
    pub(super) lines: Vec<Line>,
    pub(super) paid: i64,
    pub(super) refunded: i64,
    pub(super) invoiced: i64,
    pub(super) credited: i64,
    /// Balance of 1100, debit-positive.
    receivable: i64,
    /// Balance of 2200, credit-positive.
    deposit: i64,
    placed: bool,
}

/// One line of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    pub(super) item: usize,
    pub(super) quantity: i64,
    pub(super) shipped: i64,
    pub(super) returned: i64,
    pub(super) cancelled: i64,
    cost: i64,
    cost_returned: i64,
}

/// Stock of one item at the office's one location.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stock {
    pub(super) on_hand: i64,
    pub(super) reserved: i64,
    pub(super) value: i64,
}

/// The office: two items at fixed prices, one tax rate, orders, books.
#[derive(Debug, Clone)]
pub(super) struct Shop {
    pub(super) prices: [i64; 2],
    pub(super) tax_bp: i64,
    pub(super) stock: [Stock; 2],
    pub(super) orders: Vec<Order>,
    /// Debit-positive.
    pub(super) books: BTreeMap<&'static str, i64>,
}

/// Units of an order's lines, by the number of the line.
pub(super) type Units = Vec<(usize, i64)>;

/// Why a step is refused.
type Refusal = (u16, &'static str);

/// `a × b ÷ c`, half up, of what is not negative.
fn share(a: i64, b: i64, c: i64) -> i64 {
    let (a, b, c) = (i128::from(a), i128::from(b), i128::from(c));
    i64::try_from((2 * a * b + c) / (2 * c)).unwrap()
}

impl Line {
    pub(super) fn open(&self) -> i64 {
        self.quantity - self.shipped - self.cancelled
    }
}

/// Net and tax of the first `units` of a line.
fn part(price: i64, tax_bp: i64, units: i64) -> (i64, i64) {
    (price * units, share(price * units, tax_bp, 10_000))
}

impl Shop {
    pub(super) fn new(prices: [i64; 2], tax_bp: i64) -> Self {
        Self {
            prices,
            tax_bp,
            stock: Default::default(),
            orders: Vec::new(),
            books: BTreeMap::new(),
        }
    }

    fn post(&mut self, debit: &'static str, credit: &'static str, amount: i64) {
        *self.books.entry(debit).or_default() += amount;
        *self.books.entry(credit).or_default() -= amount;
    }

    pub(super) fn receive(&mut self, item: usize, quantity: i64, cost: i64) {
        self.stock[item].on_hand += quantity;
        self.stock[item].value += cost;
        self.post("1300", "2050", cost);
    }

    fn take(&mut self, item: usize, quantity: i64) -> i64 {
        let stock = &mut self.stock[item];
        let worth = share(stock.value, quantity, stock.on_hand);
        stock.on_hand -= quantity;
        stock.value -= worth;
        worth
    }

    pub(super) fn lose(&mut self, item: usize, quantity: i64) -> Result<(), Refusal> {
        let stock = self.stock[item];
        if stock.on_hand - stock.reserved < quantity {
            return Err((409, "insufficient_stock"));
        }
        let worth = self.take(item, quantity);
        self.post("5900", "1300", worth);
        Ok(())
    }

    pub(super) fn order(&mut self, lines: &Units) {
        let lines = lines.iter().map(|(item, quantity)| Line {
            item: *item,
            quantity: *quantity,
            ..Line::default()
        });
        self.orders.push(Order {
            status: "draft",
            lines: lines.collect(),
            ..Order::default()
        });
    }

    fn wanted(&self, at: usize) -> [i64; 2] {
        let mut wanted = [0; 2];
        for line in &self.orders[at].lines {
            wanted[line.item] += line.open();
        }
        wanted
    }

    pub(super) fn confirm(&mut self, at: usize) -> Result<(), Refusal> {
        if self.orders[at].status != "draft" {
            return Err((409, "order_state"));
        }
        let wanted = self.wanted(at);
        let short =
            (0..2).any(|item| self.stock[item].on_hand - self.stock[item].reserved < wanted[item]);
        if short {
            return Err((409, "insufficient_stock"));
        }
        for (stock, wanted) in self.stock.iter_mut().zip(wanted) {
            stock.reserved += wanted;
        }
        self.orders[at].status = "confirmed";
        self.orders[at].placed = true;
        Ok(())
    }

    pub(super) fn cancel(&mut self, at: usize) -> Result<(), Refusal> {
        let order = &self.orders[at];
        if order.lines.iter().any(|line| line.shipped > 0) {
            return Err((409, "already_shipped"));
        }
        if !["draft", "confirmed"].contains(&order.status) {
            return Err((409, "order_state"));
        }
        let all = order
            .lines
            .iter()
            .enumerate()
            .map(|(number, line)| (number, line.open()))
            .collect();
        self.let_go(at, &all);
        self.orders[at].status = "cancelled";
        Ok(())
    }

    pub(super) fn cancel_units(&mut self, at: usize, units: &Units) -> Result<(), Refusal> {
        if !["draft", "confirmed", "fulfilled"].contains(&self.orders[at].status) {
            return Err((409, "order_state"));
        }
        if !self.is_open(at, units) {
            return Err((409, "already_shipped"));
        }
        self.let_go(at, units);
        self.finish(at);
        Ok(())
    }

    fn is_open(&self, at: usize, units: &Units) -> bool {
        let asked = |number| -> i64 {
            units
                .iter()
                .filter(|(n, _)| *n == number)
                .map(|(_, q)| q)
                .sum()
        };
        self.orders[at]
            .lines
            .iter()
            .enumerate()
            .all(|(number, line)| asked(number) <= line.open())
    }

    fn let_go(&mut self, at: usize, units: &Units) {
        let reserved = self.orders[at].status == "confirmed";
        for (number, quantity) in units {
            let line = &mut self.orders[at].lines[*number];
            line.cancelled += quantity;
            if reserved {
                self.stock[line.item].reserved -= quantity;
            }
        }
    }

    fn finish(&mut self, at: usize) {
        let order = &mut self.orders[at];
        if order.lines.iter().all(|line| line.open() == 0) {
            let shipped = order.lines.iter().any(|line| line.shipped > 0);
            order.status = if shipped { "fulfilled" } else { "cancelled" };
        }
    }

    pub(super) fn pay(&mut self, at: usize, amount: i64) -> Result<(), Refusal> {
        let order = &mut self.orders[at];
        if !["confirmed", "fulfilled"].contains(&order.status) {
            return Err((409, "order_state"));
        }
        let owed = amount.min(order.receivable.max(0));
        order.paid += amount;
        order.receivable -= owed;
        order.deposit += amount - owed;
        self.post("1000", "1100", owed);
        self.post("1000", "2200", amount - owed);
        Ok(())
    }

    pub(super) fn refund(&mut self, at: usize, amount: i64) -> Result<(), Refusal> {
        let order = &mut self.orders[at];
        if amount > order.paid - order.refunded {
            return Err((409, "refund_exceeds_paid"));
        }
        let ahead = amount.min(order.deposit);
        order.refunded += amount;
        order.deposit -= ahead;
        order.receivable += amount - ahead;
        self.post("2200", "1000", ahead);
        self.post("1100", "1000", amount - ahead);
        Ok(())
    }

    pub(super) fn ship(&mut self, at: usize, units: &Units) -> Result<(), Refusal> {
        if self.orders[at].status != "confirmed" {
            return Err((409, "order_state"));
        }
        if !self.is_open(at, units) {
            return Err((409, "not_reserved"));
        }
        for (number, quantity) in units {
            let line = self.orders[at].lines[*number].clone();
            self.stock[line.item].reserved -= quantity;
            let cost = self.take(line.item, *quantity);
            let (net, tax) = self.difference(line.item, line.shipped, *quantity);
            self.post("5000", "1300", cost);
            self.post("1100", "4000", net);
            self.post("1100", "2100", tax);
            let order = &mut self.orders[at];
            order.lines[*number].shipped += quantity;
            order.lines[*number].cost += cost;
            order.invoiced += net + tax;
            order.receivable += net + tax;
        }
        let order = &mut self.orders[at];
        let applied = order.deposit.min(order.receivable.max(0));
        order.deposit -= applied;
        order.receivable -= applied;
        self.post("2200", "1100", applied);
        self.finish(at);
        Ok(())
    }

    /// What the next units of a line add to what the first ones came to.
    fn difference(&self, item: usize, before: i64, units: i64) -> (i64, i64) {
        let price = self.prices[item];
        let (first, all) = (
            part(price, self.tax_bp, before),
            part(price, self.tax_bp, before + units),
        );
        (all.0 - first.0, all.1 - first.1)
    }

    pub(super) fn take_back(
        &mut self,
        at: usize,
        units: &Units,
        to_shelf: bool,
    ) -> Result<(), Refusal> {
        let asked = |number| -> i64 {
            units
                .iter()
                .filter(|(n, _)| *n == number)
                .map(|(_, q)| q)
                .sum()
        };
        let mut lines = self.orders[at].lines.iter().enumerate();
        if lines.any(|(number, line)| asked(number) > line.shipped - line.returned) {
            return Err((409, "return_exceeds_shipped"));
        }
        for (number, quantity) in units {
            let line = self.orders[at].lines[*number].clone();
            let back = share(line.cost, line.returned + quantity, line.shipped);
            let cost = (back - line.cost_returned).max(0);
            let (net, tax) = self.difference(line.item, line.returned, *quantity);
            if to_shelf {
                self.stock[line.item].on_hand += quantity;
                self.stock[line.item].value += cost;
            }
            self.post(if to_shelf { "1300" } else { "5900" }, "5000", cost);
            self.post("4900", "1100", net);
            self.post("2100", "1100", tax);
            let order = &mut self.orders[at];
            order.lines[*number].returned += quantity;
            order.lines[*number].cost_returned += cost;
            order.credited += net + tax;
            order.receivable -= net + tax;
        }
        Ok(())
    }

    /// What the order was worth when it was made, and what of it was not cancelled.
    pub(super) fn totals(&self, order: &Order) -> (i64, i64) {
        let worth = |line: &Line, units: i64| {
            let (net, tax) = part(self.prices[line.item], self.tax_bp, units);
            net + tax
        };
        let total = order
            .lines
            .iter()
            .map(|line| worth(line, line.quantity))
            .sum();
        let left = order
            .lines
            .iter()
            .map(|line| worth(line, line.quantity - line.cancelled))
            .sum();
        (total, left)
    }

    pub(super) fn payment_status(&self, order: &Order) -> &'static str {
        let kept = order.paid - order.refunded;
        if order.placed && kept >= self.totals(order).1 - order.credited {
            "paid"
        } else if kept <= 0 {
            "unpaid"
        } else {
            "partial"
        }
    }
}
