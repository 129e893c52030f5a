//! RFC 9457 problem documents: what is wrong, in words for people and codes for programs.
//!
//! A [`Problem`] holds what the place that found it knows. The pipeline adds what the request knows: `instance`,
//! `request_id`, `region`, and for writes `effect` and `receipt`.

use std::fmt::Display;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use kernel::Timestamp;
use serde_json::{Map, Value};

/// One kind of problem. Its code is a heading of `docs/problems.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProblemType {
    /// For programs: `sku_taken`.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// For people, always the same for this code.
    pub title: &'static str,
}

impl ProblemType {
    /// A kind of problem.
    #[must_use]
    pub const fn new(code: &'static str, status: u16, title: &'static str) -> Self {
        Self {
            code,
            status,
            title,
        }
    }

    /// `type` of the document.
    #[must_use]
    pub fn uri(&self) -> String {
        if self.code == QUOTA_EXCEEDED.code {
            // registered by draft-ietf-httpapi-ratelimit-headers-10, section 6.1
            "https://iana.org/assignments/http-problem-types#quota-exceeded".to_owned()
        } else {
            format!("/problems/{}", self.code)
        }
    }
}

macro_rules! types {
    ($($name:ident $code:literal $status:literal $title:literal;)*) => {
        $(#[doc = concat!("`", $code, "`")] pub const $name: ProblemType =
            ProblemType::new($code, $status, $title);)*
        /// Every kind that the platform itself answers.
        pub const COMMON: &[ProblemType] = &[$($name,)*];
    };
}

types! {
    MALFORMED_JSON "malformed_json" 400 "Malformed JSON";
    MALFORMED_CSV "malformed_csv" 400 "Malformed CSV";
    UNKNOWN_PARAMETER "unknown_parameter" 400 "Unknown parameter";
    INVALID_PARAMETER "invalid_parameter" 400 "Invalid parameter";
    CURSOR_MISMATCH "cursor_mismatch" 400 "Cursor of another list";
    TOKEN_MALFORMED "token_malformed" 400 "Malformed consistency token";
    TOKEN_UNKNOWN "token_unknown" 400 "Consistency token from the future";
    IDEMPOTENCY_KEY_REQUIRED "idempotency_key_required" 400 "Idempotency key required";
    IDEMPOTENCY_KEY_INVALID "idempotency_key_invalid" 400 "Invalid idempotency key";
    UNAUTHENTICATED "unauthenticated" 401 "Not authenticated";
    SCOPE_MISSING "scope_missing" 403 "Scope missing";
    OFFICE_FORBIDDEN "office_forbidden" 403 "Office not allowed";
    NOT_FOUND "not_found" 404 "Not found";
    METHOD_NOT_ALLOWED "method_not_allowed" 405 "Method not allowed";
    NOT_ACCEPTABLE "not_acceptable" 406 "No acceptable representation";
    ALREADY_EXISTS "already_exists" 409 "Already exists";
    ATOMIC_FAILED "atomic_failed" 409 "Another row was refused";
    KEY_VOIDED "key_voided" 409 "Idempotency key made void";
    CURSOR_EXPIRED "cursor_expired" 410 "Cursor expired";
    VERSION_CHANGED "version_changed" 412 "Version changed";
    BODY_TOO_LARGE "body_too_large" 413 "Body too large";
    URI_TOO_LONG "uri_too_long" 414 "URI too long";
    UNSUPPORTED_MEDIA_TYPE "unsupported_media_type" 415 "Unsupported media type";
    VALIDATION_FAILED "validation_failed" 422 "Validation failed";
    IDEMPOTENCY_KEY_REUSED "idempotency_key_reused" 422 "Idempotency key used for another request";
    AS_OF_TOO_OLD "as_of_too_old" 422 "Moment too old";
    AMOUNT_OUT_OF_RANGE "amount_out_of_range" 422 "Amount out of range";
    IF_MATCH_REQUIRED "if_match_required" 428 "If-Match required";
    QUOTA_EXCEEDED "quota-exceeded" 429 "Request cannot be satisfied as assigned quota has been exceeded";
    HEADERS_TOO_LARGE "headers_too_large" 431 "Header fields too large";
    INTERNAL "internal" 500 "Internal error";
    CONTENTION "contention" 503 "Too many conflicts";
    OUTCOME_UNKNOWN "outcome_unknown" 503 "Commit outcome not known yet";
    REGION_UNAVAILABLE "region_unavailable" 503 "Region unavailable";
    OVERLOADED "overloaded" 503 "Overloaded";
    DRAINING "draining" 503 "Shutting down";
    DEADLINE_EXCEEDED "deadline_exceeded" 504 "Deadline exceeded";
}

/// What a failed write may have left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Effect {
    /// Nothing, now or ever.
    #[default]
    None,
    /// Nobody can tell yet; the receipt will.
    Unknown {
        /// When the attempt was made; `None`: when the request was received.
        attempt_at: Option<Timestamp>,
    },
}

/// One problem, before the pipeline adds what the request knows.
#[derive(Debug, Clone)]
pub struct Problem(pub(crate) Box<Known>);

/// What the place that found a problem knows of it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) kind: ProblemType,
    pub(crate) detail: String,
    pub(crate) members: Map<String, Value>,
    pub(crate) headers: HeaderMap,
    pub(crate) retryable: bool,
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) effect: Effect,
    pub(crate) alternatives: bool,
}

impl Problem {
    /// A problem of this kind; `detail` is a sentence for the person who sent the request.
    #[must_use]
    pub fn new(kind: &ProblemType, detail: impl Into<String>) -> Self {
        Self(Box::new(Known {
            kind: *kind,
            detail: detail.into(),
            members: Map::new(),
            headers: HeaderMap::new(),
            retryable: false,
            retry_after_ms: None,
            effect: Effect::None,
            alternatives: false,
        }))
    }

    /// Adds a fact of the case.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(member.to_owned(), value.into());
        self
    }

    /// Adds a response header; ignored if `value` has characters that no header may have.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Display) -> Self {
        if let Ok(value) = HeaderValue::try_from(value.to_string()) {
            self.0.headers.append(name, value);
        }
        self
    }

    /// Says that the same request may succeed later, after this long at the earliest.
    #[must_use]
    pub fn retry_after_ms(mut self, milliseconds: u64) -> Self {
        self.0.retryable = true;
        self.0.retry_after_ms = Some(milliseconds);
        self
    }

    /// Says that the same request may succeed later.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.0.retryable = true;
        self
    }

    /// Says what a write may have left behind.
    #[must_use]
    pub fn effect(mut self, effect: Effect) -> Self {
        self.0.effect = effect;
        self
    }

    /// Lists the other regions, which may answer at once.
    #[must_use]
    pub fn with_alternatives(mut self) -> Self {
        self.0.alternatives = true;
        self
    }

    /// `invalid_parameter` for one value in path, query or header.
    #[must_use]
    pub fn invalid_parameter(parameter: &str, code: &str, detail: impl Into<String>) -> Self {
        Self::invalid_parameters(vec![ParameterError::new(parameter, code, detail)])
    }

    /// `invalid_parameter` for several values in path, query or header.
    #[must_use]
    pub fn invalid_parameters(errors: Vec<ParameterError>) -> Self {
        Self::of_parameters(&INVALID_PARAMETER, errors)
    }

    pub(crate) fn of_parameters(kind: &ProblemType, errors: Vec<ParameterError>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!("{} {}.", one.parameter, one.detail),
            many => format!("{} parameters are not acceptable.", many.len()),
        };
        let errors: Vec<Value> = errors.into_iter().map(ParameterError::into_value).collect();
        Self::new(kind, detail).with("errors", errors)
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> &ProblemType {
        &self.0.kind
    }

    /// The sentence for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// What is wrong with one value in path, query or header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterError {
    /// Its name.
    pub parameter: String,
    /// Which rule, for programs.
    pub code: String,
    /// Which rule: the end of a sentence that begins with the name.
    pub detail: String,
    /// The name that was probably meant.
    pub suggestion: Option<String>,
}

impl ParameterError {
    /// A broken rule.
    #[must_use]
    pub fn new(
        parameter: impl Into<String>,
        code: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            parameter: parameter.into(),
            code: code.into(),
            detail: detail.into(),
            suggestion: None,
        }
    }

    fn into_value(self) -> Value {
        let mut value = serde_json::json!({
            "parameter": self.parameter, "code": self.code, "detail": self.detail,
        });
        if let Some(suggestion) = self.suggestion {
            value["suggestion"] = suggestion.into();
        }
        value
    }
}

/// An operation's refusals, worded for clients: an exhaustive `match`, no `_` arm.
pub trait ToProblem: std::error::Error + Send + Sync + 'static {
    /// The problem document.
    fn to_problem(&self) -> Problem;
}

/// For operations that refuse nothing of their own.
impl ToProblem for std::convert::Infallible {
    fn to_problem(&self) -> Problem {
        match *self {}
    }
}

impl IntoResponse for Problem {
    /// The document is written by the pipeline, which finds the problem among the extensions.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.headers_mut().extend(self.0.headers.clone());
        response.extensions_mut().insert(std::sync::Arc::new(self));
        response
    }
}
