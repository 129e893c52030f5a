//! HTTP: extract, one operation, wrap.

mod accounts;
mod bodies;
mod entries;
mod import_entries;
mod periods;
mod problem;

use kernel::{Call, OfficeCode, RegionTag, SystemError};
use platform_http::System;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::App;

/// Accounting's routes, problem kinds and part of the OpenAPI document.
#[must_use]
pub fn system(app: App) -> System {
    let router = OpenApiRouter::new()
        .routes(routes!(
            entries::list_journal_entries,
            entries::create_journal_entry
        ))
        .routes(routes!(import_entries::import_journal_entries))
        .routes(routes!(entries::get_journal_entry))
        .routes(routes!(entries::reverse_journal_entry))
        .routes(routes!(accounts::list_accounts, accounts::create_account))
        .routes(routes!(accounts::get_account))
        .routes(routes!(accounts::get_account_statement))
        .routes(routes!(periods::list_periods))
        .routes(routes!(periods::close_period))
        .routes(routes!(periods::reopen_period))
        .with_state(app);
    System {
        name: "accounting",
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
