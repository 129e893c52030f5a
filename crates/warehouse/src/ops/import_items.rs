//! Adds many items to the catalogue in one transaction, each as `create_item` would.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{Common, Intent, Invalid, OpError, RegionTag, RowRefusal, RowsEnd, id::ItemId};
use platform_db::{RowsDone, TxError};

use super::create_item::{CreateItem, CreateItemError, created};
use crate::{App, domain::item::Item, storage::items};

/// `commits`: whether to commit, given whether every row can be written.
pub(crate) async fn import_items(
    app: App,
    rows: Vec<(Intent, Result<CreateItem, Invalid>)>,
    commits: impl Fn(bool) -> bool + Send + Sync,
) -> Result<RowsEnd<CreateItemError>, OpError<CreateItemError>> {
    let (intents, commands): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    app.db
        .write_rows(intents, async move |txn, open| {
            let mut skus = BTreeSet::new();
            let mut new = Vec::new();
            let mut refused: BTreeMap<usize, RowRefusal<_>> = BTreeMap::new();
            for (index, intent) in open.iter() {
                match commands.get(index) {
                    Some(Ok(command)) if skus.insert(command.sku.clone()) => {
                        let id = intent.new_id(RegionTag::global(), 0);
                        new.push(command.clone().into_item(id, txn.now()));
                    }
                    Some(Err(invalid)) => {
                        refused.insert(index, Common::Invalid(invalid.clone()).into());
                    }
                    Some(Ok(_)) | None => {} // a row before it takes the SKU
                }
            }
            let inserted = items::insert_new(txn, new, txn.now()).await?;
            let mut inserted: BTreeMap<_, Item> = inserted
                .into_iter()
                .map(|item| (item.id.uuid(), item))
                .collect();
            let mut done = Vec::new();
            for (index, intent) in open.iter() {
                let id: ItemId = intent.new_id(RegionTag::global(), 0);
                done.push(
                    match (refused.remove(&index), inserted.remove(&id.uuid())) {
                        (Some(refusal), _) => Err(refusal),
                        (None, Some(item)) => {
                            let row = txn.for_row(intent);
                            let reply = created(&row, &item);
                            Ok(row.wrote(reply))
                        }
                        (None, None) => Err(RowRefusal::Own(CreateItemError::SkuTaken)),
                    },
                );
            }
            let commit = commits(done.iter().all(Result::is_ok));
            Ok::<_, TxError<_>>(RowsDone { rows: done, commit })
        })
        .await
        .inspect(|ended| app.db.wrote_many(ended, TABLES))
}

/// What each item is written into.
const TABLES: &[&str] = &[
    "warehouse.items",
    "warehouse.item_prices",
    "platform.search_entries",
];
