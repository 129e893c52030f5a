//! Migrations.

use std::fmt;

use crate::DbError;

/// The schema of one system, as files in order.
pub struct Migrations {
    /// Name of the system, also of its schema: `warehouse`.
    pub system: &'static str,
    /// (`V0001__create_items`, SQL), each file portable, idempotent, and one DDL statement at best.
    pub files: &'static [(&'static str, &'static str)],
    /// (table without schema, rights of the services' role): `("items", "SELECT, INSERT, UPDATE")`.
    pub grants: &'static [(&'static str, &'static str)],
}

impl fmt::Debug for Migrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migrations")
            .field("system", &self.system)
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

/// One file that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedMigration {
    /// The system whose schema it changed.
    pub system: &'static str,
    /// `V0001__create_items`
    pub name: String,
}

/// What `migrate` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrateReport {
    /// Files applied now.
    pub applied: Vec<AppliedMigration>,
    /// Files that had been applied before.
    pub unchanged: usize,
    /// Whether the services' role was created now.
    pub role_created: bool,
    /// Whether the services' role was given its rights (they are given anew each time).
    pub grants_applied: bool,
}

/// Why a migration did not end.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database said no, or could not be reached.
    #[error("could not migrate")]
    Db(#[from] DbError),
    /// A file changed after it was applied, or is missing.
    #[error("could not migrate {system}")]
    Refinery {
        /// The system.
        system: &'static str,
        /// What refinery says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another migration holds the lease.
    #[error("another migration has been running for too long (held by {holder})")]
    Leased {
        /// Who holds it.
        holder: String,
    },
}

/// The schema `platform`.
#[must_use]
pub fn migrations() -> &'static Migrations {
    unimplemented!()
}

/// Brings the schemas up to date and gives the services' role `meridian_app` its rights.
///
/// # Errors
/// [`MigrateError`].
pub async fn migrate(
    _owner_url: &str,
    _systems: &[&'static Migrations],
    _app_role_password: Option<&str>,
    _progress: impl Fn(&str),
) -> Result<MigrateReport, MigrateError> {
    unimplemented!()
}
