//! `/v1/warehouse/reservations`

use axum::extract::State;
use kernel::{
    LocationCode, OfficeCode, Position, Timestamp,
    id::{ItemId, ReservationId},
};
use platform_http::{
    ApiError, Can, Expanded, Expanding, Found, Listed, Paging, Params, Segment, WriteRequest,
    Written,
    permission::{WarehouseRead, WarehouseWrite},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::bodies::{self, reservations::ReservationBody};
use crate::{
    App,
    domain::reservation::ReservationStatus,
    ops::{
        read_reservations::{self as read, Wanted},
        release_reservation as release, reserve_stock as reserve,
    },
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
    extensions(("x-expand" = json!({"item": "warehouse:read", "location": "warehouse:read"}))),
    security(("bearer" = ["warehouse:read"])))]
pub(super) async fn list_reservations(
    State(app): State<App>,
    caller: Can<WarehouseRead>,
    Params(query): Params<ReservationQuery>,
    paging: Paging,
    Expanding(expand): Expanding,
) -> Result<Expanded<Listed<ReservationView>>, ApiError> {
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
    let page = (paging.request.clone(), expand);
    let (reservations, inlined) = read::list_reservations(&app, who, wanted, page).await?;
    let listed = paging.page(
        reservations,
        |reservation| Position {
            created_at: reservation.created_at,
            id: reservation.id.uuid().to_string(),
        },
        |reservation| ReservationView::at(&reservation, now),
    );
    Ok(Expanded::page(listed, inlined))
}

/// Puts stock aside for a while.
#[utoipa::path(post, path = "/v1/warehouse/reservations", operation_id = "reserve_stock", tag = "warehouse",
    request_body = ReservationBody,
    responses(
        (status = 201, description = "The reservation.", body = ReservationView),
        (status = 409, description = "`insufficient_stock`, `item_archived`, `already_exists`, `key_voided`"),
    ),
    security(("bearer" = ["warehouse:write"])))]
pub(super) async fn reserve_stock(
    State(app): State<App>,
    caller: Can<WarehouseWrite>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let command = bodies::reservations::reserve_stock(request.body());
    let home = super::place::named(&app, &caller.call, request.body()).await?;
    let (region, office) = super::place::belongs_to(&app, home.as_ref());
    let intent = request.intent(&caller, "reserve_stock", region, office);
    Ok(Written(
        reserve::reserve_stock(&app, intent, home, command).await?,
    ))
}

/// Shows one reservation.
#[utoipa::path(get, path = "/v1/warehouse/reservations/{id}", operation_id = "get_reservation", tag = "warehouse",
    params(("id" = String, Path, description = "Id of the reservation.", example = "rsv_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")),
    responses((status = 200, description = "The reservation.", body = ReservationView)),
    extensions(("x-expand" = json!({"item": "warehouse:read", "location": "warehouse:read"}))),
    security(("bearer" = ["warehouse:read"])))]
pub(super) async fn get_reservation(
    State(app): State<App>,
    caller: Can<WarehouseRead>,
    Segment(id): Segment<ReservationId>,
    Expanding(expand): Expanding,
) -> Result<Expanded<ReservationView>, ApiError> {
    let wanted = (id, expand);
    let (reservation, inlined) =
        read::get_reservation(&app, &caller.call, caller.want, wanted).await?;
    caller.reach(&reservation.office)?;
    let now = caller.call.received_at();
    let found = Found {
        version: Some(reservation.version),
        stable: reservation.is_as_written(now),
        body: ReservationView::at(&reservation, now),
    };
    Ok(Expanded::one(found, inlined))
}

/// Lets go of a reservation before its time is up. Those of an order are released by the order only.
#[utoipa::path(post, path = "/v1/warehouse/reservations/{id}/release", operation_id = "release_reservation",
    tag = "warehouse",
    params(("id" = String, Path, description = "Id of the reservation.", example = "rsv_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")),
    responses(
        (status = 200, description = "The reservation.", body = ReservationView),
        (status = 409, description = "`reservation_not_active`, `key_voided`"),
    ),
    security(("bearer" = ["warehouse:write"])))]
pub(super) async fn release_reservation(
    State(app): State<App>,
    caller: Can<WarehouseWrite>,
    Segment(id): Segment<ReservationId>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let nothing = bodies::nothing(request.body());
    let found = release::find_whereabouts(&app, &caller.call, &id).await?;
    let (region, office) = match &found {
        Some(found) => (found.home.region.clone(), Some(found.home.office.clone())),
        None => (app.hinted(&id), None),
    };
    let intent = request.intent(&caller, "release_reservation", region, office);
    Ok(Written(
        release::release_reservation(&app, intent, (id, found), nothing).await?,
    ))
}
