//! The doctor: everything passes on a database that is well, and each thing that was broken on purpose fails with the
//! remedy for it, and nothing else does.
//!
//! What is broken here is broken in PostgreSQL's words, so on CockroachDB these tests have nothing to say: there the
//! judging functions are tested with what it prints.

use std::time::Duration;

use kernel::{Clock, CurrencyCode, RegionTag, Timestamp};
use platform_db::{
    DatabaseUrl,
    doctor::{CHECKS, Diagnosis, Load, On, Outcome, Patient, examine},
    placement::Site,
};
use testkit::{CockroachProxy, TestDb};

use crate::fixture::{THINGS, test_db};

/// A database with an office, if that is a PostgreSQL.
async fn well() -> Option<TestDb> {
    let test = test_db().await;
    if !test.speaks_postgres_with("words in which a database is broken") {
        return None;
    }
    furnish(&test).await;
    Some(test)
}

async fn furnish(test: &TestDb) {
    test.query(
        "INSERT INTO platform.offices VALUES ('ber', 'Berlin', 'DE', 'Berlin', 'Europe/Berlin', 'EUR', 52.5, 13.4,
         'eu1', 'ber-1', 1900, 'active', 1, now(), now())",
    )
    .await;
}

fn site(tag: &RegionTag) -> Site {
    Site {
        tag: tag.clone(),
        names: vec![tag.to_string()],
    }
}

fn patient(test: &TestDb) -> Patient {
    let db = test.db();
    Patient {
        url: test.owner_url().to_owned(),
        region: db.region().clone(),
        regions: db.regions().to_vec(),
        sites: db.regions().iter().map(site).collect(),
        systems: vec![platform_db::migrations(), &THINGS],
        statements: platform_db::statements(),
        load: Load {
            connections: 22,
            instances: 1,
            vcpus: None,
        },
        max_clock_offset: Duration::from_millis(500),
        clock: Clock::System,
    }
}

/// All checks but the one that takes seconds.
async fn quickly(patient: Patient) -> Vec<Diagnosis> {
    let quick = CHECKS.iter().map(|check| check.name);
    let names: Vec<String> = quick
        .filter(|name| *name != "conflicts")
        .map(str::to_owned)
        .collect();
    examine(patient, &names).await.unwrap()
}

/// What failed, each with its remedy.
fn failed(found: &[Diagnosis]) -> Vec<(&'static str, String)> {
    let failed = found
        .iter()
        .filter(|found| found.finding.outcome == Outcome::Fail);
    failed
        .map(|found| (found.check.name, found.finding.remedy.clone().unwrap()))
        .collect()
}

/// That these and no others failed, and what their remedies say.
fn assert_failed(found: &[Diagnosis], expected: &[(&str, &str)]) {
    let failed = failed(found);
    let names: Vec<&str> = failed.iter().map(|(name, _)| *name).collect();
    let wanted: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, wanted, "{found:#?}");
    for ((name, remedy), (_, part)) in failed.iter().zip(expected) {
        assert!(remedy.contains(part), "{name}: {remedy}");
    }
}

/// Breaks a database that was well.
async fn assert_broken(sql: &str, expected: &[(&str, &str)]) {
    let Some(test) = well().await else { return };
    test.query(sql).await;
    assert_failed(&quickly(patient(&test)).await, expected);
}

#[tokio::test]
async fn everything_passes_on_a_database_that_is_well() {
    let Some(test) = well().await else { return };
    let found = examine(patient(&test), &[]).await.unwrap();
    for diagnosis in &found {
        assert_eq!(diagnosis.finding.outcome, Outcome::Pass, "{diagnosis:?}");
        assert_eq!(diagnosis.finding.remedy, None);
        assert!(!diagnosis.finding.found.contains('\n'), "{diagnosis:?}");
    }
    let names: Vec<&str> = found.iter().map(|found| found.check.name).collect();
    let both = CHECKS.iter().filter(|check| check.on == On::Both);
    let wanted: Vec<&str> = both.map(|check| check.name).collect();
    assert_eq!(names[..wanted.len()], wanted);
}

/// What needs the owner's rights is unknown to the services' role; all else passes.
#[tokio::test]
async fn the_services_role_can_ask_for_nearly_everything() {
    let Some(test) = well().await else { return };
    let asking = Patient {
        url: test.app_url().to_owned(),
        ..patient(&test)
    };
    for diagnosis in quickly(asking).await {
        let outcome = match diagnosis.check.name {
            "migration" => Outcome::Unknown,
            _ => Outcome::Pass,
        };
        assert_eq!(diagnosis.finding.outcome, outcome, "{diagnosis:?}");
    }
}

/// The rehearsed write leaves nothing, and no check changes anything.
#[tokio::test]
async fn nothing_is_changed() {
    let Some(test) = well().await else { return };
    let state = async || {
        let mut counts = Vec::new();
        for table in [
            "idempotency_keys",
            "audit_log",
            "events",
            "event_counters",
            "offices",
        ] {
            counts.push(
                test.count(&format!("SELECT count(*) FROM platform.{table}"))
                    .await,
            );
        }
        counts
    };
    let before = state().await;
    examine(patient(&test), &[]).await.unwrap();
    assert_eq!(state().await, before);
}

#[tokio::test]
async fn a_schema_behind_is_migrated() {
    assert_broken(
        "DELETE FROM platform.migrations_platform WHERE version = (SELECT max(version) FROM platform.migrations_platform)",
        &[("schema", "`meridian migrate`")],
    )
    .await;
}

#[tokio::test]
async fn a_schema_of_a_newer_build_wants_that_build() {
    assert_broken(
        "INSERT INTO platform.migrations_things VALUES (7, 'from_the_future', '', '0')",
        &[("schema", "use the build that migrated it, or a newer one")],
    )
    .await;
}

#[tokio::test]
async fn a_migration_that_ended_without_a_word_is_run_again() {
    assert_broken(
        "INSERT INTO platform.migration_leases VALUES ('migrate', 'somebody', now() - INTERVAL '1 minute')",
        &[("migration", "`meridian migrate`")],
    )
    .await;
}

#[tokio::test]
async fn hard_case_35_a_right_that_is_missing_is_given() {
    assert_broken(
        "REVOKE INSERT ON platform.audit_log FROM meridian_app",
        &[("rights", "`meridian migrate`")],
    )
    .await;
}

#[tokio::test]
async fn hard_case_35_a_right_too_much_is_taken_away() {
    assert_broken(
        "GRANT DELETE ON platform.audit_log TO meridian_app",
        &[(
            "rights",
            "REVOKE DELETE ON TABLE platform.audit_log FROM meridian_app",
        )],
    )
    .await;
}

#[tokio::test]
async fn hard_case_35_a_role_that_creates_tables_is_told_not_to() {
    assert_broken(
        "GRANT CREATE ON SCHEMA platform TO meridian_app",
        &[("role", "REVOKE CREATE ON SCHEMA platform FROM meridian_app")],
    )
    .await;
}

/// Roles belong to the whole server, so this one has a server of its own.
#[tokio::test]
async fn hard_case_35_a_superuser_is_no_role_for_services() {
    let test = TestDb::private(&[&THINGS]).await;
    furnish(&test).await;
    test.query("ALTER ROLE meridian_app WITH SUPERUSER").await;
    assert_failed(
        &quickly(patient(&test)).await,
        &[
            ("role", "ALTER ROLE meridian_app WITH NOSUPERUSER"),
            ("rights", "REVOKE"),
        ],
    );
}

#[tokio::test]
async fn a_setting_of_the_role_that_harms_is_reset() {
    let Some(test) = well().await else { return };
    let database = test.query("SELECT current_database()").await[0][0]
        .clone()
        .unwrap();
    test.query(&format!(
        "ALTER ROLE meridian_app IN DATABASE {database} SET lock_timeout = '1s'"
    ))
    .await;
    let reset = format!("ALTER ROLE meridian_app IN DATABASE \"{database}\" RESET lock_timeout");
    assert_failed(&quickly(patient(&test)).await, &[("settings", &reset)]);
    test.query(&reset).await;
    assert_failed(&quickly(patient(&test)).await, &[]);
}

#[tokio::test]
async fn stale_statistics_are_taken_anew() {
    let Some(test) = well().await else { return };
    test.query(
        "INSERT INTO things.things SELECT 'eu1', gen_random_uuid(), 'thing ' || n, 0, now()
         FROM generate_series(1, 5000) AS n",
    )
    .await;
    let found = quickly(patient(&test)).await;
    assert_failed(&found, &[("statistics", "ANALYZE things.things")]);
    test.query("ANALYZE things.things").await;
    assert_failed(&quickly(patient(&test)).await, &[]);
}

#[tokio::test]
async fn an_office_in_no_region_wants_its_file() {
    assert_broken(
        "UPDATE platform.offices SET home_region = 'mars1'",
        &[("offices", "regions/mars1.yaml")],
    )
    .await;
}

#[tokio::test]
async fn a_currency_that_is_missing_is_filled_in() {
    let euro = CurrencyCode::all()
        .find(|code| code.to_string() != "EUR")
        .unwrap();
    assert_broken(
        &format!("DELETE FROM platform.currencies WHERE code = '{euro}'"),
        &[("currencies", "`meridian migrate`")],
    )
    .await;
}

#[tokio::test]
async fn pools_that_do_not_fit_are_made_smaller() {
    let Some(test) = well().await else { return };
    let mut asking = patient(&test);
    asking.load.instances = 1000;
    assert_failed(&quickly(asking).await, &[("pools", "fewer --connections")]);
}

#[tokio::test]
async fn a_machine_whose_clock_is_wrong_is_told_so() {
    let Some(test) = well().await else { return };
    let hour = Duration::from_secs(3600);
    let ahead: Timestamp = Clock::System.now().plus(hour);
    let asking = Patient {
        clock: Clock::fixed(ahead),
        ..patient(&test)
    };
    assert_failed(&quickly(asking).await, &[("clock", "chrony")]);
}

#[tokio::test]
async fn a_database_that_stores_bytes_is_moved_to_another() {
    let Some(test) = well().await else { return };
    let name = format!(
        "{}_ascii",
        test.query("SELECT current_database()").await[0][0]
            .clone()
            .unwrap()
    );
    test.query(&format!(
        "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"
    ))
    .await;
    let url = DatabaseUrl::parse(test.owner_url()).unwrap();
    let asking = Patient {
        url: url.with_database(&name).expose(),
        ..patient(&test)
    };
    let found = examine(asking, &["encoding".to_owned()]).await.unwrap();
    test.query(&format!("DROP DATABASE {name}")).await;
    assert_failed(&found, &[("encoding", "ENCODING 'UTF8'")]);
}

#[tokio::test]
async fn a_host_that_is_down_is_named_and_the_others_are_asked() {
    let Some(test) = well().await else { return };
    let (head, tail) = test.owner_url().rsplit_once('@').unwrap();
    let asking = Patient {
        url: format!("{head}@127.0.0.1:1,{tail}"),
        ..patient(&test)
    };
    let found = quickly(asking).await;
    assert_failed(&found, &[("hosts", "take it out of the URL")]);
    assert!(
        found[1].finding.found.starts_with("127.0.0.1:1: "),
        "{:?}",
        found[1]
    );
}

#[tokio::test]
async fn no_database_at_all_is_told_once() {
    let Some(test) = well().await else { return };
    let asking = Patient {
        url: "postgres://app:hunter2@127.0.0.1:1/meridian".into(),
        ..patient(&test)
    };
    let found = examine(asking, &[]).await.unwrap();
    assert_failed(&found, &[("hosts", "start it")]);
    assert!(!format!("{found:?}").contains("hunter2"));
    let bad = Patient {
        url: "postgres://app:hunter2@127.0.0.1:nonsense/x".into(),
        ..patient(&test)
    };
    let error = examine(bad, &[]).await.unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn hard_case_21_events_that_pile_up_want_a_sequencer() {
    assert_broken(
        "INSERT INTO platform.events (region, id, time, kind, subject, resource_version, request_id, data)
         VALUES ('us1', gen_random_uuid(), now() - INTERVAL '1 minute', 'things.thing.created', 'x', 1, 'y', '{}')",
        &[("events", "meridian serve hub")],
    )
    .await;
}

#[tokio::test]
async fn key_rows_that_pile_up_want_a_sequencer() {
    assert_broken(
        "INSERT INTO platform.idempotency_keys
         (region, id, issuer, subject, key, scope, method, path, fingerprint, request_id, served_in, effect_ids,
          committed_at, expire_at)
         SELECT 'eu1', gen_random_uuid(), 'i', 's', 'k', 's', 'POST', '/', '', 'r', 'eu1', '{}',
                now() - INTERVAL '8 days', now() - INTERVAL '1 day'
         FROM generate_series(1, 10000) AS n; ANALYZE platform.idempotency_keys",
        &[("expiry", "meridian serve hub")],
    )
    .await;
}

/// The plan shows what the missing index was for, the remedy is its own statement.
#[tokio::test]
async fn an_index_that_was_dropped_is_made_again() {
    let Some(test) = well().await else { return };
    test.query("DROP INDEX platform.offices_by_creation").await;
    let found = quickly(patient(&test)).await;
    let create = "CREATE INDEX IF NOT EXISTS offices_by_creation ON platform.offices";
    assert_failed(&found, &[("objects", create), ("plans", "objects")]);
    test.query(&failed(&found)[0].1).await;
    assert_failed(&quickly(patient(&test)).await, &[]);
}

#[tokio::test]
async fn a_constraint_that_was_dropped_is_named_with_its_file() {
    assert_broken(
        "ALTER TABLE platform.offices DROP CONSTRAINT offices_status",
        &[("objects", "V0005__create_offices")],
    )
    .await;
}

/// Somebody holds a table that one check reads: that check alone is unknown.
#[tokio::test]
async fn a_question_that_hangs_holds_nobody_else_up() {
    let Some(test) = well().await else { return };
    // The one connection of the pool stays in its transaction, until it is told to end it.
    test.query("BEGIN; LOCK TABLE platform.migration_leases")
        .await;
    let mut asking = patient(&test);
    // A plan waits, too, for whoever holds a table that it names.
    asking
        .statements
        .retain(|sql| !sql.contains("migration_leases"));
    let found = quickly(asking).await;
    test.query("ROLLBACK").await;
    for diagnosis in &found {
        let outcome = match diagnosis.check.name {
            "migration" => Outcome::Unknown,
            _ => Outcome::Pass,
        };
        assert_eq!(diagnosis.finding.outcome, outcome, "{diagnosis:?}");
    }
}

/// A PostgreSQL that only says that it is a CockroachDB: what it cannot answer is unknown and breaks nothing. Every statement
/// can be explained with values in place of its parameters; that what comes then is no plan of CockroachDB's is seen.
#[tokio::test]
async fn what_a_server_cannot_answer_is_unknown() {
    let Some(test) = well().await else { return };
    let proxy = CockroachProxy::before(&test, "eu1").await;
    let asking = Patient {
        url: test.app_url_through(&[proxy.port()]),
        ..patient(&test)
    };
    let found = examine(asking, &[]).await.unwrap();
    assert_eq!(found.len(), CHECKS.len());
    let of = |name: &str| {
        let found = found.iter().find(|found| found.check.name == name);
        found.map(|found| &found.finding).unwrap()
    };
    for name in [
        "conflicts",
        "plans",
        "cluster-regions",
        "database-regions",
        "survival",
        "localities",
        "zones",
        "nodes",
        "max-offset",
        "uniqueness",
        "foreign-keys",
        "licence",
    ] {
        assert_eq!(of(name).outcome, Outcome::Unknown, "{name}: {:?}", of(name));
    }
    // What CockroachDB's statistics are asked for is translated.
    let statistics = of("statistics");
    assert_eq!(statistics.outcome, Outcome::Pass, "{statistics:?}");
    for name in ["plans", "uniqueness", "foreign-keys"] {
        let told = &of(name).found;
        assert!(
            told.contains("cannot be read") && !told.contains("the database answered"),
            "{name}: {told}"
        );
    }
}
