//! Reports over 100,000 movements find their rows by index.

use kernel::Clock;
use serde_json::Value;
use testkit::{TestApp, eventually};

use crate::{Company, systems};

/// A hundred goods at nine offices, moved 100,000 times over two years, every movement with its entry. Foreign keys
/// are not checked while it is written, which integrity makes up for.
pub(crate) const HISTORY: &str = "
    SET session_replication_role = replica;
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
    DROP TABLE history, places;
    SET session_replication_role = origin";

const TABLES: &str =
    "relname IN ('stock_levels', 'stock_movements', 'reservations', 'journal_entries', 'postings')";

/// Scans of whole tables, and scans of indexes, of the tables that grow.
async fn scans(company: &Company) -> (i64, i64) {
    let of = async |counter: &str| {
        let sql = format!("SELECT sum({counter}) FROM pg_stat_user_tables WHERE {TABLES}");
        company.db.count(&sql).await
    };
    (of("seq_scan").await, of("idx_scan").await)
}

/// Sessions of services in this database.
async fn sessions(company: &Company) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND usename = 'meridian_app'";
    company.db.count(sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_over_a_hundred_thousand_movements_scan_no_table() {
    let company = Company::new().await;
    company.db.query(HISTORY).await;
    for table in [
        "accounting.postings",
        "warehouse.stock_levels",
        "warehouse.stock_movements",
    ] {
        company.db.query(&format!("VACUUM (ANALYZE) {table}")).await;
    }
    let (sessions_before, scans_before) = (sessions(&company).await, scans(&company).await);
    {
        let db = company.db.db_with_connections(4);
        let app = TestApp::new("eu1", systems(&db, &company.topology));
        ask(&app).await;
    }
    // A session counts what it did when it ends at the latest.
    let gone = async || sessions(&company).await == sessions_before;
    eventually("the sessions of the reports are gone", gone).await;
    let scans_after = scans(&company).await;
    assert!(scans_after.1 > scans_before.1, "indexes were used");
    assert_eq!(
        scans_after.0, scans_before.0,
        "no table was read from end to end"
    );
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
    assert_eq!((totals.len(), debits.sum::<i64>()), (9, 3_500_000));
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
    let integrity = report("/v1/reports/integrity").await;
    for invariant in integrity["invariants"].as_array().unwrap() {
        assert_eq!(invariant["status"], "pass", "{integrity}");
    }
}
