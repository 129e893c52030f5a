//! The routes beside the API: health, readiness, metrics, the contract and its pages.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use tokio::sync::Mutex;

use crate::{
    headers, pages,
    service::{Readiness, Shared, not_found},
};

/// A check is asked for at most this often, however many ask.
const CHECK_EVERY: Duration = Duration::from_millis(200);
/// A check that takes longer has failed.
const CHECK_PATIENCE: Duration = Duration::from_secs(2);

type Outcome = Result<(), String>;

/// The readiness of the process, asked by one request at a time.
pub(crate) struct Checked {
    check: Readiness,
    last: Mutex<Option<(Instant, Outcome)>>,
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checked").finish_non_exhaustive()
    }
}

impl Checked {
    pub(crate) fn new(check: Readiness) -> Self {
        Self {
            check,
            last: Mutex::new(None),
        }
    }

    async fn ask(&self) -> Outcome {
        let mut last = self.last.lock().await;
        if let Some((at, outcome)) = last.as_ref().filter(|(at, _)| at.elapsed() < CHECK_EVERY) {
            tracing::trace!(
                age_ms = at.elapsed().as_millis(),
                "the last check is new enough"
            );
            return outcome.clone();
        }
        let outcome = tokio::time::timeout(CHECK_PATIENCE, (self.check)())
            .await
            .unwrap_or_else(|_| Err("the readiness check did not end".to_owned()));
        *last = Some((Instant::now(), outcome.clone()));
        outcome
    }
}

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/healthz", get(async || Json(json!({"status": "alive"}))))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi))
        .route("/docs", get(async || Redirect::permanent("/docs/")))
        .route(
            "/docs/",
            get(async |h: HeaderMap| docs(Path("index.html".to_owned()), h).await),
        )
        .route("/docs/{*path}", get(docs))
        .route("/problems/{code}", get(problem))
        .with_state(shared)
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let outcome = if shared.config.draining.is_cancelled() {
        Err(("draining", "the process is shutting down".to_owned()))
    } else if !shared.verifier.is_ready().await {
        Err((
            "unavailable",
            "the issuer's keys were never read".to_owned(),
        ))
    } else {
        shared
            .readiness
            .ask()
            .await
            .map_err(|why| ("unavailable", why))
    };
    let mut body = json!({
        "region": shared.config.region.as_str(),
        "node": shared.config.node,
        "systems": shared.systems,
    });
    let status = match outcome {
        Ok(()) => {
            body["status"] = "ready".into();
            StatusCode::OK
        }
        Err((status, why)) => {
            body["status"] = status.into();
            body["reason"] = why.into();
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let mut text = String::new();
    if let Err(error) = prometheus_client::encoding::text::encode(&mut text, &shared.registry) {
        tracing::error!(%error, "metrics cannot be written");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

async fn openapi(State(shared): State<Arc<Shared>>) -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        shared.openapi.clone(),
    )
        .into_response()
}

async fn docs(Path(path): Path<String>, request: HeaderMap) -> Response {
    let Some(page) = pages::swagger(&path) else {
        return not_found(&format!("/docs/{path}")).into_response();
    };
    let tag = HeaderValue::try_from(page.tag.clone()).ok();
    let known = headers::entity_tags(&request, &header::IF_NONE_MATCH)
        .ok()
        .flatten();
    let same = known.is_some_and(|known| known.contain(page.tag.trim_matches('"')));
    let mut response = if same {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, page.kind)], page.bytes).into_response()
    };
    let headers = response.headers_mut();
    headers.extend(tag.map(|tag| (header::ETAG, tag)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Nothing of the page comes from elsewhere; Swagger UI writes style attributes and shows pictures by data: URL.
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:",
        ),
    );
    response
}

async fn problem(Path(code): Path<String>, request: HeaderMap) -> Response {
    let Some(page) = pages::problem(&code) else {
        return not_found(&format!("/problems/{code}")).into_response();
    };
    let accept: Vec<&str> = request
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let html = headers::quality(&accept, "text", "html");
    let (kind, body) = if accept.is_empty() || html < headers::quality(&accept, "text", "markdown")
    {
        ("text/markdown; charset=utf-8", page.markdown)
    } else {
        ("text/html; charset=utf-8", page.html())
    };
    (
        [(header::CONTENT_TYPE, kind), (header::VARY, "Accept")],
        body,
    )
        .into_response()
}
