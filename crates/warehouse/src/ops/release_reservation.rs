//! Lets go of stock that was put aside.

use kernel::{
    Call, Common, Intent, Invalid, OpError, ReadWant, Reply, SystemError, id::ReservationId,
};
use platform_db::{
    DbError, ReadSpec, Refusal, Session, TxError, Txn,
    offices::{self, OfficeHome},
};

use super::shelf::{Cause, Place, Shelf};
use crate::{
    App,
    domain::reservation::NotReleasable,
    storage::reservations,
    views::{json, reservation::ReservationView},
};

/// Why a reservation stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReleaseError {
    /// It is over already, or only its order lets go of it.
    #[error("the reservation is not one that can be released")]
    NotActive(NotReleasable),
}

impl Refusal for ReleaseError {}

/// Where a reservation is; that never changes.
#[derive(Debug, Clone)]
pub(crate) struct Whereabouts {
    pub(crate) home: OfficeHome,
    pub(crate) place: Place,
}

/// Where the reservation is, `None` if there is no such reservation: read ahead, to know whose write it is.
pub(crate) async fn find_whereabouts(
    app: &App,
    call: &Call,
    id: &ReservationId,
) -> Result<Option<Whereabouts>, SystemError> {
    let spec = ReadSpec::reference("find_reservation", ReadWant::default(), None);
    let (regions, id) = (app.db.regions().to_vec(), id.clone());
    let read = app
        .db
        .read(call, spec, async move |session: &Session| {
            reservations::get(session, &regions, &id).await
        })
        .await?;
    Ok(read.value.map(|found| Whereabouts {
        home: OfficeHome {
            region: found.id.region().clone(),
            office: found.office,
        },
        place: Place {
            location: found.location,
            item: found.item,
        },
    }))
}

/// `found`: where the reservation is.
pub(crate) async fn release_reservation(
    app: &App,
    mut intent: Intent,
    (id, found): (ReservationId, Option<Whereabouts>),
    nothing: Result<(), Invalid>,
) -> Result<Reply, OpError<ReleaseError>> {
    if let Some(found) = &found {
        intent.hot.push(found.place.hot_name(&found.home.region));
    }
    app.db
        .write(intent, async move |txn| {
            nothing.clone()?;
            let Some(found) = found.clone() else {
                return Err(not_found(&id));
            };
            release(txn, &id, found).await
        })
        .await
}

async fn release(
    txn: &Txn<'_>,
    id: &ReservationId,
    found: Whereabouts,
) -> Result<Reply, TxError<ReleaseError>> {
    let Whereabouts { home, place } = found;
    if !txn.intent().principal.offices.allow(&home.office) {
        return Err(Common::OfficeForbidden {
            office: home.office,
        }
        .into());
    }
    let office = offices::get(txn, &home.office)
        .await?
        .ok_or(DbError::NoRow)?;
    let mut shelf = Shelf::lock(txn, &office, std::slice::from_ref(&place)).await?;
    let Some(before) = reservations::lock(txn, &home.region, id).await? else {
        return Err(not_found(id));
    };
    txn.observe(before.updated_at);
    let now = txn.now();
    let after = before.released(now).map_err(ReleaseError::NotActive)?;
    shelf.release(&place, after.quantity, Cause::Released)?;
    let released = std::slice::from_ref(&after);
    futures_util::try_join!(
        reservations::upsert(txn, &home.region, released),
        shelf.save(txn)
    )?;
    let view = ReservationView::at(&after, now);
    txn.audit(
        Some(json(&ReservationView::at(&before, now))),
        Some(json(&view)),
    );
    Ok(view.reply(200))
}

fn not_found<E>(id: &ReservationId) -> TxError<E> {
    TxError::Common(Common::NotFound {
        what: format!("reservation {id}"),
    })
}
