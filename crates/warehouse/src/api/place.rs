//! Whose write it is that names a location.

use kernel::{Call, LocationCode, OfficeCode, RegionTag, SystemError};
use platform_db::offices::OfficeHome;
use serde_json::Value;

use crate::App;

/// The office of the `location` that a body names; `None` when it names none that exists.
pub(super) async fn named(
    app: &App,
    call: &Call,
    body: &Value,
) -> Result<Option<OfficeHome>, SystemError> {
    let location = body.get("location").and_then(Value::as_str);
    let Some(Ok(location)) = location.map(str::parse::<LocationCode>) else {
        return Ok(None);
    };
    app.places.find(call, &location).await
}

/// Where key, audit and event rows of a write to that office live, and the office. A body that names no place is
/// refused, yet its key is looked for where those of no office are.
pub(super) fn belongs_to(app: &App, home: Option<&OfficeHome>) -> (RegionTag, Option<OfficeCode>) {
    match home {
        Some(home) => (home.region.clone(), Some(home.office.clone())),
        None => (app.db.primary().clone(), None),
    }
}
