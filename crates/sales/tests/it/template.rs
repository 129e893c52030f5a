//! The template database of the systems, which is made before the other tests run.

use crate::Shop;

#[tokio::test(flavor = "multi_thread")]
async fn template_is_made_once_and_cloned() {
    let (one, other) = (Shop::new().await, Shop::new().await);
    let customer = "INSERT INTO sales.customers VALUES ('eu1', gen_random_uuid(), 'ber', 'n', NULL, NULL, NULL, NULL, 'active', ARRAY[]::UUID[], 1, now(), now())";
    one.db.query(customer).await;
    let customers = "SELECT count(*) FROM sales.customers";
    let counts = (
        one.db.count(customers).await,
        other.db.count(customers).await,
    );
    assert_eq!(counts, (1, 0));
    drop((one.app(), one.in_region("us1")));
}
