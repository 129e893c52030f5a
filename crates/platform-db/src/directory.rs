//! Code → home region, from memory, and what a list over offices may show.

use std::sync::Arc;

use futures_util::FutureExt as _;
use kernel::{
    Call, Common, OfficeCode, Offices, OpError, Principal, ReadWant, RegionTag, SystemError,
};
use moka::future::Cache;

use crate::{
    Db, Never, ReadSpec, Session,
    offices::{self, OfficeHome},
};

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

    /// The offices that a filter names, each of which must exist.
    ///
    /// # Errors
    /// [`Common::UnknownInFilter`] for the first that does not.
    pub async fn known(
        &self,
        call: &Call,
        wanted: Vec<OfficeCode>,
    ) -> Result<Vec<OfficeHome>, OpError<Never>> {
        let mut homes = Vec::with_capacity(wanted.len());
        for office in wanted {
            let Some(region) = self.home(call, &office).await? else {
                return Err(Common::UnknownInFilter {
                    parameter: "office",
                    value: office.to_string(),
                }
                .into());
            };
            homes.push(OfficeHome { region, office });
        }
        homes.sort_unstable();
        homes.dedup();
        Ok(homes)
    }

    /// The offices that a list shows to `principal`: those that its filter names, else all that the token reaches.
    ///
    /// # Errors
    /// [`Common::UnknownInFilter`], [`Common::OfficeForbidden`] for the first named that the token does not reach.
    pub async fn shown(
        &self,
        call: &Call,
        principal: &Principal,
        wanted: Option<Vec<OfficeCode>>,
    ) -> Result<Vec<OfficeHome>, OpError<Never>> {
        match (wanted, &principal.offices) {
            (Some(wanted), reached) => {
                let homes = self.known(call, wanted).await?;
                match homes.iter().find(|home| !reached.allow(&home.office)) {
                    Some(home) => Err(Common::OfficeForbidden {
                        office: home.office.clone(),
                    }
                    .into()),
                    None => Ok(homes),
                }
            }
            (None, Offices::All) => {
                let spec = ReadSpec::reference("list_homes", ReadWant::default(), None);
                let read = self.db.read(call, spec, offices::homes).await?;
                Ok(read.value)
            }
            (None, Offices::Some(reached)) => {
                let mut homes = Vec::with_capacity(reached.len());
                // A token may name offices that are not there (any more).
                for office in reached.iter().cloned().collect::<Vec<_>>() {
                    if let Some(region) = self.home(call, &office).await? {
                        homes.push(OfficeHome { region, office });
                    }
                }
                Ok(homes)
            }
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
