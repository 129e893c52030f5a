//! Whether what the migrations made is still there: tables, constraints, indexes.

use std::collections::BTreeSet;

use super::{Exam, Finding, exam::For, one_line, some_of};
use crate::{DbError, Migrations};

/// Something that a migration makes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Object {
    kind: Kind,
    /// With its schema.
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Table,
    Constraint,
    Index,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Constraint => "constraint",
            Self::Index => "index",
        }
    }

    /// What is there, with its schema. An index that is not valid is used by nobody, and a constraint that is not
    /// validated says nothing of the rows that were there before it.
    fn query(self, schemas: &str) -> String {
        match self {
            Self::Table => format!(
                "SELECT schemaname || '.' || tablename FROM pg_catalog.pg_tables
                 WHERE schemaname IN ({schemas})"
            ),
            Self::Constraint => format!(
                "SELECT n.nspname || '.' || c.conname
                 FROM pg_catalog.pg_constraint AS c
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.connamespace
                 WHERE c.convalidated AND n.nspname IN ({schemas})"
            ),
            Self::Index => format!(
                "SELECT n.nspname || '.' || c.relname
                 FROM pg_catalog.pg_index AS i
                 JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                 WHERE i.indisvalid AND n.nspname IN ({schemas})"
            ),
        }
    }
}

/// Whether all of it is there.
pub(super) async fn present(exam: &Exam) -> Result<Finding, DbError> {
    let schemas = exam.schemas();
    let there = exam
        .on(For::Reading, async |line| {
            let mut there = BTreeSet::new();
            for kind in [Kind::Table, Kind::Constraint, Kind::Index] {
                let names = line.texts(&kind.query(&schemas)).await?;
                there.extend(names.into_iter().map(|name| Object { kind, name }));
            }
            Ok(there)
        })
        .await?;
    Ok(judge(&exam.patient.systems, &there))
}

fn judge(systems: &[&'static Migrations], there: &BTreeSet<Object>) -> Finding {
    let made: Vec<(Object, &str, &str)> = systems.iter().flat_map(|system| made(system)).collect();
    let missing: Vec<_> = made
        .iter()
        .filter(|(object, ..)| !there.contains(object))
        .collect();
    if missing.is_empty() {
        return Finding::pass(format!(
            "all {} tables, constraints and indexes",
            made.len()
        ));
    }
    let told: Vec<String> = missing
        .iter()
        .map(|(object, ..)| format!("{} {} is missing", object.kind.as_str(), object.name))
        .collect();
    let finding = Finding::fail(some_of(&told));
    match missing.first() {
        // An index is made again by its own file, which may be run at any time.
        Some((object, _, sql)) if object.kind == Kind::Index => finding.remedied_by(one_line(sql)),
        Some((object, file, _)) => finding.remedied_by(format!(
            "make {} again as {file} of this release has it",
            object.name
        )),
        None => finding,
    }
}

/// What a system's files make and do not drop later, each with its file and the file's text.
fn made(system: &'static Migrations) -> Vec<(Object, &'static str, &'static str)> {
    let mut made: Vec<(Object, &str, &str)> = Vec::new();
    for (file, sql) in system.files {
        let words: Vec<&str> = sql
            .lines()
            .map(|line| line.split("--").next().unwrap_or_default())
            .flat_map(|line| {
                line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
            })
            .filter(|word| !word.is_empty())
            .collect();
        for (index, word) in words.iter().enumerate() {
            let kind = match *word {
                "TABLE" => Kind::Table,
                "CONSTRAINT" => Kind::Constraint,
                "INDEX" => Kind::Index,
                _ => continue,
            };
            let drops = index > 0 && words.get(index - 1) == Some(&"DROP");
            let creates = match kind {
                Kind::Constraint => true,
                Kind::Table | Kind::Index => words[..index]
                    .iter()
                    .rev()
                    .take(2)
                    .any(|word| *word == "CREATE"),
            };
            let name = words[index + 1..]
                .iter()
                .find(|word| !["IF", "NOT", "EXISTS"].contains(word));
            let Some(name) = name.filter(|_| drops || creates) else {
                continue;
            };
            let bare = name.rsplit('.').next().unwrap_or(name);
            let object = Object {
                kind,
                name: format!("{}.{bare}", system.system),
            };
            if drops {
                made.retain(|(other, ..)| *other != object);
            } else {
                made.push((object, file, sql));
            }
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    static SHOP: Migrations = Migrations {
        system: "shop",
        files: &[
            (
                "V0001__create_orders",
                "-- TABLE of orders\nCREATE TABLE IF NOT EXISTS shop.orders (id UUID,\n CONSTRAINT orders_pkey PRIMARY KEY (id), CONSTRAINT orders_old CHECK (true));",
            ),
            (
                "V0002__index",
                "CREATE UNIQUE INDEX IF NOT EXISTS orders_key\n    ON shop.orders (id);",
            ),
            (
                "V0003__drop",
                "ALTER TABLE shop.orders DROP CONSTRAINT IF EXISTS orders_old;",
            ),
        ],
        grants: &[],
        localities: &[],
    };

    fn object(kind: Kind, name: &str) -> Object {
        Object {
            kind,
            name: name.into(),
        }
    }

    #[test]
    fn what_the_files_make_is_read_from_them() {
        let names: Vec<Object> = made(&SHOP).into_iter().map(|(object, ..)| object).collect();
        let expected = [
            object(Kind::Table, "shop.orders"),
            object(Kind::Constraint, "shop.orders_pkey"),
            object(Kind::Index, "shop.orders_key"),
        ];
        assert_eq!(names, expected);
        assert!(made(crate::migrations()).len() > 20);
    }

    #[test]
    fn an_index_is_made_again_by_its_statement() {
        let all: BTreeSet<Object> = made(&SHOP).into_iter().map(|(object, ..)| object).collect();
        assert_eq!(judge(&[&SHOP], &all).outcome, Outcome::Pass);
        let without = |gone: Object| {
            let mut there = all.clone();
            assert!(there.remove(&gone));
            judge(&[&SHOP], &there)
        };
        let found = without(object(Kind::Index, "shop.orders_key"));
        assert_eq!(found.found, "index shop.orders_key is missing");
        assert_eq!(
            found.remedy.as_deref(),
            Some("CREATE UNIQUE INDEX IF NOT EXISTS orders_key ON shop.orders (id);")
        );
        let found = without(object(Kind::Constraint, "shop.orders_pkey"));
        assert!(found.remedy.unwrap().contains("V0001__create_orders"));
    }
}
