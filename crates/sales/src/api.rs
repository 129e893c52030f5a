//! HTTP: extract, one operation, wrap.

use platform_http::System;
use utoipa_axum::router::OpenApiRouter;

use crate::App;

/// The routes of sales, its problem kinds and part of the OpenAPI document.
#[must_use]
pub fn system(app: App) -> System {
    let router = OpenApiRouter::new().with_state(app);
    System {
        name: "sales",
        router,
        problems: &[],
    }
}
