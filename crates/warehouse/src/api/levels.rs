//! `/v1/warehouse/levels`

use axum::extract::State;
use kernel::{
    LocationCode, OfficeCode, Position, Timestamp,
    id::{ItemId, LevelId},
};
use platform_http::{
    ApiError, Can, Expanded, Expanding, Found, Paging, Params, Segment, permission::WarehouseRead,
};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    App,
    ops::{
        filters::StockWanted,
        read_stock::{self as read, Times},
    },
    views::level::{LevelPage, LevelView},
};

/// Filters of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LevelQuery {
    /// Only levels of these offices, as a comma list.
    #[param(value_type = Option<String>, example = "ber,nyc")]
    office: Option<Vec<OfficeCode>>,
    /// Only levels at this location.
    #[param(value_type = Option<String>, example = "ber-main")]
    location: Option<LocationCode>,
    /// Only levels of this item.
    #[param(value_type = Option<String>, example = "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    item: Option<ItemId>,
    /// Only levels of the item with this SKU.
    #[param(example = "LAMP-7")]
    sku: Option<String>,
    /// Made at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    created_from: Option<Timestamp>,
    /// Made at this time or earlier.
    #[param(value_type = Option<String>, format = DateTime)]
    created_to: Option<Timestamp>,
    /// As it was at this time, as far as movements tell.
    #[param(value_type = Option<String>, format = DateTime)]
    as_of: Option<Timestamp>,
}

/// The moment that one resource is shown at.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MomentQuery {
    /// As it was at this time.
    #[param(value_type = Option<String>, format = DateTime)]
    pub(super) as_of: Option<Timestamp>,
}

/// Lists the stock of the offices: one level per location and item.
#[utoipa::path(get, path = "/v1/warehouse/levels", operation_id = "list_levels", tag = "warehouse",
    params(LevelQuery, Paging),
    responses(
        (status = 200, description = "One page of levels.", body = LevelPage),
        (status = 422, description = "`validation_failed` (`as_of` in the future), `as_of_too_old`"),
    ),
    extensions(("x-expand" = json!({"item": "warehouse:read", "location": "warehouse:read"}))),
    security(("bearer" = ["warehouse:read"])))]
pub(super) async fn list_levels(
    State(app): State<App>,
    caller: Can<WarehouseRead>,
    Params(query): Params<LevelQuery>,
    paging: Paging,
    Expanding(expand): Expanding,
) -> Result<Expanded<LevelPage>, ApiError> {
    let wanted = StockWanted {
        offices: query.office,
        location: query.location,
        item: query.item,
        sku: query.sku,
    };
    let times = Times {
        created_from: query.created_from,
        created_to: query.created_to,
        as_of: query.as_of,
    };
    let who = (&caller.call, &*caller.principal, caller.want);
    let (listed, as_of) =
        read::list_levels(&app, who, (wanted, times), (paging.request.clone(), expand)).await?;
    let (levels, inlined) = listed;
    let listed = paging.page(
        levels,
        |seen| Position {
            created_at: seen.stock.created_at,
            id: seen.stock.id.uuid().to_string(),
        },
        |seen| LevelView::seen(&seen, None),
    );
    let page = LevelPage {
        listed,
        is_final: as_of.map(|as_of| as_of.is_final),
    };
    Ok(Expanded::page(page, inlined))
}

/// Shows one level.
#[utoipa::path(get, path = "/v1/warehouse/levels/{id}", operation_id = "get_level", tag = "warehouse",
    params(
        ("id" = String, Path, description = "Id of the level.", example = "lvl_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra"),
        MomentQuery,
    ),
    responses(
        (status = 200, description = "The level.", body = LevelView),
        (status = 422, description = "`validation_failed` (`as_of` in the future), `as_of_too_old`"),
    ),
    extensions(("x-expand" = json!({"item": "warehouse:read", "location": "warehouse:read"}))),
    security(("bearer" = ["warehouse:read"])))]
pub(super) async fn get_level(
    State(app): State<App>,
    caller: Can<WarehouseRead>,
    Segment(id): Segment<LevelId>,
    Params(query): Params<MomentQuery>,
    Expanding(expand): Expanding,
) -> Result<Expanded<LevelView>, ApiError> {
    let how = (&caller.call, caller.want);
    let (level, inlined, as_of) = read::get_level(&app, how, (id, expand), query.as_of).await?;
    caller.reach(&level.stock.office)?;
    let view = LevelView::seen(&level, as_of);
    let found = match level.past {
        None => Found::versioned(level.stock.version, view),
        Some(_) => Found::plain(view),
    };
    Ok(Expanded::one(found, inlined))
}
