//! A company with a place for every write, seen through the proxy and past it, and its books as numbers.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use platform_db::Db;
use platform_http::System;
use serde_json::{Value, json};
use testkit::{Answer, TestApp, WireProxy};

use super::{
    AT_ONCE,
    scenarios::{Content, Kind, SCENARIOS, Write},
};
use crate::{Company, NOBODY, client, systems_that_ask};

/// What one operation works on, so that no other one stands in its way.
pub(super) struct Place {
    pub(super) office: &'static str,
    pub(super) currency: &'static str,
    pub(super) location: String,
    pub(super) item: String,
    pub(super) customer: String,
}

/// A process of eu1 whose connections go through a proxy.
pub(super) struct Desk {
    pub(super) proxy: WireProxy,
    pub(super) app: TestApp,
    db: Db,
}

/// The company.
pub(super) struct World {
    pub(super) company: Company,
    /// The processes of three regions, without a proxy.
    pub(super) apps: Vec<TestApp>,
    /// By operation.
    pub(super) places: BTreeMap<&'static str, Place>,
    /// Those that nobody uses, with the deadline of every request and whole connections.
    desks: Mutex<Vec<Desk>>,
    client: reqwest::Client,
    taken: AtomicU32,
    months: AtomicU32,
}

/// Sums by name: what the rows of all tables come to.
pub(super) type Books = BTreeMap<String, i64>;

/// Time for a request where none is part of the class: no busy machine shall make the difference.
const PATIENT: Duration = Duration::from_secs(30);

/// Three regions, three currencies.
const OFFICES: [(&str, &str); 3] = [("ber", "EUR"), ("nyc", "USD"), ("tyo", "JPY")];

/// Rows of a transaction over many rows are left out: how many of those it took is not the caller's business.
const BOOKS: &str = "
    SELECT 'accounts', count(*) FROM accounting.accounts
    UNION ALL SELECT 'periods ' || status, count(*) FROM accounting.periods GROUP BY status
    UNION ALL SELECT 'periods version', sum(version)::INT8 FROM accounting.periods
    UNION ALL SELECT 'period balances', count(*) FROM accounting.period_balances
    UNION ALL SELECT 'entries', count(*) FROM accounting.journal_entries
    UNION ALL SELECT 'postings ' || office || ' ' || debit || ' ' || credit, sum(amount_minor)::INT8
        FROM accounting.postings GROUP BY office, debit, credit
    UNION ALL SELECT 'offices', count(*) FROM platform.offices
    UNION ALL SELECT 'offices version', sum(version)::INT8 FROM platform.offices
    UNION ALL SELECT 'search', count(*) FROM platform.search_entries
    UNION ALL SELECT 'keys', count(*) FROM platform.idempotency_keys WHERE key NOT LIKE 'auto:%'
    UNION ALL SELECT 'audit ' || action, count(*) FROM platform.audit_log WHERE key NOT LIKE 'auto:%' GROUP BY action
    UNION ALL SELECT 'events ' || kind, count(*) FROM platform.events GROUP BY kind
    UNION ALL SELECT 'items', count(*) FROM warehouse.items
    UNION ALL SELECT 'items version', sum(version)::INT8 FROM warehouse.items
    UNION ALL SELECT 'prices', count(*) FROM warehouse.item_prices
    UNION ALL SELECT 'locations', count(*) FROM warehouse.locations
    UNION ALL SELECT 'locations version', sum(version)::INT8 FROM warehouse.locations
    UNION ALL SELECT 'levels', count(*) FROM warehouse.stock_levels
    UNION ALL SELECT 'levels version', sum(version)::INT8 FROM warehouse.stock_levels
    UNION ALL SELECT 'on hand', sum(on_hand)::INT8 FROM warehouse.stock_levels
    UNION ALL SELECT 'reserved', sum(reserved)::INT8 FROM warehouse.stock_levels
    UNION ALL SELECT 'value ' || office, sum(value_minor)::INT8 FROM warehouse.stock_levels GROUP BY office
    UNION ALL SELECT 'movements ' || kind, count(*) FROM warehouse.stock_movements GROUP BY kind
    UNION ALL SELECT 'moved ' || kind, sum(delta)::INT8 FROM warehouse.stock_movements GROUP BY kind
    UNION ALL SELECT 'moved value ' || kind, sum(value_delta_minor)::INT8 FROM warehouse.stock_movements GROUP BY kind
    UNION ALL SELECT 'reservations ' || status, sum(quantity)::INT8 FROM warehouse.reservations GROUP BY status
    UNION ALL SELECT 'customers ' || status, count(*) FROM sales.customers GROUP BY status
    UNION ALL SELECT 'customers version', sum(version)::INT8 FROM sales.customers
    UNION ALL SELECT 'orders ' || status, count(*) FROM sales.orders GROUP BY status
    UNION ALL SELECT 'orders version', sum(version)::INT8 FROM sales.orders
    UNION ALL SELECT 'ordered', sum(subtotal_minor + tax_minor)::INT8 FROM sales.orders
    UNION ALL SELECT 'paid', sum(paid_minor)::INT8 FROM sales.orders
    UNION ALL SELECT 'refunded', sum(refunded_minor)::INT8 FROM sales.orders
    UNION ALL SELECT 'invoiced', sum(invoiced_minor)::INT8 FROM sales.orders
    UNION ALL SELECT 'credited', sum(credited_minor)::INT8 FROM sales.orders
    UNION ALL SELECT 'lines', sum(quantity)::INT8 FROM sales.order_lines
    UNION ALL SELECT 'lines shipped', sum(shipped)::INT8 FROM sales.order_lines
    UNION ALL SELECT 'lines returned', sum(returned)::INT8 FROM sales.order_lines
    UNION ALL SELECT 'lines cancelled', sum(cancelled)::INT8 FROM sales.order_lines
    UNION ALL SELECT kind || 's', sum(amount_minor)::INT8 FROM sales.payments GROUP BY kind
    UNION ALL SELECT 'shipments', count(*) FROM sales.shipments
    UNION ALL SELECT 'shipment lines', sum(quantity)::INT8 FROM sales.shipment_lines
    UNION ALL SELECT 'returns', count(*) FROM sales.returns
    UNION ALL SELECT 'return lines', sum(quantity)::INT8 FROM sales.return_lines
    UNION ALL SELECT 'cancellations', sum(quantity)::INT8 FROM sales.order_cancellations";

impl World {
    /// With a place for every write.
    pub(super) async fn new(company: Company) -> Self {
        let mut world = Self::bare(company);
        let places = stream::iter(SCENARIOS.iter().enumerate());
        let places = places.map(async |(n, scenario)| {
            (
                scenario.operation,
                world.open_place(n, OFFICES[n % OFFICES.len()]).await,
            )
        });
        world.places = places.buffer_unordered(AT_ONCE).collect().await;
        world
    }

    /// With the offices that every company begins with, and nothing else.
    pub(super) fn bare(company: Company) -> Self {
        let apps = ["eu1", "us1", "ap1"].map(|region| company.in_region(region));
        Self {
            company,
            apps: apps.into(),
            places: BTreeMap::new(),
            desks: Mutex::default(),
            client: client(),
            taken: AtomicU32::default(),
            months: AtomicU32::default(),
        }
    }

    async fn open_place(
        &self,
        n: usize,
        (office, currency): (&'static str, &'static str),
    ) -> Place {
        let location = format!("m-{n:02}");
        let body = json!({"code": location, "office": office, "name": "n", "kind": "depot"});
        self.done("/v1/warehouse/locations", body).await;
        let body = json!({"sku": format!("ITEM-{n}"), "name": "Cup", "description": "A cup.", "country_of_origin": "FR",
            "unit": "each", "prices": [{"currency": currency, "amount_minor": 1000}]});
        let item = self.made("/v1/warehouse/items", body).await;
        let lines = json!([{"item": item, "quantity": 100_000, "unit_cost_minor": 400}]);
        let body = json!({"location": location, "reference": "R", "lines": lines});
        self.done("/v1/warehouse/receipts", body).await;
        let body = json!({"office": office, "name": "Buyer"});
        let customer = self.made("/v1/sales/customers", body).await;
        Place {
            office,
            currency,
            location,
            item,
            customer,
        }
    }

    /// A word that nothing else is named by, of the same length always.
    pub(super) fn unique(&self) -> String {
        format!("x{:05}x", self.taken.fetch_add(1, Ordering::Relaxed))
    }

    /// A month in which nothing ever happened.
    pub(super) fn month(&self) -> String {
        let n = self.months.fetch_add(1, Ordering::Relaxed);
        format!("{}-{:02}", 1950 + n / 12, 1 + n % 12)
    }

    /// POST past every fault; the body of the answer.
    pub(super) async fn done(&self, path: &str, body: Value) -> Value {
        let write = Write::post(path, body);
        let answer = write.send_patiently(Kind::Transaction, &self.apps[0]).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
        answer.body
    }

    /// The same; the id of what was made.
    pub(super) async fn made(&self, path: &str, body: Value) -> String {
        let body = self.done(path, body).await;
        body["id"].as_str().unwrap().to_owned()
    }

    /// A process behind a proxy, used before if there is one.
    pub(super) async fn desk(&self) -> Desk {
        let known = self.desks().pop();
        match known {
            Some(desk) => desk,
            None => self.new_desk().await,
        }
    }

    /// A process behind a proxy that has connected to nothing yet.
    pub(super) async fn new_desk(&self) -> Desk {
        let proxy = WireProxy::before(&self.company.db).await;
        let db = self.company.db.db_through(proxy.port());
        let app = TestApp::with_deadline("eu1", self.systems(&db), PATIENT);
        Desk { proxy, app, db }
    }

    fn systems(&self, db: &Db) -> Vec<System> {
        systems_that_ask(db, &self.company.topology, NOBODY, self.client.clone())
    }

    /// The same process, with this time for a request.
    pub(super) fn app_of(&self, desk: &Desk, deadline: Duration) -> TestApp {
        TestApp::with_deadline("eu1", self.systems(&desk.db), deadline)
    }

    /// Whoever comes next finds the connections as they are: one that holds a transaction open would show.
    pub(super) fn leave(&self, desk: Desk) {
        desk.proxy.disarm();
        self.desks().push(desk);
    }

    fn desks(&self) -> std::sync::MutexGuard<'_, Vec<Desk>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn books(&self) -> Books {
        let rows = self.company.db.query(BOOKS).await;
        rows.into_iter()
            .map(|row| {
                let number = row[1].as_deref().map_or(0, |text| text.parse().unwrap());
                (row[0].clone().unwrap(), number)
            })
            .collect()
    }

    /// How often the write has happened, and the kinds of the events that its audit rows list.
    pub(super) async fn effects(&self, kind: Kind, write: &Write) -> (i64, Vec<String>) {
        let key = &write.key;
        if kind == Kind::Statement {
            let voids = "platform.idempotency_keys WHERE status IS NULL AND key";
            let count = format!("SELECT count(*) FROM {voids} = '{key}'");
            return (self.company.db.count(&count).await, Vec::new());
        }
        let keys = match kind {
            Kind::Import => format!("('{key}#1', '{key}#2', '{key}#3')"),
            Kind::Transaction | Kind::Statement | Kind::Read => format!("('{key}')"),
        };
        // Regions and times lead through the indexes there are.
        let since = |column: &str| {
            format!(
                "region IN ('eu1', 'us1', 'ap1') AND {column} >= '{}'",
                write.since
            )
        };
        let audit = format!("platform.audit_log WHERE {} AND key IN {keys}", since("at"));
        let rows = format!(
            "SELECT 'rows', count(*) FROM {audit} \
             UNION ALL SELECT 'events', COALESCE(sum(array_length(event_ids, 1)), 0)::INT8 FROM {audit} \
             UNION ALL SELECT kind, 0 FROM platform.events WHERE {} AND seq IS NULL \
                 AND request_id IN (SELECT request_id FROM {audit})",
            since("time")
        );
        let rows = self.company.db.query(&rows).await;
        let (mut effects, mut listed, mut kinds) = (0, 0, Vec::new());
        for mut row in rows {
            let number: i64 = row[1].as_deref().unwrap().parse().unwrap();
            match row.remove(0).unwrap() {
                name if name == "rows" => effects = number,
                name if name == "events" => listed = number,
                kind => kinds.push(kind),
            }
        }
        kinds.sort_unstable();
        assert_eq!(
            kinds.len() as i64,
            listed,
            "hard case 23: the audit rows list every event"
        );
        (effects, kinds)
    }
}

/// What came to what was there.
pub(super) fn less(after: &Books, before: &Books) -> Books {
    let names = after.keys().chain(before.keys());
    let mut change: Books = names
        .map(|name| {
            let sum = |books: &Books| books.get(name).copied().unwrap_or(0);
            (name.clone(), sum(after) - sum(before))
        })
        .collect();
    change.retain(|_, sum| *sum != 0);
    change
}

/// Both together.
pub(super) fn add(sum: &mut Books, more: &Books) {
    for (name, value) in more {
        *sum.entry(name.clone()).or_default() += value;
    }
    sum.retain(|_, sum| *sum != 0);
}

impl Write {
    /// Sends it until it is clear how it ended: other cases may be in the way for a while.
    pub(super) async fn send_patiently(&self, kind: Kind, app: &TestApp) -> Answer {
        for _ in 0..5 {
            let answer = self.send(kind, app).await;
            let failed = kind == Kind::Import
                && answer.status == 200
                && answer.lines().iter().any(|line| line["row"].is_null());
            if !failed && !matches!(answer.status.as_u16(), 503 | 504) {
                return answer;
            }
        }
        self.send(kind, app).await
    }

    /// Sends it.
    pub(super) async fn send(&self, kind: Kind, app: &TestApp) -> Answer {
        let mut request = app.request(self.method.clone(), &self.path);
        if matches!(kind, Kind::Transaction | Kind::Import) {
            request = request.key(&self.key);
        }
        if let Some(version) = self.if_match {
            request = request.header("if-match", &format!("\"{version}\""));
        }
        match &self.content {
            Content::Json(body) => request.json(body),
            Content::Csv(file) => request.body("text/csv", file.clone()),
        }
        .send()
        .await
    }
}
