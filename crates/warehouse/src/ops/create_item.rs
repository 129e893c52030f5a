//! Adds an item to the catalogue.

use kernel::{
    AmountMinor, CountryCode, CurrencyCode, Intent, Invalid, OpError, RegionTag, Reply, Timestamp,
};
use platform_db::{Refusal, TxError};

use super::emit_item;
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

pub(crate) async fn create_item(
    app: &App,
    intent: Intent,
    command: Result<CreateItem, Invalid>,
) -> Result<Reply, OpError<CreateItemError>> {
    let id = intent.new_id(RegionTag::global(), 0);
    app.db
        .write(intent, async move |txn| {
            let command = command.clone()?;
            let now = txn.now();
            let prices = command
                .prices
                .into_iter()
                .map(|(currency, amount, from)| Price {
                    currency,
                    amount,
                    valid_from: from.unwrap_or(now),
                });
            let mut item = Item {
                id: id.clone(),
                sku: command.sku,
                name: command.name,
                description: command.description,
                country_of_origin: command.country_of_origin,
                unit: command.unit,
                barcode: command.barcode,
                status: ItemStatus::Active,
                prices: prices.collect(),
                version: 1,
                created_at: now,
                updated_at: now,
            };
            item.drop_past_prices(now);
            items::insert(txn, &item).await?;
            emit_item(txn, "warehouse.item.created", &item);
            txn.audit(None, Some(json(&ItemView::from(&item))));
            Ok::<_, TxError<_>>(ItemView::reply(201, &item))
        })
        .await
}
