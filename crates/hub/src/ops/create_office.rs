//! Opens an office together with its first location.

use kernel::{
    Common, CountryCode, CurrencyCode, Intent, Invalid, LocationCode, OfficeCode, OpError,
    RegionTag, Reply,
};
use platform_db::{
    Db, Refusal, TxError,
    offices::{self, Office, OfficeStatus},
};
use topology::Point;

use super::{emit_office, index_office};
use crate::views::{OfficeView, json};

/// What an office is made from.
#[derive(Debug, Clone)]
pub(crate) struct CreateOffice {
    pub(crate) code: OfficeCode,
    pub(crate) name: String,
    pub(crate) country: CountryCode,
    pub(crate) city: String,
    pub(crate) time_zone: String,
    pub(crate) currency: CurrencyCode,
    pub(crate) point: Point,
    pub(crate) home_region: RegionTag,
    pub(crate) default_tax_rate_bp: i64,
    /// `None`: `<code>-main`.
    pub(crate) default_location: Option<LocationCode>,
}

/// Why an office is not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CreateOfficeError {
    /// Another office has the code.
    #[error("the code is taken")]
    CodeTaken,
    /// Its first location would have the code of another one.
    #[error("the location's code is taken")]
    LocationTaken,
}

impl Refusal for CreateOfficeError {
    fn from_constraint(name: &str) -> Option<Self> {
        match name {
            "offices_pkey" => Some(Self::CodeTaken),
            warehouse::locations::CODE_CONSTRAINT => Some(Self::LocationTaken),
            _ => None,
        }
    }
}

/// The code of an office's first location. An office code has at most 27 characters then.
pub(crate) fn main_location(office: &OfficeCode) -> Option<LocationCode> {
    format!("{office}-main").parse().ok()
}

pub(crate) async fn create_office(
    db: &Db,
    intent: Intent,
    command: Result<CreateOffice, Invalid>,
) -> Result<Reply, OpError<CreateOfficeError>> {
    let code = command.as_ref().ok().map(|command| command.code.clone());
    let written = db.write(intent, async move |txn| {
        let command = command.clone()?;
        if !txn.intent().principal.offices.allow(&command.code) {
            return Err(Common::OfficeForbidden {
                office: command.code,
            }
            .into());
        }
        txn.belongs_to(&command.code);
        let location = match command.default_location {
            Some(location) => location,
            None => main_location(&command.code).ok_or_else(|| {
                Invalid::one(
                    "/default_location",
                    "required",
                    "is required for so long a code",
                )
            })?,
        };
        let now = txn.now();
        let office = Office {
            code: command.code,
            name: command.name,
            country: command.country,
            city: command.city,
            time_zone: command.time_zone,
            currency: command.currency,
            latitude: command.point.latitude(),
            longitude: command.point.longitude(),
            home_region: command.home_region,
            default_location: location.clone(),
            default_tax_rate_bp: command.default_tax_rate_bp,
            status: OfficeStatus::Active,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        offices::insert(txn, &office).await?;
        emit_office(txn, "office.created", &office);
        index_office(txn, &office);
        warehouse::locations::create_depot(
            txn,
            location,
            office.code.clone(),
            office.name.clone(),
            office.home_region.clone(),
        )
        .await?;
        txn.audit(None, Some(json(&OfficeView::from(&office))));
        Ok::<_, TxError<_>>(OfficeView::reply(201, &office))
    });
    written.await.map_err(|error| match (error, code) {
        (OpError::Refused(CreateOfficeError::CodeTaken), Some(code)) => {
            OpError::Common(Common::AlreadyExists {
                location: Some(OfficeView::path(&code)),
            })
        }
        (error, _) => error,
    })
}
