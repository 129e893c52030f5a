//! The levels of one office inside one transaction.
//!
//! ```text
//! let mut shelf = Shelf::lock(txn, &office, &places).await?;  // two statements, pipelined, however many places
//! … decide: `shelf.level(place)` and the pure steps of `domain::level` …
//! shelf.change(place, level, cause)?;                         // as often as wanted
//! let movement = shelf.record(txn, new)?;
//! shelf.save(txn).await?;                                     // two statements; one event per changed level
//! ```
//! Levels are locked by id in order, as everybody locks them; one that is not there yet is an empty one. Whoever
//! writes several documents in one transaction calls [`Shelf::settle`] behind each: a document is a write of its own,
//! with a version and an event per level that it changed.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::try_join;
use kernel::{
    AmountMinor, CurrencyCode, LocationCode, OfficeCode, Quantity, RegionTag,
    id::{EntryId, ItemId, LevelId, MovementId},
};
use platform_db::{DbError, Event, Txn, offices::Office};
use uuid::Uuid;

use crate::{
    domain::{
        item::ItemStatus,
        level::{Level, NotEnough, StockLevel, level_id},
        movement::{Movement, MovementKind, Reason},
    },
    storage::{corrupt, items, levels, movements},
    views::{
        json,
        level::{LevelChange, LevelView},
    },
};

/// Where stock of an item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The location.
    pub location: LocationCode,
    /// The item.
    pub item: ItemId,
}

impl Place {
    /// The id of its level.
    pub(crate) fn level_id(&self, region: &RegionTag) -> LevelId {
        level_id(region.clone(), &self.location, &self.item)
    }

    /// Its name among the hot rows of a write (hard case 7).
    pub(crate) fn hot_name(&self, region: &RegionTag) -> String {
        format!("level {}", self.level_id(region))
    }
}

/// What changed a level, as events say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Stock came or went.
    Moved(MovementKind),
    /// Stock was put aside.
    Reserved,
    /// What was put aside was let go.
    Released,
    /// The time of what was put aside was up.
    Expired,
}

impl Cause {
    fn as_str(self) -> &'static str {
        match self {
            Self::Moved(kind) => kind.as_str(),
            Self::Reserved => "reserved",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }
}

/// A movement to record.
#[derive(Debug, Clone)]
pub(crate) struct NewMovement {
    pub(crate) id: MovementId,
    pub(crate) place: Place,
    /// Not 0.
    pub(crate) delta: i64,
    pub(crate) value_delta: AmountMinor,
    pub(crate) kind: MovementKind,
    pub(crate) reason: Option<Reason>,
    pub(crate) reference: Option<String>,
    pub(crate) journal_entry: Option<EntryId>,
}

/// The levels of one office that a transaction has locked.
#[derive(Debug)]
pub(crate) struct Shelf {
    region: RegionTag,
    office: OfficeCode,
    currency: CurrencyCode,
    slots: BTreeMap<Uuid, Slot>,
    /// Levels changed since the last document was settled, and what for.
    changed: BTreeMap<Uuid, Cause>,
    /// Levels to write.
    dirty: BTreeSet<Uuid>,
    movements: Vec<Movement>,
}

#[derive(Debug)]
struct Slot {
    stock: StockLevel,
    status: ItemStatus,
}

impl Shelf {
    /// Locks the levels of these places, and observes when they last changed. Items that do not exist have none.
    pub(crate) async fn lock(
        txn: &Txn<'_>,
        office: &Office,
        places: &[Place],
    ) -> Result<Self, DbError> {
        let region = office.home_region.clone();
        let wanted: BTreeMap<Uuid, &Place> = places
            .iter()
            .map(|place| (place.level_id(&region).uuid(), place))
            .collect();
        let ids: Vec<Uuid> = wanted.keys().copied().collect();
        let items: BTreeSet<Uuid> = places.iter().map(|place| place.item.uuid()).collect();
        let items: Vec<Uuid> = items.into_iter().collect();
        let (found, items) =
            try_join!(levels::lock(txn, &region, &ids), items::facts(txn, &items),)?;
        for stock in &found {
            txn.observe(stock.updated_at);
        }
        let mut found: BTreeMap<Uuid, StockLevel> = found
            .into_iter()
            .map(|stock| (stock.id.uuid(), stock))
            .collect();
        let mut slots = BTreeMap::new();
        for (id, place) in wanted {
            let Some(facts) = items.get(&place.item.uuid()) else {
                continue;
            };
            let stock = found.remove(&id).unwrap_or_else(|| StockLevel {
                id: LevelId::new(region.clone(), id),
                office: office.code.clone(),
                location: place.location.clone(),
                item: place.item.clone(),
                sku: facts.sku.clone(),
                currency: office.currency.clone(),
                level: Level::EMPTY,
                version: 0,
                created_at: txn.now(),
                updated_at: txn.now(),
            });
            let status = facts.status;
            slots.insert(id, Slot { stock, status });
        }
        Ok(Self {
            region,
            office: office.code.clone(),
            currency: office.currency.clone(),
            slots,
            changed: BTreeMap::new(),
            dirty: BTreeSet::new(),
            movements: Vec::new(),
        })
    }

    /// Home region of the office.
    pub(crate) fn region(&self) -> &RegionTag {
        &self.region
    }

    /// The state of a place's item; `None` if there is no such item.
    pub(crate) fn item_status(&self, place: &Place) -> Option<ItemStatus> {
        self.slot(place).map(|slot| slot.status)
    }

    /// The SKU of a place's item.
    pub(crate) fn sku(&self, place: &Place) -> &str {
        self.slot(place).map_or("", |slot| slot.stock.sku.as_str())
    }

    /// The level of a place: as found, or as changed since; empty where none was locked.
    pub(crate) fn level(&self, place: &Place) -> &Level {
        self.slot(place)
            .map_or(&Level::EMPTY, |slot| &slot.stock.level)
    }

    fn slot(&self, place: &Place) -> Option<&Slot> {
        self.slots.get(&place.level_id(&self.region).uuid())
    }

    /// Puts a level in place of the one that was there. Of several changes the last names the cause.
    ///
    /// # Errors
    /// [`DbError`] where nothing was locked, or its item does not exist: a bug of the caller's.
    pub(crate) fn change(
        &mut self,
        place: &Place,
        level: Level,
        cause: Cause,
    ) -> Result<(), DbError> {
        let id = place.level_id(&self.region).uuid();
        let slot = self.slots.get_mut(&id).ok_or(DbError::NoRow)?;
        slot.stock.level = level;
        self.changed.insert(id, cause);
        Ok(())
    }

    /// Puts some of a level aside, of which the caller knows that it is available.
    ///
    /// # Errors
    /// As [`change`](Self::change), also where less is available.
    pub(crate) fn reserve(
        &mut self,
        place: &Place,
        quantity: Quantity,
        cause: Cause,
    ) -> Result<(), DbError> {
        let level = self.level(place).reserve(quantity).map_err(unsound)?;
        self.change(place, level, cause)
    }

    /// Gives back what one reservation had put aside.
    ///
    /// # Errors
    /// As [`change`](Self::change), also where less is put aside.
    pub(crate) fn release(
        &mut self,
        place: &Place,
        quantity: Quantity,
        cause: Cause,
    ) -> Result<(), DbError> {
        let level = self.level(place).release(quantity).map_err(unsound)?;
        self.change(place, level, cause)
    }

    /// Adds a movement, stamped with the transaction's time, and answers it.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub(crate) fn record(&mut self, txn: &Txn<'_>, new: NewMovement) -> Result<&Movement, DbError> {
        let slot = self.slot(&new.place).ok_or(DbError::NoRow)?;
        let movement = Movement {
            id: new.id,
            office: self.office.clone(),
            location: new.place.location,
            item: new.place.item,
            sku: slot.stock.sku.clone(),
            currency: self.currency.clone(),
            delta: new.delta,
            value_delta: new.value_delta,
            kind: new.kind,
            reason: new.reason,
            reference: new.reference,
            journal_entry: new.journal_entry,
            recorded_at: txn.now(),
            recorded_by: txn.intent().principal.subject.clone(),
        };
        self.movements.push(movement);
        self.movements.last().ok_or(DbError::NoRow)
    }

    /// Ends a document: each level that it changed has a new version and one event, which is the document's.
    pub(crate) fn settle(&mut self, txn: &Txn<'_>) {
        let now = txn.now();
        for (id, cause) in std::mem::take(&mut self.changed) {
            let Some(Slot { stock, .. }) = self.slots.get_mut(&id) else {
                continue;
            };
            stock.version += 1;
            stock.updated_at = now;
            if stock.version == 1 {
                stock.created_at = now;
            }
            self.dirty.insert(id);
            let change = LevelChange {
                level: LevelView::from(&*stock),
                cause: cause.as_str(),
            };
            txn.emit(Event {
                kind: "warehouse.stock.changed",
                subject: stock.id.to_string(),
                office: Some(stock.office.clone()),
                resource_version: stock.version,
                data: json(&change),
            });
        }
    }

    /// Settles what is left, and writes everything: levels, then movements, whose entries are written already.
    pub(crate) async fn save(mut self, txn: &Txn<'_>) -> Result<(), DbError> {
        self.settle(txn);
        let levels: Vec<&StockLevel> = self
            .dirty
            .iter()
            .filter_map(|id| self.slots.get(id).map(|slot| &slot.stock))
            .collect();
        let books = (&self.region, &self.office, &self.currency);
        if levels.is_empty() {
            return Ok(());
        }
        if self.movements.is_empty() {
            levels::upsert(txn, books, &levels).await?;
        } else {
            movements::insert(txn, books, &levels, &self.movements).await?;
        }
        Ok(())
    }
}

/// The rows say something that no write of ours makes.
pub(super) fn unsound(error: NotEnough) -> DbError {
    corrupt("reserved", error)
}
