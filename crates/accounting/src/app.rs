//! What accounting needs to run.

use platform_db::{Db, Directory};

/// Accounting's state: cheap to clone, no globals.
#[derive(Debug, Clone)]
pub struct App {
    /// The one database.
    pub db: Db,
    /// Home regions of the offices.
    pub directory: Directory,
}
