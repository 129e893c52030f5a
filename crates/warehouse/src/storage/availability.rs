//! What each office could give away now: `warehouse.stock_levels`, summed.

use kernel::{OfficeCode, Quantity, RegionTag};
use platform_db::{DbError, Session};
use uuid::Uuid;

/// Sums are cut at 2^53 − 1, which every reader keeps exact.
const OF_ITEMS: &str = "SELECT l.item, l.office, LEAST(sum(l.on_hand - l.reserved), 9007199254740991)::INT8 AS available \
    FROM warehouse.stock_levels AS l \
    WHERE l.region = ANY ($1) AND l.item = ANY ($2) AND l.on_hand > l.reserved GROUP BY l.item, l.office";
const OF_SKU: &str = "SELECT l.office, LEAST(sum(l.on_hand - l.reserved), 9007199254740991)::INT8 AS available \
    FROM warehouse.items AS i JOIN warehouse.stock_levels AS l ON l.item = i.id AND l.region = ANY ($1) \
    WHERE i.sku = $2 AND i.status = 'active' AND l.on_hand > l.reserved GROUP BY l.office";
const HAS_SKU: &str = "SELECT EXISTS (SELECT 1 FROM warehouse.items WHERE sku = $1) AS found";

pub(super) const STATEMENTS: &[&str] = &[OF_ITEMS, OF_SKU, HAS_SKU];

/// What of each item is neither sold nor held, by office; offices with none are left out.
pub(crate) async fn of_items(
    session: &Session,
    regions: &[RegionTag],
    items: &[Uuid],
) -> Result<Vec<(Uuid, OfficeCode, Quantity)>, DbError> {
    let rows = session.rows(OF_ITEMS, &[&regions, &items]).await?;
    rows.iter()
        .map(|row| Ok((row.get("item")?, row.get("office")?, row.get("available")?)))
        .collect()
}

/// What of the item is neither sold nor held, by office; offices with none are left out. Nothing of an archived item,
/// which takes no orders.
pub(crate) async fn of_sku(
    session: &Session,
    regions: &[RegionTag],
    sku: &str,
) -> Result<Vec<(OfficeCode, Quantity)>, DbError> {
    let rows = session.rows(OF_SKU, &[&regions, &sku]).await?;
    rows.iter()
        .map(|row| Ok((row.get("office")?, row.get("available")?)))
        .collect()
}

/// Whether there is an item with the SKU.
pub(crate) async fn has_sku(session: &Session, sku: &str) -> Result<bool, DbError> {
    session.row(HAS_SKU, &[&sku]).await?.get("found")
}
