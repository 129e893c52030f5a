//! `/v1/sales/orders/{id}/timeline`

use axum::extract::State;
use kernel::id::OrderId;
use platform_http::{ApiError, Can, Found, Segment, permission::SalesRead};

use crate::{App, ops::order_timeline, views::timeline::Timeline};

/// Tells what happened to an order: in sales, to the stock and in the books.
#[utoipa::path(get, path = "/v1/sales/orders/{id}/timeline", operation_id = "get_order_timeline", tag = "sales",
    params(("id" = String, Path, description = "Id of the order.", example = "ord_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra")),
    responses((status = 200, description = "What happened, oldest first.", body = Timeline)),
    security(("bearer" = ["sales:read"])))]
pub(super) async fn get_order_timeline(
    State(app): State<App>,
    caller: Can<SalesRead>,
    Segment(id): Segment<OrderId>,
) -> Result<Found<Timeline>, ApiError> {
    let told = order_timeline::get_order_timeline(&app, &caller.call, caller.want, id);
    let (office, timeline) = told.await?;
    caller.reach(&office)?;
    Ok(Found::plain(timeline))
}
