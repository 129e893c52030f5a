//! Code → home region, from memory, and what a list over offices may show.

use kernel::{
    Call, Common, OfficeCode, Offices, OpError, Principal, ReadWant, RegionTag, SystemError,
};

use crate::{
    Db, Homes, Never, ReadSpec, Session,
    offices::{self, OfficeHome},
};

/// Where offices live.
#[derive(Debug, Clone)]
pub struct Directory {
    db: Db,
    homes: Homes<OfficeCode, RegionTag>,
}

impl Directory {
    /// An empty one.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self {
            db,
            homes: Homes::default(),
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
        // The future owns what it needs: one that borrows is not Send for every lifetime, which handlers need.
        let read = || {
            let (db, call, office) = (self.db.clone(), call.clone(), office.clone());
            let spec = ReadSpec::reference("find_home", ReadWant::default(), None);
            let work = async move |session: &Session| offices::home(session, &office).await;
            async move { Ok(db.read(&call, spec, work).await?.value) }
        };
        self.homes.find(call, office, read).await
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
}
