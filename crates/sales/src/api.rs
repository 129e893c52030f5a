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
use kernel::{Call, OfficeCode, RegionTag, SystemError};
use platform_http::System;
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
