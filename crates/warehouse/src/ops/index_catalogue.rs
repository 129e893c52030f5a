//! Makes findable what was written before there was a search.

use kernel::{LocationCode, OpError, ReadWant, Scope, id::ItemId};
use platform_db::{Db, Never, ReadSpec, Session};
use uuid::Uuid;

use super::{ITEM_KIND, LOCATION_KIND, create_location::index_location, index_item};
use crate::storage::{items, locations};

/// Items and locations looked at in one transaction.
const BATCH: i64 = 1000;

/// Indexes the items and locations that have no search entry, batch by batch; how many there were. May be run at any
/// time, and again.
///
/// # Errors
/// [`OpError`]; what was indexed before stays so.
pub async fn index_catalogue(db: &Db) -> Result<usize, OpError<Never>> {
    Ok(index_items(db).await? + index_locations(db).await?)
}

async fn index_items(db: &Db) -> Result<usize, OpError<Never>> {
    let mut indexed = 0;
    let mut after = Uuid::nil();
    loop {
        let call = db.worker_call();
        let spec = ReadSpec::reference("list_all_items", ReadWant::default(), None);
        let page = async move |session: &Session| items::ids_after(session, after, BATCH).await;
        let ids = db.read(&call, spec, page).await?.value;
        let Some(last) = ids.last() else {
            return Ok(indexed);
        };
        after = last.uuid();
        let ids = ids.iter().map(ToString::to_string).collect();
        let scope = Scope::WarehouseWrite;
        indexed += db
            .index_missing(ITEM_KIND, scope, ids, async |txn, missing| {
                let ids: Vec<ItemId> = missing.iter().filter_map(|id| id.parse().ok()).collect();
                for item in items::many(txn, &ids, txn.now()).await? {
                    index_item(txn, &item);
                }
                Ok(())
            })
            .await?;
    }
}

async fn index_locations(db: &Db) -> Result<usize, OpError<Never>> {
    let mut indexed = 0;
    let mut after = String::new();
    loop {
        let call = db.worker_call();
        let spec = ReadSpec::reference("list_all_locations", ReadWant::default(), None);
        let from = after.clone();
        let page =
            async move |session: &Session| locations::codes_after(session, &from, BATCH).await;
        let codes = db.read(&call, spec, page).await?.value;
        let Some(last) = codes.last() else {
            return Ok(indexed);
        };
        after = last.to_string();
        let codes = codes.iter().map(ToString::to_string).collect();
        let scope = Scope::WarehouseWrite;
        indexed += db
            .index_missing(LOCATION_KIND, scope, codes, async |txn, missing| {
                let codes: Vec<LocationCode> = missing
                    .iter()
                    .filter_map(|code| code.parse().ok())
                    .collect();
                for location in locations::many(txn, &codes).await? {
                    index_location(txn, &location);
                }
                Ok(())
            })
            .await?;
    }
}
