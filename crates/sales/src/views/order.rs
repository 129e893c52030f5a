//! An order as shown.

use kernel::{
    AmountMinor, CurrencyCode, LocationCode, OfficeCode, Quantity, RegionTag, Reply, Timestamp,
    id::{CustomerId, ItemId, OrderId, OrderLineId},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::json_text;
use crate::domain::{
    line::Line,
    order::{FulfilmentStatus, Order, OrderStatus, PaymentStatus},
};

/// What a customer of an office wants, what it comes to, and what became of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Order)]
pub struct OrderView {
    #[schema(value_type = String, example = "ord_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    pub(crate) id: OrderId,
    #[schema(value_type = String, example = "ber")]
    pub(crate) office: OfficeCode,
    /// Home region of the office.
    #[schema(value_type = String, example = "eu1")]
    pub(crate) home_region: RegionTag,
    #[schema(value_type = String, example = "cus_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    pub(crate) customer: CustomerId,
    /// The office's.
    #[schema(value_type = String, example = "EUR")]
    pub(crate) currency: CurrencyCode,
    /// A draft is `expired` from `expires_at` on, though the version rises only when that is written down.
    #[schema(value_type = OrderStatusName)]
    pub(crate) status: OrderStatus,
    /// Net of the lines.
    #[schema(value_type = i64, example = 20_000)]
    pub(crate) subtotal_minor: AmountMinor,
    /// Tax of the lines, each rounded half up.
    #[schema(value_type = i64, example = 3_800)]
    pub(crate) tax_minor: AmountMinor,
    #[schema(value_type = i64, example = 23_800)]
    pub(crate) total_minor: AmountMinor,
    /// All that was ever paid, refunds not taken off.
    #[schema(value_type = i64, example = 0)]
    pub(crate) paid_minor: AmountMinor,
    #[schema(value_type = i64, example = 0)]
    pub(crate) refunded_minor: AmountMinor,
    /// What shipments invoiced, with tax.
    #[schema(value_type = i64, example = 0)]
    pub(crate) invoiced_minor: AmountMinor,
    /// What returns credited, with tax.
    #[schema(value_type = i64, example = 0)]
    pub(crate) credited_minor: AmountMinor,
    /// `paid` once it is placed and paid − refunded ≥ total − cancelled − credited.
    #[schema(value_type = PaymentStatusName)]
    pub(crate) payment_status: PaymentStatus,
    #[schema(value_type = FulfilmentStatusName)]
    pub(crate) fulfilment_status: FulfilmentStatus,
    /// When it was confirmed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) placed_at: Option<Timestamp>,
    /// When a draft ends by itself; null once it is something else.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) expires_at: Option<Timestamp>,
    #[schema(example = "PO-4711")]
    pub(crate) reference: Option<String>,
    pub(crate) notes: Option<String>,
    pub(crate) lines: Vec<LineView>,
    /// Rises by one with every write that changes what is shown.
    #[schema(minimum = 1, example = 1)]
    pub(crate) version: i64,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: Timestamp,
}

/// So many units of an item from a location, at the price and tax rate of the moment in which the line was made.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = OrderLine)]
pub(crate) struct LineView {
    #[schema(value_type = String, example = "oln_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    pub(crate) id: OrderLineId,
    #[schema(value_type = String, example = "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    pub(crate) item: ItemId,
    #[schema(example = "LAMP-7")]
    pub(crate) sku: String,
    #[schema(example = "Desk lamp")]
    pub(crate) name: String,
    #[schema(value_type = String, example = "ber-main")]
    pub(crate) location: LocationCode,
    #[schema(value_type = i64, minimum = 1, example = 2)]
    pub(crate) quantity: Quantity,
    /// Net.
    #[schema(value_type = i64, example = 10_000)]
    pub(crate) unit_price_minor: AmountMinor,
    /// Basis points.
    #[schema(example = 1900)]
    pub(crate) tax_rate_bp: i64,
    #[schema(value_type = i64, example = 0)]
    pub(crate) shipped: Quantity,
    #[schema(value_type = i64, example = 0)]
    pub(crate) returned: Quantity,
    #[schema(value_type = i64, example = 0)]
    pub(crate) cancelled: Quantity,
}

impl From<&Line> for LineView {
    fn from(line: &Line) -> Self {
        Self {
            id: line.id.clone(),
            item: line.item.clone(),
            sku: line.sku.clone(),
            name: line.name.clone(),
            location: line.location.clone(),
            quantity: line.quantity,
            unit_price_minor: line.unit_price,
            tax_rate_bp: line.tax_rate_bp,
            shipped: line.shipped,
            returned: line.returned,
            cancelled: line.cancelled,
        }
    }
}

impl OrderView {
    /// The order as it is at `now`.
    pub(crate) fn at(order: &Order, now: Timestamp) -> Self {
        let status = order.status_at(now);
        let ends = matches!(status, OrderStatus::Draft | OrderStatus::Expired);
        Self {
            id: order.id.clone(),
            office: order.office.clone(),
            home_region: order.id.region().clone(),
            customer: order.customer.clone(),
            currency: order.currency.clone(),
            status,
            subtotal_minor: order.subtotal,
            tax_minor: order.tax,
            total_minor: order.total(),
            paid_minor: order.paid,
            refunded_minor: order.refunded,
            invoiced_minor: order.invoiced,
            credited_minor: order.credited,
            payment_status: order.payment_status(),
            fulfilment_status: order.fulfilment_status(),
            placed_at: order.placed.map(|placed| placed.at),
            expires_at: ends.then_some(order.expires_at),
            reference: order.reference.clone(),
            notes: order.notes.clone(),
            lines: order.lines.iter().map(LineView::from).collect(),
            version: order.version,
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }

    /// The answer that shows the order after a write.
    pub(crate) fn reply(&self, status: u16) -> Reply {
        let path = format!("/v1/sales/orders/{}", self.id);
        Reply {
            status,
            location: (status == 201).then_some(path),
            version: Some(self.version),
            body: Some(json_text(self)),
            effect_ids: vec![self.id.to_string()],
        }
    }
}

/// Where an order stands.
#[derive(Debug, ToSchema)]
#[schema(as = OrderStatus, rename_all = "lowercase")]
#[expect(
    dead_code,
    reason = "describes the words of `OrderStatus` in the OpenAPI document"
)]
pub(crate) enum OrderStatusName {
    Draft,
    Confirmed,
    Fulfilled,
    Cancelled,
    Expired,
}

/// How much of an order is paid.
#[derive(Debug, ToSchema)]
#[schema(as = PaymentStatus, rename_all = "lowercase")]
#[expect(
    dead_code,
    reason = "describes the words of `PaymentStatus` in the OpenAPI document"
)]
pub(crate) enum PaymentStatusName {
    Unpaid,
    Partial,
    Paid,
}

/// How much of an order is shipped.
#[derive(Debug, ToSchema)]
#[schema(as = FulfilmentStatus, rename_all = "lowercase")]
#[expect(
    dead_code,
    reason = "describes the words of `FulfilmentStatus` in the OpenAPI document"
)]
pub(crate) enum FulfilmentStatusName {
    None,
    Partial,
    Full,
}
