//! The one JSON form of each resource: in answers, events and audit rows alike.

mod entries;

use serde::Serialize;

pub use entries::EntryView;

/// JSON of a view, as a value: plain structs of text and numbers always serialize.
pub(crate) fn json<T: Serialize>(view: &T) -> serde_json::Value {
    serde_json::to_value(view).unwrap_or_default()
}
