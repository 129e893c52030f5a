//! `warehouse.stock_movements`: rows are only ever added.

use kernel::{AmountMinor, LocationCode, OfficeCode, RegionTag};
use kernel::{CurrencyCode, id::EntryId};
use platform_db::{DbError, Session};
use uuid::Uuid;

use crate::domain::{movement::Movement, movement::Reason};

const INSERT: &str = "INSERT INTO warehouse.stock_movements \
    (region, id, office, location, item, currency, delta, value_delta_minor, kind, reason, reference, journal_entry, \
     recorded_at, recorded_by) \
    SELECT $1::TEXT, n.id, $2::TEXT, n.location, n.item, $3::TEXT, n.delta, n.value_delta_minor, n.kind, n.reason, \
        n.reference, n.journal_entry, n.recorded_at, n.recorded_by \
    FROM unnest($4::UUID[], $5::TEXT[], $6::UUID[], $7::INT8[], $8::INT8[], $9::TEXT[], $10::TEXT[], $11::TEXT[], \
            $12::UUID[], $13::TIMESTAMPTZ[], $14::TEXT[]) \
        AS n (id, location, item, delta, value_delta_minor, kind, reason, reference, journal_entry, recorded_at, \
              recorded_by)";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[INSERT];

/// Adds movements of one office, whose levels and entries are there.
pub(crate) async fn insert(
    session: &Session,
    (region, office, currency): (&RegionTag, &OfficeCode, &CurrencyCode),
    new: &[Movement],
) -> Result<u64, DbError> {
    let ids: Vec<Uuid> = new.iter().map(|new| new.id.uuid()).collect();
    let locations: Vec<&LocationCode> = new.iter().map(|new| &new.location).collect();
    let items: Vec<Uuid> = new.iter().map(|new| new.item.uuid()).collect();
    let deltas: Vec<i64> = new.iter().map(|new| new.delta).collect();
    let values: Vec<AmountMinor> = new.iter().map(|new| new.value_delta).collect();
    let kinds: Vec<&str> = new.iter().map(|new| new.kind.as_str()).collect();
    let reasons: Vec<Option<&str>> = new
        .iter()
        .map(|new| new.reason.map(Reason::as_str))
        .collect();
    let references: Vec<Option<&str>> = new.iter().map(|new| new.reference.as_deref()).collect();
    let entries: Vec<Option<Uuid>> = new
        .iter()
        .map(|new| new.journal_entry.as_ref().map(EntryId::uuid))
        .collect();
    let times: Vec<_> = new.iter().map(|new| new.recorded_at).collect();
    let people: Vec<&str> = new.iter().map(|new| new.recorded_by.as_str()).collect();
    session
        .execute(
            INSERT,
            &[
                region,
                office,
                currency,
                &ids,
                &locations,
                &items,
                &deltas,
                &values,
                &kinds,
                &reasons,
                &references,
                &entries,
                &times,
                &people,
            ],
        )
        .await
}
