//! Hits of a search as shown.

use kernel::OfficeCode;
use platform_db::SearchHit;
use serde::Serialize;
use utoipa::ToSchema;

/// What was found.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SearchPage {
    /// Best first.
    pub(crate) data: Vec<Hit>,
    /// Regions that could not be asked: `regions/ap1`.
    pub(crate) unreachable: Vec<String>,
}

/// Something found.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = SearchHit)]
pub(crate) struct Hit {
    /// `item`, `location`, `office`, `customer`, `order`, `journal_entry`; more may come.
    #[serde(rename = "type")]
    #[schema(example = "item")]
    kind: String,
    /// Id, or code of what has a code.
    #[schema(example = "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    id: String,
    /// Its name, or what stands for it.
    #[schema(example = "Desk lamp")]
    title: String,
    /// The office it belongs to; null for what belongs to none.
    #[schema(value_type = Option<String>, example = "ber")]
    office: Option<OfficeCode>,
    /// From 0 to 1: 1 for what was named exactly, from 0.9 on for what begins so.
    #[schema(minimum = 0, maximum = 1, example = 0.713)]
    score: f64,
}

impl From<SearchHit> for Hit {
    fn from(hit: SearchHit) -> Self {
        // Read as text, so that what is shown has three digits.
        let score = format!("{}.{:03}", hit.score / 1000, hit.score % 1000);
        Self {
            kind: hit.kind,
            id: hit.id,
            title: hit.title,
            office: hit.office,
            score: score.parse().unwrap_or_default(),
        }
    }
}
