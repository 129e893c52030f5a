//! `/v1/sales/orders/{id}/shipments`

use axum::extract::State;
use kernel::id::{OrderId, ShipmentId};
use platform_http::{
    ApiError, Can, Found, Listed, Paging, Params, Segment, Segments, WriteRequest, Written,
    permission::{SalesRead, SalesWrite},
};

use super::{
    bodies::documents::{self as bodies, ShipmentBody},
    documents::{self, DocumentQuery},
};
use crate::{
    App,
    domain::delivery::Shipment,
    ops::{
        order::{belongs_to, find_whereabouts},
        read_documents as read,
        ship_order::ship_order as ship,
    },
    views::delivery::ShipmentView,
};

/// Ships units of a confirmed order, and invoices them. Without lines all that is open.
#[utoipa::path(post, path = "/v1/sales/orders/{id}/shipments", operation_id = "ship_order", tag = "sales",
    params(("id" = String, Path, description = "Id of the order.", example = "ord_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")),
    request_body = ShipmentBody,
    responses(
        (status = 201, description = "The shipment.", body = ShipmentView),
        (status = 409, description = "`order_state`, `not_reserved`, `period_closed`, `already_exists`, `key_voided`"),
        (status = 422, description = "`validation_failed`, `amount_out_of_range`, `idempotency_key_reused`"),
    ),
    security(("bearer" = ["sales:write"])))]
pub(super) async fn ship_order(
    State(app): State<App>,
    caller: Can<SalesWrite>,
    Segment(id): Segment<OrderId>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let command = bodies::shipment(request.body());
    let found = find_whereabouts(&app, &caller.call, &id).await?;
    let (region, office) = belongs_to(&app, &id, found.as_ref());
    let intent = request.intent(&caller, "ship_order", region, office);
    Ok(Written(ship(&app, intent, (id, found), command).await?))
}

/// Lists the shipments of an order.
#[utoipa::path(get, path = "/v1/sales/orders/{id}/shipments", operation_id = "list_shipments", tag = "sales",
    params(("id" = String, Path, description = "Id of the order.", example = "ord_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra"), DocumentQuery, Paging),
    responses((status = 200, description = "One page of shipments.", body = Listed<ShipmentView>)),
    security(("bearer" = ["sales:read"])))]
pub(super) async fn list_shipments(
    State(app): State<App>,
    caller: Can<SalesRead>,
    Segment(id): Segment<OrderId>,
    Params(query): Params<DocumentQuery>,
    paging: Paging,
) -> Result<Listed<ShipmentView>, ApiError> {
    let order = documents::readable(&app, &caller, id).await?;
    let how = (&caller.call, caller.want);
    let filter = query.of(order);
    let listed =
        read::list_documents::<Shipment>(&app, how, filter, paging.request.clone()).await?;
    Ok(documents::listed(&paging, listed, |shipment| {
        ShipmentView::from(&shipment)
    }))
}

/// Shows one shipment of an order.
#[utoipa::path(get, path = "/v1/sales/orders/{id}/shipments/{shipment}", operation_id = "get_shipment", tag = "sales",
    params(
        ("id" = String, Path, description = "Id of the order.", example = "ord_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra"),
        ("shipment" = String, Path, description = "Id of the shipment.", example = "shp_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra"),
    ),
    responses((status = 200, description = "The shipment.", body = ShipmentView)),
    security(("bearer" = ["sales:read"])))]
pub(super) async fn get_shipment(
    State(app): State<App>,
    caller: Can<SalesRead>,
    Segments(id, shipment): Segments<OrderId, ShipmentId>,
) -> Result<Found<ShipmentView>, ApiError> {
    let order = documents::readable(&app, &caller, id).await?;
    let how = (&caller.call, caller.want);
    let shipment = read::get_document::<Shipment>(&app, how, order, shipment).await?;
    Ok(Found::plain(ShipmentView::from(&shipment)))
}
