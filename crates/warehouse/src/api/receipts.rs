//! `/v1/warehouse/receipts`

use axum::extract::State;
use platform_http::{ApiError, Can, WriteRequest, Written, permission::WarehouseWrite};

use super::bodies::stock::{self, ReceiptBody};
use crate::{App, ops::receive_stock as receive, views::recorded::RecordedView};

/// Takes goods in, and posts what they cost: 1300 to 2050, opening stock 1300 to 3100.
#[utoipa::path(post, path = "/v1/warehouse/receipts", operation_id = "receive_stock", tag = "warehouse",
    request_body = ReceiptBody,
    responses(
        (status = 201, description = "The movements, and the journal entry.", body = RecordedView),
        (status = 409, description = "`item_archived`, `period_closed`, `already_exists`, `key_voided`"),
        (status = 422, description = "`validation_failed`, `amount_out_of_range`, `idempotency_key_reused`"),
    ),
    security(("bearer" = ["warehouse:write"])))]
pub(super) async fn receive_stock(
    State(app): State<App>,
    caller: Can<WarehouseWrite>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let command = stock::receive_stock(request.body());
    let home = super::place::named(&app, &caller.call, request.body()).await?;
    let (region, office) = super::place::belongs_to(&app, home.as_ref());
    let intent = request.intent(&caller, "receive_stock", region, office);
    Ok(Written(
        receive::receive_stock(&app, intent, home, command).await?,
    ))
}
