//! Where the tables live on CockroachDB; on PostgreSQL there is nothing to place.

use platform_db::placement::{Applied, Extent, Goal, Site, apply, read};
use testkit::TestDb;

#[test]
fn every_table_is_placed_and_fit_for_its_place() {
    let faults = testkit::misplaced(&[platform_db::migrations()], platform_db::migrations());
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test]
async fn on_postgresql_there_is_nothing_to_place() {
    let test = TestDb::new(&[]).await;
    let site = Site {
        tag: "eu1".parse().unwrap(),
        names: vec!["eu1".into()],
    };
    let goal = Goal::new(&[platform_db::migrations()], vec![site], Extent::Whole);
    assert_eq!(read(test.owner_url(), &goal).await.unwrap(), None);
    let told = |line: &str| panic!("{line}");
    let applied = apply(test.owner_url(), &goal, told).await.unwrap();
    assert_eq!(applied, Applied::default());
}
