//! A fresh database per test.

use std::time::Duration;

use kernel::{Call, Clock, RegionTag};
use platform_db::{Db, Migrations};

/// A database of this test's own. Dropped at the end; kept, and named on stderr, when the test failed.
#[derive(Debug)]
pub struct TestDb {}

impl TestDb {
    /// A clone of the template with these schemas (`platform` included, whether named or not).
    pub async fn new(_systems: &[&'static Migrations]) -> Self {
        unimplemented!()
    }

    /// The same on a server of this test's own, which it may stop, kill and restart.
    pub async fn private(_systems: &[&'static Migrations]) -> Self {
        unimplemented!()
    }

    /// Connects as the owner.
    #[must_use]
    pub fn owner_url(&self) -> &str {
        unimplemented!()
    }

    /// Connects as the services' role.
    #[must_use]
    pub fn app_url(&self) -> &str {
        unimplemented!()
    }

    /// The database as the process of region eu1 has it (regions eu1, us1, ap1; eu1 is primary).
    #[must_use]
    pub fn db(&self) -> Db {
        unimplemented!()
    }

    /// The database as the process of another region has it.
    #[must_use]
    pub fn db_in(&self, _region: &str) -> Db {
        unimplemented!()
    }

    /// The database with another clock.
    #[must_use]
    pub fn db_with_clock(&self, _region: &str, _clock: Clock) -> Db {
        unimplemented!()
    }

    /// Runs statements as the owner; the rows of the last one, as text.
    pub async fn query(&self, _sql: &str) -> Vec<Vec<Option<String>>> {
        unimplemented!()
    }

    /// What `/metrics` would say of every `Db` made here.
    #[must_use]
    pub fn metrics(&self) -> String {
        unimplemented!()
    }
}

/// A request received now in `region`, with a deadline of 10 s.
#[must_use]
pub fn call(_region: &RegionTag) -> Call {
    unimplemented!()
}

/// A request received now in `region`, with another deadline.
#[must_use]
pub fn call_with_budget(_region: &RegionTag, _budget: Duration) -> Call {
    unimplemented!()
}
