//! One connection at work for one request: statements, counted.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures_util::future::join;
use kernel::Call;
use tokio_postgres::{
    SimpleQueryMessage, Statement,
    types::{FromSql, ToSql},
};

use crate::{
    DbError,
    connection::Connection,
    moment::Nearest,
    pool::{Lease, Shared, Ticket},
    verdict::Verdict,
};

/// A connection at work for one request. Statements polled together are pipelined: they share a round trip, and are sent
/// in the order in which they were first polled, also where one of them is still being prepared.
#[derive(Debug)]
pub struct Session {
    connection: Line,
    /// Held from a statement's first poll until it is sent.
    turn: tokio::sync::Mutex<()>,
    call: Call,
    /// The rows live in another region: each round trip crosses.
    remote: bool,
    /// The past moment that statements show which each are a transaction of their own.
    moment: Option<Nearest>,
    wire: Mutex<Wire>,
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one per request: a box would cost more than the bytes"
)]
enum Line {
    Leased(Lease),
    Shared(Arc<Shared>),
}

/// What the first poll of a statement came to.
enum First<T> {
    Answered(T),
    /// With its ticket, on a shared connection.
    Sent(Option<Ticket>),
}

/// What went over the wire.
#[derive(Debug)]
struct Wire {
    /// Statements sent so far; also the next one's place in wire order.
    sent: u64,
    /// Something was answered since the last statement was sent: the next one begins a round trip.
    answered: bool,
    /// The first failure in wire order: those behind it are only its followers (25P02).
    failure: Option<(u64, DbError)>,
    /// What is not answered yet, on a shared connection.
    under_way: Vec<Ticket>,
}

impl Session {
    pub(crate) fn leased(lease: Lease, call: &Call, remote: bool) -> Self {
        Self::new(Line::Leased(lease), call, remote)
    }

    pub(crate) fn shared(shared: Arc<Shared>, call: &Call, remote: bool) -> Self {
        Self::new(Line::Shared(shared), call, remote)
    }

    fn new(connection: Line, call: &Call, remote: bool) -> Self {
        let wire = Wire {
            sent: 0,
            answered: true,
            failure: None,
            under_way: Vec::new(),
        };
        Self {
            connection,
            turn: tokio::sync::Mutex::default(),
            call: call.clone(),
            remote,
            moment: None,
            wire: Mutex::new(wire),
        }
    }

    /// The same, for one row as the nearest replica has it.
    pub(crate) fn showing(self, moment: Nearest) -> Self {
        Self {
            moment: Some(moment),
            ..self
        }
    }

    /// Every row of a statement.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn rows(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, DbError> {
        let (turn, statement) = join(self.turn(), self.prepare(sql)).await;
        let statement = statement?;
        let rows = if let Some(moment) = self.moment {
            let text = in_the_past(sql, moment)?;
            // Not prepared under a name: each moment makes another text, and a plan made for any value may look into
            // other regions, which bounded staleness does not allow.
            let params: Vec<_> = params
                .iter()
                .zip(statement.params())
                .map(|(param, kind)| (*param, kind.clone()))
                .collect();
            self.sent(turn, self.client().query_typed(&text, &params))
                .await?
        } else {
            self.sent(turn, self.client().query(&statement, params))
                .await?
        };
        self.count_rows(rows.len() as u64);
        Ok(rows.into_iter().map(Row).collect())
    }

    /// The first row of a statement, if there is one.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn row_opt(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, DbError> {
        Ok(self.rows(sql, params).await?.into_iter().next())
    }

    /// The row of a statement that always gives one.
    ///
    /// # Errors
    /// [`DbError::NoRow`] if it did not.
    pub async fn row(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, DbError> {
        self.row_opt(sql, params).await?.ok_or(DbError::NoRow)
    }

    /// Runs a statement; how many rows it wrote.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn execute(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, DbError> {
        if self.moment.is_some() {
            return Err(DbError::NotOneRow); // nothing is written into the past
        }
        let (turn, statement) = join(self.turn(), self.prepare(sql)).await;
        let statement = statement?;
        let asking = self.client().execute(&statement, params);
        let written = self.sent(turn, asking).await?;
        self.count_rows(written);
        Ok(written)
    }

    /// Runs text without parameters by the simple protocol: BEGIN, COMMIT, SET.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), DbError> {
        let turn = self.turn().await;
        self.sent(turn, self.client().batch_execute(sql)).await
    }

    /// The first value of a statement without parameters, as text, by the simple protocol.
    pub(crate) async fn text(&self, sql: &str) -> Result<String, DbError> {
        let turn = self.turn().await;
        let messages = self.sent(turn, self.client().simple_query(sql)).await?;
        messages
            .iter()
            .find_map(|message| {
                if let SimpleQueryMessage::Row(row) = message {
                    row.get(0)
                } else {
                    None
                }
            })
            .map(str::to_owned)
            .ok_or(DbError::NoRow)
    }

    /// The statement's turn, in the order of first polls. Not subject to the task's budget, which could send a later
    /// statement ahead of this one.
    async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        tokio::task::unconstrained(self.turn.lock()).await
    }

    /// The answer to what the first poll of `asking` sends, which is the end of the turn.
    async fn sent<T>(
        &self,
        turn: tokio::sync::MutexGuard<'_, ()>,
        asking: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, DbError> {
        let place = self.send();
        let mut asking = pin!(asking);
        let first = poll_fn(|context| Poll::Ready(self.first(asking.as_mut(), context))).await;
        drop(turn);
        let result = match first {
            First::Answered(result) => Ok(result),
            First::Sent(ticket) => self.answer(asking, ticket).await,
        };
        self.receive(place, result)
    }

    /// Sends a statement, by polling for its answer.
    fn first<F: Future>(&self, asking: Pin<&mut F>, context: &mut Context<'_>) -> First<F::Output> {
        let Line::Shared(shared) = &self.connection else {
            return match asking.poll(context) {
                Poll::Ready(answer) => First::Answered(answer),
                Poll::Pending => First::Sent(None),
            };
        };
        match shared.send(asking, context) {
            Err(answer) => First::Answered(answer),
            Ok(ticket) => {
                self.wire().under_way.push(ticket);
                First::Sent(Some(ticket))
            }
        }
    }

    /// The answer to what was sent.
    async fn answer<F: Future>(
        &self,
        asking: Pin<&mut F>,
        ticket: Option<Ticket>,
    ) -> Result<F::Output, DbError> {
        match (&self.connection, ticket) {
            (Line::Shared(shared), Some(ticket)) => {
                let own = || self.wire().under_way.clone();
                let answer = shared.answer(asking, ticket, own).await;
                self.wire().under_way.retain(|other| *other != ticket);
                answer
            }
            (Line::Shared(_) | Line::Leased(_), _) => Ok(asking.await),
        }
    }

    /// Makes sure that the statement is prepared, so that it is sent the moment it is first polled.
    pub(crate) async fn warm(&self, sql: &'static str) -> Result<(), DbError> {
        self.prepare(sql).await.map(drop)
    }

    /// The first failure in wire order, if any statement failed.
    pub(crate) fn failure(&self) -> Option<DbError> {
        self.wire().failure.as_ref().map(|(_, error)| error.clone())
    }

    /// COMMIT or ROLLBACK was confirmed: the connection may serve others.
    pub(crate) fn mark_clean(&mut self) {
        match &mut self.connection {
            Line::Leased(lease) => lease.mark_clean(),
            Line::Shared(_) => {}
        }
    }

    async fn prepare(&self, sql: &'static str) -> Result<Statement, DbError> {
        self.client().forget_stale_plans();
        let mut preparing = pin!(self.client().prepare_cached(sql));
        // The cache answers at once; otherwise a round trip has just begun.
        let first = poll_fn(|context| Poll::Ready(self.first(preparing.as_mut(), context))).await;
        let ticket = match first {
            First::Answered(cached) => {
                let place = self.wire().sent;
                return cached.map_err(|error| self.fail(place, error.into()));
            }
            First::Sent(ticket) => ticket,
        };
        let place = self.send();
        let result = self.answer(preparing, ticket).await;
        self.receive(place, result)
    }

    fn client(&self) -> &Connection {
        match &self.connection {
            Line::Leased(lease) => lease,
            Line::Shared(shared) => shared,
        }
    }

    fn send(&self) -> u64 {
        let (place, trip) = {
            let mut wire = self.wire();
            wire.sent += 1;
            (wire.sent, std::mem::take(&mut wire.answered))
        };
        let mut facts = self.call.facts();
        facts.statements += 1;
        if trip && (self.remote || self.client().is_away) {
            facts.cross_region += 1;
        }
        place
    }

    fn receive<T>(
        &self,
        place: u64,
        result: Result<Result<T, tokio_postgres::Error>, DbError>,
    ) -> Result<T, DbError> {
        self.wire().answered = true;
        let result = result.and_then(|answer| answer.map_err(DbError::from));
        result.map_err(|error| self.fail(place, error))
    }

    fn fail(&self, place: u64, error: DbError) -> DbError {
        if Verdict::of(&error) == Verdict::StalePlan {
            self.client().schema_changed();
        }
        let mut wire = self.wire();
        if wire
            .failure
            .as_ref()
            .is_none_or(|(first, _)| place < *first)
        {
            wire.failure = Some((place, error.clone()));
        }
        error
    }

    fn count_rows(&self, rows: u64) {
        let mut facts = self.call.facts();
        facts.rows = facts
            .rows
            .saturating_add(u32::try_from(rows).unwrap_or(u32::MAX));
    }

    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a statement says which moment it shows: the end of its FROM clause. A comment to the database.
const MOMENT: &str = "/* AS OF */";

/// The statement as one that shows the row as the nearest replica has it.
fn in_the_past(sql: &str, moment: Nearest) -> Result<String, DbError> {
    let (from, rest) = sql.split_once(MOMENT).ok_or(DbError::NotOneRow)?;
    Ok(format!("{from}{moment}{rest}"))
}

/// The forms that a statement has on CockroachDB alone, for the check against its grammar: those of the past.
#[cfg(feature = "testing")]
#[must_use]
pub fn past_forms(sql: &str) -> Vec<String> {
    let forms = Nearest::forms().into_iter();
    forms
        .filter_map(|moment| in_the_past(sql, moment).ok())
        .collect()
}

/// One row.
#[derive(Debug)]
pub struct Row(tokio_postgres::Row);

impl Row {
    /// The value of a column.
    ///
    /// # Errors
    /// [`DbError::Decode`] when there is no such column, or it holds another type.
    pub fn get<T: for<'a> FromSql<'a>>(&self, column: &str) -> Result<T, DbError> {
        self.0.try_get(column).map_err(|source| DbError::Decode {
            column: column.into(),
            source: Arc::new(source),
        })
    }
}
