//! Ends the holds whose time is up, and gives their stock back.

use kernel::{
    IdempotencyKey, OpError, RegionTag, Reply, Scope, SystemError, Timestamp, id::ReservationId,
};
use platform_db::{Db, DbError, Refusal, TxError, Txn, offices};
use uuid::Uuid;

use crate::{
    ops::shelf::{Cause, Place, Shelf},
    storage::reservations::{self, DueHold},
    views::json,
};

/// Somebody else was here first: nothing is written, and nothing is recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no hold of the level is due")]
pub(crate) struct NothingDue;

impl Refusal for NothingDue {}

/// Ends the holds of a level that are over at the transaction's time, on the shelf too; answers them. For whoever
/// finds less on it than is wanted.
pub(crate) async fn expire_due(
    txn: &Txn<'_>,
    shelf: &mut Shelf,
    place: &Place,
) -> Result<Vec<ReservationId>, DbError> {
    expire(txn, shelf, place, (txn.now(), Uuid::max())).await
}

async fn expire(
    txn: &Txn<'_>,
    shelf: &mut Shelf,
    place: &Place,
    until: (Timestamp, Uuid),
) -> Result<Vec<ReservationId>, DbError> {
    let level = (shelf.region(), &place.location, &place.item);
    let ended = reservations::expire(txn, level, until, txn.now()).await?;
    for (_, quantity) in &ended {
        shelf.release(place, *quantity, Cause::Expired)?;
    }
    Ok(ended.into_iter().map(|(id, _)| id).collect())
}

/// Sweeps one level: ends its holds up to `newest`, the last that was due when the sweeper looked. Answers how many
/// this very call ended.
///
/// The key names the newest hold, and every hold up to it ends with it: whoever sweeps the same again finds the key
/// or nothing to do, and holds that came due since have another newest.
pub(crate) async fn expire_holds(
    db: &Db,
    region: &RegionTag,
    newest: DueHold,
) -> Result<usize, SystemError> {
    let key = format!("sweep:{region}:{}", newest.id.simple());
    let key: IdempotencyKey = key.parse().map_err(bug)?;
    let mut intent = db.worker_intent("sweeper", "expire_holds", Scope::WarehouseWrite, key);
    intent.home = region.clone();
    intent.office = Some(newest.office.clone());
    let place = Place {
        location: newest.location,
        item: newest.item,
    };
    intent.hot.push(place.hot_name(region));
    let call = intent.call.clone();
    let until = (newest.expires_at, newest.id);
    let written = db
        .write(intent, async move |txn| {
            let office = offices::get(txn, &newest.office).await?;
            let office = office.ok_or(DbError::NoRow)?;
            let mut shelf = Shelf::lock(txn, &office, std::slice::from_ref(&place)).await?;
            let ended = expire(txn, &mut shelf, &place, until).await?;
            if ended.is_empty() {
                return Err(TxError::Refused(NothingDue));
            }
            shelf.save(txn).await?;
            let ids: Vec<String> = ended.iter().map(ToString::to_string).collect();
            txn.audit(None, Some(json(&serde_json::json!({ "expired": ids }))));
            Ok(Reply {
                status: 200,
                location: None,
                version: None,
                body: None,
                effect_ids: ids,
            })
        })
        .await;
    match written {
        Ok(_) if call.facts().replayed => Ok(0),
        Ok(reply) => Ok(reply.effect_ids.len()),
        Err(OpError::Refused(NothingDue)) => Ok(0),
        Err(OpError::Common(common)) => Err(bug(common)),
        Err(OpError::System(error)) => Err(error),
    }
}

fn bug(source: impl std::error::Error + Send + Sync + 'static) -> SystemError {
    SystemError::Bug {
        effect_unknown: false,
        source: Box::new(source),
    }
}
