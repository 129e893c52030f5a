//! Where the tables live on CockroachDB.

#[test]
fn every_table_is_placed_and_fit_for_its_place() {
    let all = [
        platform_db::migrations(),
        accounting::migrations(),
        warehouse::migrations(),
    ];
    let faults = testkit::misplaced(&all, warehouse::migrations());
    assert!(faults.is_empty(), "{faults:#?}");
}
