//! The stock of one order's lines inside one transaction: what is put aside for them, taken and brought back.
//!
//! Locks levels, then reservations; whoever calls has locked the order before. Steps are decided in memory, on what
//! is locked, and written together by [`OrderStock::save`].

use std::collections::{BTreeMap, BTreeSet};

use accounting::ledger::PostError;
use futures_util::try_join;
use kernel::{
    AmountMinor, OfficeCode, Quantity, Timestamp,
    id::{EntryId, Movement as MovementKindOfId, MovementId, OrderLineId},
};
use platform_db::{DbError, TxError, Txn, offices::Office};
use uuid::Uuid;

use super::{
    expire_holds::expire_due,
    find_availability::Shortage,
    shelf::{Cause, NewMovement, Place, Shelf, unsound},
};
use crate::{
    domain::{
        item::ItemStatus,
        level::NotEnough,
        movement::MovementKind,
        reservation::{Reservation, ReservationStatus},
    },
    storage::reservations,
};

/// What a line wants to be held for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// The line.
    pub line: OrderLineId,
    /// All that it wants, what it holds already included.
    pub quantity: Quantity,
    /// When the hold ends by itself; `None`: never.
    pub until: Option<Timestamp>,
}

/// Why nothing is put aside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReserved {
    /// Archived items take no new holds.
    #[error("items are archived")]
    Archived {
        /// Their SKUs.
        skus: Vec<String>,
    },
    /// Less is available than wanted.
    #[error("less is available than wanted")]
    Insufficient {
        /// The lines that cannot be had, in the order of the demands.
        lines: Vec<Shortage>,
    },
}

/// Goods taken off a level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The movement that took them.
    pub movement: MovementId,
    /// What they were worth.
    pub cost: AmountMinor,
}

/// What the movements of a transaction refer to; nothing where none moved.
#[derive(Debug, Clone, Copy, Default)]
pub struct Booked<'a> {
    /// The id of what moved them, a shipment or a return.
    pub reference: Option<&'a str>,
    /// The entry that posts what they were worth, if that was anything.
    pub journal_entry: Option<&'a EntryId>,
}

/// The levels and reservations of an order's lines, locked.
#[derive(Debug)]
pub struct OrderStock {
    office: OfficeCode,
    shelf: Shelf,
    places: BTreeMap<Uuid, Place>,
    /// What is put aside, by line: at most one each. Its time may be up.
    standing: BTreeMap<Uuid, Reservation>,
    /// Lines whose reservation is to be written.
    changed: BTreeSet<Uuid>,
    ended: Vec<Reservation>,
    /// Less what they refer to.
    moved: Vec<NewMovement>,
}

impl OrderStock {
    /// Locks the levels of these lines, then what is put aside for them, and observes when they last changed.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn lock(
        txn: &Txn<'_>,
        office: &Office,
        lines: &[(OrderLineId, Place)],
    ) -> Result<Self, DbError> {
        let places: Vec<Place> = lines.iter().map(|(_, place)| place.clone()).collect();
        let ids: Vec<Uuid> = lines.iter().map(|(line, _)| line.uuid()).collect();
        // Of two that are sent together the one that has to be prepared comes second; a deadlock is rerun.
        let (shelf, found) = try_join!(
            Shelf::lock(txn, office, &places),
            reservations::lock_of_lines(txn, &office.home_region, &ids),
        )?;
        let mut standing = BTreeMap::new();
        for reservation in found {
            txn.observe(reservation.updated_at);
            if let Some(line) = &reservation.order_line {
                standing.insert(line.uuid(), reservation);
            }
        }
        Ok(Self {
            office: office.code.clone(),
            shelf,
            places: ids.into_iter().zip(places).collect(),
            standing,
            changed: BTreeSet::new(),
            ended: Vec::new(),
            moved: Vec::new(),
        })
    }

    /// Puts aside what every line wants, or nothing at all. A hold that stands counts, and ends with its demand from
    /// now on; one whose time is up is over and made anew.
    ///
    /// # Errors
    /// [`NotReserved`], [`DbError`].
    pub async fn reserve<E: From<NotReserved>>(
        &mut self,
        txn: &Txn<'_>,
        demands: &[Demand],
    ) -> Result<(), TxError<E>> {
        let refuse = |refusal: NotReserved| TxError::Refused(refusal.into());
        let wanted = self.wanted(demands, txn.now())?;
        let skus = self.archived(&wanted);
        if !skus.is_empty() {
            return Err(refuse(NotReserved::Archived { skus }));
        }
        self.sweep_short(txn, &wanted).await?;
        let lines = self.shortages(&wanted);
        if !lines.is_empty() {
            return Err(refuse(NotReserved::Insufficient { lines }));
        }
        for want in wanted {
            self.put_aside(txn, want)?;
        }
        Ok(())
    }

    /// What each line still needs beside what it holds at `now`.
    fn wanted<'a>(&self, demands: &'a [Demand], now: Timestamp) -> Result<Vec<Want<'a>>, DbError> {
        demands
            .iter()
            .filter(|demand| !demand.quantity.is_zero())
            .map(|demand| {
                let place = self.place(&demand.line)?.clone();
                let holds = self.standing.get(&demand.line.uuid());
                let holds = holds.map_or(Quantity::ZERO, |hold| hold.holds_at(now));
                Ok(Want {
                    demand,
                    place,
                    holds,
                    more: demand.quantity.minus(holds).unwrap_or_default(),
                })
            })
            .collect()
    }

    fn archived(&self, wanted: &[Want<'_>]) -> Vec<String> {
        let archived: BTreeSet<&str> = wanted
            .iter()
            .filter(|want| !want.more.is_zero())
            .filter(|want| self.shelf.item_status(&want.place) == Some(ItemStatus::Archived))
            .map(|want| self.shelf.sku(&want.place))
            .collect();
        archived.into_iter().map(str::to_owned).collect()
    }

    /// Ends the holds whose time is up wherever too little is available, and where one of these lines' own is among
    /// them.
    async fn sweep_short(&mut self, txn: &Txn<'_>, wanted: &[Want<'_>]) -> Result<(), DbError> {
        let mut places: BTreeMap<Uuid, (&Place, i128, bool)> = BTreeMap::new();
        for want in wanted {
            let level = want.place.level_id(self.shelf.region()).uuid();
            let (_, sum, is_over) = places.entry(level).or_insert((&want.place, 0, false));
            *sum += i128::from(want.more.get());
            let has_hold = self.standing.contains_key(&want.demand.line.uuid());
            *is_over |= has_hold && want.holds.is_zero();
        }
        for (place, sum, is_over) in places.into_values() {
            let available = self.shelf.level(place).available();
            if is_over || sum > i128::from(available.get()) {
                self.sweep(txn, place).await?;
            }
        }
        Ok(())
    }

    /// Lines that cannot be had. Those before take what they want of their level, or what is left of it.
    fn shortages(&self, wanted: &[Want<'_>]) -> Vec<Shortage> {
        let mut left: BTreeMap<Uuid, Quantity> = BTreeMap::new();
        let mut short = Vec::new();
        for want in wanted {
            let level = want.place.level_id(self.shelf.region()).uuid();
            let left = left
                .entry(level)
                .or_insert_with(|| self.shelf.level(&want.place).available());
            if let Some(rest) = left.minus(want.more) {
                *left = rest;
                continue;
            }
            let rest = std::mem::take(left);
            short.push(Shortage {
                line: Some(want.demand.line.clone()),
                item: want.place.item.clone(),
                sku: self.shelf.sku(&want.place).to_owned(),
                wanted: want.demand.quantity,
                // Less than is wanted, hence in range.
                available: want.holds.plus(rest).unwrap_or(want.holds),
                nearest: None,
            });
        }
        short
    }

    /// Puts aside what is known to be available.
    fn put_aside(&mut self, txn: &Txn<'_>, want: Want<'_>) -> Result<(), DbError> {
        let Want {
            demand,
            place,
            more,
            ..
        } = want;
        let line = demand.line.uuid();
        if !more.is_zero() {
            self.shelf.reserve(&place, more, Cause::Reserved)?;
        }
        if let Some(hold) = self.standing.get_mut(&line) {
            if !more.is_zero() || hold.expires_at != demand.until {
                hold.quantity = hold.quantity.plus(more).map_err(|_| unsound(NotEnough))?;
                hold.expires_at = demand.until;
                self.changed.insert(line);
            }
            return Ok(());
        }
        let now = txn.now();
        let new = Reservation {
            id: txn.new_id(self.shelf.region()),
            office: self.office.clone(),
            sku: self.shelf.sku(&place).to_owned(),
            location: place.location,
            item: place.item,
            quantity: demand.quantity,
            order_line: Some(demand.line.clone()),
            status: ReservationStatus::Active,
            expires_at: demand.until,
            // Of no version until it is written.
            version: 0,
            created_at: now,
            updated_at: now,
        };
        self.standing.insert(line, new);
        self.changed.insert(line);
        Ok(())
    }

    /// Lets go of what is put aside for a line, `at_most` of it. A hold whose time is up is over as a whole.
    ///
    /// # Errors
    /// [`DbError`], also where the line was not locked: a bug of the caller's.
    pub async fn release(
        &mut self,
        txn: &Txn<'_>,
        line: &OrderLineId,
        at_most: Quantity,
    ) -> Result<(), DbError> {
        let place = self.place(line)?.clone();
        let Some(hold) = self.standing.get(&line.uuid()) else {
            return Ok(());
        };
        if hold.holds_at(txn.now()).is_zero() {
            return self.sweep(txn, &place).await;
        }
        let quantity = at_most.min(hold.quantity);
        if quantity.is_zero() {
            return Ok(());
        }
        self.shelf.release(&place, quantity, Cause::Released)?;
        self.take_from_hold(line, quantity, ReservationStatus::Released)
    }

    /// Ends the holds of a level whose time is up, whosever they are.
    async fn sweep(&mut self, txn: &Txn<'_>, place: &Place) -> Result<(), DbError> {
        let ended = expire_due(txn, &mut self.shelf, place).await?;
        self.standing.retain(|_, hold| !ended.contains(&hold.id));
        Ok(())
    }

    /// Takes goods that were put aside for a line: they leave the level at their share of its value.
    ///
    /// # Errors
    /// [`DbError`] where less is put aside for the line: a bug of the caller's.
    pub fn issue(
        &mut self,
        txn: &Txn<'_>,
        line: &OrderLineId,
        quantity: Quantity,
    ) -> Result<Issued, DbError> {
        let place = self.place(line)?.clone();
        self.take_from_hold(line, quantity, ReservationStatus::Consumed)?;
        let freed = self
            .shelf
            .level(&place)
            .release(quantity)
            .map_err(unsound)?;
        let (level, cost) = freed.issue(quantity).map_err(unsound)?;
        let kind = MovementKind::Issue;
        self.shelf.change(&place, level, Cause::Moved(kind))?;
        let delta = (-quantity.get(), cost.negated());
        let movement = self.moved(txn, place, kind, delta);
        Ok(Issued { movement, cost })
    }

    /// Brings goods of a line back, at what they had cost.
    ///
    /// # Errors
    /// [`PostError::OutOfRange`] where the level cannot hold them; [`DbError`].
    pub fn restock<E: From<PostError>>(
        &mut self,
        txn: &Txn<'_>,
        line: &OrderLineId,
        quantity: Quantity,
        cost: AmountMinor,
    ) -> Result<MovementId, TxError<E>> {
        let place = self.place(line)?.clone();
        let level = self.shelf.level(&place).receive(quantity, cost);
        let level = level.map_err(|_| TxError::Refused(PostError::OutOfRange.into()))?;
        let kind = MovementKind::Return;
        self.shelf.change(&place, level, Cause::Moved(kind))?;
        Ok(self.moved(txn, place, kind, (quantity.get(), cost)))
    }

    /// Ends the part of one order, where a transaction takes several: what it changed of the levels is its own write, with
    /// an event for each.
    pub fn settle(&mut self, txn: &Txn<'_>) {
        self.shelf.settle(txn);
    }

    /// Writes everything. The entry that the movements refer to is written already.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn save(mut self, txn: &Txn<'_>, booked: Booked<'_>) -> Result<(), DbError> {
        for mut movement in std::mem::take(&mut self.moved) {
            movement.reference = booked.reference.map(str::to_owned);
            movement.journal_entry = booked.journal_entry.cloned();
            self.shelf.record(txn, movement)?;
        }
        let now = txn.now();
        // Those that ended go first: a line has one that stands.
        let mut written = self.ended;
        let changed = self.changed.iter();
        written.extend(changed.filter_map(|line| self.standing.remove(line)));
        for reservation in &mut written {
            reservation.version += 1;
            reservation.updated_at = now;
        }
        let region = self.shelf.region().clone();
        if written.is_empty() {
            return self.shelf.save(txn).await;
        }
        // A level that something was put aside of is there.
        try_join!(
            reservations::upsert(txn, &region, &written),
            self.shelf.save(txn)
        )?;
        Ok(())
    }

    fn place(&self, line: &OrderLineId) -> Result<&Place, DbError> {
        self.places.get(&line.uuid()).ok_or(DbError::NoRow)
    }

    fn take_from_hold(
        &mut self,
        line: &OrderLineId,
        quantity: Quantity,
        ended: ReservationStatus,
    ) -> Result<(), DbError> {
        let line = line.uuid();
        let hold = self.standing.remove(&line);
        let hold = hold.and_then(|hold| hold.without(quantity, ended));
        let hold = hold.ok_or_else(|| unsound(NotEnough))?;
        if hold.status == ReservationStatus::Active {
            self.standing.insert(line, hold);
            self.changed.insert(line);
        } else {
            self.changed.remove(&line);
            self.ended.push(hold);
        }
        Ok(())
    }

    fn moved(
        &mut self,
        txn: &Txn<'_>,
        place: Place,
        kind: MovementKind,
        (delta, value_delta): (i64, AmountMinor),
    ) -> MovementId {
        let id = txn.new_id::<MovementKindOfId>(self.shelf.region());
        self.moved.push(NewMovement {
            id: id.clone(),
            place,
            delta,
            value_delta,
            kind,
            reason: None,
            reference: None,
            journal_entry: None,
        });
        id
    }
}

/// A demand beside what there is of it.
struct Want<'a> {
    demand: &'a Demand,
    place: Place,
    /// Held for the line and not over.
    holds: Quantity,
    /// What it needs beside.
    more: Quantity,
}
