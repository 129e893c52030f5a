//! `/v1/accounting/accounts`

use axum::extract::State;
use kernel::{AccountCode, Date, OfficeCode, Position, Timestamp};
use platform_db::ReadSpec;
use platform_http::{
    ApiError, Can, Found, Listed, Paging, Params, Problem, Segment, WriteRequest, Written,
    permission::{AccountingAdmin, AccountingRead},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::bodies;
use crate::{
    App,
    domain::balance::Span,
    ops::{
        create_account as create, read_accounts,
        read_statement::{self as statement, Wanted},
    },
    views::{accounts::AccountView, statement::StatementView},
};

/// Filters of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AccountQuery {
    /// Made at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    created_from: Option<Timestamp>,
    /// Made at this time or earlier.
    #[param(value_type = Option<String>, format = DateTime)]
    created_to: Option<Timestamp>,
}

/// What a statement is of.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StatementQuery {
    /// The office.
    #[param(value_type = String, example = "ber")]
    office: OfficeCode,
    /// First effective date; default: from the beginning.
    #[param(value_type = Option<String>, format = Date)]
    from: Option<Date>,
    /// Last effective date; default: whatever is recorded.
    #[param(value_type = Option<String>, format = Date)]
    to: Option<Date>,
    /// As it was at this time.
    #[param(value_type = Option<String>, format = DateTime)]
    as_of: Option<Timestamp>,
}

/// Lists the accounts of the chart.
#[utoipa::path(get, path = "/v1/accounting/accounts", operation_id = "list_accounts", tag = "accounting",
    params(AccountQuery, Paging),
    responses((status = 200, description = "One page of accounts.", body = Listed<AccountView>)),
    security(("bearer" = ["accounting:read"])))]
pub(super) async fn list_accounts(
    State(app): State<App>,
    caller: Can<AccountingRead>,
    Params(query): Params<AccountQuery>,
    paging: Paging,
) -> Result<Listed<AccountView>, ApiError> {
    let spec = ReadSpec::reference("list_accounts", caller.want, paging.request.snapshot);
    let filter = (query.created_from, query.created_to, paging.request.clone());
    let read = read_accounts::list_accounts(&app, &caller.call, spec, filter).await?;
    Ok(paging.page(
        read,
        |account| Position {
            created_at: account.created_at,
            id: account.code.to_string(),
        },
        |account| AccountView::from(&account),
    ))
}

/// Adds an account to the chart, for every office.
#[utoipa::path(post, path = "/v1/accounting/accounts", operation_id = "create_account", tag = "accounting",
    request_body = bodies::AccountBody,
    responses(
        (status = 201, description = "The account.", body = AccountView),
        (status = 409, description = "`already_exists`, `key_voided`"),
    ),
    security(("bearer" = ["accounting:admin"])))]
pub(super) async fn create_account(
    State(app): State<App>,
    caller: Can<AccountingAdmin>,
    request: WriteRequest,
) -> Result<Written, ApiError> {
    let command = bodies::create_account(request.body());
    let intent = request.intent(&caller, "create_account", app.db.primary().clone(), None);
    Ok(Written(
        create::create_account(&app, intent, command).await?,
    ))
}

/// Shows one account.
#[utoipa::path(get, path = "/v1/accounting/accounts/{code}", operation_id = "get_account", tag = "accounting",
    params(("code" = String, Path, description = "Code of the account.", example = "1300")),
    responses((status = 200, description = "The account.", body = AccountView)),
    security(("bearer" = ["accounting:read"])))]
pub(super) async fn get_account(
    State(app): State<App>,
    caller: Can<AccountingRead>,
    Segment(code): Segment<AccountCode>,
) -> Result<Found<AccountView>, ApiError> {
    let spec = ReadSpec::reference("get_account", caller.want, None);
    let account = read_accounts::get_account(&app, &caller.call, spec, code).await?;
    Ok(Found::versioned(
        account.version,
        AccountView::from(&account),
    ))
}

/// Shows what moved on an account of one office, between its balances.
#[utoipa::path(get, path = "/v1/accounting/accounts/{code}/statement", operation_id = "get_account_statement",
    tag = "accounting",
    params(
        ("code" = String, Path, description = "Code of the account.", example = "1300"),
        StatementQuery,
    ),
    responses(
        (status = 200, description = "The statement.", body = StatementView),
        (status = 422, description = "`validation_failed` (more than 100,000 postings, or `as_of` in the future), \
            `amount_out_of_range`, `as_of_too_old`"),
    ),
    security(("bearer" = ["accounting:read"])))]
pub(super) async fn get_account_statement(
    State(app): State<App>,
    caller: Can<AccountingRead>,
    Segment(account): Segment<AccountCode>,
    Params(query): Params<StatementQuery>,
) -> Result<Found<StatementView>, ApiError> {
    let wanted = Wanted {
        account,
        span: span(&query)?,
        office: query.office,
    };
    let who = (&caller.call, &*caller.principal, caller.want);
    let view = statement::get_account_statement(&app, who, wanted).await?;
    Ok(Found::plain(view))
}

fn span(query: &StatementQuery) -> Result<Span, Problem> {
    if let (Some(from), Some(to)) = (query.from, query.to)
        && from > to
    {
        return Err(Problem::invalid_parameter(
            "to",
            "range",
            format!("must not be before from, {from}"),
        ));
    }
    Ok(Span {
        from: query.from,
        to: query.to,
        as_of: query.as_of,
    })
}
