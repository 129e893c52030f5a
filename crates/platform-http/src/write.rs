//! Writes: the request as sent, checked in the contract's order (`api-and-domain` 3.5), and the intent made of it.

use axum::{
    body::Body,
    extract::{FromRequest, Request},
};
use http::{HeaderMap, Method, header, request::Parts};
use http_body_util::BodyExt as _;
use kernel::{IdempotencyKey, IfMatch, Intent, OfficeCode, RegionTag};
use serde_json::{Map, Value};

use crate::{
    auth::{Can, Permission},
    error::{ApiError, deadline_exceeded},
    exchange::Exchange,
    headers, json,
    problem::{self, Problem},
    query,
};

/// Everything a write brings, last among a handler's extractors.
///
/// Parameters, headers and key are checked first (400), then size, type and syntax of the body (413, 415, 400). What
/// the body says is the operation's matter, after the key row was looked at.
#[derive(Debug)]
pub struct WriteRequest {
    exchange: Exchange,
    method: &'static str,
    path: String,
    key: IdempotencyKey,
    if_match: Option<IfMatch>,
    dry_run: bool,
    fingerprint: [u8; 32],
    body: Value,
}

impl WriteRequest {
    /// The body; `{}` if there was none.
    #[must_use]
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// Whether the write is to be rehearsed only.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// The write's name.
    #[must_use]
    pub fn key(&self) -> &IdempotencyKey {
        &self.key
    }

    /// The write on its way to the database. `operation` is the id in the OpenAPI document, `home` where key, audit and
    /// event rows live, `office` the office written to. Hot keys may be added to the result.
    #[must_use]
    pub fn intent<P: Permission>(
        &self,
        caller: &Can<P>,
        operation: &'static str,
        home: RegionTag,
        office: Option<OfficeCode>,
    ) -> Intent {
        self.exchange.notes().attempt = Some(office.clone());
        Intent {
            call: caller.call.clone(),
            operation,
            principal: kernel::Principal::clone(&caller.principal),
            scope: P::SCOPE,
            key: self.key.clone(),
            fingerprint: self.fingerprint,
            method: self.method,
            path: self.path.clone(),
            if_match: self.if_match.clone(),
            dry_run: self.dry_run,
            office,
            home,
            hot: Vec::new(),
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for WriteRequest {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let exchange = Exchange::of(&parts)?;
        let dry_run = dry_run(&parts)?;
        if dry_run {
            exchange.call().facts().dry_run = true;
        }
        let key = key(&parts, &exchange, dry_run)?;
        exchange.notes().key = Some(key.clone());
        exchange.notes().minimal = headers::prefers_minimal(&parts.headers);
        let if_match = headers::if_match(&parts.headers)?;
        let body = read_json(&parts, body, &exchange).await?;
        let fingerprint = fingerprint(&parts, &body)?;
        Ok(Self {
            exchange,
            method: method_name(&parts.method),
            path: parts.uri.path().to_owned(),
            key,
            if_match,
            dry_run,
            fingerprint,
            body,
        })
    }
}

/// The body of a POST that is not a write of its own (`/v1/writes/verify`) or names itself in the path: no key, no
/// rehearsal.
#[derive(Debug)]
pub struct JsonRequest {
    exchange: Exchange,
    body: Value,
}

impl JsonRequest {
    /// The body; `{}` if there was none.
    #[must_use]
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// Says that a write named `key` may reach the database from here on, so that a failure names its receipt.
    pub fn attempt(&self, key: &IdempotencyKey, office: Option<&OfficeCode>) {
        let mut notes = self.exchange.notes();
        notes.key = Some(key.clone());
        notes.attempt = Some(office.cloned());
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonRequest {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let exchange = Exchange::of(&parts)?;
        if dry_run(&parts)? {
            // Whatever the document says: what cannot be rehearsed must not be done instead.
            query::refuse_unknown(Some("dry_run"), &[])?;
        }
        let body = read_json(&parts, body, &exchange).await?;
        Ok(Self { exchange, body })
    }
}

pub(crate) fn dry_run(parts: &Parts) -> Result<bool, Problem> {
    let pairs = query::decode(parts.uri.query()).map_err(Problem::invalid_parameters)?;
    let values: Vec<&str> = pairs
        .iter()
        .filter(|(name, _)| name == "dry_run")
        .map(|(_, value)| value.as_str())
        .collect();
    match values.as_slice() {
        [] | ["false"] => Ok(false),
        ["true"] => Ok(true),
        [_] => Err(Problem::invalid_parameter(
            "dry_run",
            "type",
            "must be true or false",
        )),
        _ => Err(Problem::invalid_parameter(
            "dry_run",
            "repeated",
            "is sent more than once",
        )),
    }
}

pub(crate) fn key(
    parts: &Parts,
    exchange: &Exchange,
    dry_run: bool,
) -> Result<IdempotencyKey, Problem> {
    let auto = || IdempotencyKey::auto(exchange.call().id());
    if dry_run {
        return Ok(auto());
    }
    match headers::idempotency_key(&parts.headers)? {
        Some(key) => Ok(key),
        None if parts.method == Method::POST => Err(Problem::new(
            &problem::IDEMPOTENCY_KEY_REQUIRED,
            "Send an Idempotency-Key: 8 to 128 characters, new for this write and kept for its repeats.",
        )),
        None => Ok(auto()),
    }
}

fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "POST",
    }
}

fn fingerprint(parts: &Parts, body: &Value) -> Result<[u8; 32], Problem> {
    let mut pairs = query::decode(parts.uri.query()).map_err(Problem::invalid_parameters)?;
    pairs.retain(|(name, _)| name != "dry_run");
    pairs.sort_unstable();
    let query = serde_json::to_string(&pairs).unwrap_or_default();
    let if_match: Vec<&str> = parts
        .headers
        .get_all(header::IF_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .map(str::trim)
        .collect();
    let parts: [&[u8]; 4] = [
        parts.method.as_str().as_bytes(),
        parts.uri.path().as_bytes(),
        query.as_bytes(),
        &if_match.join(",").into_bytes(),
    ];
    Ok(json::fingerprint(&parts, body))
}

async fn read_json(parts: &Parts, body: Body, exchange: &Exchange) -> Result<Value, Problem> {
    let limits = &exchange.shared().config.limits;
    let patience = exchange.call().remaining();
    let bytes = tokio::time::timeout(patience, read(&parts.headers, body, limits.body_bytes))
        .await
        .map_err(|_| deadline_exceeded())??;
    check_type(parts, bytes.is_empty())?;
    if bytes.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    json::parse(&bytes, limits.json_depth).map_err(|why| {
        Problem::new(
            &problem::MALFORMED_JSON,
            format!("The body is not acceptable JSON: {why}."),
        )
    })
}

async fn read(headers: &HeaderMap, mut body: Body, max: usize) -> Result<Vec<u8>, Problem> {
    let too_large = || {
        Problem::new(
            &problem::BODY_TOO_LARGE,
            format!("The body has more than the {max} bytes that are taken."),
        )
        .with("limit_bytes", max)
    };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    if announced.is_some_and(|text| text.parse().is_ok_and(|length: u64| length > max as u64)) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            Problem::new(
                &problem::MALFORMED_JSON,
                "The body broke off before its end.",
            )
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        }; // trailers
        if bytes.len() + data.len() > max {
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// JSON in UTF-8, as itself; PATCH also as a merge patch (RFC 7396).
fn check_type(parts: &Parts, empty: bool) -> Result<(), Problem> {
    let merge_patch = parts.method == Method::PATCH;
    let refuse = |detail: &str| {
        let problem = Problem::new(&problem::UNSUPPORTED_MEDIA_TYPE, detail);
        if merge_patch {
            problem.header(header::HeaderName::from_static("accept-patch"), MERGE_PATCH)
        } else {
            problem
        }
    };
    check_encoding(&parts.headers).map_err(refuse)?;
    if empty && !parts.headers.contains_key(header::CONTENT_TYPE) {
        return Ok(());
    }
    let kind = utf8_type(&parts.headers).unwrap_or_default();
    if kind == "application/json" || (merge_patch && kind == MERGE_PATCH) {
        Ok(())
    } else if merge_patch {
        Err(refuse(
            "Send Content-Type: application/merge-patch+json (or application/json) in UTF-8.",
        ))
    } else {
        Err(refuse("Send Content-Type: application/json in UTF-8."))
    }
}

/// # Errors
/// What is wrong, for a body that is packed.
pub(crate) fn check_encoding(headers: &HeaderMap) -> Result<(), &'static str> {
    let encoding = headers.get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err("Bodies with a Content-Encoding are not taken.");
    }
    Ok(())
}

/// The media type that the body is said to be, in small letters; `None` without one, with several, and in another
/// character set than UTF-8.
pub(crate) fn utf8_type(headers: &HeaderMap) -> Option<String> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(given), None) = (types.next(), types.next()) else {
        return None;
    };
    let mut pieces = given.to_str().ok()?.split(';').map(str::trim);
    let kind = pieces.next()?.to_ascii_lowercase();
    let charset = pieces.find_map(|piece| {
        let (name, value) = piece.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"'))
    });
    charset
        .is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8"))
        .then_some(kind)
}

pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";

#[cfg(test)]
mod tests {
    use axum::{
        body::Body,
        extract::{FromRequest as _, Request},
    };
    use http::Method;
    use kernel::{Call, Clock, RegionTag, RequestId, call::CallStart};

    use super::*;
    use crate::{
        HttpConfig, JwksSource, ServiceParts, Verifier, readiness,
        service::{Service, service},
    };

    fn empty() -> Service {
        let config = HttpConfig::new(RegionTag::global(), "test");
        let source = JwksSource::File("none".into());
        service(
            config,
            ServiceParts {
                verifier: Verifier::new(source, "issuer", "meridian", Clock::System),
                readiness: readiness(|| std::future::ready(Ok(()))),
                registry: prometheus_client::registry::Registry::default(),
                systems: Vec::new(),
            },
        )
    }

    #[tokio::test]
    async fn what_cannot_be_rehearsed_is_not_done_instead() {
        let shared = empty().shared;
        let read = async |path: &str| {
            let call = Call::start(CallStart {
                id: RequestId::random(RegionTag::global()),
                region: RegionTag::global(),
                client: None,
                traceparent: None,
                received_at: Clock::System.now(),
                budget: std::time::Duration::from_secs(10),
            });
            let mut request = Request::post(path).body(Body::empty()).unwrap();
            let exchange = Exchange::new(std::sync::Arc::clone(&shared), call, Method::POST);
            request.extensions_mut().insert(exchange);
            let read = JsonRequest::from_request(request, &()).await;
            read.map(|_| ())
                .map_err(|error| error.problem().kind().code)
        };
        assert_eq!(read("/v1/writes/key-00001/void").await, Ok(()));
        assert_eq!(
            read("/v1/writes/key-00001/void?dry_run=true").await,
            Err("unknown_parameter")
        );
    }
}
