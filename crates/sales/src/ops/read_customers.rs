//! Reads of the customers.

use kernel::{
    Call, Common, OfficeCode, OpError, PageRequest, Principal, ReadWant, Reply, SystemError,
    Timestamp, id::CustomerId,
};
use platform_db::{Never, Read, ReadOver, ReadSpec, Session, offices::OfficeHome};

use crate::{
    App,
    domain::customer::{Customer, CustomerStatus, Email},
    storage::customers::{self, CustomerFilter},
    views::customer::CustomerView,
};

/// Which customers are wanted, as asked.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) offices: Option<Vec<OfficeCode>>,
    pub(crate) status: Option<CustomerStatus>,
    pub(crate) email: Option<Email>,
    pub(crate) created_from: Option<Timestamp>,
    pub(crate) created_to: Option<Timestamp>,
}

pub(crate) async fn get_customer(
    app: &App,
    call: &Call,
    want: ReadWant,
    id: CustomerId,
) -> Result<Customer, OpError<Never>> {
    let what = format!("customer {id}");
    let found = find(app, call, ("get_customer", want), id).await?;
    found.ok_or_else(|| Common::NotFound { what }.into())
}

pub(crate) async fn list_customers(
    app: &App,
    (call, principal, want): (&Call, &Principal, ReadWant),
    wanted: Wanted,
    page: PageRequest,
) -> Result<Read<Vec<Customer>>, OpError<Never>> {
    let offices = app.directory.shown(call, principal, wanted.offices).await?;
    let over = ReadOver::new("list_customers", want, page.snapshot, offices);
    let filter = CustomerFilter {
        status: wanted.status,
        email: wanted.email,
        created_from: wanted.created_from,
        created_to: wanted.created_to,
    };
    let read = app
        .db
        .read_page_over(
            call,
            over,
            async move |session: &Session, offices: &[OfficeHome]| {
                customers::page(session, offices, &filter, &page).await
            },
        )
        .await?;
    Ok(read)
}

/// Where a customer lives, `None` if there is no such customer: read ahead, to know whose write it is.
pub(crate) async fn find_home(
    app: &App,
    call: &Call,
    id: &CustomerId,
) -> Result<Option<OfficeHome>, SystemError> {
    let spec = ("find_customer", ReadWant::default());
    let found = find(app, call, spec, id.clone()).await?;
    Ok(found.map(|customer| OfficeHome {
        region: customer.id.region().clone(),
        office: customer.office,
    }))
}

/// A stored answer whose person was made anonymous has lost its body: it is rendered anew, from what the customer is now.
pub(crate) async fn rendered(app: &App, call: &Call, reply: Reply) -> Result<Reply, SystemError> {
    if reply.body.is_some() {
        return Ok(reply);
    }
    let Some(Ok(id)) = reply.effect_ids.first().map(|id| id.parse::<CustomerId>()) else {
        return Ok(reply);
    };
    let found = find(app, call, ("find_customer", ReadWant::default()), id).await?;
    Ok(Reply {
        body: found.map(|customer| CustomerView::from(&customer).text()),
        ..reply
    })
}

async fn find(
    app: &App,
    call: &Call,
    (operation, want): (&'static str, ReadWant),
    id: CustomerId,
) -> Result<Option<Customer>, SystemError> {
    let spec = ReadSpec {
        operation,
        want,
        home: app.hinted(&id),
        snapshot: None,
    };
    let regions = app.db.regions().to_vec();
    let read = app
        .db
        .read_row(call, spec, async move |session: &Session| {
            customers::get(session, &regions, &id).await
        })
        .await?;
    Ok(read.value)
}
