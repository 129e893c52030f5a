//! `/v1/audit`

use axum::extract::State;
use kernel::{OfficeCode, Position, Timestamp};
use platform_http::{ApiError, Can, Listed, Paging, Params, permission::AuditRead};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    App,
    ops::read_audit::{self, AuditWanted},
    views::audit::AuditView,
};

/// Which writes are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// Only writes to these offices, as a comma list. Without it: to every office that the token reaches, and to what
    /// belongs to none.
    #[param(value_type = Option<String>, example = "ber,nyc")]
    office: Option<Vec<OfficeCode>>,
    /// Written at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    created_from: Option<Timestamp>,
    /// Written at this time or earlier.
    #[param(value_type = Option<String>, format = DateTime)]
    created_to: Option<Timestamp>,
    /// Under this idempotency key. Narrow it by time where the log is long.
    #[param(example = "order-2026-0001")]
    key: Option<String>,
    /// By this operation.
    #[param(example = "receive_stock")]
    action: Option<String>,
    /// By this request. Narrow it by time where the log is long.
    #[param(example = "req_eu1_3v9kq2m8x0c7d5f1h4j6n9p2rs")]
    request_id: Option<String>,
    /// By this subject.
    #[param(example = "system:sweeper")]
    who: Option<String>,
}

/// Lists what was written, by whom, and what it changed.
#[utoipa::path(get, path = "/v1/audit", operation_id = "list_audit", tag = "audit",
    params(AuditQuery, Paging),
    responses((status = 200, description = "One page of writes, by `at`.", body = Listed<AuditView>)),
    security(("bearer" = ["audit:read"])))]
pub(super) async fn list_audit(
    State(app): State<App>,
    caller: Can<AuditRead>,
    Params(query): Params<AuditQuery>,
    paging: Paging,
) -> Result<Listed<AuditView>, ApiError> {
    let wanted = AuditWanted {
        offices: query.office,
        created_from: query.created_from,
        created_to: query.created_to,
        key: query.key,
        action: query.action,
        request_id: query.request_id,
        who: query.who,
    };
    let who = (&caller.call, &*caller.principal, caller.want);
    let read = read_audit::list_audit(&app, who, wanted, paging.request.clone()).await?;
    Ok(paging.page(
        read,
        |row| Position {
            created_at: row.at,
            id: row.id.to_string(),
        },
        AuditView::from,
    ))
}
