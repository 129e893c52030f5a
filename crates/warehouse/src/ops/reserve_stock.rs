//! Puts stock aside for a while.

use std::time::Duration;

use futures_util::try_join;
use kernel::{Common, Intent, Invalid, LocationCode, OpError, Quantity, Reply, id::ItemId};
use platform_db::{
    DbError, Refusal, TxError, Txn,
    offices::{self, Office, OfficeHome, OfficeStatus},
};

use super::{
    expire_holds::expire_due,
    find_availability::{Shortage, find_nearest},
    shelf::{Cause, Place, Shelf},
};
use crate::{
    App,
    domain::{
        item::ItemStatus,
        reservation::{Reservation, ReservationStatus},
    },
    storage::reservations,
    views::{json, reservation::ReservationView},
};

/// What to put aside, where, and for how long.
#[derive(Debug, Clone)]
pub(crate) struct ReserveStock {
    pub(crate) location: LocationCode,
    pub(crate) item: ItemId,
    /// At least one.
    pub(crate) quantity: Quantity,
    pub(crate) hold: Duration,
}

/// Why nothing is put aside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReserveError {
    /// An archived item takes no new holds.
    #[error("the item is archived")]
    Archived,
    /// Less is available than wanted.
    #[error("less is available at {location} than wanted")]
    Insufficient {
        location: LocationCode,
        lines: Vec<Shortage>,
    },
}

impl Refusal for ReserveError {}

/// `home`: the office of the location that the body names; `None` if there is no such location.
pub(crate) async fn reserve_stock(
    app: &App,
    mut intent: Intent,
    home: Option<OfficeHome>,
    command: Result<ReserveStock, Invalid>,
) -> Result<Reply, OpError<ReserveError>> {
    let call = intent.call.clone();
    if let (Some(home), Ok(command)) = (&home, &command) {
        intent.hot.push(place_of(command).hot_name(&home.region));
    }
    let office = home.as_ref().map(|home| home.office.clone());
    let written = app
        .db
        .write(intent, async move |txn| {
            let command = command.clone()?;
            let home = home
                .clone()
                .ok_or_else(|| Invalid::one("/location", "location_unknown", "does not exist"))?;
            reserve(txn, home, command).await
        })
        .await;
    match (written, office) {
        (Err(OpError::Refused(ReserveError::Insufficient { location, lines })), Some(office)) => {
            let lines = find_nearest(app, &call, &office, lines).await;
            Err(OpError::Refused(ReserveError::Insufficient {
                location,
                lines,
            }))
        }
        (written, _) => written,
    }
}

async fn reserve(
    txn: &Txn<'_>,
    home: OfficeHome,
    command: ReserveStock,
) -> Result<Reply, TxError<ReserveError>> {
    let office = offices::get(txn, &home.office).await?;
    let office = office.ok_or(DbError::NoRow)?;
    let place = place_of(&command);
    let mut shelf = Shelf::lock(txn, &office, std::slice::from_ref(&place)).await?;
    check(txn, &office, shelf.item_status(&place))?;
    if shelf.level(&place).available() < command.quantity {
        expire_due(txn, &mut shelf, &place).await?;
    }
    let available = shelf.level(&place).available();
    if available < command.quantity {
        let line = Shortage {
            line: None,
            item: place.item.clone(),
            sku: shelf.sku(&place).to_owned(),
            wanted: command.quantity,
            available,
            nearest: None,
        };
        return Err(ReserveError::Insufficient {
            location: command.location,
            lines: vec![line],
        }
        .into());
    }
    shelf.reserve(&place, command.quantity, Cause::Reserved)?;
    let now = txn.now();
    let reservation = Reservation {
        id: txn.new_id(&home.region),
        office: home.office,
        location: command.location,
        item: place.item.clone(),
        sku: shelf.sku(&place).to_owned(),
        quantity: command.quantity,
        order_line: None,
        status: ReservationStatus::Active,
        expires_at: Some(now.plus(command.hold)),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let made = std::slice::from_ref(&reservation);
    try_join!(
        reservations::upsert(txn, &home.region, made),
        shelf.save(txn)
    )?;
    let view = ReservationView::at(&reservation, now);
    txn.audit(None, Some(json(&view)));
    Ok(view.reply(201))
}

fn check(
    txn: &Txn<'_>,
    office: &Office,
    item: Option<ItemStatus>,
) -> Result<(), TxError<ReserveError>> {
    let mut invalid = Invalid::default();
    if office.status == OfficeStatus::Closed {
        let closed = Invalid::one("/location", "office_closed", "belongs to a closed office");
        invalid.errors.extend(closed.errors);
    }
    if item.is_none() {
        let unknown = Invalid::one("/item", "item_unknown", "does not exist");
        invalid.errors.extend(unknown.errors);
    }
    if !invalid.errors.is_empty() {
        return Err(invalid.into());
    }
    if !txn.intent().principal.offices.allow(&office.code) {
        return Err(Common::OfficeForbidden {
            office: office.code.clone(),
        }
        .into());
    }
    if item == Some(ItemStatus::Archived) {
        return Err(ReserveError::Archived.into());
    }
    Ok(())
}

fn place_of(command: &ReserveStock) -> Place {
    Place {
        location: command.location.clone(),
        item: command.item.clone(),
    }
}
