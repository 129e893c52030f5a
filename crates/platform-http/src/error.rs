//! How an operation's end without a result becomes a problem, and where its causes are logged: once, here.

use std::error::Error;

use axum::response::{IntoResponse, Response};
use http::header;
use kernel::{Common, Invalid, OpError, RegionTag, SystemError, Timestamp};

use crate::problem::{self, Effect, Problem, ToProblem};

/// What a handler returns instead of an answer. Made by `?` from what an operation returns.
#[derive(Debug)]
pub struct ApiError(Problem);

impl ApiError {
    /// The problem that the client sees.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.0
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl<E: ToProblem> From<OpError<E>> for ApiError {
    fn from(error: OpError<E>) -> Self {
        match error {
            OpError::Refused(refusal) => refusal.to_problem().into(),
            OpError::Common(common) => common.into(),
            OpError::System(system) => system.into(),
        }
    }
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        Common::Invalid(invalid).into()
    }
}

impl From<Common> for ApiError {
    fn from(common: Common) -> Self {
        of_common(&common).into()
    }
}

impl From<SystemError> for ApiError {
    fn from(error: SystemError) -> Self {
        log(&error);
        of_system(&error).into()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

fn of_common(common: &Common) -> Problem {
    match common {
        Common::Invalid(invalid) => of_invalid(invalid),
        Common::NotFound { what } => {
            Problem::new(&problem::NOT_FOUND, format!("{what} does not exist."))
        }
        Common::OfficeForbidden { office } => Problem::new(
            &problem::OFFICE_FORBIDDEN,
            format!("The token does not reach the office {office}."),
        )
        .with("office", office.as_str()),
        Common::UnknownInFilter { parameter, value } => Problem::invalid_parameter(
            parameter,
            unknown_code(parameter),
            format!("{value} does not exist"),
        ),
        Common::AsOfInFuture { now } => Problem::new(
            &problem::VALIDATION_FAILED,
            format!("as_of lies in the future; it is {now} now."),
        )
        .with(
            "errors",
            serde_json::json!([{
                "parameter": "as_of",
                "code": "in_the_future",
                "detail": format!("must not be after now, {now}"),
            }]),
        ),
        Common::AsOfTooOld { beginning } => Problem::new(
            &problem::AS_OF_TOO_OLD,
            format!("Nothing was recorded before {beginning}."),
        )
        .with("beginning", beginning.to_string()),
        Common::IfMatchRequired => Problem::new(
            &problem::IF_MATCH_REQUIRED,
            "Send the ETag of the version that you want to change as If-Match.",
        ),
        Common::VersionChanged { current } => Problem::new(
            &problem::VERSION_CHANGED,
            format!("The resource is at version {current}; read it again and decide anew."),
        )
        .with("current_version", *current)
        .header(header::ETAG, format_args!("\"{current}\"")),
        Common::KeyReused => Problem::new(
            &problem::IDEMPOTENCY_KEY_REUSED,
            "This Idempotency-Key was used for another request; every write needs a key of its own.",
        ),
        Common::KeyVoided => Problem::new(
            &problem::KEY_VOIDED,
            "This Idempotency-Key was made void: nothing was or will be written under it.",
        ),
        Common::AlreadyExists { location } => {
            let problem = Problem::new(&problem::ALREADY_EXISTS, "It exists already.");
            match location {
                Some(path) => problem
                    .with("location", path.as_str())
                    .header(header::LOCATION, path),
                None => problem,
            }
        }
    }
}

/// `office_unknown`, …: which of a filter's values names nothing.
fn unknown_code(parameter: &str) -> &'static str {
    match parameter {
        "office" => "office_unknown",
        "location" => "location_unknown",
        "item" => "item_unknown",
        "account" => "account_unknown",
        _ => "unknown",
    }
}

fn of_invalid(invalid: &Invalid) -> Problem {
    let out_of_range = |code: &str| code == problem::AMOUNT_OUT_OF_RANGE.code;
    let kind = if !invalid.errors.is_empty() && invalid.errors.iter().all(|e| out_of_range(e.code))
    {
        &problem::AMOUNT_OUT_OF_RANGE
    } else {
        &problem::VALIDATION_FAILED
    };
    let detail = match invalid.errors.as_slice() {
        [one] if one.pointer.is_empty() => format!("The body {}.", one.detail),
        [one] => format!("{} {}.", one.pointer, one.detail),
        many => format!("{} members of the body are not acceptable.", many.len()),
    };
    let errors = serde_json::to_value(&invalid.errors).unwrap_or_default();
    Problem::new(kind, detail).with("errors", errors)
}

fn of_system(error: &SystemError) -> Problem {
    match error {
        SystemError::Contended => Problem::new(
            &problem::CONTENTION,
            "Too many writers wanted the same rows at once. Nothing was changed; send it again.",
        )
        .retry_after_ms(500),
        SystemError::OutcomeUnknown { attempt_at, .. } => {
            outcome_unknown().effect(Effect::Unknown { attempt_at: Some(*attempt_at) })
        }
        SystemError::Unavailable { .. } => Problem::new(
            &problem::REGION_UNAVAILABLE,
            "The database cannot be reached from here. Nothing was changed; another region may answer.",
        )
        .retry_after_ms(1000)
        .with_alternatives(),
        SystemError::RegionsUnreachable { regions } => regions_unreachable(regions),
        SystemError::TooFarBehind { as_of } => too_far_behind(*as_of),
        SystemError::DeadlineExceeded => deadline_exceeded(),
        SystemError::TokenUnknown => token_unknown(),
        SystemError::CursorExpired => Problem::new(
            &problem::CURSOR_EXPIRED,
            "The state that this walk shows is gone, or older than the Consistency-Token; begin again without a cursor.",
        ),
        SystemError::Bug { effect_unknown, .. } => internal(*effect_unknown),
    }
}

pub(crate) fn outcome_unknown() -> Problem {
    Problem::new(
        &problem::OUTCOME_UNKNOWN,
        "Repeat with the same Idempotency-Key, in any region, or ask GET /v1/writes/{key}.",
    )
    .retry_after_ms(1000)
    .effect(Effect::Unknown { attempt_at: None })
}

fn regions_unreachable(regions: &[RegionTag]) -> Problem {
    let names: Vec<&str> = regions.iter().map(RegionTag::as_str).collect();
    let unreachable: Vec<String> = regions.iter().map(RegionTag::resource).collect();
    Problem::new(
        &problem::REGION_UNAVAILABLE,
        format!(
            "No answer from what is kept in {}. Nothing was changed; send it again.",
            names.join(", ")
        ),
    )
    .with("unreachable", unreachable)
    .retry_after_ms(1000)
    .with_alternatives()
}

fn too_far_behind(as_of: Timestamp) -> Problem {
    Problem::new(
        &problem::REGION_UNAVAILABLE,
        format!(
            "What can be read from here is the state of {as_of}, which is older than asked for. \
             Ask for less, or ask another region."
        ),
    )
    .with("as_of", as_of.to_string())
    .retry_after_ms(1000)
    .with_alternatives()
}

pub(crate) fn deadline_exceeded() -> Problem {
    Problem::new(
        &problem::DEADLINE_EXCEEDED,
        "There was no answer within 10 seconds. Nothing was changed; send it again.",
    )
    .retry_after_ms(1000)
}

pub(crate) fn token_unknown() -> Problem {
    Problem::new(
        &problem::TOKEN_UNKNOWN,
        "The Consistency-Token names a moment that has not come yet; it is not one of this cluster.",
    )
}

/// A bug of ours. When its effect cannot be told, the repeat with the same key tells it.
pub(crate) fn internal(effect_unknown: bool) -> Problem {
    let problem = Problem::new(
        &problem::INTERNAL,
        "Something is wrong on our side. The Request-Id finds it in our logs.",
    );
    if effect_unknown {
        problem
            .effect(Effect::Unknown { attempt_at: None })
            .retry_after_ms(1000)
    } else {
        problem
    }
}

fn log(error: &SystemError) {
    let causes = chain(error);
    match error {
        SystemError::Bug { effect_unknown, .. } => {
            tracing::error!(error = %causes, effect_unknown, "request.bug");
        }
        SystemError::OutcomeUnknown { attempt_at, .. } => {
            tracing::error!(error = %causes, %attempt_at, "request.outcome_unknown");
        }
        SystemError::Unavailable { .. }
        | SystemError::RegionsUnreachable { .. }
        | SystemError::TooFarBehind { .. } => {
            tracing::warn!(error = %causes, "request.unavailable");
        }
        SystemError::Contended | SystemError::DeadlineExceeded => {
            tracing::warn!(error = %causes, "request.gave_up");
        }
        SystemError::TokenUnknown | SystemError::CursorExpired => {}
    }
}

/// The error and its causes, joined by colons.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
