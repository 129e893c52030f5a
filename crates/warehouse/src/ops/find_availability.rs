//! Which offices could give an item away now.

use std::{collections::BTreeMap, time::Duration};

use futures_util::try_join;
use kernel::{
    Call, OfficeCode, OpError, Quantity, ReadWant, RegionTag, SystemError,
    id::{ItemId, OrderLineId},
};
use platform_db::{
    Read, ReadOver, ReadSpec, Session,
    offices::{self, Office},
};
use topology::{Point, by_distance};
use uuid::Uuid;

use crate::{App, storage::availability};

/// How long the answer to a shortage waits for the office that could help (hard case 20).
const NEAREST_WAIT: Duration = Duration::from_millis(300);

/// An office that has enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Available {
    /// The office.
    pub office: OfficeCode,
    /// Its name.
    pub name: String,
    /// Of all its locations together.
    pub available: Quantity,
    /// Great-circle distance in whole kilometres.
    pub distance_km: u32,
    /// Its home.
    pub region: RegionTag,
}

/// No item has the SKU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no item has the SKU {sku}")]
pub(crate) struct UnknownSku {
    pub(crate) sku: String,
}

/// More was wanted of an item than a level could give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// The order's line that wants it, if it is one.
    pub line: Option<OrderLineId>,
    /// The item.
    pub item: ItemId,
    /// Its SKU.
    pub sku: String,
    /// How much was wanted.
    pub wanted: Quantity,
    /// How much of it can be had.
    pub available: Quantity,
    /// The nearest other office that has enough; `None` also when that could not be found out in time.
    pub nearest: Option<Available>,
}

/// Active offices with at least `quantity` of the item, nearest to `from` first.
pub(crate) async fn find_availability(
    app: &App,
    call: &Call,
    want: ReadWant,
    (sku, quantity): (String, Quantity),
    from: Point,
) -> Result<Read<Vec<Available>>, OpError<UnknownSku>> {
    let (regions, wanted) = (app.db.regions().to_vec(), sku.clone());
    let over = ReadOver::new("find_availability", want, None, regions);
    let read = app
        .db
        .read_over(
            call,
            over,
            async move |session: &Session, regions: &[RegionTag]| {
                try_join!(
                    availability::has_sku(session, &wanted),
                    availability::of_sku(session, regions, &wanted),
                    offices::active(session),
                )
            },
        )
        .await?;
    let (known, stock, offices) = read.value;
    if !known {
        return Err(OpError::Refused(UnknownSku { sku }));
    }
    Ok(Read {
        value: ranked(from, offices, stock.into_iter().collect(), quantity),
        at: read.at,
        unreachable: read.unreachable,
    })
}

/// Fills in who could help with each shortage at `office`: behind the rollback, by one read of 300 ms at most.
pub async fn find_nearest(
    app: &App,
    call: &Call,
    office: &OfficeCode,
    mut shortages: Vec<Shortage>,
) -> Vec<Shortage> {
    let spec = ReadSpec::several("find_nearest_stock", ReadWant::default());
    let regions = app.db.regions().to_vec();
    let items: Vec<Uuid> = shortages.iter().map(|line| line.item.uuid()).collect();
    // The answer is as fresh as the refusal is, not as this hint.
    let freshness = call.facts().freshness.clone();
    let read = app.db.read(call, spec, async move |session: &Session| {
        try_join!(
            availability::of_items(session, &regions, &items),
            offices::active(session),
        )
    });
    let read: Option<Result<_, SystemError>> = tokio::time::timeout(NEAREST_WAIT, read).await.ok();
    call.facts().freshness = freshness;
    let Some(Ok(read)) = read else {
        return shortages;
    };
    let (stock, mut others) = read.value;
    let Some(own) = others.iter().position(|other| other.code == *office) else {
        return shortages;
    };
    let own = others.swap_remove(own);
    let Ok(from) = Point::new(own.latitude, own.longitude) else {
        return shortages;
    };
    for line in &mut shortages {
        let has: BTreeMap<OfficeCode, Quantity> = stock
            .iter()
            .filter(|(item, _, _)| *item == line.item.uuid())
            .map(|(_, office, available)| (office.clone(), *available))
            .collect();
        let nearest = ranked(from, others.clone(), has, line.wanted);
        line.nearest = nearest.into_iter().next();
    }
    shortages
}

fn ranked(
    from: Point,
    offices: Vec<Office>,
    mut stock: BTreeMap<OfficeCode, Quantity>,
    wanted: Quantity,
) -> Vec<Available> {
    let places = offices.into_iter().filter_map(|office| {
        let available = stock.remove(&office.code).filter(|has| *has >= wanted)?;
        // Coordinates were checked when they were written; one that is not a place cannot be near anything.
        let point = Point::new(office.latitude, office.longitude).ok()?;
        Some((point, office, available))
    });
    by_distance(from, places, |(point, _, _)| *point)
        .into_iter()
        .map(|(distance_km, (_, office, available))| Available {
            office: office.code,
            name: office.name,
            available,
            distance_km,
            region: office.home_region,
        })
        .collect()
}
