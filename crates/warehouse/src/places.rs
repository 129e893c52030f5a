//! Location → office and home region, from memory.

use std::sync::Arc;

use futures_util::FutureExt as _;
use kernel::{Call, LocationCode, ReadWant, SystemError};
use moka::future::Cache;
use platform_db::{Db, Directory, ReadSpec, Session, offices::OfficeHome};

use crate::storage::locations;

/// Far more locations than there will be; bounded all the same.
const LOCATIONS_MAX: u64 = 100_000;

/// Which office a location belongs to, and where that lives. Cached for ever, since neither changes, filled
/// single-flight; that a location does not exist is never cached. It says where a write belongs, and decides
/// nothing: whether the office is open is read in the transaction (hard case 20).
#[derive(Debug, Clone)]
pub(crate) struct Places {
    db: Db,
    directory: Directory,
    homes: Cache<LocationCode, OfficeHome>,
}

/// Why there is nothing to cache.
#[derive(Debug, thiserror::Error)]
enum Miss {
    #[error("no such location")]
    Absent,
    #[error("the office of a location could not be read")]
    System(#[source] SystemError),
}

impl Places {
    /// An empty one.
    pub(crate) fn new(db: Db, directory: Directory) -> Self {
        Self {
            db,
            directory,
            homes: Cache::new(LOCATIONS_MAX),
        }
    }

    /// The office of a location with its home, `None` if there is no such location.
    pub(crate) async fn find(
        &self,
        call: &Call,
        location: &LocationCode,
    ) -> Result<Option<OfficeHome>, SystemError> {
        if let Some(home) = self.homes.get(location).await {
            return Ok(Some(home));
        }
        // The future owns what it needs: one that borrows is not Send for every lifetime, which handlers need.
        let (this, call, code) = (self.clone(), call.clone(), location.clone());
        let fill = async move { this.fill(call, code).await }.boxed();
        match self.homes.try_get_with(location.clone(), fill).await {
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

    async fn fill(&self, call: Call, code: LocationCode) -> Result<OfficeHome, Miss> {
        let spec = ReadSpec::reference("find_place", ReadWant::default(), None);
        let read = self
            .db
            .read(&call, spec, async move |session: &Session| {
                locations::get(session, &code).await
            })
            .await
            .map_err(Miss::System)?;
        let office = read.value.ok_or(Miss::Absent)?.office;
        let home = self.directory.home(&call, &office).await;
        let region = home.map_err(Miss::System)?.ok_or(Miss::Absent)?;
        Ok(OfficeHome { region, office })
    }
}
