//! Adds an item to the catalogue.

use kernel::{
    AmountMinor, CountryCode, CurrencyCode, Intent, Invalid, OpError, RegionTag, Reply, Timestamp,
    id::ItemId,
};
use platform_db::{Refusal, TxError, Txn};

use super::{emit_item, index_item};
use crate::{
    App,
    domain::item::{Item, ItemStatus, Price, Unit},
    storage::items,
    views::{ItemView, json},
};

/// What an item is made from.
#[derive(Debug, Clone)]
pub(crate) struct CreateItem {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) country_of_origin: CountryCode,
    pub(crate) unit: Unit,
    pub(crate) barcode: Option<String>,
    /// Currencies and times differ pairwise; no time: from now on.
    pub(crate) prices: Vec<(CurrencyCode, AmountMinor, Option<Timestamp>)>,
}

/// Why an item is not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CreateItemError {
    /// Another item has the SKU.
    #[error("the SKU is taken")]
    SkuTaken,
}

impl Refusal for CreateItemError {
    fn from_constraint(name: &str) -> Option<Self> {
        (name == "items_sku_key").then_some(Self::SkuTaken)
    }
}

impl CreateItem {
    /// The item as it is made at `now`.
    pub(crate) fn into_item(self, id: ItemId, now: Timestamp) -> Item {
        let prices = self.prices.into_iter();
        let prices = prices.map(|(currency, amount, from)| Price {
            currency,
            amount,
            valid_from: from.unwrap_or(now),
        });
        let mut item = Item {
            id,
            sku: self.sku,
            name: self.name,
            description: self.description,
            country_of_origin: self.country_of_origin,
            unit: self.unit,
            barcode: self.barcode,
            status: ItemStatus::Active,
            prices: prices.collect(),
            version: 1,
            created_at: now,
            updated_at: now,
        };
        item.drop_past_prices(now);
        item
    }
}

/// What a new item leaves behind, and its answer.
pub(crate) fn created(txn: &Txn<'_>, item: &Item) -> Reply {
    emit_item(txn, "warehouse.item.created", item);
    index_item(txn, item);
    txn.audit(None, Some(json(&ItemView::from(item))));
    ItemView::reply(201, item)
}

pub(crate) async fn create_item(
    app: &App,
    intent: Intent,
    command: Result<CreateItem, Invalid>,
) -> Result<Reply, OpError<CreateItemError>> {
    let id = intent.new_id(RegionTag::global(), 0);
    app.db
        .write(intent, async move |txn| {
            let command = command.clone()?;
            let item = command.into_item(id.clone(), txn.now());
            items::insert(txn, &item).await?;
            Ok::<_, TxError<_>>(created(txn, &item))
        })
        .await
}
