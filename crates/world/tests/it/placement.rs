//! The plans for every table there is: what they say is CockroachDB's SQL, and what the documentation shows is theirs.

use std::collections::{BTreeMap, BTreeSet};

use platform_db::{
    Migrations, Placement,
    placement::{Catalogue, Cluster, Extent, Goal, Plan, Rights, Site, Step, Table, foresee},
};
use topology::Topology;
use world::setup::{sites, systems};

const REGIONS: [&str; 5] = ["eu1", "us1", "ap1", "sa1", "af1"];

/// All regions in the cluster, all tables just migrated, as v26.1 and later make them.
fn fresh() -> Catalogue {
    let table = Table {
        locked: true,
        ..Table::default()
    };
    let systems = systems();
    let tables = systems.iter().flat_map(|system| {
        let names = system.localities.iter();
        names.map(|(name, _)| format!("{}.{name}", system.system))
    });
    let histories = systems
        .iter()
        .map(|system| format!("platform.migrations_{}", system.system));
    Catalogue {
        database: "meridian".into(),
        present: tables.clone().chain(histories).collect(),
        cluster: Cluster::Regions(REGIONS.map(str::to_owned).into()),
        locks: true,
        tables: tables.map(|name| (name, table.clone())).collect(),
        ..Catalogue::default()
    }
}

fn goal(regions: &[&str], extent: Extent) -> Goal {
    let site = |tag: &&str| Site {
        tag: tag.parse().unwrap(),
        names: vec![(*tag).to_owned()],
    };
    Goal::new(&systems(), regions.iter().map(site).collect(), extent)
}

/// The plan, written down for the check against CockroachDB's grammar, and what it leads to.
fn planned(now: &Catalogue, goal: &Goal) -> (Vec<Step>, Catalogue) {
    let (Plan { steps, hindrance }, after) = foresee(now, goal);
    assert_eq!(hindrance, None);
    for step in &steps {
        testkit::record(&step.statement);
    }
    (steps, after)
}

#[test]
fn every_statement_for_one_to_five_regions_is_written_down_for_the_grammar() {
    let mut forms = BTreeSet::new();
    for from in [1, 3, 4, 5] {
        let (first, placed) = planned(&fresh(), &goal(&REGIONS[..from], Extent::Grow));
        let mut steps = first;
        for to in [1, 3, 4, 5] {
            steps.extend(planned(&placed, &goal(&REGIONS[..to], Extent::Whole)).0);
        }
        // Another primary; a lifetime that somebody else set; a table that was regional by mistake; rights too many.
        let reversed: Vec<&str> = REGIONS[..from].iter().rev().copied().collect();
        let mut strange = placed;
        for table in strange.tables.values_mut() {
            table.ttl = Some("now()".into());
            table.home.get_or_insert_default();
            table.next.get_or_insert_default();
        }
        for rights in strange
            .role
            .iter_mut()
            .flat_map(|role| role.tables.values_mut())
        {
            rights.extend(["UPDATE", "DELETE"].map(str::to_owned));
        }
        steps.extend(planned(&strange, &goal(&reversed, Extent::Whole)).0);
        forms.extend(steps.iter().map(form));
    }
    // Database: primary, add, drop, two goals. Table: unlock, lock, two columns to add and two to drop, rename,
    // GLOBAL and both columns to place rows by, a lifetime and its end. Role: made, two bounds, schemas, tables.
    let (rights, places): (Vec<&String>, Vec<&String>) =
        forms.iter().partition(|form| form.contains("meridian_app"));
    assert_eq!(places.len(), 17, "{places:#?}");
    let all = |start: &str| rights.iter().filter(|form| form.starts_with(start)).count();
    assert_eq!((all("CREATE"), all("ALTER")), (1, 2), "{rights:#?}");
    assert!(all("GRANT") > 3 && all("REVOKE") > 1, "{rights:#?}");
}

/// A statement without what differs from region to region and from table to table.
fn form(step: &Step) -> String {
    let words: Vec<&str> = step.statement.split_whitespace().collect();
    let until = words
        .iter()
        .position(|word| word.starts_with("AS") && words.contains(&"COLUMN"));
    let mut form: Vec<&str> = words[..until.unwrap_or(words.len())].to_vec();
    form.retain(|word| !word.contains('"') && !word.contains('.'));
    form.join(" ")
}

/// The statements in ```sql blocks of docs/placement.md, block by block.
fn shown() -> Vec<Vec<String>> {
    let text = include_str!("../../../../docs/placement.md");
    let blocks = text.split("```sql\n").skip(1);
    blocks
        .map(|block| {
            let lines = block.split("```").next().unwrap_or_default().lines();
            let statements = lines.filter(|line| !line.starts_with("--"));
            statements
                .map(|line| line.trim_end_matches(';').to_owned())
                .filter(|line| !line.is_empty())
                .collect()
        })
        .collect()
}

/// Every line that is shown is in the plan, in the plan's order, and the last one is the plan's last.
fn assert_shows(shown: &[String], steps: &[Step]) {
    let mut rest = steps.iter();
    for line in shown {
        assert!(
            rest.any(|step| step.statement == *line),
            "not in the plan, or not here:\n{line}\n{:#?}",
            steps.iter().map(|step| &step.statement).collect::<Vec<_>>()
        );
    }
    assert!(!shown.is_empty() && rest.next().is_none(), "{shown:#?}");
}

#[test]
fn the_documentation_shows_the_plans_of_the_repositorys_regions() {
    let tags = Topology::embedded().tags();
    let regions: Vec<&str> = tags.iter().map(kernel::RegionTag::as_str).collect();
    let more: Vec<&str> = regions.iter().copied().chain(["sa1"]).collect();
    let (first, placed) = planned(&fresh(), &goal(&regions, Extent::Grow));
    let (adding, grown) = planned(&placed, &goal(&more, Extent::Grow));
    let (removing, shrunk) = planned(&grown, &goal(&regions, Extent::Whole));
    assert_eq!(shrunk, placed);
    let shown = shown();
    for (shown, steps) in shown.iter().zip([&first, &adding, &removing]) {
        assert_shows(shown, steps);
    }
    assert_eq!(shown.len(), 3);
}

/// Three survive the loss of one; so do two of them and one in its place, which is added before the other goes.
#[test]
fn a_region_is_replaced_without_a_moment_in_which_less_survives() {
    let (_, placed) = planned(&fresh(), &goal(&REGIONS[..3], Extent::Grow));
    let (steps, after) = planned(&placed, &goal(&["eu1", "us1", "sa1"], Extent::Whole));
    let at = |part: &str| steps.iter().position(|step| step.statement.contains(part));
    assert!(at("ADD REGION IF NOT EXISTS \"sa1\"") < at("DROP REGION IF EXISTS \"ap1\""));
    assert_eq!(at("SURVIVE"), None, "{steps:#?}");
    assert!(after.survives_region);
}

/// Whatever a cluster calls its regions, one of the names is looked for.
#[test]
fn regions_are_found_by_tag_or_by_the_providers_name() {
    for index in 0..3 {
        let sites = sites(&Topology::embedded());
        let called: BTreeSet<String> = sites.iter().map(|site| site.names[index].clone()).collect();
        let now = Catalogue {
            cluster: Cluster::Regions(called.clone()),
            ..fresh()
        };
        let goal = Goal::new(&systems(), sites.clone(), Extent::Grow);
        let (_, after) = planned(&now, &goal);
        assert_eq!(after.regions, called);
        let mapping: BTreeMap<String, String> = sites
            .iter()
            .map(|site| (site.tag.as_str().to_owned(), site.names[index].clone()))
            .collect();
        assert_eq!(after.tables["sales.orders"].home.as_ref(), Some(&mapping));
    }
}

/// Every right of every system is given by the plan, and none besides.
#[test]
fn hard_case_35_the_plan_gives_the_rights_that_are_declared() {
    let (_, after) = planned(&fresh(), &Goal::rights(&systems()));
    let Rights {
        tables, schemas, ..
    } = after.role.unwrap();
    assert_eq!(schemas.len(), systems().len());
    for system in systems() {
        for (table, rights) in system.grants {
            let held = &tables[&format!("{}.{table}", system.system)];
            let named: BTreeSet<String> = rights.split(", ").map(str::to_owned).collect();
            assert_eq!(*held, named, "{table}");
        }
    }
    assert!(!tables["platform.audit_log"].contains("DELETE"));
}

#[test]
fn every_table_of_every_system_is_fit_for_its_place() {
    for system in systems() {
        let faults = testkit::misplaced(&systems(), system);
        assert!(faults.is_empty(), "{faults:#?}");
    }
}

/// A copy of a system's declarations, changed. Texts of a test live as long as it does.
fn changed(
    system: &'static Migrations,
    file: impl Fn(&'static str, &'static str) -> String,
    localities: &[(&'static str, Placement)],
) -> &'static Migrations {
    let files: Vec<(&'static str, &'static str)> = system
        .files
        .iter()
        .map(|(name, sql)| (*name, &*file(name, sql).leak()))
        .collect();
    Box::leak(Box::new(Migrations {
        system: system.system,
        files: files.leak(),
        grants: system.grants,
        localities: localities.to_vec().leak(),
    }))
}

/// What is found when one text of one file of sales is another.
fn faults_with(file: &str, from: &str, to: &str) -> Vec<String> {
    let sales = sales::migrations();
    let replaced = changed(
        sales,
        |name, sql| {
            if name.starts_with(file) {
                assert!(sql.contains(from), "{name} has no {from}");
                sql.replacen(from, to, 1)
            } else {
                sql.to_owned()
            }
        },
        sales.localities,
    );
    let all = [systems()[0], systems()[1], systems()[2], replaced];
    testkit::misplaced(&all, replaced)
}

#[test]
fn a_key_or_an_index_without_the_region_is_named_with_its_place() {
    for (file, from, to, fault) in [
        (
            "V0003",
            "PRIMARY KEY (region, id)",
            "PRIMARY KEY (id)",
            "sales/V0003__create_orders:27: sales.orders: PRIMARY KEY does not begin with region",
        ),
        (
            "V0001",
            "UNIQUE (region, office, email_key)",
            "UNIQUE (office, email_key)",
            "sales/V0001__create_customers:17: sales.customers: UNIQUE does not begin with region",
        ),
        (
            "V0003",
            "FOREIGN KEY (region, customer) REFERENCES sales.customers (region, id)",
            "FOREIGN KEY (customer) REFERENCES sales.customers (id)",
            "sales/V0003__create_orders:29: sales.orders: FOREIGN KEY does not begin with region",
        ),
        (
            "V0004",
            "(region, office,",
            "(office,",
            "sales/V0004__index_orders_by_age:1: sales.orders: orders_age_idx does not begin with region",
        ),
        (
            "V0010",
            "line_no ",
            "line_no UNIQUE ",
            "sales/V0010__create_order_lines:6: sales.order_lines: UNIQUE of one column: it does not begin with region",
        ),
        (
            "V0010",
            "REFERENCES warehouse.items",
            "REFERENCES warehouse.goods",
            "sales/V0010__create_order_lines:22: sales.order_lines: it refers to warehouse.goods, which is placed nowhere",
        ),
        (
            "V0024",
            "ALTER TABLE",
            "ALTER TABLE sales.orders ADD CONSTRAINT a UNIQUE (reference); ALTER TABLE",
            "sales/V0024__add_end_of_orders:2: sales.orders: UNIQUE does not begin with region",
        ),
        (
            "V0025",
            "CREATE TABLE IF NOT EXISTS sales.order_cancellations",
            "CREATE TABLE IF NOT EXISTS sales.order_ends",
            "sales/V0025__create_order_cancellations:2: sales.order_ends: it is placed nowhere",
        ),
    ] {
        let faults = faults_with(file, from, to);
        assert!(
            faults.iter().any(|found| found.starts_with(fault)),
            "{from} → {to}: {faults:#?}"
        );
    }
}

type Localities = Vec<(&'static str, Placement)>;

#[test]
fn a_locality_that_is_removed_or_mistyped_is_named_with_its_table() {
    let sales = sales::migrations();
    let as_it_is = |_: &'static str, sql: &'static str| sql.to_owned();
    let with = |edit: &dyn Fn(&mut Localities)| {
        let mut localities = sales.localities.to_vec();
        edit(&mut localities);
        let changed = changed(sales, as_it_is, &localities);
        testkit::misplaced(
            &[systems()[0], systems()[1], systems()[2], changed],
            changed,
        )
    };
    let place = |localities: &mut Localities, place| {
        localities.retain(|(name, _)| *name != "orders");
        localities.push(("orders", place));
    };
    let removed = with(&|localities| localities.retain(|(name, _)| *name != "orders"));
    assert!(
        removed[0].ends_with("sales.orders: it is placed nowhere: name it in `localities`"),
        "{removed:#?}"
    );
    let mistyped = with(&|localities| localities.push(("oders", Placement::BY_ROW)));
    assert_eq!(
        mistyped,
        ["sales.oders is placed, and no migration creates it"]
    );
    let twice = with(&|localities| localities.push(("orders", Placement::BY_ROW)));
    assert!(
        twice.contains(&"sales.orders is placed twice".to_owned()),
        "{twice:#?}"
    );
    let everywhere = with(&|localities| place(localities, Placement::Global));
    assert!(
        everywhere
            .iter()
            .any(|fault| fault.ends_with("it lives everywhere, and its rows have a region")),
        "{everywhere:#?}"
    );
    let endless = with(&|localities| {
        place(
            localities,
            Placement::RegionalByRow {
                ttl: Some("expire_att"),
            },
        );
    });
    assert!(
        endless
            .iter()
            .any(|fault| fault.ends_with("it has no column expire_att to end after")),
        "{endless:#?}"
    );
}

/// The table of docs/placement.md names every table where it is placed.
#[test]
fn the_documentation_names_every_table() {
    let text = include_str!("../../../../docs/placement.md");
    for system in systems() {
        for (name, place) in system.localities {
            let place = match place {
                Placement::Global => "GLOBAL",
                Placement::RegionalByRow { .. } => "REGIONAL BY ROW",
            };
            let named = text.lines().any(|line| {
                line.starts_with(&format!("| `{}` |", system.system))
                    && line.contains(&format!("`{name}`"))
                    && line.contains(&format!("| {place} |"))
            });
            assert!(named, "{}.{name} at {place}", system.system);
        }
    }
}
