//! Bodies of reservations.

use std::time::Duration;

use kernel::{Invalid, LocationCode, Quantity, id::ItemId, money::AMOUNT_MAX};
use platform_http::Fields;
use serde_json::Value;
use utoipa::ToSchema;

use super::SERVER_SET;
use crate::{
    domain::reservation::{HOLD_SECONDS_DEFAULT, HOLD_SECONDS_MAX},
    ops::reserve_stock::ReserveStock,
};

/// Stock to put aside.
#[derive(Debug, ToSchema)]
#[schema(as = NewReservation, example = json!({"location": "ber-main", "item": "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra",
    "quantity": 5, "hold_seconds": 900}))]
#[expect(
    dead_code,
    reason = "describes in the OpenAPI document what `reserve_stock` below reads"
)]
pub(in crate::api) struct ReservationBody {
    #[schema(example = "ber-main")]
    location: String,
    #[schema(example = "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    item: String,
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    quantity: i64,
    /// How long it holds the stock unless it is released before.
    #[schema(minimum = 1, maximum = 86_400, default = 900)]
    hold_seconds: Option<i64>,
}

pub(in crate::api) fn reserve_stock(body: &Value) -> Result<ReserveStock, Invalid> {
    let mut fields = Fields::of(body);
    let location = fields.parse::<LocationCode>("location");
    let item = fields.parse::<ItemId>("item");
    let quantity = fields
        .integer("quantity", 1..=AMOUNT_MAX)
        .and_then(Quantity::new);
    let hold_seconds = fields.opt_integer("hold_seconds", 1..=HOLD_SECONDS_MAX);
    fields.read_only(&["id", "office", "status", "order_line", "expires_at"]);
    fields.read_only(SERVER_SET);
    fields.finish(|| {
        let seconds = hold_seconds.unwrap_or(HOLD_SECONDS_DEFAULT);
        Some(ReserveStock {
            location: location?,
            item: item?,
            quantity: quantity?,
            hold: Duration::from_secs(u64::try_from(seconds).ok()?),
        })
    })
}
