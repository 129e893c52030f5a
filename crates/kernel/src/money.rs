//! Amounts of money: whole minor units, never floating point.

/// The largest magnitude an amount or total may have: 2^53 − 1, what every JSON reader keeps exact.
pub const AMOUNT_MAX: i64 = (1 << 53) - 1;

/// An amount in the minor unit of a currency named beside it, within ±(2^53 − 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct AmountMinor(i64);

impl AmountMinor {
    /// `None` beyond ±(2^53 − 1).
    #[must_use]
    pub fn new(minor_units: i64) -> Option<Self> {
        (-AMOUNT_MAX..=AMOUNT_MAX)
            .contains(&minor_units)
            .then_some(Self(minor_units))
    }

    /// Whole minor units.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_what_json_keeps_exact() {
        assert_eq!(
            AmountMinor::new(AMOUNT_MAX).map(AmountMinor::get),
            Some(9_007_199_254_740_991)
        );
        assert_eq!(AmountMinor::new(AMOUNT_MAX + 1), None);
        assert_eq!(AmountMinor::new(-AMOUNT_MAX - 1), None);
        assert_eq!(AmountMinor::new(i64::MIN), None);
    }
}
