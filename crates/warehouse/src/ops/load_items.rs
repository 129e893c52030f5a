//! Loads many items at once, through the same rules, events and receipts as single ones.

use std::collections::BTreeSet;

use kernel::{
    AmountMinor, CountryCode, CurrencyCode, IdempotencyKey, OpError, RegionTag, Reply, Scope,
    Timestamp,
    id::{ItemId, derive_bits},
    text::{self, NAME_MAX, REFERENCE_MAX, TEXT_MAX},
};
use platform_db::{Db, Never, TxError};

use super::{emit_item, index_item};
use crate::{
    domain::item::{Item, ItemStatus, Price, Unit},
    storage::items,
    views::json,
};

/// One transaction's worth: big enough to spend little on trips, small enough to retry.
pub const BATCH_ITEMS: usize = 1000;

/// An item to load. Loading it again finds it by its SKU and leaves it as it is.
#[derive(Debug, Clone)]
pub struct NewItem {
    /// Unique among all items; at most 128 characters.
    pub sku: String,
    /// At most 200 characters.
    pub name: String,
    /// At most 2000 characters.
    pub description: String,
    /// Where it is made.
    pub country_of_origin: CountryCode,
    /// Net prices per unit, from now on.
    pub prices: Vec<(CurrencyCode, AmountMinor)>,
}

/// Why items are not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// An item breaks a rule.
    #[error("item {sku}: {rule}")]
    Invalid {
        /// Its SKU.
        sku: String,
        /// The rule.
        rule: String,
    },
    /// The database could not.
    #[error("could not write the items")]
    Write(#[source] Box<OpError<Never>>),
}

/// Loads at most [`BATCH_ITEMS`] items, each made of one each, in one transaction, and answers how many were new.
/// `batch` names the load: the same items under the same name are loaded once, whatever happens to the answer, and
/// a repeat finds nothing new.
///
/// # Errors
/// [`LoadError`]; then none of the batch was loaded.
pub async fn load_items(
    db: &Db,
    batch: &IdempotencyKey,
    new: Vec<NewItem>,
) -> Result<u64, LoadError> {
    check(&new)?;
    let intent = db.worker_intent("seed", "load_items", Scope::WarehouseWrite, batch.clone());
    let call = intent.call.clone();
    let reply = db
        .write(intent, async move |txn| {
            let now = txn.now();
            let items = new.iter().map(|new| item(new, now)).collect();
            let inserted = items::insert_new(txn, items, now).await?;
            for item in &inserted {
                emit_item(txn, "warehouse.item.created", item);
                index_item(txn, item);
            }
            let loaded = inserted.len();
            txn.audit(None, Some(json(&serde_json::json!({ "loaded": loaded }))));
            Ok::<_, TxError<Never>>(Reply {
                status: 200,
                location: None,
                version: None,
                body: Some(loaded.to_string()),
                effect_ids: Vec::new(),
            })
        })
        .await
        .map_err(|error| LoadError::Write(Box::new(error)))?;
    if call.facts().replayed {
        return Ok(0);
    }
    Ok(reply.body.and_then(|count| count.parse().ok()).unwrap_or(0))
}

fn check(new: &[NewItem]) -> Result<(), LoadError> {
    let mut seen = BTreeSet::new();
    for item in new {
        let rule = [
            text::check(&item.sku, REFERENCE_MAX),
            text::check(&item.name, NAME_MAX),
            text::check(&item.description, TEXT_MAX),
        ]
        .into_iter()
        .find_map(|result| result.err().map(|error| error.to_string()));
        let rule = rule.or_else(|| {
            item.prices
                .iter()
                .any(|(_, amount)| amount.get() < 0)
                .then(|| "a price is negative".into())
        });
        let rule = rule.or_else(|| (!seen.insert(&item.sku)).then(|| "the SKU comes twice".into()));
        if let Some(rule) = rule {
            return Err(LoadError::Invalid {
                sku: item.sku.clone(),
                rule,
            });
        }
    }
    Ok(())
}

/// The id of an item that was loaded: one load in several batches names it by its SKU, not by the batch's key.
#[must_use]
pub fn loaded_id(sku: &str) -> ItemId {
    let id = derive_bits(&[b"loaded item", sku.as_bytes()]);
    ItemId::new(RegionTag::global(), id)
}

fn item(new: &NewItem, now: Timestamp) -> Item {
    let mut item = Item {
        id: loaded_id(&new.sku),
        sku: new.sku.clone(),
        name: new.name.clone(),
        description: new.description.clone(),
        country_of_origin: new.country_of_origin.clone(),
        unit: Unit::Each,
        barcode: None,
        status: ItemStatus::Active,
        prices: new
            .prices
            .iter()
            .map(|(currency, amount)| Price {
                currency: currency.clone(),
                amount: *amount,
                valid_from: now,
            })
            .collect(),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    item.drop_past_prices(now);
    item
}
