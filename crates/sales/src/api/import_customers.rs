//! `/v1/sales/customers/imports`

use axum::{extract::State, response::Response};
use platform_http::{
    ApiError, Can, Column, ImportBatch, ImportFormat, ImportParams, ImportRequest, ImportResult,
    RowIds, permission::SalesWrite,
};

use super::{bodies::customers::create_customer, writes};
use crate::{App, ops::import_customers as import};

/// Columns are the members of a new customer.
static FORMAT: ImportFormat = ImportFormat {
    columns: &[
        Column::text("office").required(),
        Column::text("name").required(),
        Column::text("email"),
        Column::text("phone"),
        Column::text("tax_id"),
    ],
    prices: false,
    lines: None,
    ids: RowIds::Document,
};

/// Adds many customers.
///
/// Each row is the single POST: one customer per CSV row, with the columns `office`, `name`, `email`, `phone` and `tax_id`,
/// or one body per line of NDJSON. The answer has one line per row. The same file sent again under the same key goes on
/// where it broke off.
#[utoipa::path(post, path = "/v1/sales/customers/imports", operation_id = "import_customers", tag = "sales",
    params(ImportParams),
    request_body(content(
        (String = "text/csv", example = "office,name,email,phone,tax_id\r\nber,Kim Example,kim@example.com,+49 30 1234567,DE123456789\r\n"),
        (String = "application/x-ndjson", example = "{\"office\":\"ber\",\"name\":\"Kim Example\",\"email\":\"kim@example.com\"}\n"),
    )),
    responses((status = 200, description = "One line per row, in order: `id` of the customer, or why not.",
        content_type = "application/x-ndjson", body = ImportResult)),
    extensions(("x-import" = json!(true))),
    security(("bearer" = ["sales:write"])))]
pub(super) async fn import_customers(
    State(app): State<App>,
    caller: Can<SalesWrite>,
    request: ImportRequest,
) -> Result<Response, ApiError> {
    request
        .run(&caller, &FORMAT, move |batch: ImportBatch| {
            let app = app.clone();
            async move {
                let rows = writes(app.clone(), &batch, "import_customers", create_customer).await?;
                import::import_customers(app, rows, move |all| batch.commits(all)).await
            }
        })
        .await
}
