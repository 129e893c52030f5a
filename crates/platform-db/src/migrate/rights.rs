//! The role that services connect as, and what it may do: nothing that is not named (hard case 35).

use crate::pool::Object;

use super::{MigrateError, Migrations, until_alone};

const ROLE: &str = "meridian_app";

/// How an insecure cluster answers whoever sets a password (`invalid_password`).
const NO_PASSWORDS: &str = "28P01";

/// `CREATE ROLE` has no portable IF NOT EXISTS.
pub(super) const FIND_ROLE: &str =
    "SELECT count(*)::INT8 AS found FROM pg_catalog.pg_roles WHERE rolname = 'meridian_app'";

/// Rights that can be given on a table.
const RIGHTS: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

/// Creates the role if there is none, and sets its password if one is given. Whether it was created.
///
/// A CockroachDB cluster that was started with `--insecure` asks nobody for a password and stores none: there the role
/// is as good without.
pub(super) async fn ensure_role(
    client: &Object,
    password: Option<&str>,
    progress: &dyn Fn(&str),
) -> Result<bool, MigrateError> {
    let found: i64 = client.query_one(FIND_ROLE, &[]).await?.try_get("found")?;
    let created = found == 0 && create_role(client).await?;
    if let Some(password) = password {
        // DDL takes no parameters: a text literal, its quotes doubled.
        let literal = password.replace('\'', "''");
        let set = format!("ALTER ROLE {ROLE} WITH PASSWORD '{literal}'");
        match until_alone(client, &set).await {
            Err(MigrateError::Db(error)) if error.code() == Some(NO_PASSWORDS) => {
                progress("the cluster is insecure: the services' role has no password");
            }
            other => other?,
        }
    }
    Ok(created)
}

/// Whether it was us who created it: roles belong to the whole server, where other databases migrate too.
async fn create_role(client: &Object) -> Result<bool, MigrateError> {
    match client
        .batch_execute(&format!("CREATE ROLE {ROLE} WITH LOGIN"))
        .await
    {
        Ok(()) => Ok(true),
        Err(error) => match error.code().map(tokio_postgres::error::SqlState::code) {
            Some("42710" | "23505") => Ok(false),
            _ => Err(error.into()),
        },
    }
}

/// Gives the role what the system names, and takes away what it does not. No moment in between has fewer rights
/// than both: services go on while this runs.
pub(super) async fn grant(client: &Object, system: &Migrations) -> Result<(), MigrateError> {
    let schema = system.system;
    until_alone(client, &format!("GRANT USAGE ON SCHEMA {schema} TO {ROLE}")).await?;
    let history = system.history();
    until_alone(
        client,
        &format!("GRANT SELECT ON TABLE {history} TO {ROLE}"),
    )
    .await?;
    for (table, rights) in system.grants {
        until_alone(
            client,
            &format!("GRANT {rights} ON TABLE {schema}.{table} TO {ROLE}"),
        )
        .await?;
        let refused = refused_rights(rights);
        if !refused.is_empty() {
            let revoke = format!("REVOKE {refused} ON TABLE {schema}.{table} FROM {ROLE}");
            until_alone(client, &revoke).await?;
        }
    }
    Ok(())
}

fn refused_rights(given: &str) -> String {
    let given: Vec<&str> = given.split(',').map(str::trim).collect();
    RIGHTS
        .into_iter()
        .filter(|right| !given.contains(right))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_is_refused() {
        assert_eq!(refused_rights("SELECT, INSERT"), "UPDATE, DELETE");
        assert_eq!(refused_rights("SELECT, INSERT, UPDATE, DELETE"), "");
    }
}
