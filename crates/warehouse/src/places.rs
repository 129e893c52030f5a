//! Location → office and home region, from memory.

use kernel::{Call, LocationCode, ReadWant, SystemError};
use platform_db::{Db, Directory, Homes, ReadSpec, Session, offices::OfficeHome};

use crate::storage::locations;

/// Which office a location belongs to, and where that lives. Neither ever changes.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    db: Db,
    directory: Directory,
    homes: Homes<LocationCode, OfficeHome>,
}

impl Places {
    /// An empty one.
    pub(crate) fn new(db: Db, directory: Directory) -> Self {
        Self {
            db,
            directory,
            homes: Homes::default(),
        }
    }

    /// The office of a location with its home, `None` if there is no such location.
    pub(crate) async fn find(
        &self,
        call: &Call,
        location: &LocationCode,
    ) -> Result<Option<OfficeHome>, SystemError> {
        // The future owns what it needs: one that borrows is not Send for every lifetime, which handlers need.
        let read = || {
            let (this, call, code) = (self.clone(), call.clone(), location.clone());
            async move { this.read(&call, code).await }
        };
        self.homes.find(call, location, read).await
    }

    async fn read(
        &self,
        call: &Call,
        code: LocationCode,
    ) -> Result<Option<OfficeHome>, SystemError> {
        let spec = ReadSpec::reference("find_place", ReadWant::default(), None);
        let work = async move |session: &Session| locations::get(session, &code).await;
        let Some(location) = self.db.read(call, spec, work).await?.value else {
            return Ok(None);
        };
        let office = location.office;
        let home = self.directory.home(call, &office).await?;
        Ok(home.map(|region| OfficeHome { region, office }))
    }
}
