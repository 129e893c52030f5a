//! `/v1/warehouse/availability`

use axum::extract::State;
use kernel::{Quantity, RegionTag};
use platform_http::{
    AllowPartial, ApiError, Can, EdgeLocation, Found, Params, Problem, locate,
    permission::WarehouseRead,
};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    App,
    ops::find_availability as find,
    views::availability::{AvailabilityView, AvailableView},
};

/// What is wanted, and where.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AvailabilityQuery {
    /// The item with this SKU.
    #[param(example = "LAMP-7")]
    sku: String,
    /// An office must have at least so many.
    #[param(minimum = 1, maximum = 9_007_199_254_740_991_i64, default = 1)]
    quantity: Option<i64>,
    /// Degrees north, WGS 84; with `lon` or not at all.
    #[param(minimum = -90, maximum = 90, example = 48.2)]
    lat: Option<f64>,
    /// Degrees east, WGS 84; with `lat` or not at all.
    #[param(minimum = -180, maximum = 180, example = 16.37)]
    lon: Option<f64>,
}

/// Names the offices that could give an item away now, nearest first.
///
/// One number per office, whatever offices the token reaches.
#[utoipa::path(get, path = "/v1/warehouse/availability", operation_id = "find_availability", tag = "warehouse",
    params(AvailabilityQuery, AllowPartial),
    responses(
        (status = 200, description = "The offices, nearest first.", body = AvailabilityView),
        (status = 404, description = "`unknown_sku`"),
    ),
    security(("bearer" = ["warehouse:read"])))]
pub(super) async fn find_availability(
    State(app): State<App>,
    caller: Can<WarehouseRead>,
    Params(query): Params<AvailabilityQuery>,
    _: AllowPartial,
    edge: EdgeLocation,
) -> Result<Found<AvailabilityView>, ApiError> {
    let quantity =
        Quantity::new(query.quantity.unwrap_or(1)).filter(|quantity| !quantity.is_zero());
    let quantity = quantity.ok_or_else(|| {
        Problem::invalid_parameter(
            "quantity",
            "range",
            "must be between 1 and 9007199254740991",
        )
    })?;
    let place = (query.lat, query.lon);
    let (from, located_by) = locate(place, edge, &app.topology, app.db.region())?;
    let wanted = (query.sku, quantity);
    let found = find::find_availability(&app, &caller.call, caller.want, wanted, from).await?;
    Ok(Found::plain(AvailabilityView {
        data: found.value.into_iter().map(AvailableView::from).collect(),
        located_by,
        unreachable: found.unreachable.iter().map(RegionTag::resource).collect(),
    }))
}
