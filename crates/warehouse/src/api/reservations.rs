//! `/v1/warehouse/reservations`

use axum::extract::State;
use kernel::{
    LocationCode, OfficeCode, Position, Timestamp,
    id::{ItemId, ReservationId},
};
use platform_http::{
    ApiError, Can, Found, Listed, Paging, Params, Segment, permission::WarehouseRead,
};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    App,
    domain::reservation::ReservationStatus,
    ops::read_reservations::{self as read, Wanted},
    views::reservation::{ReservationStatusName, ReservationView},
};

/// Filters of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ReservationQuery {
    /// Only reservations of these offices, as a comma list.
    #[param(value_type = Option<String>, example = "ber,nyc")]
    office: Option<Vec<OfficeCode>>,
    /// Only reservations at this location.
    #[param(value_type = Option<String>, example = "ber-main")]
    location: Option<LocationCode>,
    /// Only reservations of this item.
    #[param(value_type = Option<String>, example = "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    item: Option<ItemId>,
    /// Only reservations in this state; a hold whose time is up is `expired`.
    #[param(value_type = Option<ReservationStatusName>)]
    status: Option<ReservationStatus>,
    /// Made at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    created_from: Option<Timestamp>,
    /// Made at this time or earlier.
    #[param(value_type = Option<String>, format = DateTime)]
    created_to: Option<Timestamp>,
}

/// Lists the reservations of the offices.
#[utoipa::path(get, path = "/v1/warehouse/reservations", operation_id = "list_reservations", tag = "warehouse",
    params(ReservationQuery, Paging),
    responses((status = 200, description = "One page of reservations.", body = Listed<ReservationView>)),
    security(("bearer" = ["warehouse:read"])))]
pub(super) async fn list_reservations(
    State(app): State<App>,
    caller: Can<WarehouseRead>,
    Params(query): Params<ReservationQuery>,
    paging: Paging,
) -> Result<Listed<ReservationView>, ApiError> {
    let wanted = Wanted {
        offices: query.office,
        location: query.location,
        item: query.item,
        status: query.status,
        created_from: query.created_from,
        created_to: query.created_to,
    };
    let who = (&caller.call, &*caller.principal, caller.want);
    let now = paging.request.snapshot.unwrap_or(caller.call.received_at());
    let listed = read::list_reservations(&app, who, wanted, paging.request.clone()).await?;
    Ok(paging.page(
        listed.value,
        listed.at,
        |reservation| Position {
            created_at: reservation.created_at,
            id: reservation.id.uuid().to_string(),
        },
        |reservation| ReservationView::at(&reservation, now),
    ))
}

/// Shows one reservation.
#[utoipa::path(get, path = "/v1/warehouse/reservations/{id}", operation_id = "get_reservation", tag = "warehouse",
    params(("id" = String, Path, description = "Id of the reservation.", example = "rsv_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")),
    responses((status = 200, description = "The reservation.", body = ReservationView)),
    security(("bearer" = ["warehouse:read"])))]
pub(super) async fn get_reservation(
    State(app): State<App>,
    caller: Can<WarehouseRead>,
    Segment(id): Segment<ReservationId>,
) -> Result<Found<ReservationView>, ApiError> {
    let reservation = read::get_reservation(&app, &caller.call, caller.want, id).await?;
    caller.reach(&reservation.office)?;
    let now = caller.call.received_at();
    Ok(Found {
        version: Some(reservation.version),
        stable: reservation.is_as_written(now),
        body: ReservationView::at(&reservation, now),
    })
}
