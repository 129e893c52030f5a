//! Reads of the catalogue.

use futures_util::FutureExt as _;
use kernel::{Call, Common, OpError, PageRequest, RegionTag, SystemError, id::ItemId};
use platform_db::{Never, Read, ReadSpec, Source};

use crate::{
    App,
    domain::item::Item,
    storage::items::{self, ItemFilter},
};

/// Items by id, as they were when they were read: prices that came into force since then are still among the future ones.
pub(crate) static ITEMS: Source<ItemId, Option<Item>> = Source {
    name: "items",
    topic: "warehouse.item",
    subject: Some(ToString::to_string),
    one_row: false,
    bytes: |item| item.as_ref().map(Item::bytes),
    load: |session, id, now| async move { items::get(session, &id, now).await }.boxed(),
};

pub(crate) async fn get_item(
    app: &App,
    call: &Call,
    spec: ReadSpec,
    id: ItemId,
) -> Result<Item, OpError<Never>> {
    let what = format!("item {id}");
    // Whatever region an id names, the item is one, and so is its entry.
    let id = ItemId::new(RegionTag::global(), id.uuid());
    let read = app.items.read(call, spec, id).await?;
    let Some(mut item) = Option::clone(&read.value) else {
        return Err(Common::NotFound { what }.into());
    };
    item.drop_past_prices(call.received_at());
    Ok(item)
}

pub(crate) async fn list_items(
    app: &App,
    call: &Call,
    spec: ReadSpec,
    (filter, page): (ItemFilter, PageRequest),
) -> Result<Read<Vec<Item>>, SystemError> {
    let now = call.received_at();
    app.db
        .read_page(call, spec, async move |session| {
            items::page(session, &filter, &page, now).await
        })
        .await
}
