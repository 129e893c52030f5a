//! Request bodies → commands: every broken rule is named by its JSON Pointer, and after this nobody checks again.

use std::str::FromStr;

use kernel::{
    CountryCode, CurrencyCode, IdempotencyKey, Invalid, LocationCode, OfficeCode, RegionTag,
    text::NAME_MAX, time::is_time_zone,
};
use platform_db::offices::OfficeStatus;
use platform_http::Fields;
use serde_json::Value;
use topology::{Point, Topology};
use utoipa::ToSchema;

use crate::{
    ops::{create_office::CreateOffice, update_office::OfficePatch},
    views::OfficeStatusName,
};

/// Keys of one verification at most.
const KEYS_MAX: usize = 1000;
/// Basis points of the highest tax rate that can be set: 100 %.
const TAX_RATE_BP_MAX: i64 = 10_000;
/// An office of this code could not be read: `/v1/offices/nearest` is a path of its own.
const NEAREST: &str = "nearest";
const SERVER_SET: &[&str] = &["version", "created_at", "updated_at", "office"];

/// A new office.
#[derive(Debug, ToSchema)]
#[schema(as = NewOffice, example = json!({"code": "vie", "name": "Vienna", "country": "AT", "city": "Vienna",
    "time_zone": "Europe/Vienna", "currency": "EUR", "latitude": 48.2082, "longitude": 16.3738,
    "home_region": "eu1", "default_tax_rate_bp": 2000}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `create_office` below reads"
)]
pub(super) struct OfficeBody {
    #[schema(pattern = "^[a-z][a-z0-9-]{1,31}$")]
    code: String,
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// ISO 3166-1 alpha-2.
    country: String,
    #[schema(min_length = 1, max_length = 200)]
    city: String,
    /// Name in the IANA time zone database.
    time_zone: String,
    /// ISO 4217; can never be changed.
    currency: String,
    /// Degrees north, WGS 84, at most 6 decimals.
    #[schema(minimum = -90, maximum = 90)]
    latitude: f64,
    /// Degrees east, WGS 84, at most 6 decimals.
    #[schema(minimum = -180, maximum = 180)]
    longitude: f64,
    /// The region where the office's rows live.
    home_region: String,
    /// Basis points.
    #[schema(minimum = 0, maximum = 10_000)]
    default_tax_rate_bp: i64,
    /// Code of the office's first location; default: `<code>-main`.
    #[schema(pattern = "^[a-z][a-z0-9-]{1,31}$")]
    default_location: Option<String>,
}

/// A name of the IANA time zone database.
#[derive(Debug)]
struct TimeZone(String);

impl FromStr for TimeZone {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_time_zone(text) {
            Ok(Self(text.into()))
        } else {
            Err("is not a name of the IANA time zone database, such as Europe/Berlin")
        }
    }
}

pub(super) fn create_office(body: &Value, topology: &Topology) -> Result<CreateOffice, Invalid> {
    let mut fields = Fields::of(body);
    let code = fields.parse::<OfficeCode>("code");
    if code.as_ref().is_some_and(|code| code.as_str() == NEAREST) {
        fields.error("code", "reserved", "is the name of another path");
    }
    let name = fields.text("name", NAME_MAX);
    let country = fields.parse::<CountryCode>("country");
    let city = fields.text("city", NAME_MAX);
    let time_zone = fields.parse::<TimeZone>("time_zone");
    let currency = fields.parse::<CurrencyCode>("currency");
    let latitude = fields.degrees("latitude", 90.0);
    let longitude = fields.degrees("longitude", 180.0);
    let home_region = fields.parse::<RegionTag>("home_region");
    if let Some(region) = home_region
        .as_ref()
        .filter(|tag| topology.region(tag).is_none())
    {
        let tags: Vec<String> = topology.tags().iter().map(ToString::to_string).collect();
        let detail = format!("'{region}' is not one of {}", tags.join(", "));
        fields.error("home_region", "region_unknown", detail);
    }
    let default_tax_rate_bp = fields.integer("default_tax_rate_bp", 0..=TAX_RATE_BP_MAX);
    let default_location = fields.opt_parse::<LocationCode>("default_location");
    fields.read_only(&["status"]);
    fields.read_only(SERVER_SET);
    fields.finish(|| {
        Some(CreateOffice {
            code: code?,
            name: name?,
            country: country?,
            city: city?,
            time_zone: time_zone?.0,
            currency: currency?,
            point: Point::new(latitude?, longitude?).ok()?,
            home_region: home_region?,
            default_tax_rate_bp: default_tax_rate_bp?,
            default_location,
        })
    })
}

/// Changes of an office (JSON merge patch, RFC 7396): what is absent stays.
#[derive(Debug, ToSchema)]
#[schema(as = OfficePatch, example = json!({"name": "Vienna, main office", "default_tax_rate_bp": 1900}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `update_office` below reads"
)]
pub(super) struct OfficePatchBody {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    #[schema(min_length = 1, max_length = 200)]
    city: Option<String>,
    time_zone: Option<String>,
    #[schema(minimum = -90, maximum = 90)]
    latitude: Option<f64>,
    #[schema(minimum = -180, maximum = 180)]
    longitude: Option<f64>,
    /// One of the office's own locations.
    default_location: Option<String>,
    #[schema(minimum = 0, maximum = 10_000)]
    default_tax_rate_bp: Option<i64>,
    status: Option<OfficeStatusName>,
}

pub(super) fn update_office(body: &Value) -> Result<OfficePatch, Invalid> {
    let mut fields = Fields::of(body);
    let patch = OfficePatch {
        name: fields.change_text("name", NAME_MAX),
        city: fields.change_text("city", NAME_MAX),
        time_zone: fields
            .change_parse::<TimeZone>("time_zone")
            .map(|zone| zone.0),
        latitude: fields.change_degrees("latitude", 90.0),
        longitude: fields.change_degrees("longitude", 180.0),
        default_location: fields.change_parse("default_location"),
        default_tax_rate_bp: fields.change_integer("default_tax_rate_bp", 0..=TAX_RATE_BP_MAX),
        status: fields.change_one_of(
            "status",
            &[
                ("active", OfficeStatus::Active),
                ("closed", OfficeStatus::Closed),
            ],
        ),
    };
    fields.immutable(&["code", "currency", "country", "home_region"]);
    fields.read_only(SERVER_SET);
    fields.finish(|| Some(patch))
}

/// The keys of writes that the caller holds to be acknowledged.
#[derive(Debug, ToSchema)]
#[schema(as = KeysToVerify, example = json!({"keys": ["order-2026-0001", "order-2026-0002"]}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `verify_writes` below reads"
)]
pub(super) struct VerifyBody {
    #[schema(max_items = 1000)]
    keys: Vec<String>,
}

pub(super) fn verify_writes(body: &Value) -> Result<Vec<IdempotencyKey>, Invalid> {
    let mut fields = Fields::of(body);
    let keys = fields.texts("keys", KEYS_MAX, IdempotencyKey::from_receipt);
    fields.finish(|| keys)
}

/// A body that says nothing: absent or `{}`.
pub(super) fn nothing(body: &Value) -> Result<(), Invalid> {
    Fields::of(body).finish(|| Some(()))
}
