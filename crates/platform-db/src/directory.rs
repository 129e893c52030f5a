//! Code → home region, from memory.

use kernel::{Call, OfficeCode, RegionTag, SystemError};

use crate::Db;

/// Where offices live. Cached for ever, since a home never changes; that an office does not exist is never cached.
#[derive(Debug, Clone)]
pub struct Directory {}

impl Directory {
    /// An empty one.
    #[must_use]
    pub fn new(_db: Db) -> Self {
        unimplemented!()
    }

    /// The home region of an office, `None` if there is no such office.
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn home(
        &self,
        _call: &Call,
        _office: &OfficeCode,
    ) -> Result<Option<RegionTag>, SystemError> {
        unimplemented!()
    }
}
