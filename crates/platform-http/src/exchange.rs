//! What the pipeline and the extractors of one request tell each other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Method, request::Parts};
use kernel::{Call, IdempotencyKey, OfficeCode, Principal};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    error::internal, expand::Expandable, headers::EntityTags, problem::Problem, service::Shared,
};

/// One request on its way through the service; among the extensions of the request. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Exchange(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    call: Call,
    method: Method,
    notes: Mutex<Notes>,
}

/// What is learnt about the request while it is worked on.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// The route's operation.
    pub(crate) operation: Option<Arc<Operation>>,
    /// What came of the token.
    pub(crate) credentials: Credentials,
    /// The write's name.
    pub(crate) key: Option<IdempotencyKey>,
    /// Once the write may reach the database: its office, `None` inside for rows that belong to none.
    pub(crate) attempt: Option<Option<OfficeCode>>,
    /// Tags that need not be sent again.
    pub(crate) if_none_match: Option<EntityTags>,
    /// `Prefer: return=minimal`.
    pub(crate) minimal: bool,
    /// The handler has times of its own (imports, long polls): the deadline of requests does not end it.
    pub(crate) unhurried: bool,
    /// The request's place among those at work; whoever works on behind the answer takes it.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// One operation of the OpenAPI document.
#[derive(Debug, Default)]
pub(crate) struct Operation {
    /// Its id: `create_item`.
    pub(crate) id: String,
    /// In capitals.
    pub(crate) method: String,
    /// Names of its query parameters.
    pub(crate) query: Vec<String>,
    /// What it can show in place of an id.
    pub(crate) expand: Vec<Expandable>,
    /// Media types of its answers, problems aside.
    pub(crate) produces: Vec<String>,
}

/// What came of the `Authorization` header.
#[derive(Debug, Clone, Default)]
pub(crate) enum Credentials {
    /// There was none.
    #[default]
    Missing,
    /// It does not hold, and why.
    Bad(&'static str),
    /// It cannot be judged: the keys that it asks for could not be read.
    NoKeys,
    /// Who asks.
    Good(Arc<Principal>),
}

impl Exchange {
    pub(crate) fn new(shared: Arc<Shared>, call: Call, method: Method) -> Self {
        Self(Arc::new(Inner {
            shared,
            call,
            method,
            notes: Mutex::default(),
        }))
    }

    /// The exchange of a request.
    ///
    /// # Errors
    /// Outside [`Service`](crate::Service), which is a bug.
    pub(crate) fn of(parts: &Parts) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            tracing::error!("an extractor of platform-http ran outside its Service");
            internal(false)
        })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    pub(crate) fn call(&self) -> &Call {
        &self.0.call
    }

    /// Whether the method promises to change nothing (RFC 9110, section 9.2.1).
    pub(crate) fn is_safe(&self) -> bool {
        is_safe(&self.0.method)
    }

    /// Never held across an await.
    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn principal(&self) -> Option<Arc<Principal>> {
        match &self.notes().credentials {
            Credentials::Good(principal) => Some(Arc::clone(principal)),
            Credentials::Missing | Credentials::Bad(_) | Credentials::NoKeys => None,
        }
    }
}

/// Whether the method promises to change nothing (RFC 9110, section 9.2.1).
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    )
}
