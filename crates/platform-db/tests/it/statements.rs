//! Every statement can be prepared, and none reads a table from end to end.

use testkit::TestDb;

#[tokio::test]
async fn every_statement_finds_its_rows_by_an_index() {
    let test = TestDb::new(&[]).await;
    let statements = platform_db::statements();
    assert!(statements.len() > 15, "{}", statements.len());
    for sql in statements {
        let plan = test.explain(sql).await;
        assert!(!plan.contains("Seq Scan"), "{sql}\n{plan}");
    }
}
