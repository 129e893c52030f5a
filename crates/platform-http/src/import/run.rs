//! Writes and answers an import, batch by batch.

use std::{collections::VecDeque, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures_util::FutureExt as _;
use kernel::{
    Call, Common, OpError, Reply, RowEnd, RowRefusal, RowsEnd, SystemError, call::CallStart,
};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::{ImportBatch, ImportRow, Writer, format::RowIds, group::Document, source::Batches};
use crate::{
    error::{ApiError, internal},
    exchange::Exchange,
    output::{Output, last_line},
    problem::{self, Problem, ToProblem},
};

/// An import at work.
pub(super) struct Run<W> {
    pub(super) exchange: Exchange,
    pub(super) atomic: bool,
    pub(super) ids: RowIds,
    pub(super) writer: Arc<Writer>,
    pub(super) work: W,
    pub(super) output: Output,
    /// One import, one request: held until the end.
    pub(super) permits: (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>),
}

/// How one body ended.
enum Outcome {
    /// It was written, now or before, or would be.
    Done(Reply),
    Refused(Problem),
}

/// What is told about an import in the log.
#[derive(Default)]
struct Count {
    done: u64,
    refused: u64,
}

impl<W> Run<W> {
    /// Writes every row. `all`: the only batch, read before.
    pub(super) async fn all<E, F>(mut self, mut batches: Batches, mut all: Option<Vec<Document>>)
    where
        E: ToProblem,
        W: Fn(ImportBatch) -> F + Send + Sync + 'static,
        F: Future<Output = Result<RowsEnd<E>, OpError<E>>> + Send + 'static,
    {
        let started = Instant::now();
        let mut count = Count::default();
        let mut most = usize::MAX;
        let failure = loop {
            let next = if self.atomic {
                Ok(all.take().unwrap_or_default())
            } else {
                let read = tokio::task::spawn_blocking(move || {
                    let next = batches.next();
                    (batches, next)
                });
                match read.await {
                    Ok((same, next)) => {
                        batches = same;
                        next
                    }
                    Err(error) => {
                        tracing::error!(%error, "import.read");
                        break Some(internal(false));
                    }
                }
            };
            let documents = match next {
                Ok(documents) if documents.is_empty() => break None,
                Ok(documents) => documents,
                Err(problem) => break Some(problem),
            };
            if let Some(problem) = self.batch(documents, &mut most, &mut count).await {
                break Some(problem);
            }
            self.output.flush().await;
        };
        if let Some(problem) = &failure {
            self.output.line(&last_line(problem)).await;
        }
        tracing::info!(
            path = self.writer.path,
            rows_done = count.done,
            rows_refused = count.refused,
            failure = failure.as_ref().map(|problem| problem.kind().code),
            duration_ms = crate::pipeline::millis(started.elapsed()),
            "import.end"
        );
        self.output.end().await;
        drop(self.permits);
    }

    /// Writes and answers one batch; answers why the import cannot go on.
    async fn batch<E, F>(
        &mut self,
        documents: Vec<Document>,
        most: &mut usize,
        count: &mut Count,
    ) -> Option<Problem>
    where
        E: ToProblem,
        W: Fn(ImportBatch) -> F + Send + Sync + 'static,
        F: Future<Output = Result<RowsEnd<E>, OpError<E>>> + Send + 'static,
    {
        let broken = documents.iter().any(|document| document.body.is_err());
        let mut rows = Vec::with_capacity(documents.len());
        let mut spans = Vec::with_capacity(documents.len());
        for document in documents {
            let broken = match document.body {
                Ok(body) => {
                    rows.push(ImportRow::new(document.first, body, &self.writer.path));
                    None
                }
                Err(problem) => Some(problem),
            };
            spans.push((document.first, document.rows, broken));
        }
        let (outcomes, failure) = self.write(rows, broken, most).await;
        let mut outcomes = outcomes.into_iter();
        for (first, length, broken) in spans {
            let outcome = match broken {
                Some(problem) => Outcome::Refused(problem),
                None => match outcomes.next() {
                    Some(outcome) => outcome,
                    None => return failure.or_else(|| Some(internal(true))),
                },
            };
            match outcome {
                Outcome::Done(_) => count.done += length,
                Outcome::Refused(_) => count.refused += length,
            }
            for index in 0..length {
                let line = line(first + index, index, &outcome, self.ids);
                self.output.line(&line).await;
            }
        }
        failure
    }

    /// Writes rows, in parts where the whole does not go: too much for its time, or one row in the way of all. Answers
    /// the outcomes of the first rows, and of the others why there are none.
    async fn write<E, F>(
        &self,
        rows: Vec<ImportRow>,
        broken: bool,
        most: &mut usize,
    ) -> (Vec<Outcome>, Option<Problem>)
    where
        E: ToProblem,
        W: Fn(ImportBatch) -> F + Send + Sync + 'static,
        F: Future<Output = Result<RowsEnd<E>, OpError<E>>> + Send + 'static,
    {
        let mut outcomes = Vec::with_capacity(rows.len());
        let mut parts = VecDeque::from([rows]);
        while let Some(mut part) = parts.pop_front() {
            if part.is_empty() {
                continue;
            }
            if self.exchange.shared().config.draining.is_cancelled() {
                return (outcomes, Some(draining()));
            }
            if !self.atomic && part.len() > *most {
                let rest = part.split_off(*most);
                parts.push_front(rest);
            }
            let size = part.len();
            let divisible = !self.atomic && size > 1;
            let mut halve = |mut part: Vec<ImportRow>| {
                let rest = part.split_off(size / 2);
                parts.push_front(rest);
                parts.push_front(part);
            };
            match self.attempt(part.clone(), broken).await {
                Ok(end) if end.rows.len() == size => {
                    let unwanted = !end.committed && !self.writer.dry_run;
                    let refused = self.atomic
                        && (broken || end.rows.iter().any(|row| matches!(row, RowEnd::Refused(_))));
                    let ended = end.rows.into_iter();
                    outcomes.extend(ended.map(|row| outcome(row, unwanted || refused)));
                }
                Ok(_) => {
                    tracing::error!("an import's batch ended with another number of rows");
                    return (outcomes, Some(internal(true)));
                }
                Err(OpError::System(SystemError::DeadlineExceeded | SystemError::Contended))
                    if divisible =>
                {
                    *most = size / 2;
                    halve(part);
                }
                Err(OpError::Refused(_) | OpError::Common(_)) if divisible => halve(part),
                Err(error @ (OpError::Refused(_) | OpError::Common(_))) if !self.atomic => {
                    let problem = ApiError::from(error).problem().clone();
                    outcomes.push(Outcome::Refused(problem));
                }
                Err(error) => return (outcomes, Some(ApiError::from(error).problem().clone())),
            }
        }
        (outcomes, None)
    }

    async fn attempt<E, F>(
        &self,
        rows: Vec<ImportRow>,
        broken: bool,
    ) -> Result<RowsEnd<E>, OpError<E>>
    where
        W: Fn(ImportBatch) -> F + Send + Sync + 'static,
        F: Future<Output = Result<RowsEnd<E>, OpError<E>>> + Send + 'static,
    {
        let call = self.call();
        let batch = ImportBatch {
            rows,
            call: call.clone(),
            atomic: self.atomic,
            broken,
            writer: Arc::clone(&self.writer),
        };
        let ended = AssertUnwindSafe(async { (self.work)(batch).await })
            .catch_unwind()
            .await;
        if let Some(token) = call.facts().token {
            self.exchange.shared().newest.observe(token);
        }
        ended.unwrap_or_else(|_| {
            Err(SystemError::Bug {
                effect_unknown: true,
                source: "a batch of an import panicked".into(),
            }
            .into())
        })
    }

    /// The batch's own time, under the request's id.
    fn call(&self) -> Call {
        let request = self.exchange.call();
        let config = &self.exchange.shared().config;
        Call::start(CallStart {
            id: request.id().clone(),
            region: request.region().clone(),
            client: request.client(),
            traceparent: request.traceparent().map(str::to_owned),
            received_at: config.clock.now(),
            budget: config.limits.deadline,
        })
    }
}

/// `spoilt`: what could have been written was not, for another row's sake.
fn outcome<E: ToProblem>(end: RowEnd<E>, spoilt: bool) -> Outcome {
    match end {
        RowEnd::Written(_) if spoilt => Outcome::Refused(Problem::new(
            &problem::ATOMIC_FAILED,
            "Another row of this atomic import was refused, so none was written.",
        )),
        RowEnd::Written(reply) | RowEnd::Replayed(reply) => Outcome::Done(reply),
        RowEnd::Refused(RowRefusal::Own(refusal)) => Outcome::Refused(refusal.to_problem()),
        RowEnd::Refused(RowRefusal::Common(common)) => refused(common),
    }
}

fn refused(common: Common) -> Outcome {
    Outcome::Refused(ApiError::from(common).problem().clone())
}

/// The result of a row, the `index`-th of its body.
fn line(row: u64, index: u64, outcome: &Outcome, ids: RowIds) -> Value {
    match outcome {
        Outcome::Done(reply) => {
            let mut line = json!({"row": row, "status": reply.status});
            if let Some(id) = id(reply, index, ids) {
                line["id"] = id.into();
            }
            line
        }
        Outcome::Refused(problem) => {
            let mut line = json!({
                "row": row, "status": problem.kind().status, "code": problem.kind().code, "detail": problem.detail(),
            });
            if let Some(errors) = problem.0.members.get("errors") {
                line["errors"] = errors.clone();
            }
            line
        }
    }
}

fn id(reply: &Reply, index: u64, ids: RowIds) -> Option<&str> {
    let location = reply.location.as_deref();
    match ids {
        RowIds::Document => location
            .and_then(|path| path.rsplit('/').next())
            .or_else(|| reply.effect_ids.first().map(String::as_str)),
        RowIds::EachRow => usize::try_from(index)
            .ok()
            .and_then(|index| reply.effect_ids.get(index))
            .map(String::as_str),
    }
}

fn draining() -> Problem {
    Problem::new(
        &problem::DRAINING,
        "This process is shutting down. Send the same file with the same key again: what was written is not written twice.",
    )
    .retry_after_ms(1000)
}
