//! Whether a system says where each of its tables lives, and whether they can live there.

use platform_db::{Migrations, Placement};

/// Indexes of regional tables that do not begin with the region, and why they need not.
const OVER_ALL_REGIONS: [(&str, &str); 3] = [
    (
        "order_lines_item_idx",
        "an item is deleted in all regions at once: the foreign key looks into each of them",
    ),
    (
        "stock_levels_of_item_idx",
        "an item is deleted in all regions at once: the foreign key looks into each of them",
    ),
    (
        "search_entries_by_term",
        "an index of words cannot begin with a text on PostgreSQL; CockroachDB puts its region first by itself",
    ),
];

/// A statement of a migration about one table.
struct Statement<'a> {
    /// `system/file`
    file: String,
    /// The line it begins in.
    line: usize,
    /// Without comments; lines stay where they were.
    text: &'a str,
    /// `schema.table`
    table: &'a str,
    creates: bool,
}

/// What is wrong with the localities that a system declares, and with its keys; nothing, if all is well. `all` are the
/// systems that its foreign keys may name, itself among them.
#[must_use]
pub fn misplaced(all: &[&Migrations], system: &Migrations) -> Vec<String> {
    let files: Vec<(String, String)> = system
        .files
        .iter()
        .map(|(name, sql)| (format!("{}/{name}", system.system), without_comments(sql)))
        .collect();
    let statements: Vec<Statement<'_>> = files
        .iter()
        .flat_map(|(name, sql)| statements(name, sql))
        .collect();
    let mut faults = declared(system, &statements);
    for statement in &statements {
        match place(all, statement.table) {
            None if statement.creates => {
                let fault = "it is placed nowhere: name it in `localities`";
                faults.push(statement.says(0, fault));
            }
            None => {}
            Some(place) => faults.extend(unfit(all, statement, place)),
        }
    }
    faults
}

/// What is declared twice, or of no table.
fn declared(system: &Migrations, statements: &[Statement<'_>]) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, _) in system.localities {
        let table = format!("{}.{name}", system.system);
        let of_this = |(declared, _): &&(&str, Placement)| declared == name;
        if system.localities.iter().filter(of_this).count() > 1 {
            faults.push(format!("{table} is placed twice"));
        }
        let mut created = statements.iter().filter(|statement| statement.creates);
        if created.all(|statement| statement.table != table) {
            faults.push(format!("{table} is placed, and no migration creates it"));
        }
    }
    faults
}

fn place(all: &[&Migrations], table: &str) -> Option<Placement> {
    let (schema, name) = table.split_once('.')?;
    let system = all.iter().find(|system| system.system == schema)?;
    let (_, place) = system
        .localities
        .iter()
        .find(|(declared, _)| *declared == name)?;
    Some(*place)
}

fn unfit(all: &[&Migrations], statement: &Statement<'_>, place: Placement) -> Vec<String> {
    let mut faults = Vec::new();
    let has_region = statement.has_column("region");
    match place {
        Placement::Global => {
            if has_region {
                faults.push(statement.says(0, "it lives everywhere, and its rows have a region"));
            }
            faults.extend(references(statement).filter_map(|(at, _, target, _)| {
                let regional = matches!(
                    self::place(all, target),
                    Some(Placement::RegionalByRow { .. })
                );
                let fault = "it lives everywhere, and refers to rows that live somewhere";
                regional.then(|| statement.says(at, fault))
            }));
        }
        Placement::RegionalByRow { ttl } => {
            if statement.creates && !has_region {
                faults.push(statement.says(0, "its rows live in regions, and have no region"));
            }
            if let Some(column) = ttl
                && statement.creates
                && !statement.has_column(column)
            {
                faults.push(statement.says(0, &format!("it has no column {column} to end after")));
            }
            faults.extend(keys(statement));
            faults.extend(index(statement));
            faults.extend(foreign_keys(all, statement));
        }
    }
    faults
}

/// Primary keys and unique constraints of a regional table.
fn keys(statement: &Statement<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    for kind in ["PRIMARY KEY", "UNIQUE"] {
        for (at, _) in statement.text.match_indices(kind) {
            let rest = statement.text[at + kind.len()..].trim_start();
            if rest.starts_with("INDEX") {
                continue;
            }
            match columns(rest) {
                Some(columns) if columns.first() == Some(&"region") => {}
                Some(_) => {
                    faults.push(statement.says(at, &format!("{kind} does not begin with region")))
                }
                None => faults.push(statement.says(
                    at,
                    &format!("{kind} of one column: it does not begin with region"),
                )),
            }
        }
    }
    faults
}

fn index(statement: &Statement<'_>) -> Option<String> {
    let (_, after) = statement.text.split_once("INDEX IF NOT EXISTS ")?;
    let name = after.split_whitespace().next()?;
    let (_, listed) = after.split_once('(')?;
    let first = listed.split([',', ')', ' ']).next()?;
    let excused = OVER_ALL_REGIONS.iter().any(|(index, _)| *index == name);
    (first != "region" && !excused)
        .then(|| statement.says(0, &format!("{name} does not begin with region")))
}

fn foreign_keys(all: &[&Migrations], statement: &Statement<'_>) -> Vec<String> {
    references(statement)
        .filter_map(|(at, own, target, theirs)| match place(all, target) {
            Some(Placement::Global) => None,
            Some(Placement::RegionalByRow { .. }) => (own.first() != Some(&"region")
                || theirs.first() != Some(&"region"))
            .then(|| statement.says(at, "FOREIGN KEY does not begin with region")),
            None => Some(statement.says(
                at,
                &format!("it refers to {target}, which is placed nowhere"),
            )),
        })
        .collect()
}

/// Where each foreign key stands, its own columns, the table that it refers to, and the columns there.
fn references<'a>(
    statement: &'a Statement<'a>,
) -> impl Iterator<Item = (usize, Vec<&'a str>, &'a str, Vec<&'a str>)> {
    let text = statement.text;
    text.match_indices("REFERENCES ").map(move |(at, word)| {
        let target = &text[at + word.len()..];
        let own = text[..at].trim_end();
        let own = own.rsplit_once("FOREIGN KEY ").map_or("", |(_, own)| own);
        let end = target
            .find(|c: char| c.is_whitespace() || c == '(' || c == ',')
            .unwrap_or(target.len());
        let theirs = columns(target[end..].trim_start()).unwrap_or_default();
        // What stands in between is another column's: this one refers by itself.
        let own = columns(own)
            .filter(|_| own.ends_with(')'))
            .unwrap_or_default();
        (at, own, &target[..end], theirs)
    })
}

/// The list that a text begins with.
fn columns(text: &str) -> Option<Vec<&str>> {
    let (list, _) = text.strip_prefix('(')?.split_once(')')?;
    Some(list.split(',').map(str::trim).collect())
}

impl Statement<'_> {
    fn has_column(&self, name: &str) -> bool {
        let mut lines = self.text.lines().map(str::split_whitespace);
        self.creates && lines.any(|mut words| words.next() == Some(name))
    }

    /// A fault, with the place of what stands at `at`.
    fn says(&self, at: usize, fault: &str) -> String {
        let line = self.line + self.text[..at].matches('\n').count();
        format!("{}:{line}: {}: {fault}", self.file, self.table)
    }
}

fn without_comments(sql: &str) -> String {
    let lines = sql.lines().map(|line| line.split("--").next());
    lines
        .map(Option::unwrap_or_default)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The statements of a file that make or change a table or its indexes.
fn statements<'a>(name: &str, sql: &'a str) -> Vec<Statement<'a>> {
    let mut line = 1;
    let mut found = Vec::new();
    for piece in sql.split(';') {
        let text = piece.trim_start();
        let skipped = piece.len() - text.len();
        let starts = line + piece[..skipped].matches('\n').count();
        line += piece.matches('\n').count();
        let words: Vec<&str> = text.split_whitespace().take(3).collect();
        let creates = words.starts_with(&["CREATE", "TABLE"]);
        let after = match words.as_slice() {
            ["CREATE" | "ALTER", "TABLE", ..] => text.split_once(" TABLE "),
            ["CREATE", "INDEX", ..] | ["CREATE", "UNIQUE", "INDEX"] => text.split_once("ON "),
            _ => None,
        }
        .map(|(_, after)| after);
        let table = after.and_then(|after| {
            let after = after.trim_start_matches("IF NOT EXISTS ");
            let after = after.trim_start_matches("IF EXISTS ");
            after.split(|c: char| c.is_whitespace() || c == '(').next()
        });
        found.extend(table.map(|table| Statement {
            file: name.to_owned(),
            line: starts,
            text,
            table,
            creates,
        }));
    }
    found
}
