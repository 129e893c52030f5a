//! Where the tables live on CockroachDB; on PostgreSQL there is nothing to place.

use kernel::RegionTag;
use platform_db::placement::{Extent, Goal, apply, read};
use testkit::TestDb;

#[test]
fn every_table_is_placed_and_fit_for_its_place() {
    let faults = testkit::misplaced(platform_db::migrations());
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test]
async fn on_postgresql_there_is_nothing_to_place() {
    let test = TestDb::new(&[]).await;
    let regions: [RegionTag; 1] = ["eu1".parse().unwrap()];
    let goal = Goal::new(&[platform_db::migrations()], &regions, Extent::Whole);
    assert_eq!(read(test.owner_url(), &goal).await.unwrap(), None);
    let told = |line: &str| panic!("{line}");
    assert_eq!(apply(test.owner_url(), &goal, told).await.unwrap(), 0);
}
