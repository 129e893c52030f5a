//! JSON as clients and events see it; events and audit rows see nothing of persons.

pub(crate) mod customer;
pub(crate) mod delivery;
pub(crate) mod order;
pub(crate) mod payment;
pub(crate) mod timeline;

use serde::Serialize;

/// JSON of a view: plain structs of text and numbers always serialize.
pub(crate) fn json_text<T: Serialize>(view: &T) -> String {
    serde_json::to_string(view).unwrap_or_default()
}

/// JSON of a view, as a value.
pub(crate) fn json<T: Serialize>(view: &T) -> serde_json::Value {
    serde_json::to_value(view).unwrap_or_default()
}
