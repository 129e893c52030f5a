//! `/v1/warehouse/movements`

use axum::extract::State;
use kernel::{
    LocationCode, OfficeCode, Position, Timestamp,
    id::{ItemId, MovementId},
};
use platform_http::{
    ApiError, Can, Expanded, Expanding, Found, Paging, Params, Segment, permission::WarehouseRead,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::levels::MomentQuery;
use crate::{
    App,
    domain::movement::MovementKind,
    ops::{
        filters::StockWanted,
        read_stock::{self as read, Times},
    },
    views::level::{MovementKindName, MovementPage, MovementView},
};

/// Filters of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MovementQuery {
    /// Only movements of these offices, as a comma list.
    #[param(value_type = Option<String>, example = "ber,nyc")]
    office: Option<Vec<OfficeCode>>,
    /// Only movements at this location.
    #[param(value_type = Option<String>, example = "ber-main")]
    location: Option<LocationCode>,
    /// Only movements of this item.
    #[param(value_type = Option<String>, example = "itm_g_0h2m4t8qv6c1x9k3b7f5w0n2ra")]
    item: Option<ItemId>,
    /// Only movements of the item with this SKU.
    #[param(example = "LAMP-7")]
    sku: Option<String>,
    /// Only movements of this kind.
    #[param(value_type = Option<MovementKindName>)]
    kind: Option<MovementKind>,
    /// Only movements with this reference.
    #[param(example = "PO-7")]
    reference: Option<String>,
    /// Recorded at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    created_from: Option<Timestamp>,
    /// Recorded at this time or earlier.
    #[param(value_type = Option<String>, format = DateTime)]
    created_to: Option<Timestamp>,
    /// What had been recorded at this time.
    #[param(value_type = Option<String>, format = DateTime)]
    as_of: Option<Timestamp>,
}

/// Lists what moved at the offices.
#[utoipa::path(get, path = "/v1/warehouse/movements", operation_id = "list_movements", tag = "warehouse",
    params(MovementQuery, Paging),
    responses(
        (status = 200, description = "One page of movements, by `recorded_at`.", body = MovementPage),
        (status = 422, description = "`validation_failed` (`as_of` in the future), `as_of_too_old`"),
    ),
    extensions(("x-expand" = json!({"item": "warehouse:read", "location": "warehouse:read",
        "journal_entry": "accounting:read"}))),
    security(("bearer" = ["warehouse:read"])))]
pub(super) async fn list_movements(
    State(app): State<App>,
    caller: Can<WarehouseRead>,
    Params(query): Params<MovementQuery>,
    paging: Paging,
    Expanding(expand): Expanding,
) -> Result<Expanded<MovementPage>, ApiError> {
    let wanted = StockWanted {
        offices: query.office,
        location: query.location,
        item: query.item,
        sku: query.sku,
    };
    let times = Times {
        created_from: query.created_from,
        created_to: query.created_to,
        as_of: query.as_of,
    };
    let (who, wanted) = (
        (&caller.call, &*caller.principal, caller.want),
        (wanted, (query.kind, query.reference), times),
    );
    let page = (paging.request.clone(), expand);
    let (listed, as_of) = read::list_movements(&app, who, wanted, page).await?;
    let (movements, inlined) = listed;
    let listed = paging.page(
        movements,
        |movement| Position {
            created_at: movement.recorded_at,
            id: movement.id.uuid().to_string(),
        },
        |movement| MovementView::from(&movement),
    );
    let page = MovementPage {
        listed,
        is_final: as_of.map(|as_of| as_of.is_final),
    };
    Ok(Expanded::page(page, inlined))
}

/// Shows one movement.
#[utoipa::path(get, path = "/v1/warehouse/movements/{id}", operation_id = "get_movement", tag = "warehouse",
    params(
        ("id" = String, Path, description = "Id of the movement.", example = "mov_eu1_0h2m4t8qv6c1x9k3b7f5w0n2ra"),
        MomentQuery,
    ),
    responses(
        (status = 200, description = "The movement.", body = MovementView),
        (status = 422, description = "`validation_failed` (`as_of` in the future), `as_of_too_old`"),
    ),
    extensions(("x-expand" = json!({"item": "warehouse:read", "location": "warehouse:read",
        "journal_entry": "accounting:read"}))),
    security(("bearer" = ["warehouse:read"])))]
pub(super) async fn get_movement(
    State(app): State<App>,
    caller: Can<WarehouseRead>,
    Segment(id): Segment<MovementId>,
    Params(query): Params<MomentQuery>,
    Expanding(expand): Expanding,
) -> Result<Expanded<MovementView>, ApiError> {
    let how = (&caller.call, caller.want);
    let (movement, inlined) = read::get_movement(&app, how, (id, expand), query.as_of).await?;
    caller.reach(&movement.office)?;
    let found = Found::plain(MovementView::from(&movement));
    Ok(Expanded::one(found, inlined))
}
