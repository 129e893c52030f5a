//! Sets an item's price in one currency, from now or from a later moment on.

use kernel::{AmountMinor, CurrencyCode, Intent, Invalid, OpError, Reply, Timestamp, id::ItemId};
use platform_db::{Refusal, TxError};

use super::{emit_item, lock_item};
use crate::{
    App,
    domain::item::{ItemStatus, PRICES_MAX},
    storage::items,
    views::{ItemView, json},
};

/// A price, from a moment on; no moment: from now on.
#[derive(Debug, Clone)]
pub(crate) struct SetItemPrice {
    pub(crate) amount: AmountMinor,
    pub(crate) valid_from: Option<Timestamp>,
}

/// Why a price is not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SetItemPriceError {
    /// An archived item is not sold any more.
    #[error("the item is archived")]
    Archived,
}

impl Refusal for SetItemPriceError {}

pub(crate) async fn set_item_price(
    app: &App,
    mut intent: Intent,
    (id, currency): (ItemId, CurrencyCode),
    command: Result<SetItemPrice, Invalid>,
) -> Result<Reply, OpError<SetItemPriceError>> {
    intent.hot.push(format!("item {id}"));
    app.db
        .write(intent, async move |txn| {
            let command = command.clone()?;
            let item = lock_item(txn, &id).await?;
            if txn.intent().if_match.is_some() {
                txn.intent().require_version(item.version)?;
            }
            if item.status == ItemStatus::Archived {
                return Err(TxError::Refused(SetItemPriceError::Archived));
            }
            let before = json(&ItemView::from(&item));
            let item = match item.priced(&currency, command.amount, command.valid_from, txn.now()) {
                None => item,
                Some((changed, _)) if changed.prices.len() > PRICES_MAX => {
                    return Err(Invalid::one(
                        "/valid_from",
                        "too_many",
                        format!("an item lists at most {PRICES_MAX} prices"),
                    )
                    .into());
                }
                Some((changed, price)) => {
                    futures_util::try_join!(
                        items::set_price(txn, &id, &price),
                        items::update(txn, &changed)
                    )?;
                    emit_item(txn, "warehouse.item.changed", &changed);
                    changed
                }
            };
            txn.audit(Some(before), Some(json(&ItemView::from(&item))));
            Ok(ItemView::reply(200, &item))
        })
        .await
}
