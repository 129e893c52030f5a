//! What the tables of an order's shipments, returns and payments have in common.

use std::collections::BTreeMap;

use kernel::{
    AmountMinor, Id, Kind, PageRequest, Quantity, RegionTag, Timestamp,
    id::{EntryId, ItemId, OrderId, OrderLineId},
};
use platform_db::{DbError, Row, Session};
use uuid::Uuid;

use crate::domain::{
    delivery::{Delivery, Units},
    line::Worth,
};

/// Which documents of an order a list shows.
#[derive(Debug, Clone)]
pub(crate) struct DocumentFilter {
    /// Its region is that in which it was found.
    pub(crate) order: OrderId,
    /// Made at this time or later.
    pub(crate) created_from: Option<Timestamp>,
    /// Made at this time or earlier.
    pub(crate) created_to: Option<Timestamp>,
}

/// The rows of a page of what belongs to one order.
pub(super) async fn page_of_order(
    session: &Session,
    sql: &'static str,
    filter: &DocumentFilter,
    page: &PageRequest,
) -> Result<Vec<Row>, DbError> {
    let (from, to) = page.created(filter.created_from, filter.created_to);
    let (time, id) = page.start();
    // An id that is none comes from a cursor that we did not make; behind it lies what lies behind its time.
    let id = id.parse().unwrap_or(Uuid::nil());
    session
        .rows(
            sql,
            &[
                filter.order.region(),
                &filter.order.uuid(),
                &from,
                &to,
                &time,
                &id,
                &page.fetch(),
            ],
        )
        .await
}

/// What rows of shipments or returns have in common. Lines, by `sql` with their document in the column `document`, come
/// with it and never change, so that a second statement finds all of them.
pub(super) async fn deliveries<K: Kind, L>(
    session: &Session,
    (region, rows): (&RegionTag, &[Row]),
    (sql, document): (&'static str, &str),
    line: impl Fn(&Row) -> Result<L, DbError>,
) -> Result<Vec<Delivery<Id<K>, L>>, DbError> {
    let ids: Vec<Uuid> = rows
        .iter()
        .map(|row| row.get("id"))
        .collect::<Result<_, _>>()?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut lines: BTreeMap<Uuid, Vec<L>> = BTreeMap::new();
    for row in session.rows(sql, &[region, &ids]).await? {
        let of_document = lines.entry(row.get(document)?).or_default();
        of_document.push(line(&row)?);
    }
    rows.iter()
        .zip(ids)
        .map(|(row, id)| {
            Ok(Delivery {
                id: Id::new(region.clone(), id),
                office: row.get("office")?,
                order: OrderId::new(region.clone(), row.get("order_id")?),
                currency: row.get("currency")?,
                lines: lines.remove(&id).unwrap_or_default(),
                sum: worth_from(row)?,
                cost: row.get("cost_minor")?,
                journal_entries: entries_from(row, region)?,
                effective_date: row.get("effective_date")?,
                created_at: row.get("created_at")?,
                created_by: row.get("created_by")?,
            })
        })
        .collect()
}

fn worth_from(row: &Row) -> Result<Worth, DbError> {
    Ok(Worth {
        net: row.get("net_minor")?,
        tax: row.get("tax_minor")?,
    })
}

fn entries_from(row: &Row, region: &RegionTag) -> Result<Vec<EntryId>, DbError> {
    let entries: Vec<Uuid> = row.get("journal_entries")?;
    Ok(entries
        .into_iter()
        .map(|entry| EntryId::new(region.clone(), entry))
        .collect())
}

pub(super) fn uuids(entries: &[EntryId]) -> Vec<Uuid> {
    entries.iter().map(EntryId::uuid).collect()
}

pub(super) fn units_from(row: &Row, region: &RegionTag) -> Result<Units, DbError> {
    Ok(Units {
        line: OrderLineId::new(region.clone(), row.get("line")?),
        item: ItemId::new(RegionTag::global(), row.get("item")?),
        sku: row.get("sku")?,
        quantity: row.get("quantity")?,
        worth: worth_from(row)?,
        cost: row.get("cost_minor")?,
    })
}

/// Units as columns, for `unnest`.
#[derive(Default)]
pub(super) struct UnitColumns {
    pub(super) lines: Vec<Uuid>,
    pub(super) items: Vec<Uuid>,
    pub(super) quantities: Vec<Quantity>,
    pub(super) nets: Vec<AmountMinor>,
    pub(super) taxes: Vec<AmountMinor>,
    pub(super) costs: Vec<AmountMinor>,
}

impl UnitColumns {
    pub(super) fn of<'a>(units: impl Iterator<Item = &'a Units>) -> Self {
        let mut columns = Self::default();
        for units in units {
            columns.lines.push(units.line.uuid());
            columns.items.push(units.item.uuid());
            columns.quantities.push(units.quantity);
            columns.nets.push(units.worth.net);
            columns.taxes.push(units.worth.tax);
            columns.costs.push(units.cost);
        }
        columns
    }
}
