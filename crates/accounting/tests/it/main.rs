//! Accounting through its router and its in-transaction module, on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod accounts;
mod authorization;
mod books;
mod cached;
mod create;
mod faults;
mod imports;
mod ledger;
mod lists;
mod periods;
mod placement;
mod reports;
mod reverse;
mod statement;
mod template;

use accounting::App;
use axum::http::Method;
use platform_db::{Db, DbError, Directory, Session, offices};
use serde_json::{Value, json};
use testkit::{
    TestApp, TestDb,
    app::{Answer, new_key},
};

const ENTRIES: &str = "/v1/accounting/journal-entries";
const ACCOUNTS: &str = "/v1/accounting/accounts";
const PERIODS: &str = "/v1/accounting/periods";

/// A database of its own with the offices `ber` (EUR, eu1), `nyc` (USD, us1), `tok` (JPY, ap1) and `kuw` (KWD, eu1).
struct World {
    db: TestDb,
}

impl World {
    async fn new() -> Self {
        let db = TestDb::new(&[accounting::migrations()]).await;
        for (code, region, currency, zone) in [
            ("ber", "eu1", "EUR", "Europe/Berlin"),
            ("nyc", "us1", "USD", "America/New_York"),
            ("tok", "ap1", "JPY", "Asia/Tokyo"),
            ("kuw", "eu1", "KWD", "Asia/Kuwait"),
        ] {
            db.query(&format!(
                "INSERT INTO platform.offices (code, name, country, city, time_zone, currency, latitude, longitude, \
                     home_region, default_location, default_tax_rate_bp, status, version, created_at, updated_at) \
                 VALUES ('{code}', '{code}', 'DE', 'City', '{zone}', '{currency}', 1, 1, '{region}', '{code}-main', \
                     1900, 'active', 1, now(), now())"
            ))
            .await;
        }
        Self { db }
    }

    fn app(&self) -> TestApp {
        self.in_region("eu1")
    }

    fn in_region(&self, region: &str) -> TestApp {
        app(self.db.db_in(region), region)
    }
}

fn app(db: Db, region: &str) -> TestApp {
    let directory = Directory::new(db.clone());
    TestApp::new(region, vec![accounting::system(App::new(db, directory))])
}

/// An office that is there.
async fn office(session: &Session, code: &str) -> Result<offices::Office, DbError> {
    let Ok(code) = code.parse() else {
        panic!("{code} is no office code");
    };
    offices::get(session, &code).await?.ok_or(DbError::NoRow)
}

/// An entry of one posting in euro at `ber`.
fn entry(debit: &str, credit: &str, amount: i64, date: &str) -> Value {
    json!({
        "office": "ber", "currency": "EUR", "description": "Rent", "effective_date": date,
        "postings": [{"debit": debit, "credit": credit, "amount_minor": amount}],
    })
}

/// Adds a posting to an entry.
fn add(entry: &mut Value, posting: Value) {
    if let Some(postings) = entry["postings"].as_array_mut() {
        postings.push(posting);
    }
}

/// Posts it; it must be taken.
async fn posted(app: &TestApp, body: Value) -> Answer {
    let answer = app.post(ENTRIES, body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer
}

fn id(answer: &Answer) -> &str {
    answer.body["id"].as_str().unwrap_or_default()
}

async fn reverse(app: &TestApp, id: &str, body: Value) -> Answer {
    app.post(&format!("{ENTRIES}/{id}/reverse"), body).await
}

async fn close(app: &TestApp, office: &str, month: &str) -> Answer {
    let path = format!("{PERIODS}/{office}/{month}/close");
    app.request(Method::POST, &path)
        .key(&new_key())
        .send()
        .await
}

async fn reopen(app: &TestApp, office: &str, month: &str) -> Answer {
    let path = format!("{PERIODS}/{office}/{month}/reopen");
    app.post(&path, json!({"reason": "An invoice came late"}))
        .await
}

/// Kinds of the events of a subject, oldest first.
async fn events_of(world: &World, subject: &str) -> Vec<String> {
    let sql = format!(
        "SELECT kind || ' ' || resource_version FROM platform.events WHERE subject = '{subject}' \
         ORDER BY time, resource_version"
    );
    let rows = world.db.query(&sql).await;
    rows.into_iter().flatten().flatten().collect()
}
