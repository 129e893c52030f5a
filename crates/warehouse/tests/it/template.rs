//! The template database of the systems, which is made before the other tests run.

use testkit::TestDb;

#[tokio::test(flavor = "multi_thread")]
async fn template_is_made_once_and_cloned() {
    let systems = [accounting::migrations(), warehouse::migrations()];
    let (one, other) = (TestDb::new(&systems).await, TestDb::new(&systems).await);
    one.query("INSERT INTO warehouse.items SELECT gen_random_uuid(), 's', 'n', 'd', 'DE', 'each', NULL, 'active', 1, now(), now()")
        .await;
    let items = "SELECT count(*) FROM warehouse.items";
    assert_eq!((one.count(items).await, other.count(items).await), (1, 0));
}
