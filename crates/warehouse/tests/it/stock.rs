//! A warehouse with goods and books, and whether the two agree.

use kernel::{ReadWant, RegionTag};
use platform_db::{ReadSpec, Session, offices::OfficeHome};
use serde_json::{Value, json};
use testkit::{Answer, TestApp, TestDb, call};

use crate::{Warehouse, items::lamp};

pub(crate) const RECEIPTS: &str = "/v1/warehouse/receipts";
pub(crate) const ADJUSTMENTS: &str = "/v1/warehouse/adjustments";
pub(crate) const LEVELS: &str = "/v1/warehouse/levels";
pub(crate) const MOVEMENTS: &str = "/v1/warehouse/movements";

/// `ber-main`, `ber-shop` and `nyc-main`, and the items LAMP-7 and LAMP-8.
pub(crate) struct Store {
    pub(crate) warehouse: Warehouse,
    pub(crate) app: TestApp,
    /// Ids of LAMP-7 and LAMP-8.
    pub(crate) items: [String; 2],
}

impl Store {
    pub(crate) async fn new() -> Self {
        let warehouse = Warehouse::new().await;
        let app = warehouse.app();
        for (code, office) in [
            ("ber-main", "ber"),
            ("ber-shop", "ber"),
            ("nyc-main", "nyc"),
        ] {
            let place = json!({"code": code, "office": office, "name": "n", "kind": "depot"});
            let made = app.post("/v1/warehouse/locations", place).await;
            assert_eq!(made.status, 201, "{}", made.body);
        }
        let mut items = [String::new(), String::new()];
        for (item, sku) in items.iter_mut().zip(["LAMP-7", "LAMP-8"]) {
            let made = app.post("/v1/warehouse/items", lamp(sku)).await;
            made.body["id"].as_str().unwrap().clone_into(item);
        }
        Self {
            warehouse,
            app,
            items,
        }
    }

    pub(crate) fn db(&self) -> &TestDb {
        &self.warehouse.db
    }

    /// A receipt of LAMP-7 that cost `cost` together.
    pub(crate) fn receipt(&self, location: &str, quantity: i64, cost: i64) -> Value {
        let line = json!({"item": self.items[0], "quantity": quantity, "cost_minor": cost});
        json!({"location": location, "reference": "R-1", "lines": [line]})
    }

    pub(crate) async fn receive(&self, location: &str, quantity: i64, cost: i64) -> Answer {
        let receipt = self.receipt(location, quantity, cost);
        let received = self.app.post(RECEIPTS, receipt).await;
        assert_eq!(received.status, 201, "{}", received.body);
        received
    }

    /// An adjustment of LAMP-7 at `ber-main` by `delta`.
    pub(crate) fn adjustment(&self, delta: i64) -> Value {
        let item = &self.items[0];
        json!({"location": "ber-main", "item": item, "delta": delta, "reason": "correction"})
    }

    /// A count of LAMP-7 at `ber-main`.
    pub(crate) fn count(&self, counted: i64, expected: i64) -> Value {
        json!({"location": "ber-main", "item": self.items[0], "counted": counted, "expected_on_hand": expected,
            "reason": "count"})
    }

    pub(crate) async fn adjust(&self, body: Value) -> Answer {
        self.app.post(ADJUSTMENTS, body).await
    }

    /// The level of LAMP-7 at a location.
    pub(crate) async fn level(&self, location: &str) -> Value {
        let path = format!("{LEVELS}?location={location}&sku=LAMP-7");
        let listed = self.app.get(&path).await;
        assert_eq!(listed.status, 200, "{}", listed.body);
        listed.body["data"][0].clone()
    }

    /// On hand, reserved, value and version of LAMP-7 at `ber-main`.
    pub(crate) async fn numbers(&self) -> [i64; 4] {
        let level = self.level("ber-main").await;
        ["on_hand", "reserved", "value_minor", "version"]
            .map(|member| level[member].as_i64().unwrap())
    }

    pub(crate) async fn close_this_month(&self) {
        self.db()
            .query(
                "INSERT INTO accounting.periods (region, office, period, status, version, created_at, updated_at) \
                 VALUES ('eu1', 'ber', to_char(now() AT TIME ZONE 'Europe/Berlin', 'YYYY-MM'), 'closed', 1, now(), now()) \
                 ON CONFLICT (region, office, period) DO UPDATE SET status = 'closed'",
            )
            .await;
    }

    /// How often a table has rows like these.
    pub(crate) async fn rows(&self, of: &str) -> i64 {
        self.db().count(&format!("SELECT count(*) FROM {of}")).await
    }

    /// Journal entries as `debit credit amount source rule`, oldest first.
    pub(crate) async fn postings(&self) -> Vec<String> {
        let sql = "SELECT p.debit || ' ' || p.credit || ' ' || p.amount_minor || ' ' || e.source_type || ' ' || \
                       e.source_rule \
                   FROM accounting.postings AS p \
                   JOIN accounting.journal_entries AS e ON e.region = p.region AND e.id = p.entry \
                   ORDER BY e.recorded_at, p.line";
        let rows = self.db().query(sql).await;
        rows.into_iter()
            .map(|row| row[0].clone().unwrap())
            .collect()
    }

    /// Invariants I1 to I3, and that every movement is worth what its entry says; versions and events have no gaps.
    pub(crate) async fn ties_out(&self) {
        ties_out(self.db()).await;
    }
}

pub(crate) async fn ties_out(db: &TestDb) {
    for (broken, sql) in BROKEN {
        assert_eq!(db.count(sql).await, 0, "{broken}");
    }
    let homes = [("eu1", "ber"), ("us1", "nyc")].map(|(region, office)| OfficeHome {
        region: region.parse().unwrap(),
        office: office.parse().unwrap(),
    });
    let spec = ReadSpec {
        operation: "check_levels",
        want: ReadWant::default(),
        home: RegionTag::global(),
        snapshot: None,
    };
    let (db, call) = (db.db(), call("eu1"));
    let check =
        async move |session: &Session| warehouse::reports::check_levels(session, &homes).await;
    let unsound = db.read(&call, spec, check).await.unwrap().value;
    assert_eq!((unsound.count, unsound.first), (0, Vec::new()), "I3");
}

/// What must not be found.
const BROKEN: &[(&str, &str)] = &[
    (
        "I1",
        "SELECT count(*) FROM accounting.postings WHERE amount_minor < 1 OR debit = credit",
    ),
    (
        "I2: stock and account 1300 of an office differ",
        "SELECT count(*) FROM (SELECT office FROM (\
             SELECT office, value_minor AS amount FROM warehouse.stock_levels \
             UNION ALL SELECT office, -amount_minor FROM accounting.postings WHERE debit = '1300' \
             UNION ALL SELECT office, amount_minor FROM accounting.postings WHERE credit = '1300') AS sides \
         GROUP BY office HAVING sum(amount) <> 0) AS broken",
    ),
    (
        "a level is worth something else than what moved",
        "SELECT count(*) FROM warehouse.stock_levels AS l WHERE l.value_minor <> (\
             SELECT coalesce(sum(m.value_delta_minor), 0) FROM warehouse.stock_movements AS m \
             WHERE m.region = l.region AND m.location = l.location AND m.item = l.item)",
    ),
    (
        "an entry is worth something else than its movements",
        "SELECT count(*) FROM accounting.journal_entries AS e WHERE e.source_type IS NOT NULL AND (\
             SELECT sum(CASE WHEN p.debit = '1300' THEN p.amount_minor ELSE -p.amount_minor END) \
             FROM accounting.postings AS p WHERE p.region = e.region AND p.entry = e.id) IS DISTINCT FROM (\
             SELECT sum(m.value_delta_minor) FROM warehouse.stock_movements AS m \
             WHERE m.region = e.region AND m.journal_entry = e.id)",
    ),
    (
        "a level has more or fewer events than versions",
        "SELECT count(*) FROM warehouse.stock_levels AS l WHERE l.version <> (\
             SELECT count(DISTINCT e.resource_version) FROM platform.events AS e \
             WHERE e.kind = 'warehouse.stock.changed' AND e.data ->> 'location' = l.location \
               AND e.data ->> 'sku' = (SELECT i.sku FROM warehouse.items AS i WHERE i.id = l.item))",
    ),
    (
        "an event of a level came twice",
        "SELECT count(*) FROM (SELECT 1 FROM platform.events WHERE kind = 'warehouse.stock.changed' \
         GROUP BY subject, resource_version HAVING count(*) > 1) AS twice",
    ),
    (
        "an audit row does not list its events, or an event has none",
        "SELECT (SELECT count(*) FROM platform.events) - \
             (SELECT count(*) FROM (SELECT unnest(event_ids) FROM platform.audit_log) AS ids)",
    ),
];
