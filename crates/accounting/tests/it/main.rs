//! Accounting on a real PostgreSQL.

mod ledger;

use platform_db::{DbError, Session, offices};
use testkit::TestDb;

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
}

/// An office that is there.
async fn office(session: &Session, code: &str) -> Result<offices::Office, DbError> {
    let code = code.parse().expect("a code");
    Ok(offices::get(session, &code)
        .await?
        .expect("the office is there"))
}
