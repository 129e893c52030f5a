//! What levels, movements and reservations name, read in the snapshot that shows them.

use std::collections::BTreeSet;

use kernel::{
    Call, Expand, Inlined, LocationCode, RegionTag, SystemError, Timestamp,
    id::{EntryId, ItemId},
};
use platform_db::{Db, DbError, Read, ReadOver, ReadSpec, Session, offices::OfficeHome};

use super::read_stock::Page;

use crate::{
    catalogue,
    domain::{level::SeenLevel, movement::Movement, reservation::Reservation},
    locations,
};

/// What one resource names.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) item: ItemId,
    pub(crate) location: LocationCode,
    pub(crate) entry: Option<EntryId>,
}

/// How what is named is shown.
#[derive(Debug, Clone)]
pub(crate) struct Inline {
    pub(crate) expand: Expand,
    /// Of every region.
    pub(crate) regions: Vec<RegionTag>,
    /// Items with their prices at this time.
    pub(crate) now: Timestamp,
    /// Entries as they were then.
    pub(crate) until: Option<Timestamp>,
}

impl Inline {
    pub(crate) fn new(db: &Db, expand: Expand, now: Timestamp, until: Option<Timestamp>) -> Self {
        Self {
            expand,
            regions: db.regions().to_vec(),
            now,
            until,
        }
    }

    /// What the resources name and the caller wants to see; `None` where nothing is wanted.
    pub(crate) async fn read(
        &self,
        session: &Session,
        named: Vec<Named>,
    ) -> Result<Option<Inlined>, DbError> {
        if self.expand.is_empty() {
            return Ok(None);
        }
        let (mut items, mut codes, mut entries) = (Vec::new(), BTreeSet::new(), Vec::new());
        for named in named {
            items.push(named.item);
            codes.insert(named.location);
            entries.extend(named.entry);
        }
        let codes: Vec<LocationCode> = codes.into_iter().collect();
        let mut inlined = Inlined::default();
        if self.expand.wants("item") {
            inlined.put("item", catalogue::views(session, &items, self.now).await?);
        }
        if self.expand.wants("location") {
            inlined.put("location", locations::views(session, &codes).await?);
        }
        if self.expand.wants("journal_entry") {
            let views = accounting::journal::views(session, &self.regions, &entries, self.until);
            inlined.put("journal_entry", views.await?);
        }
        Ok(Some(inlined))
    }
}

/// A read of one resource, and of what it names in the same snapshot.
pub(crate) async fn read_one<T>(
    db: &Db,
    (call, spec): (&Call, ReadSpec),
    expand: &Expand,
    work: impl AsyncFn(&Session) -> Result<T, DbError>,
) -> Result<Read<T>, SystemError> {
    if expand.is_empty() {
        db.read(call, spec, work).await
    } else {
        db.read_snapshot(call, spec, work).await
    }
}

/// A read of a page over offices, and of what its resources name in the same snapshot.
pub(crate) async fn read_page<T>(
    db: &Db,
    (call, over): (&Call, ReadOver<OfficeHome>),
    expand: &Expand,
    work: impl AsyncFn(&Session, &[OfficeHome]) -> Result<(Vec<T>, Option<Inlined>), DbError>,
) -> Result<Page<T>, SystemError> {
    let read = if expand.is_empty() {
        db.read_page_over(call, over, work).await?
    } else {
        db.read_snapshot_over(call, over, work).await?
    };
    let (value, inlined) = read.value;
    let rows = Read {
        value,
        at: read.at,
        unreachable: read.unreachable,
    };
    Ok((rows, inlined))
}

impl From<&SeenLevel> for Named {
    fn from(seen: &SeenLevel) -> Self {
        Self {
            item: seen.stock.item.clone(),
            location: seen.stock.location.clone(),
            entry: None,
        }
    }
}

impl From<&Movement> for Named {
    fn from(movement: &Movement) -> Self {
        Self {
            item: movement.item.clone(),
            location: movement.location.clone(),
            entry: movement.journal_entry.clone(),
        }
    }
}

impl From<&Reservation> for Named {
    fn from(reservation: &Reservation) -> Self {
        Self {
            item: reservation.item.clone(),
            location: reservation.location.clone(),
            entry: None,
        }
    }
}
