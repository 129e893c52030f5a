//! The one JSON form of each resource: in answers, events and audit rows alike.

pub(crate) mod availability;
pub(crate) mod level;
pub(crate) mod recorded;
pub(crate) mod reservation;

use kernel::{
    AmountMinor, CountryCode, CurrencyCode, LocationCode, OfficeCode, RegionTag, Reply, Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{
    item::{Item, ItemStatus, Price, Unit},
    location::{Location, LocationKind},
};

/// An item of the catalogue. It belongs to no office: `office` and `home_region` are null.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Item)]
pub(crate) struct ItemView {
    #[schema(value_type = String, example = "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    pub(crate) id: String,
    #[schema(example = "LAMP-7")]
    pub(crate) sku: String,
    #[schema(example = "Desk lamp")]
    pub(crate) name: String,
    #[schema(example = "A lamp for a desk.")]
    pub(crate) description: String,
    #[schema(value_type = String, example = "DE")]
    pub(crate) country_of_origin: CountryCode,
    /// What one of it is.
    #[schema(value_type = UnitName)]
    pub(crate) unit: Unit,
    #[schema(example = "4006381333931")]
    pub(crate) barcode: Option<String>,
    #[schema(value_type = ItemStatusName)]
    status: ItemStatus,
    /// The price in force and every future price, per currency.
    pub(crate) prices: Vec<PriceView>,
    #[schema(value_type = Option<String>)]
    office: Option<OfficeCode>,
    #[schema(value_type = Option<String>)]
    home_region: Option<RegionTag>,
    /// Rises by one with every write that changes what is shown.
    #[schema(minimum = 1, example = 1)]
    version: i64,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// A net price per unit from a moment on.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Price)]
pub(crate) struct PriceView {
    #[schema(value_type = String, example = "EUR")]
    pub(crate) currency: CurrencyCode,
    /// Whole minor units of the currency.
    #[schema(value_type = i64, minimum = 0, example = 10_000)]
    pub(crate) amount_minor: AmountMinor,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) valid_from: Timestamp,
}

impl From<&Price> for PriceView {
    fn from(price: &Price) -> Self {
        Self {
            currency: price.currency.clone(),
            amount_minor: price.amount,
            valid_from: price.valid_from,
        }
    }
}

impl From<&Item> for ItemView {
    fn from(item: &Item) -> Self {
        Self {
            id: item.id.to_string(),
            sku: item.sku.clone(),
            name: item.name.clone(),
            description: item.description.clone(),
            country_of_origin: item.country_of_origin.clone(),
            unit: item.unit,
            barcode: item.barcode.clone(),
            status: item.status,
            prices: item.prices.iter().map(PriceView::from).collect(),
            office: None,
            home_region: None,
            version: item.version,
            created_at: item.created_at,
            updated_at: item.updated_at,
        }
    }
}

impl ItemView {
    /// Path of an item.
    pub(crate) fn path(item: &Item) -> String {
        format!("/v1/warehouse/items/{}", item.id)
    }

    /// The answer that shows the item after a write.
    pub(crate) fn reply(status: u16, item: &Item) -> Reply {
        Reply {
            status,
            location: (status == 201).then(|| Self::path(item)),
            version: Some(item.version),
            body: Some(json_text(&Self::from(item))),
            effect_ids: vec![item.id.to_string()],
        }
    }
}

/// A place of an office where goods can lie.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Location)]
pub(crate) struct LocationView {
    #[schema(value_type = String, example = "ber-main")]
    code: LocationCode,
    #[schema(value_type = String, example = "ber")]
    office: OfficeCode,
    /// Home region of the office.
    #[schema(value_type = String, example = "eu1")]
    home_region: RegionTag,
    #[schema(example = "Berlin depot")]
    name: String,
    #[schema(value_type = LocationKindName)]
    kind: LocationKind,
    /// Rises by one with every write that changes what is shown.
    #[schema(minimum = 1, example = 1)]
    version: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl LocationView {
    /// The location, with the home region of its office.
    pub(crate) fn new(location: &Location, home_region: RegionTag) -> Self {
        Self {
            code: location.code.clone(),
            office: location.office.clone(),
            home_region,
            name: location.name.clone(),
            kind: location.kind,
            version: location.version,
            created_at: location.created_at,
            updated_at: location.updated_at,
        }
    }

    /// Path of a location.
    pub(crate) fn path(code: &LocationCode) -> String {
        format!("/v1/warehouse/locations/{code}")
    }

    /// The answer that shows the location after a write.
    pub(crate) fn reply(&self, status: u16) -> Reply {
        Reply {
            status,
            location: (status == 201).then(|| Self::path(&self.code)),
            version: Some(self.version),
            body: Some(json_text(self)),
            effect_ids: vec![self.code.to_string()],
        }
    }
}

/// JSON of a view: plain structs of text and numbers always serialize.
pub(crate) fn json_text<T: Serialize>(view: &T) -> String {
    serde_json::to_string(view).unwrap_or_default()
}

/// JSON of a view, as a value.
pub(crate) fn json<T: Serialize>(view: &T) -> serde_json::Value {
    serde_json::to_value(view).unwrap_or_default()
}

/// What one of an item is.
#[derive(Debug, ToSchema)]
#[schema(as = Unit)]
#[expect(
    dead_code,
    reason = "describes the words of `Unit` in the OpenAPI document"
)]
pub(crate) enum UnitName {
    #[schema(rename = "each")]
    Each,
    #[schema(rename = "g")]
    Gram,
    #[schema(rename = "ml")]
    Millilitre,
    #[schema(rename = "mm")]
    Millimetre,
}

/// Whether an item may still be stocked and sold.
#[derive(Debug, ToSchema)]
#[schema(as = ItemStatus, rename_all = "lowercase")]
#[expect(
    dead_code,
    reason = "describes the words of `ItemStatus` in the OpenAPI document"
)]
pub(crate) enum ItemStatusName {
    Active,
    Archived,
}

/// What a location is for.
#[derive(Debug, ToSchema)]
#[schema(as = LocationKind, rename_all = "lowercase")]
#[expect(
    dead_code,
    reason = "describes the words of `LocationKind` in the OpenAPI document"
)]
pub(crate) enum LocationKindName {
    Store,
    Depot,
    Virtual,
}
