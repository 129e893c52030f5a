//! HTTP: extract, one operation, wrap.

mod bodies;
mod customers;
mod documents;
mod import_customers;
mod import_orders;
mod orders;
mod payments;
mod problem;
mod returns;
mod shipments;
mod timeline;

use futures_util::{FutureExt as _, future::BoxFuture};
use kernel::{Call, Intent, Invalid, OfficeCode, RegionTag, SystemError};
use platform_http::{ImportBatch, System};
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::App;

/// The routes of sales, its problem kinds and part of the OpenAPI document.
#[must_use]
pub fn system(app: App) -> System {
    let router = OpenApiRouter::new()
        .routes(routes!(
            customers::list_customers,
            customers::create_customer
        ))
        .routes(routes!(
            customers::get_customer,
            customers::update_customer,
            customers::anonymise_customer
        ))
        .routes(routes!(import_customers::import_customers))
        .routes(routes!(orders::list_orders, orders::create_order))
        .routes(routes!(import_orders::import_orders))
        .routes(routes!(orders::get_order, orders::update_order))
        .routes(routes!(orders::confirm_order))
        .routes(routes!(orders::cancel_order))
        .routes(routes!(payments::list_payments, payments::record_payment))
        .routes(routes!(payments::get_payment))
        .routes(routes!(payments::record_refund))
        .routes(routes!(shipments::list_shipments, shipments::ship_order))
        .routes(routes!(shipments::get_shipment))
        .routes(routes!(returns::list_returns, returns::return_goods))
        .routes(routes!(returns::get_return))
        .routes(routes!(timeline::get_order_timeline))
        .with_state(app);
    System {
        name: "sales",
        router,
        problems: problem::PROBLEMS,
    }
}

/// Where key, audit and event rows of a write to that office live, and the office. A write that names no office is
/// refused, yet its key is looked for where those of no office are.
async fn belongs_to(
    app: &App,
    call: &Call,
    office: Option<OfficeCode>,
) -> Result<(RegionTag, Option<OfficeCode>), SystemError> {
    if let Some(office) = office
        && let Some(home) = app.directory.home(call, &office).await?
    {
        return Ok((home, Some(office)));
    }
    Ok((app.db.primary().clone(), None))
}

/// The writes of a batch, each with what its body says. Boxed and owning what it needs: a future that borrows is not Send
/// for every lifetime, which handlers need.
fn writes<C: Send + 'static>(
    app: App,
    batch: &ImportBatch,
    operation: &'static str,
    command: fn(&Value) -> Result<C, Invalid>,
) -> BoxFuture<'static, Result<Vec<Write<C>>, SystemError>> {
    let rows = batch.rows.iter().map(|row| {
        let intent = batch.intent(row, operation, app.db.primary().clone(), None);
        (intent, bodies::office(&row.body), command(&row.body))
    });
    let rows: Vec<_> = rows.collect();
    async move {
        let mut writes = Vec::with_capacity(rows.len());
        for (mut intent, office, command) in rows {
            (intent.home, intent.office) = belongs_to(&app, &intent.call, office).await?;
            writes.push((intent, command));
        }
        Ok(writes)
    }
    .boxed()
}

/// A write, and what its body says.
type Write<C> = (Intent, Result<C, Invalid>);
