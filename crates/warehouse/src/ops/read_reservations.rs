//! Reads of the reservations.

use kernel::{
    Call, Common, Expand, Inlined, LocationCode, OfficeCode, OpError, PageRequest, Principal,
    ReadWant, Timestamp,
    id::{ItemId, ReservationId},
};
use platform_db::{Never, ReadOver, ReadSpec, Session, offices::OfficeHome};

use super::{
    filters::{StockWanted, resolve},
    inline::{Inline, Named, read_one, read_page},
    read_stock::Page,
};
use crate::{
    App,
    domain::reservation::{Reservation, ReservationStatus},
    storage::reservations::{self, ReservationFilter},
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
    (id, expand): (ReservationId, Expand),
) -> Result<(Reservation, Option<Inlined>), OpError<Never>> {
    let what = format!("reservation {id}");
    let spec = ReadSpec {
        operation: "get_reservation",
        want,
        home: app.hinted(&id),
        snapshot: None,
    };
    let regions = app.db.regions().to_vec();
    let inline = Inline::new(&app.db, expand.clone(), call.received_at(), None);
    let work = async move |session: &Session| {
        let reservation = reservations::get(session, &regions, &id).await?;
        let named = reservation.iter().map(Named::from).collect();
        Ok((reservation, inline.read(session, named).await?))
    };
    let (reservation, inlined) = read_one(&app.db, (call, spec), &expand, work).await?.value;
    Ok((reservation.ok_or(Common::NotFound { what })?, inlined))
}

pub(crate) async fn list_reservations(
    app: &App,
    (call, principal, want): (&Call, &Principal, ReadWant),
    wanted: Wanted,
    (page, expand): (PageRequest, Expand),
) -> Result<Page<Reservation>, OpError<Never>> {
    let stock = StockWanted {
        offices: wanted.offices,
        location: wanted.location.clone(),
        item: wanted.item,
        sku: None,
    };
    let (offices, item) = resolve(app, (call, principal), stock).await?;
    let over = ReadOver::new("list_reservations", want, page.snapshot, offices);
    let filter = ReservationFilter {
        location: wanted.location,
        item,
        status: wanted.status,
        now: page.snapshot.unwrap_or(call.received_at()),
        created_from: wanted.created_from,
        created_to: wanted.created_to,
    };
    let inline = Inline::new(&app.db, expand.clone(), filter.now, None);
    let work = async move |session: &Session, offices: &[OfficeHome]| {
        let rows = reservations::page(session, offices, &filter, &page).await?;
        let named = rows.iter().map(Named::from).collect();
        Ok((rows, inline.read(session, named).await?))
    };
    Ok(read_page(&app.db, (call, over), &expand, work).await?)
}
