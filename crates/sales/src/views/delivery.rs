//! A shipment and a return as shown.

use kernel::{
    AmountMinor, CurrencyCode, Date, OfficeCode, Quantity, RegionTag, Reply, Timestamp,
    id::{EntryId, ItemId, MovementId, OrderId, OrderLineId, ReturnId, ShipmentId},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::json_text;
use crate::domain::{
    delivery::{Disposition, Return, ReturnLine, Shipment, ShipmentLine, Units},
    line::Worth,
};

/// Goods of an order that left, and what they invoiced.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Shipment)]
pub(crate) struct ShipmentView {
    #[schema(value_type = String, example = "shp_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    id: ShipmentId,
    #[schema(value_type = String, example = "ord_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    order: OrderId,
    #[schema(value_type = String, example = "ber")]
    office: OfficeCode,
    /// Home region of the office.
    #[schema(value_type = String, example = "eu1")]
    home_region: RegionTag,
    /// The office's.
    #[schema(value_type = String, example = "EUR")]
    currency: CurrencyCode,
    #[schema(example = "DHL")]
    carrier: Option<String>,
    #[schema(example = "JJD0099")]
    tracking: Option<String>,
    lines: Vec<ShipmentLineView>,
    #[schema(value_type = i64, example = 20_000)]
    net_minor: AmountMinor,
    #[schema(value_type = i64, example = 3_800)]
    tax_minor: AmountMinor,
    /// What it invoiced.
    #[schema(value_type = i64, example = 23_800)]
    total_minor: AmountMinor,
    /// What the goods had cost.
    #[schema(value_type = i64, example = 12_000)]
    cost_minor: AmountMinor,
    /// How much of it was paid ahead.
    #[schema(value_type = i64, example = 0)]
    deposit_minor: AmountMinor,
    /// What it posted; an entry that would move nothing is not made.
    #[schema(value_type = Vec<String>)]
    journal_entries: Vec<EntryId>,
    /// The office's day.
    #[schema(value_type = String, format = Date, example = "2026-11-22")]
    effective_date: Date,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Subject of the token.
    #[schema(example = "ada")]
    created_by: String,
}

/// Units of one line of the order.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = DeliveredUnits)]
pub(crate) struct UnitsView {
    /// The order's line.
    #[schema(value_type = String, example = "oln_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    line: OrderLineId,
    #[schema(value_type = String, example = "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    item: ItemId,
    #[schema(example = "LAMP-7")]
    sku: String,
    #[schema(value_type = i64, minimum = 1, example = 2)]
    quantity: Quantity,
    #[schema(value_type = i64, example = 20_000)]
    net_minor: AmountMinor,
    #[schema(value_type = i64, example = 3_800)]
    tax_minor: AmountMinor,
    /// What the units had cost.
    #[schema(value_type = i64, example = 12_000)]
    cost_minor: AmountMinor,
}

/// Units that left.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ShipmentLine)]
pub(crate) struct ShipmentLineView {
    #[serde(flatten)]
    units: UnitsView,
    #[schema(value_type = String, example = "mov_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    movement: MovementId,
}

/// Goods of an order that came back, and what they credited.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Return)]
pub(crate) struct ReturnView {
    #[schema(value_type = String, example = "ret_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    id: ReturnId,
    #[schema(value_type = String, example = "ord_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    order: OrderId,
    #[schema(value_type = String, example = "ber")]
    office: OfficeCode,
    /// Home region of the office.
    #[schema(value_type = String, example = "eu1")]
    home_region: RegionTag,
    /// The office's.
    #[schema(value_type = String, example = "EUR")]
    currency: CurrencyCode,
    lines: Vec<ReturnLineView>,
    #[schema(value_type = i64, example = 10_000)]
    net_minor: AmountMinor,
    #[schema(value_type = i64, example = 1_900)]
    tax_minor: AmountMinor,
    /// What it credited.
    #[schema(value_type = i64, example = 11_900)]
    total_minor: AmountMinor,
    /// What the goods had cost.
    #[schema(value_type = i64, example = 6_000)]
    cost_minor: AmountMinor,
    /// What it posted; an entry that would move nothing is not made.
    #[schema(value_type = Vec<String>)]
    journal_entries: Vec<EntryId>,
    /// The office's day.
    #[schema(value_type = String, format = Date, example = "2026-11-22")]
    effective_date: Date,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Subject of the token.
    #[schema(example = "ada")]
    created_by: String,
}

/// Units that came back.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ReturnLine)]
pub(crate) struct ReturnLineView {
    #[serde(flatten)]
    units: UnitsView,
    #[schema(value_type = DispositionName)]
    disposition: Disposition,
    #[schema(example = "wrong colour")]
    reason: String,
    /// Of what was put back on the shelf; null for scrap.
    #[schema(value_type = Option<String>, example = "mov_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    movement: Option<MovementId>,
}

/// In range, or it would not have been stored.
fn gross(worth: Worth) -> AmountMinor {
    worth.gross().unwrap_or_default()
}

impl From<&Units> for UnitsView {
    fn from(units: &Units) -> Self {
        Self {
            line: units.line.clone(),
            item: units.item.clone(),
            sku: units.sku.clone(),
            quantity: units.quantity,
            net_minor: units.worth.net,
            tax_minor: units.worth.tax,
            cost_minor: units.cost,
        }
    }
}

impl From<&ShipmentLine> for ShipmentLineView {
    fn from(line: &ShipmentLine) -> Self {
        Self {
            units: UnitsView::from(&line.units),
            movement: line.movement.clone(),
        }
    }
}

impl From<&ReturnLine> for ReturnLineView {
    fn from(line: &ReturnLine) -> Self {
        Self {
            units: UnitsView::from(&line.units),
            disposition: line.disposition,
            reason: line.reason.clone(),
            movement: line.movement.clone(),
        }
    }
}

impl From<&Shipment> for ShipmentView {
    fn from(shipment: &Shipment) -> Self {
        let goods = &shipment.goods;
        Self {
            id: goods.id.clone(),
            order: goods.order.clone(),
            office: goods.office.clone(),
            home_region: goods.id.region().clone(),
            currency: goods.currency.clone(),
            carrier: shipment.carrier.clone(),
            tracking: shipment.tracking.clone(),
            lines: goods.lines.iter().map(ShipmentLineView::from).collect(),
            net_minor: goods.sum.net,
            tax_minor: goods.sum.tax,
            total_minor: gross(goods.sum),
            cost_minor: goods.cost,
            deposit_minor: shipment.deposit,
            journal_entries: goods.journal_entries.clone(),
            effective_date: goods.effective_date,
            created_at: goods.created_at,
            created_by: goods.created_by.clone(),
        }
    }
}

impl From<&Return> for ReturnView {
    fn from(goods: &Return) -> Self {
        Self {
            id: goods.id.clone(),
            order: goods.order.clone(),
            office: goods.office.clone(),
            home_region: goods.id.region().clone(),
            currency: goods.currency.clone(),
            lines: goods.lines.iter().map(ReturnLineView::from).collect(),
            net_minor: goods.sum.net,
            tax_minor: goods.sum.tax,
            total_minor: gross(goods.sum),
            cost_minor: goods.cost,
            journal_entries: goods.journal_entries.clone(),
            effective_date: goods.effective_date,
            created_at: goods.created_at,
            created_by: goods.created_by.clone(),
        }
    }
}

impl ShipmentView {
    /// The answer to the write that made it.
    pub(crate) fn reply(&self) -> Reply {
        let movements = self.lines.iter().map(|line| line.movement.to_string());
        let path = format!("/v1/sales/orders/{}/shipments/{}", self.order, self.id);
        reply(
            path,
            self.id.to_string(),
            movements,
            &self.journal_entries,
            json_text(self),
        )
    }
}

impl ReturnView {
    /// The answer to the write that made it.
    pub(crate) fn reply(&self) -> Reply {
        let lines = self.lines.iter();
        let movements = lines.filter_map(|line| line.movement.as_ref().map(ToString::to_string));
        let path = format!("/v1/sales/orders/{}/returns/{}", self.order, self.id);
        reply(
            path,
            self.id.to_string(),
            movements,
            &self.journal_entries,
            json_text(self),
        )
    }
}

fn reply(
    path: String,
    id: String,
    movements: impl Iterator<Item = String>,
    entries: &[EntryId],
    body: String,
) -> Reply {
    Reply {
        status: 201,
        location: Some(path),
        version: None,
        body: Some(body),
        effect_ids: std::iter::once(id)
            .chain(movements)
            .chain(entries.iter().map(ToString::to_string))
            .collect(),
    }
}

/// What becomes of goods that came back.
#[derive(Debug, ToSchema)]
#[schema(as = Disposition, rename_all = "lowercase")]
#[expect(
    dead_code,
    reason = "describes the words of `Disposition` in the OpenAPI document"
)]
pub(crate) enum DispositionName {
    Restock,
    Scrap,
}
