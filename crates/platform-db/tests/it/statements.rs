//! Every statement can be prepared, and none reads a table of ours from end to end.

use testkit::{Engine, TestDb};

#[tokio::test]
async fn every_statement_finds_its_rows_by_an_index() {
    let test = TestDb::new(&[]).await;
    let statements = platform_db::statements();
    assert!(statements.len() > 15, "{}", statements.len());
    for sql in statements {
        let plan = test.explain(sql).await;
        // What `migrate` asks of the server's own catalogue is the server's to answer.
        let mut scans = plan.lines().filter(|line| line.contains("Seq Scan"));
        assert!(
            scans.all(|line| line.contains("Seq Scan on pg_")),
            "{sql}\n{plan}"
        );
    }
}

/// Those that only CockroachDB knows; wherever this runs, their text goes to the check against its grammar.
#[tokio::test]
async fn every_statement_of_cockroachdb_can_be_prepared_there() {
    let test = TestDb::new(&[]).await;
    let version = test.query("SELECT version()").await;
    let is_cockroach = version[0][0]
        .as_ref()
        .is_some_and(|version| version.starts_with("CockroachDB"));
    for sql in platform_db::cockroach_statements() {
        testkit::record(sql);
        if is_cockroach {
            test.query(sql).await;
        } else if test.engine() == Engine::Postgres {
            let ended = test.try_as_app(sql).await;
            assert!(ended.is_err(), "it belongs to the other list: {sql}");
        }
    }
}
