//! Where the tables live on CockroachDB.

#[test]
fn every_table_is_placed_and_fit_for_its_place() {
    let faults = testkit::misplaced(warehouse::migrations());
    assert!(faults.is_empty(), "{faults:#?}");
}
