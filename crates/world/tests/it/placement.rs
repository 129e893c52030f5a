//! The plans for every table there is: what they say is CockroachDB's SQL, and what the documentation shows is theirs.

use std::collections::BTreeSet;

use kernel::RegionTag;
use platform_db::placement::{Catalogue, Extent, Goal, Step, Table, foresee};
use topology::Topology;
use world::setup::systems;

const REGIONS: [&str; 5] = ["eu1", "us1", "ap1", "sa1", "af1"];

/// All regions in the cluster, all tables just migrated, as v26.1 and later make them.
fn fresh() -> Catalogue {
    let table = Table {
        locked: true,
        ..Table::default()
    };
    let tables = systems().into_iter().flat_map(|system| {
        let names = system.localities.iter();
        names.map(|(name, _)| format!("{}.{name}", system.system))
    });
    Catalogue {
        database: "meridian".into(),
        cluster: REGIONS.map(str::to_owned).into(),
        locks: true,
        tables: tables.map(|name| (name, table.clone())).collect(),
        ..Catalogue::default()
    }
}

fn goal(regions: &[&str], extent: Extent) -> Goal {
    let tags: Vec<RegionTag> = regions.iter().map(|tag| tag.parse().unwrap()).collect();
    Goal::new(&systems(), &tags, extent)
}

/// The plan, written down for the check against CockroachDB's grammar, and what it leads to.
fn planned(now: &Catalogue, goal: &Goal) -> (Vec<Step>, Catalogue) {
    let (steps, after) = foresee(now, goal).unwrap();
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
        // Another primary; a lifetime that somebody else set; a table that was regional by mistake.
        let reversed: Vec<&str> = REGIONS[..from].iter().rev().copied().collect();
        let mut strange = placed;
        for table in strange.tables.values_mut() {
            table.ttl = Some("now()".into());
            table.home.get_or_insert_default();
            table.next.get_or_insert_default();
        }
        steps.extend(planned(&strange, &goal(&reversed, Extent::Whole)).0);
        forms.extend(steps.iter().map(form));
    }
    // Database: primary, add, drop, two goals. Table: unlock, lock, two columns to add and two to drop, rename,
    // GLOBAL and both columns to place rows by, a lifetime and its end.
    assert_eq!(forms.len(), 17, "{forms:#?}");
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
    let regions: Vec<&str> = tags.iter().map(RegionTag::as_str).collect();
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

/// The table of docs/placement.md names every table where it is placed.
#[test]
fn the_documentation_names_every_table() {
    let text = include_str!("../../../../docs/placement.md");
    for system in systems() {
        for (name, place) in system.localities {
            let place = match place {
                platform_db::Placement::Global => "GLOBAL",
                platform_db::Placement::RegionalByRow { .. } => "REGIONAL BY ROW",
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
