//! Adds a customer to an office.

use kernel::{Common, Intent, Invalid, OfficeCode, OpError, Reply, Timestamp, id::CustomerId};
use platform_db::{
    Refusal, TxError, Txn,
    offices::{self, Office, OfficeStatus},
};

use super::{emit_customer, index_customer};
use crate::{
    App,
    domain::customer::{Customer, CustomerStatus, Email},
    storage::customers::{self, EMAIL_CONSTRAINT},
    views::customer::CustomerView,
};

/// What a customer is made from.
#[derive(Debug, Clone)]
pub(crate) struct CreateCustomer {
    pub(crate) office: OfficeCode,
    pub(crate) name: String,
    pub(crate) email: Option<Email>,
    pub(crate) phone: Option<String>,
    pub(crate) tax_id: Option<String>,
}

/// Why a customer is not made or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CustomerError {
    /// Another customer of the office has the e-mail.
    #[error("the e-mail is taken")]
    EmailTaken,
    /// Nothing is known of the person any more.
    #[error("the customer is anonymised")]
    Anonymised,
}

impl Refusal for CustomerError {
    fn from_constraint(name: &str) -> Option<Self> {
        (name == EMAIL_CONSTRAINT).then_some(Self::EmailTaken)
    }
}

impl CreateCustomer {
    /// The customer as it is made at `now`.
    pub(crate) fn into_customer(self, id: CustomerId, now: Timestamp) -> Customer {
        Customer {
            id,
            office: self.office,
            name: self.name,
            email: self.email,
            phone: self.phone,
            tax_id: self.tax_id,
            status: CustomerStatus::Active,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }
}

pub(crate) async fn create_customer(
    app: &App,
    intent: Intent,
    command: Result<CreateCustomer, Invalid>,
) -> Result<Reply, OpError<CustomerError>> {
    let call = intent.call.clone();
    let reply = app
        .db
        .write(intent, async move |txn| {
            let command = command.clone()?;
            let office = offices::get(txn, &command.office).await?;
            let office = check(txn, office.as_ref())?;
            let id = txn.new_id(&office.home_region);
            let customer = command.into_customer(id, txn.now());
            customers::insert(txn, &customer, txn.write_id()).await?;
            Ok::<_, TxError<_>>(created(txn, &customer))
        })
        .await?;
    Ok(super::read_customers::rendered(app, &call, reply).await?)
}

/// The office, if this write may add a customer to it.
pub(crate) fn check<'o>(txn: &Txn<'_>, office: Option<&'o Office>) -> Result<&'o Office, Common> {
    let refuse = |code, detail| Common::Invalid(Invalid::one("/office", code, detail));
    let office = office.ok_or_else(|| refuse("office_unknown", "does not exist"))?;
    if office.status == OfficeStatus::Closed {
        return Err(refuse("office_closed", "is closed"));
    }
    if !txn.intent().principal.offices.allow(&office.code) {
        return Err(Common::OfficeForbidden {
            office: office.code.clone(),
        });
    }
    Ok(office)
}

/// What a new customer leaves behind, and its answer.
pub(crate) fn created(txn: &Txn<'_>, customer: &Customer) -> Reply {
    txn.belongs_to(&customer.office);
    emit_customer(txn, "sales.customer.created", customer);
    index_customer(txn, customer);
    let view = CustomerView::from(customer);
    txn.audit(None, Some(view.masked()));
    view.reply(201)
}
