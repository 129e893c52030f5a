//! `/v1/reports` of sales, and the overview of an office.

use axum::extract::State;
use kernel::{Common, Date, OfficeCode, Timestamp};
use platform_db::offices::OfficeHome;
use platform_http::{
    AllowPartial, ApiError, Can, Format, Found, Params, Problem, Report, Segment,
    permission::ReportsRead,
};
use sales::reports::Span;
use serde::Deserialize;
use utoipa::IntoParams;

use super::reports::{BalancesQuery, check_span, covered};
use crate::{
    App,
    ops::{overview, receivables, sales_by_office_day, sold_items},
    views::sales_reports::{Overview, Receivables, SalesByOfficeDay, SoldItems},
};

/// What a report of sales shows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SalesQuery {
    /// Only these offices, as a comma list.
    #[param(value_type = Option<String>, example = "ber,nyc")]
    office: Option<Vec<OfficeCode>>,
    /// First day.
    #[param(value_type = Option<String>, format = Date, example = "2026-11-01")]
    from: Option<Date>,
    /// Last day.
    #[param(value_type = Option<String>, format = Date, example = "2026-11-30")]
    to: Option<Date>,
    /// What had been recorded up to this moment.
    #[param(value_type = Option<String>, format = DateTime)]
    as_of: Option<Timestamp>,
}

impl SalesQuery {
    fn span(&self) -> Result<Span, Problem> {
        check_span(self.from, self.to)?;
        Ok(Span {
            from: self.from,
            to: self.to,
            as_of: self.as_of,
        })
    }
}

/// Says what was shipped and returned of each item, for how much, and what it had cost.
///
/// By effective date of shipments and returns. Revenue adds up to 4000 − 4900 of the trial balance, cost to 5000, less
/// what people posted there by hand.
#[utoipa::path(get, path = "/v1/reports/sold-items", operation_id = "get_sold_items", tag = "reports",
    params(SalesQuery, AllowPartial),
    responses(
        (status = 200, description = "The items sold.",
            content((SoldItems = "application/json"), (String = "text/csv"))),
        (status = 422, description = "`validation_failed` or `as_of_too_old` for `as_of`; `amount_out_of_range`"),
    ),
    security(("bearer" = ["reports:read"])))]
pub(super) async fn get_sold_items(
    State(app): State<App>,
    caller: Can<ReportsRead>,
    Params(query): Params<SalesQuery>,
    _: AllowPartial,
    format: Format,
) -> Result<Report<SoldItems>, ApiError> {
    let span = query.span()?;
    let (offices, as_of) = covered(&app, &caller, query.office, query.as_of).await?;
    let body =
        sold_items::get_sold_items(&app.db, &caller.call, caller.want, offices, (span, as_of))
            .await?;
    Ok(Report { format, body })
}

/// Says what each office sold and was paid, day by day.
///
/// Orders by the office's day on which they were placed, as they were then; money by the day on which it came or went.
#[utoipa::path(get, path = "/v1/reports/sales-by-office-day", operation_id = "get_sales_by_office_day",
    tag = "reports", params(SalesQuery, AllowPartial),
    responses(
        (status = 200, description = "The days.",
            content((SalesByOfficeDay = "application/json"), (String = "text/csv"))),
        (status = 422, description = "`validation_failed` or `as_of_too_old` for `as_of`; `amount_out_of_range`"),
    ),
    security(("bearer" = ["reports:read"])))]
pub(super) async fn get_sales_by_office_day(
    State(app): State<App>,
    caller: Can<ReportsRead>,
    Params(query): Params<SalesQuery>,
    _: AllowPartial,
    format: Format,
) -> Result<Report<SalesByOfficeDay>, ApiError> {
    let span = query.span()?;
    let (offices, as_of) = covered(&app, &caller, query.office, query.as_of).await?;
    let (call, want, what) = (&caller.call, caller.want, (span, as_of));
    let days = sales_by_office_day::get_sales_by_office_day(&app.db, call, want, offices, what);
    let body = days.await?;
    Ok(Report { format, body })
}

/// Lists the orders that owe, or are owed.
#[utoipa::path(get, path = "/v1/reports/receivables", operation_id = "get_receivables", tag = "reports",
    params(BalancesQuery, AllowPartial),
    responses(
        (status = 200, description = "The orders.",
            content((Receivables = "application/json"), (String = "text/csv"))),
        (status = 422, description = "`validation_failed` or `as_of_too_old` for `as_of`"),
    ),
    security(("bearer" = ["reports:read"])))]
pub(super) async fn get_receivables(
    State(app): State<App>,
    caller: Can<ReportsRead>,
    Params(query): Params<BalancesQuery>,
    _: AllowPartial,
    format: Format,
) -> Result<Report<Receivables>, ApiError> {
    let (offices, as_of) = covered(&app, &caller, query.office, query.as_of).await?;
    let body =
        receivables::get_receivables(&app.db, &caller.call, caller.want, offices, as_of).await?;
    Ok(Report { format, body })
}

/// Shows how an office stands, in all three systems at one moment.
#[utoipa::path(get, path = "/v1/offices/{code}/overview", operation_id = "get_office_overview", tag = "offices",
    params(("code" = String, Path, description = "Code of the office.", example = "ber")),
    responses(
        (status = 200, description = "The overview.", body = Overview),
        (status = 422, description = "`amount_out_of_range`"),
    ),
    security(("bearer" = ["reports:read"])))]
pub(super) async fn get_office_overview(
    State(app): State<App>,
    caller: Can<ReportsRead>,
    Segment(office): Segment<OfficeCode>,
) -> Result<Found<Overview>, ApiError> {
    let Some(region) = app.directory.home(&caller.call, &office).await? else {
        let what = format!("office {office}");
        return Err(Common::NotFound { what }.into());
    };
    caller.reach(&office)?;
    let home = OfficeHome { region, office };
    let body = overview::get_office_overview(&app.db, &caller.call, caller.want, home).await?;
    Ok(Found::plain(body))
}
