//! Reads of the orders.

use kernel::{
    Call, Common, LocationCode, OfficeCode, OpError, PageRequest, Principal, ReadWant, Timestamp,
    id::{CustomerId, ItemId, OrderId},
};
use platform_db::{Never, Read, ReadOver, ReadSpec, Session, offices::OfficeHome};
use warehouse::stock::{StockWanted, resolve};

use super::read_customers;
use crate::{
    App,
    domain::order::{Order, OrderStatus},
    storage::orders::{self, OrderFilter},
};

/// Which orders are wanted, as asked.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) offices: Option<Vec<OfficeCode>>,
    pub(crate) status: Option<OrderStatus>,
    pub(crate) customer: Option<CustomerId>,
    pub(crate) reference: Option<String>,
    pub(crate) item: Option<ItemId>,
    pub(crate) sku: Option<String>,
    pub(crate) location: Option<LocationCode>,
    pub(crate) created_from: Option<Timestamp>,
    pub(crate) created_to: Option<Timestamp>,
}

pub(crate) async fn get_order(
    app: &App,
    call: &Call,
    want: ReadWant,
    id: OrderId,
) -> Result<Order, OpError<Never>> {
    let what = format!("order {id}");
    let found = find(app, call, ("get_order", want), id).await?;
    found.ok_or_else(|| Common::NotFound { what }.into())
}

/// The order, `None` if there is none.
pub(crate) async fn find(
    app: &App,
    call: &Call,
    (operation, want): (&'static str, ReadWant),
    id: OrderId,
) -> Result<Option<Order>, kernel::SystemError> {
    let spec = ReadSpec {
        operation,
        want,
        home: app.hinted(&id),
        snapshot: None,
    };
    let regions = app.db.regions().to_vec();
    let read = app
        .db
        .read(call, spec, async move |session: &Session| {
            orders::get(session, &regions, &id).await
        })
        .await?;
    Ok(read.value)
}

pub(crate) async fn list_orders(
    app: &App,
    (call, principal, want): (&Call, &Principal, ReadWant),
    wanted: Wanted,
    page: PageRequest,
) -> Result<Read<Vec<Order>>, OpError<Never>> {
    let stock = StockWanted {
        offices: wanted.offices,
        location: wanted.location.clone(),
        item: wanted.item,
        sku: wanted.sku,
    };
    let (mut offices, item) = resolve(&app.warehouse, (call, principal), stock).await?;
    if let Some(customer) = &wanted.customer {
        let home = read_customers::find_home(app, call, customer).await?;
        let home = home.ok_or_else(|| Common::UnknownInFilter {
            parameter: "customer",
            value: customer.to_string(),
        })?;
        offices.retain(|office| *office == home);
    }
    let over = ReadOver::new("list_orders", want, page.snapshot, offices);
    let filter = OrderFilter {
        status: wanted.status,
        now: page.snapshot.unwrap_or(call.received_at()),
        customer: wanted.customer,
        reference: wanted.reference,
        item,
        location: wanted.location,
        created_from: wanted.created_from,
        created_to: wanted.created_to,
    };
    let read = app
        .db
        .read_page_over(
            call,
            over,
            async move |session: &Session, offices: &[OfficeHome]| {
                orders::page(session, offices, &filter, &page).await
            },
        )
        .await?;
    Ok(read)
}
