//! `/v1/warehouse/locations`

use axum::extract::State;
use kernel::{LocationCode, OfficeCode, Position, Read, RegionTag, SystemError, Timestamp};
use platform_db::ReadSpec;
use platform_http::{
    ApiError, Can, Found, Listed, Paging, Params, Segment, WriteRequest, Written,
    permission::{WarehouseRead, WarehouseWrite},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::bodies;
use crate::{
    App,
    domain::location::Location,
    ops::{create_location as create, read_locations, update_location as update},
    storage::locations::LocationFilter,
    views::LocationView,
};

/// Filters of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LocationQuery {
    /// Only locations of these offices, as a comma list.
    #[param(value_type = Option<String>, example = "ber,nyc")]
    office: Option<Vec<OfficeCode>>,
    /// Made at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    created_from: Option<Timestamp>,
    /// Made at this time or earlier.
    #[param(value_type = Option<String>, format = DateTime)]
    created_to: Option<Timestamp>,
}

/// Lists the locations of the offices.
#[utoipa::path(get, path = "/v1/warehouse/locations", operation_id = "list_locations", tag = "warehouse",
    params(LocationQuery, Paging),
    responses((status = 200, description = "One page of locations.", body = Listed<LocationView>)),
    security(("bearer" = ["warehouse:read"])))]
pub(super) async fn list_locations(
    State(app): State<App>,
    caller: Can<WarehouseRead>,
    Params(query): Params<LocationQuery>,
    paging: Paging,
) -> Result<Listed<LocationView>, ApiError> {
    let wanted = query.office.clone().unwrap_or_default();
    app.directory.known(&caller.call, wanted).await?;
    let spec = ReadSpec::reference("list_locations", caller.want, paging.request.snapshot);
    let filter = LocationFilter {
        offices: query.office,
        created_from: query.created_from,
        created_to: query.created_to,
    };
    let read =
        read_locations::list_locations(&app, &caller.call, spec, (filter, paging.request.clone()))
            .await?;
    let mut rows = Vec::with_capacity(read.value.len());
    for location in read.value {
        let home = home_of(&app, &caller.call, &location).await?;
        rows.push((location, home));
    }
    Ok(paging.page(
        Read {
            value: rows,
            at: read.at,
            unreachable: read.unreachable,
        },
        |(location, _)| Position {
            created_at: location.created_at,
            id: location.code.to_string(),
        },
        |(location, home)| LocationView::new(&location, home),
    ))
}

/// Adds a location to an office.
#[utoipa::path(post, path = "/v1/warehouse/locations", operation_id = "create_location", tag = "warehouse",
    request_body = bodies::LocationBody,
    responses(
        (status = 201, description = "The location.", body = LocationView),
        (status = 409, description = "`already_exists`, `key_voided`"),
    ),
    security(("bearer" = ["warehouse:write"])))]
pub(super) async fn create_location(
    State(app): State<App>,
    caller: Can<WarehouseWrite>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let command = bodies::create_location(request.body());
    let intent = request.intent(&caller, "create_location", app.db.primary().clone(), None);
    Ok(Written(
        create::create_location(&app, intent, command).await?,
    ))
}

/// Shows one location.
#[utoipa::path(get, path = "/v1/warehouse/locations/{code}", operation_id = "get_location", tag = "warehouse",
    params(("code" = String, Path, description = "Code of the location.", example = "ber-main")),
    responses((status = 200, description = "The location.", body = LocationView)),
    security(("bearer" = ["warehouse:read"])))]
pub(super) async fn get_location(
    State(app): State<App>,
    caller: Can<WarehouseRead>,
    Segment(code): Segment<LocationCode>,
) -> Result<Found<LocationView>, ApiError> {
    let spec = ReadSpec::reference("get_location", caller.want, None);
    let location = read_locations::get_location(&app, &caller.call, spec, code).await?;
    let home = home_of(&app, &caller.call, &location).await?;
    Ok(Found::versioned(
        location.version,
        LocationView::new(&location, home),
    ))
}

/// Changes a location.
#[utoipa::path(patch, path = "/v1/warehouse/locations/{code}", operation_id = "update_location",
    tag = "warehouse",
    params(("code" = String, Path, description = "Code of the location.", example = "ber-main")),
    request_body = bodies::LocationPatchBody,
    responses((status = 200, description = "The location.", body = LocationView)),
    security(("bearer" = ["warehouse:write"])))]
pub(super) async fn update_location(
    State(app): State<App>,
    caller: Can<WarehouseWrite>,
    Segment(code): Segment<LocationCode>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let patch = bodies::update_location(request.body());
    let intent = request.intent(&caller, "update_location", app.db.primary().clone(), None);
    Ok(Written(
        update::update_location(&app, intent, code, patch).await?,
    ))
}

/// The home region of a location's office, which a foreign key keeps in existence.
async fn home_of(
    app: &App,
    call: &kernel::Call,
    location: &Location,
) -> Result<RegionTag, SystemError> {
    app.directory
        .home(call, &location.office)
        .await?
        .ok_or_else(|| SystemError::Bug {
            effect_unknown: false,
            source: format!("location {} has no office", location.code).into(),
        })
}
