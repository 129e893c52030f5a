//! `/v1/warehouse/receipts/imports`

use axum::{extract::State, response::Response};
use platform_http::{
    ApiError, Can, Column, ImportBatch, ImportFormat, ImportParams, ImportRequest, ImportResult,
    Lines, RowIds, permission::WarehouseWrite,
};

use super::{bodies::stock, place};
use crate::{
    App,
    ops::write_documents::{Document, Row, write_documents},
};

/// One line of a receipt per row: a run of rows with one reference is one receipt.
static FORMAT: ImportFormat = ImportFormat {
    columns: &[
        Column::text("location").required(),
        Column::text("reference").required(),
        Column::text("kind"),
        Column::text("item").required().of_line(),
        Column::integer("quantity").required().of_line(),
        Column::integer("unit_cost_minor").of_line(),
        Column::integer("cost_minor").of_line(),
    ],
    prices: false,
    lines: Some(Lines {
        member: "lines",
        by: "reference",
    }),
    ids: RowIds::EachRow,
};

/// Takes many receipts in.
///
/// CSV: one line of a receipt per row, with the columns `location`, `reference`, `kind`, `item`, `quantity` and
/// `unit_cost_minor` or `cost_minor`; a run of rows with equal `reference` is one receipt, which is written whole or not
/// at all. NDJSON: one body of the single POST per line. The answer has one line per row, with the id of the row's
/// movement. The same file sent again under the same key goes on where it broke off.
#[utoipa::path(post, path = "/v1/warehouse/receipts/imports", operation_id = "import_receipts", tag = "warehouse",
    params(ImportParams),
    request_body(content(
        (String = "text/csv", example = "location,reference,item,quantity,unit_cost_minor\r\nber-main,PO-2210,itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra,40,6000\r\n"),
        (String = "application/x-ndjson", example = "{\"location\":\"ber-main\",\"reference\":\"PO-2210\",\"lines\":[{\"item\":\"itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra\",\"quantity\":40,\"unit_cost_minor\":6000}]}\n"),
    )),
    responses((status = 200, description = "One line per row, in order: `id` of its movement, or why not.",
        content_type = "application/x-ndjson", body = ImportResult)),
    extensions(("x-import" = json!(true))),
    security(("bearer" = ["warehouse:write"])))]
pub(super) async fn import_receipts(
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
                    let home = place::named(&app, &batch.call, &row.body).await?;
                    let (region, office) = place::belongs_to(&app, home.as_ref());
                    rows.push(Row {
                        intent: batch.intent(row, "import_receipts", region, office),
                        home,
                        document: stock::receive_stock(&row.body).map(Document::Receipt),
                    });
                }
                write_documents(&app.db, rows, move |all| batch.commits(all)).await
            }
        })
        .await
}
