//! Deals as rows: orders with what became of them in all three systems, written behind the services' back, and what
//! reports must say of them, added up in the plainest way.

use std::fmt::Write as _;

use kernel::{Date, RegionTag, id::OrderId};
use uuid::Uuid;

/// An order of one line, and what became of it, each thing on a day of its own.
#[derive(Debug, Clone)]
pub(crate) struct Deal {
    /// Index into [`OFFICES`].
    pub(crate) office: usize,
    /// 0 or 1.
    pub(crate) item: u8,
    pub(crate) quantity: i64,
    pub(crate) price: i64,
    pub(crate) tax_bp: i64,
    /// What one unit had cost.
    pub(crate) cost: i64,
    pub(crate) placed: bool,
    /// Paid before anything is shipped, and after that.
    pub(crate) paid: [i64; 2],
    pub(crate) shipped: i64,
    pub(crate) returned: i64,
    pub(crate) restocked: bool,
    pub(crate) refunded: i64,
    /// The day on which it begins, from [`FIRST_DAY`] on; each further step is a day later.
    pub(crate) day: u8,
}

/// Code, region, currency: the days of all of them begin at the same moment here, since dates are written as they are.
pub(crate) const OFFICES: [(&str, &str, &str); 3] = [
    ("ber", "eu1", "EUR"),
    ("nyc", "us1", "USD"),
    ("tyo", "ap1", "JPY"),
];
pub(crate) const FIRST_DAY: &str = "2026-03-01";

/// What must be told of one deal, in the order of its days.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    /// (day, shipped, returned, net, cost)
    pub(crate) goods: Vec<(u8, i64, i64, i64, i64)>,
    /// (day, units, net, tax)
    pub(crate) placed: Option<(u8, i64, i64, i64)>,
    /// (day, paid less refunded)
    pub(crate) money: Vec<(u8, i64)>,
    pub(crate) invoiced: i64,
    pub(crate) credited: i64,
    pub(crate) paid: i64,
    pub(crate) refunded: i64,
    pub(crate) receivable: i64,
    pub(crate) deposit: i64,
    pub(crate) shipped_on: Option<u8>,
}

pub(crate) fn day(offset: u8) -> Date {
    let first: Date = FIRST_DAY.parse().unwrap();
    Date::from_days_since_2000(first.days_since_2000() + i32::from(offset)).unwrap()
}

fn uuid(kind: &str, n: usize) -> Uuid {
    let mut bits = [0; 16];
    for (at, byte) in kind.bytes().chain(n.to_be_bytes()).enumerate() {
        bits[at % 16] ^= byte;
    }
    Uuid::from_bytes(bits)
}

pub(crate) fn order_id(n: usize, deal: &Deal) -> OrderId {
    let region: RegionTag = OFFICES[deal.office].1.parse().unwrap();
    OrderId::new(region, uuid("ord", n))
}

/// Half-up tax of so many units.
fn tax(deal: &Deal, units: i64) -> i64 {
    (units * deal.price * deal.tax_bp + 5_000) / 10_000
}

/// The rows of all deals, for a database whose foreign keys are lifted.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) sql: String,
    entries: usize,
}

impl Rows {
    pub(crate) fn of(deals: &[Deal]) -> (Self, Vec<Told>) {
        let mut rows = Self::default();
        for item in 0..2 {
            let id = uuid("itm", item);
            rows.add(&format!(
                "INSERT INTO warehouse.items (id, sku, name, description, country_of_origin, unit, status, version, \
                     created_at, updated_at) \
                 VALUES ('{id}', 'LAMP-{item}', 'n', 'd', 'DE', 'each', 'active', 1, now(), now())"
            ));
        }
        for (office, (code, region, _)) in OFFICES.iter().enumerate() {
            let id = uuid("cus", office);
            rows.add(&format!(
                "INSERT INTO sales.customers (region, id, office, name, status, key_ids, version, created_at, updated_at) \
                 VALUES ('{region}', '{id}', '{code}', 'n', 'active', ARRAY[]::UUID[], 1, now(), now())"
            ));
            for month in ["2026-03", "2026-04"] {
                rows.add(&format!(
                    "INSERT INTO accounting.periods (region, office, period, status, version, created_at, updated_at) \
                     VALUES ('{region}', '{code}', '{month}', 'open', 1, now(), now())"
                ));
            }
        }
        let told = deals.iter().enumerate();
        let told = told.map(|(n, deal)| rows.deal(n, deal)).collect();
        (rows, told)
    }

    fn add(&mut self, statement: &str) {
        writeln!(self.sql, "{statement};").unwrap();
    }

    /// An entry about the order, of that day; postings of nothing are left out.
    fn entry(&mut self, n: usize, deal: &Deal, on: u8, postings: &[(&str, &str, i64)]) -> Uuid {
        let (office, region, currency) = OFFICES[deal.office];
        let (entry, date) = (uuid("jrn", self.entries), day(on));
        self.entries += 1;
        let moved: Vec<_> = postings.iter().filter(|posting| posting.2 > 0).collect();
        if moved.is_empty() {
            return entry;
        }
        self.add(&format!(
            "INSERT INTO accounting.journal_entries (region, id, office, currency, effective_date, recorded_at, \
                 recorded_by, description, subject_type, subject_id) \
             VALUES ('{region}', '{entry}', '{office}', '{currency}', '{date}', '{date}T12:00:00Z', 't', 'd', 'order', '{}')",
            order_id(n, deal)
        ));
        for (line, (debit, credit, amount)) in (1..).zip(moved) {
            let posting = uuid("pst", self.entries * 16 + line);
            self.add(&format!(
                "INSERT INTO accounting.postings (region, id, entry, line, office, currency, period, effective_date, \
                     recorded_at, debit, credit, amount_minor) \
                 VALUES ('{region}', '{posting}', '{entry}', {line}, '{office}', '{currency}', '{}', '{date}', \
                     '{date}T12:00:00Z', '{debit}', '{credit}', {amount})",
                date.month()
            ));
        }
        entry
    }

    fn deal(&mut self, n: usize, deal: &Deal) -> Told {
        let mut told = Told::default();
        let mut on = deal.day;
        if deal.placed {
            let units = deal.quantity;
            told.placed = Some((on, units, units * deal.price, tax(deal, units)));
            self.pay(n, deal, (0, on + 1), &mut told);
            on += 2;
            self.ship(n, deal, on, &mut told);
            self.pay(n, deal, (1, on + 1), &mut told);
            self.take_back(n, deal, on + 2, &mut told);
            self.refund(n, deal, on + 3, &mut told);
        }
        self.order(n, deal, &told);
        told
    }

    fn pay(&mut self, n: usize, deal: &Deal, (which, on): (usize, u8), told: &mut Told) {
        let amount = deal.paid[which];
        if amount == 0 {
            return;
        }
        let owed = amount.min(told.receivable.max(0));
        let ahead = amount - owed;
        let postings = [("1000", "1100", owed), ("1000", "2200", ahead)];
        let entry = self.entry(n, deal, on, &postings);
        told.paid += amount;
        told.receivable -= owed;
        told.deposit += ahead;
        told.money.push((on, amount));
        self.payment(
            n,
            deal,
            ("payment", which, on),
            (amount, owed, ahead, entry),
        );
    }

    fn refund(&mut self, n: usize, deal: &Deal, on: u8, told: &mut Told) {
        let amount = deal.refunded.min(told.paid);
        if amount == 0 {
            return;
        }
        let ahead = amount.min(told.deposit);
        let rest = amount - ahead;
        let postings = [("2200", "1000", ahead), ("1100", "1000", rest)];
        let entry = self.entry(n, deal, on, &postings);
        told.refunded += amount;
        told.deposit -= ahead;
        told.receivable += rest;
        told.money.push((on, -amount));
        self.payment(n, deal, ("refund", 2, on), (amount, rest, ahead, entry));
    }

    fn payment(
        &mut self,
        n: usize,
        deal: &Deal,
        (kind, which, on): (&str, usize, u8),
        (amount, owed, ahead, entry): (i64, i64, i64, Uuid),
    ) {
        let (office, region, currency) = OFFICES[deal.office];
        let (id, order, date) = (uuid("pay", n * 4 + which), uuid("ord", n), day(on));
        self.add(&format!(
            "INSERT INTO sales.payments (region, id, office, order_id, currency, kind, amount_minor, receivable_minor, \
                 deposit_minor, method, journal_entry, effective_date, created_at, created_by) \
             VALUES ('{region}', '{id}', '{office}', '{order}', '{currency}', '{kind}', {amount}, {owed}, {ahead}, 'card', \
                 '{entry}', '{date}', '{date}T12:00:00Z', 't')"
        ));
    }

    fn ship(&mut self, n: usize, deal: &Deal, on: u8, told: &mut Told) {
        let units = deal.shipped.min(deal.quantity);
        if units == 0 {
            return;
        }
        let (net, tax, cost) = (units * deal.price, tax(deal, units), units * deal.cost);
        let applied = told.deposit.min((told.receivable + net + tax).max(0));
        let postings = [
            ("5000", "1300", cost),
            ("1100", "4000", net),
            ("1100", "2100", tax),
            ("2200", "1100", applied),
        ];
        self.entry(n, deal, on, &postings);
        told.invoiced += net + tax;
        told.receivable += net + tax - applied;
        told.deposit -= applied;
        told.goods.push((on, units, 0, net, cost));
        told.shipped_on = Some(on);
        let (office, region, currency) = OFFICES[deal.office];
        let (id, order, date) = (uuid("shp", n), uuid("ord", n), day(on));
        let (line, item) = (uuid("oln", n), uuid("itm", deal.item.into()));
        self.add(&format!(
            "INSERT INTO sales.shipments (region, id, office, order_id, currency, net_minor, tax_minor, cost_minor, \
                 deposit_minor, journal_entries, effective_date, created_at, created_by) \
             VALUES ('{region}', '{id}', '{office}', '{order}', '{currency}', {net}, {tax}, {cost}, {applied}, \
                 ARRAY[]::UUID[], '{date}', '{date}T12:00:00Z', 't'); \
             INSERT INTO sales.shipment_lines (region, shipment, line, item, quantity, net_minor, tax_minor, cost_minor, \
                 movement) \
             VALUES ('{region}', '{id}', '{line}', '{item}', {units}, {net}, {tax}, {cost}, '{id}')"
        ));
    }

    fn take_back(&mut self, n: usize, deal: &Deal, on: u8, told: &mut Told) {
        let units = deal.returned.min(deal.shipped).min(deal.quantity);
        if units == 0 {
            return;
        }
        let (net, tax, cost) = (units * deal.price, tax(deal, units), units * deal.cost);
        let (back, disposition) = if deal.restocked {
            ("1300", "restock")
        } else {
            ("5900", "scrap")
        };
        let postings = [
            (back, "5000", cost),
            ("4900", "1100", net),
            ("2100", "1100", tax),
        ];
        self.entry(n, deal, on, &postings);
        told.credited += net + tax;
        told.receivable -= net + tax;
        told.goods.push((on, 0, units, -net, -cost));
        let (office, region, currency) = OFFICES[deal.office];
        let (id, order, date) = (uuid("ret", n), uuid("ord", n), day(on));
        let (line, item) = (uuid("oln", n), uuid("itm", deal.item.into()));
        self.add(&format!(
            "INSERT INTO sales.returns (region, id, office, order_id, currency, net_minor, tax_minor, cost_minor, \
                 journal_entries, effective_date, created_at, created_by) \
             VALUES ('{region}', '{id}', '{office}', '{order}', '{currency}', {net}, {tax}, {cost}, ARRAY[]::UUID[], \
                 '{date}', '{date}T12:00:00Z', 't'); \
             INSERT INTO sales.return_lines (region, return_id, position, line, item, quantity, disposition, reason, \
                 net_minor, tax_minor, cost_minor) \
             VALUES ('{region}', '{id}', 1, '{line}', '{item}', {units}, '{disposition}', 'r', {net}, {tax}, {cost})"
        ));
    }

    /// The order as all of that leaves it: what is not shipped is cancelled if anything is.
    fn order(&mut self, n: usize, deal: &Deal, told: &Told) {
        let (office, region, currency) = OFFICES[deal.office];
        let (id, line, customer) = (uuid("ord", n), uuid("oln", n), uuid("cus", deal.office));
        let item = uuid("itm", deal.item.into());
        let of = |index: usize| -> i64 {
            let parts = told.goods.iter();
            parts.map(|part| [part.1, part.2][index]).sum()
        };
        let (shipped, returned) = (of(0), of(1));
        let cost: i64 = told.goods.iter().map(|part| part.4.max(0)).sum();
        let cost_returned: i64 = told.goods.iter().map(|part| (-part.4).max(0)).sum();
        let cancelled = if shipped > 0 {
            deal.quantity - shipped
        } else {
            0
        };
        let status = match (told.placed, shipped) {
            (None, _) => "draft",
            (Some(_), 0) => "confirmed",
            (Some(_), _) => "fulfilled",
        };
        let date = day(deal.day);
        let placed = told.placed.map_or("NULL, NULL".to_owned(), |_| {
            format!("'{date}T12:00:00Z', '{date}'")
        });
        let (units, price, bp) = (deal.quantity, deal.price, deal.tax_bp);
        let (net, tax) = (units * price, tax(deal, units));
        self.add(&format!(
            "INSERT INTO sales.orders (region, id, office, customer, currency, status, subtotal_minor, tax_minor, \
                 paid_minor, refunded_minor, invoiced_minor, credited_minor, receivable_minor, deposit_minor, expires_at, \
                 placed_at, placed_date, version, created_at, updated_at) \
             VALUES ('{region}', '{id}', '{office}', '{customer}', '{currency}', '{status}', {net}, {tax}, {}, {}, {}, {}, \
                 {}, {}, '2099-01-01', {placed}, 1, '{date}T12:00:00Z', '{date}T12:00:00Z'); \
             INSERT INTO sales.order_lines (region, id, order_id, line_no, item, location, sku, name, quantity, \
                 unit_price_minor, tax_rate_bp, shipped, returned, cancelled, cost_minor, cost_returned_minor) \
             VALUES ('{region}', '{line}', '{id}', 1, '{item}', '{office}-main', 's', 'n', {units}, {price}, {bp}, {shipped}, \
                 {returned}, {cancelled}, {cost}, {cost_returned})",
            told.paid, told.refunded, told.invoiced, told.credited, told.receivable, told.deposit
        ));
        if status == "confirmed" {
            self.add(&format!(
                "INSERT INTO warehouse.reservations (region, id, office, location, item, quantity, order_line, status, \
                     version, created_at, updated_at) \
                 VALUES ('{region}', '{line}', '{office}', '{office}-main', '{item}', {units}, '{line}', 'active', 1, \
                     now(), now())"
            ));
        }
    }
}
