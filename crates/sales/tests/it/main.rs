//! Sales through its router, on a real PostgreSQL, beside the systems below it.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod customer_imports;
mod customers;
mod deal;
mod loading;
mod order_books;
mod order_faults;
mod order_imports;
mod order_lists;
mod order_rushes;
mod order_steps;
mod orders;
mod payments;
mod placement;
mod privacy;
mod returns;
mod shipments;
mod template;
mod timeline;

use std::sync::Arc;

use kernel::Clock;
use platform_db::{Db, Directory};
use testkit::{TestApp, TestDb};
use topology::Topology;

/// Sales, warehouse and accounting as `region` serves them, over a database of its own with the offices `ber` (eu1, EUR) and
/// `nyc` (us1, USD).
struct Shop {
    db: TestDb,
}

impl Shop {
    async fn new() -> Self {
        let db = TestDb::new(&[
            accounting::migrations(),
            warehouse::migrations(),
            sales::migrations(),
        ])
        .await;
        for (code, region, zone, currency) in [
            ("ber", "eu1", "Europe/Berlin", "EUR"),
            ("nyc", "us1", "America/New_York", "USD"),
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

    fn in_region(&self, region: &str) -> TestApp {
        app(self.db.db_in(region), region, Clock::System)
    }

    fn app(&self) -> TestApp {
        self.in_region("eu1")
    }
}

/// Requests are received by that clock.
fn app(db: Db, region: &str, clock: Clock) -> TestApp {
    let directory = Directory::new(db.clone());
    let topology = Arc::new(Topology::embedded());
    let warehouse = warehouse::App::new(db.clone(), directory.clone(), topology);
    let systems = vec![
        accounting::system(accounting::App::new(db.clone(), directory.clone())),
        warehouse::system(warehouse.clone()),
        sales::system(sales::App {
            db,
            directory,
            warehouse,
        }),
    ];
    TestApp::with_clock(region, systems, clock)
}
