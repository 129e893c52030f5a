//! Whether a system says where each of its tables lives, and whether they can live there.

use platform_db::{Migrations, Placement};

/// What is wrong with the localities that a system declares; nothing, if all is well.
#[must_use]
pub fn misplaced(migrations: &Migrations) -> Vec<String> {
    let tables: Vec<(&str, &str)> = migrations
        .files
        .iter()
        .filter_map(|(_, sql)| {
            let start = format!("CREATE TABLE IF NOT EXISTS {}.", migrations.system);
            let (_, rest) = sql.split_once(&start)?;
            rest.split_once(" (")
        })
        .collect();
    let mut faults = Vec::new();
    for (name, _) in migrations.localities {
        let of_this = |(declared, _): &&(&str, Placement)| declared == name;
        if migrations.localities.iter().filter(of_this).count() > 1 {
            faults.push(format!("{name} is placed twice"));
        }
        if tables.iter().all(|(table, _)| table != name) {
            faults.push(format!("{name} is placed, and no migration creates it"));
        }
    }
    for (table, body) in tables {
        let placed = migrations
            .localities
            .iter()
            .find(|(name, _)| *name == table);
        match placed {
            None => faults.push(format!(
                "{table} is placed nowhere: name it in `localities`"
            )),
            Some((_, place)) => faults.extend(unfit(table, body, *place)),
        }
    }
    faults
}

fn unfit(table: &str, body: &str, place: Placement) -> Option<String> {
    let has = |column: &str| {
        let mut lines = body.lines().map(str::split_whitespace);
        lines.any(|mut words| words.next() == Some(column))
    };
    match place {
        Placement::Global if has("region") => Some(format!(
            "{table} lives everywhere, and its rows have a region"
        )),
        Placement::RegionalByRow { .. }
            if !has("region") || !body.contains("PRIMARY KEY (region") =>
        {
            Some(format!("the key of {table} does not begin with region"))
        }
        Placement::RegionalByRow { ttl: Some(column) } if !has(column) => {
            Some(format!("{table} has no column {column}"))
        }
        Placement::Global | Placement::RegionalByRow { .. } => None,
    }
}
