//! Leaves nothing of a person: neither in the customer, nor in the stored answers of the writes that told it, nor
//! in what search knows. Its orders and their entries stay, and can be finished.

use futures_util::try_join;
use kernel::{Intent, Invalid, OpError, RegionTag, Reply, id::CustomerId};
use platform_db::{Never, TxError};

use super::{SEARCHED_AS, emit_customer, lock_customer};
use crate::{App, storage::customers, views::customer::CustomerView};

/// `home`: where the customer lives, `None` if there is no such customer.
pub(crate) async fn anonymise_customer(
    app: &App,
    mut intent: Intent,
    (id, home): (CustomerId, Option<RegionTag>),
    nothing: Result<(), Invalid>,
) -> Result<Reply, OpError<Never>> {
    intent.hot.push(format!("customer {id}"));
    app.db
        .write(intent, async move |txn| {
            nothing.clone()?;
            let before = lock_customer(txn, home.as_ref(), &id).await?;
            let after = before.anonymised(txn.now());
            if after.version != before.version {
                let text = id.to_string();
                let writes = customers::writes(txn, &id).await?;
                try_join!(
                    customers::anonymise(txn, &after),
                    txn.scrub(&writes),
                    txn.unindex(SEARCHED_AS, &text),
                )?;
                emit_customer(txn, "sales.customer.anonymised", &after);
            }
            txn.audit(
                Some(CustomerView::from(&before).masked()),
                Some(CustomerView::from(&after).masked()),
            );
            Ok::<_, TxError<_>>(Reply {
                status: 204,
                location: None,
                version: None,
                body: None,
                effect_ids: vec![id.to_string()],
            })
        })
        .await
}
