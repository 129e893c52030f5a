//! The stock of one item at one location. Pure: each step gives the level after it, or why there is none.
//!
//! Cost is a moving average: what comes in adds its cost, what goes out takes its share of the value, rounded half
//! up, and the last unit takes what is left, so that no cent stays behind.

use kernel::{
    AmountMinor, CurrencyCode, LocationCode, OfficeCode, Quantity, RegionTag, Timestamp,
    id::{ItemId, LevelId, derive_bits},
    money::OutOfRange,
};

/// How much there is and what it is worth: 0 ≤ reserved ≤ on hand; value ≥ 0; nothing on hand is worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Level {
    on_hand: Quantity,
    reserved: Quantity,
    incoming: Quantity,
    value: AmountMinor,
}

/// Less is there than wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("less is there than wanted")]
pub(crate) struct NotEnough;

impl Level {
    /// Nothing of an item, worth nothing.
    pub(crate) const EMPTY: Self = Self {
        on_hand: Quantity::ZERO,
        reserved: Quantity::ZERO,
        incoming: Quantity::ZERO,
        value: AmountMinor::ZERO,
    };

    /// A level as stored; `None` if it is not one.
    pub(crate) fn restore(
        on_hand: Quantity,
        reserved: Quantity,
        incoming: Quantity,
        value: AmountMinor,
    ) -> Option<Self> {
        let sound = reserved <= on_hand
            && value >= AmountMinor::ZERO
            && !(on_hand.is_zero() && value > AmountMinor::ZERO);
        sound.then_some(Self {
            on_hand,
            reserved,
            incoming,
            value,
        })
    }

    /// What is there.
    pub(crate) fn on_hand(&self) -> Quantity {
        self.on_hand
    }

    /// What of it is put aside.
    pub(crate) fn reserved(&self) -> Quantity {
        self.reserved
    }

    /// What is on its way here.
    pub(crate) fn incoming(&self) -> Quantity {
        self.incoming
    }

    /// What it is worth, in minor units of the office's currency.
    pub(crate) fn value(&self) -> AmountMinor {
        self.value
    }

    /// What may still be put aside or taken.
    pub(crate) fn available(&self) -> Quantity {
        self.on_hand.minus(self.reserved).unwrap_or_default()
    }

    /// What one unit is worth, half-up; `None` with nothing on hand.
    pub(crate) fn unit_cost(&self) -> Option<AmountMinor> {
        unit_cost(self.value, self.on_hand)
    }

    /// With goods that cost `cost` together.
    pub(crate) fn receive(
        &self,
        quantity: Quantity,
        cost: AmountMinor,
    ) -> Result<Self, OutOfRange> {
        Ok(Self {
            on_hand: self.on_hand.plus(quantity)?,
            value: self.value.plus(cost)?,
            ..*self
        })
    }

    /// With goods found, and what they are worth: as much as what is there already; with nothing on hand at
    /// `unit_cost`, else nothing.
    pub(crate) fn find(
        &self,
        quantity: Quantity,
        unit_cost: Option<AmountMinor>,
    ) -> Result<(Self, AmountMinor), OutOfRange> {
        let worth = if self.on_hand.is_zero() {
            unit_cost.unwrap_or_default().times(quantity)?
        } else {
            self.value.share(quantity, self.on_hand)?
        };
        Ok((self.receive(quantity, worth)?, worth))
    }

    /// Without goods that nobody put aside, and what they were worth.
    pub(crate) fn issue(&self, quantity: Quantity) -> Result<(Self, AmountMinor), NotEnough> {
        if quantity > self.available() {
            return Err(NotEnough);
        }
        let on_hand = self.on_hand.minus(quantity).ok_or(NotEnough)?;
        // A share of a whole that holds it is never more than the whole.
        let worth = self
            .value
            .share(quantity, self.on_hand)
            .map_err(|_| NotEnough)?;
        let value = self.value.minus(worth).map_err(|_| NotEnough)?;
        let left = Self {
            on_hand,
            value,
            ..*self
        };
        Ok((left, worth))
    }

    /// With some of it put aside.
    pub(crate) fn reserve(&self, quantity: Quantity) -> Result<Self, NotEnough> {
        let reserved = self.reserved.plus(quantity).map_err(|_| NotEnough)?;
        if reserved > self.on_hand {
            return Err(NotEnough);
        }
        Ok(Self { reserved, ..*self })
    }

    /// With some of what was put aside given back.
    pub(crate) fn release(&self, quantity: Quantity) -> Result<Self, NotEnough> {
        let reserved = self.reserved.minus(quantity).ok_or(NotEnough)?;
        Ok(Self { reserved, ..*self })
    }
}

/// What one of so many units is worth, half-up; `None` of none.
pub(crate) fn unit_cost(value: AmountMinor, on_hand: Quantity) -> Option<AmountMinor> {
    if on_hand.is_zero() {
        return None;
    }
    // One unit's share of a whole is never more than the whole.
    value.share(Quantity::ONE, on_hand).ok()
}

/// The level of one item at one location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StockLevel {
    pub(crate) id: LevelId,
    pub(crate) office: OfficeCode,
    pub(crate) location: LocationCode,
    pub(crate) item: ItemId,
    pub(crate) sku: String,
    /// Of the office.
    pub(crate) currency: CurrencyCode,
    pub(crate) level: Level,
    /// 0: not stored yet.
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// What the movements of a level had summed to at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PastLevel {
    pub(crate) on_hand: Quantity,
    pub(crate) value: AmountMinor,
}

/// A level as a read saw it: as it is, or also as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenLevel {
    pub(crate) stock: StockLevel,
    pub(crate) past: Option<PastLevel>,
}

/// The id of the level of an item at a location: it derives from both, so that whoever knows them knows it.
pub(crate) fn level_id(region: RegionTag, location: &LocationCode, item: &ItemId) -> LevelId {
    let (location, item) = (location.as_str().as_bytes(), item.uuid());
    LevelId::new(region, derive_bits(&[b"level", location, item.as_bytes()]))
}

#[cfg(test)]
mod tests;
