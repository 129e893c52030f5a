//! What the warehouse needs to run.

use std::sync::Arc;

use kernel::{Id, Kind, RegionTag, id::ItemId};
use platform_db::{Cached, Db, Directory};
use topology::Topology;

use crate::{domain::item::Item, ops::read_items::ITEMS, places::Places};

/// The warehouse's state: cheap to clone, no globals.
#[derive(Debug, Clone)]
pub struct App {
    /// The one database.
    pub db: Db,
    /// Home regions of the offices.
    pub directory: Directory,
    /// Regions as in `regions/*.yaml`.
    pub topology: Arc<Topology>,
    /// Offices of the locations.
    pub(crate) places: Places,
    /// Items of the catalogue, for those who look at one.
    pub(crate) items: Cached<ItemId, Option<Item>>,
}

impl App {
    /// The warehouse over this database.
    #[must_use]
    pub fn new(db: Db, directory: Directory, topology: Arc<Topology>) -> Self {
        Self {
            places: Places::new(db.clone(), directory.clone()),
            items: Cached::new(&db, &ITEMS),
            db,
            directory,
            topology,
        }
    }

    /// Where a resource is looked for first: the region that its id names, if it is one.
    pub(crate) fn hinted<K: Kind>(&self, id: &Id<K>) -> RegionTag {
        let named = self
            .db
            .regions()
            .iter()
            .find(|region| *region == id.region());
        named.unwrap_or(self.db.primary()).clone()
    }
}
