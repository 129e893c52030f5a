//! `/v1/accounting/periods`

use axum::extract::State;
use kernel::{OfficeCode, Position, Timestamp};
use platform_http::{
    ApiError, Can, Listed, Paging, Params, Segments, WriteRequest, Written,
    permission::{AccountingAdmin, AccountingPost, AccountingRead},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{belongs_to, bodies};
use crate::{
    App,
    domain::period::PeriodStatus,
    ops::{
        close_period::{self as close, PeriodPath},
        read_periods::{self as read, Wanted},
        reopen_period as reopen,
    },
    storage::periods,
    views::periods::{PeriodStatusName, PeriodView},
};

/// Filters of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PeriodQuery {
    /// Only months of these offices, as a comma list.
    #[param(value_type = Option<String>, example = "ber,nyc")]
    office: Option<Vec<OfficeCode>>,
    /// Only months in this state.
    #[param(value_type = Option<PeriodStatusName>)]
    status: Option<PeriodStatus>,
    /// First touched at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    created_from: Option<Timestamp>,
    /// First touched at this time or earlier.
    #[param(value_type = Option<String>, format = DateTime)]
    created_to: Option<Timestamp>,
}

/// Lists the months of the offices' books that were posted into, closed or reopened.
#[utoipa::path(get, path = "/v1/accounting/periods", operation_id = "list_periods", tag = "accounting",
    params(PeriodQuery, Paging),
    responses((status = 200, description = "One page of periods, by when they were first touched.",
        body = Listed<PeriodView>)),
    security(("bearer" = ["accounting:read"])))]
pub(super) async fn list_periods(
    State(app): State<App>,
    caller: Can<AccountingRead>,
    Params(query): Params<PeriodQuery>,
    paging: Paging,
) -> Result<Listed<PeriodView>, ApiError> {
    let wanted = Wanted {
        offices: query.office,
        status: query.status,
        created_from: query.created_from,
        created_to: query.created_to,
    };
    let who = (&caller.call, &*caller.principal, caller.want);
    let listed = read::list_periods(&app, who, wanted, paging.request.clone()).await?;
    Ok(paging.page(
        listed,
        |period| Position {
            created_at: period.created_at,
            id: periods::position(period.month, &period.office),
        },
        |period| PeriodView::from(&period),
    ))
}

/// Closes a month of an office's books: nothing is posted into it any more.
#[utoipa::path(post, path = "/v1/accounting/periods/{office}/{period}/close", operation_id = "close_period",
    tag = "accounting",
    params(
        ("office" = String, Path, description = "The office.", example = "ber"),
        ("period" = String, Path, description = "The month, `yyyy-mm`.", example = "2026-11"),
    ),
    responses(
        (status = 200, description = "The period.", body = PeriodView),
        (status = 409, description = "`period_state`, `key_voided`"),
    ),
    security(("bearer" = ["accounting:post"])))]
pub(super) async fn close_period(
    State(app): State<App>,
    caller: Can<AccountingPost>,
    Segments(office, month): Segments<OfficeCode, String>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let nothing = bodies::nothing(request.body());
    let (home, known) = belongs_to(&app, &caller.call, Some(office.clone())).await?;
    let intent = request.intent(&caller, "close_period", home, known);
    let path = PeriodPath { office, month };
    Ok(Written(
        close::close_period(&app, intent, path, nothing).await?,
    ))
}

/// Opens a closed month of an office's books again.
#[utoipa::path(post, path = "/v1/accounting/periods/{office}/{period}/reopen", operation_id = "reopen_period",
    tag = "accounting",
    params(
        ("office" = String, Path, description = "The office.", example = "ber"),
        ("period" = String, Path, description = "The month, `yyyy-mm`.", example = "2026-11"),
    ),
    request_body = bodies::ReopenBody,
    responses(
        (status = 200, description = "The period.", body = PeriodView),
        (status = 409, description = "`period_state`, `key_voided`"),
    ),
    security(("bearer" = ["accounting:admin"])))]
pub(super) async fn reopen_period(
    State(app): State<App>,
    caller: Can<AccountingAdmin>,
    Segments(office, month): Segments<OfficeCode, String>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let reason = bodies::reopen_period(request.body());
    let (home, known) = belongs_to(&app, &caller.call, Some(office.clone())).await?;
    let intent = request.intent(&caller, "reopen_period", home, known);
    let path = PeriodPath { office, month };
    Ok(Written(
        reopen::reopen_period(&app, intent, path, reason).await?,
    ))
}
