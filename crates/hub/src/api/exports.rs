//! `/v1/exports`

use axum::{extract::State, response::Response};
use kernel::{Date, OfficeCode, Timestamp};
use platform_http::{
    ApiError, Can, ExportFormat, ExportRequest, Params, Problem, Segment, permission::ReportsRead,
    problem::AS_OF_TOO_OLD,
};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    App,
    ops::export::{self, Resource, Resources, Wanted},
};

/// What is exported, and how it is written.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportQuery {
    /// `ndjson`: one JSON object per line. `csv`: a table, of one resource. Without it: what `Accept` prefers, else
    /// `ndjson`.
    #[param(inline)]
    format: Option<ExportFormat>,
    /// Only rows of these offices, as a comma list. Items belong to none and are all there.
    #[param(value_type = Option<String>, example = "ber,nyc")]
    office: Option<Vec<OfficeCode>>,
    /// Journal entries of this business date or later.
    #[param(value_type = Option<String>, format = Date, example = "2026-11-01")]
    effective_from: Option<Date>,
    /// Journal entries of this business date or earlier.
    #[param(value_type = Option<String>, format = Date, example = "2026-11-30")]
    effective_to: Option<Date>,
    /// Made at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    created_from: Option<Timestamp>,
    /// Made at this time or earlier.
    #[param(value_type = Option<String>, format = DateTime)]
    created_to: Option<Timestamp>,
    /// What had been recorded up to this moment: of movements and journal entries only, which never change.
    #[param(value_type = Option<String>, format = DateTime)]
    as_of: Option<Timestamp>,
}

/// Streams every row of one or more resources, all of one moment.
///
/// Rows are as their lists show them, by office and from the oldest to the newest; several resources come one after the other,
/// and each line says its `resource`. Orders, stock and books of one export tie out to the cent. An export that could not be
/// completed does not look complete: NDJSON ends with a line `{status, code, detail, retryable}` without `id`, or the
/// transfer breaks off; CSV always breaks off.
#[utoipa::path(get, path = "/v1/exports/{resources}", operation_id = "export_rows", tag = "reports",
    params(
        ("resources" = String, Path,
            description = "Comma list of `orders`, `movements`, `journal-entries`, `customers`, `items`.",
            example = "movements,journal-entries"),
        ExportQuery,
    ),
    responses(
        (status = 200, description = "The rows. In CSV an order has a line per order line, an entry one per posting, and items have the columns of their import.",
            content(
                (String = "application/x-ndjson", example = "{\"resource\":\"movements\",\"id\":\"mov_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra\",\"office\":\"ber\",\"value_delta_minor\":480000}\n"),
                (String = "text/csv", example = "sku,name,description,country_of_origin,unit,barcode,price_EUR\r\nLAMP-7,Desk lamp,A lamp for a desk.,DE,each,4006381333931,10000\r\n"),
            )),
        (status = 422, description = "`as_of_too_old` (also with resources that change), `validation_failed` (`as_of` in the future)"),
    ),
    security(("bearer" = ["reports:read"])))]
pub(super) async fn export_rows(
    State(app): State<App>,
    caller: Can<ReportsRead>,
    Segment(resources): Segment<Resources>,
    Params(query): Params<ExportQuery>,
    request: ExportRequest,
) -> Result<Response, ApiError> {
    let format = query.format.unwrap_or(request.preferred());
    check(&resources, format, &query)?;
    let shown = app
        .directory
        .shown(&caller.call, &caller.principal, query.office);
    let offices = shown.await?;
    let as_of = app.db.as_of(&caller.call, query.as_of).await?;
    let wanted = Wanted {
        resources,
        offices,
        effective_from: query.effective_from,
        effective_to: query.effective_to,
        created_from: query.created_from,
        created_to: query.created_to,
        as_of,
    };
    let rows = export::export_rows(&app.db, &caller.call, caller.want, wanted).await?;
    Ok(request.answer(format, rows))
}

/// What the parameters say together.
fn check(
    Resources(resources): &Resources,
    format: ExportFormat,
    query: &ExportQuery,
) -> Result<(), Problem> {
    let refuse = Problem::invalid_parameter;
    if format == ExportFormat::Csv && resources.len() > 1 {
        let detail = "must be ndjson for several resources: a table has one";
        return Err(refuse("format", "several_resources", detail));
    }
    let dated = resources.contains(&Resource::JournalEntries);
    for (name, date) in [
        ("effective_from", query.effective_from),
        ("effective_to", query.effective_to),
    ] {
        if date.is_some() && !dated {
            return Err(refuse(name, "not_dated", "is for journal-entries"));
        }
    }
    let changes = resources.iter().find(|resource| !resource.is_append_only());
    match (changes, query.as_of) {
        (Some(changes), Some(_)) => Err(Problem::new(
            &AS_OF_TOO_OLD,
            format!(
                "{} change in place: an export with them shows the present only. Export movements and journal-entries \
                 with as_of.",
                changes.as_str()
            ),
        )),
        _ => Ok(()),
    }
}
