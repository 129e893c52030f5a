//! Answers.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use kernel::Reply;
use serde::Serialize;

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
        let body = match serde_json::to_vec(&self.body) {
            Ok(body) => body,
            Err(error) => {
                tracing::error!(%error, "an answer cannot be written as JSON");
                return ApiError::from(internal(false)).into_response();
            }
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, JSON);
        insert(
            &mut headers,
            header::ETAG,
            self.version.map(|version| format!("\"{version}\"")),
        );
        let mut response = (headers, body).into_response();
        if self.stable {
            response.extensions_mut().insert(Stable);
        }
        response
    }
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
