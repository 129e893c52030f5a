//! Code → home region, from memory.

use std::sync::Arc;

use futures_util::FutureExt as _;
use kernel::{Call, OfficeCode, ReadWant, RegionTag, SystemError};
use moka::future::Cache;

use crate::{Db, ReadSpec, Session, offices};

/// Far more offices than there will be; bounded all the same.
const OFFICES_MAX: u64 = 100_000;

/// Where offices live. Cached for ever, since a home never changes (hard case 34), filled single-flight; that an
/// office does not exist is never cached.
#[derive(Debug, Clone)]
pub struct Directory {
    db: Db,
    homes: Cache<OfficeCode, RegionTag>,
}

/// Why there is nothing to cache.
#[derive(Debug, thiserror::Error)]
enum Miss {
    #[error("no such office")]
    Absent,
    #[error("the home of an office could not be read")]
    System(#[source] SystemError),
}

impl Directory {
    /// An empty one.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self {
            db,
            homes: Cache::new(OFFICES_MAX),
        }
    }

    /// The home region of an office, `None` if there is no such office.
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn home(
        &self,
        call: &Call,
        office: &OfficeCode,
    ) -> Result<Option<RegionTag>, SystemError> {
        if let Some(home) = self.homes.get(office).await {
            return Ok(Some(home));
        }
        // The future owns what it needs: one that borrows is not Send for every lifetime, which handlers need.
        let (this, call, code) = (self.clone(), call.clone(), office.clone());
        let fill = async move { this.fill(call, code).await }.boxed();
        match self.homes.try_get_with(office.clone(), fill).await {
            Ok(home) => Ok(Some(home)),
            Err(miss) => match Arc::try_unwrap(miss) {
                Ok(Miss::Absent) => Ok(None),
                Ok(Miss::System(error)) => Err(error),
                // The read was another request's, and its end is shared with it.
                Err(shared) => match &*shared {
                    Miss::Absent => Ok(None),
                    Miss::System(SystemError::DeadlineExceeded) => {
                        Err(SystemError::DeadlineExceeded)
                    }
                    Miss::System(_) => Err(SystemError::Unavailable {
                        source: Some(Box::new(shared)),
                    }),
                },
            },
        }
    }

    async fn fill(&self, call: Call, office: OfficeCode) -> Result<RegionTag, Miss> {
        let spec = ReadSpec::reference("find_home", ReadWant::default(), None);
        let read = self
            .db
            .read(&call, spec, async move |session: &Session| {
                offices::home(session, &office).await
            })
            .await
            .map_err(Miss::System)?;
        read.value.ok_or(Miss::Absent)
    }
}
