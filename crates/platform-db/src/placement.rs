//! Where tables live on CockroachDB, and what the services' role may do on either engine: declared in code beside the
//! migrations, compared with what the database says, and brought about one statement at a time.
//!
//! The planner does no I/O. It is a function from a state to the one next statement, followed to its end; so a run that
//! was cut off after any statement is gone on with by planning again from what the database says then.

mod change;
mod goal;
mod live;
mod read;
mod rights;
mod shown;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use kernel::RegionTag;

pub(crate) use self::{
    change::literal,
    live::bring_about,
    read::{COCKROACH_STATEMENTS, STATEMENTS},
    rights::ROLE,
};
pub use self::{
    goal::Goal,
    live::{Applied, apply},
    read::read,
    rights::Rights,
};

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

/// A region of the topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// What the rows say.
    pub tag: RegionTag,
    /// What the cluster may call it, the likeliest first.
    pub names: Vec<String>,
}

/// Tag → what the database calls the region: what a computed column makes of `region`. Empty where the database does not
/// print the name.
pub type Mapping = BTreeMap<String, String>;

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
    /// What `crdb_region` maps, if it is there; nothing when its expression is not one of ours.
    pub home: Option<Mapping>,
    /// As `home`, of `crdb_region_next`.
    pub next: Option<Mapping>,
    /// Whether its schema is locked.
    pub locked: bool,
    /// The expression after which rows are deleted.
    pub ttl: Option<String>,
}

impl Table {
    fn column(&self, column: Column) -> Option<&Mapping> {
        match column {
            Column::Home => self.home.as_ref(),
            Column::Next => self.next.as_ref(),
        }
    }

    /// What it maps, if it is placed by row: rows of other regions are refused.
    fn taken(&self) -> Option<&Mapping> {
        match self.locality {
            Locality::ByRow(column) => self.column(column),
            Locality::Other | Locality::Global => None,
        }
    }
}

/// The regions of the cluster's nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Cluster {
    /// PostgreSQL, or nobody asked for a place: there is nothing to place.
    #[default]
    Unplaceable,
    /// CockroachDB, which did not let us look.
    Unseen,
    /// CockroachDB. None where no node was started with one.
    Regions(BTreeSet<String>),
}

/// What the database reports of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalogue {
    /// Its name.
    pub database: String,
    /// The tables of our schemas, `schema.table`: what is not here yet is left out of the plan.
    pub present: BTreeSet<String>,
    /// What the services' role holds, if there is one.
    pub role: Option<Rights>,
    /// The regions of the cluster.
    pub cluster: Cluster,
    /// The regions of the database.
    pub regions: BTreeSet<String>,
    /// One of them, once there is any.
    pub primary: Option<String>,
    /// Whether it outlives the loss of a region.
    pub survives_region: bool,
    /// Whether this release locks the schema of new tables (v26.1 and later do).
    pub locks: bool,
    /// `schema.table` → what it is like, on CockroachDB.
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
    /// Whether the database may refuse it to us without harm: somebody with more rights can do it later.
    pub optional: bool,
}

/// The statements that lead from what is to what is wanted, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// None of them when all is in its place.
    pub steps: Vec<Step>,
    /// Why no table is placed; the steps are the others then.
    pub hindrance: Option<Hindrance>,
}

/// Why no table is placed on a CockroachDB. Everything works meanwhile, with every row in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hindrance {
    /// No node says where it is.
    NoRegions,
    /// We may not ask.
    Unseen,
    /// Some of the region files name what the cluster does not have: each with the names that were looked for.
    NotInCluster {
        /// Tag, and what was looked for.
        missing: Vec<Site>,
        /// What the cluster has.
        cluster: BTreeSet<String>,
    },
}

impl fmt::Display for Hindrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRegions => f.write_str(
                "no table is placed: no node of the cluster says in which region it is \
                 (cockroach start --locality=region=…)",
            ),
            Self::Unseen => f.write_str(
                "no table is placed: this role may not ask for the cluster's regions \
                 (it needs to own the database, or to be an admin)",
            ),
            Self::NotInCluster { missing, cluster } => {
                f.write_str("no table is placed anew: no node of the cluster is in ")?;
                for (index, site) in missing.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(
                        f,
                        "{comma}{} (looked for {})",
                        site.tag,
                        site.names.join(", ")
                    )?;
                }
                let there: Vec<&str> = cluster.iter().map(String::as_str).collect();
                write!(
                    f,
                    "; the cluster has {}. Start a node there (--locality=region={}), or correct the region files",
                    there.join(", "),
                    missing.first().map_or("…", |site| site.tag.as_str())
                )
            }
        }
    }
}

impl std::error::Error for Hindrance {}

/// The statements that lead from what is to what is wanted, in order.
#[must_use]
pub fn plan(catalogue: &Catalogue, goal: &Goal) -> Plan {
    foresee(catalogue, goal).0
}

/// As [`plan`], with what the catalogue is to be after it.
#[must_use]
pub fn foresee(catalogue: &Catalogue, goal: &Goal) -> (Plan, Catalogue) {
    let (target, hindrance) = match goal.target(catalogue) {
        Ok(target) => (target, None),
        Err(hindrance) => (None, Some(hindrance)),
    };
    let mut now = catalogue.clone();
    let mut steps = Vec::new();
    let next = |now: &Catalogue| {
        let right = goal.rights.next(now).map(change::Change::Rights);
        right.or_else(|| target.as_ref()?.next(now))
    };
    while let Some(change) = next(&now) {
        steps.push(change.step(&now));
        change.apply(&mut now);
    }
    (Plan { steps, hindrance }, now)
}
