//! What the hub needs to run.

use std::sync::Arc;

use platform_db::{Db, Directory};
use topology::Topology;

use crate::peers::Peers;

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
}
