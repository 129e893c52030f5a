//! Fresh statistics after much was written at once: on stale ones CockroachDB turns look-ups by key into scans.
//!
//! The owner takes them of everything at once. What services need to do the same after an import is given to their role
//! here.

use super::{MigrateError, Migrations, connect, owner_pool, until_alone};
use crate::{
    engine::{Engine, VERSION},
    placement::ROLE,
    pool::Object,
};

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

/// Lets the services' role take statistics of the systems' tables and of no others. PostgreSQL lets owners alone do that
/// (before its release 17), so a function of the owner's does it; on CockroachDB who may read a table may do it.
pub(super) async fn permit(
    client: &Object,
    systems: &[&'static Migrations],
) -> Result<(), MigrateError> {
    let version: String = client.query_one(VERSION, &[]).await?.try_get(0)?;
    if Engine::from_version(&version) == Engine::Cockroach {
        return Ok(());
    }
    let tables = systems.iter().flat_map(|system| {
        let names = system.grants.iter();
        names.map(|(table, _)| format!("'{}.{table}'", system.system))
    });
    let tables: Vec<String> = tables.collect();
    let create = format!(
        "CREATE OR REPLACE FUNCTION platform.take_statistics(wanted TEXT) RETURNS VOID
         LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
         BEGIN
             IF wanted NOT IN ({}) THEN
                 RAISE EXCEPTION 'not a table of which statistics are taken: %', wanted
                     USING ERRCODE = 'insufficient_privilege';
             END IF;
             EXECUTE 'ANALYZE ' || wanted;
         END $$",
        tables.join(", ")
    );
    let revoke = format!("REVOKE ALL ON FUNCTION {FUNCTION} FROM PUBLIC");
    let grant = format!("GRANT EXECUTE ON FUNCTION {FUNCTION} TO {ROLE}");
    for sql in [&create, &revoke, &grant] {
        until_alone(client, sql).await?;
    }
    Ok(())
}

const FUNCTION: &str = "platform.take_statistics(TEXT)";
