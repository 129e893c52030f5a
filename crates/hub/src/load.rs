//! The offices that a new database starts with.

use kernel::{Common, IdempotencyKey, OpError, Scope};
use platform_db::Db;
use topology::{Office, Topology};

use crate::ops::create_office::{CreateOffice, CreateOfficeError, create_office};

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
