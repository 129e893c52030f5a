//! Logs: one subscriber per process, to stderr.
//!
//! Messages are dotted names that a search finds, facts are fields. The level of a request's line is `info`; what a
//! person must act on is `error`; `debug` and below may be many lines per request.

use std::{fmt, str::FromStr};

use tracing_subscriber::{EnvFilter, fmt as subscriber, util::TryInitError};
use tracing_subscriber::{layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// One JSON object per line, for collectors.
    Json,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Human => "human",
            Self::Json => "json",
        })
    }
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        match text {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err(FormatError),
        }
    }
}

/// Why a text is not a format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not one of human, json")]
pub struct FormatError;

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one of `tracing` directives such as `info,meridian=debug`.
    #[error("the log filter '{filter}' is not a list of directives such as info,platform_db=debug")]
    Filter {
        /// As given.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Something else logs already.
    #[error("logging was started twice")]
    Twice(#[source] TryInitError),
}

/// Starts logging to stderr. `filter`: `info`, `warn,platform_db=debug`, ….
///
/// # Errors
/// A filter that cannot be read, or a second call.
pub fn init(format: Format, filter: &str) -> Result<(), TelemetryError> {
    let directives = EnvFilter::try_new(filter).map_err(|source| TelemetryError::Filter {
        filter: filter.to_owned(),
        source,
    })?;
    let registry = tracing_subscriber::registry().with(directives);
    match format {
        Format::Human => registry
            .with(subscriber::layer().with_writer(std::io::stderr))
            .try_init(),
        Format::Json => registry
            .with(
                subscriber::layer()
                    .json()
                    .flatten_event(true)
                    .with_writer(std::io::stderr),
            )
            .try_init(),
    }
    .map_err(TelemetryError::Twice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_is_named_and_a_second_start_is_refused() {
        let bad = init(Format::Json, "info,=[").unwrap_err();
        assert!(bad.to_string().contains("info,=["), "{bad}");
        init(Format::Json, "warn").unwrap();
        assert!(matches!(
            init(Format::Human, "warn"),
            Err(TelemetryError::Twice(_))
        ));
    }

    #[test]
    fn formats_have_names() {
        for format in [Format::Human, Format::Json] {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert_eq!("xml".parse::<Format>(), Err(FormatError));
    }
}
