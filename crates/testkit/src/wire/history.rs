//! States of a PostgreSQL, kept while the test runs: what it was a few seconds ago can be read.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kernel::Timestamp;
use tokio::{sync::watch, time::interval};

use crate::{db::pool, proxy::spawn};

/// A state is kept this often.
const STEP: Duration = Duration::from_millis(100);
const TIME: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::INT8";
const EXPORT: &str = "SELECT pg_export_snapshot()";

/// States since it began.
#[derive(Debug)]
pub(super) struct History {
    kept: Arc<Mutex<Vec<(Timestamp, String)>>>,
    _alive: watch::Sender<()>,
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
    pub(super) async fn keep(url: &str) -> Self {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let (alive, mut gone) = watch::channel(());
        let connection = pool(url).get().await;
        let connection = connection.unwrap_or_else(|error| panic!("{error:?}"));
        // One transaction, each of whose statements has a snapshot of its own; they are kept until it ends.
        connection
            .batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED")
            .await
            .expect("a transaction");
        let keeping = Arc::clone(&kept);
        spawn(async move {
            let mut steps = interval(STEP);
            loop {
                tokio::select! {
                    _ = gone.changed() => return,
                    _ = steps.tick() => {}
                }
                let Ok(time) = connection.query_one(TIME, &[]).await else {
                    return;
                };
                let Ok(snapshot) = connection.query_one(EXPORT, &[]).await else {
                    return;
                };
                let kept = (Timestamp::from_millis(time.get(0)), snapshot.get(0));
                let mut keeping = keeping.lock().unwrap_or_else(PoisonError::into_inner);
                keeping.push(kept);
            }
        });
        Self {
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
        if kept.first().is_none_or(|(first, _)| time < *first) {
            return Kept::Younger;
        }
        let since = kept.iter().find(|(at, _)| *at >= time);
        since.map_or(Kept::Present, |(_, id)| Kept::Snapshot(id.clone()))
    }
}
