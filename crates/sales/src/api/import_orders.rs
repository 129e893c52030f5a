//! `/v1/sales/orders/imports`

use axum::{extract::State, response::Response};
use platform_http::{
    ApiError, Can, Column, ImportBatch, ImportFormat, ImportParams, ImportRequest, ImportResult,
    Lines, RowIds, permission::SalesWrite,
};

use super::{bodies::orders::create_order, writes};
use crate::{App, ops::import_orders as import};

/// One line of an order per row: a run of rows with one reference is one order.
static FORMAT: ImportFormat = ImportFormat {
    columns: &[
        Column::text("office").required(),
        Column::text("customer").required(),
        Column::text("reference"),
        Column::integer("hold_seconds"),
        Column::text("currency"),
        Column::text("notes"),
        Column::text("item").required().of_line(),
        Column::text("location").required().of_line(),
        Column::integer("quantity").required().of_line(),
    ],
    prices: false,
    lines: Some(Lines {
        member: "lines",
        by: "reference",
    }),
    ids: RowIds::Document,
};

/// Takes many orders.
///
/// CSV: one line of an order per row, with the columns `office`, `customer`, `reference`, `hold_seconds`, `currency`,
/// `notes`, `item`, `location` and `quantity`; a run of rows with equal `reference` is one order, which is taken whole or
/// not at all, and a row without is an order of its own. NDJSON: one body of the single POST per line. The answer has one
/// line per row. The same file sent again under the same key goes on where it broke off.
#[utoipa::path(post, path = "/v1/sales/orders/imports", operation_id = "import_orders", tag = "sales",
    params(ImportParams),
    request_body(content(
        (String = "text/csv", example = "office,customer,reference,item,location,quantity\r\nber,cus_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra,PO-4711,itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra,ber-main,2\r\n"),
        (String = "application/x-ndjson", example = "{\"office\":\"ber\",\"customer\":\"cus_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra\",\"lines\":[{\"item\":\"itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra\",\"location\":\"ber-main\",\"quantity\":2}]}\n"),
    )),
    responses((status = 200, description = "One line per row, in order: `id` of the order, or why not.",
        content_type = "application/x-ndjson", body = ImportResult)),
    extensions(("x-import" = json!(true))),
    security(("bearer" = ["sales:write"])))]
pub(super) async fn import_orders(
    State(app): State<App>,
    caller: Can<SalesWrite>,
    request: ImportRequest,
) -> Result<Response, ApiError> {
    request
        .run(&caller, &FORMAT, move |batch: ImportBatch| {
            let app = app.clone();
            async move {
                let rows = writes(app.clone(), &batch, "import_orders", create_order).await?;
                import::import_orders(app, rows, move |all| batch.commits(all)).await
            }
        })
        .await
}
