//! HTTP: extract, one operation, wrap.

mod audit;
mod bodies;
mod events;
mod exports;
mod offices;
mod problem;
mod regions;
mod reports;
mod sales_reports;
mod search;
mod writes;

use platform_http::System;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::App;

/// The hub's routes, problem kinds and part of the OpenAPI document.
#[must_use]
pub fn system(app: App) -> System {
    let router = OpenApiRouter::new()
        .routes(routes!(offices::list_offices, offices::create_office))
        .routes(routes!(offices::nearest_offices))
        .routes(routes!(offices::get_office, offices::update_office))
        .routes(routes!(regions::list_regions))
        .routes(routes!(regions::get_status))
        .routes(routes!(events::list_events))
        .routes(routes!(audit::list_audit))
        .routes(routes!(reports::get_trial_balance))
        .routes(routes!(reports::get_stock_valuation))
        .routes(routes!(reports::check_integrity))
        .routes(routes!(search::search_all))
        .routes(routes!(exports::export_rows))
        .routes(routes!(sales_reports::get_sold_items))
        .routes(routes!(sales_reports::get_sales_by_office_day))
        .routes(routes!(sales_reports::get_receivables))
        .routes(routes!(sales_reports::get_office_overview))
        .routes(routes!(writes::verify_writes))
        .routes(routes!(writes::get_write))
        .routes(routes!(writes::void_write))
        .with_state(app);
    System {
        name: "hub",
        router,
        problems: problem::PROBLEMS,
    }
}
