//! Numbers that are the same on every machine.

/// splitmix64 (Steele, Lea, Flood 2014): a few lines that give the same numbers on every machine, for ever, which
/// no generator of a library promises.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// The same numbers for the same parts.
    pub(super) fn of(parts: &[u64]) -> Self {
        let mut dice = Self(0);
        for part in parts {
            dice.0 ^= part.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            dice.0 = dice.next();
        }
        dice
    }

    /// Begins at a state.
    pub(super) fn at(state: u64) -> Self {
        Self(state)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Less than `length`, and smaller numbers more often, as a few goods make most of the trade.
    pub(super) fn skewed(&mut self, length: usize) -> usize {
        let first = self.index(length);
        first.min(self.index(length))
    }

    /// Less than `length`, which is not 0.
    pub(super) fn index(&mut self, length: usize) -> usize {
        // below the length, so it always fits
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// From 1 to `max`.
    pub(super) fn up_to(&mut self, max: i64) -> i64 {
        1 + self.below(max.unsigned_abs().max(1)).cast_signed()
    }

    pub(super) fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.index(list.len())]
    }
}
