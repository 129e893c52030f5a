//! The password of the role that services connect as; all else about it is in the plan (`placement::rights`).

use super::{MigrateError, until_alone};
use crate::{
    placement::{ROLE, literal},
    pool::Object,
};

/// Sets the password of the services' role.
pub(super) async fn set_password(
    client: &Object,
    password: &str,
    progress: &dyn Fn(&str),
) -> Result<(), MigrateError> {
    // DDL takes no parameters.
    let sql = format!("ALTER ROLE {ROLE} WITH PASSWORD {}", literal(password));
    match until_alone(client, &sql).await {
        // invalid_password: a CockroachDB without certificates, which believes everybody, keeps none.
        Err(MigrateError::Db(error)) if error.code() == Some("28P01") => {
            progress("the cluster is insecure: the services' role has no password");
            Ok(())
        }
        set => set,
    }
}
