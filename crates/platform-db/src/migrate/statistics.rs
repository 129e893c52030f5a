//! Fresh statistics after much was written at once: on stale ones CockroachDB turns look-ups by key into scans.

use super::{MigrateError, Migrations, connect, owner_pool};

/// Has the database look at every table of the systems anew, as the role of the URL, which must own them.
///
/// # Errors
/// [`MigrateError::Db`].
pub async fn analyze(owner_url: &str, systems: &[&'static Migrations]) -> Result<(), MigrateError> {
    let client = connect(&owner_pool(owner_url)?).await?;
    for system in systems {
        for (table, _) in system.grants {
            client
                .batch_execute(&format!("ANALYZE {}.{table}", system.system))
                .await?;
        }
    }
    Ok(())
}
