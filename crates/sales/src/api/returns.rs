//! `/v1/sales/orders/{id}/returns`

use axum::extract::State;
use kernel::id::{OrderId, ReturnId};
use platform_http::{
    ApiError, Can, Found, Listed, Paging, Params, Segment, Segments, WriteRequest, Written,
    permission::{SalesRead, SalesWrite},
};

use super::{
    bodies::documents::{self as bodies, ReturnBody},
    documents::{self, DocumentQuery},
};
use crate::{
    App,
    domain::delivery::Return,
    ops::{
        order::{belongs_to, find_whereabouts},
        read_documents as read,
        return_goods::return_goods as take_back,
    },
    views::delivery::ReturnView,
};

/// Takes goods of an order back, to the shelf or to scrap, and credits them.
#[utoipa::path(post, path = "/v1/sales/orders/{id}/returns", operation_id = "return_goods", tag = "sales",
    params(("id" = String, Path, description = "Id of the order.", example = "ord_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")),
    request_body = ReturnBody,
    responses(
        (status = 201, description = "The return.", body = ReturnView),
        (status = 409, description = "`return_exceeds_shipped`, `period_closed`, `already_exists`, `key_voided`"),
        (status = 422, description = "`validation_failed`, `amount_out_of_range`, `idempotency_key_reused`"),
    ),
    security(("bearer" = ["sales:write"])))]
pub(super) async fn return_goods(
    State(app): State<App>,
    caller: Can<SalesWrite>,
    Segment(id): Segment<OrderId>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let command = bodies::goods_back(request.body());
    let found = find_whereabouts(&app, &caller.call, &id).await?;
    let (region, office) = belongs_to(&app, &id, found.as_ref());
    let intent = request.intent(&caller, "return_goods", region, office);
    Ok(Written(
        take_back(&app, intent, (id, found), command).await?,
    ))
}

/// Lists the returns of an order.
#[utoipa::path(get, path = "/v1/sales/orders/{id}/returns", operation_id = "list_returns", tag = "sales",
    params(("id" = String, Path, description = "Id of the order.", example = "ord_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra"), DocumentQuery, Paging),
    responses((status = 200, description = "One page of returns.", body = Listed<ReturnView>)),
    security(("bearer" = ["sales:read"])))]
pub(super) async fn list_returns(
    State(app): State<App>,
    caller: Can<SalesRead>,
    Segment(id): Segment<OrderId>,
    Params(query): Params<DocumentQuery>,
    paging: Paging,
) -> Result<Listed<ReturnView>, ApiError> {
    let order = documents::readable(&app, &caller, id).await?;
    let how = (&caller.call, caller.want);
    let filter = query.of(order);
    let listed = read::list_documents::<Return>(&app, how, filter, paging.request.clone()).await?;
    Ok(documents::listed(&paging, listed, |back| {
        ReturnView::from(&back)
    }))
}

/// Shows one return of an order.
#[utoipa::path(get, path = "/v1/sales/orders/{id}/returns/{return}", operation_id = "get_return", tag = "sales",
    params(
        ("id" = String, Path, description = "Id of the order.", example = "ord_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra"),
        ("return" = String, Path, description = "Id of the return.", example = "ret_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra"),
    ),
    responses((status = 200, description = "The return.", body = ReturnView)),
    security(("bearer" = ["sales:read"])))]
pub(super) async fn get_return(
    State(app): State<App>,
    caller: Can<SalesRead>,
    Segments(id, back): Segments<OrderId, ReturnId>,
) -> Result<Found<ReturnView>, ApiError> {
    let order = documents::readable(&app, &caller, id).await?;
    let how = (&caller.call, caller.want);
    let back = read::get_document::<Return>(&app, how, order, back).await?;
    Ok(Found::plain(ReturnView::from(&back)))
}
