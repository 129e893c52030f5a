//! Reads of the reservations.

use kernel::{
    Call, Common, LocationCode, OfficeCode, OpError, PageRequest, Principal, ReadWant, Timestamp,
    id::{ItemId, ReservationId},
};
use platform_db::{Never, Read, ReadOver, ReadSpec, Session, offices::OfficeHome};

use super::filters::{StockWanted, resolve};
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
    let read = app
        .db
        .read_page_over(
            call,
            over,
            async move |session: &Session, offices: &[OfficeHome]| {
                reservations::page(session, offices, &filter, &page).await
            },
        )
        .await?;
    Ok(read)
}
