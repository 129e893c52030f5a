//! Imports: many writes in one request, each the single POST that its row stands for.
//!
//! The upload is kept in a temporary file until it has ended, so a broken upload writes nothing at all. Then its rows
//! are written and answered batch by batch, in a task of its own that goes on when the client hangs up or stops
//! reading. A row's key is `<key>#<number of the row>`: the same file sent again under the same key finds what was
//! written before and goes on behind it. Each batch has a time of its own.
//!
//! A system brings an [`ImportFormat`] and a function that writes a batch; see the README.

mod format;
mod group;
mod run;
mod source;
mod spool;
mod table;

use std::{fs::File, sync::Arc};

use axum::{
    extract::{FromRequest, FromRequestParts as _, Request},
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, header, request::Parts};
use kernel::{
    Call, IdempotencyKey, Intent, OfficeCode, OpError, Principal, RegionTag, RowsEnd, Scope,
};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::{IntoParams, ToSchema};

pub use self::format::{Column, ImportFormat, Lines, RowIds};
use self::{
    run::Run,
    source::{Batches, Kind},
    spool::Spool,
};
use crate::{
    auth::{Can, Permission},
    error::{ApiError, internal},
    exchange::Exchange,
    json,
    output::Output,
    params::Params,
    problem::{self, Problem, ToProblem},
    write,
};

/// Rows of one transaction.
const ROWS_MAX: u64 = 500;
/// A batch ends behind the row that reaches so many bytes, so that bodies of any size stay within memory.
const BATCH_BYTES: u64 = 1 << 20;
/// Bytes of all rows with `mode=atomic`, which are one batch: as JSON values they take several times as much.
const ATOMIC_BYTES_MAX: u64 = 8 << 20;
/// Bytes of a row: those of a single body.
const ROW_BYTES_MAX: usize = 1 << 20;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImportMode {
    /// Each row for itself.
    #[default]
    PerRow,
    /// All rows or none; at most 500.
    Atomic,
}

/// Query parameters of every import: name it in `params(…)` of `#[utoipa::path]`.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ImportParams {
    /// `per_row` (the default): each row is written or refused for itself. `atomic`: all rows are written or none; at most
    /// 500 rows and 8 MiB.
    #[param(inline)]
    mode: Option<ImportMode>,
}

/// The result of one row, for the OpenAPI document: name it as the body of the 200 answer.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"row": 1, "status": 201, "id": "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra"}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `Run` writes"
)]
pub struct ImportResult {
    /// Number of the row, from 1, without the header. Absent in a last line that says why the import ended early.
    row: Option<u64>,
    /// The status that the single POST would have had.
    status: u16,
    /// What was made.
    id: Option<String>,
    /// Code of the problem.
    code: Option<String>,
    /// The problem, for people.
    detail: Option<String>,
    /// Broken rules of the row's body.
    #[schema(value_type = Option<Vec<Object>>)]
    errors: Option<Vec<Value>>,
    /// Of a last line without `row`: the same file under the same key may succeed later.
    retryable: Option<bool>,
}

/// An import's upload, last among a handler's extractors: parameters, key, type and size are checked, the whole body is
/// kept in a file.
#[derive(Debug)]
pub struct ImportRequest {
    exchange: Exchange,
    path: String,
    key: IdempotencyKey,
    dry_run: bool,
    atomic: bool,
    kind: Kind,
    file: File,
    slot: OwnedSemaphorePermit,
}

/// One row, or one body made of several rows.
#[derive(Debug, Clone)]
pub struct ImportRow {
    /// Number of its first row, from 1.
    pub number: u64,
    /// The body of the single POST.
    pub body: Value,
    fingerprint: [u8; 32],
}

/// Rows to write in one transaction. Rows that cannot be read are not among them.
#[derive(Debug, Clone)]
pub struct ImportBatch {
    /// The rows, in order.
    pub rows: Vec<ImportRow>,
    /// The batch's own time, under the request's id.
    pub call: Call,
    /// All or nothing.
    pub atomic: bool,
    /// Rows of this batch were refused before they came here.
    broken: bool,
    writer: Arc<Writer>,
}

/// What all rows of an import share.
#[derive(Debug)]
struct Writer {
    principal: Arc<Principal>,
    scope: Scope,
    key: IdempotencyKey,
    path: String,
    dry_run: bool,
    /// Two copies of one import wait for each other.
    hot: String,
}

impl ImportBatch {
    /// Who imports.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.writer.principal
    }

    /// A row's write on its way to the database, for `Db::write_rows`: as
    /// [`WriteRequest::intent`](crate::WriteRequest::intent).
    #[must_use]
    pub fn intent(
        &self,
        row: &ImportRow,
        operation: &'static str,
        home: RegionTag,
        office: Option<OfficeCode>,
    ) -> Intent {
        let writer = &self.writer;
        Intent {
            call: self.call.clone(),
            operation,
            principal: Principal::clone(&writer.principal),
            scope: writer.scope,
            key: writer.key.row(row.number),
            fingerprint: row.fingerprint,
            method: "POST",
            path: writer.path.clone(),
            if_match: None,
            dry_run: writer.dry_run,
            office,
            home,
            hot: vec![writer.hot.clone()],
        }
    }

    /// Whether to commit, given whether every row can be written.
    #[must_use]
    pub fn commits(&self, all_written: bool) -> bool {
        !self.atomic || (all_written && !self.broken)
    }
}

impl ImportRequest {
    /// Writes the rows and answers them one by one. `work` writes one batch with `Db::write_rows` and answers how its
    /// rows ended, in order; it may be called again with a part of a batch that could not be written as a whole.
    ///
    /// # Errors
    /// What is wrong with the file as a whole; nothing was written then.
    pub async fn run<P, E, W, F>(
        self,
        caller: &Can<P>,
        format: &'static ImportFormat,
        work: W,
    ) -> Result<Response, ApiError>
    where
        P: Permission,
        E: ToProblem,
        W: Fn(ImportBatch) -> F + Send + Sync + 'static,
        F: Future<Output = Result<RowsEnd<E>, OpError<E>>> + Send + 'static,
    {
        let shared = Arc::clone(self.exchange.shared());
        let (file, kind, atomic) = (self.file, self.kind, self.atomic);
        let depth = shared.config.limits.json_depth;
        let opened = tokio::task::spawn_blocking(move || {
            let mut batches = Batches::open(file, kind, format, depth)?;
            let all = if atomic { Some(batches.all()?) } else { None };
            Ok::<_, Problem>((batches, all))
        });
        let (batches, all) = opened.await.map_err(|error| {
            tracing::error!(%error, "import.open");
            internal(false)
        })??;
        let principal = Arc::clone(&caller.principal);
        let writer = Writer {
            hot: format!(
                "import {} {} {}",
                principal.issuer, principal.subject, self.key
            ),
            principal,
            scope: P::SCOPE,
            key: self.key,
            path: self.path,
            dry_run: self.dry_run,
        };
        let (output, body) = Output::new(shared.config.limits.import_pause);
        let permit = self.exchange.notes().permit.take();
        let run = Run {
            permits: (self.slot, permit),
            exchange: self.exchange,
            atomic,
            ids: format.ids,
            writer: Arc::new(writer),
            work,
            output,
        };
        let span = tracing::Span::current();
        drop(
            shared
                .config
                .tasks
                .spawn(tracing::Instrument::instrument(run.all(batches, all), span)),
        );
        let mut response = body.into_response();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-ndjson"),
        );
        Ok(response)
    }
}

impl<S: Send + Sync> FromRequest<S> for ImportRequest {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let exchange = Exchange::of(&parts)?;
        exchange.notes().unhurried = true;
        let Params(params) = Params::<ImportParams>::from_request_parts(&mut parts, state).await?;
        let dry_run = write::dry_run(&parts)?;
        if dry_run {
            exchange.call().facts().dry_run = true;
        }
        let key = write::key(&parts, &exchange, dry_run)?;
        let limits = exchange.shared().config.limits.clone();
        let spool = |kind: Kind| Spool {
            bytes_max: limits.import_bytes,
            pause_max: limits.import_pause,
            malformed: match kind {
                Kind::Csv => &problem::MALFORMED_CSV,
                Kind::Ndjson => &problem::MALFORMED_JSON,
            },
        };
        let announced = parts.headers.get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > limits.import_bytes as u64) {
            return Err(spool(Kind::Csv).too_large().into());
        }
        let kind = kind(&parts)?;
        let slot = Arc::clone(&exchange.shared().imports)
            .try_acquire_owned()
            .map_err(|_| {
                Problem::new(
                    &problem::OVERLOADED,
                    format!(
                        "{} imports are at work already; nothing was done.",
                        limits.imports
                    ),
                )
                .retry_after_ms(1000)
            })?;
        let file = spool(kind).keep(body).await?;
        Ok(Self {
            exchange,
            path: parts.uri.path().to_owned(),
            key,
            dry_run,
            atomic: params.mode == Some(ImportMode::Atomic),
            kind,
            file,
            slot,
        })
    }
}

/// What the body is said to be.
fn kind(parts: &Parts) -> Result<Kind, Problem> {
    let refuse = |detail: &str| Problem::new(&problem::UNSUPPORTED_MEDIA_TYPE, detail);
    write::check_encoding(&parts.headers).map_err(refuse)?;
    match write::utf8_type(&parts.headers).as_deref() {
        Some("text/csv") => Ok(Kind::Csv),
        Some("application/x-ndjson") => Ok(Kind::Ndjson),
        _ => Err(refuse(
            "Send Content-Type: text/csv or application/x-ndjson in UTF-8.",
        )),
    }
}

fn too_long_row() -> Problem {
    Problem::new(
        &problem::BODY_TOO_LARGE,
        format!("The row has more than the {ROW_BYTES_MAX} bytes that are taken."),
    )
    .with("limit_bytes", ROW_BYTES_MAX)
}

impl ImportRow {
    fn new(number: u64, body: Value, path: &str) -> Self {
        Self {
            fingerprint: json::fingerprint(&[b"POST", path.as_bytes()], &body),
            number,
            body,
        }
    }
}
