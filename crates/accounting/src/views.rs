//! The one JSON form of each resource: in answers, events and audit rows alike.

pub(crate) mod accounts;
mod entries;
pub(crate) mod periods;
pub(crate) mod statement;

use serde::Serialize;

pub(crate) use entries::EntryPage;
pub use entries::EntryView;

/// JSON of a view: plain structs of text and numbers always serialize.
pub(crate) fn json_text<T: Serialize>(view: &T) -> String {
    serde_json::to_string(view).unwrap_or_default()
}

/// JSON of a view, as a value.
pub(crate) fn json<T: Serialize>(view: &T) -> serde_json::Value {
    serde_json::to_value(view).unwrap_or_default()
}
