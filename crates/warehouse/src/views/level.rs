//! Levels and movements as shown.

use kernel::{
    AmountMinor, CurrencyCode, LocationCode, OfficeCode, Quantity, RegionTag, Timestamp,
    id::{EntryId, ItemId, LevelId, MovementId},
};
use platform_db::AsOf;
use platform_http::Listed;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{
    level::{SeenLevel, StockLevel, unit_cost},
    movement::{Movement, MovementKind, Reason},
};

/// The stock of one item at one location. With `as_of` only `on_hand`, `value_minor` and `unit_cost_minor` are known,
/// and what else changes is null.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = StockLevel)]
pub(crate) struct LevelView {
    #[schema(value_type = String, example = "lvl_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    id: LevelId,
    #[schema(value_type = String, example = "ber")]
    office: OfficeCode,
    /// Home region of the office.
    #[schema(value_type = String, example = "eu1")]
    home_region: RegionTag,
    #[schema(value_type = String, example = "ber-main")]
    location: LocationCode,
    #[schema(value_type = String, example = "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    item: ItemId,
    #[schema(example = "LAMP-7")]
    sku: String,
    /// ISO 4217; the currency of the office.
    #[schema(value_type = String, example = "EUR")]
    currency: CurrencyCode,
    #[schema(value_type = i64, minimum = 0, example = 40)]
    on_hand: Quantity,
    /// What of it is put aside; counts holds whose time is up until they are swept.
    #[schema(value_type = Option<i64>, minimum = 0, example = 5)]
    reserved: Option<Quantity>,
    /// `on_hand` less `reserved`.
    #[schema(value_type = Option<i64>, minimum = 0, example = 35)]
    available: Option<Quantity>,
    /// On its way here.
    #[schema(value_type = Option<i64>, minimum = 0, example = 0)]
    incoming: Option<Quantity>,
    /// What it is worth, in minor units.
    #[schema(value_type = i64, minimum = 0, example = 480_000)]
    value_minor: AmountMinor,
    /// `value_minor ÷ on_hand`, half-up; null with nothing on hand.
    #[schema(value_type = Option<i64>, minimum = 0, example = 12_000)]
    unit_cost_minor: Option<AmountMinor>,
    /// Rises by one with every write that changes what is shown.
    #[schema(minimum = 1, example = 7)]
    version: Option<i64>,
    #[schema(value_type = Option<String>, format = DateTime)]
    created_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    updated_at: Option<Timestamp>,
    /// With `as_of`: whether the same question will always have the same answer.
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    is_final: Option<bool>,
}

/// One page of levels.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = StockLevelPage)]
pub(crate) struct LevelPage {
    #[serde(flatten)]
    pub(crate) listed: Listed<LevelView>,
    /// With `as_of`: whether the same question will always have the same answer.
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) is_final: Option<bool>,
}

impl LevelView {
    /// The level as a read saw it.
    pub(crate) fn seen(seen: &SeenLevel, as_of: Option<AsOf>) -> Self {
        let now = Self::from(&seen.stock);
        let Some(past) = seen.past else { return now };
        Self {
            on_hand: past.on_hand,
            reserved: None,
            available: None,
            incoming: None,
            value_minor: past.value,
            unit_cost_minor: unit_cost(past.value, past.on_hand),
            version: None,
            created_at: None,
            updated_at: None,
            is_final: as_of.map(|as_of| as_of.is_final),
            ..now
        }
    }
}

impl From<&StockLevel> for LevelView {
    fn from(stock: &StockLevel) -> Self {
        Self {
            id: stock.id.clone(),
            office: stock.office.clone(),
            home_region: stock.id.region().clone(),
            location: stock.location.clone(),
            item: stock.item.clone(),
            sku: stock.sku.clone(),
            currency: stock.currency.clone(),
            on_hand: stock.level.on_hand(),
            reserved: Some(stock.level.reserved()),
            available: Some(stock.level.available()),
            incoming: Some(stock.level.incoming()),
            value_minor: stock.level.value(),
            unit_cost_minor: stock.level.unit_cost(),
            version: Some(stock.version),
            created_at: Some(stock.created_at),
            updated_at: Some(stock.updated_at),
            is_final: None,
        }
    }
}

/// A level after a change, and what changed it: the data of `warehouse.stock.changed`.
#[derive(Debug, Serialize)]
pub(crate) struct LevelChange {
    #[serde(flatten)]
    pub(crate) level: LevelView,
    pub(crate) cause: &'static str,
}

/// One change of what a level has on hand. Nothing of it ever changes.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = StockMovement)]
pub struct MovementView {
    #[schema(value_type = String, example = "mov_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    pub(crate) id: MovementId,
    #[schema(value_type = String, example = "ber")]
    pub(crate) office: OfficeCode,
    /// Home region of the office.
    #[schema(value_type = String, example = "eu1")]
    pub(crate) home_region: RegionTag,
    #[schema(value_type = String, example = "ber-main")]
    pub(crate) location: LocationCode,
    #[schema(value_type = String, example = "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    pub(crate) item: ItemId,
    #[schema(example = "LAMP-7")]
    pub(crate) sku: String,
    /// ISO 4217; the currency of the office.
    #[schema(value_type = String, example = "EUR")]
    pub(crate) currency: CurrencyCode,
    /// Units that came (positive) or went (negative).
    #[schema(example = 40)]
    pub(crate) delta: i64,
    /// What they were worth, in minor units.
    #[schema(value_type = i64, example = 480_000)]
    pub(crate) value_delta_minor: AmountMinor,
    #[schema(value_type = MovementKindName)]
    pub(crate) kind: MovementKind,
    /// Of an adjustment.
    #[schema(value_type = Option<ReasonName>)]
    pub(crate) reason: Option<Reason>,
    #[schema(example = "PO-2210")]
    pub(crate) reference: Option<String>,
    /// What it did to the books; null where it was worth nothing.
    #[schema(value_type = Option<String>, example = "jrn_eu1_3v9kq2m8x0c7d5f1h4j6n9p2rs")]
    pub(crate) journal_entry: Option<EntryId>,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) recorded_at: Timestamp,
    /// Subject of the token that recorded it.
    #[schema(example = "ada")]
    pub(crate) recorded_by: String,
    /// The same as `recorded_at`.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// One page of movements.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = StockMovementPage)]
pub(crate) struct MovementPage {
    #[serde(flatten)]
    pub(crate) listed: Listed<MovementView>,
    /// With `as_of`: whether the same question will always have the same answer.
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) is_final: Option<bool>,
}

impl From<&Movement> for MovementView {
    fn from(movement: &Movement) -> Self {
        Self {
            id: movement.id.clone(),
            office: movement.office.clone(),
            home_region: movement.id.region().clone(),
            location: movement.location.clone(),
            item: movement.item.clone(),
            sku: movement.sku.clone(),
            currency: movement.currency.clone(),
            delta: movement.delta,
            value_delta_minor: movement.value_delta,
            kind: movement.kind,
            reason: movement.reason,
            reference: movement.reference.clone(),
            journal_entry: movement.journal_entry.clone(),
            recorded_at: movement.recorded_at,
            recorded_by: movement.recorded_by.clone(),
            created_at: movement.recorded_at,
        }
    }
}

/// What kind of change a movement was.
#[derive(Debug, ToSchema)]
#[schema(as = MovementKind, rename_all = "snake_case")]
#[expect(
    dead_code,
    reason = "describes the words of `MovementKind` in the OpenAPI document"
)]
pub(crate) enum MovementKindName {
    Receipt,
    Issue,
    Return,
    Adjust,
    TransferOut,
    TransferIn,
    Opening,
}

/// Why a level was adjusted.
#[derive(Debug, ToSchema)]
#[schema(as = AdjustmentReason, rename_all = "snake_case")]
#[expect(
    dead_code,
    reason = "describes the words of `Reason` in the OpenAPI document"
)]
pub(crate) enum ReasonName {
    Count,
    Damage,
    Theft,
    Found,
    Correction,
}
