//! Reading what a database reports.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::{Client, SimpleQueryMessage};

use super::{
    Catalogue, Cluster, Goal, Rights, Table,
    rights::{RIGHTS, canonical},
};
use crate::{
    DbError, MigrateError,
    engine::{Engine, VERSION},
    migrate::{connect, owner_pool},
};

const DATABASE: &str = "SELECT current_database()";

const FIND_ROLE: &str =
    "SELECT count(*)::INT8 AS found FROM pg_catalog.pg_roles WHERE rolname = 'meridian_app'";

/// Settings of the role in every database: `name=value`.
const DEFAULTS: &str = "
    SELECT unnest(s.setconfig)::TEXT AS setting
    FROM pg_catalog.pg_db_role_setting AS s JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
    WHERE r.rolname = 'meridian_app' AND s.setdatabase = 0";

const PRESENT: &str = "
    SELECT table_schema::TEXT AS schema, table_name::TEXT AS name FROM information_schema.tables
    WHERE table_schema::TEXT = ANY($1::TEXT[])";

const USABLE: &str = "
    SELECT nspname::TEXT AS schema FROM pg_catalog.pg_namespace
    WHERE nspname::TEXT = ANY($1::TEXT[]) AND has_schema_privilege('meridian_app', oid, 'USAGE')";

/// Who may do anything may do this, whatever is revoked.
const CREATES: &str = "
    SELECT count(*)::INT8 AS found FROM pg_catalog.pg_namespace AS n
    JOIN pg_catalog.pg_roles AS r ON r.rolname = 'meridian_app' AND NOT r.rolsuper
    WHERE n.nspname = 'public' AND has_schema_privilege('meridian_app', n.oid, 'CREATE')";

const HELD: &str = "
    SELECT table_schema::TEXT AS schema, table_name::TEXT AS name, privilege_type::TEXT AS privilege
    FROM information_schema.table_privileges
    WHERE grantee = 'meridian_app' AND table_schema::TEXT = ANY($1::TEXT[])";

/// Names of regions are of a type of the database's own, which drivers do not know: all is read as text.
const CLUSTER: &str = "SELECT region::TEXT AS region FROM [SHOW REGIONS FROM CLUSTER]";
const REGIONS: &str = "SELECT region::TEXT AS region FROM [SHOW REGIONS FROM DATABASE]";
const PRIMARY: &str =
    "SELECT region::TEXT AS region FROM [SHOW REGIONS FROM DATABASE] WHERE \"primary\"";
const SURVIVAL: &str = "SELECT survival_goal::TEXT AS goal FROM [SHOW SURVIVAL GOAL FROM DATABASE]";
const LOCKS: &str = "SHOW create_table_with_schema_locked";

/// Changes of this database's schema that are under way, also those whose client is gone. `SCHEMA CHANGE GC`, which
/// waits for hours, is none of them.
const JOBS: &str = "
    SELECT count(*)::TEXT AS jobs FROM [SHOW JOBS]
    WHERE job_type IN ('SCHEMA CHANGE', 'NEW SCHEMA CHANGE', 'TYPEDESC SCHEMA CHANGE')
        AND status IN ('pending', 'running', 'reverting')
        AND strpos(description, current_database()) > 0";

/// Those that PostgreSQL knows as well.
pub(crate) const STATEMENTS: &[&str] = &[
    DATABASE, FIND_ROLE, DEFAULTS, PRESENT, USABLE, CREATES, HELD,
];

/// Those that CockroachDB alone knows.
pub(crate) const COCKROACH_STATEMENTS: &[&str] = &[CLUSTER, REGIONS, PRIMARY, SURVIVAL, JOBS];

/// What the database of the URL reports of its placement, as the role of the URL, which must own it. None on
/// PostgreSQL, where there is nothing to place.
///
/// # Errors
/// [`MigrateError::Db`].
pub async fn read(owner_url: &str, goal: &Goal) -> Result<Option<Catalogue>, MigrateError> {
    let client = connect(&owner_pool(owner_url)?).await?;
    let found = catalogue(&client, goal).await?;
    Ok(Some(found).filter(|found| found.cluster != Cluster::Unplaceable))
}

pub(super) async fn catalogue(client: &Client, goal: &Goal) -> Result<Catalogue, DbError> {
    let schemas = goal.schemas();
    let mut found = Catalogue {
        database: texts(client, DATABASE).await?.into_iter().collect(),
        present: tables(client, PRESENT, &schemas)
            .await?
            .into_keys()
            .collect(),
        role: role(client, &schemas).await?,
        ..Catalogue::default()
    };
    if goal.has_sites() && engine(client).await? == Engine::Cockroach {
        read_regions(client, &mut found).await?;
        for (name, _) in &goal.tables {
            if found.present.contains(name) {
                let shown = texts(client, &show_create(name)).await?;
                let table = shown.first().map(|text| Table::shown(text));
                found.tables.insert(name.clone(), table.unwrap_or_default());
            }
        }
    }
    Ok(found)
}

async fn engine(client: &Client) -> Result<Engine, DbError> {
    let version = texts(client, VERSION).await?;
    Ok(Engine::from_version(
        version.first().map_or("", String::as_str),
    ))
}

async fn role(client: &Client, schemas: &Vec<String>) -> Result<Option<Rights>, DbError> {
    let found: i64 = client.query_one(FIND_ROLE, &[]).await?.try_get("found")?;
    if found == 0 {
        return Ok(None);
    }
    let mut role = Rights::default();
    for row in client.query(DEFAULTS, &[]).await? {
        let setting: String = row.try_get("setting")?;
        if let Some((name, value)) = setting.split_once('=') {
            role.defaults.insert(name.to_owned(), canonical(value));
        }
    }
    for row in client.query(USABLE, &[schemas]).await? {
        role.schemas.insert(row.try_get("schema")?);
    }
    let creates: i64 = client.query_one(CREATES, &[]).await?.try_get("found")?;
    role.creates = creates > 0;
    let all = || RIGHTS.map(str::to_owned);
    for (table, rights) in tables(client, HELD, schemas).await? {
        let held = role.tables.entry(table).or_default();
        for right in rights {
            match right.as_str() {
                // CockroachDB's word for everything.
                "ALL" => held.extend(all()),
                known if RIGHTS.contains(&known) => drop(held.insert(right)),
                // Others give nothing to read or write by.
                _ => {}
            }
        }
    }
    Ok(Some(role))
}

/// `schema.table` → what the rows say of it.
async fn tables(
    client: &Client,
    sql: &str,
    schemas: &Vec<String>,
) -> Result<BTreeMap<String, BTreeSet<String>>, DbError> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in client.query(sql, &[schemas]).await? {
        let (schema, name): (String, String) = (row.try_get("schema")?, row.try_get("name")?);
        let said = found.entry(format!("{schema}.{name}")).or_default();
        if row.len() > 2 {
            said.insert(row.try_get("privilege")?);
        }
    }
    Ok(found)
}

async fn read_regions(client: &Client, found: &mut Catalogue) -> Result<(), DbError> {
    // insufficient_privilege
    let Some(cluster) = texts_if(client, CLUSTER, "42501").await? else {
        found.cluster = Cluster::Unseen;
        return Ok(());
    };
    found.cluster = Cluster::Regions(set(cluster));
    found.regions = set(texts(client, REGIONS).await?);
    found.primary = texts(client, PRIMARY).await?.into_iter().next();
    // A database without regions has no goal either.
    if found.primary.is_some() {
        found.survives_region = texts(client, SURVIVAL).await? == ["region"];
    }
    // undefined_object: a release that does not know it
    found.locks = texts_if(client, LOCKS, "42704")
        .await?
        .is_some_and(|on| on == ["on"]);
    Ok(())
}

/// How many changes of the schema are under way; none where we may not ask.
pub(super) async fn jobs(client: &Client) -> Result<u64, DbError> {
    let jobs = texts_if(client, JOBS, "42501").await?.unwrap_or_default();
    Ok(jobs
        .first()
        .and_then(|count| count.parse().ok())
        .unwrap_or(0))
}

fn show_create(table: &str) -> String {
    format!("SELECT create_statement FROM [SHOW CREATE TABLE {table}]")
}

fn set(names: Vec<String>) -> BTreeSet<String> {
    names.into_iter().collect()
}

/// The first column of every row.
async fn texts(client: &Client, sql: &str) -> Result<Vec<String>, DbError> {
    let answer = client.simple_query(sql).await?;
    let mut found = Vec::new();
    for message in &answer {
        if let SimpleQueryMessage::Row(row) = message {
            found.extend(row.get(0).map(str::to_owned));
        }
    }
    Ok(found)
}

/// None when the database answers `code`.
async fn texts_if(client: &Client, sql: &str, code: &str) -> Result<Option<Vec<String>>, DbError> {
    match texts(client, sql).await {
        Err(error) if error.code() == Some(code) => Ok(None),
        texts => texts.map(Some),
    }
}
