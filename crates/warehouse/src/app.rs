//! What the warehouse needs to run.

use std::sync::Arc;

use platform_db::{Db, Directory};
use topology::Topology;

use crate::places::Places;

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
}

impl App {
    /// The warehouse over this database.
    #[must_use]
    pub fn new(db: Db, directory: Directory, topology: Arc<Topology>) -> Self {
        Self {
            places: Places::new(db.clone(), directory.clone()),
            db,
            directory,
            topology,
        }
    }
}
