//! Reads of the orders.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{
    Call, Common, Expand, Inlined, LocationCode, OfficeCode, OpError, PageRequest, Principal,
    ReadWant, RegionTag, SystemError, Timestamp,
    id::{CustomerId, ItemId, OrderId},
};
use platform_db::{DbError, Never, Read, ReadOver, ReadSpec, Session, offices::OfficeHome};
use uuid::Uuid;
use warehouse::{
    catalogue, locations,
    stock::{StockWanted, resolve},
};

use super::read_customers;
use crate::{
    App,
    domain::order::{Order, OrderStatus},
    storage::{
        customers,
        orders::{self, OrderFilter},
    },
    views::{customer::CustomerView, json},
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
    (id, expand): (OrderId, Expand),
) -> Result<(Order, Option<Inlined>), OpError<Never>> {
    let what = format!("order {id}");
    let spec = ReadSpec {
        operation: "get_order",
        want,
        home: app.hinted(&id),
        snapshot: None,
    };
    let (regions, now) = (app.db.regions().to_vec(), call.received_at());
    let is_plain = expand.is_empty();
    let work = async move |session: &Session| {
        let order = orders::get(session, &regions, &id).await?;
        let inlined = inlined(session, order.as_slice(), &expand, now).await?;
        Ok((order, inlined))
    };
    let read = if is_plain {
        app.db.read(call, spec, work).await?
    } else {
        app.db.read_snapshot(call, spec, work).await?
    };
    let (order, inlined) = read.value;
    Ok((order.ok_or(Common::NotFound { what })?, inlined))
}

/// The order, `None` if there is none.
pub(crate) async fn find(
    app: &App,
    call: &Call,
    (operation, want): (&'static str, ReadWant),
    id: OrderId,
) -> Result<Option<Order>, SystemError> {
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
    (page, expand): (PageRequest, Expand),
) -> Result<(Read<Vec<Order>>, Option<Inlined>), OpError<Never>> {
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
    let is_plain = expand.is_empty();
    let work = async move |session: &Session, offices: &[OfficeHome]| {
        let orders = orders::page(session, offices, &filter, &page).await?;
        let inlined = inlined(session, &orders, &expand, filter.now).await?;
        Ok((orders, inlined))
    };
    let read = if is_plain {
        app.db.read_page_over(call, over, work).await?
    } else {
        app.db.read_snapshot_over(call, over, work).await?
    };
    let (value, inlined) = read.value;
    let orders = Read {
        value,
        at: read.at,
        unreachable: read.unreachable,
    };
    Ok((orders, inlined))
}

/// What the orders name and the caller wants to see, as it is at `now`; `None` where nothing is wanted.
async fn inlined(
    session: &Session,
    orders: &[Order],
    expand: &Expand,
    now: Timestamp,
) -> Result<Option<Inlined>, DbError> {
    if expand.is_empty() {
        return Ok(None);
    }
    let mut inlined = Inlined::default();
    if expand.wants("customer") {
        let mut by_region: BTreeMap<&RegionTag, Vec<Uuid>> = BTreeMap::new();
        for order in orders {
            let ids = by_region.entry(order.customer.region()).or_default();
            ids.push(order.customer.uuid());
        }
        let mut found = BTreeMap::new();
        for (region, ids) in by_region {
            for customer in customers::find(session, region, &ids).await? {
                found.insert(
                    customer.id.to_string(),
                    json(&CustomerView::from(&customer)),
                );
            }
        }
        inlined.put("customer", found);
    }
    let lines = || orders.iter().flat_map(|order| &order.lines);
    if expand.wants("lines.item") {
        let items: BTreeMap<Uuid, ItemId> = lines()
            .map(|line| (line.item.uuid(), line.item.clone()))
            .collect();
        let items: Vec<ItemId> = items.into_values().collect();
        inlined.put("lines.item", catalogue::views(session, &items, now).await?);
    }
    if expand.wants("lines.location") {
        let codes: BTreeSet<LocationCode> = lines().map(|line| line.location.clone()).collect();
        let codes: Vec<LocationCode> = codes.into_iter().collect();
        inlined.put("lines.location", locations::views(session, &codes).await?);
    }
    Ok(Some(inlined))
}
