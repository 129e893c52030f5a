//! The template database of the platform's schema alone, which is made before the other tests run.

use testkit::TestDb;

#[tokio::test(flavor = "multi_thread")]
async fn template_is_made_once_and_cloned() {
    let (one, other) = (TestDb::new(&[]).await, TestDb::new(&[]).await);
    one.query("INSERT INTO platform.currencies VALUES ('XTS', 2)")
        .await;
    let tests = "SELECT count(*) FROM platform.currencies WHERE code = 'XTS'";
    assert_eq!((one.count(tests).await, other.count(tests).await), (1, 0));
}
