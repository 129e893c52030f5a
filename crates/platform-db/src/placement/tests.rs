//! Laws of the planner, on a small model of CockroachDB that reads the planner's own statements and refuses what the
//! database would refuse.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, sample::Index};

use super::*;
use crate::Migrations;

const REGIONS: [&str; 6] = ["eu1", "us1", "ap1", "sa1", "af1", "me-central-1"];

/// Runs one statement.
fn run(now: &mut Catalogue, statement: &str) -> Result<(), String> {
    let words: Vec<&str> = statement.split_whitespace().collect();
    match words.as_slice() {
        ["ALTER", "DATABASE", _, rest @ ..] => run_on_database(now, rest),
        ["CREATE", "ROLE", ..] | ["ALTER", "ROLE", ..] | ["GRANT" | "REVOKE", ..] => {
            run_on_role(now, &words)
        }
        ["ALTER", "TABLE", name, rest @ ..] => {
            let regions = now.regions.clone();
            let table = now.tables.get_mut(*name).ok_or("there is no such table")?;
            run_on_table(table, &regions, rest)
        }
        _ => Err("not understood".into()),
    }
}

fn run_on_role(now: &mut Catalogue, words: &[&str]) -> Result<(), String> {
    if let ["CREATE", "ROLE", "meridian_app", "WITH", "LOGIN"] = words {
        let there = now.role.replace(Rights {
            creates: true,
            ..Rights::default()
        });
        return there.map_or(Ok(()), |_| Err("42710: there is one".into()));
    }
    let role = now.role.as_mut().ok_or("42704: there is no such role")?;
    match words {
        ["ALTER", "ROLE", "meridian_app", "SET", name, "=", value] => {
            let value = value.trim_matches('\'').to_owned();
            role.defaults.insert((*name).to_owned(), value);
        }
        [
            "GRANT",
            "USAGE",
            "ON",
            "SCHEMA",
            schemas @ ..,
            "TO",
            "meridian_app",
        ] => {
            role.schemas
                .extend(schemas.iter().map(|name| unlisted(name)));
        }
        [
            "REVOKE",
            "CREATE",
            "ON",
            "SCHEMA",
            "public",
            "FROM",
            "PUBLIC,",
            "meridian_app",
        ] => role.creates = false,
        [what @ ("GRANT" | "REVOKE"), rest @ ..] => {
            let at = rest.iter().position(|word| *word == "ON").ok_or("no ON")?;
            let (rights, tables) = (&rest[..at], &rest[at + 2..rest.len() - 2]);
            for table in tables.iter().map(|table| unlisted(table)) {
                if !now.present.contains(&table) {
                    return Err("42P01: there is no such table".into());
                }
                let held = role.tables.entry(table).or_default();
                for right in rights.iter().map(|right| unlisted(right)) {
                    let changed = match *what {
                        "GRANT" => held.insert(right),
                        _ => held.remove(&right),
                    };
                    assert!(changed, "it was so before: {words:?}");
                }
            }
        }
        _ => return Err("not understood".into()),
    }
    Ok(())
}

fn unlisted(word: &str) -> String {
    word.trim_end_matches(',').to_owned()
}

fn cluster(now: &Catalogue) -> &BTreeSet<String> {
    match &now.cluster {
        Cluster::Regions(regions) => regions,
        Cluster::Unplaceable | Cluster::Unseen => panic!("statements on a cluster that has none"),
    }
}

fn run_on_database(now: &mut Catalogue, words: &[&str]) -> Result<(), String> {
    match words {
        ["SET", "PRIMARY", "REGION", region] => {
            let region = unquoted(region);
            if !cluster(now).contains(&region) {
                return Err("no region of the cluster".into());
            }
            if now.primary.is_some() && !now.regions.contains(&region) {
                return Err("no region of the database".into());
            }
            now.regions.insert(region.clone());
            now.primary = Some(region);
        }
        ["ADD", "REGION", "IF", "NOT", "EXISTS", region] => {
            if now.primary.is_none() {
                return Err("there is no primary region".into());
            }
            if !cluster(now).contains(&unquoted(region)) {
                return Err("no region of the cluster".into());
            }
            now.regions.insert(unquoted(region));
        }
        ["SURVIVE", "REGION", "FAILURE"] => {
            if now.regions.len() < 3 {
                return Err("42602: three regions are needed".into());
            }
            now.survives_region = true;
        }
        ["SURVIVE", "ZONE", "FAILURE"] => now.survives_region = false,
        ["DROP", "REGION", "IF", "EXISTS", region] => drop_region(now, &unquoted(region))?,
        _ => return Err("not understood".into()),
    }
    Ok(())
}

fn drop_region(now: &mut Catalogue, region: &str) -> Result<(), String> {
    let mapped = now.tables.values().any(|table| {
        let mut columns = [&table.home, &table.next].into_iter().flatten();
        columns.any(|map| map.values().any(|name| name == region))
    });
    if mapped {
        return Err("could not remove enum value: used in a computed column".into());
    }
    if now.primary.as_deref() == Some(region) {
        return Err("the primary region cannot be dropped".into());
    }
    if now.survives_region && now.regions.len() <= 3 {
        return Err("the third region cannot be dropped".into());
    }
    now.regions.remove(region);
    Ok(())
}

fn run_on_table(
    table: &mut Table,
    regions: &BTreeSet<String>,
    words: &[&str],
) -> Result<(), String> {
    let unlocked = |table: &Table| (!table.locked).then_some(()).ok_or("the schema is locked");
    match words {
        ["SET", "(schema_locked", "=", value] => table.locked = *value == "true)",
        ["ADD", "COLUMN", "IF", "NOT", "EXISTS", name, kind @ ..] => {
            unlocked(table)?;
            let map = expression(kind)?;
            if !map.values().all(|name| regions.contains(name)) {
                return Err("invalid input value for enum".into());
            }
            // With IF NOT EXISTS a column that is there stays as it is.
            column(table, name)?.get_or_insert(map);
        }
        ["DROP", "COLUMN", "IF", "EXISTS", name] => {
            unlocked(table)?;
            if placed_by(table) == Some(name) {
                return Err("rows are placed by this column".into());
            }
            *column(table, name)? = None;
        }
        ["RENAME", "COLUMN", "crdb_region_next", "TO", "crdb_region"] => {
            unlocked(table)?;
            if table.home.is_some() || table.next.is_none() {
                return Err("cannot rename".into());
            }
            table.home = table.next.take();
            if table.locality == Locality::ByRow(Column::Next) {
                table.locality = Locality::ByRow(Column::Home);
            }
        }
        ["SET", "LOCALITY", "GLOBAL"] => {
            unlocked(table)?;
            table.locality = Locality::Global;
        }
        ["SET", "LOCALITY", "REGIONAL", "BY", "ROW", "AS", name] => {
            unlocked(table)?;
            column(table, name)?
                .as_ref()
                .ok_or("there is no such column")?;
            table.locality = Locality::ByRow(match *name {
                "crdb_region" => Column::Home,
                _ => Column::Next,
            });
        }
        [
            "SET",
            "(ttl_expiration_expression",
            "=",
            value,
            "ttl_job_cron",
            "=",
            "'@hourly')",
        ] => {
            unlocked(table)?;
            assert_eq!(table.ttl, None, "one at a time");
            table.ttl = Some(value.trim_matches(['\'', ',']).to_owned());
        }
        ["RESET", "(ttl)"] => {
            unlocked(table)?;
            table.ttl = None;
        }
        _ => return Err("not understood".into()),
    }
    Ok(())
}

fn placed_by(table: &Table) -> Option<&'static str> {
    match table.locality {
        Locality::ByRow(Column::Home) => Some("crdb_region"),
        Locality::ByRow(Column::Next) => Some("crdb_region_next"),
        Locality::Other | Locality::Global => None,
    }
}

fn column<'a>(table: &'a mut Table, name: &str) -> Result<&'a mut Option<Mapping>, String> {
    match name {
        "crdb_region" => Ok(&mut table.home),
        "crdb_region_next" => Ok(&mut table.next),
        _ => Err("no column of ours".into()),
    }
}

fn expression(words: &[&str]) -> Result<Mapping, String> {
    let text = words.join(" ");
    let cases = text
        .strip_prefix("crdb_internal_region NOT VISIBLE NOT NULL AS (CASE region WHEN ")
        .and_then(|rest| rest.strip_suffix(" END) STORED"))
        .ok_or("not the expression that was meant")?;
    let pair = |case: &str| {
        let (when, then) = case.split_once(" THEN ").ok_or("no THEN")?;
        let (tag, name) = (when.trim_matches('\''), then.trim_matches('\''));
        Ok((tag.to_owned(), name.to_owned()))
    };
    cases.split(" WHEN ").map(pair).collect()
}

fn unquoted(name: &str) -> String {
    name.trim_matches('"').to_owned()
}

fn set(regions: &[&str]) -> BTreeSet<String> {
    regions.iter().map(|region| (*region).to_owned()).collect()
}

static SYSTEM: Migrations = Migrations {
    system: "shop",
    files: &[],
    grants: &[
        ("orders", "SELECT, INSERT"),
        ("keys", "SELECT, INSERT, UPDATE, DELETE"),
        ("items", "SELECT, INSERT"),
        ("later", "SELECT"),
    ],
    localities: &[
        ("orders", Placement::BY_ROW),
        (
            "keys",
            Placement::RegionalByRow {
                ttl: Some("expire_at"),
            },
        ),
        ("items", Placement::Global),
        ("later", Placement::BY_ROW),
    ],
};

/// A region whose tag is the cluster's name of it, and one that the cluster calls by a longer name.
fn site(tag: &str) -> Site {
    Site {
        tag: tag.parse().unwrap(),
        names: vec![tag.to_owned(), format!("aws-{tag}")],
    }
}

/// What the cluster calls it.
fn named(tag: &str) -> String {
    site(tag).names[usize::from(tag == "ap1")].clone()
}

fn mapping(tags: &[&str]) -> Mapping {
    tags.iter()
        .map(|tag| ((*tag).to_owned(), named(tag)))
        .collect()
}

fn names(tags: &[&str]) -> BTreeSet<String> {
    tags.iter().map(|tag| named(tag)).collect()
}

fn goal(regions: &[&str], extent: Extent) -> Goal {
    Goal::new(
        &[&SYSTEM],
        regions.iter().map(|tag| site(tag)).collect(),
        extent,
    )
}

/// A database whose tables were just migrated.
fn fresh(locks: bool) -> Catalogue {
    let table = Table {
        locked: locks,
        ..Table::default()
    };
    let tables = ["shop.orders", "shop.keys", "shop.items"];
    Catalogue {
        database: "meridian".into(),
        present: set(&[
            "shop.orders",
            "shop.keys",
            "shop.items",
            "platform.migrations_shop",
        ]),
        cluster: Cluster::Regions(names(&REGIONS)),
        locks,
        tables: tables.map(|name| (name.to_owned(), table.clone())).into(),
        ..Catalogue::default()
    }
}

/// The role as it is to be.
fn with_rights(now: Catalogue) -> Catalogue {
    let mut now = now;
    let steps = plan(&now, &Goal::rights(&[&SYSTEM])).steps;
    run_all(&mut now, &steps);
    now
}

fn run_all(now: &mut Catalogue, steps: &[Step]) {
    for step in steps {
        if let Err(error) = run(now, &step.statement) {
            panic!("{}: {error}", step.statement);
        }
    }
}

fn settle(now: &mut Catalogue, goal: &Goal) {
    let steps = plan(now, goal).steps;
    run_all(now, &steps);
    assert_eq!(plan(now, goal), Plan::default());
}

/// 1, 3, 4 or 5 regions, any of them primary.
fn topology() -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![Just(1), Just(3), Just(4), Just(5)]
        .prop_flat_map(|count| proptest::sample::subsequence(REGIONS.to_vec(), count))
        .prop_shuffle()
}

fn extent() -> impl Strategy<Value = Extent> {
    prop_oneof![Just(Extent::Grow), Just(Extent::Whole)]
}

/// What a table may be found like, the doings of others included.
fn any_table() -> impl Strategy<Value = Table> {
    let map = || proptest::sample::subsequence(REGIONS.to_vec(), 0..=REGIONS.len());
    let maps = (proptest::option::of(map()), proptest::option::of(map()));
    (maps, 0..4, any::<bool>(), proptest::option::of(Just("at"))).prop_map(
        |((home, next), place, locked, ttl)| {
            let (home, next) = (home.map(|map| mapping(&map)), next.map(|map| mapping(&map)));
            let locality = match place {
                0 if home.is_some() => Locality::ByRow(Column::Home),
                1 if next.is_some() => Locality::ByRow(Column::Next),
                2 => Locality::Global,
                _ => Locality::Other,
            };
            let ttl = ttl.map(str::to_owned);
            Table {
                locality,
                home,
                next,
                locked,
                ttl,
            }
        },
    )
}

proptest! {
    /// A plan that was run leaves nothing to do, from one topology to another and on to a third.
    #[test]
    fn a_plan_leads_to_its_goal(
        topologies in proptest::collection::vec((topology(), extent()), 1..4), locks: bool,
    ) {
        let mut now = fresh(locks);
        for (regions, extent) in &topologies {
            settle(&mut now, &goal(regions, *extent));
        }
        let (regions, _) = &topologies[topologies.len() - 1];
        settle(&mut now, &goal(regions, Extent::Whole));
        prop_assert_eq!(&now.regions, &names(regions));
        prop_assert_eq!(now.primary.as_ref(), Some(&named(regions[0])));
        prop_assert_eq!(now.survives_region, regions.len() >= 3);
        for (name, table) in &now.tables {
            prop_assert_eq!(table.locked, locks);
            if name == "shop.items" {
                prop_assert_eq!(table.locality, Locality::Global);
            } else {
                prop_assert_eq!(table.locality, Locality::ByRow(Column::Home));
                prop_assert_eq!(table.home.as_ref(), Some(&mapping(regions)));
            }
            prop_assert_eq!(table.next.as_ref(), None);
        }
    }

    /// Cut off after any statement, the rest of the plan is the plan of what is there then: the second run ends
    /// where the first would have.
    #[test]
    fn a_run_that_was_cut_off_is_gone_on_with(
        from in topology(), to in topology(), extent in extent(), locks: bool, cut: Index,
    ) {
        let mut now = fresh(locks);
        settle(&mut now, &goal(&from, Extent::Whole));
        for start in [fresh(locks), now] {
            let goal = goal(&to, extent);
            let steps = plan(&start, &goal).steps;
            let cut = cut.index(steps.len() + 1);
            let mut broken = start.clone();
            run_all(&mut broken, &steps[..cut]);
            let rest = plan(&broken, &goal).steps;
            let statements = |steps: &[Step]| -> Vec<String> {
                steps.iter().map(|step| step.statement.clone()).collect()
            };
            prop_assert_eq!(statements(&rest), statements(&steps[cut..]));
            let mut whole = start;
            run_all(&mut whole, &steps);
            run_all(&mut broken, &rest);
            prop_assert_eq!(broken, whole);
        }
    }

    /// Cut off on the way to one topology, another can still be reached.
    #[test]
    fn one_may_think_better_of_it(
        from in topology(), over in topology(), to in topology(), extents in (extent(), extent()), cut: Index,
    ) {
        let mut now = fresh(true);
        settle(&mut now, &goal(&from, Extent::Whole));
        let steps = plan(&now, &goal(&over, extents.0)).steps;
        run_all(&mut now, &steps[..cut.index(steps.len() + 1)]);
        settle(&mut now, &goal(&to, extents.1));
    }

    /// Whatever the tables are found like.
    #[test]
    fn any_table_is_brought_home(
        tables in proptest::array::uniform3(any_table()), to in topology(), locks: bool, extent in extent(),
    ) {
        let mut now = fresh(locks);
        now.regions = names(&REGIONS);
        now.primary = Some("eu1".into());
        now.tables = ["shop.orders", "shop.keys", "shop.items"].map(str::to_owned).into_iter().zip(tables).collect();
        settle(&mut now, &goal(&to, extent));
    }

    /// What `migrate` runs by itself takes nothing away: no region, and no region's rows from any table.
    #[test]
    fn growing_takes_nothing_away(from in topology(), to in topology(), cut: Index, back in topology()) {
        let mut now = fresh(true);
        settle(&mut now, &goal(&from, Extent::Whole));
        let shrinking = plan(&now, &goal(&back, Extent::Whole)).steps;
        run_all(&mut now, &shrinking[..cut.index(shrinking.len() + 1)]);
        let before = now.clone();
        let steps = plan(&now, &goal(&to, Extent::Grow)).steps;
        for step in steps {
            prop_assert!(!step.destructive, "{}", step.statement);
            prop_assert!(!step.statement.contains("DROP REGION"), "{}", step.statement);
            run(&mut now, &step.statement).unwrap();
            prop_assert!(before.regions.is_subset(&now.regions));
            for (name, table) in &before.tables {
                if let (Some(before), Some(now)) = (table.taken(), now.tables[name].taken()) {
                    let mut kept = before.keys();
                    prop_assert!(kept.all(|tag| now.contains_key(tag)), "{}: {}", name, step.statement);
                }
            }
        }
    }

    /// A region goes only where a step says that it takes something away.
    #[test]
    fn what_shrinks_says_so(from in topology(), to in topology()) {
        let mut now = fresh(true);
        settle(&mut now, &goal(&from, Extent::Whole));
        let steps = plan(&now, &goal(&to, Extent::Whole)).steps;
        let shrinks = !set(&from).is_subset(&set(&to));
        prop_assert_eq!(steps.iter().any(|step| step.destructive), shrinks);
        for step in &steps {
            prop_assert!(!step.statement.contains("SECONDARY") && !step.statement.contains(';'));
            prop_assert!(!step.reason.is_empty());
        }
    }
}

/// What is left to do where no table can be placed: the rights, and why it is all.
fn hindered(cluster: Cluster, regions: &[&str]) -> (usize, Option<Hindrance>) {
    let now = Catalogue {
        cluster,
        ..with_rights(fresh(true))
    };
    let Plan { steps, hindrance } = plan(&now, &goal(regions, Extent::Whole));
    (steps.len(), hindrance)
}

#[test]
fn where_nothing_can_be_placed_it_is_said_and_is_no_error() {
    assert_eq!(hindered(Cluster::Unplaceable, &["eu1"]), (0, None));
    let cases = [
        (Cluster::Unseen, Hindrance::Unseen, "may not ask"),
        (
            Cluster::Regions(BTreeSet::new()),
            Hindrance::NoRegions,
            "--locality=region",
        ),
    ];
    for (cluster, hindrance, says) in cases {
        assert!(hindrance.to_string().contains(says), "{hindrance}");
        assert_eq!(hindered(cluster, &["eu1"]), (0, Some(hindrance)));
    }
}

#[test]
fn a_region_that_the_cluster_does_not_have_is_named_before_anything_is_run() {
    let (steps, hindrance) = hindered(
        Cluster::Regions(set(&["eu1", "us1"])),
        &["eu1", "mars", "us1"],
    );
    let hindrance = hindrance.unwrap();
    assert_eq!(
        (steps, hindrance.to_string().as_str()),
        (
            0,
            "no table is placed anew: no node of the cluster is in mars (looked for mars, aws-mars); the cluster has \
             eu1, us1. Start a node there (--locality=region=mars), or correct the region files"
        )
    );
}

/// Rows say `ap1`, and live where the cluster says `aws-ap1`.
#[test]
fn a_region_is_called_as_the_cluster_calls_it() {
    let steps = plan(&fresh(false), &goal(&["eu1", "ap1"], Extent::Grow)).steps;
    let said = |part: &str| steps.iter().any(|step| step.statement.contains(part));
    assert!(said("ADD REGION IF NOT EXISTS \"aws-ap1\""), "{steps:#?}");
    assert!(
        said("(CASE region WHEN 'eu1' THEN 'eu1' WHEN 'ap1' THEN 'aws-ap1' END)"),
        "{steps:#?}"
    );
}

/// The role first, with all it is to have, tables alike in one statement; what is held and not named goes last.
#[test]
fn the_rights_of_the_services_are_part_of_the_plan() {
    let mut now = fresh(true);
    let steps = plan(&now, &Goal::rights(&[&SYSTEM])).steps;
    let statements: Vec<&str> = steps.iter().map(|step| step.statement.as_str()).collect();
    assert_eq!(
        statements,
        [
            "CREATE ROLE meridian_app WITH LOGIN",
            "ALTER ROLE meridian_app SET idle_in_transaction_session_timeout = '5s'",
            "ALTER ROLE meridian_app SET statement_timeout = '10s'",
            "GRANT USAGE ON SCHEMA shop TO meridian_app",
            "GRANT SELECT ON TABLE platform.migrations_shop TO meridian_app",
            "GRANT SELECT, INSERT ON TABLE shop.items, shop.orders TO meridian_app",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE shop.keys TO meridian_app",
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC, meridian_app",
        ]
    );
    run_all(&mut now, &steps);
    let held = &mut now.role.as_mut().unwrap().tables;
    held.get_mut("shop.orders")
        .unwrap()
        .extend(set(&["DELETE"]));
    held.get_mut("shop.items").unwrap().extend(set(&["DELETE"]));
    held.get_mut("shop.keys").unwrap().remove("UPDATE");
    let steps = plan(&now, &goal(&["eu1"], Extent::Grow)).steps;
    let statements: Vec<&str> = steps.iter().map(|step| step.statement.as_str()).collect();
    assert_eq!(
        statements[..3],
        [
            "GRANT UPDATE ON TABLE shop.keys TO meridian_app",
            "REVOKE DELETE ON TABLE shop.items, shop.orders FROM meridian_app",
            "ALTER DATABASE \"meridian\" SET PRIMARY REGION \"eu1\"",
        ]
    );
}

/// A clause that is not CockroachDB's is not understood by the model, so the laws above would fail.
#[test]
fn the_model_refuses_what_is_mistyped() {
    let mut now = with_rights(fresh(false));
    for mistyped in [
        "ALTER DATABASE \"meridian\" SET PRIMERY REGION \"eu1\"",
        "ALTER TABLE shop.items SET LOCALTY GLOBAL",
        "ALTER TABLE shop.orders SET LOCALITY REGIONAL BY ROW AS crdb_regio",
        "ALTER TABLE shop.oders SET LOCALITY GLOBAL",
        "GRANT SELECT ON TABLE shop.oders TO meridian_app",
    ] {
        assert!(run(&mut now, mistyped).is_err(), "{mistyped}");
    }
}

/// As `cockroachdb` was seen to take it: a second column, rows by that, the first dropped, the second renamed.
#[test]
fn a_fourth_region_is_a_second_column_that_takes_the_place_of_the_first() {
    let mut now = fresh(true);
    settle(&mut now, &goal(&["eu1", "us1", "ap1"], Extent::Grow));
    now.tables = BTreeMap::from_iter(
        now.tables
            .into_iter()
            .filter(|(name, _)| name == "shop.orders"),
    );
    let steps = plan(&now, &goal(&["eu1", "us1", "ap1", "sa1"], Extent::Grow)).steps;
    let statements: Vec<&str> = steps.iter().map(|step| step.statement.as_str()).collect();
    assert_eq!(
        statements,
        [
            "ALTER DATABASE \"meridian\" ADD REGION IF NOT EXISTS \"sa1\"",
            "ALTER TABLE shop.orders SET (schema_locked = false)",
            "ALTER TABLE shop.orders ADD COLUMN IF NOT EXISTS crdb_region_next crdb_internal_region NOT VISIBLE NOT NULL AS \
             (CASE region WHEN 'eu1' THEN 'eu1' WHEN 'us1' THEN 'us1' WHEN 'ap1' THEN 'aws-ap1' WHEN 'sa1' THEN 'sa1' END) STORED",
            "ALTER TABLE shop.orders SET LOCALITY REGIONAL BY ROW AS crdb_region_next",
            "ALTER TABLE shop.orders DROP COLUMN IF EXISTS crdb_region",
            "ALTER TABLE shop.orders RENAME COLUMN crdb_region_next TO crdb_region",
            "ALTER TABLE shop.orders SET (schema_locked = true)",
        ]
    );
}
