//! What the hub needs to run.

use std::sync::Arc;

use kernel::{OfficeCode, Order};
use platform_db::{Cached, Db, Directory, offices::Office};
use topology::Topology;

use crate::{
    ops::{
        nearest_offices::ACTIVE,
        read_offices::{ALL, OFFICES},
    },
    peers::Peers,
};

/// The hub's state: cheap to clone, no globals.
#[derive(Debug, Clone)]
pub struct App {
    /// The one database.
    pub db: Db,
    /// Home regions of the offices.
    pub directory: Directory,
    /// Regions as in `regions/*.yaml`.
    pub topology: Arc<Topology>,
    /// How the regions are.
    pub peers: Peers,
    /// Offices, for those who look at one.
    pub(crate) offices: Cached<OfficeCode, Option<Office>>,
    /// First pages of all offices.
    pub(crate) all_offices: Cached<(u16, Order), Vec<Office>>,
    /// Those that are open, for those who look for the nearest.
    pub(crate) active_offices: Cached<(), Vec<Office>>,
}

impl App {
    /// The hub over this database.
    #[must_use]
    pub fn new(db: Db, directory: Directory, topology: Arc<Topology>, peers: Peers) -> Self {
        Self {
            offices: Cached::new(&db, &OFFICES),
            all_offices: Cached::new(&db, &ALL),
            active_offices: Cached::new(&db, &ACTIVE),
            db,
            directory,
            topology,
            peers,
        }
    }
}
