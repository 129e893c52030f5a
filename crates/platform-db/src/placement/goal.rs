//! What a database is to become, and the one next thing to change on the way there.

use std::collections::BTreeSet;

use super::{
    Catalogue, Cluster, Column, Extent, Hindrance, Locality, Mapping, Placement, Rights, Site,
    Table,
    change::{Change, TableChange},
};
use crate::Migrations;

/// What a database is to become.
#[derive(Debug, Clone)]
pub struct Goal {
    pub(super) rights: Rights,
    /// The primary first. None: only the rights are wanted.
    sites: Vec<Site>,
    /// Those that live everywhere first, since the others refer to them.
    pub(super) tables: Vec<(String, Placement)>,
    extent: Extent,
}

impl Goal {
    /// The tables of these systems at these sites, the primary first, and what the services' role may do with them.
    #[must_use]
    pub fn new(systems: &[&'static Migrations], sites: Vec<Site>, extent: Extent) -> Self {
        let mut tables: Vec<(String, Placement)> = systems
            .iter()
            .flat_map(|system| {
                let declared = system.localities.iter();
                declared.map(|(table, place)| (format!("{}.{table}", system.system), *place))
            })
            .collect();
        tables.sort_by_key(|(_, place)| *place != Placement::Global);
        Self {
            rights: Rights::declared(systems),
            sites,
            tables,
            extent,
        }
    }

    /// What the services' role may do, and nothing else.
    #[must_use]
    pub fn rights(systems: &[&'static Migrations]) -> Self {
        Self::new(systems, Vec::new(), Extent::Grow)
    }

    /// What this cluster calls the regions, the primary first.
    ///
    /// # Errors
    /// Why none can be had.
    pub fn regions(&self, now: &Catalogue) -> Result<Vec<String>, Hindrance> {
        let target = self.target(now)?;
        let regions = target.map_or_else(Vec::new, |target| target.regions);
        Ok(regions.into_iter().map(|(_, name)| name).collect())
    }

    /// Whether it is about places at all.
    pub(super) fn has_sites(&self) -> bool {
        !self.sites.is_empty()
    }

    /// Its own schemas.
    pub(super) fn schemas(&self) -> Vec<String> {
        self.rights.schemas.iter().cloned().collect()
    }

    /// What is wanted of this cluster, in its own names. None where nothing is to be placed.
    pub(super) fn target(&self, now: &Catalogue) -> Result<Option<Target<'_>>, Hindrance> {
        let cluster = match &now.cluster {
            _ if self.sites.is_empty() => return Ok(None),
            Cluster::Unplaceable => return Ok(None),
            Cluster::Unseen => return Err(Hindrance::Unseen),
            Cluster::Regions(none) if none.is_empty() => return Err(Hindrance::NoRegions),
            Cluster::Regions(cluster) => cluster,
        };
        let known = |name: &&String| cluster.contains(*name) || now.regions.contains(*name);
        let (mut regions, mut missing) = (Vec::new(), Vec::new());
        for site in &self.sites {
            match site.names.iter().find(known) {
                Some(name) => regions.push((site.tag.as_str().to_owned(), name.clone())),
                None => missing.push(site.clone()),
            }
        }
        if missing.is_empty() {
            Ok(Some(Target {
                regions,
                tables: &self.tables,
                extent: self.extent,
            }))
        } else {
            Err(Hindrance::NotInCluster {
                missing,
                cluster: cluster.clone(),
            })
        }
    }
}

/// Fewer cannot hold a majority without one of them.
const REGIONS_TO_SURVIVE: usize = 3;

/// What is wanted of one cluster.
pub(super) struct Target<'a> {
    /// Tag and the cluster's name of it, the primary first.
    regions: Vec<(String, String)>,
    tables: &'a [(String, Placement)],
    extent: Extent,
}

impl Target<'_> {
    /// The next thing to change: regions are added before and dropped after the tables that map them.
    pub(super) fn next(&self, now: &Catalogue) -> Option<Change> {
        self.next_before_tables(now)
            .or_else(|| self.next_of_tables(now))
            .or_else(|| self.next_after_tables(now))
    }

    fn next_before_tables(&self, now: &Catalogue) -> Option<Change> {
        let (_, primary) = self.regions.first()?;
        if now.regions.is_empty() {
            return Some(Change::Primary(primary.clone()));
        }
        let mut names = self.regions.iter().map(|(_, name)| name);
        if let Some(missing) = names.find(|name| !now.regions.contains(*name)) {
            return Some(Change::AddRegion(missing.clone()));
        }
        if now.primary.as_ref() != Some(primary) {
            return Some(Change::Primary(primary.clone()));
        }
        let count = match self.extent {
            Extent::Grow => now.regions.len(),
            Extent::Whole => self.wanted().len(),
        };
        (count >= REGIONS_TO_SURVIVE && !now.survives_region).then_some(Change::SurviveRegion)
    }

    /// Two tags may be one region of the cluster.
    fn wanted(&self) -> BTreeSet<&String> {
        self.regions.iter().map(|(_, name)| name).collect()
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
        let wanted = self.wanted();
        // The third region cannot be dropped from a database that is to outlive one.
        if now.survives_region && wanted.len() < REGIONS_TO_SURVIVE {
            return Some(Change::SurviveZone);
        }
        let surplus = now.regions.iter().find(|name| !wanted.contains(name));
        surplus.map(|name| Change::DropRegion(name.clone()))
    }

    fn next_of_table(
        &self,
        now: &Catalogue,
        table: &Table,
        place: Placement,
    ) -> Option<TableChange> {
        let (change, ttl) = match place {
            Placement::Global => (to_global(table), None),
            Placement::RegionalByRow { ttl } => (to_row(table, &self.mapping(now, table)), ttl),
        };
        let ttl = match table.ttl.as_deref() {
            have if have == ttl => None,
            // All that makes up another one goes first.
            Some(_) => Some(TableChange::Ttl(None)),
            None => Some(TableChange::Ttl(ttl)),
        };
        // All of a table is done in one unlocked stretch.
        match change.or(ttl) {
            Some(_) if table.locked => Some(TableChange::Unlock),
            None if now.locks && !table.locked => Some(TableChange::Lock),
            change => change,
        }
    }

    /// What a table's column is to map, in the order of its expression.
    fn mapping(&self, now: &Catalogue, table: &Table) -> Vec<(String, String)> {
        let mut mapping = self.regions.clone();
        if self.extent == Extent::Grow {
            let others = now.tables.values().filter_map(Table::taken).flatten();
            let kept: Mapping = match table.taken() {
                Some(taken) => taken.clone(),
                // Not placed yet: it is to take what the others take.
                None => others
                    .map(|(tag, name)| (tag.clone(), name.clone()))
                    .collect(),
            };
            let is_new = |tag: &String| self.regions.iter().all(|(known, _)| known != tag);
            let kept = kept.into_iter().filter(|(tag, _)| is_new(tag));
            let named = kept.map(|(tag, name)| {
                let name = Some(name).filter(|name| !name.is_empty());
                (tag.clone(), name.unwrap_or(tag))
            });
            mapping.extend(named.filter(|(_, name)| now.regions.contains(name)));
        }
        mapping
    }
}

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
fn to_row(table: &Table, target: &[(String, String)]) -> Option<TableChange> {
    // What is printed as bytes has no name, and is believed.
    let maps = |map: &Mapping, (tag, name): &(String, String)| {
        map.get(tag)
            .is_some_and(|found| found.is_empty() || found == name)
    };
    let maps_target =
        |map: &Mapping| map.len() == target.len() && target.iter().all(|pair| maps(map, pair));
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
