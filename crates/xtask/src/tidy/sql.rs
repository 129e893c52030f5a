//! Each system owns a schema, and no statement of one names another's tables.

use super::{Finding, rust};
use crate::tree::File;

/// Crate, and the schemas that its statements may name. Migrations may also point at what lies below, since
/// foreign keys run along the arrows of the crates.
const SCHEMAS: &[(&str, &[&str], &[&str])] = &[
    ("platform-db", &["platform"], &["platform"]),
    ("accounting", &["accounting"], &["accounting", "platform"]),
    (
        "warehouse",
        &["warehouse"],
        &["warehouse", "accounting", "platform"],
    ),
    (
        "sales",
        &["sales"],
        &["sales", "warehouse", "accounting", "platform"],
    ),
    ("hub", &["hub"], &["hub", "platform"]),
    ("world", &[], &[]),
    ("meridian", &[], &[]),
    ("platform-http", &[], &[]),
];

const ALL: &[&str] = &["platform", "accounting", "warehouse", "sales", "hub"];

/// Whether a text is SQL: it begins with a statement's keyword in capitals.
pub(crate) fn is_statement(text: &str) -> bool {
    const KEYWORDS: &[&str] = &[
        "SELECT ",
        "INSERT INTO ",
        "UPDATE ",
        "DELETE FROM ",
        "WITH ",
        "CREATE ",
        "ALTER ",
        "DROP ",
        "GRANT ",
        "REVOKE ",
        "ANALYZE ",
        "TRUNCATE ",
    ];
    let text = text.trim_start();
    // A list of parameters begins so, a statement never does.
    if text.starts_with("WITH (") {
        return false;
    }
    KEYWORDS.iter().any(|keyword| text.starts_with(keyword))
}

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        let Some((owner, statements, migrations)) = owner(&file.path) else {
            continue;
        };
        if file.has_extension("sql") {
            let allowed = if file.path.contains("/migrations/") {
                migrations
            } else {
                statements
            };
            findings.extend(foreign(
                file,
                1,
                &without_comments(&file.text),
                owner,
                allowed,
            ));
            findings.extend(migration_name(file));
        } else if file.has_extension("rs") && file.path.contains("/src/") {
            for literal in rust::parse(&file.text).literals {
                if is_statement(&literal.text) || !literal.whole {
                    findings.extend(foreign(
                        file,
                        literal.line,
                        &literal.text,
                        owner,
                        statements,
                    ));
                }
            }
        }
    }
    findings.extend(numbering(files));
    findings
}

type Owner = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

fn owner(path: &str) -> Option<Owner> {
    let name = path.strip_prefix("crates/")?.split('/').next()?;
    SCHEMAS.iter().find(|(owner, _, _)| *owner == name).copied()
}

fn foreign(file: &File, line: usize, sql: &str, owner: &str, allowed: &[&str]) -> Vec<Finding> {
    ALL.iter()
        .filter(|schema| !allowed.contains(schema) && names_table_of(sql, schema))
        .map(|schema| {
            Finding::new(
                &file.path,
                line,
                format!("{owner} names a table of {schema}"),
            )
        })
        .collect()
}

/// Whether `schema.table` occurs as words of their own, in a place where SQL names tables.
fn names_table_of(sql: &str, schema: &str) -> bool {
    sql.match_indices(&format!("{schema}.")).any(|(at, found)| {
        let before = sql[..at].trim_end();
        let after = &sql[at + found.len()..];
        [
            "FROM",
            "JOIN",
            "INTO",
            "UPDATE",
            "REFERENCES",
            "TABLE",
            "ON",
            "EXISTS",
            ",",
        ]
        .iter()
        .any(|keyword| before.ends_with(keyword))
            && after.starts_with(|c: char| c.is_ascii_lowercase())
    })
}

fn without_comments(sql: &str) -> String {
    sql.lines()
        .map(|line| line.split("--").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

fn migration_name(file: &File) -> Option<Finding> {
    let (_, name) = file.path.rsplit_once("/migrations/")?;
    (name.split('/').count() == 1 && number(name).is_none())
        .then(|| Finding::new(&file.path, 1, "must be named V0001__what_it_does.sql"))
}

/// `V0007__create_locations.sql` → 7.
fn number(name: &str) -> Option<usize> {
    let (number, rest) = name.strip_prefix('V')?.split_once("__")?;
    let words = rest.strip_suffix(".sql")?;
    let valid = number.len() == 4
        && !words.is_empty()
        && words
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if valid { number.parse().ok() } else { None }
}

/// Migrations of a system count from 1 without a gap: two branches that both add the next one are seen.
fn numbering(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut last: Option<(&str, usize)> = None;
    for file in files.iter().filter(|file| file.has_extension("sql")) {
        let Some((folder, name)) = file.path.rsplit_once('/') else {
            continue;
        };
        let (true, Some(number)) = (folder.ends_with("/migrations"), number(name)) else {
            continue;
        };
        let expected = match last {
            Some((same, before)) if same == folder => before + 1,
            _ => 1,
        };
        if number != expected {
            findings.push(Finding::new(
                &file.path,
                1,
                format!("should be number {expected}"),
            ));
        }
        last = Some((folder, number));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| File {
                path: (*path).into(),
                text: (*text).into(),
            })
            .collect();
        check(&files).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_system_names_its_own_tables_only() {
        let own = "const A: &str = \"SELECT id FROM warehouse.items\";";
        assert!(found(&[("crates/warehouse/src/storage/a.rs", own)]).is_empty());
        let other =
            "\nconst A: &str = \"SELECT id FROM warehouse.items JOIN platform.offices ON x\";";
        assert_eq!(
            found(&[("crates/warehouse/src/storage/a.rs", other)]),
            ["crates/warehouse/src/storage/a.rs:2: warehouse names a table of platform"]
        );
        assert_eq!(found(&[("crates/hub/src/a.rs", own)]).len(), 1);
        let event = "emit(\"warehouse.item.created\")";
        assert!(found(&[("crates/hub/src/a.rs", event)]).is_empty());
    }

    #[test]
    fn foreign_keys_run_along_the_arrows() {
        let down = "CREATE TABLE warehouse.a (office TEXT REFERENCES platform.offices (code))";
        assert!(found(&[("crates/warehouse/migrations/V0001__a.sql", down)]).is_empty());
        let up = "CREATE TABLE platform.a (item TEXT REFERENCES warehouse.items (id))";
        assert_eq!(
            found(&[("crates/platform-db/migrations/V0001__a.sql", up)]).len(),
            1
        );
        let comment = "-- as FROM warehouse.items\nCREATE TABLE platform.a (b TEXT)";
        assert!(found(&[("crates/platform-db/migrations/V0001__a.sql", comment)]).is_empty());
    }

    #[test]
    fn migrations_count_without_a_gap() {
        let one = ("crates/warehouse/migrations/V0001__a.sql", "");
        let two = ("crates/warehouse/migrations/V0002__b.sql", "");
        let three = ("crates/warehouse/migrations/V0003__c.sql", "");
        assert!(found(&[one, two, three]).is_empty());
        assert_eq!(found(&[one, three]).len(), 1);
        assert_eq!(
            found(&[("crates/warehouse/migrations/1_a.sql", "")]).len(),
            1
        );
    }
}
