//! One file per business operation: its command, what it can be refused for, its transaction.

pub(crate) mod adjust_stock;
pub(crate) mod create_item;
pub(crate) mod create_location;
pub(crate) mod delete_item;
pub(crate) mod expire_holds;
pub(crate) mod filters;
pub(crate) mod find_availability;
pub(crate) mod import_items;
pub(crate) mod index_catalogue;
pub(crate) mod inline;
pub(crate) mod load_items;
pub(crate) mod load_shop;
pub(crate) mod load_stock;
pub(crate) mod order_stock;
pub(crate) mod premises;
pub(crate) mod read_items;
pub(crate) mod read_locations;
pub(crate) mod read_reservations;
pub(crate) mod read_stock;
pub(crate) mod receive_stock;
pub(crate) mod release_reservation;
pub(crate) mod reserve_stock;
pub(crate) mod set_item_price;
pub(crate) mod shelf;
pub(crate) mod update_item;
pub(crate) mod update_location;
pub(crate) mod write_documents;

use std::iter;

use kernel::{Common, id::ItemId};
use platform_db::{Event, SearchEntry, TxError, Txn};

use crate::{
    domain::item::Item,
    storage::items,
    views::{ItemView, json},
};

/// The item, locked, with the prices that are shown at the transaction's time.
async fn lock_item<E>(txn: &Txn<'_>, id: &ItemId) -> Result<Item, TxError<E>> {
    let Some(mut item) = items::lock(txn, id, txn.now()).await.map_err(TxError::Db)? else {
        return Err(TxError::Common(Common::NotFound {
            what: format!("item {id}"),
        }));
    };
    txn.observe(item.updated_at);
    item.drop_past_prices(txn.now());
    Ok(item)
}

/// Makes an item findable as it is.
fn index_item(txn: &Txn<'_>, item: &Item) {
    txn.index(SearchEntry {
        kind: ITEM_KIND,
        id: item.id.to_string(),
        office: None,
        title: item.name.clone(),
        exact: iter::once(&item.sku)
            .chain(&item.barcode)
            .cloned()
            .collect(),
    });
}

/// Kinds of search entries.
const ITEM_KIND: &str = "item";
const LOCATION_KIND: &str = "location";

/// Emits what happened to an item, with the item as it is afterwards.
fn emit_item(txn: &Txn<'_>, kind: &'static str, item: &Item) {
    txn.emit(Event {
        kind,
        subject: item.id.to_string(),
        office: None,
        resource_version: item.version,
        data: json(&ItemView::from(item)),
    });
}
