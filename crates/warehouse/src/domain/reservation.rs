//! Reservations: stock put aside for somebody, for a while or until an order is done with it. Pure: `now` comes from
//! outside.

use std::str::FromStr;

use kernel::{
    LocationCode, OfficeCode, Quantity, Timestamp,
    id::{ItemId, OrderLineId, ReservationId},
};

use super::item::{UnknownWord, words};

/// Seconds that a hold lasts unless the request says otherwise.
pub(crate) const HOLD_SECONDS_DEFAULT: i64 = 15 * 60;
/// Seconds that a hold lasts at most.
pub(crate) const HOLD_SECONDS_MAX: i64 = 24 * 3600;

/// Some of a level's stock, put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reservation {
    pub(crate) id: ReservationId,
    pub(crate) office: OfficeCode,
    pub(crate) location: LocationCode,
    pub(crate) item: ItemId,
    pub(crate) sku: String,
    /// At least one.
    pub(crate) quantity: Quantity,
    /// The order's line that it is for; then only the order ends it.
    pub(crate) order_line: Option<OrderLineId>,
    /// As last written: a hold whose time is up stays `active` until somebody sweeps it.
    pub(crate) status: ReservationStatus,
    /// When a hold ends by itself; `None`: never.
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// Why a reservation cannot be released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotReleasable {
    /// It is over already.
    Ended(ReservationStatus),
    /// It belongs to an order's line, and only the order releases it.
    OfOrder(OrderLineId),
}

impl Reservation {
    /// What it is at `now`: its own time ends a hold, swept or not.
    pub(crate) fn status_at(&self, now: Timestamp) -> ReservationStatus {
        let over = self.expires_at.is_some_and(|end| end <= now);
        if over && self.status == ReservationStatus::Active {
            ReservationStatus::Expired
        } else {
            self.status
        }
    }

    /// Whether what is shown at `now` is what was written: a hold whose time came since then is shown as over
    /// without a new version (hard case 19).
    pub(crate) fn is_as_written(&self, now: Timestamp) -> bool {
        self.status_at(now) == self.status
    }

    /// The reservation let go at `now`.
    pub(crate) fn released(&self, now: Timestamp) -> Result<Self, NotReleasable> {
        match (self.status_at(now), &self.order_line) {
            (ReservationStatus::Active, None) => Ok(Self {
                status: ReservationStatus::Released,
                version: self.version + 1,
                updated_at: now,
                ..self.clone()
            }),
            (ReservationStatus::Active, Some(line)) => Err(NotReleasable::OfOrder(line.clone())),
            (
                ended @ (ReservationStatus::Consumed
                | ReservationStatus::Released
                | ReservationStatus::Expired),
                _,
            ) => Err(NotReleasable::Ended(ended)),
        }
    }
}

impl Reservation {
    /// What it still holds at `now`.
    pub(crate) fn holds_at(&self, now: Timestamp) -> Quantity {
        match self.status_at(now) {
            ReservationStatus::Active => self.quantity,
            ReservationStatus::Consumed
            | ReservationStatus::Released
            | ReservationStatus::Expired => Quantity::ZERO,
        }
    }

    /// With `quantity` less to hold: what is left stands, and where nothing is, it has `ended`. `None` if it holds
    /// less.
    pub(crate) fn without(&self, quantity: Quantity, ended: ReservationStatus) -> Option<Self> {
        let left = self.quantity.minus(quantity)?;
        let (status, quantity) = if left.is_zero() {
            (ended, self.quantity)
        } else {
            (self.status, left)
        };
        Some(Self {
            status,
            quantity,
            ..self.clone()
        })
    }
}

words! {
    /// Whether a reservation still holds its stock.
    ReservationStatus { Active "active", Consumed "consumed", Released "released", Expired "expired", }
}

#[cfg(test)]
mod tests {
    use kernel::RegionTag;
    use proptest::prelude::*;

    use super::*;

    fn hold(status: ReservationStatus, expires_at: Option<i64>, of_order: bool) -> Reservation {
        let eu1: RegionTag = "eu1".parse().unwrap();
        Reservation {
            id: ReservationId::random(eu1.clone()),
            office: "ber".parse().unwrap(),
            location: "ber-main".parse().unwrap(),
            item: ItemId::random(RegionTag::global()),
            sku: "LAMP-7".into(),
            quantity: Quantity::ONE,
            order_line: of_order.then(|| OrderLineId::random(eu1)),
            status,
            expires_at: expires_at.map(Timestamp::from_millis),
            version: 1,
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        }
    }

    fn any_status() -> impl Strategy<Value = ReservationStatus> {
        use ReservationStatus::{Active, Consumed, Expired, Released};
        prop::sample::select(vec![Active, Consumed, Released, Expired])
    }

    proptest! {
        /// Only a standing hold of nobody's order is released, once, and its version rises by one.
        #[test]
        fn a_hold_is_released_once_and_only_while_it_stands(
            status in any_status(), expires_at in prop::option::of(0_i64..100), now in 0_i64..100, of_order: bool,
        ) {
            let hold = hold(status, expires_at, of_order);
            let now = Timestamp::from_millis(now);
            let stands = status == ReservationStatus::Active && hold.expires_at.is_none_or(|end| now < end);
            prop_assert_eq!(hold.status_at(now) == ReservationStatus::Active, stands);
            match hold.released(now) {
                Ok(released) => {
                    prop_assert!(stands && !of_order);
                    prop_assert_eq!((released.status, released.version), (ReservationStatus::Released, 2));
                    prop_assert_eq!(released.released(now), Err(NotReleasable::Ended(ReservationStatus::Released)));
                }
                Err(NotReleasable::OfOrder(_)) => prop_assert!(stands && of_order),
                Err(NotReleasable::Ended(ended)) => {
                    prop_assert!(!stands);
                    prop_assert_eq!(ended, hold.status_at(now));
                }
            }
        }
    }

    #[test]
    fn hard_case_19_a_hold_is_not_as_written_from_its_end_on() {
        let hold = hold(ReservationStatus::Active, Some(10), false);
        for (now, as_written) in [(9, true), (10, false), (11, false)] {
            assert_eq!(
                hold.is_as_written(Timestamp::from_millis(now)),
                as_written,
                "{now}"
            );
        }
    }
}
