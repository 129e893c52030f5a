//! Exports: many rows of one moment, sent as they are read.
//!
//! The rows are produced in a task of its own, as fast as they are taken and never many at a time. Whoever stops reading
//! or hangs up ends the task, and so does its time: it holds a state of the database. What goes wrong behind the first
//! byte cannot be a status any more. NDJSON then ends with a line that says what; a table, which has no place for it,
//! breaks off, so that the client's library reports it. Nothing that is not whole ends well without saying so.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse as _, Response},
};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, header, request::Parts};
use kernel::{Position, SystemError};
use serde::{Deserialize, Serialize};
use tokio::{sync::OwnedSemaphorePermit, time::sleep};
use utoipa::ToSchema;

use crate::{
    csv,
    error::{ApiError, internal},
    exchange::Exchange,
    headers,
    output::{Output, last_line},
    pipeline::millis,
    problem::{self, Problem},
};

/// How rows are written: the query parameter `format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// One JSON object per line.
    Ndjson,
    /// A table of the rows of one resource.
    Csv,
}

impl ExportFormat {
    /// What `Accept` prefers: NDJSON, unless a table is wanted more.
    fn preferred(headers: &HeaderMap) -> Self {
        let weight = |kind, subtype| headers::weight(headers, kind, subtype);
        if weight("text", "csv") > weight("application", "x-ndjson") {
            Self::Csv
        } else {
            Self::Ndjson
        }
    }
}

/// What an export sends.
pub trait Export: Send + 'static {
    /// Sends all of it, in order.
    fn send(self, sink: &mut ExportSink) -> impl Future<Output = Result<(), ExportStopped>> + Send;
}

/// One row, as its list shows it.
pub trait ExportRow: Serialize + Sync {
    /// Writes it as lines of a table.
    fn write_rows(&self, table: &mut csv::Table);

    /// Where it stands in a walk from the oldest row to the newest.
    fn position(&self) -> Position;
}

/// Why an export does not go on.
#[derive(Debug, thiserror::Error)]
pub enum ExportStopped {
    /// Nobody reads it.
    #[error("nobody reads the export")]
    Unread,
    /// We could not.
    #[error(transparent)]
    System(#[from] SystemError),
}

/// Where rows go. Waits for the reader.
#[derive(Debug)]
pub struct ExportSink {
    output: Output,
    format: ExportFormat,
    rows: u64,
}

/// A line of NDJSON.
#[derive(Serialize)]
struct Line<'a, R> {
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(flatten)]
    row: &'a R,
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    is_final: Option<bool>,
}

impl ExportSink {
    /// Names the columns, before the first row. NDJSON needs none.
    ///
    /// # Errors
    /// [`ExportStopped::Unread`].
    pub async fn columns(&mut self, columns: &[&str]) -> Result<(), ExportStopped> {
        if self.format == ExportFormat::Csv {
            let header = csv::Table::new(columns).into_bytes();
            self.output.write(|bytes| bytes.extend(header)).await;
        }
        self.read()
    }

    /// Sends a row. Where there are several resources, it says of which it is; of a past moment, whether that is final.
    ///
    /// # Errors
    /// [`ExportStopped`].
    pub async fn row(
        &mut self,
        resource: Option<&str>,
        is_final: Option<bool>,
        row: &impl ExportRow,
    ) -> Result<(), ExportStopped> {
        let written = match self.format {
            ExportFormat::Csv => {
                let mut table = csv::Table::headless();
                row.write_rows(&mut table);
                table.into_bytes()
            }
            ExportFormat::Ndjson => {
                let line = Line {
                    resource,
                    row,
                    is_final,
                };
                let mut text = serde_json::to_vec(&line).map_err(|source| SystemError::Bug {
                    effect_unknown: false,
                    source: source.into(),
                })?;
                text.push(b'\n');
                text
            }
        };
        self.output
            .write(|bytes| bytes.extend_from_slice(&written))
            .await;
        self.rows += 1;
        self.read()
    }

    fn read(&self) -> Result<(), ExportStopped> {
        if self.output.is_read() {
            Ok(())
        } else {
            Err(ExportStopped::Unread)
        }
    }
}

/// A place among the exports at work, last among a handler's extractors.
#[derive(Debug)]
pub struct ExportRequest {
    exchange: Exchange,
    slot: OwnedSemaphorePermit,
    preferred: ExportFormat,
}

impl<S: Send + Sync> FromRequestParts<S> for ExportRequest {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let exchange = Exchange::of(parts)?;
        let shared = exchange.shared();
        let slot = Arc::clone(&shared.exports)
            .try_acquire_owned()
            .map_err(|_| {
                Problem::new(
                    &problem::OVERLOADED,
                    format!(
                        "{} exports are at work already; nothing was done.",
                        shared.config.limits.exports
                    ),
                )
                .retry_after_ms(1000)
            })?;
        Ok(Self {
            exchange,
            slot,
            preferred: ExportFormat::preferred(&parts.headers),
        })
    }
}

impl ExportRequest {
    /// How rows are to be written if the query does not say.
    #[must_use]
    pub fn preferred(&self) -> ExportFormat {
        self.preferred
    }

    /// The answer; its rows follow. What the export reads from is held already, so that the headers tell of it.
    pub fn answer(self, format: ExportFormat, export: impl Export) -> Response {
        let shared = self.exchange.shared();
        let (output, body) = Output::new(shared.config.limits.import_pause);
        let sink = ExportSink {
            output,
            format,
            rows: 0,
        };
        let permit = self.exchange.notes().permit.take();
        let permits = (self.slot, permit);
        let exchange = self.exchange.clone();
        let span = tracing::Span::current();
        let run = async move {
            run(exchange, sink, export).await;
            drop(permits);
        };
        drop(
            shared
                .config
                .tasks
                .spawn(tracing::Instrument::instrument(run, span)),
        );
        let kind = match format {
            ExportFormat::Ndjson => HeaderValue::from_static("application/x-ndjson"),
            ExportFormat::Csv => csv::CONTENT_TYPE,
        };
        let vary = HeaderValue::from_static("accept");
        let headers = [(header::CONTENT_TYPE, kind), (header::VARY, vary)];
        (headers, body).into_response()
    }
}

async fn run(exchange: Exchange, mut sink: ExportSink, export: impl Export) {
    let started = Instant::now();
    let hung_up = sink.output.hung_up();
    let ended = {
        let work = AssertUnwindSafe(export.send(&mut sink)).catch_unwind();
        tokio::select! {
            ended = work => match ended {
                Ok(Ok(())) => Ok(()),
                Ok(Err(ExportStopped::Unread)) => Err(None),
                Ok(Err(ExportStopped::System(error))) => {
                    Err(Some(ApiError::from(error).problem().clone()))
                }
                Err(_) => {
                    tracing::error!("an export panicked");
                    Err(Some(internal(false)))
                }
            },
            () = hung_up => Err(None),
            problem = time_up(&exchange) => Err(Some(problem)),
        }
    };
    let code = match &ended {
        Ok(()) => None,
        Err(None) => Some("unread"),
        Err(Some(problem)) => Some(problem.kind().code),
    };
    tracing::info!(
        rows = sink.rows,
        failure = code,
        duration_ms = millis(started.elapsed()),
        "export.end"
    );
    let ExportSink {
        mut output, format, ..
    } = sink;
    match (ended, format) {
        (Ok(()), _) => output.end().await,
        (Err(Some(problem)), ExportFormat::Ndjson) => {
            output.line(&last_line(&problem)).await;
            output.end().await;
        }
        (Err(_), _) => {} // what is dropped here breaks off
    }
}

/// Why the export has to end now, when it does: it had its time, or the process is shutting down and waits for requests no
/// longer than a request may take.
async fn time_up(exchange: &Exchange) -> Problem {
    let config = &exchange.shared().config;
    let drained = async {
        config.draining.cancelled().await;
        sleep(config.limits.deadline).await;
    };
    tokio::select! {
        () = sleep(config.limits.export_time) => Problem::new(
            &problem::DEADLINE_EXCEEDED,
            format!(
                "An export may take {} s; ask for fewer offices or a shorter span, or read faster.",
                config.limits.export_time.as_secs()
            ),
        ),
        () = drained => Problem::new(
            &problem::DRAINING,
            "This process is shutting down; ask again, any region answers.",
        ),
    }
    .retry_after_ms(1000)
}
