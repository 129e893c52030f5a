//! A reservation as shown.

use kernel::{
    LocationCode, OfficeCode, Quantity, RegionTag, Reply, Timestamp,
    id::{ItemId, OrderLineId, ReservationId},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::json_text;
use crate::domain::reservation::{Reservation, ReservationStatus};

/// Stock put aside.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Reservation)]
pub(crate) struct ReservationView {
    #[schema(value_type = String, example = "rsv_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    id: ReservationId,
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
    #[schema(value_type = i64, minimum = 1, example = 5)]
    quantity: Quantity,
    /// The order's line that it is for; only the order ends it then.
    #[schema(value_type = Option<String>)]
    order_line: Option<OrderLineId>,
    /// `expired` from `expires_at` on, though the version rises only when the stock is given back.
    #[schema(value_type = ReservationStatusName)]
    status: ReservationStatus,
    /// When it ends by itself; null: never.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Rises by one with every write that changes what is shown.
    #[schema(minimum = 1, example = 1)]
    version: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl ReservationView {
    /// The reservation as it is at `now`.
    pub(crate) fn at(reservation: &Reservation, now: Timestamp) -> Self {
        Self {
            id: reservation.id.clone(),
            office: reservation.office.clone(),
            home_region: reservation.id.region().clone(),
            location: reservation.location.clone(),
            item: reservation.item.clone(),
            sku: reservation.sku.clone(),
            quantity: reservation.quantity,
            order_line: reservation.order_line.clone(),
            status: reservation.status_at(now),
            expires_at: reservation.expires_at,
            version: reservation.version,
            created_at: reservation.created_at,
            updated_at: reservation.updated_at,
        }
    }

    /// The answer that shows the reservation after a write.
    pub(crate) fn reply(&self, status: u16) -> Reply {
        let path = format!("/v1/warehouse/reservations/{}", self.id);
        Reply {
            status,
            location: (status == 201).then_some(path),
            version: Some(self.version),
            body: Some(json_text(self)),
            effect_ids: vec![self.id.to_string()],
        }
    }
}

/// Whether a reservation still holds its stock.
#[derive(Debug, ToSchema)]
#[schema(as = ReservationStatus, rename_all = "lowercase")]
#[expect(
    dead_code,
    reason = "describes the words of `ReservationStatus` in the OpenAPI document"
)]
pub(crate) enum ReservationStatusName {
    Active,
    Consumed,
    Released,
    Expired,
}
