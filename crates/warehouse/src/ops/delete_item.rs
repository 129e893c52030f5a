//! Removes an item that nothing refers to; one that was ever used is archived instead.

use kernel::{Intent, Invalid, OpError, Reply, id::ItemId};
use platform_db::{Refusal, TxError};

use super::{ITEM_KIND, emit_item, lock_item};
use crate::{
    App,
    storage::items,
    views::{ItemView, json},
};

/// Why an item stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DeleteItemError {
    /// Stock, orders or transfers refer to it.
    #[error("the item is in use")]
    InUse,
}

impl Refusal for DeleteItemError {
    /// Every foreign key to items is named `<table>_item_fkey`; prices cascade.
    fn from_constraint(name: &str) -> Option<Self> {
        name.ends_with("_item_fkey").then_some(Self::InUse)
    }
}

pub(crate) async fn delete_item(
    app: &App,
    mut intent: Intent,
    id: ItemId,
    nothing: Result<(), Invalid>,
) -> Result<Reply, OpError<DeleteItemError>> {
    intent.hot.push(format!("item {id}"));
    app.db
        .write(intent, async move |txn| {
            nothing.clone()?;
            let mut item = lock_item(txn, &id).await?;
            txn.intent().require_version(item.version)?;
            items::delete(txn, &id).await?;
            txn.unindex(ITEM_KIND, &id.to_string()).await?;
            txn.audit(Some(json(&ItemView::from(&item))), None);
            // The event follows the last version, so that versions have no gaps and end with the item.
            item.version += 1;
            item.updated_at = txn.now();
            emit_item(txn, "warehouse.item.deleted", &item);
            Ok::<_, TxError<_>>(Reply {
                status: 204,
                location: None,
                version: None,
                body: None,
                effect_ids: vec![id.to_string()],
            })
        })
        .await
}
