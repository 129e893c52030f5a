//! PostgreSQL: a template database per set of schemas, migrated once, from which the database of a test is cloned.

use platform_db::{DatabaseUrl, Migrations, Pool};
use rand::Rng as _;
use tokio_postgres::error::SqlState;

use crate::db::{APP_PASSWORD, at, patiently, pool};

/// Clones the template, making it if nobody has.
pub(crate) async fn clone(
    server: &DatabaseUrl,
    template: &str,
    systems: &[&'static Migrations],
) -> String {
    let maintenance = pool(&server.expose());
    make(&maintenance, server, template, systems).await;
    let name = format!("test_{:016x}", rand::rng().random::<u64>());
    let clone = format!("CREATE DATABASE {name} TEMPLATE {template}");
    let client = patiently(|| maintenance.get()).await;
    run_patiently(&client, &clone).await;
    name
}

/// Every process of every test agrees on the template's name; one of them makes it.
async fn make(
    maintenance: &Pool,
    server: &DatabaseUrl,
    template: &str,
    systems: &[&'static Migrations],
) {
    let client = patiently(|| maintenance.get()).await;
    // One lock for all templates: roles are shared by the whole server.
    client
        .batch_execute("SELECT pg_advisory_lock(1)")
        .await
        .expect("a lock");
    let found = client
        .query_one(
            "SELECT count(*)::INT8 FROM pg_database WHERE datname = $1",
            &[&template],
        )
        .await
        .expect("a count");
    if found.get::<_, i64>(0) == 0 {
        let building = format!("building_{:016x}", rand::rng().random::<u64>());
        client
            .batch_execute(&format!("CREATE DATABASE {building}"))
            .await
            .expect("a database");
        platform_db::migrate(&at(server, &building), systems, Some(APP_PASSWORD), |_| {})
            .await
            .unwrap_or_else(|error| panic!("the schemas can be migrated: {error:?}"));
        // Who is no superuser sees and ends sessions only of roles that it has: where it may, it takes this one.
        client
            .batch_execute("GRANT meridian_app TO CURRENT_USER")
            .await
            .ok();
        let rename = format!("ALTER DATABASE {building} RENAME TO {template}");
        run_patiently(&client, &rename).await;
    }
    client
        .batch_execute("SELECT pg_advisory_unlock(1)")
        .await
        .expect("our own lock");
}

/// A database that somebody is just leaving cannot be renamed or cloned yet (55006).
async fn run_patiently(client: &tokio_postgres::Client, sql: &str) {
    crate::eventually(sql, async || match client.batch_execute(sql).await {
        Ok(()) => true,
        Err(error) if error.code() == Some(&SqlState::OBJECT_IN_USE) => false,
        Err(error) => panic!("{sql}: {error:?}"),
    })
    .await;
}
