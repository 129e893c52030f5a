//! The warehouse through its router, on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod adjustments;
mod availability;
mod books;
mod cached;
mod expand;
mod faults;
mod imports;
mod items;
mod levels;
mod loading;
mod locations;
mod order_stock;
mod placement;
mod prices;
mod receipts;
mod reservations;
mod rushes;
mod stock;
mod sweeper;
mod template;

use std::sync::Arc;

use kernel::Clock;
use platform_db::{Db, Directory};
use testkit::{TestApp, TestDb};
use topology::Topology;

/// The warehouse as `region` serves it, over a database of its own with the offices `ber` (eu1) and `nyc` (us1).
struct Warehouse {
    db: TestDb,
}

impl Warehouse {
    async fn new() -> Self {
        let db = TestDb::new(&[accounting::migrations(), warehouse::migrations()]).await;
        for (code, region) in [("ber", "eu1"), ("nyc", "us1")] {
            db.query(&format!(
                "INSERT INTO platform.offices (code, name, country, city, time_zone, currency, latitude, longitude, \
                     home_region, default_location, default_tax_rate_bp, status, version, created_at, updated_at) \
                 VALUES ('{code}', '{code}', 'DE', 'City', 'Europe/Berlin', 'EUR', 1, 1, '{region}', '{code}-main', \
                     1900, 'active', 1, now(), now())"
            ))
            .await;
        }
        Self { db }
    }

    fn in_region(&self, region: &str) -> TestApp {
        app(self.db.db_in(region), region)
    }

    fn app(&self) -> TestApp {
        self.in_region("eu1")
    }
}

fn app(db: Db, region: &str) -> TestApp {
    app_with_clock(db, region, Clock::System)
}

/// Requests are received by that clock.
fn app_with_clock(db: Db, region: &str, clock: Clock) -> TestApp {
    let directory = Directory::new(db.clone());
    let topology = Arc::new(Topology::embedded());
    let system = warehouse::system(warehouse::App::new(db, directory, topology));
    TestApp::with_clock(region, vec![system], clock)
}
