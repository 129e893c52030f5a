//! Reads of the reservations.

use kernel::{
    Call, Common, LocationCode, OfficeCode, OpError, PageRequest, Principal, ReadWant, Timestamp,
    id::{ItemId, ReservationId},
};
use platform_db::{Never, Read, ReadSpec, Session, offices::OfficeHome};

use crate::{
    App,
    domain::reservation::{Reservation, ReservationStatus},
    storage::{
        items,
        reservations::{self, ReservationFilter},
    },
};

/// Which reservations are wanted, as asked.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) offices: Option<Vec<OfficeCode>>,
    pub(crate) location: Option<LocationCode>,
    pub(crate) item: Option<ItemId>,
    pub(crate) status: Option<ReservationStatus>,
    pub(crate) created_from: Option<Timestamp>,
    pub(crate) created_to: Option<Timestamp>,
}

pub(crate) async fn get_reservation(
    app: &App,
    call: &Call,
    want: ReadWant,
    id: ReservationId,
) -> Result<Reservation, OpError<Never>> {
    let what = format!("reservation {id}");
    let spec = ReadSpec {
        operation: "get_reservation",
        want,
        home: app.hinted(&id),
        snapshot: None,
    };
    let regions = app.db.regions().to_vec();
    let read = app
        .db
        .read(call, spec, async move |session: &Session| {
            reservations::get(session, &regions, &id).await
        })
        .await?;
    read.value.ok_or_else(|| Common::NotFound { what }.into())
}

pub(crate) async fn list_reservations(
    app: &App,
    (call, principal, want): (&Call, &Principal, ReadWant),
    wanted: Wanted,
    page: PageRequest,
) -> Result<Read<Vec<Reservation>>, OpError<Never>> {
    let mut offices = app.directory.shown(call, principal, wanted.offices).await?;
    if let Some(place) = known_location(app, call, wanted.location.as_ref()).await? {
        offices.retain(|office| *office == place);
    }
    known_item(app, call, wanted.item.as_ref()).await?;
    let spec = ReadSpec::over("list_reservations", want, page.snapshot, &offices);
    let filter = ReservationFilter {
        offices,
        location: wanted.location,
        item: wanted.item,
        status: wanted.status,
        now: page.snapshot.unwrap_or(call.received_at()),
        created_from: wanted.created_from,
        created_to: wanted.created_to,
    };
    let read = app
        .db
        .read_page(call, spec, async move |session: &Session| {
            reservations::page(session, &filter, &page).await
        })
        .await?;
    Ok(read)
}

/// The office of the location that a filter names, which must exist.
async fn known_location(
    app: &App,
    call: &Call,
    location: Option<&LocationCode>,
) -> Result<Option<OfficeHome>, OpError<Never>> {
    let Some(location) = location else {
        return Ok(None);
    };
    match app.places.find(call, location).await? {
        Some(place) => Ok(Some(place)),
        None => Err(Common::UnknownInFilter {
            parameter: "location",
            value: location.to_string(),
        }
        .into()),
    }
}

/// That the item that a filter names exists.
async fn known_item(app: &App, call: &Call, item: Option<&ItemId>) -> Result<(), OpError<Never>> {
    let Some(item) = item.cloned() else {
        return Ok(());
    };
    let (value, now) = (item.to_string(), call.received_at());
    let spec = ReadSpec::reference("find_item", ReadWant::default(), None);
    let read = app
        .db
        .read(call, spec, async move |session: &Session| {
            items::get(session, &item, now).await
        })
        .await?;
    let unknown = Common::UnknownInFilter {
        parameter: "item",
        value,
    };
    read.value.map(drop).ok_or_else(|| unknown.into())
}
