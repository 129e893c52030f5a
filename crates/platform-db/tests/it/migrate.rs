//! Migrations, the role and the schema check.

use futures_util::future::join_all;
use platform_db::{
    DatabaseUrl, MigrateError, Migrations, SchemaError, create_database, migrate, migrations,
};
use testkit::{APP_PASSWORD, TestDb};

use crate::fixture::{THINGS, create, create_intent, test_db};

#[tokio::test]
async fn migrating_twice_applies_everything_once() {
    let test = test_db().await;
    let files = migrations().files.len() + THINGS.files.len();
    let again = migrate(test.owner_url(), &[&THINGS], None, |_| {})
        .await
        .unwrap();
    assert_eq!((again.applied.len(), again.unchanged), (0, files));
    assert_eq!(again.rights_changed, 0, "what is held is not given again");
    for system in ["platform", "things"] {
        let versions = test
            .count(&format!(
                "SELECT count(*) FROM platform.migrations_{system}"
            ))
            .await;
        assert!(versions > 0, "one history table per system");
    }
}

/// A file replayed after a broken run must find its own work without failing.
#[tokio::test]
async fn every_file_applies_twice() {
    let test = test_db().await;
    for (name, sql) in migrations().files {
        assert!(test.query(sql).await.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn hard_case_33_jobs_that_run_at_once_wait_for_each_other() {
    let test = TestDb::blank().await;
    let jobs = (0..4)
        .map(async |_| migrate(test.owner_url(), &[&THINGS], Some(APP_PASSWORD), |_| {}).await);
    let reports = join_all(jobs).await;
    let applied: usize = reports
        .iter()
        .map(|report| report.as_ref().unwrap().applied.len())
        .sum();
    assert_eq!(applied, migrations().files.len() + THINGS.files.len());
    assert_eq!(
        test.count("SELECT count(*) FROM platform.migration_leases")
            .await,
        0
    );
    // What was made anew is whole: it can be written to.
    create(&test.db(), create_intent(&test.db(), "key-00001"), "lamp")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_database_that_is_not_there_is_made_once() {
    let test = TestDb::blank().await;
    let name = format!(
        "{}_too",
        test.query("SELECT current_database()").await[0][0]
            .clone()
            .unwrap()
    );
    let url = DatabaseUrl::parse(test.owner_url()).unwrap();
    let url = url.with_database(&name).expose();
    assert!(create_database(&url).await.unwrap());
    assert!(!create_database(&url).await.unwrap());
    platform_db::connect(&url, "test").await.unwrap();
    test.query(&format!("DROP DATABASE {name}")).await;
}

#[tokio::test]
async fn a_job_waits_for_the_lease_of_another_and_says_so() {
    let test = test_db().await;
    test.query("INSERT INTO platform.migration_leases VALUES ('migrate', 'somebody', now() + INTERVAL '1 second')")
        .await;
    let told = std::sync::Mutex::new(Vec::new());
    let progress = |text: &str| told.lock().unwrap().push(text.to_owned());
    migrate(test.owner_url(), &[&THINGS], None, progress)
        .await
        .unwrap();
    let told = told.into_inner().unwrap();
    assert!(
        told.iter().any(|text| text.contains("somebody")),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_changed_file_is_refused() {
    static CHANGED: Migrations = Migrations {
        system: "things",
        files: &[(
            "V0001__create_things",
            "CREATE TABLE IF NOT EXISTS things.others (id INT8 PRIMARY KEY)",
        )],
        grants: &[],
        localities: &[],
    };
    let test = test_db().await;
    let ended = migrate(test.owner_url(), &[&CHANGED], None, |_| {}).await;
    assert!(
        matches!(
            ended,
            Err(MigrateError::Refinery {
                system: "things",
                ..
            })
        ),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_server_serves_the_versions_it_knows_and_no_others() {
    static NEWER: Migrations = Migrations {
        system: "things",
        files: &[THINGS_V1, ("V0002__later", "SELECT 1")],
        grants: &[],
        localities: &[],
    };
    const THINGS_V1: (&str, &str) = ("V0001__create_things", "SELECT 1");
    static ABSENT: Migrations = Migrations {
        system: "absent",
        files: &[THINGS_V1],
        grants: &[],
        localities: &[],
    };
    let test = test_db().await;
    let db = test.db();
    db.check_schema(&[&THINGS]).await.unwrap();
    let behind = db.check_schema(&[&NEWER]).await;
    assert!(
        matches!(
            behind,
            Err(SchemaError::Behind {
                system: "things",
                found: 1,
                known: 2
            })
        ),
        "{behind:?}"
    );
    let absent = db.check_schema(&[&ABSENT]).await;
    assert!(
        matches!(
            absent,
            Err(SchemaError::Behind {
                system: "absent",
                found: 0,
                known: 1
            })
        ),
        "{absent:?}"
    );
    test.query("INSERT INTO platform.migrations_things VALUES (7, 'from_the_future', '', '0')")
        .await;
    let unknown = db.check_schema(&[&THINGS]).await;
    assert!(
        matches!(
            unknown,
            Err(SchemaError::Unknown {
                system: "things",
                found: 7,
                known: 1
            })
        ),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn hard_case_35_the_services_role_can_do_what_it_needs_and_nothing_else() {
    let test = test_db().await;
    create(&test.db(), create_intent(&test.db(), "key-00001"), "lamp")
        .await
        .unwrap();
    for sql in [
        "UPDATE platform.audit_log SET subject = 'somebody else'",
        "DELETE FROM platform.audit_log",
        "TRUNCATE platform.audit_log",
        "DELETE FROM platform.event_counters",
        "INSERT INTO platform.currencies VALUES ('XXX', 2)",
        "DELETE FROM platform.offices",
        "DELETE FROM platform.migrations_platform",
        "SELECT * FROM platform.migration_leases",
        "CREATE TABLE platform.mine (id INT8 PRIMARY KEY)",
        "CREATE TABLE public.mine (id INT8 PRIMARY KEY)",
        "CREATE ROLE another",
        "DROP TABLE platform.events",
    ] {
        assert_eq!(as_app(&test, sql).await, Err("42501".into()), "{sql}");
    }
    for sql in [
        "SELECT count(*) FROM platform.audit_log",
        "UPDATE platform.events SET seq = 1",
        "DELETE FROM platform.events",
        "DELETE FROM platform.idempotency_keys",
        "SELECT max(version) FROM platform.migrations_platform",
    ] {
        assert_eq!(as_app(&test, sql).await, Ok(()), "{sql}");
    }
    assert_eq!(
        test.count("SELECT count(*) FROM platform.audit_log").await,
        1
    );
}

/// It owns nothing, and PostgreSQL lets owners alone take statistics: a function of the owner's does it.
#[tokio::test]
async fn hard_case_35_the_services_role_takes_statistics_of_our_tables_alone() {
    let test = test_db().await;
    if !test.is_postgres_with("a function that takes statistics") {
        return;
    }
    for table in ["platform.events", "things.things"] {
        let sql = format!("SELECT platform.take_statistics('{table}')");
        assert_eq!(as_app(&test, &sql).await, Ok(()), "{sql}");
    }
    for other in [
        "pg_catalog.pg_class",
        "platform.migration_leases",
        "platform.events; DROP TABLE platform.events",
    ] {
        let sql = format!("SELECT platform.take_statistics('{other}')");
        assert_eq!(as_app(&test, &sql).await, Err("42501".into()), "{sql}");
    }
}

/// Only what is missing is given: on CockroachDB every GRANT is a change of the schema.
#[tokio::test]
async fn hard_case_35_a_right_that_was_lost_is_given_again() {
    let test = test_db().await;
    test.query("REVOKE DELETE ON TABLE things.things FROM meridian_app")
        .await;
    assert!(as_app(&test, "DELETE FROM things.things").await.is_err());
    let told = std::sync::Mutex::new(Vec::new());
    let progress = |text: &str| told.lock().unwrap().push(text.to_owned());
    let report = migrate(test.owner_url(), &[&THINGS], None, progress)
        .await
        .unwrap();
    assert_eq!(report.rights_changed, 1);
    assert_eq!(as_app(&test, "DELETE FROM things.things").await, Ok(()));
    let told = told.into_inner().unwrap();
    assert!(
        told.contains(&"1/1: GRANT DELETE ON TABLE things.things TO meridian_app".to_owned()),
        "{told:?}"
    );
}

/// Hard case 3, for sessions that are not ours.
#[tokio::test]
async fn hard_case_03_every_session_of_the_role_is_bounded() {
    let test = test_db().await;
    let bounds = test
        .count(
            "SELECT count(*) FROM ( \
                 SELECT unnest(s.setconfig) AS bound FROM pg_catalog.pg_db_role_setting AS s \
                 JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole \
                 WHERE r.rolname = 'meridian_app' AND s.setdatabase = 0 \
             ) AS bounds \
             WHERE bound LIKE 'idle_in_transaction_session_timeout=%' OR bound LIKE 'statement_timeout=%'",
        )
        .await;
    assert_eq!(bounds, 2);
}

/// Rights that a table had before and that are no longer named are taken away.
#[tokio::test]
async fn hard_case_35_rights_that_are_no_longer_named_are_taken_away() {
    static LESS: Migrations = Migrations {
        system: "things",
        files: THINGS.files,
        grants: &[("things", "SELECT")],
        localities: &[],
    };
    let test = test_db().await;
    assert_eq!(as_app(&test, "DELETE FROM things.things").await, Ok(()));
    migrate(test.owner_url(), &[&LESS], None, |_| {})
        .await
        .unwrap();
    assert_eq!(
        as_app(&test, "DELETE FROM things.things").await,
        Err("42501".into())
    );
    assert_eq!(
        as_app(&test, "SELECT count(*) FROM things.things").await,
        Ok(())
    );
}

#[tokio::test]
async fn every_currency_is_there_with_its_exponent() {
    let test = test_db().await;
    for currency in kernel::CurrencyCode::all() {
        let sql = format!("SELECT exponent FROM platform.currencies WHERE code = '{currency}'");
        assert_eq!(
            test.count(&sql).await,
            i64::from(currency.exponent()),
            "{currency}"
        );
    }
}

/// Runs a statement as the services' role; its SQLSTATE if it fails.
async fn as_app(test: &TestDb, sql: &str) -> Result<(), String> {
    test.try_as_app(sql).await
}
