//! Locations: places of an office where goods can lie.

use std::str::FromStr;

use kernel::{LocationCode, OfficeCode, Timestamp};

use super::item::{UnknownWord, words};

/// A place of an office where goods can lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) code: LocationCode,
    pub(crate) office: OfficeCode,
    pub(crate) name: String,
    pub(crate) kind: LocationKind,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// What a change does to a location's members; `None` leaves a member as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LocationPatch {
    pub(crate) name: Option<String>,
    pub(crate) kind: Option<LocationKind>,
}

impl Location {
    /// The location with the patch applied at `now`; the same version if nothing is different.
    pub(crate) fn patched(&self, patch: LocationPatch, now: Timestamp) -> Self {
        let mut location = self.clone();
        if let Some(name) = patch.name {
            location.name = name;
        }
        if let Some(kind) = patch.kind {
            location.kind = kind;
        }
        if location != *self {
            location.version += 1;
            location.updated_at = now;
        }
        location
    }
}

words! {
    /// What a location is for.
    LocationKind { Store "store", Depot "depot", Virtual "virtual", }
}
