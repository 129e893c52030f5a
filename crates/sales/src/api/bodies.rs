//! Request bodies → commands: every broken rule is named by its JSON Pointer, and after this nobody checks again.

pub(super) mod customers;
pub(super) mod documents;
pub(super) mod orders;

use kernel::{Invalid, OfficeCode};
use platform_http::Fields;
use serde_json::Value;

const SERVER_SET: &[&str] = &["id", "version", "created_at", "updated_at", "home_region"];

/// The office that a body names, if it names one at all.
pub(super) fn office(body: &Value) -> Option<OfficeCode> {
    body.get("office")?.as_str()?.parse().ok()
}

/// A body that says nothing: absent or `{}`.
pub(super) fn nothing(body: &Value) -> Result<(), Invalid> {
    Fields::of(body).finish(|| Some(()))
}
