//! The doctor's questions about every statement there is; what it makes of the answers is tested in platform-db.

use std::time::Duration;

use kernel::Clock;
use platform_db::doctor::{Load, Outcome, Patient, examine};
use testkit::{CockroachProxy, TestDb};
use world::setup::{statements, systems};

/// CockroachDB is asked for the plan of each statement with values in place of its parameters. A PostgreSQL that only says
/// that it is one understands them all, and answers with plans that are none of CockroachDB's.
#[tokio::test]
async fn every_statement_can_be_explained_with_values() {
    let test = TestDb::new(&systems()).await;
    if !test.speaks_postgres_with("the part of a CockroachDB to play") {
        return;
    }
    let proxy = CockroachProxy::before(&test, "eu1").await;
    let db = test.db();
    let patient = Patient {
        url: test.app_url_through(&[proxy.port()]),
        region: db.region().clone(),
        regions: db.regions().to_vec(),
        sites: Vec::new(),
        systems: systems().to_vec(),
        statements: statements(),
        load: Load {
            connections: 1,
            instances: 1,
            vcpus: None,
        },
        max_clock_offset: Duration::from_millis(500),
        clock: Clock::System,
    };
    let found = examine(patient, &["plans".to_owned()]).await.unwrap();
    let finding = &found[0].finding;
    assert_eq!(finding.outcome, Outcome::Unknown);
    assert!(
        !finding.found.contains("the database answered"),
        "{}",
        finding.found
    );
}
