//! What happens to every request, whatever its route: admission, deadline, panics, and the end of writes.
//!
//! The accept loop runs a request that may change something in a task of its own, so that a client that hangs up does
//! not cut it off in the middle; shutdown waits for these tasks.

use std::{net::IpAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt as _;
use http::{HeaderMap, Method, Uri, header, request::Parts};
use kernel::{Call, RequestId, call::CallStart};
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument as _;

use crate::{
    auth::peer,
    error::{deadline_exceeded, internal, outcome_unknown},
    exchange::Exchange,
    finish,
    headers::{self, FORWARDED_FOR},
    metrics::InFlight,
    problem::{self, Problem},
    service::{Shared, not_found},
    upload::Upload,
};

/// What the answer needs to know of the request.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// For `Allow`, which axum sets too, but outside of this layer.
    pub(crate) route: Option<MatchedPath>,
    /// Under `/v1`, where the contract's headers are given.
    pub(crate) api: bool,
    /// `Expect: 100-continue`: the client sends its body when told to.
    waits: bool,
}

/// The outermost layer.
pub(crate) async fn run(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let exchange = Exchange::new(
        Arc::clone(&shared),
        start(&shared, &parts),
        parts.method.clone(),
    );
    parts.extensions.insert(exchange.clone());
    let path = parts.uri.path();
    let head = Head {
        method: parts.method.clone(),
        path: path.to_owned(),
        route: parts.extensions.get().cloned(),
        api: path == "/v1" || path.starts_with("/v1/"),
        waits: parts.headers.contains_key(header::EXPECT),
    };
    let in_flight = shared.metrics.begin();
    work(exchange, head, in_flight, (parts, body), next).await
}

fn start(shared: &Shared, parts: &Parts) -> Call {
    let config = &shared.config;
    Call::start(CallStart {
        id: RequestId::random(config.region.clone()),
        region: config.region.clone(),
        client: client(shared, parts),
        traceparent: headers::traceparent(&parts.headers),
        received_at: config.clock.now(),
        budget: config.limits.deadline,
    })
}

fn client(shared: &Shared, parts: &Parts) -> Option<IpAddr> {
    let forwarded: Vec<&str> = parts
        .headers
        .get_all(FORWARDED_FOR)
        .iter()
        .map(|value| value.to_str().unwrap_or(""))
        .collect();
    peer(parts).map(|peer| shared.config.trusted_proxies.client(peer, &forwarded))
}

async fn work(
    exchange: Exchange,
    head: Head,
    in_flight: InFlight,
    (parts, body): (Parts, Body),
    next: Next,
) -> Response {
    let span = tracing::info_span!("request", request_id = %exchange.call().id());
    let upload = Upload::new(body);
    async {
        let response = match admit(exchange.shared(), &head, &parts) {
            Err(problem) => problem.into_response(),
            Ok(permit) => {
                exchange.notes().permit = permit;
                let request = Request::from_parts(parts, Body::new(upload.clone()));
                let response = answer(&exchange, next.run(request)).await;
                drop(exchange.notes().permit.take());
                response
            }
        };
        let limits = &exchange.shared().config.limits;
        upload
            .drain(limits.drain_bytes, limits.deadline, head.waits)
            .await;
        finish::finish(&exchange, &head, in_flight, response)
    }
    .instrument(span)
    .await
}

/// Turns away what is too large to look at, and what there is no room for.
fn admit(
    shared: &Shared,
    head: &Head,
    parts: &Parts,
) -> Result<Option<OwnedSemaphorePermit>, Problem> {
    let limits = &shared.config.limits;
    check_uri(&parts.uri, limits.uri_bytes)?;
    check_headers(&parts.headers, limits.headers, limits.header_bytes)?;
    if !head.api {
        return Ok(None);
    }
    if shared.config.draining.is_cancelled() {
        return Err(Problem::new(
            &problem::DRAINING,
            "This process is shutting down; another region answers at once.",
        )
        .retry_after_ms(1000)
        .with_alternatives()
        .header(header::CONNECTION, "close"));
    }
    match Arc::clone(&shared.permits).try_acquire_owned() {
        Ok(permit) => Ok(Some(permit)),
        Err(_) => Err(Problem::new(
            &problem::OVERLOADED,
            format!(
                "{} requests are at work already; nothing was done.",
                limits.concurrent
            ),
        )
        .retry_after_ms(1000)),
    }
}

fn check_uri(uri: &Uri, max: usize) -> Result<(), Problem> {
    let length = uri.path_and_query().map_or(0, |text| text.as_str().len());
    if length <= max {
        return Ok(());
    }
    Err(Problem::new(
        &problem::URI_TOO_LONG,
        format!("Path and query have {length} bytes; {max} are taken."),
    )
    .with("limit_bytes", max))
}

fn check_headers(headers: &HeaderMap, count_max: usize, bytes_max: usize) -> Result<(), Problem> {
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if headers.len() <= count_max && bytes <= bytes_max {
        return Ok(());
    }
    Err(Problem::new(
        &problem::HEADERS_TOO_LARGE,
        format!(
            "There are {} header fields with {bytes} bytes; {count_max} with {bytes_max} are taken.",
            headers.len()
        ),
    )
    .with("limit_fields", count_max)
    .with("limit_bytes", bytes_max))
}

/// Runs the handler within its time. Reads end at the deadline; writes end by themselves, since no COMMIT is sent after
/// it, and are given time to find out how the last one ended.
async fn answer(exchange: &Exchange, handler: impl Future<Output = Response>) -> Response {
    let limits = &exchange.shared().config.limits;
    let patience = if exchange.is_safe() {
        limits.deadline
    } else {
        limits.deadline + limits.resolve + GRACE
    };
    let patience = patience.saturating_sub(exchange.call().elapsed());
    let mut handler = std::pin::pin!(AssertUnwindSafe(handler).catch_unwind());
    let mut ended = tokio::time::timeout(patience, handler.as_mut()).await;
    if ended.is_err() && exchange.notes().unhurried {
        ended = Ok(handler.await);
    }
    match ended {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            let message = panic
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            tracing::error!(message, "request.panic");
            internal(exchange.notes().attempt.is_some()).into_response()
        }
        Err(_) if exchange.notes().attempt.is_some() => {
            tracing::error!("a write did not end within its time");
            outcome_unknown().into_response()
        }
        Err(_) => deadline_exceeded().into_response(),
    }
}

/// A write that resolves its COMMIT at the last moment still gets its own answer out.
const GRACE: Duration = Duration::from_millis(500);

/// The fallback of the router.
pub(crate) async fn no_route(uri: Uri) -> Problem {
    not_found(uri.path())
}

/// Milliseconds with one decimal, without floating point.
pub(crate) fn millis(duration: Duration) -> String {
    let tenths = duration.as_micros() / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}
