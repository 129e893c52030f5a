//! What was sold of each item.

use std::collections::BTreeMap;

use kernel::{Call, OpError, ReadWant, RegionTag, id::ItemId, money::OutOfRange};
use platform_db::{AsOf, Db, DbError, Read, ReadOver, Session, offices::OfficeHome};
use sales::reports::{SoldItem, Span};

use super::reports::ReportError;
use crate::views::sales_reports::{SoldItemLine, SoldItems};

/// Shipments less returns over effective dates, both included, per item and currency.
pub(crate) async fn get_sold_items(
    db: &Db,
    call: &Call,
    want: ReadWant,
    offices: Vec<OfficeHome>,
    (span, as_of): (Span, Option<AsOf>),
) -> Result<SoldItems, OpError<ReportError>> {
    let over = ReadOver::new("get_sold_items", want, None, offices);
    let read = db
        .read_snapshot_over(
            call,
            over,
            async move |session: &Session, offices: &[OfficeHome]| {
                let sold = sales::reports::sold_items(session, offices, span).await?;
                let items: Vec<ItemId> = sold.iter().map(|sold| sold.item.clone()).collect();
                let skus = warehouse::reports::skus(session, &items).await?;
                named(sold, skus)
            },
        )
        .await?;
    report(read, as_of.map(|as_of| as_of.is_final))
        .map_err(|OutOfRange| OpError::Refused(ReportError::OutOfRange))
}

/// What was sold, with the SKU beside it: what was sold is in the catalogue for ever.
fn named(
    sold: Vec<SoldItem>,
    skus: Vec<(ItemId, String)>,
) -> Result<Vec<(String, SoldItem)>, DbError> {
    let skus: BTreeMap<_, _> = skus
        .into_iter()
        .map(|(item, sku)| (item.uuid(), sku))
        .collect();
    let named = sold.into_iter().map(|sold| {
        let sku = skus.get(&sold.item.uuid()).ok_or(DbError::NoRow)?;
        Ok((sku.clone(), sold))
    });
    named.collect()
}

fn report(
    read: Read<Vec<(String, SoldItem)>>,
    is_final: Option<bool>,
) -> Result<SoldItems, OutOfRange> {
    let lines = read.value.into_iter();
    let lines = lines.map(|(sku, sold)| SoldItemLine::of(sku, sold));
    let mut data = lines.collect::<Result<Vec<_>, _>>()?;
    data.sort_by_cached_key(SoldItemLine::place);
    Ok(SoldItems {
        data,
        unreachable: read.unreachable.iter().map(RegionTag::resource).collect(),
        is_final,
    })
}
