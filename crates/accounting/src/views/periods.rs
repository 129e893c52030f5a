//! Months of the books.

use kernel::{Month, OfficeCode, RegionTag, Reply, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::json_text;
use crate::domain::period::{Period, PeriodStatus};

/// A month of an office's books. One that was never posted into, closed or reopened is open, and not listed.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Period)]
pub(crate) struct PeriodView {
    #[schema(value_type = String, example = "ber")]
    office: OfficeCode,
    /// Home region of the office.
    #[schema(value_type = String, example = "eu1")]
    home_region: RegionTag,
    #[schema(value_type = String, example = "2026-11")]
    period: Month,
    #[schema(value_type = PeriodStatusName)]
    status: PeriodStatus,
    /// Why it was reopened last.
    #[schema(example = "The landlord's invoice came late.")]
    reason: Option<String>,
    /// Rises by one with every write that changes what is shown.
    #[schema(minimum = 1, example = 1)]
    version: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<&Period> for PeriodView {
    fn from(period: &Period) -> Self {
        Self {
            office: period.office.clone(),
            home_region: period.region.clone(),
            period: period.month,
            status: period.status,
            reason: period.reason.clone(),
            version: period.version,
            created_at: period.created_at,
            updated_at: period.updated_at,
        }
    }
}

impl PeriodView {
    /// What names a period in events and receipts: `ber/2026-11`.
    pub(crate) fn name(period: &Period) -> String {
        format!("{}/{}", period.office, period.month)
    }

    /// The answer that shows the period after a write.
    pub(crate) fn reply(period: &Period) -> Reply {
        Reply {
            status: 200,
            location: None,
            version: Some(period.version),
            body: Some(json_text(&Self::from(period))),
            effect_ids: vec![Self::name(period)],
        }
    }
}

/// Whether a month takes postings.
#[derive(Debug, ToSchema)]
#[schema(as = PeriodStatus, rename_all = "lowercase")]
#[expect(
    dead_code,
    reason = "describes the words of `PeriodStatus` in the OpenAPI document"
)]
pub(crate) enum PeriodStatusName {
    Open,
    Closed,
}
