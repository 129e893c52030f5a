//! The one JSON form of each resource: in answers, events and audit rows alike.

pub(crate) mod audit;
pub(crate) mod events;
pub(crate) mod reports;
pub(crate) mod sales_reports;
pub(crate) mod search;

use kernel::{CountryCode, CurrencyCode, LocationCode, OfficeCode, RegionTag, Reply, Timestamp};
use platform_db::offices::Office;
use platform_http::LocatedBy;
use serde::Serialize;
use utoipa::ToSchema;

use crate::peers::RegionStatus;

/// A branch with its own books, currency and stock.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Office)]
pub(crate) struct OfficeView {
    #[schema(value_type = String, example = "ber")]
    code: OfficeCode,
    /// The office itself: every resource names its office.
    #[schema(value_type = String, example = "ber")]
    office: OfficeCode,
    #[schema(example = "Berlin")]
    name: String,
    #[schema(value_type = String, example = "DE")]
    country: CountryCode,
    #[schema(example = "Berlin")]
    city: String,
    #[schema(example = "Europe/Berlin")]
    time_zone: String,
    #[schema(value_type = String, example = "EUR")]
    currency: CurrencyCode,
    #[schema(example = 52.52)]
    latitude: f64,
    #[schema(example = 13.405)]
    longitude: f64,
    /// The region where the office's rows live.
    #[schema(value_type = String, example = "eu1")]
    home_region: RegionTag,
    #[schema(value_type = String, example = "ber-main")]
    default_location: LocationCode,
    /// Basis points.
    #[schema(example = 1900)]
    default_tax_rate_bp: i64,
    #[schema(value_type = OfficeStatusName)]
    status: &'static str,
    /// Rises by one with every write that changes what is shown.
    #[schema(minimum = 1, example = 1)]
    version: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<&Office> for OfficeView {
    fn from(office: &Office) -> Self {
        Self {
            code: office.code.clone(),
            office: office.code.clone(),
            name: office.name.clone(),
            country: office.country.clone(),
            city: office.city.clone(),
            time_zone: office.time_zone.clone(),
            currency: office.currency.clone(),
            latitude: office.latitude,
            longitude: office.longitude,
            home_region: office.home_region.clone(),
            default_location: office.default_location.clone(),
            default_tax_rate_bp: office.default_tax_rate_bp,
            status: office.status.as_str(),
            version: office.version,
            created_at: office.created_at,
            updated_at: office.updated_at,
        }
    }
}

impl OfficeView {
    /// Path of an office.
    pub(crate) fn path(code: &OfficeCode) -> String {
        format!("/v1/offices/{code}")
    }

    /// The answer that shows the office after a write.
    pub(crate) fn reply(status: u16, office: &Office) -> Reply {
        Reply {
            status,
            location: (status == 201).then(|| Self::path(&office.code)),
            version: Some(office.version),
            body: serde_json::to_string(&Self::from(office)).ok(),
            effect_ids: vec![office.code.to_string()],
        }
    }
}

/// Whether an office does business.
#[derive(Debug, ToSchema)]
#[schema(as = OfficeStatus, rename_all = "lowercase")]
#[expect(
    dead_code,
    reason = "describes the words of `OfficeStatus` in the OpenAPI document"
)]
pub(crate) enum OfficeStatusName {
    Active,
    Closed,
}

/// An office and how far it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NearOffice {
    #[schema(value_type = String, example = "ber")]
    pub(crate) office: OfficeCode,
    #[schema(example = "Berlin")]
    pub(crate) name: String,
    /// Great-circle distance in whole kilometres.
    #[schema(example = 524)]
    pub(crate) distance_km: u32,
    /// Home region of the office.
    #[schema(value_type = String, example = "eu1")]
    pub(crate) region: RegionTag,
    pub(crate) region_status: RegionStatus,
    /// Where that region is reached.
    #[schema(example = "https://eu1.api.example.com")]
    pub(crate) base_url: Option<String>,
}

/// The offices nearest to a place, and how the place was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Nearest {
    pub(crate) data: Vec<NearOffice>,
    pub(crate) located_by: LocatedBy,
}

/// A deployment site.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Region)]
pub(crate) struct RegionView {
    #[schema(value_type = String, example = "eu1")]
    pub(crate) tag: RegionTag,
    #[schema(example = "Frankfurt")]
    pub(crate) name: String,
    #[schema(example = 50.1109)]
    pub(crate) latitude: f64,
    #[schema(example = 8.6821)]
    pub(crate) longitude: f64,
    #[schema(example = "https://eu1.api.example.com")]
    pub(crate) base_url: String,
    /// Measured by asking the region.
    pub(crate) status: RegionStatus,
}

/// How every region and system is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Status)]
pub(crate) struct StatusView {
    pub(crate) regions: Vec<RegionSystems>,
}

/// How the systems of one region are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RegionSystems {
    #[schema(value_type = String, example = "eu1")]
    pub(crate) region: RegionTag,
    pub(crate) status: RegionStatus,
    /// By system.
    pub(crate) systems: std::collections::BTreeMap<String, SystemStatus>,
}

/// How one system of a region is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SystemStatus {
    /// It serves.
    Operational,
    /// It serves what it has begun and takes nothing new.
    Degraded,
    /// It does not serve.
    Major,
}

/// What is known of one write.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Receipt)]
pub(crate) struct ReceiptView {
    #[schema(example = "order-2026-0001")]
    pub(crate) key: String,
    pub(crate) status: ReceiptStatus,
    /// Whether this is the last word: always when committed or void.
    pub(crate) settled: bool,
    /// What the write made or changed.
    pub(crate) effect_ids: Vec<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) committed_at: Option<Timestamp>,
    /// The region that executed it.
    #[schema(value_type = Option<String>)]
    pub(crate) region: Option<RegionTag>,
    /// The request that did it.
    pub(crate) request_id: Option<String>,
}

/// How a write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReceiptStatus {
    /// It is done.
    Committed,
    /// Nothing was found under the key, which is the last word only when `settled`.
    Unknown,
    /// The key was made void: nothing was and nothing will be written under it.
    Void,
}

/// How often each key's write happened.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Verification {
    pub(crate) keys: Vec<KeyEffects>,
    pub(crate) summary: VerificationSummary,
}

/// How often one key's write happened.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyEffects {
    pub(crate) key: String,
    /// Counted from audit rows in all regions, independently of the key row.
    pub(crate) effects: u64,
}

/// The sums that a failover drill looks at.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VerificationSummary {
    /// Keys sent: the caller vouches that each was acknowledged.
    pub(crate) acknowledged: u64,
    /// Keys without an effect.
    pub(crate) lost: u64,
    /// Keys with more than one effect.
    pub(crate) doubled: u64,
}

/// JSON of a view: plain structs of text and numbers always serialize.
pub(crate) fn json<T: Serialize>(view: &T) -> serde_json::Value {
    serde_json::to_value(view).unwrap_or_default()
}
