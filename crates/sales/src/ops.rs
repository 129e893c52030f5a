//! One file per business operation: its command, what it can be refused for, its transaction.

pub(crate) mod anonymise_customer;
pub(crate) mod cancel_order;
pub(crate) mod confirm_order;
pub(crate) mod create_customer;
pub(crate) mod create_order;
pub(crate) mod documents;
pub(crate) mod expire_order;
pub(crate) mod import_customers;
pub(crate) mod import_orders;
pub(crate) mod load_sales;
pub(crate) mod new_lines;
pub(crate) mod order;
pub(crate) mod order_desk;
pub(crate) mod order_timeline;
pub(crate) mod read_customers;
pub(crate) mod read_documents;
pub(crate) mod read_orders;
pub(crate) mod record_payment;
pub(crate) mod return_goods;
pub(crate) mod ship_order;
pub(crate) mod update_customer;
pub(crate) mod update_order;

use kernel::{Common, RegionTag, id::CustomerId};
use platform_db::{Event, SearchEntry, TxError, Txn};

use crate::{
    domain::customer::{Customer, Email},
    storage::customers,
    views::customer::CustomerView,
};

/// The customer, locked: of an office that the token reaches, in the version that the request names.
async fn lock_customer<E>(
    txn: &Txn<'_>,
    home: Option<&RegionTag>,
    id: &CustomerId,
) -> Result<Customer, TxError<E>> {
    let found = match home {
        Some(home) => customers::lock(txn, home, id).await.map_err(TxError::Db)?,
        None => None,
    };
    let customer = found.ok_or_else(|| {
        TxError::Common(Common::NotFound {
            what: format!("customer {id}"),
        })
    })?;
    if !txn.intent().principal.offices.allow(&customer.office) {
        return Err(TxError::Common(Common::OfficeForbidden {
            office: customer.office,
        }));
    }
    txn.observe(customer.updated_at);
    let version = txn.intent().require_version(customer.version);
    version.map_err(TxError::Common)?;
    Ok(customer)
}

/// Emits what happened to a customer.
fn emit_customer(txn: &Txn<'_>, kind: &'static str, customer: &Customer) {
    txn.emit(Event {
        kind,
        subject: customer.id.to_string(),
        office: Some(customer.office.clone()),
        resource_version: customer.version,
        data: CustomerView::from(customer).impersonal(),
    });
}

/// What search knows a customer by.
const SEARCHED_AS: &str = "customer";

/// Makes a customer findable by name, e-mail and tax id.
fn index_customer(txn: &Txn<'_>, customer: &Customer) {
    let email = customer.email.as_ref().map(Email::key);
    txn.index(SearchEntry {
        kind: SEARCHED_AS,
        id: customer.id.to_string(),
        office: Some(customer.office.clone()),
        title: customer.name.clone(),
        exact: email.into_iter().chain(customer.tax_id.clone()).collect(),
    });
}
