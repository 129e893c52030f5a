//! States of a PostgreSQL, kept while the test runs: what it was a few seconds ago can be read.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kernel::Timestamp;
use platform_db::{Object, Pool};
use tokio::{sync::watch, time::interval};

use crate::{db::pool, proxy::spawn};

/// A state is kept this often.
const STEP: Duration = Duration::from_millis(100);
/// Each statement of the transaction has a snapshot of its own; they are kept until it ends.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
const TIME: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::INT8";
const EXPORT: &str = "SELECT pg_export_snapshot()";

/// States since it began, or since the server did.
#[derive(Debug)]
pub(super) struct History {
    before: Before,
    kept: Arc<Mutex<States>>,
    _alive: watch::Sender<()>,
}

type States = Vec<(Timestamp, String)>;

/// What there was before the first state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// No table.
    Nothing,
    /// The same: a database that has long been as it was then.
    TheSame,
}

/// What there is of a moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It lies before everything.
    Younger,
    /// A snapshot that transactions can be given: it has all that was committed by then, and at most a step more.
    Snapshot(String),
    /// The state there is now is the nearest to it.
    Present,
}

impl History {
    pub(super) async fn keep(url: &str, before: Before) -> Self {
        let (alive, mut gone) = watch::channel(());
        let pool = pool(url);
        let first = begun(&pool).await;
        let first = first.unwrap_or_else(|error| panic!("{error:?}"));
        let begins = state(&first).await;
        let begins = begins.unwrap_or_else(|error| panic!("{error:?}"));
        let kept = Arc::new(Mutex::new(vec![begins]));
        let keeping = Arc::clone(&kept);
        spawn(async move {
            let (mut steps, mut transaction) = (interval(STEP), Some(first));
            loop {
                tokio::select! {
                    _ = gone.changed() => return,
                    _ = steps.tick() => {}
                }
                let state = match &transaction {
                    Some(transaction) => state(transaction).await.ok(),
                    None => None,
                };
                let lost = state.is_none();
                {
                    let mut states = keeping.lock().unwrap_or_else(PoisonError::into_inner);
                    match state {
                        Some(state) => states.push(state),
                        // The server went away, and every snapshot with it.
                        None => states.clear(),
                    }
                }
                if lost {
                    transaction = begun(&pool).await.ok();
                }
            }
        });
        Self {
            before,
            kept,
            _alive: alive,
        }
    }

    /// Whether the state of that time was kept.
    pub(super) fn reaches(&self, time: Timestamp) -> bool {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.last().is_some_and(|(last, _)| *last >= time)
    }

    pub(super) fn at(&self, time: Timestamp) -> Kept {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if self.before == Before::Nothing && kept.first().is_none_or(|(first, _)| time < *first) {
            return Kept::Younger;
        }
        let since = kept.iter().find(|(at, _)| *at >= time);
        since.map_or(Kept::Present, |(_, id)| Kept::Snapshot(id.clone()))
    }
}

async fn begun(pool: &Pool) -> Result<Object, String> {
    let connection = pool.get().await.map_err(|error| format!("{error:?}"))?;
    let begun = connection.batch_execute(BEGIN).await;
    begun.map_err(|error| format!("{error:?}"))?;
    Ok(connection)
}

async fn state(transaction: &Object) -> Result<(Timestamp, String), tokio_postgres::Error> {
    let time = transaction.query_one(TIME, &[]).await?;
    let snapshot = transaction.query_one(EXPORT, &[]).await?;
    Ok((Timestamp::from_millis(time.get(0)), snapshot.get(0)))
}
