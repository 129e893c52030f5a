//! Changes what is known of a customer.

use kernel::{Intent, Invalid, OpError, RegionTag, Reply, id::CustomerId};
use platform_db::TxError;

use super::{create_customer::CustomerError, emit_customer, index_customer, lock_customer};
use crate::{
    App,
    domain::customer::{Anonymised, CustomerPatch},
    storage::customers,
    views::customer::CustomerView,
};

impl From<Anonymised> for CustomerError {
    fn from(_: Anonymised) -> Self {
        Self::Anonymised
    }
}

/// `home`: where the customer lives, `None` if there is no such customer.
pub(crate) async fn update_customer(
    app: &App,
    mut intent: Intent,
    (id, home): (CustomerId, Option<RegionTag>),
    patch: Result<CustomerPatch, Invalid>,
) -> Result<Reply, OpError<CustomerError>> {
    intent.hot.push(format!("customer {id}"));
    let call = intent.call.clone();
    let reply = app
        .db
        .write(intent, async move |txn| {
            let patch = patch.clone()?;
            let before = lock_customer(txn, home.as_ref(), &id).await?;
            let after = before
                .patched(patch, txn.now())
                .map_err(CustomerError::from)?;
            // Also where nothing changed: the answer shows the person, so that it must be known.
            customers::update(txn, &after, txn.write_id()).await?;
            if after.version != before.version {
                emit_customer(txn, "sales.customer.changed", &after);
                index_customer(txn, &after);
            }
            let view = CustomerView::from(&after);
            txn.audit(
                Some(CustomerView::from(&before).masked()),
                Some(view.masked()),
            );
            Ok::<_, TxError<_>>(view.reply(200))
        })
        .await?;
    Ok(super::read_customers::rendered(app, &call, reply).await?)
}
