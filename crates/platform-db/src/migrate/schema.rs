//! Whether a server may serve the schemas it finds.

use std::{sync::Arc, time::Instant};

use tokio::time::timeout_at;

use crate::{Db, DbError, Migrations, SchemaError, migrate::MigrateError};

/// A start that takes longer is not a start.
const CHECK_WAIT: std::time::Duration = std::time::Duration::from_secs(5);

impl Db {
    /// Whether this program may serve the schemas it finds: exactly the versions it knows (`platform` is checked
    /// whether named or not).
    ///
    /// # Errors
    /// [`SchemaError`].
    pub async fn check_schema(&self, systems: &[&'static Migrations]) -> Result<(), SchemaError> {
        let platform = crate::migrations();
        let others = systems
            .iter()
            .copied()
            .filter(|system| system.system != platform.system);
        for system in std::iter::once(platform).chain(others) {
            let known = system.newest().map_err(|error| match error {
                MigrateError::Db(error) => error,
                other @ (MigrateError::Refinery { .. }
                | MigrateError::Leased { .. }
                | MigrateError::Step { .. }
                | MigrateError::Placement(_)) => DbError::Driver {
                    source: Arc::new(other),
                },
            })?;
            let found = self.schema_version(system).await?;
            let system = system.system;
            match found.cmp(&known) {
                std::cmp::Ordering::Greater => {
                    return Err(SchemaError::Unknown {
                        system,
                        found,
                        known,
                    });
                }
                std::cmp::Ordering::Less => {
                    return Err(SchemaError::Behind {
                        system,
                        found,
                        known,
                    });
                }
                std::cmp::Ordering::Equal => {}
            }
        }
        Ok(())
    }

    async fn schema_version(&self, system: &Migrations) -> Result<i64, DbError> {
        let deadline = Instant::now() + CHECK_WAIT;
        let sql = system.version_query();
        let asked = async {
            let shared = self.pools().asking(deadline).await?;
            Ok(shared.query_one(&sql, &[]).await?.try_get(0)?)
        };
        match timeout_at(deadline.into(), asked)
            .await
            .unwrap_or(Err(DbError::Timeout))
        {
            // Neither table nor schema, or no right to look: nothing was migrated here.
            Err(error) if matches!(error.code(), Some("42P01" | "3F000" | "42501")) => Ok(0),
            version => version,
        }
    }
}
