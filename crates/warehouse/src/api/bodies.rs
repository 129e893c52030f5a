//! Request bodies → commands: every broken rule is named by its JSON Pointer, and after this nobody checks again.

pub(super) mod reservations;
pub(super) mod stock;

use kernel::{
    AmountMinor, CountryCode, CurrencyCode, Invalid, LocationCode, OfficeCode, Timestamp,
    text::{NAME_MAX, REFERENCE_MAX, TEXT_MAX},
};
use platform_http::Fields;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    domain::{
        item::{ItemPatch, ItemStatus, PRICES_MAX, Unit},
        location::{LocationKind, LocationPatch},
    },
    ops::{create_item::CreateItem, create_location::CreateLocation, set_item_price::SetItemPrice},
    views::{ItemStatusName, LocationKindName, UnitName},
};

const SERVER_SET: &[&str] = &["version", "created_at", "updated_at", "home_region"];

/// A new item.
#[derive(Debug, ToSchema)]
#[schema(as = NewItem, example = json!({"sku": "LAMP-7", "name": "Desk lamp", "description": "A lamp for a desk.",
    "country_of_origin": "DE", "unit": "each", "prices": [{"currency": "EUR", "amount_minor": 10_000}]}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `create_item` below reads"
)]
pub(super) struct ItemBody {
    /// Unique for ever; compared by bytes.
    #[schema(min_length = 1, max_length = 128)]
    sku: String,
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    #[schema(min_length = 1, max_length = 2000)]
    description: String,
    /// ISO 3166-1 alpha-2.
    country_of_origin: String,
    unit: UnitName,
    #[schema(min_length = 1, max_length = 128)]
    barcode: Option<String>,
    #[schema(max_items = 250)]
    prices: Option<Vec<NewPriceBody>>,
}

/// A price of a new item.
#[derive(Debug, ToSchema)]
#[schema(as = NewPrice)]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `create_item` below reads"
)]
pub(super) struct NewPriceBody {
    /// ISO 4217.
    #[schema(example = "EUR")]
    currency: String,
    /// Whole minor units, net, per unit.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 10_000)]
    amount_minor: i64,
    /// Not in the past; default: now.
    #[schema(format = DateTime)]
    valid_from: Option<String>,
}

/// `now`: when the request was received.
pub(super) fn create_item(body: &Value, now: Timestamp) -> Result<CreateItem, Invalid> {
    let mut fields = Fields::of(body);
    let sku = fields.text("sku", REFERENCE_MAX);
    let name = fields.text("name", NAME_MAX);
    let description = fields.text("description", TEXT_MAX);
    let country_of_origin = fields.parse::<CountryCode>("country_of_origin");
    let unit = fields.parse::<Unit>("unit");
    let barcode = fields.opt_text("barcode", REFERENCE_MAX);
    let mut seen = Vec::new();
    let prices = fields.opt_list("prices", PRICES_MAX, |price| {
        let currency = price.parse::<CurrencyCode>("currency");
        let amount = price.amount("amount_minor", 0);
        let valid_from = valid_from(price, now);
        let place = (currency.clone(), valid_from);
        if currency.is_some() && seen.contains(&place) {
            price.error(
                "currency",
                "duplicate",
                "has another price from the same moment on",
            );
        }
        seen.push(place);
        Some((currency?, amount?, valid_from))
    });
    fields.read_only(&["id", "status", "office"]);
    fields.read_only(SERVER_SET);
    fields.finish(|| {
        Some(CreateItem {
            sku: sku?,
            name: name?,
            description: description?,
            country_of_origin: country_of_origin?,
            unit: unit?,
            barcode,
            prices: prices.unwrap_or_default(),
        })
    })
}

fn valid_from(fields: &mut Fields<'_>, now: Timestamp) -> Option<Timestamp> {
    let valid_from = fields.opt_parse::<Timestamp>("valid_from")?;
    if valid_from < now {
        fields.error(
            "valid_from",
            "in_the_past",
            format!("must not be before now, {now}"),
        );
    }
    Some(valid_from)
}

/// Changes of an item (JSON merge patch, RFC 7396): what is absent stays, null clears.
#[derive(Debug, ToSchema)]
#[schema(as = ItemPatch, example = json!({"name": "Desk lamp, black", "barcode": null}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `update_item` below reads"
)]
pub(super) struct ItemPatchBody {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    #[schema(min_length = 1, max_length = 2000)]
    description: Option<String>,
    country_of_origin: Option<String>,
    /// Null clears it.
    #[schema(min_length = 1, max_length = 128)]
    barcode: Option<String>,
    status: Option<ItemStatusName>,
}

pub(super) fn update_item(body: &Value) -> Result<ItemPatch, Invalid> {
    let mut fields = Fields::of(body);
    let patch = ItemPatch {
        name: fields.change_text("name", NAME_MAX),
        description: fields.change_text("description", TEXT_MAX),
        country_of_origin: fields.change_parse("country_of_origin"),
        barcode: fields.patch_text("barcode", REFERENCE_MAX),
        status: fields.change_parse::<ItemStatus>("status"),
    };
    fields.immutable(&["sku", "unit"]);
    fields.read_only(&["id", "office", "prices"]);
    fields.read_only(SERVER_SET);
    fields.finish(|| Some(patch))
}

/// A price, from a moment on.
#[derive(Debug, ToSchema)]
#[schema(as = PriceChange, example = json!({"amount_minor": 11_000}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `set_item_price` below reads"
)]
pub(super) struct PriceBody {
    /// Whole minor units, net, per unit.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    amount_minor: i64,
    /// Not in the past; default: now.
    #[schema(format = DateTime)]
    valid_from: Option<String>,
}

/// `now`: when the request was received.
pub(super) fn set_item_price(body: &Value, now: Timestamp) -> Result<SetItemPrice, Invalid> {
    let mut fields = Fields::of(body);
    let amount: Option<AmountMinor> = fields.amount("amount_minor", 0);
    let valid_from = valid_from(&mut fields, now);
    fields.immutable(&["currency"]);
    fields.finish(|| {
        Some(SetItemPrice {
            amount: amount?,
            valid_from,
        })
    })
}

/// A new location.
#[derive(Debug, ToSchema)]
#[schema(as = NewLocation, example = json!({"code": "ber-shop", "office": "ber", "name": "Shop at the station", "kind": "store"}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `create_location` below reads"
)]
pub(super) struct LocationBody {
    #[schema(pattern = "^[a-z][a-z0-9-]{1,31}$")]
    code: String,
    office: String,
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    kind: LocationKindName,
}

pub(super) fn create_location(body: &Value) -> Result<CreateLocation, Invalid> {
    let mut fields = Fields::of(body);
    let code = fields.parse::<LocationCode>("code");
    let office = fields.parse::<OfficeCode>("office");
    let name = fields.text("name", NAME_MAX);
    let kind = fields.parse::<LocationKind>("kind");
    fields.read_only(SERVER_SET);
    fields.finish(|| {
        Some(CreateLocation {
            code: code?,
            office: office?,
            name: name?,
            kind: kind?,
        })
    })
}

/// Changes of a location (JSON merge patch, RFC 7396): what is absent stays.
#[derive(Debug, ToSchema)]
#[schema(as = LocationPatch, example = json!({"name": "Shop at the new station"}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `update_location` below reads"
)]
pub(super) struct LocationPatchBody {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    kind: Option<LocationKindName>,
}

pub(super) fn update_location(body: &Value) -> Result<LocationPatch, Invalid> {
    let mut fields = Fields::of(body);
    let patch = LocationPatch {
        name: fields.change_text("name", NAME_MAX),
        kind: fields.change_parse::<LocationKind>("kind"),
    };
    fields.immutable(&["code", "office"]);
    fields.read_only(SERVER_SET);
    fields.finish(|| Some(patch))
}

/// A body that says nothing: absent or `{}`.
pub(super) fn nothing(body: &Value) -> Result<(), Invalid> {
    Fields::of(body).finish(|| Some(()))
}
