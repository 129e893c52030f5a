//! `/v1/reports`

use axum::extract::State;
use kernel::{Date, OfficeCode, Timestamp};
use platform_db::{AsOf, offices::OfficeHome};
use platform_http::{
    AllowPartial, ApiError, Can, Format, Params, Problem, Report, permission::ReportsRead,
};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    App,
    ops::{integrity, stock_valuation, trial_balance},
    views::reports::{Integrity, StockValuation, TrialBalance},
};

/// What a trial balance shows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TrialBalanceQuery {
    /// Only these offices, as a comma list.
    #[param(value_type = Option<String>, example = "ber,nyc")]
    office: Option<Vec<OfficeCode>>,
    /// First effective date of the turnover; what is before it makes the opening balances.
    #[param(value_type = Option<String>, format = Date, example = "2026-11-01")]
    from: Option<Date>,
    /// Last effective date.
    #[param(value_type = Option<String>, format = Date, example = "2026-11-30")]
    to: Option<Date>,
    /// What had been recorded up to this moment.
    #[param(value_type = Option<String>, format = DateTime)]
    as_of: Option<Timestamp>,
}

/// What a report of balances shows: no days bound them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct BalancesQuery {
    /// Only these offices, as a comma list.
    #[param(value_type = Option<String>, example = "ber,nyc")]
    pub(super) office: Option<Vec<OfficeCode>>,
    /// What had been recorded up to this moment.
    #[param(value_type = Option<String>, format = DateTime)]
    pub(super) as_of: Option<Timestamp>,
}

/// What is checked.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct IntegrityQuery {
    /// Only these offices, as a comma list.
    #[param(value_type = Option<String>, example = "ber,nyc")]
    office: Option<Vec<OfficeCode>>,
}

/// Adds up the books, per account.
#[utoipa::path(get, path = "/v1/reports/trial-balance", operation_id = "get_trial_balance", tag = "reports",
    params(TrialBalanceQuery, AllowPartial),
    responses(
        (status = 200, description = "The trial balance.",
            content((TrialBalance = "application/json"), (String = "text/csv"))),
        (status = 422, description = "`validation_failed` or `as_of_too_old` for `as_of`; `amount_out_of_range`"),
    ),
    security(("bearer" = ["reports:read"])))]
pub(super) async fn get_trial_balance(
    State(app): State<App>,
    caller: Can<ReportsRead>,
    Params(query): Params<TrialBalanceQuery>,
    _: AllowPartial,
    format: Format,
) -> Result<Report<TrialBalance>, ApiError> {
    check_span(query.from, query.to)?;
    let (offices, as_of) = covered(&app, &caller, query.office, query.as_of).await?;
    let span = (query.from, query.to, as_of);
    let body =
        trial_balance::get_trial_balance(&app.db, &caller.call, caller.want, offices, span).await?;
    Ok(Report { format, body })
}

/// Says what the stock is worth, place by place, beside the books.
#[utoipa::path(get, path = "/v1/reports/stock-valuation", operation_id = "get_stock_valuation", tag = "reports",
    params(BalancesQuery, AllowPartial),
    responses(
        (status = 200, description = "The valuation.",
            content((StockValuation = "application/json"), (String = "text/csv"))),
        (status = 422, description = "`validation_failed` or `as_of_too_old` for `as_of`; `amount_out_of_range`"),
    ),
    security(("bearer" = ["reports:read"])))]
pub(super) async fn get_stock_valuation(
    State(app): State<App>,
    caller: Can<ReportsRead>,
    Params(query): Params<BalancesQuery>,
    _: AllowPartial,
    format: Format,
) -> Result<Report<StockValuation>, ApiError> {
    let (offices, as_of) = covered(&app, &caller, query.office, query.as_of).await?;
    let valuation =
        stock_valuation::get_stock_valuation(&app.db, &caller.call, caller.want, offices, as_of);
    let body = valuation.await?;
    Ok(Report { format, body })
}

/// Checks what must always hold between orders, stock and books, at one moment.
#[utoipa::path(get, path = "/v1/reports/integrity", operation_id = "check_integrity", tag = "reports",
    params(IntegrityQuery, AllowPartial),
    responses((status = 200, description = "What holds, and what does not.",
        content((Integrity = "application/json"), (String = "text/csv")))),
    security(("bearer" = ["reports:read"])))]
pub(super) async fn check_integrity(
    State(app): State<App>,
    caller: Can<ReportsRead>,
    Params(query): Params<IntegrityQuery>,
    _: AllowPartial,
    format: Format,
) -> Result<Report<Integrity>, ApiError> {
    let shown = app
        .directory
        .shown(&caller.call, &caller.principal, query.office);
    let offices = shown.await?;
    let body = integrity::check_integrity(&app.db, &caller.call, caller.want, offices).await?;
    Ok(Report { format, body })
}

/// The offices that a report covers, and the moment as of which it does.
pub(super) async fn covered(
    app: &App,
    caller: &Can<ReportsRead>,
    office: Option<Vec<OfficeCode>>,
    as_of: Option<Timestamp>,
) -> Result<(Vec<OfficeHome>, Option<AsOf>), ApiError> {
    let (call, principal) = (&caller.call, &caller.principal);
    let offices = app.directory.shown(call, principal, office).await?;
    Ok((offices, app.db.as_of(call, as_of).await?))
}

/// The first day of a span is not behind its last.
pub(super) fn check_span(from: Option<Date>, to: Option<Date>) -> Result<(), Problem> {
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return Err(Problem::invalid_parameter(
            "from",
            "range",
            "must not be after to",
        ));
    }
    Ok(())
}
