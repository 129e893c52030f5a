//! `/v1/accounting/journal-entries/imports`

use axum::{extract::State, response::Response};
use futures_util::{FutureExt as _, future::BoxFuture};
use kernel::{Call, OfficeCode, RegionTag, SystemError};
use platform_http::{
    ApiError, Can, Column, ImportBatch, ImportFormat, ImportParams, ImportRequest, ImportResult,
    Lines, RowIds, permission::AccountingPost,
};

use super::{belongs_to, bodies};
use crate::{App, ops::import_journal_entries as import};

/// Columns are the members of a new entry and of its postings.
static FORMAT: ImportFormat = ImportFormat {
    columns: &[
        Column::text("office").required(),
        Column::text("currency").required(),
        Column::text("description").required(),
        Column::text("effective_date"),
        Column::text("debit").required().of_line(),
        Column::text("credit").required().of_line(),
        Column::integer("amount_minor").required().of_line(),
        Column::text("memo").of_line(),
    ],
    prices: false,
    lines: Some(Lines {
        member: "postings",
        by: "reference",
    }),
    ids: RowIds::Document,
};

/// Posts many entries.
///
/// Each entry is the single POST: one posting per CSV row, with the columns `office`, `currency`, `description`,
/// `effective_date`, `debit`, `credit`, `amount_minor`, `memo` and `reference`, where rows with equal `reference` in a
/// run form one entry; or one body per line of NDJSON. The answer has one line per row. The same file sent again under
/// the same key goes on where it broke off.
#[utoipa::path(post, path = "/v1/accounting/journal-entries/imports", operation_id = "import_journal_entries",
    tag = "accounting",
    params(ImportParams),
    request_body(content(
        (String = "text/csv", example = "reference,office,currency,description,effective_date,debit,credit,amount_minor,memo\r\nR-1,ber,EUR,Rent of November,2026-11-01,5900,1000,120000,Depot\r\n"),
        (String = "application/x-ndjson", example = "{\"office\":\"ber\",\"currency\":\"EUR\",\"description\":\"Rent of November\",\"postings\":[{\"debit\":\"5900\",\"credit\":\"1000\",\"amount_minor\":120000}]}\n"),
    )),
    responses((status = 200, description = "One line per row, in order: `id` of the entry, or why not.",
        content_type = "application/x-ndjson", body = ImportResult)),
    extensions(("x-import" = json!(true))),
    security(("bearer" = ["accounting:post"])))]
pub(super) async fn import_journal_entries(
    State(app): State<App>,
    caller: Can<AccountingPost>,
    request: ImportRequest,
) -> Result<Response, ApiError> {
    request
        .run(&caller, &FORMAT, move |batch: ImportBatch| {
            let app = app.clone();
            async move {
                let offices = batch.rows.iter().map(|row| bodies::office(&row.body));
                let homes = homes(app.clone(), batch.call.clone(), offices.collect()).await?;
                let mut rows = Vec::with_capacity(batch.rows.len());
                for (row, (home, office)) in batch.rows.iter().zip(homes) {
                    let intent = batch.intent(row, "import_journal_entries", home, office);
                    rows.push((intent, bodies::create_journal_entry(&row.body)));
                }
                let commits = move |all| batch.commits(all);
                import::import_journal_entries(app, rows, commits).await
            }
        })
        .await
}

/// Region of the keys of a write, and the office written to.
type Home = (RegionTag, Option<OfficeCode>);

/// What [`belongs_to`] says of each office. Boxed and owning what it needs: a future that borrows is not Send for every
/// lifetime, which handlers need.
fn homes(
    app: App,
    call: Call,
    offices: Vec<Option<OfficeCode>>,
) -> BoxFuture<'static, Result<Vec<Home>, SystemError>> {
    async move {
        let mut homes = Vec::with_capacity(offices.len());
        for office in offices {
            homes.push(belongs_to(&app, &call, office).await?);
        }
        Ok(homes)
    }
    .boxed()
}
