//! Reads of the catalogue.

use kernel::{Call, Common, OpError, PageRequest, SystemError, id::ItemId};
use platform_db::{Never, Read, ReadSpec};

use crate::{
    App,
    domain::item::Item,
    storage::items::{self, ItemFilter},
};

pub(crate) async fn get_item(
    app: &App,
    call: &Call,
    spec: ReadSpec,
    id: ItemId,
) -> Result<Item, OpError<Never>> {
    let (now, what) = (call.received_at(), format!("item {id}"));
    let read = app
        .db
        .read(call, spec, async move |session| {
            items::get(session, &id, now).await
        })
        .await?;
    read.value.ok_or_else(|| Common::NotFound { what }.into())
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
