//! Changes an item's members.

use kernel::{Intent, Invalid, OpError, Reply, id::ItemId};
use platform_db::{Never, TxError};

use super::{emit_item, index_item, lock_item};
use crate::{
    App,
    domain::item::ItemPatch,
    storage::items,
    views::{ItemView, json},
};

pub(crate) async fn update_item(
    app: &App,
    mut intent: Intent,
    id: ItemId,
    patch: Result<ItemPatch, Invalid>,
) -> Result<Reply, OpError<Never>> {
    intent.hot.push(format!("item {id}"));
    app.db
        .write(intent, async move |txn| {
            let patch = patch.clone()?;
            let item = lock_item(txn, &id).await?;
            txn.intent().require_version(item.version)?;
            let changed = item.patched(patch, txn.now());
            if changed.version != item.version {
                items::update(txn, &changed).await?;
                emit_item(txn, "warehouse.item.changed", &changed);
                index_item(txn, &changed);
            }
            txn.audit(
                Some(json(&ItemView::from(&item))),
                Some(json(&ItemView::from(&changed))),
            );
            Ok::<_, TxError<_>>(ItemView::reply(200, &changed))
        })
        .await
}
