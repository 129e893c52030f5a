//! Months of an office's books.

use std::str::FromStr;

/// Whether a month takes postings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeriodStatus {
    /// It does.
    Open,
    /// It does not.
    Closed,
}

/// Why a text is not a status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not one of open, closed")]
pub(crate) struct PeriodStatusError;

impl FromStr for PeriodStatus {
    type Err = PeriodStatusError;

    fn from_str(text: &str) -> Result<Self, PeriodStatusError> {
        match text {
            "open" => Ok(Self::Open),
            "closed" => Ok(Self::Closed),
            _ => Err(PeriodStatusError),
        }
    }
}
