//! Adds a location to an office.

use kernel::{Common, Intent, Invalid, LocationCode, OfficeCode, OpError, RegionTag, Reply};
use platform_db::{
    Event, Never, Refusal, SearchEntry, TxError, Txn,
    offices::{self, OfficeStatus},
};

use super::LOCATION_KIND;
use crate::{
    App,
    domain::location::{Location, LocationKind},
    storage::locations,
    views::{LocationView, json},
};

/// What a location is made from.
#[derive(Debug, Clone)]
pub(crate) struct CreateLocation {
    pub(crate) code: LocationCode,
    pub(crate) office: OfficeCode,
    pub(crate) name: String,
    pub(crate) kind: LocationKind,
}

/// Another location has the code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the code is taken")]
struct CodeTaken;

impl Refusal for CodeTaken {
    fn from_constraint(name: &str) -> Option<Self> {
        (name == "locations_pkey").then_some(Self)
    }
}

pub(crate) async fn create_location(
    app: &App,
    intent: Intent,
    command: Result<CreateLocation, Invalid>,
) -> Result<Reply, OpError<Never>> {
    let code = command.as_ref().ok().map(|command| command.code.clone());
    let written = app
        .db
        .write(intent, async move |txn| {
            let command = command.clone()?;
            let Some(office) = offices::get(txn, &command.office).await? else {
                return Err(refuse_office("office_unknown", "does not exist"));
            };
            if !txn.intent().principal.offices.allow(&office.code) {
                return Err(Common::OfficeForbidden {
                    office: office.code,
                }
                .into());
            }
            txn.belongs_to(&office.code);
            if office.status == OfficeStatus::Closed {
                return Err(refuse_office("office_closed", "is closed"));
            }
            let view = create(txn, command, office.home_region).await?;
            txn.audit(None, Some(json(&view)));
            Ok(view.reply(201))
        })
        .await;
    written.map_err(|error| match error {
        OpError::Refused(CodeTaken) => OpError::Common(Common::AlreadyExists {
            location: code.as_ref().map(LocationView::path),
        }),
        OpError::Common(common) => OpError::Common(common),
        OpError::System(system) => OpError::System(system),
    })
}

fn refuse_office<E>(code: &'static str, detail: &str) -> TxError<E> {
    TxError::Common(Common::Invalid(Invalid::one("/office", code, detail)))
}

/// Inserts a location and says so: the step that making an office shares.
pub(crate) async fn create(
    txn: &Txn<'_>,
    command: CreateLocation,
    home_region: RegionTag,
) -> Result<LocationView, platform_db::DbError> {
    let now = txn.now();
    let location = Location {
        code: command.code,
        office: command.office,
        name: command.name,
        kind: command.kind,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    locations::insert(txn, &location).await?;
    let view = LocationView::new(&location, home_region);
    emit_location(txn, "warehouse.location.created", &location, &view);
    index_location(txn, &location);
    Ok(view)
}

/// Makes a location findable as it is.
pub(super) fn index_location(txn: &Txn<'_>, location: &Location) {
    txn.index(SearchEntry {
        kind: LOCATION_KIND,
        id: location.code.to_string(),
        office: Some(location.office.clone()),
        title: location.name.clone(),
        exact: Vec::new(),
    });
}

/// Emits what happened to a location, with the location as it is afterwards.
pub(super) fn emit_location(
    txn: &Txn<'_>,
    kind: &'static str,
    location: &Location,
    view: &LocationView,
) {
    txn.emit(Event {
        kind,
        subject: location.code.to_string(),
        office: None, // locations belong to every region, and their events to every reader
        resource_version: location.version,
        data: json(view),
    });
}
