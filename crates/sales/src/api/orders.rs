//! `/v1/sales/orders`

use axum::extract::State;
use kernel::{
    LocationCode, OfficeCode, Position, Timestamp,
    id::{CustomerId, ItemId, OrderId},
};
use platform_db::offices::OfficeHome;
use platform_http::{
    ApiError, Can, Expanded, Expanding, Found, Listed, Paging, Params, Segment, WriteRequest,
    Written,
    permission::{SalesRead, SalesWrite},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{belongs_to, bodies};
use crate::{
    App,
    domain::order::OrderStatus,
    ops::{
        cancel_order as cancel, confirm_order as confirm, create_order as create, order,
        read_orders::{self as read, Wanted},
        update_order as update,
    },
    views::order::{OrderStatusName, OrderView},
};

/// Filters of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OrderQuery {
    /// Only orders of these offices, as a comma list.
    #[param(value_type = Option<String>, example = "ber,nyc")]
    office: Option<Vec<OfficeCode>>,
    /// Only orders in this state; a draft whose time is up is `expired`.
    #[param(value_type = Option<OrderStatusName>)]
    status: Option<OrderStatus>,
    /// Only orders of this customer.
    #[param(value_type = Option<String>, example = "cus_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    customer: Option<CustomerId>,
    /// Only orders that are called so, compared by bytes.
    #[param(example = "PO-4711")]
    reference: Option<String>,
    /// Only orders with a line of this item.
    #[param(value_type = Option<String>, example = "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    item: Option<ItemId>,
    /// Only orders with a line of the item with this SKU.
    #[param(example = "LAMP-7")]
    sku: Option<String>,
    /// Only orders with a line from this location.
    #[param(value_type = Option<String>, example = "ber-main")]
    location: Option<LocationCode>,
    /// Made at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    created_from: Option<Timestamp>,
    /// Made at this time or earlier.
    #[param(value_type = Option<String>, format = DateTime)]
    created_to: Option<Timestamp>,
}

/// Lists the orders of the offices.
#[utoipa::path(get, path = "/v1/sales/orders", operation_id = "list_orders", tag = "sales",
    params(OrderQuery, Paging),
    responses((status = 200, description = "One page of orders.", body = Listed<OrderView>)),
    extensions(("x-expand" = json!({"customer": "sales:read", "lines.item": "warehouse:read", "lines.location": "warehouse:read"}))),
    security(("bearer" = ["sales:read"])))]
pub(super) async fn list_orders(
    State(app): State<App>,
    caller: Can<SalesRead>,
    Params(query): Params<OrderQuery>,
    paging: Paging,
    Expanding(expand): Expanding,
) -> Result<Expanded<Listed<OrderView>>, ApiError> {
    let wanted = Wanted {
        offices: query.office,
        status: query.status,
        customer: query.customer,
        reference: query.reference,
        item: query.item,
        sku: query.sku,
        location: query.location,
        created_from: query.created_from,
        created_to: query.created_to,
    };
    let who = (&caller.call, &*caller.principal, caller.want);
    let now = paging.request.snapshot.unwrap_or(caller.call.received_at());
    let page = (paging.request.clone(), expand);
    let (orders, inlined) = read::list_orders(&app, who, wanted, page).await?;
    let listed = paging.page(
        orders,
        |order| Position {
            created_at: order.created_at,
            id: order.id.uuid().to_string(),
        },
        |order| OrderView::at(&order, now),
    );
    Ok(Expanded::page(listed, inlined))
}

/// Takes an order: a draft that ends by itself after 24 hours unless it is confirmed.
#[utoipa::path(post, path = "/v1/sales/orders", operation_id = "create_order", tag = "sales",
    request_body = bodies::orders::OrderBody,
    responses(
        (status = 201, description = "The order.", body = OrderView),
        (status = 409, description = "`insufficient_stock`, `item_archived`, `already_exists`, `key_voided`"),
        (status = 422, description = "`validation_failed`, `price_missing`, `currency_mismatch`, \
            `location_of_other_office`, `amount_out_of_range`, `idempotency_key_reused`"),
    ),
    security(("bearer" = ["sales:write"])))]
pub(super) async fn create_order(
    State(app): State<App>,
    caller: Can<SalesWrite>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let command = bodies::orders::create_order(request.body());
    let office = bodies::office(request.body());
    let (region, office) = belongs_to(&app, &caller.call, office).await?;
    let home = office.clone().map(|office| OfficeHome {
        region: region.clone(),
        office,
    });
    let intent = request.intent(&caller, "create_order", region, office);
    Ok(Written(
        create::create_order(&app, intent, home, command).await?,
    ))
}

/// Shows one order.
#[utoipa::path(get, path = "/v1/sales/orders/{id}", operation_id = "get_order", tag = "sales",
    params(("id" = String, Path, description = "Id of the order.", example = "ord_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")),
    responses((status = 200, description = "The order.", body = OrderView)),
    extensions(("x-expand" = json!({"customer": "sales:read", "lines.item": "warehouse:read", "lines.location": "warehouse:read"}))),
    security(("bearer" = ["sales:read"])))]
pub(super) async fn get_order(
    State(app): State<App>,
    caller: Can<SalesRead>,
    Segment(id): Segment<OrderId>,
    Expanding(expand): Expanding,
) -> Result<Expanded<OrderView>, ApiError> {
    let wanted = (id, expand);
    let (order, inlined) = read::get_order(&app, &caller.call, caller.want, wanted).await?;
    caller.reach(&order.office)?;
    let now = caller.call.received_at();
    let found = Found {
        version: Some(order.version),
        stable: order.is_as_written(now),
        body: OrderView::at(&order, now),
    };
    Ok(Expanded::one(found, inlined))
}

/// Changes an order: a draft's members, later only its notes.
#[utoipa::path(patch, path = "/v1/sales/orders/{id}", operation_id = "update_order", tag = "sales",
    params(("id" = String, Path, description = "Id of the order.", example = "ord_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")),
    request_body = bodies::orders::OrderPatchBody,
    responses(
        (status = 200, description = "The order.", body = OrderView),
        (status = 409, description = "`order_state`, `insufficient_stock`, `item_archived`, `key_voided`"),
        (status = 422, description = "`validation_failed`, `price_missing`, `location_of_other_office`, \
            `amount_out_of_range`, `idempotency_key_reused`"),
    ),
    security(("bearer" = ["sales:write"])))]
pub(super) async fn update_order(
    State(app): State<App>,
    caller: Can<SalesWrite>,
    Segment(id): Segment<OrderId>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let patch = bodies::orders::update_order(request.body());
    let found = order::find_whereabouts(&app, &caller.call, &id).await?;
    let (region, office) = order::belongs_to(&app, &id, found.as_ref());
    let intent = request.intent(&caller, "update_order", region, office);
    Ok(Written(
        update::update_order(&app, intent, (id, found), patch).await?,
    ))
}

/// Places an order: everything it wants is put aside for it, or nothing is.
#[utoipa::path(post, path = "/v1/sales/orders/{id}/confirm", operation_id = "confirm_order", tag = "sales",
    params(("id" = String, Path, description = "Id of the order.", example = "ord_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")),
    responses(
        (status = 200, description = "The order.", body = OrderView),
        (status = 409, description = "`insufficient_stock`, `item_archived`, `order_state`, `key_voided`"),
    ),
    security(("bearer" = ["sales:write"])))]
pub(super) async fn confirm_order(
    State(app): State<App>,
    caller: Can<SalesWrite>,
    Segment(id): Segment<OrderId>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let nothing = bodies::nothing(request.body());
    let found = order::find_whereabouts(&app, &caller.call, &id).await?;
    let (region, office) = order::belongs_to(&app, &id, found.as_ref());
    let intent = request.intent(&caller, "confirm_order", region, office);
    Ok(Written(
        confirm::confirm_order(&app, intent, (id, found), nothing).await?,
    ))
}

/// Cancels an order of which nothing is shipped, or what is still open of some of its lines.
#[utoipa::path(post, path = "/v1/sales/orders/{id}/cancel", operation_id = "cancel_order", tag = "sales",
    params(("id" = String, Path, description = "Id of the order.", example = "ord_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")),
    request_body = bodies::orders::CancelBody,
    responses(
        (status = 200, description = "The order.", body = OrderView),
        (status = 409, description = "`already_shipped`, `order_state`, `key_voided`"),
    ),
    security(("bearer" = ["sales:write"])))]
pub(super) async fn cancel_order(
    State(app): State<App>,
    caller: Can<SalesWrite>,
    Segment(id): Segment<OrderId>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let command = bodies::orders::cancel_order(request.body());
    let found = order::find_whereabouts(&app, &caller.call, &id).await?;
    let (region, office) = order::belongs_to(&app, &id, found.as_ref());
    let intent = request.intent(&caller, "cancel_order", region, office);
    Ok(Written(
        cancel::cancel_order(&app, intent, (id, found), command).await?,
    ))
}
