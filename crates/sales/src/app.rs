//! What sales needs to run.

use kernel::{Id, Kind, RegionTag};
use platform_db::{Db, Directory};

/// The state of sales: cheap to clone, no globals.
#[derive(Debug, Clone)]
pub struct App {
    /// The one database.
    pub db: Db,
    /// Home regions of the offices.
    pub directory: Directory,
    /// What is sold, and where it lies.
    pub warehouse: warehouse::App,
}

impl App {
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
