//! Writes down that the time of a draft is up.

use kernel::{IdempotencyKey, OpError, RegionTag, Scope, SystemError, id::OrderId};
use platform_db::{Db, Refusal, TxError};

use super::order::Written;
use crate::storage::orders;

/// Somebody else was here first: nothing is written, and nothing is recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the order is not a draft whose time is up")]
pub(crate) struct NothingDue;

impl Refusal for NothingDue {}

/// Ends a draft whose time is up; answers whether this very call did. What it held is over with it, since no hold of a
/// draft outlasts it.
///
/// The key names the order, which ends but once: whoever does it again finds the key or nothing to do.
pub(crate) async fn expire_order(
    db: &Db,
    region: &RegionTag,
    id: OrderId,
) -> Result<bool, SystemError> {
    let key = format!("expire:{region}:{}", id.uuid().simple());
    let key: IdempotencyKey = key.parse().map_err(bug)?;
    let mut intent = db.worker_intent("expirer", "expire_order", Scope::SalesWrite, key);
    intent.home = region.clone();
    intent.hot.push(format!("order {id}"));
    let call = intent.call.clone();
    let written = db
        .write(intent, async move |txn| {
            let before = orders::lock(txn, &id).await?;
            let before = before.ok_or(TxError::Refused(NothingDue))?;
            txn.observe(before.updated_at);
            txn.belongs_to(&before.office);
            let after = before.expired(txn.now());
            let after = after.ok_or(TxError::Refused(NothingDue))?;
            orders::update_order(txn, &after).await?;
            let written = Written {
                before: Some(&before),
                after: &after,
                kind: "sales.order.expired",
                reason: None,
            };
            Ok(written.leave(txn, 200))
        })
        .await;
    match written {
        Ok(_) => Ok(!call.facts().replayed),
        Err(OpError::Refused(NothingDue)) => Ok(false),
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
