//! Reading what a database reports, and running a plan on it.

use std::{cell::Cell, collections::BTreeSet};

use tokio_postgres::SimpleQueryMessage;

use super::{Catalogue, Goal, Step, Table, plan};
use crate::{
    DbError, MigrateError,
    engine::{Engine, VERSION},
    migrate::{connect, is_worth_repeating, owner_pool, under_lease},
    pool::{Object, Pool},
    write::{RECONNECT_PAUSE_MS, pause},
};

const DATABASE: &str = "SELECT current_database()";

/// Names of regions are of a type of the database's own, which drivers do not know: all is read as text.
const CLUSTER: &str = "SELECT region::TEXT AS region FROM [SHOW REGIONS FROM CLUSTER]";
const REGIONS: &str = "SELECT region::TEXT AS region FROM [SHOW REGIONS FROM DATABASE]";
const PRIMARY: &str =
    "SELECT region::TEXT AS region FROM [SHOW REGIONS FROM DATABASE] WHERE \"primary\"";
const SURVIVAL: &str = "SELECT survival_goal::TEXT AS goal FROM [SHOW SURVIVAL GOAL FROM DATABASE]";
const LOCKS: &str = "SHOW create_table_with_schema_locked";

/// Those that PostgreSQL knows as well; the others are checked by CockroachDB's grammar alone.
pub(crate) const STATEMENTS: &[&str] = &[DATABASE];

/// What the database of the URL reports of its placement, as the role of the URL, which must own it. None on
/// PostgreSQL, where there is nothing to place.
///
/// # Errors
/// [`MigrateError::Db`].
pub async fn read(owner_url: &str, goal: &Goal) -> Result<Option<Catalogue>, MigrateError> {
    let client = connect(&owner_pool(owner_url)?).await?;
    Ok(catalogue(&client, goal).await?)
}

/// Plans and runs the plan, under the lease of migrations, told statement by statement to `progress`; goes on from
/// where it was when the connection breaks or another transaction was first. How many statements were run.
///
/// # Errors
/// [`MigrateError`]; what was run stays, and the next call goes on from there.
pub async fn apply(
    owner_url: &str,
    goal: &Goal,
    progress: impl Fn(&str),
) -> Result<usize, MigrateError> {
    const BREAKS_MAX: u32 = 5;
    let job = Job {
        pool: owner_pool(owner_url)?,
        goal,
        progress: &progress,
        done: Cell::new(0),
    };
    let mut breaks = 0;
    loop {
        let before = job.done.get();
        let Err(error) = job.run().await else {
            return Ok(job.done.get());
        };
        // A run that got somewhere may break as often as it likes.
        breaks = if job.done.get() > before {
            1
        } else {
            breaks + 1
        };
        if breaks >= BREAKS_MAX || !is_worth_repeating(&error) {
            return Err(error);
        }
        progress("the connection broke or another writer was first: going on from here");
        pause(RECONNECT_PAUSE_MS).await;
    }
}

/// One call of [`apply`].
struct Job<'a> {
    pool: Pool,
    goal: &'a Goal,
    progress: &'a dyn Fn(&str),
    done: Cell<usize>,
}

impl Job<'_> {
    async fn run(&self) -> Result<(), MigrateError> {
        let worker = connect(&self.pool).await?;
        if engine(&worker).await? == Engine::Postgres {
            return Ok(());
        }
        under_lease(&self.pool, self.progress, self.place(&worker)).await
    }

    async fn place(&self, worker: &Object) -> Result<(), MigrateError> {
        let Some(catalogue) = catalogue(worker, self.goal).await? else {
            return Ok(());
        };
        let steps = plan(&catalogue, self.goal)?;
        for (index, step) in steps.iter().enumerate() {
            let Step { statement, .. } = step;
            (self.progress)(&format!("{}/{}: {statement}", index + 1, steps.len()));
            worker.batch_execute(statement).await?;
            self.done.set(self.done.get() + 1);
        }
        Ok(())
    }
}

async fn engine(client: &Object) -> Result<Engine, DbError> {
    let version = texts(client, VERSION).await?;
    Ok(Engine::from_version(
        version.first().map_or("", String::as_str),
    ))
}

async fn catalogue(client: &Object, goal: &Goal) -> Result<Option<Catalogue>, DbError> {
    if engine(client).await? == Engine::Postgres {
        return Ok(None);
    }
    let primary = texts(client, PRIMARY).await?.into_iter().next();
    // A database without regions has no goal either.
    let goals = match primary {
        Some(_) => texts(client, SURVIVAL).await?,
        None => Vec::new(),
    };
    let mut found = Catalogue {
        database: texts(client, DATABASE).await?.into_iter().collect(),
        cluster: set(texts(client, CLUSTER).await?),
        regions: set(texts(client, REGIONS).await?),
        primary,
        survives_region: goals == ["region"],
        locks: texts_if(client, LOCKS, "42704")
            .await?
            .is_some_and(|on| on == ["on"]),
        ..Catalogue::default()
    };
    for (name, _) in &goal.tables {
        let show = show_create(name);
        // Not migrated yet.
        let shown = texts_if(client, &show, "42P01").await?;
        if let Some(text) = shown.and_then(|texts| texts.into_iter().next()) {
            found.tables.insert(name.clone(), Table::shown(&text));
        }
    }
    Ok(Some(found))
}

fn show_create(table: &str) -> String {
    format!("SELECT create_statement FROM [SHOW CREATE TABLE {table}]")
}

fn set(names: Vec<String>) -> BTreeSet<String> {
    names.into_iter().collect()
}

/// The first column of every row.
async fn texts(client: &Object, sql: &str) -> Result<Vec<String>, DbError> {
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
async fn texts_if(client: &Object, sql: &str, code: &str) -> Result<Option<Vec<String>>, DbError> {
    match texts(client, sql).await {
        Err(error) if error.code() == Some(code) => Ok(None),
        texts => texts.map(Some),
    }
}
