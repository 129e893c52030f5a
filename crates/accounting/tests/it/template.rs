//! The template database of platform and accounting, which is made before the other tests run.

use testkit::TestDb;

#[tokio::test(flavor = "multi_thread")]
async fn template_is_made_once_and_cloned() {
    let systems = [accounting::migrations()];
    let (one, other) = (TestDb::new(&systems).await, TestDb::new(&systems).await);
    one.query("DELETE FROM accounting.accounts WHERE code = '1000'")
        .await;
    let accounts = "SELECT count(*) FROM accounting.accounts";
    assert_eq!(
        (one.count(accounts).await, other.count(accounts).await),
        (13, 14)
    );
}
