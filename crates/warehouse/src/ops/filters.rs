//! What the filters of a list name, each of which must exist.

use kernel::{
    Call, Common, LocationCode, OfficeCode, OpError, Principal, ReadWant, RegionTag, id::ItemId,
};
use platform_db::{Never, ReadSpec, Session, offices::OfficeHome};

use crate::{App, storage::items};

/// Whose stock is wanted, as asked.
#[derive(Debug, Clone, Default)]
pub struct StockWanted {
    /// Of these offices only.
    pub offices: Option<Vec<OfficeCode>>,
    /// At this location only.
    pub location: Option<LocationCode>,
    /// Of this item only.
    pub item: Option<ItemId>,
    /// Of the item with this SKU only.
    pub sku: Option<String>,
}

/// The offices to show, and the item, if only one is wanted.
///
/// # Errors
/// [`Common::UnknownInFilter`], [`Common::OfficeForbidden`].
pub async fn resolve(
    app: &App,
    (call, principal): (&Call, &Principal),
    wanted: StockWanted,
) -> Result<(Vec<OfficeHome>, Option<ItemId>), OpError<Never>> {
    let mut offices = app.directory.shown(call, principal, wanted.offices).await?;
    if let Some(place) = known_location(app, call, wanted.location.as_ref()).await? {
        offices.retain(|office| *office == place);
    }
    known_item(app, call, wanted.item.as_ref()).await?;
    let named = item_of(app, call, wanted.sku).await?;
    if named.is_some() && wanted.item.is_some() && named != wanted.item {
        offices.clear(); // no item is both
    }
    Ok((offices, wanted.item.or(named)))
}

/// The office of the location that a filter names.
pub(super) async fn known_location(
    app: &App,
    call: &Call,
    location: Option<&LocationCode>,
) -> Result<Option<OfficeHome>, OpError<Never>> {
    let Some(location) = location else {
        return Ok(None);
    };
    match app.places.find(call, location).await? {
        Some(place) => Ok(Some(place)),
        None => Err(Common::UnknownInFilter {
            parameter: "location",
            value: location.to_string(),
        }
        .into()),
    }
}

/// That the item that a filter names exists.
pub(super) async fn known_item(
    app: &App,
    call: &Call,
    item: Option<&ItemId>,
) -> Result<(), OpError<Never>> {
    let Some(item) = item.cloned() else {
        return Ok(());
    };
    let value = item.to_string();
    let spec = ReadSpec::reference("find_item", ReadWant::default(), None);
    let read = app
        .db
        .read(call, spec, async move |session: &Session| {
            items::facts(session, &[item.uuid()]).await
        })
        .await?;
    if read.value.is_empty() {
        return Err(Common::UnknownInFilter {
            parameter: "item",
            value,
        }
        .into());
    }
    Ok(())
}

/// The item with the SKU that a filter names.
async fn item_of(
    app: &App,
    call: &Call,
    sku: Option<String>,
) -> Result<Option<ItemId>, OpError<Never>> {
    let Some(sku) = sku else { return Ok(None) };
    let spec = ReadSpec::reference("find_item", ReadWant::default(), None);
    let wanted = sku.clone();
    let read = app
        .db
        .read(call, spec, async move |session: &Session| {
            items::with_sku(session, &wanted).await
        })
        .await?;
    match read.value {
        Some(id) => Ok(Some(ItemId::new(RegionTag::global(), id))),
        None => Err(Common::UnknownInFilter {
            parameter: "sku",
            value: sku,
        }
        .into()),
    }
}
