//! Amounts of money and quantities of goods: whole units, never floating point.
//!
//! Sums are checked: what leaves the bound is refused, never wrapped or cut. Shares are computed in 128 bits and
//! rounded half up.

/// The largest magnitude an amount, a total or a quantity may have: 2^53 − 1, what every JSON reader keeps exact.
pub const AMOUNT_MAX: i64 = (1 << 53) - 1;

/// A sum, a product or a level beyond ±(2^53 − 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is beyond 9007199254740991 (2^53 - 1)")]
pub struct OutOfRange;

/// An amount in the minor unit of a currency named beside it, within ±(2^53 − 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize)]
#[serde(transparent)]
pub struct AmountMinor(i64);

impl AmountMinor {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `None` beyond ±(2^53 − 1).
    #[must_use]
    pub fn new(minor_units: i64) -> Option<Self> {
        (-AMOUNT_MAX..=AMOUNT_MAX)
            .contains(&minor_units)
            .then_some(Self(minor_units))
    }

    /// From a sum made in 128 bits.
    ///
    /// # Errors
    /// [`OutOfRange`].
    pub fn from_wide(minor_units: i128) -> Result<Self, OutOfRange> {
        i64::try_from(minor_units)
            .ok()
            .and_then(Self::new)
            .ok_or(OutOfRange)
    }

    /// Whole minor units.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }

    /// The sum of two amounts of one currency.
    ///
    /// # Errors
    /// [`OutOfRange`].
    pub fn plus(self, other: Self) -> Result<Self, OutOfRange> {
        Self::from_wide(i128::from(self.0) + i128::from(other.0))
    }

    /// The difference of two amounts of one currency.
    ///
    /// # Errors
    /// [`OutOfRange`].
    pub fn minus(self, other: Self) -> Result<Self, OutOfRange> {
        Self::from_wide(i128::from(self.0) - i128::from(other.0))
    }

    /// The same amount on the other side.
    #[must_use]
    pub fn negated(self) -> Self {
        Self(-self.0)
    }

    /// A unit's amount, `quantity` times.
    ///
    /// # Errors
    /// [`OutOfRange`].
    pub fn times(self, quantity: Quantity) -> Result<Self, OutOfRange> {
        Self::from_wide(i128::from(self.0) * i128::from(quantity.0))
    }

    /// `self × part ÷ whole`, rounded half up to the minor unit; nothing where `whole` is nothing. For amounts that
    /// are not negative.
    ///
    /// # Errors
    /// [`OutOfRange`], where `part` is many times `whole`.
    pub fn share(self, part: Quantity, whole: Quantity) -> Result<Self, OutOfRange> {
        if whole.0 == 0 {
            return Ok(Self::ZERO);
        }
        let (value, part, whole) = (i128::from(self.0), i128::from(part.0), i128::from(whole.0));
        Self::from_wide((2 * value * part + whole).div_euclid(2 * whole))
    }
}

/// An amount of more than nothing: what a posting moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct PositiveAmount(i64);

impl PositiveAmount {
    /// `None` below 1 and beyond 2^53 − 1.
    #[must_use]
    pub fn new(minor_units: i64) -> Option<Self> {
        (1..=AMOUNT_MAX)
            .contains(&minor_units)
            .then_some(Self(minor_units))
    }

    /// `None` for nothing and for less.
    #[must_use]
    pub fn of(amount: AmountMinor) -> Option<Self> {
        Self::new(amount.0)
    }

    /// Whole minor units.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }
}

impl From<PositiveAmount> for AmountMinor {
    fn from(amount: PositiveAmount) -> Self {
        Self(amount.0)
    }
}

/// A quantity in an item's base unit: 0 to 2^53 − 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize)]
#[serde(transparent)]
pub struct Quantity(i64);

impl Quantity {
    /// None at all.
    pub const ZERO: Self = Self(0);
    /// One unit.
    pub const ONE: Self = Self(1);

    /// `None` below 0 and beyond 2^53 − 1.
    #[must_use]
    pub fn new(units: i64) -> Option<Self> {
        (0..=AMOUNT_MAX).contains(&units).then_some(Self(units))
    }

    /// Whole units.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum.
    ///
    /// # Errors
    /// [`OutOfRange`].
    pub fn plus(self, other: Self) -> Result<Self, OutOfRange> {
        Self::new(self.0 + other.0).ok_or(OutOfRange)
    }

    /// What is left; `None` if there are not so many.
    #[must_use]
    pub fn minus(self, other: Self) -> Option<Self> {
        Self::new(self.0 - other.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn amount(minor_units: i64) -> AmountMinor {
        AmountMinor::new(minor_units).unwrap()
    }

    fn quantity(units: i64) -> Quantity {
        Quantity::new(units).unwrap()
    }

    proptest! {
        /// Taking shares of what is left, down to the last unit, gives the whole: no cent stays behind.
        #[test]
        fn shares_of_what_is_left_sum_to_the_whole(
            value in 0..=AMOUNT_MAX, parts in prop::collection::vec(1_i64..1000, 1..20),
        ) {
            let mut left = (amount(value), quantity(parts.iter().sum()));
            let mut taken = AmountMinor::ZERO;
            for part in parts {
                let share = left.0.share(quantity(part), left.1).unwrap();
                taken = taken.plus(share).unwrap();
                left = (left.0.minus(share).unwrap(), left.1.minus(quantity(part)).unwrap());
                prop_assert!(left.0 >= AmountMinor::ZERO);
            }
            prop_assert_eq!(taken, amount(value));
        }

        #[test]
        fn a_share_is_within_half_a_unit(value in 0..1_000_000_i64, part in 0..1000_i64, whole in 1..1000_i64) {
            let share = amount(value).share(quantity(part), quantity(whole)).unwrap().get();
            let twice_error = 2 * (share * whole - value * part);
            prop_assert!(-whole < twice_error && twice_error <= whole);
        }
    }

    #[test]
    fn the_bound_is_what_json_keeps_exact() {
        assert_eq!(
            AmountMinor::new(AMOUNT_MAX).map(AmountMinor::get),
            Some(9_007_199_254_740_991)
        );
        assert_eq!(AmountMinor::new(AMOUNT_MAX + 1), None);
        assert_eq!(AmountMinor::new(-AMOUNT_MAX - 1), None);
        assert_eq!(AmountMinor::new(i64::MIN), None);
        assert_eq!(Quantity::new(-1), None);
        assert_eq!(PositiveAmount::new(0), None);
    }

    #[test]
    fn hard_case_26_nothing_wraps() {
        let most = amount(AMOUNT_MAX);
        assert_eq!(most.plus(amount(1)), Err(OutOfRange));
        assert_eq!(most.negated().minus(amount(1)), Err(OutOfRange));
        assert_eq!(most.times(quantity(AMOUNT_MAX)), Err(OutOfRange));
        assert_eq!(quantity(AMOUNT_MAX).plus(Quantity::ONE), Err(OutOfRange));
        assert_eq!(
            most.share(quantity(AMOUNT_MAX), quantity(AMOUNT_MAX)),
            Ok(most)
        );
    }

    #[test]
    fn halves_are_rounded_up() {
        let share = |value, part, whole| {
            amount(value)
                .share(quantity(part), quantity(whole))
                .unwrap()
                .get()
        };
        assert_eq!(
            (
                share(1, 1, 2),
                share(3, 1, 2),
                share(1, 1, 3),
                share(2, 1, 3)
            ),
            (1, 2, 0, 1)
        );
    }
}
