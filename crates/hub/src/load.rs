//! The offices that a new database starts with.

use kernel::{Common, IdempotencyKey, OpError, ReadWant, Scope};
use platform_db::{Db, Never, ReadSpec, offices};
use topology::{Office, Topology};

use crate::ops::{
    self,
    create_office::{CreateOffice, CreateOfficeError, create_office},
};

/// Why an office of the region files is not in the database.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// An office.
    #[error("could not load office {office}")]
    Office {
        /// Its code.
        office: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What can be searched for.
    #[error("could not index what can be searched for")]
    Index(#[source] Box<OpError<Never>>),
}

/// Makes findable what has no search entry: items, locations and offices that were there before the search was. How
/// many there were; may be run at any time, and again.
///
/// # Errors
/// [`LoadError::Index`].
pub async fn index_missing(db: &Db) -> Result<usize, LoadError> {
    let failed = |error| LoadError::Index(Box::new(error));
    let items = warehouse::catalogue::index_catalogue(db);
    Ok(items.await.map_err(failed)? + index_offices(db).await.map_err(failed)?)
}

async fn index_offices(db: &Db) -> Result<usize, OpError<Never>> {
    let call = db.worker_call();
    let spec = ReadSpec::reference("list_homes", ReadWant::default(), None);
    let homes = db.read(&call, spec, offices::homes).await?.value;
    let codes = homes.iter().map(|home| home.office.to_string()).collect();
    let scope = Scope::OfficesWrite;
    db.index_missing(ops::search::OFFICE, scope, codes, async |txn, missing| {
        for code in missing.iter().filter_map(|code| code.parse().ok()) {
            if let Some(office) = offices::get(txn, &code).await? {
                ops::index_office(txn, &office);
            }
        }
        Ok(())
    })
    .await
}

/// Opens the offices of `regions/offices.yaml` that the database does not have, and answers how many those were.
/// From then on they are managed by the API: what changed in the file later changes nothing here.
///
/// # Errors
/// [`LoadError`] names the first office that could not be opened.
pub async fn load_offices(db: &Db, topology: &Topology) -> Result<u32, LoadError> {
    let mut opened = 0;
    for office in topology.offices() {
        let key = format!("office:{}", office.code);
        let key = key
            .parse::<IdempotencyKey>()
            .map_err(|source| failed(office, source))?;
        let intent = db.worker_intent("migrate", "create_office", Scope::OfficesWrite, key);
        let call = intent.call.clone();
        match create_office(db, intent, Ok(command(office))).await {
            Ok(_) if call.facts().replayed => {}
            Ok(_) => opened += 1,
            // Someone opened it before, by the API or under a key that is gone.
            Err(
                OpError::Refused(CreateOfficeError::CodeTaken)
                | OpError::Common(Common::AlreadyExists { .. }),
            ) => {}
            Err(error) => return Err(failed(office, error)),
        }
    }
    Ok(opened)
}

fn failed(
    office: &Office,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> LoadError {
    LoadError::Office {
        office: office.code.to_string(),
        source: source.into(),
    }
}

fn command(office: &Office) -> CreateOffice {
    CreateOffice {
        code: office.code.clone(),
        name: office.name.clone(),
        country: office.country.clone(),
        city: office.city.clone(),
        time_zone: office.time_zone.clone(),
        currency: office.currency.clone(),
        point: office.location,
        home_region: office.home_region.clone(),
        default_tax_rate_bp: office.default_tax_rate_bp,
        default_location: Some(office.default_location.clone()),
    }
}
