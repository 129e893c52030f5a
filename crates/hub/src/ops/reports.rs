//! What reports have in common.

use platform_db::Refusal;

/// Why there is no report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReportError {
    /// A number of it is beyond ±(2^53 − 1).
    #[error("a number of the report is out of range")]
    OutOfRange,
}

impl Refusal for ReportError {}
