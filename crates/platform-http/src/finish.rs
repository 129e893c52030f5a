//! The last step of every request: problem documents, conditional answers, the contract's headers, one line in the log.

use std::sync::Arc;

use axum::{
    body::{Body, HttpBody as _},
    response::Response,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use kernel::call::Facts;
use serde_json::{Map, Value, json};

use crate::{
    exchange::{Exchange, is_safe},
    metrics::InFlight,
    pipeline::{Head, millis},
    problem::{self, Effect, Problem},
    reply::{Minimisable, Stable},
};

/// Completes the answer.
pub(crate) fn finish(
    exchange: &Exchange,
    head: &Head,
    in_flight: InFlight,
    mut response: Response,
) -> Response {
    let problem = problem_of(exchange, head, &mut response);
    let code = problem.as_ref().map(|problem| problem.0.kind.code);
    if let Some(problem) = &problem {
        render(exchange, head, problem, &mut response);
    } else if head.api {
        spare(exchange, head, &mut response);
    }
    let facts = exchange.call().facts().clone();
    if head.api {
        api_headers(exchange, head, &facts, response.headers_mut());
    }
    set(
        response.headers_mut(),
        "request-id",
        &exchange.call().id().to_string(),
    );
    set(response.headers_mut(), "x-content-type-options", "nosniff");
    if head.method == Method::HEAD {
        drop_body(&mut response);
    }
    record(
        exchange,
        head,
        &facts,
        in_flight,
        (response.status().as_u16(), code),
    );
    response
}

/// The problem of the answer, or what axum said by a bare 405.
fn problem_of(exchange: &Exchange, head: &Head, response: &mut Response) -> Option<Arc<Problem>> {
    if let Some(problem) = response.extensions_mut().remove::<Arc<Problem>>() {
        return Some(problem);
    }
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return None;
    }
    let allow = exchange.shared().allowed(head.route.as_ref());
    if head.method == Method::OPTIONS {
        *response.status_mut() = StatusCode::NO_CONTENT;
        *response.body_mut() = Body::empty();
        set(response.headers_mut(), "allow", &allow);
        return None;
    }
    let detail = format!("{} is not allowed here; {allow} are.", head.method);
    Some(Arc::new(
        Problem::new(&problem::METHOD_NOT_ALLOWED, detail).header(header::ALLOW, allow),
    ))
}

/// Writes the document, with what the request knows.
fn render(exchange: &Exchange, head: &Head, problem: &Problem, response: &mut Response) {
    let document = document(exchange, head, problem);
    *response.status_mut() = problem.status();
    *response.body_mut() = Body::from(Value::Object(document).to_string());
    let headers = response.headers_mut();
    headers.remove(header::ETAG);
    headers.remove(header::CONTENT_LENGTH);
    headers.extend(problem.0.headers.clone());
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    set(headers, "cache-control", "no-store");
    if let Some(milliseconds) = problem.0.retry_after_ms {
        set(
            headers,
            "retry-after",
            &milliseconds.div_ceil(1000).to_string(),
        );
    }
}

fn document(exchange: &Exchange, head: &Head, problem: &Problem) -> Map<String, Value> {
    let call = exchange.call();
    let mut document = problem.0.members.clone();
    let mut put = |name: &str, value: Value| drop(document.insert(name.to_owned(), value));
    put("type", problem.0.kind.uri().into());
    put("title", problem.0.kind.title.into());
    put("status", problem.0.kind.status.into());
    put("detail", problem.0.detail.as_str().into());
    put("instance", head.path.as_str().into());
    put("code", problem.0.kind.code.into());
    put("request_id", call.id().to_string().into());
    put("region", call.region().as_str().into());
    put("retryable", problem.0.retryable.into());
    if let Some(milliseconds) = problem.0.retry_after_ms {
        put("retry_after_ms", milliseconds.into());
    }
    if problem.0.alternatives {
        let others = exchange.shared().config.alternatives.iter();
        let others =
            others.map(|(region, url)| json!({"region": region.as_str(), "base_url": url}));
        put("alternatives", others.collect());
    }
    if head.api && !is_safe(&head.method) {
        match receipt(exchange, problem.0.effect) {
            None => put("effect", "none".into()),
            Some(receipt) => {
                put("effect", "unknown".into());
                put("receipt", receipt.into());
            }
        }
    }
    document
}

/// Where a write of unknown outcome will be known; `None` when nothing was or will be changed.
///
/// A write that was never handed to the database cannot have an effect, whatever broke.
fn receipt(exchange: &Exchange, effect: Effect) -> Option<String> {
    let Effect::Unknown { attempt_at } = effect else {
        return None;
    };
    let notes = exchange.notes();
    let office = match (&notes.attempt, attempt_at) {
        (Some(office), _) => office.as_ref().map_or("g", |office| office.as_str()),
        (None, Some(_)) => "g",
        (None, None) => return None,
    };
    let auto = || kernel::IdempotencyKey::auto(exchange.call().id());
    let key = notes.key.clone().unwrap_or_else(auto);
    let attempt_at = attempt_at.unwrap_or(exchange.call().received_at());
    Some(format!(
        "/v1/writes/{key}?office={office}&attempt_at={attempt_at}"
    ))
}

/// Leaves out what the client has already, or does not want.
fn spare(exchange: &Exchange, head: &Head, response: &mut Response) {
    let stable = response.extensions_mut().remove::<Stable>().is_some();
    let minimisable = response.extensions_mut().remove::<Minimisable>().is_some();
    let policy = if is_safe(&head.method) {
        "private, no-cache"
    } else {
        "no-store"
    };
    set(response.headers_mut(), "cache-control", policy);
    let notes = exchange.notes();
    if stable && response.status() == StatusCode::OK {
        let tag = response
            .headers()
            .get(header::ETAG)
            .and_then(|value| value.to_str().ok());
        let tag = tag.map(|tag| tag.trim_start_matches("W/").trim_matches('"'));
        let same = tag
            .zip(notes.if_none_match.as_ref())
            .is_some_and(|(tag, known)| known.contain(tag));
        if same {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            drop_content(response);
        }
    }
    if minimisable && notes.minimal && response.status().is_success() {
        if response.status() == StatusCode::OK {
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        drop_content(response);
        set(
            response.headers_mut(),
            "preference-applied",
            "return=minimal",
        );
    }
}

fn drop_content(response: &mut Response) {
    *response.body_mut() = Body::empty();
    response.headers_mut().remove(header::CONTENT_TYPE);
    response.headers_mut().remove(header::CONTENT_LENGTH);
}

/// HEAD has the headers of GET, the length included.
fn drop_body(response: &mut Response) {
    if let Some(length) = response.body().size_hint().exact() {
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length.into());
    }
    *response.body_mut() = Body::empty();
}

/// Every header of `api-and-domain` 3.4.
fn api_headers(exchange: &Exchange, head: &Head, facts: &Facts, headers: &mut HeaderMap) {
    let shared = exchange.shared();
    let config = &shared.config;
    if let Some(token) = facts.token.max(facts.moment) {
        shared.newest.observe(token);
    }
    let token = facts.reflects().unwrap_or_else(|| shared.newest.get());
    let freshness = facts
        .freshness
        .as_ref()
        .map_or("none".into(), ToString::to_string);
    let served_by = format!("{};node=\"{}\"", config.region, quotable(&config.node));
    let cost = format!(
        "sql={}, rows={}, retries={}, xregion={}",
        facts.statements, facts.rows, facts.retries, facts.cross_region
    );
    set(headers, "served-by", &served_by);
    set(headers, "freshness", &freshness);
    set(headers, "consistency-token", &token.to_string());
    set(headers, "request-cost", &cost);
    set(headers, "server-timing", &timing(exchange, facts));
    if let Some(limiter) = &shared.limiter {
        limiter.finish(exchange.call(), headers);
    }
    if facts.replayed {
        set(headers, "idempotent-replayed", "true");
    }
    if facts.dry_run && !is_safe(&head.method) {
        set(headers, "dry-run", "true");
    }
}

fn timing(exchange: &Exchange, facts: &Facts) -> String {
    let mut parts = Vec::new();
    if !facts.auth.is_zero() {
        parts.push(format!("auth;dur={}", millis(facts.auth)));
    }
    if facts.statements > 0 {
        parts.push(format!("db;dur={}", millis(facts.database)));
    }
    if let Some(commit) = facts.commit {
        parts.push(format!("commit;dur={}", millis(commit)));
    }
    parts.push(format!("total;dur={}", millis(exchange.call().elapsed())));
    parts.join(", ")
}

/// What may stand between the quotes of a string of RFC 9651.
fn quotable(text: &str) -> String {
    text.chars()
        .filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\'))
        .collect()
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// One line in the log and one count in the metrics.
fn record(
    exchange: &Exchange,
    head: &Head,
    facts: &Facts,
    in_flight: InFlight,
    (status, code): (u16, Option<&'static str>),
) {
    let call = exchange.call();
    let operation = exchange.notes().operation.clone();
    let operation = operation
        .as_ref()
        .map_or("none", |operation| operation.id.as_str());
    let elapsed = call.elapsed();
    if head.api {
        let principal = exchange.principal();
        tracing::info!(
            request_id = %call.id(),
            operation,
            method = %head.method,
            path = %head.path,
            status,
            code,
            subject = principal.as_ref().map(|principal| principal.subject.as_str()),
            client = call.client().map(tracing::field::display),
            traceparent = call.traceparent(),
            sql = facts.statements,
            retries = facts.retries,
            replayed = facts.replayed,
            duration_ms = millis(elapsed),
            "request.end"
        );
    } else {
        tracing::debug!(path = %head.path, status, duration_ms = millis(elapsed), "probe.end");
    }
    in_flight.answered(
        operation,
        method_label(&head.method),
        (status, code),
        elapsed,
    );
}

/// Methods are the client's to invent; labels are not.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}
