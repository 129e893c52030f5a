//! What the resources below an order have in common.

use kernel::{Call, Common, OpError, Position, Timestamp, id::OrderId};
use platform_db::{Never, Read, offices::OfficeHome};
use platform_http::{ApiError, Can, Listed, Paging, Permission};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    App,
    ops::{order::find_whereabouts, read_documents::Document},
    storage::DocumentFilter,
};

/// Filters of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DocumentQuery {
    /// Made at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    created_from: Option<Timestamp>,
    /// Made at this time or earlier.
    #[param(value_type = Option<String>, format = DateTime)]
    created_to: Option<Timestamp>,
}

impl DocumentQuery {
    pub(super) fn of(self, order: OrderId) -> DocumentFilter {
        DocumentFilter {
            order,
            created_from: self.created_from,
            created_to: self.created_to,
        }
    }
}

/// The order as it is found, if there is one that the caller may read.
pub(super) async fn readable<P: Permission>(
    app: &App,
    caller: &Can<P>,
    id: OrderId,
) -> Result<OrderId, ApiError> {
    let OfficeHome { region, office } = home(app, &caller.call, &id).await?;
    caller.reach(&office)?;
    Ok(OrderId::new(region, id.uuid()))
}

async fn home(app: &App, call: &Call, id: &OrderId) -> Result<OfficeHome, OpError<Never>> {
    let found = find_whereabouts(app, call, id).await?;
    let what = format!("order {id}");
    Ok(found.ok_or(Common::NotFound { what })?.home)
}

/// A page of them as shown.
pub(super) fn listed<D: Document, V>(
    paging: &Paging,
    read: Read<Vec<D>>,
    view: impl Fn(D) -> V,
) -> Listed<V> {
    paging.page(
        read,
        |document| {
            let (created_at, id) = document.position();
            Position {
                created_at,
                id: id.to_string(),
            }
        },
        view,
    )
}
