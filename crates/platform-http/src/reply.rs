//! Answers.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use kernel::{Inlined, Reply};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::error::{ApiError, internal};

/// The answer to a write, new or replayed.
#[derive(Debug, Clone)]
pub struct Written(pub Reply);

/// One resource.
#[derive(Debug, Clone)]
pub struct Found<T> {
    /// Its version, for `ETag` and `If-None-Match`.
    pub version: Option<i64>,
    /// `false` where members change by themselves (a price's `valid_from`, a hold's expiry): never answered with 304.
    pub stable: bool,
    /// The representation.
    pub body: T,
}

impl<T> Found<T> {
    /// A resource that changes with its version only.
    pub fn versioned(version: i64, body: T) -> Self {
        Self {
            version: Some(version),
            stable: true,
            body,
        }
    }

    /// What has no version: lists, reports, receipts.
    pub fn plain(body: T) -> Self {
        Self {
            version: None,
            stable: false,
            body,
        }
    }
}

/// One resource, or a page of them, that shows what some of its ids name, if that was asked for.
#[derive(Debug, Clone)]
pub struct Expanded<T> {
    found: Found<T>,
    inlined: Option<Inlined>,
    page: bool,
}

impl<T> Expanded<T> {
    /// A resource; `None` where nothing was asked for.
    pub fn one(found: Found<T>, inlined: Option<Inlined>) -> Self {
        Self {
            found,
            inlined,
            page: false,
        }
    }

    /// A page, whose resources are in its `data`.
    pub fn page(body: T, inlined: Option<Inlined>) -> Self {
        Self {
            found: Found::plain(body),
            inlined,
            page: true,
        }
    }
}

/// Among the extensions of an answer: it is the same for the same `ETag`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stable;

/// Among the extensions of an answer: a client that prefers `return=minimal` need not get its body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Minimisable;

impl IntoResponse for Written {
    fn into_response(self) -> Response {
        let Reply {
            status,
            location,
            version,
            body,
            effect_ids: _,
        } = self.0;
        let Ok(status) = StatusCode::from_u16(status) else {
            tracing::error!(
                status,
                "a write answered with a status that HTTP does not have"
            );
            return internal(true).into_response();
        };
        let mut headers = HeaderMap::new();
        insert(&mut headers, header::LOCATION, location);
        insert(
            &mut headers,
            header::ETAG,
            version.map(|version| format!("\"{version}\"")),
        );
        let mut response = match body {
            Some(body) => {
                headers.insert(header::CONTENT_TYPE, JSON);
                (status, headers, body).into_response()
            }
            None => (status, headers).into_response(),
        };
        response.extensions_mut().insert(Minimisable);
        response
    }
}

impl<T: Serialize> IntoResponse for Found<T> {
    fn into_response(self) -> Response {
        let tag = self.version.map(|version| format!("\"{version}\""));
        match serde_json::to_vec(&self.body) {
            Ok(body) => shown(body, tag, self.stable),
            Err(error) => unwritable(&error),
        }
    }
}

/// An answer's tag is that of its content: another one when anything changed that it shows, also by itself.
impl<T: Serialize> IntoResponse for Expanded<T> {
    fn into_response(self) -> Response {
        let Some(inlined) = self.inlined else {
            return self.found.into_response();
        };
        let mut body = match serde_json::to_value(&self.found.body) {
            Ok(body) => body,
            Err(error) => return unwritable(&error),
        };
        if self.page {
            let rows = body.get_mut("data").and_then(Value::as_array_mut);
            rows.into_iter()
                .flatten()
                .for_each(|row| inlined.apply(row));
        } else {
            inlined.apply(&mut body);
        }
        let body = body.to_string().into_bytes();
        let version = self.found.version;
        let tag = version.map(|version| format!("W/\"{version}-{}\"", digest(&body)));
        shown(body, tag, true)
    }
}

fn shown(body: Vec<u8>, tag: Option<String>, stable: bool) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, JSON);
    insert(&mut headers, header::ETAG, tag);
    let mut response = (headers, body).into_response();
    if stable {
        response.extensions_mut().insert(Stable);
    }
    response
}

fn unwritable(error: &serde_json::Error) -> Response {
    tracing::error!(%error, "an answer cannot be written as JSON");
    ApiError::from(internal(false)).into_response()
}

/// 64 bits in hexadecimal.
fn digest(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl<T: Serialize> IntoResponse for crate::Listed<T> {
    fn into_response(self) -> Response {
        Found::plain(self).into_response()
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: Option<String>) {
    if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
        headers.insert(name, value);
    }
}
