//! `/v1/warehouse/adjustments`

use axum::extract::State;
use platform_http::{ApiError, Can, WriteRequest, Written, permission::WarehouseWrite};

use super::bodies::stock::{self, AdjustmentBody};
use crate::{App, ops::adjust_stock as adjust, views::recorded::RecordedView};

/// Brings a level to what is really there, and posts the difference: 1300 to 5900, or back.
#[utoipa::path(post, path = "/v1/warehouse/adjustments", operation_id = "adjust_stock", tag = "warehouse",
    request_body = AdjustmentBody,
    responses(
        (status = 201, description = "The movement, and the journal entry. No movement where a count found what was \
            expected.", body = RecordedView),
        (status = 409, description = "`insufficient_stock`, `item_archived`, `period_closed`, `already_exists`, \
            `key_voided`"),
        (status = 412, description = "`quantity_changed`"),
        (status = 422, description = "`validation_failed`, `amount_out_of_range`, `idempotency_key_reused`"),
    ),
    security(("bearer" = ["warehouse:write"])))]
pub(super) async fn adjust_stock(
    State(app): State<App>,
    caller: Can<WarehouseWrite>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let command = stock::adjust_stock(request.body());
    let home = super::place::named(&app, &caller.call, request.body()).await?;
    let (region, office) = super::place::belongs_to(&app, home.as_ref());
    let intent = request.intent(&caller, "adjust_stock", region, office);
    Ok(Written(
        adjust::adjust_stock(&app, intent, home, command).await?,
    ))
}
