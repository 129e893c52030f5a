//! Months of an office's books. Any month may be closed at any time and in any order; one that was never touched is
//! open and has no row.

use kernel::{Month, OfficeCode, RegionTag, Timestamp};

use super::words;

/// A month of an office's books that was posted into, closed or reopened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Period {
    /// Home of the office.
    pub(crate) region: RegionTag,
    pub(crate) office: OfficeCode,
    pub(crate) month: Month,
    pub(crate) status: PeriodStatus,
    /// Why it was reopened last; `None` if it never was.
    pub(crate) reason: Option<String>,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

words! {
    /// Whether a month takes postings.
    PeriodStatus { Open "open", Closed "closed", }
}

impl Period {
    /// The month closed before it had a row.
    pub(crate) fn closed(
        (region, office): (RegionTag, OfficeCode),
        month: Month,
        now: Timestamp,
    ) -> Self {
        Self {
            region,
            office,
            month,
            status: PeriodStatus::Closed,
            reason: None,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    /// The period in another state.
    pub(crate) fn turned(
        &self,
        status: PeriodStatus,
        reason: Option<String>,
        now: Timestamp,
    ) -> Self {
        Self {
            status,
            reason: reason.or_else(|| self.reason.clone()),
            version: self.version + 1,
            updated_at: now,
            ..self.clone()
        }
    }
}
