//! `/v1/offices`

use axum::extract::State;
use kernel::{OfficeCode, Position, Timestamp};
use platform_db::{
    ReadSpec,
    offices::{OfficeFilter, OfficeStatus},
};
use platform_http::{
    ApiError, Can, EdgeLocation, Found, Limit, Listed, Paging, Params, Segment, WriteRequest,
    Written, locate,
    permission::{OfficesRead, OfficesWrite},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::bodies;
use crate::{
    App,
    ops::{
        create_office as create, nearest_offices as nearest, read_offices, update_office as update,
    },
    views::{NearOffice, Nearest, OfficeStatusName, OfficeView},
};

/// Offices named when the query does not say how many.
const NEAREST_DEFAULT: u16 = 5;
/// Offices named at most; more is coerced.
const NEAREST_MAX: u16 = 200;

/// Filters of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OfficeQuery {
    /// Only these offices, as a comma list.
    #[param(value_type = Option<String>, example = "ber,nyc")]
    office: Option<Vec<OfficeCode>>,
    /// Only offices in this state.
    #[param(value_type = Option<OfficeStatusName>)]
    status: Option<StatusWord>,
    /// Made at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    created_from: Option<Timestamp>,
    /// Made at this time or earlier.
    #[param(value_type = Option<String>, format = DateTime)]
    created_to: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StatusWord {
    Active,
    Closed,
}

/// Lists the offices.
#[utoipa::path(get, path = "/v1/offices", operation_id = "list_offices", tag = "offices",
    params(OfficeQuery, Paging),
    responses((status = 200, description = "One page of offices.", body = Listed<OfficeView>)),
    security(("bearer" = ["offices:read"])))]
pub(super) async fn list_offices(
    State(app): State<App>,
    caller: Can<OfficesRead>,
    Params(query): Params<OfficeQuery>,
    paging: Paging,
) -> Result<Listed<OfficeView>, ApiError> {
    let wanted = query.office.clone().unwrap_or_default();
    app.directory.known(&caller.call, wanted).await?;
    let spec = ReadSpec::reference("list_offices", caller.want, paging.request.snapshot);
    let filter = OfficeFilter {
        codes: query.office,
        status: query.status.map(|status| match status {
            StatusWord::Active => OfficeStatus::Active,
            StatusWord::Closed => OfficeStatus::Closed,
        }),
        created_from: query.created_from,
        created_to: query.created_to,
    };
    let page = (filter, paging.request.clone());
    let read = read_offices::list_offices(&app, &caller.call, spec, page).await?;
    Ok(paging.page(
        read,
        |office| Position {
            created_at: office.created_at,
            id: office.code.to_string(),
        },
        |office| OfficeView::from(&office),
    ))
}

/// Opens an office together with its first location.
#[utoipa::path(post, path = "/v1/offices", operation_id = "create_office", tag = "offices",
    request_body = bodies::OfficeBody,
    responses(
        (status = 201, description = "The office.", body = OfficeView),
        (status = 409, description = "`already_exists`, `key_voided`"),
    ),
    security(("bearer" = ["offices:write"])))]
pub(super) async fn create_office(
    State(app): State<App>,
    caller: Can<OfficesWrite>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let command = bodies::create_office(request.body(), &app.topology);
    let intent = request.intent(&caller, "create_office", app.db.primary().clone(), None);
    Ok(Written(
        create::create_office(&app.db, intent, command).await?,
    ))
}

/// Shows one office.
#[utoipa::path(get, path = "/v1/offices/{code}", operation_id = "get_office", tag = "offices",
    params(("code" = String, Path, description = "Code of the office.", example = "ber")),
    responses((status = 200, description = "The office.", body = OfficeView)),
    security(("bearer" = ["offices:read"])))]
pub(super) async fn get_office(
    State(app): State<App>,
    caller: Can<OfficesRead>,
    Segment(code): Segment<OfficeCode>,
) -> Result<Found<OfficeView>, ApiError> {
    let spec = ReadSpec::reference("get_office", caller.want, None);
    let office = read_offices::get_office(&app, &caller.call, spec, code).await?;
    Ok(Found::versioned(office.version, OfficeView::from(&office)))
}

/// Changes an office, or closes it.
#[utoipa::path(patch, path = "/v1/offices/{code}", operation_id = "update_office", tag = "offices",
    params(("code" = String, Path, description = "Code of the office.", example = "ber")),
    request_body = bodies::OfficePatchBody,
    responses(
        (status = 200, description = "The office.", body = OfficeView),
        (status = 409, description = "`office_not_empty`, `key_voided`"),
    ),
    security(("bearer" = ["offices:write"])))]
pub(super) async fn update_office(
    State(app): State<App>,
    caller: Can<OfficesWrite>,
    Segment(code): Segment<OfficeCode>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let patch = bodies::update_office(request.body());
    let intent = request.intent(&caller, "update_office", app.db.primary().clone(), None);
    Ok(Written(
        update::update_office(&app.db, intent, code, patch).await?,
    ))
}

/// Where to look from.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct NearestQuery {
    /// Degrees north, WGS 84; with `lon` or not at all.
    #[param(minimum = -90, maximum = 90, example = 48.2)]
    lat: Option<f64>,
    /// Degrees east, WGS 84; with `lat` or not at all.
    #[param(minimum = -180, maximum = 180, example = 16.37)]
    lon: Option<f64>,
    /// Offices to name; more than 200 is taken as 200.
    #[param(value_type = Option<u64>, minimum = 1, default = 5)]
    limit: Option<Limit>,
}

/// Names the active offices nearest to a place, nearest first.
#[utoipa::path(get, path = "/v1/offices/nearest", operation_id = "nearest_offices", tag = "offices",
    params(NearestQuery),
    responses((status = 200, description = "The offices, nearest first.", body = Nearest)),
    security(("bearer" = ["offices:read"])))]
pub(super) async fn nearest_offices(
    State(app): State<App>,
    caller: Can<OfficesRead>,
    Params(query): Params<NearestQuery>,
    edge: EdgeLocation,
) -> Result<Found<Nearest>, ApiError> {
    let limit = query
        .limit
        .map_or(NEAREST_DEFAULT, |Limit(limit)| limit.min(NEAREST_MAX));
    let place = (query.lat, query.lon);
    let (from, located_by) = locate(place, edge, &app.topology, app.db.region())?;
    let spec = ReadSpec::reference("nearest_offices", caller.want, None);
    let offices =
        nearest::nearest_offices(&app, &caller.call, spec, (from, usize::from(limit))).await?;
    let homes = offices
        .iter()
        .map(|(_, office)| office.home_region.clone())
        .collect();
    let health = app.peers.health(homes).await;
    let data = offices.into_iter().filter_map(|(distance_km, office)| {
        Some(NearOffice {
            distance_km,
            region_status: health.get(&office.home_region)?.status,
            base_url: app.peers.base_url(&office.home_region).map(str::to_owned),
            region: office.home_region,
            office: office.code,
            name: office.name,
        })
    });
    Ok(Found::plain(Nearest {
        data: data.collect(),
        located_by,
    }))
}
