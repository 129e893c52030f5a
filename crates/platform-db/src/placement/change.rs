//! One change: its statement, why, and what it does to the catalogue.

use super::{Catalogue, Column, Locality, Step, Table, rights::RightsChange};

/// One change of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Rights(RightsChange),
    Primary(String),
    AddRegion(String),
    SurviveRegion,
    SurviveZone,
    DropRegion(String),
    Table(String, TableChange),
}

/// One change of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TableChange {
    Unlock,
    Lock,
    /// A column, and what it maps: tag and region.
    Add(Column, Vec<(String, String)>),
    Drop(Column),
    /// The next column takes the home column's name.
    Rename,
    Locate(Locality),
    Ttl(Option<&'static str>),
}

impl Change {
    pub(super) fn step(&self, now: &Catalogue) -> Step {
        let database = quoted(&now.database);
        let (statement, reason, destructive) = match self {
            Self::Rights(change) => return change.step(),
            Self::Primary(region) => (
                format!(
                    "ALTER DATABASE {database} SET PRIMARY REGION {}",
                    quoted(region)
                ),
                format!("{region} is the primary region"),
                false,
            ),
            Self::AddRegion(region) => (
                format!(
                    "ALTER DATABASE {database} ADD REGION IF NOT EXISTS {}",
                    quoted(region)
                ),
                format!("{region} is a region"),
                false,
            ),
            Self::SurviveRegion => (
                format!("ALTER DATABASE {database} SURVIVE REGION FAILURE"),
                "three regions or more outlive the loss of one".into(),
                false,
            ),
            Self::SurviveZone => (
                format!("ALTER DATABASE {database} SURVIVE ZONE FAILURE"),
                "fewer than three regions cannot outlive the loss of one".into(),
                true,
            ),
            Self::DropRegion(region) => (
                format!(
                    "ALTER DATABASE {database} DROP REGION IF EXISTS {}",
                    quoted(region)
                ),
                format!("{region} is a region no longer, and no table maps it"),
                true,
            ),
            Self::Table(name, change) => {
                let table = now.tables.get(name);
                return change.step(name, table.unwrap_or(&Table::default()));
            }
        };
        Step {
            statement,
            reason,
            destructive,
            optional: false,
        }
    }

    pub(super) fn apply(self, now: &mut Catalogue) {
        match self {
            Self::Rights(change) => change.apply(&mut now.role),
            Self::Primary(region) => {
                now.regions.insert(region.clone());
                now.primary = Some(region);
            }
            Self::AddRegion(region) => drop(now.regions.insert(region)),
            Self::SurviveRegion => now.survives_region = true,
            Self::SurviveZone => now.survives_region = false,
            Self::DropRegion(region) => drop(now.regions.remove(&region)),
            Self::Table(name, change) => change.apply(now.tables.entry(name).or_default()),
        }
    }
}

impl TableChange {
    fn step(&self, name: &str, table: &Table) -> Step {
        let (what, reason) = match self {
            Self::Unlock => (
                "SET (schema_locked = false)".into(),
                format!("{name} is locked against what follows"),
            ),
            Self::Lock => (
                "SET (schema_locked = true)".into(),
                format!("{name} is as it is to be"),
            ),
            Self::Add(column, regions) => (
                format!(
                    "ADD COLUMN IF NOT EXISTS {} crdb_internal_region NOT VISIBLE NOT NULL AS ({}) STORED",
                    column.name(),
                    mapping(regions)
                ),
                format!(
                    "{name} takes rows of {} and refuses all others",
                    tags(regions)
                ),
            ),
            Self::Drop(column) => (
                format!("DROP COLUMN IF EXISTS {}", column.name()),
                format!("no row of {name} is placed by it; its values are made from region"),
            ),
            Self::Rename => (
                format!(
                    "RENAME COLUMN {} TO {}",
                    Column::Next.name(),
                    Column::Home.name()
                ),
                format!("{name} has its usual column again"),
            ),
            Self::Locate(Locality::ByRow(column)) => (
                format!("SET LOCALITY REGIONAL BY ROW AS {}", column.name()),
                format!("each row of {name} lives in its region"),
            ),
            Self::Locate(Locality::Global | Locality::Other) => (
                "SET LOCALITY GLOBAL".into(),
                format!("{name} is read everywhere"),
            ),
            Self::Ttl(Some(column)) => (
                format!("SET (ttl_expiration_expression = '{column}', ttl_job_cron = '@hourly')"),
                format!("rows of {name} end after {column}"),
            ),
            Self::Ttl(None) => (
                "RESET (ttl)".into(),
                format!("rows of {name} stay until they are deleted"),
            ),
        };
        Step {
            statement: format!("ALTER TABLE {name} {what}"),
            reason,
            destructive: self.refuses_rows(table),
            optional: false,
        }
    }

    /// Whether a region's rows can be written before and cannot be after.
    fn refuses_rows(&self, table: &Table) -> bool {
        match (self, table.taken()) {
            (Self::Add(_, regions), Some(taken)) => taken
                .keys()
                .any(|tag| regions.iter().all(|(known, _)| known != tag)),
            _ => false,
        }
    }

    fn apply(self, table: &mut Table) {
        match self {
            Self::Unlock => table.locked = false,
            Self::Lock => table.locked = true,
            Self::Add(Column::Home, regions) => table.home = Some(regions.into_iter().collect()),
            Self::Add(Column::Next, regions) => table.next = Some(regions.into_iter().collect()),
            Self::Drop(Column::Home) => table.home = None,
            Self::Drop(Column::Next) => table.next = None,
            Self::Rename => {
                table.home = table.next.take();
                table.locality = Locality::ByRow(Column::Home);
            }
            Self::Locate(locality) => table.locality = locality,
            Self::Ttl(column) => table.ttl = column.map(str::to_owned),
        }
    }
}

fn tags(regions: &[(String, String)]) -> String {
    let tags: Vec<&str> = regions.iter().map(|(tag, _)| tag.as_str()).collect();
    tags.join(", ")
}

/// Without ELSE: an unknown region gives NULL, which the column refuses, so that no row is ever misplaced.
fn mapping(regions: &[(String, String)]) -> String {
    let cases: Vec<String> = regions
        .iter()
        .map(|(tag, name)| format!("WHEN {} THEN {}", literal(tag), literal(name)))
        .collect();
    format!("CASE region {} END", cases.join(" "))
}

/// A text, its quotes doubled.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Region names keep case and hyphens only between quotes.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
