//! An office with goods to sell, its orders, and whether they agree with stock and books.

use axum::http::Method;
use kernel::Role;
use serde_json::{Value, json};
use testkit::{
    Answer, TestApp,
    app::{new_key, token},
};

use crate::Shop;

pub(crate) const ORDERS: &str = "/v1/sales/orders";

/// Goods on the shelf of `ber-main`: ten of each of two items, of which the first cost 60.00 each and sells at 100.00,
/// and the second cost 10.01 together and sells at 9.99.
pub(crate) struct Deal {
    pub(crate) shop: Shop,
    pub(crate) app: TestApp,
    pub(crate) customer: String,
    pub(crate) items: [String; 2],
}

impl Deal {
    pub(crate) async fn new() -> Self {
        Self::at("ber", "EUR").await
    }

    /// The same at another office, whatever its currency.
    pub(crate) async fn at(office: &str, currency: &str) -> Self {
        let shop = Shop::new().await;
        if office != "ber" {
            shop.open_office(office, currency).await;
        }
        let app = shop.app();
        let place = format!("{office}-main");
        let post = async |path: &str, body: Value| {
            let made = app.post(path, body).await;
            assert_eq!(made.status, 201, "{}", made.body);
            made.body
        };
        let location = json!({"code": place, "office": office, "name": "n", "kind": "depot"});
        post("/v1/warehouse/locations", location).await;
        let mut items = [String::new(), String::new()];
        let goods = [("LAMP-7", 10_000, 60_000), ("LAMP-8", 999, 1_001)];
        for (item, (sku, price, cost)) in items.iter_mut().zip(goods) {
            let new = json!({"sku": sku, "name": "Lamp", "description": "A lamp.", "country_of_origin": "DE",
                "unit": "each", "prices": [{"currency": currency, "amount_minor": price}]});
            let made = post("/v1/warehouse/items", new).await;
            made["id"].as_str().unwrap().clone_into(item);
            let line = json!({"item": item, "quantity": 10, "cost_minor": cost});
            let receipt = json!({"location": place, "reference": "R-1", "lines": [line]});
            post("/v1/warehouse/receipts", receipt).await;
        }
        let customer = json!({"office": office, "name": "Ada"});
        let customer = post("/v1/sales/customers", customer).await;
        let customer = customer["id"].as_str().unwrap().to_owned();
        Self {
            shop,
            app,
            customer,
            items,
        }
    }

    /// A draft at `ber`: items by number, and how many.
    pub(crate) async fn draft(&self, lines: &[(usize, i64)]) -> Value {
        self.draft_at("ber", lines).await
    }

    pub(crate) async fn draft_at(&self, office: &str, lines: &[(usize, i64)]) -> Value {
        let lines: Vec<Value> = lines
            .iter()
            .map(|(item, quantity)| {
                json!({"item": self.items[*item], "location": format!("{office}-main"), "quantity": quantity})
            })
            .collect();
        let order = json!({"office": office, "customer": self.customer, "lines": lines});
        let made = self.app.post(ORDERS, order).await;
        assert_eq!(made.status, 201, "{}", made.body);
        made.body
    }

    /// A confirmed order at `ber`.
    pub(crate) async fn order(&self, lines: &[(usize, i64)]) -> Value {
        self.order_at("ber", lines).await
    }

    pub(crate) async fn order_at(&self, office: &str, lines: &[(usize, i64)]) -> Value {
        let draft = self.draft_at(office, lines).await;
        let confirmed = self.post(&draft, "confirm", json!({})).await;
        assert_eq!(confirmed.status, 200, "{}", confirmed.body);
        confirmed.body
    }

    /// Something done to an order.
    pub(crate) async fn post(&self, order: &Value, what: &str, body: Value) -> Answer {
        self.app.post(&path(order, what), body).await
    }

    /// The same, done.
    pub(crate) async fn done(&self, order: &Value, what: &str, body: Value) -> Value {
        let done = self.post(order, what, body).await;
        assert!(done.status.is_success(), "{what}: {}", done.body);
        done.body
    }

    pub(crate) async fn pay(&self, order: &Value, amount: i64) -> Value {
        let body = json!({"amount_minor": amount, "method": "card"});
        self.done(order, "payments", body).await
    }

    pub(crate) async fn refund(&self, order: &Value, amount: i64) -> Value {
        let body = json!({"amount_minor": amount, "method": "card"});
        self.done(order, "refunds", body).await
    }

    pub(crate) async fn ship(&self, order: &Value, lines: &[(usize, i64)]) -> Value {
        let lines = json!({"lines": units(order, lines)});
        self.done(order, "shipments", lines).await
    }

    pub(crate) async fn take_back(&self, order: &Value, lines: &[(usize, i64, &str)]) -> Answer {
        let lines: Vec<Value> = lines
            .iter()
            .map(|(line, quantity, disposition)| {
                json!({"line": order["lines"][line]["id"], "quantity": quantity, "disposition": disposition,
                    "reason": "broken"})
            })
            .collect();
        self.post(order, "returns", json!({"lines": lines})).await
    }

    pub(crate) async fn read(&self, order: &Value) -> Value {
        let path = format!("{ORDERS}/{}", order["id"].as_str().unwrap());
        let read = self.app.get(&path).await;
        assert_eq!(read.status, 200, "{}", read.body);
        read.body
    }

    /// What the order's documents posted, oldest first: `debit credit amount type rule`.
    pub(crate) async fn postings(&self, order: &Value) -> Vec<String> {
        let sql = format!(
            "SELECT p.debit || ' ' || p.credit || ' ' || p.amount_minor || ' ' || e.source_type || ' ' || e.source_rule \
             FROM accounting.postings AS p \
             JOIN accounting.journal_entries AS e ON e.region = p.region AND e.id = p.entry \
             WHERE e.subject_type = 'order' AND e.subject_id = '{}' \
             ORDER BY e.recorded_at, array_position(ARRAY['cost', 'restock', 'scrap', 'invoice', 'credit', 'deposit'], \
                 e.source_rule), p.line",
            order["id"].as_str().unwrap()
        );
        self.texts(&sql).await
    }

    /// Its events, oldest first: `version type`.
    pub(crate) async fn events(&self, order: &Value) -> Vec<String> {
        let sql = format!(
            "SELECT resource_version || ' ' || kind FROM platform.events WHERE subject = '{}' \
             ORDER BY resource_version, id",
            order["id"].as_str().unwrap()
        );
        self.texts(&sql).await
    }

    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let rows = self.shop.db.query(sql).await;
        rows.into_iter()
            .map(|mut row| row.remove(0).unwrap())
            .collect()
    }

    /// On hand, reserved and value of an item.
    pub(crate) async fn level(&self, item: usize) -> [i64; 3] {
        let sku = ["LAMP-7", "LAMP-8"][item];
        let sql = format!(
            "SELECT l.on_hand || ' ' || l.reserved || ' ' || l.value_minor FROM warehouse.stock_levels AS l \
             JOIN warehouse.items AS i ON i.id = l.item WHERE i.sku = '{sku}'"
        );
        let text = self.texts(&sql).await.remove(0);
        let numbers: Vec<i64> = text.split(' ').map(|word| word.parse().unwrap()).collect();
        numbers.try_into().unwrap()
    }

    pub(crate) async fn close_this_month(&self) {
        self.shop
            .db
            .query(
                "INSERT INTO accounting.periods (region, office, period, status, version, created_at, updated_at) \
                 VALUES ('eu1', 'ber', to_char(now() AT TIME ZONE 'Europe/Berlin', 'YYYY-MM'), 'closed', 1, now(), now()) \
                 ON CONFLICT (region, office, period) DO UPDATE SET status = 'closed'",
            )
            .await;
    }

    /// A request of somebody else.
    pub(crate) async fn as_somebody(
        &self,
        role: Role,
        offices: &[&str],
        path: &str,
        body: &Value,
    ) -> Answer {
        let request = self
            .app
            .request_as(&token(role, offices), Method::POST, path);
        request.key(&new_key()).json(body).send().await
    }

    /// That orders, stock and books agree, and nothing is without its event.
    pub(crate) async fn ties_out(&self) {
        for (broken, sql) in BROKEN {
            assert_eq!(self.shop.db.count(sql).await, 0, "{broken}");
        }
    }
}

impl Shop {
    /// Another office, of `ap1`.
    async fn open_office(&self, code: &str, currency: &str) {
        self.db
            .query(&format!(
                "INSERT INTO platform.offices (code, name, country, city, time_zone, currency, latitude, longitude, \
                     home_region, default_location, default_tax_rate_bp, status, version, created_at, updated_at) \
                 VALUES ('{code}', '{code}', 'JP', 'City', 'Asia/Tokyo', '{currency}', 1, 1, 'ap1', '{code}-main', \
                     1900, 'active', 1, now(), now())"
            ))
            .await;
    }
}

/// The path of something below an order.
pub(crate) fn path(order: &Value, what: &str) -> String {
    format!("{ORDERS}/{}/{what}", order["id"].as_str().unwrap())
}

/// Lines by number, and how many.
pub(crate) fn units(order: &Value, lines: &[(usize, i64)]) -> Vec<Value> {
    lines
        .iter()
        .map(|(line, quantity)| json!({"line": order["lines"][line]["id"], "quantity": quantity}))
        .collect()
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
        "I3: on hand and what moved differ",
        "SELECT count(*) FROM warehouse.stock_levels AS l WHERE (l.on_hand, l.value_minor) <> (\
             SELECT coalesce(sum(m.delta), 0), coalesce(sum(m.value_delta_minor), 0) FROM warehouse.stock_movements AS m \
             WHERE m.region = l.region AND m.location = l.location AND m.item = l.item)",
    ),
    (
        "I3: reserved and what is held differ",
        "SELECT count(*) FROM warehouse.stock_levels AS l WHERE l.reserved <> (\
             SELECT coalesce(sum(r.quantity), 0) FROM warehouse.reservations AS r \
             WHERE r.region = l.region AND r.location = l.location AND r.item = l.item AND r.status = 'active')",
    ),
    (
        "what is open of a confirmed order's line is not what is reserved for it",
        "SELECT count(*) FROM sales.order_lines AS l \
         JOIN sales.orders AS o ON o.region = l.region AND o.id = l.order_id \
         WHERE o.status <> 'draft' AND l.quantity - l.shipped - l.cancelled <> (\
             SELECT coalesce(sum(r.quantity), 0) FROM warehouse.reservations AS r \
             WHERE r.region = l.region AND r.order_line = l.id AND r.status = 'active')",
    ),
    (
        "I4: a shipment or a return is not what its line says",
        "SELECT count(*) FROM sales.order_lines AS l WHERE (l.shipped, l.cost_minor) <> (\
             SELECT coalesce(sum(s.quantity), 0), coalesce(sum(s.cost_minor), 0) FROM sales.shipment_lines AS s \
             WHERE s.region = l.region AND s.line = l.id) OR (l.returned, l.cost_returned_minor) <> (\
             SELECT coalesce(sum(r.quantity), 0), coalesce(sum(r.cost_minor), 0) FROM sales.return_lines AS r \
             WHERE r.region = l.region AND r.line = l.id)",
    ),
    (
        "I5: what an order owes and has paid ahead is not what the books say of it",
        "SELECT count(*) FROM sales.orders AS o WHERE o.receivable_minor - o.deposit_minor \
             <> o.invoiced_minor - o.credited_minor - o.paid_minor + o.refunded_minor \
             OR (o.receivable_minor, o.deposit_minor) <> (\
             SELECT coalesce(sum(CASE '1100' WHEN p.debit THEN p.amount_minor WHEN p.credit THEN -p.amount_minor END), 0), \
                 coalesce(sum(CASE '2200' WHEN p.credit THEN p.amount_minor WHEN p.debit THEN -p.amount_minor END), 0) \
             FROM accounting.postings AS p \
             JOIN accounting.journal_entries AS e ON e.region = p.region AND e.id = p.entry \
             WHERE e.region = o.region AND e.subject_type = 'order' \
               AND e.subject_id LIKE 'ord_' || o.region || '_%' AND e.id IN (\
                 SELECT unnest(journal_entries) FROM sales.shipments WHERE region = o.region AND order_id = o.id \
                 UNION ALL SELECT unnest(journal_entries) FROM sales.returns WHERE region = o.region AND order_id = o.id \
                 UNION ALL SELECT journal_entry FROM sales.payments WHERE region = o.region AND order_id = o.id))",
    ),
    (
        "a movement of a shipment or a return is worth something else than its entry",
        "SELECT count(*) FROM accounting.journal_entries AS e WHERE e.source_rule IN ('cost', 'restock') AND (\
             SELECT sum(CASE WHEN p.debit = '1300' THEN p.amount_minor ELSE -p.amount_minor END) \
             FROM accounting.postings AS p WHERE p.region = e.region AND p.entry = e.id) IS DISTINCT FROM (\
             SELECT sum(m.value_delta_minor) FROM warehouse.stock_movements AS m \
             WHERE m.region = e.region AND m.journal_entry = e.id AND m.reference = e.source_id)",
    ),
    (
        "an order has more or fewer versions than versions with events",
        "SELECT (SELECT coalesce(sum(version), 0) FROM sales.orders) - (SELECT count(*) FROM (SELECT DISTINCT subject, \
             resource_version FROM platform.events WHERE subject LIKE 'ord_%') AS versions)",
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
