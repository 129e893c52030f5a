//! Where tables live on CockroachDB: declared in code beside the migrations, compared with what the database says,
//! and brought about one statement at a time.
//!
//! The planner does no I/O. It is a function from a state to the one next statement, followed to its end; so a run that
//! was cut off after any statement is gone on with by planning again from what the database says then.

mod change;
mod live;
mod shown;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use kernel::RegionTag;

pub(crate) use self::live::STATEMENTS;
pub use self::live::{apply, read};

use self::change::{Change, TableChange};
use crate::Migrations;

/// Where the rows of a table live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Read everywhere at once, written slowly: small, and read by every request.
    Global,
    /// Each row in the region that its column `region` names.
    RegionalByRow {
        /// The column after whose time the database itself may delete a row.
        ttl: Option<&'static str>,
    },
}

impl Placement {
    /// Each row in its region, kept until somebody deletes it.
    pub const BY_ROW: Self = Self::RegionalByRow { ttl: None };
}

/// How far a plan may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What takes nothing away: a region that is no longer wanted stays. No step of it is destructive.
    Grow,
    /// Exactly what is wanted.
    Whole,
}

/// What a database is to become.
#[derive(Debug, Clone)]
pub struct Goal {
    /// The primary first.
    regions: Vec<String>,
    /// Those that live everywhere first, since the others refer to them.
    tables: Vec<(String, Placement)>,
    extent: Extent,
}

impl Goal {
    /// The tables of these systems in these regions, the primary first.
    #[must_use]
    pub fn new(systems: &[&'static Migrations], regions: &[RegionTag], extent: Extent) -> Self {
        let mut tables: Vec<(String, Placement)> = systems
            .iter()
            .flat_map(|system| {
                let declared = system.localities.iter();
                declared.map(|(table, place)| (format!("{}.{table}", system.system), *place))
            })
            .collect();
        tables.sort_by_key(|(_, place)| *place != Placement::Global);
        Self {
            regions: regions.iter().map(|tag| tag.as_str().to_owned()).collect(),
            tables,
            extent,
        }
    }
}

/// A column that maps `region` to the database's own type of regions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// `crdb_region`
    Home,
    /// `crdb_region_next`: what takes its place while the regions change, since an expression cannot be changed.
    Next,
}

impl Column {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Home => "crdb_region",
            Self::Next => "crdb_region_next",
        }
    }
}

/// The locality that the database reports of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Locality {
    /// None, or one that is not declared here, such as the primary region's.
    #[default]
    Other,
    /// GLOBAL
    Global,
    /// REGIONAL BY ROW AS this column.
    ByRow(Column),
}

/// What the database reports of one table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// Its locality.
    pub locality: Locality,
    /// The regions that `crdb_region` maps, if it is there; none when its expression is not one of ours.
    pub home: Option<BTreeSet<String>>,
    /// As `home`, of `crdb_region_next`.
    pub next: Option<BTreeSet<String>>,
    /// Whether its schema is locked.
    pub locked: bool,
    /// The expression after which rows are deleted.
    pub ttl: Option<String>,
}

impl Table {
    fn column(&self, column: Column) -> Option<&BTreeSet<String>> {
        match column {
            Column::Home => self.home.as_ref(),
            Column::Next => self.next.as_ref(),
        }
    }

    /// The regions whose rows the table takes, if it is placed by row.
    fn taken(&self) -> Option<&BTreeSet<String>> {
        match self.locality {
            Locality::ByRow(column) => self.column(column),
            Locality::Other | Locality::Global => None,
        }
    }
}

/// What the database reports of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalogue {
    /// Its name.
    pub database: String,
    /// The regions of the cluster's nodes. None: nothing can be placed.
    pub cluster: BTreeSet<String>,
    /// The regions of the database.
    pub regions: BTreeSet<String>,
    /// One of them, once there is any.
    pub primary: Option<String>,
    /// Whether it outlives the loss of a region.
    pub survives_region: bool,
    /// Whether this release locks the schema of new tables (v26.1 and later do).
    pub locks: bool,
    /// `schema.table` → what it is like. A table that is not here yet is left out of the plan.
    pub tables: BTreeMap<String, Table>,
}

/// One statement of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// One statement, without a semicolon.
    pub statement: String,
    /// Why, in a few words.
    pub reason: String,
    /// Whether something is taken away: a region, its rows' right to be written, or what outlives its loss.
    pub destructive: bool,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The region files name what the cluster does not have.
    #[error(
        "no node of the cluster is in {}; start one there (--locality=region=...), or correct the region files", .0.join(", ")
    )]
    NotInCluster(Vec<String>),
}

/// The statements that lead from what is to what is wanted, in order. None where nothing can be placed.
///
/// # Errors
/// [`PlanError`].
pub fn plan(catalogue: &Catalogue, goal: &Goal) -> Result<Vec<Step>, PlanError> {
    Ok(foresee(catalogue, goal)?.0)
}

/// As [`plan`], with what the catalogue is to be after it.
///
/// # Errors
/// [`PlanError`].
pub fn foresee(catalogue: &Catalogue, goal: &Goal) -> Result<(Vec<Step>, Catalogue), PlanError> {
    if catalogue.cluster.is_empty() {
        return Ok((Vec::new(), catalogue.clone()));
    }
    let known = |region: &&String| {
        catalogue.regions.contains(*region) || catalogue.cluster.contains(*region)
    };
    let unknown: Vec<String> = goal
        .regions
        .iter()
        .filter(|region| !known(region))
        .cloned()
        .collect();
    if !unknown.is_empty() {
        return Err(PlanError::NotInCluster(unknown));
    }
    let mut now = catalogue.clone();
    let mut steps = Vec::new();
    while let Some(change) = goal.next(&now) {
        steps.push(change.step(&now));
        change.apply(&mut now);
    }
    Ok((steps, now))
}

impl Goal {
    /// The next thing to change: regions are added before and dropped after the tables that map them.
    fn next(&self, now: &Catalogue) -> Option<Change> {
        self.next_before_tables(now)
            .or_else(|| self.next_of_tables(now))
            .or_else(|| self.next_after_tables(now))
    }

    fn next_before_tables(&self, now: &Catalogue) -> Option<Change> {
        let primary = self.regions.first()?;
        if now.regions.is_empty() {
            return Some(Change::Primary(primary.clone()));
        }
        let missing = self.regions.iter().find(|tag| !now.regions.contains(*tag));
        if let Some(missing) = missing {
            return Some(Change::AddRegion(missing.clone()));
        }
        if now.primary.as_ref() != Some(primary) {
            return Some(Change::Primary(primary.clone()));
        }
        let enough = match self.extent {
            Extent::Grow => now.regions.len() >= REGIONS_TO_SURVIVE,
            Extent::Whole => self.regions.len() >= REGIONS_TO_SURVIVE,
        };
        (enough && !now.survives_region).then_some(Change::SurviveRegion)
    }

    fn next_of_tables(&self, now: &Catalogue) -> Option<Change> {
        self.tables.iter().find_map(|(name, place)| {
            let table = now.tables.get(name)?;
            let change = self.next_of_table(now, table, *place)?;
            Some(Change::Table(name.clone(), change))
        })
    }

    fn next_after_tables(&self, now: &Catalogue) -> Option<Change> {
        if self.extent == Extent::Grow {
            return None;
        }
        // The third region cannot be dropped from a database that is to outlive one.
        if now.survives_region && self.regions.len() < REGIONS_TO_SURVIVE {
            return Some(Change::SurviveZone);
        }
        let surplus = now.regions.iter().find(|tag| !self.regions.contains(tag));
        surplus.map(|tag| Change::DropRegion(tag.clone()))
    }

    fn next_of_table(
        &self,
        now: &Catalogue,
        table: &Table,
        place: Placement,
    ) -> Option<TableChange> {
        let (change, ttl) = match place {
            Placement::Global => (to_global(table), None),
            Placement::RegionalByRow { ttl } => (to_row(table, &self.target(now, table)), ttl),
        };
        let ttl = (table.ttl.as_deref() != ttl).then_some(TableChange::Ttl(ttl));
        match change.or(ttl) {
            // Adding a column unlocks and locks by itself; the rest is done in one unlocked stretch.
            Some(add @ TableChange::Add(..)) => Some(add),
            Some(_) if table.locked => Some(TableChange::Unlock),
            None if now.locks && !table.locked => Some(TableChange::Lock),
            change => change,
        }
    }

    /// The regions whose rows a table is to take, in the order of the expression.
    fn target(&self, now: &Catalogue, table: &Table) -> Vec<String> {
        let mut target = self.regions.clone();
        if self.extent == Extent::Grow {
            let kept = table.taken().unwrap_or(&now.regions);
            target.extend(
                kept.iter()
                    .filter(|tag| !self.regions.contains(tag))
                    .cloned(),
            );
        }
        target
    }
}

/// Fewer cannot hold a majority without one of them.
const REGIONS_TO_SURVIVE: usize = 3;

fn to_global(table: &Table) -> Option<TableChange> {
    if table.locality != Locality::Global {
        return Some(TableChange::Locate(Locality::Global));
    }
    let left = [Column::Next, Column::Home];
    let left = left
        .into_iter()
        .find(|column| table.column(*column).is_some());
    left.map(TableChange::Drop)
}

/// A column cannot be changed while rows are placed by it: a second one is made, rows are placed by that, the first
/// is dropped, the second takes its name.
fn to_row(table: &Table, target: &[String]) -> Option<TableChange> {
    let maps_target = |map: &BTreeSet<String>| {
        map.len() == target.len() && target.iter().all(|tag| map.contains(tag))
    };
    let by = |column| Some(TableChange::Locate(Locality::ByRow(column)));
    let add = |column| Some(TableChange::Add(column, target.to_vec()));
    match (table.locality, &table.home, &table.next) {
        (Locality::ByRow(Column::Home), Some(home), next) if maps_target(home) => {
            next.as_ref().map(|_| TableChange::Drop(Column::Next))
        }
        (Locality::ByRow(Column::Home), _, None) => add(Column::Next),
        (Locality::ByRow(Column::Home), _, Some(next)) if maps_target(next) => by(Column::Next),
        (Locality::ByRow(Column::Next), Some(_), _) => Some(TableChange::Drop(Column::Home)),
        (Locality::ByRow(Column::Next), None, _) => Some(TableChange::Rename),
        (_, _, Some(_)) => Some(TableChange::Drop(Column::Next)),
        (_, None, None) => add(Column::Home),
        (_, Some(home), None) if maps_target(home) => by(Column::Home),
        (_, Some(_), None) => Some(TableChange::Drop(Column::Home)),
    }
}
