//! What is told of movements and reservations to those who know what they were for.

use kernel::{
    RegionTag,
    id::{ItemId, MovementId, OrderLineId, ReservationId},
};
use platform_db::{DbError, Row, Session, offices::OfficeHome};
use uuid::Uuid;

use super::word;
use crate::{
    domain::{movement::MovementKind, reservation::ReservationStatus},
    reports::{HeldLine, MovementFact, ReservationFact},
};

const MOVEMENTS: &str = "
    SELECT id, location, item, delta, value_delta_minor, kind, recorded_at
    FROM warehouse.stock_movements
    WHERE region = $1 AND id = ANY ($2)
    ORDER BY recorded_at, id";

const RESERVATIONS: &str = "
    SELECT id, order_line, location, item, quantity, status, created_at, updated_at
    FROM warehouse.reservations
    WHERE region = $1 AND order_line = ANY ($2) AND order_line IS NOT NULL
    ORDER BY created_at, id";

const HELD: &str = "
    SELECT r.region, r.office, r.order_line, sum(r.quantity)::TEXT AS held
    FROM unnest($1::TEXT[], $2::TEXT[]) AS o (region, office)
    JOIN warehouse.reservations AS r ON r.region = o.region AND r.office = o.office
    WHERE r.status = 'active' AND r.order_line IS NOT NULL AND r.expires_at IS NULL
    GROUP BY r.region, r.office, r.order_line";

const SKUS: &str = "SELECT id, sku FROM warehouse.items WHERE id = ANY ($1)";

pub(super) const STATEMENTS: &[&str] = &[MOVEMENTS, RESERVATIONS, HELD, SKUS];

pub(crate) async fn movements(
    session: &Session,
    region: &RegionTag,
    ids: &[Uuid],
) -> Result<Vec<MovementFact>, DbError> {
    let rows = session.rows(MOVEMENTS, &[region, &ids]).await?;
    rows.iter()
        .map(|row| {
            Ok(MovementFact {
                id: MovementId::new(region.clone(), row.get("id")?),
                location: row.get("location")?,
                item: item(row)?,
                delta: row.get("delta")?,
                value_delta_minor: row.get("value_delta_minor")?,
                kind: word::<MovementKind>(row, "kind")?.as_str(),
                recorded_at: row.get("recorded_at")?,
            })
        })
        .collect()
}

pub(crate) async fn reservations(
    session: &Session,
    region: &RegionTag,
    lines: &[Uuid],
) -> Result<Vec<ReservationFact>, DbError> {
    let rows = session.rows(RESERVATIONS, &[region, &lines]).await?;
    rows.iter()
        .map(|row| {
            let status: ReservationStatus = word(row, "status")?;
            let is_over = status != ReservationStatus::Active;
            let updated_at = row.get("updated_at")?;
            Ok(ReservationFact {
                id: ReservationId::new(region.clone(), row.get("id")?),
                line: OrderLineId::new(region.clone(), row.get("order_line")?),
                location: row.get("location")?,
                item: item(row)?,
                quantity: row.get("quantity")?,
                created_at: row.get("created_at")?,
                ended: is_over.then_some((status.as_str(), updated_at)),
            })
        })
        .collect()
}

pub(crate) async fn held(
    session: &Session,
    offices: &[OfficeHome],
) -> Result<Vec<HeldLine>, DbError> {
    let (regions, codes) = OfficeHome::columns(offices);
    let rows = session.rows(HELD, &[&regions, &codes]).await?;
    rows.iter()
        .map(|row| {
            Ok(HeldLine {
                office: row.get("office")?,
                line: OrderLineId::new(row.get("region")?, row.get("order_line")?),
                held: super::reports::wide(row, "held")?,
            })
        })
        .collect()
}

pub(crate) async fn skus(
    session: &Session,
    items: &[ItemId],
) -> Result<Vec<(ItemId, String)>, DbError> {
    let items: Vec<Uuid> = items.iter().map(ItemId::uuid).collect();
    let rows = session.rows(SKUS, &[&items]).await?;
    rows.iter()
        .map(|row| {
            let id = ItemId::new(RegionTag::global(), row.get("id")?);
            Ok((id, row.get("sku")?))
        })
        .collect()
}

fn item(row: &Row) -> Result<ItemId, DbError> {
    Ok(ItemId::new(RegionTag::global(), row.get("item")?))
}
