//! Reports over 100,000 movements and 20,000 orders find their rows by index.

use kernel::Clock;
use serde_json::Value;
use testkit::{TestApp, eventually};

use crate::{Company, systems};

/// A hundred goods at nine offices, moved 100,000 times over two years, every movement with its entry. For a database
/// without foreign keys, which integrity makes up for.
pub(crate) const HISTORY: &str = "
    INSERT INTO warehouse.items
        (id, sku, name, description, country_of_origin, unit, status, version, created_at, updated_at)
    SELECT md5('item' || n)::UUID, 'LAMP-' || n, 'Lamp', 'A lamp.', 'DE', 'each', 'active', 1, now(), now()
    FROM generate_series(0, 99) AS n;
    CREATE TEMPORARY TABLE places AS
    SELECT row_number() OVER (ORDER BY i.sku, o.code) - 1 AS place, o.home_region AS region, o.code AS office,
        o.default_location AS location, i.id AS item, o.currency
    FROM platform.offices AS o CROSS JOIN warehouse.items AS i;
    CREATE TEMPORARY TABLE history AS
    SELECT p.*, md5('movement' || n)::UUID AS movement, md5('entry' || n)::UUID AS entry,
        md5('posting' || n)::UUID AS posting,
        date_trunc('milliseconds', now()) - n * INTERVAL '10 minutes' AS recorded_at
    FROM generate_series(1, 100000) AS n JOIN places AS p ON p.place = n % 900;
    INSERT INTO warehouse.stock_levels
        (region, id, office, location, item, currency, on_hand, reserved, incoming, value_minor, version, created_at,
         updated_at)
    SELECT region, md5('level' || place)::UUID, office, location, item, currency, count(*) * 2, 0, 0, count(*) * 35,
        count(*), min(recorded_at), max(recorded_at)
    FROM history GROUP BY region, place, office, location, item, currency;
    INSERT INTO accounting.periods (region, office, period, status, version, created_at, updated_at)
    SELECT DISTINCT region, office, to_char(recorded_at, 'YYYY-MM'), 'open', 1, now(), now() FROM history;
    INSERT INTO accounting.journal_entries
        (region, id, office, currency, effective_date, recorded_at, recorded_by, description)
    SELECT region, entry, office, currency, recorded_at::DATE, recorded_at, 'test', 'receipt' FROM history;
    INSERT INTO accounting.postings
        (region, id, entry, line, office, currency, period, effective_date, recorded_at, debit, credit, amount_minor)
    SELECT region, posting, entry, 1, office, currency, to_char(recorded_at, 'YYYY-MM'), recorded_at::DATE,
        recorded_at, '1300', '2050', 35
    FROM history;
    INSERT INTO warehouse.stock_movements
        (region, id, office, location, item, currency, delta, value_delta_minor, kind, journal_entry, recorded_at,
         recorded_by)
    SELECT region, movement, office, location, item, currency, 2, 35, 'receipt', entry, recorded_at, 'test'
    FROM history;
    DROP TABLE history, places";

/// Twenty thousand orders of one unit over the same two years, placed, paid, shipped and, every tenth, brought back, and
/// every hundredth still unpaid; with the entries that say so. For a database without foreign keys.
const SALES: &str = "
    CREATE TEMPORARY TABLE sold AS
    SELECT n, o.home_region AS region, o.code AS office, o.default_location AS location, o.currency,
        md5('ord' || n)::UUID AS id, md5('oln' || n)::UUID AS line, md5('item' || n % 100)::UUID AS item,
        'ord_' || o.home_region || '_' || (SELECT string_agg(substr('0123456789abcdefghjkmnpqrstvwxyz',
            substring(B'00' || ('x' || md5('ord' || n))::BIT(128) FROM i * 5 + 1 FOR 5)::BIT(5)::INT + 1, 1), ''
            ORDER BY i) FROM generate_series(0, 25) AS i) AS subject,
        md5('shp' || n)::UUID AS shipment, md5('ret' || n)::UUID AS return_id,
        n % 10 = 0 AS is_returned, n % 100 <> 1 AS is_paid, now() - n * INTERVAL '50 minutes' AS at
    FROM generate_series(1, 20000) AS n
    JOIN (SELECT *, row_number() OVER (ORDER BY code) - 1 AS place FROM platform.offices) AS o ON o.place = n % 9;
    CREATE TEMPORARY TABLE owing AS
    SELECT *, CASE WHEN is_paid THEN 0 ELSE 119 END - CASE WHEN is_returned THEN 119 ELSE 0 END AS open FROM sold;
    INSERT INTO sales.orders (region, id, office, customer, currency, status, subtotal_minor, tax_minor, paid_minor,
        refunded_minor, invoiced_minor, credited_minor, receivable_minor, deposit_minor, expires_at, placed_at,
        placed_date, version, created_at, updated_at)
    SELECT region, id, office, md5('customer')::UUID, currency, 'fulfilled', 100, 19,
        CASE WHEN is_paid THEN 119 ELSE 0 END, 0, 119, CASE WHEN is_returned THEN 119 ELSE 0 END, open, 0, at, at,
        at::DATE, 1, at, at FROM owing;
    INSERT INTO sales.order_lines (region, id, order_id, line_no, item, location, sku, name, quantity,
        unit_price_minor, tax_rate_bp, shipped, returned, cancelled, cost_minor, cost_returned_minor)
    SELECT region, line, id, 1, item, location, 's', 'n', 1, 100, 1900, 1, is_returned::INT, 0, 0, 0 FROM sold;
    INSERT INTO sales.payments (region, id, office, order_id, currency, kind, amount_minor, receivable_minor,
        deposit_minor, method, journal_entry, effective_date, created_at, created_by)
    SELECT region, id, office, id, currency, 'payment', 119, 119, 0, 'card', id, at::DATE, at, 't' FROM sold
    WHERE is_paid;
    INSERT INTO sales.shipments (region, id, office, order_id, currency, net_minor, tax_minor, cost_minor,
        deposit_minor, journal_entries, effective_date, created_at, created_by)
    SELECT region, shipment, office, id, currency, 100, 19, 0, 0, ARRAY[]::UUID[], at::DATE, at, 't' FROM sold;
    INSERT INTO sales.shipment_lines
        (region, shipment, line, item, quantity, net_minor, tax_minor, cost_minor, movement)
    SELECT region, shipment, line, item, 1, 100, 19, 0, line FROM sold;
    INSERT INTO sales.returns (region, id, office, order_id, currency, net_minor, tax_minor, cost_minor,
        journal_entries, effective_date, created_at, created_by)
    SELECT region, return_id, office, id, currency, 100, 19, 0, ARRAY[]::UUID[], at::DATE, at, 't' FROM sold
    WHERE is_returned;
    INSERT INTO sales.return_lines (region, return_id, position, line, item, quantity, disposition, reason, net_minor,
        tax_minor, cost_minor)
    SELECT region, return_id, 1, line, item, 1, 'scrap', 'r', 100, 19, 0 FROM sold WHERE is_returned;
    CREATE TEMPORARY TABLE booked AS
    SELECT s.*, p.*, md5('jrn' || s.n || p.rule)::UUID AS entry
    FROM sold AS s CROSS JOIN (VALUES ('a', '1100', '4000', 100), ('b', '1100', '2100', 19), ('c', '1000', '1100', 119),
        ('d', '4900', '1100', 100), ('e', '2100', '1100', 19)) AS p (rule, debit, credit, amount)
    WHERE (p.rule <> 'c' OR s.is_paid) AND (p.rule < 'd' OR s.is_returned);
    INSERT INTO accounting.journal_entries (region, id, office, currency, effective_date, recorded_at, recorded_by,
        description, subject_type, subject_id)
    SELECT region, entry, office, currency, at::DATE, at, 't', 'd', 'order', subject FROM booked;
    INSERT INTO accounting.postings (region, id, entry, line, office, currency, period, effective_date, recorded_at,
        debit, credit, amount_minor)
    SELECT region, entry, entry, 1, office, currency, to_char(at, 'YYYY-MM'), at::DATE, at, debit, credit, amount
    FROM booked;
    DROP TABLE sold, owing, booked";

const TABLES: &str = "relname IN ('stock_levels', 'stock_movements', 'reservations', 'journal_entries', 'postings', \
    'orders', 'order_lines', 'payments', 'shipments', 'shipment_lines', 'returns', 'return_lines', 'audit_log', 'events', \
    'idempotency_keys')";

/// Scans of whole tables, and scans of indexes, of the tables that grow.
async fn scans(company: &Company) -> (i64, i64) {
    let of = async |counter: &str| {
        let sql = format!("SELECT sum({counter}) FROM pg_stat_user_tables WHERE {TABLES}");
        company.db.count(&sql).await
    };
    (of("seq_scan").await, of("idx_scan").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_over_years_of_movements_and_orders_scan_no_table() {
    let company = Company::new().await;
    if !company
        .db
        .speaks_postgres_with("plans, and counts of scans")
    {
        return;
    }
    company.db.lift_foreign_keys().await;
    company.db.query(HISTORY).await;
    company.db.query(SALES).await;
    for table in [
        "sales.orders",
        "sales.order_lines",
        "sales.payments",
        "sales.shipments",
        "sales.shipment_lines",
        "sales.returns",
        "sales.return_lines",
        "accounting.journal_entries",
        "accounting.postings",
        "warehouse.stock_levels",
        "warehouse.stock_movements",
    ] {
        company.db.query(&format!("VACUUM (ANALYZE) {table}")).await;
    }
    let (sessions_before, scans_before) = (company.db.sessions().await, scans(&company).await);
    {
        let db = company.db.db_with_connections(4);
        let app = TestApp::new("eu1", systems(&db, &company.topology));
        ask(&app).await;
    }
    // A session counts what it did when it ends at the latest.
    let gone = async || company.db.sessions().await == sessions_before;
    eventually("the sessions of the reports are gone", gone).await;
    let scans_after = scans(&company).await;
    assert!(scans_after.1 > scans_before.1, "indexes were used");
    assert_eq!(
        scans_after.0, scans_before.0,
        "no table was read from end to end"
    );
    // What reads everything may, and finds what was written behind the services' back to be sound.
    let integrity = company.app().get("/v1/reports/integrity").await.body;
    for invariant in integrity["invariants"].as_array().unwrap() {
        assert_eq!(invariant["status"], "pass", "{integrity}");
    }
}

/// Every report, of everything and of parts.
async fn ask(app: &TestApp) {
    let report = async |path: &str| -> Value {
        let answer = app.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.body
    };
    let now = Clock::System.now();
    let trial_balance = report("/v1/reports/trial-balance").await;
    let totals = trial_balance["totals"].as_array().unwrap();
    let debits = totals
        .iter()
        .map(|total| total["debit_minor"].as_i64().unwrap());
    assert_eq!(
        (totals.len(), debits.sum::<i64>()),
        (9, 3_500_000 + 41_800 * 119)
    );
    // The first row of the audit log is younger than what was written behind the services' back.
    let as_of = report(&format!("/v1/reports/trial-balance?as_of={now}")).await;
    assert_eq!(as_of["data"], trial_balance["data"]);
    report("/v1/reports/trial-balance?from=2026-01-15&to=2026-03-15").await;
    let valuation = report("/v1/reports/stock-valuation").await;
    assert_eq!(valuation["data"].as_array().unwrap().len(), 900);
    for office in valuation["offices"].as_array().unwrap() {
        assert_eq!(office["value_minor"], office["account_1300_minor"]);
    }
    let as_of = report(&format!("/v1/reports/stock-valuation?as_of={now}")).await;
    assert_eq!(as_of["data"], valuation["data"]);
    report("/v1/reports/stock-valuation?office=ber").await;
    let sold = report("/v1/reports/sold-items").await;
    let revenue = sold["data"].as_array().unwrap().iter();
    let revenue = revenue.map(|line| line["net_revenue_minor"].as_i64().unwrap());
    assert_eq!(revenue.sum::<i64>(), 18_000 * 100);
    let as_of = report(&format!("/v1/reports/sold-items?as_of={now}")).await;
    assert_eq!(as_of["data"], sold["data"]);
    report("/v1/reports/sold-items?office=ber&from=2026-01-15&to=2026-03-15").await;
    let days = report("/v1/reports/sales-by-office-day").await;
    let paid = days["data"].as_array().unwrap().iter();
    let paid = paid.map(|line| line["paid_minor"].as_i64().unwrap());
    assert_eq!(paid.sum::<i64>(), 19_800 * 119);
    report("/v1/reports/sales-by-office-day?from=2026-01-15&to=2026-03-15").await;
    let receivables = report("/v1/reports/receivables").await;
    assert_eq!(receivables["data"].as_array().unwrap().len(), 2_200);
    let as_of = report(&format!("/v1/reports/receivables?as_of={now}")).await;
    assert_eq!(as_of["data"], receivables["data"]);
    report("/v1/offices/ber/overview").await;
}
