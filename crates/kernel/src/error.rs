//! How an operation can end without its result. Nothing here knows of HTTP or SQL.

use std::error::Error;

use crate::{OfficeCode, RegionTag, Timestamp};

/// An operation's end without a result.
#[derive(Debug, thiserror::Error)]
pub enum OpError<E> {
    /// The operation's own rules say no. Nothing was changed.
    #[error("refused")]
    Refused(E),
    /// One of the rules that every operation shares says no. Nothing was changed.
    #[error(transparent)]
    Common(Common),
    /// We could not.
    #[error(transparent)]
    System(SystemError),
}

impl<E> From<SystemError> for OpError<E> {
    fn from(error: SystemError) -> Self {
        Self::System(error)
    }
}

impl<E> From<Common> for OpError<E> {
    fn from(common: Common) -> Self {
        Self::Common(common)
    }
}

/// What any operation can be refused for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Common {
    /// The body breaks rules of its own.
    #[error("the body is not acceptable")]
    Invalid(Invalid),
    /// No such resource.
    #[error("{what} does not exist")]
    NotFound {
        /// `item itm_g_…`, for people.
        what: String,
    },
    /// The token does not reach the office.
    #[error("the token does not reach office {office}")]
    OfficeForbidden {
        /// The office.
        office: OfficeCode,
    },
    /// A filter names what does not exist.
    #[error("the parameter {parameter} names {value}, which does not exist")]
    UnknownInFilter {
        /// Name of the query parameter.
        parameter: &'static str,
        /// What it named.
        value: String,
    },
    /// `as_of` lies in the future.
    #[error("as_of lies in the future")]
    AsOfInFuture {
        /// When the request was received.
        now: Timestamp,
    },
    /// `as_of` lies before anything was recorded.
    #[error("nothing was recorded before {beginning}")]
    AsOfTooOld {
        /// When the company's first row was recorded.
        beginning: Timestamp,
    },
    /// A PATCH or DELETE without `If-Match`.
    #[error("If-Match is required")]
    IfMatchRequired,
    /// `If-Match` names another version.
    #[error("the version is {current}")]
    VersionChanged {
        /// The version there is.
        current: i64,
    },
    /// The key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The key was made void: nothing will ever be written under it.
    #[error("the idempotency key was made void")]
    KeyVoided,
    /// The write was done under this key so long ago that its answer is gone, or the code is taken.
    #[error("it exists already")]
    AlreadyExists {
        /// Path of what exists.
        location: Option<String>,
    },
}

/// Every rule that a body breaks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Invalid {
    /// One entry per broken rule, in the order of the body.
    pub errors: Vec<FieldError>,
}

/// One broken rule of a body.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FieldError {
    /// Where in the body (RFC 6901).
    pub pointer: String,
    /// Which rule, for programs: `required`, `type`, `length`, `unknown_member`, …
    pub code: &'static str,
    /// Which rule, for people.
    pub detail: String,
}

impl Invalid {
    /// One broken rule.
    #[must_use]
    pub fn one(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            errors: vec![FieldError {
                pointer: pointer.into(),
                code,
                detail: detail.into(),
            }],
        }
    }
}

/// We could not: not the caller's fault.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// Conflicts with other writers until the bound was reached. Nothing was changed.
    #[error("too much contention")]
    Contended,
    /// COMMIT was sent and nobody could tell how it ended.
    #[error("the outcome of the commit is not known")]
    OutcomeUnknown {
        /// When the attempt was made; 20 s later its receipt is settled.
        attempt_at: Timestamp,
        /// What broke, for the log.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// The database or the region cannot be reached. Nothing was changed.
    #[error("the database cannot be reached")]
    Unavailable {
        /// What broke, for the log.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// These regions did not answer, and nothing can be shown without them. Nothing was changed.
    #[error("no answer from {}", regions.iter().map(RegionTag::as_str).collect::<Vec<_>>().join(", "))]
    RegionsUnreachable {
        /// Which.
        regions: Vec<RegionTag>,
    },
    /// What can be had is older than the caller takes, and nothing newer can be reached.
    #[error("the nearest replica has no more than the state of {as_of}")]
    TooFarBehind {
        /// The state that could be shown.
        as_of: Timestamp,
    },
    /// The deadline passed before COMMIT was sent. Nothing was changed.
    #[error("the deadline passed")]
    DeadlineExceeded,
    /// The caller's token is ahead of the cluster's clock.
    #[error("the consistency token is ahead of the cluster")]
    TokenUnknown,
    /// The walk's snapshot is gone, or older than the caller's token.
    #[error("the cursor expired")]
    CursorExpired,
    /// A bug of ours. Nothing was changed, unless `effect_unknown`.
    #[error("internal error")]
    Bug {
        /// Whether something may have been written.
        effect_unknown: bool,
        /// What broke, for the log.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}
