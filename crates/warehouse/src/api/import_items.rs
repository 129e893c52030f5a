//! `/v1/warehouse/items/imports`

use axum::{extract::State, response::Response};
use platform_http::{
    ApiError, Can, Column, ImportBatch, ImportFormat, ImportParams, ImportRequest, ImportResult,
    RowIds, permission::WarehouseWrite,
};

use super::bodies;
use crate::{App, ops::import_items as import};

/// Columns are the members of a new item.
static FORMAT: ImportFormat = ImportFormat {
    columns: &[
        Column::text("sku").required(),
        Column::text("name").required(),
        Column::text("description").required(),
        Column::text("country_of_origin").required(),
        Column::text("unit").required(),
        Column::text("barcode"),
    ],
    prices: true,
    lines: None,
    ids: RowIds::Document,
};

/// Adds many items to the catalogue.
///
/// Each row is the single POST: one item per CSV row, with the columns `sku`, `name`, `description`,
/// `country_of_origin`, `unit`, `barcode` and `price_EUR`, `price_JPY`, … (whole minor units), or one body per line of
/// NDJSON. The answer has one line per row. The same file sent again under the same key goes on where it broke off.
#[utoipa::path(post, path = "/v1/warehouse/items/imports", operation_id = "import_items", tag = "warehouse",
    params(ImportParams),
    request_body(content(
        (String = "text/csv", example = "sku,name,description,country_of_origin,unit,barcode,price_EUR\r\nLAMP-7,Desk lamp,A lamp for a desk.,DE,each,4006381333931,10000\r\n"),
        (String = "application/x-ndjson", example = "{\"sku\":\"LAMP-7\",\"name\":\"Desk lamp\",\"description\":\"A lamp for a desk.\",\"country_of_origin\":\"DE\",\"unit\":\"each\"}\n"),
    )),
    responses((status = 200, description = "One line per row, in order: `id` of what was made, or why not.",
        content_type = "application/x-ndjson", body = ImportResult)),
    extensions(("x-import" = json!(true))),
    security(("bearer" = ["warehouse:write"])))]
pub(super) async fn import_items(
    State(app): State<App>,
    caller: Can<WarehouseWrite>,
    request: ImportRequest,
) -> Result<Response, ApiError> {
    request
        .run(&caller, &FORMAT, move |batch: ImportBatch| {
            let app = app.clone();
            async move {
                let mut rows = Vec::with_capacity(batch.rows.len());
                for row in &batch.rows {
                    let home = app.db.primary().clone();
                    let intent = batch.intent(row, "import_items", home, None);
                    let command = bodies::create_item(&row.body, batch.call.received_at());
                    rows.push((intent, command));
                }
                import::import_items(app, rows, move |all| batch.commits(all)).await
            }
        })
        .await
}
