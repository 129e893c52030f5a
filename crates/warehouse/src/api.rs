//! HTTP: extract, one operation, wrap.

mod adjustments;
mod availability;
mod bodies;
mod import_items;
mod import_receipts;
mod items;
mod levels;
mod locations;
mod movements;
mod place;
mod problem;
mod receipts;
mod reservations;

pub use problem::{insufficient_stock, items_archived};

use platform_http::System;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::App;

/// The warehouse's routes, problem kinds and part of the OpenAPI document.
#[must_use]
pub fn system(app: App) -> System {
    let router = OpenApiRouter::new()
        .routes(routes!(items::list_items, items::create_item))
        .routes(routes!(
            items::get_item,
            items::update_item,
            items::delete_item
        ))
        .routes(routes!(items::set_item_price))
        .routes(routes!(import_items::import_items))
        .routes(routes!(
            locations::list_locations,
            locations::create_location
        ))
        .routes(routes!(locations::get_location, locations::update_location))
        .routes(routes!(levels::list_levels))
        .routes(routes!(levels::get_level))
        .routes(routes!(movements::list_movements))
        .routes(routes!(movements::get_movement))
        .routes(routes!(receipts::receive_stock))
        .routes(routes!(import_receipts::import_receipts))
        .routes(routes!(adjustments::adjust_stock))
        .routes(routes!(availability::find_availability))
        .routes(routes!(
            reservations::list_reservations,
            reservations::reserve_stock
        ))
        .routes(routes!(reservations::get_reservation))
        .routes(routes!(reservations::release_reservation))
        .with_state(app);
    System {
        name: "warehouse",
        router,
        problems: problem::PROBLEMS,
    }
}
