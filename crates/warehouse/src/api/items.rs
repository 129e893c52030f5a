//! `/v1/warehouse/items`

use axum::extract::State;
use kernel::{CurrencyCode, Position, Timestamp, id::ItemId};
use platform_db::ReadSpec;
use platform_http::{
    ApiError, Can, Found, Listed, Paging, Params, Segment, Segments, WriteRequest, Written,
    permission::{WarehouseRead, WarehouseWrite},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::bodies;
use crate::{
    App,
    domain::item::ItemStatus,
    ops::{
        create_item as create, delete_item as delete, read_items, set_item_price as price,
        update_item as update,
    },
    storage::items::ItemFilter,
    views::{ItemStatusName, ItemView},
};

/// Filters of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ItemQuery {
    /// The item with this SKU.
    sku: Option<String>,
    /// Only items in this state.
    #[param(value_type = Option<ItemStatusName>)]
    status: Option<ItemStatus>,
    /// Made at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    created_from: Option<Timestamp>,
    /// Made at this time or earlier.
    #[param(value_type = Option<String>, format = DateTime)]
    created_to: Option<Timestamp>,
}

/// Lists the items of the catalogue.
#[utoipa::path(get, path = "/v1/warehouse/items", operation_id = "list_items", tag = "warehouse",
    params(ItemQuery, Paging),
    responses((status = 200, description = "One page of items.", body = Listed<ItemView>)),
    security(("bearer" = ["warehouse:read"])))]
pub(super) async fn list_items(
    State(app): State<App>,
    caller: Can<WarehouseRead>,
    Params(query): Params<ItemQuery>,
    paging: Paging,
) -> Result<Listed<ItemView>, ApiError> {
    let spec = ReadSpec::reference("list_items", caller.want, paging.request.snapshot);
    let filter = ItemFilter {
        status: query.status,
        sku: query.sku,
        created_from: query.created_from,
        created_to: query.created_to,
    };
    let read =
        read_items::list_items(&app, &caller.call, spec, (filter, paging.request.clone())).await?;
    Ok(paging.page(
        read,
        |item| Position {
            created_at: item.created_at,
            id: item.id.uuid().to_string(),
        },
        |item| ItemView::from(&item),
    ))
}

/// Adds an item to the catalogue.
#[utoipa::path(post, path = "/v1/warehouse/items", operation_id = "create_item", tag = "warehouse",
    request_body = bodies::ItemBody,
    responses(
        (status = 201, description = "The item.", body = ItemView),
        (status = 409, description = "`sku_taken`, `already_exists`, `key_voided`"),
    ),
    security(("bearer" = ["warehouse:write"])))]
pub(super) async fn create_item(
    State(app): State<App>,
    caller: Can<WarehouseWrite>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let command = bodies::create_item(request.body(), caller.call.received_at());
    let intent = request.intent(&caller, "create_item", app.db.primary().clone(), None);
    Ok(Written(create::create_item(&app, intent, command).await?))
}

/// Shows one item.
#[utoipa::path(get, path = "/v1/warehouse/items/{id}", operation_id = "get_item", tag = "warehouse",
    params(("id" = String, Path, description = "Id of the item.", example = "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra")),
    responses((status = 200, description = "The item.", body = ItemView)),
    security(("bearer" = ["warehouse:read"])))]
pub(super) async fn get_item(
    State(app): State<App>,
    caller: Can<WarehouseRead>,
    Segment(id): Segment<ItemId>,
) -> Result<Found<ItemView>, ApiError> {
    let spec = ReadSpec::reference("get_item", caller.want, None);
    let item = read_items::get_item(&app, &caller.call, spec, id).await?;
    Ok(Found {
        version: Some(item.version),
        stable: item.is_as_written(caller.call.received_at()),
        body: ItemView::from(&item),
    })
}

/// Changes an item, or archives it.
#[utoipa::path(patch, path = "/v1/warehouse/items/{id}", operation_id = "update_item", tag = "warehouse",
    params(("id" = String, Path, description = "Id of the item.", example = "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra")),
    request_body = bodies::ItemPatchBody,
    responses((status = 200, description = "The item.", body = ItemView)),
    security(("bearer" = ["warehouse:write"])))]
pub(super) async fn update_item(
    State(app): State<App>,
    caller: Can<WarehouseWrite>,
    Segment(id): Segment<ItemId>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let patch = bodies::update_item(request.body());
    let intent = request.intent(&caller, "update_item", app.db.primary().clone(), None);
    Ok(Written(update::update_item(&app, intent, id, patch).await?))
}

/// Removes an item that nothing refers to.
#[utoipa::path(delete, path = "/v1/warehouse/items/{id}", operation_id = "delete_item", tag = "warehouse",
    params(("id" = String, Path, description = "Id of the item.", example = "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra")),
    responses(
        (status = 204, description = "The item is gone."),
        (status = 409, description = "`item_in_use`, `key_voided`"),
    ),
    security(("bearer" = ["warehouse:write"])))]
pub(super) async fn delete_item(
    State(app): State<App>,
    caller: Can<WarehouseWrite>,
    Segment(id): Segment<ItemId>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let intent = request.intent(&caller, "delete_item", app.db.primary().clone(), None);
    let nothing = bodies::nothing(request.body());
    Ok(Written(
        delete::delete_item(&app, intent, id, nothing).await?,
    ))
}

/// Sets an item's price in one currency.
#[utoipa::path(put, path = "/v1/warehouse/items/{id}/prices/{currency}", operation_id = "set_item_price",
    tag = "warehouse",
    params(
        ("id" = String, Path, description = "Id of the item.", example = "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra"),
        ("currency" = String, Path, description = "ISO 4217.", example = "EUR"),
    ),
    request_body = bodies::PriceBody,
    responses(
        (status = 200, description = "The item.", body = ItemView),
        (status = 409, description = "`item_archived`, `key_voided`"),
    ),
    security(("bearer" = ["warehouse:write"])))]
pub(super) async fn set_item_price(
    State(app): State<App>,
    caller: Can<WarehouseWrite>,
    Segments(id, currency): Segments<ItemId, CurrencyCode>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let command = bodies::set_item_price(request.body(), caller.call.received_at());
    let intent = request.intent(&caller, "set_item_price", app.db.primary().clone(), None);
    Ok(Written(
        price::set_item_price(&app, intent, (id, currency), command).await?,
    ))
}
