//! What happened to the stock of an office: nothing but its numbers decides it, and no document takes what is not
//! there.

use super::dice::Dice;

/// Documents that take stock away, of a hundred; the others bring some.
const TAKING: u64 = 35;
/// Documents that find stock, of a hundred.
const FINDING: u64 = 5;
/// Of how many movements one is of the first day's stock.
const OPENING: u64 = 10;
/// Lines of a receipt at most.
const LINES_MAX: i64 = 4;
/// Units of a line at most.
const UNITS_MAX: i64 = 200;

/// One document: indexes of locations and goods of its office.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Document {
    /// Goods that were there when the books were begun.
    Opening { location: usize, lines: Vec<Line> },
    /// Goods that came.
    Receipt { location: usize, lines: Vec<Line> },
    /// Goods that were found or are gone; `delta` is not 0.
    Adjustment {
        location: usize,
        good: usize,
        delta: i64,
        reason: Reason,
    },
}

/// Goods that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) good: usize,
    /// At least 1.
    pub(super) quantity: i64,
    /// What a unit cost, in hundredths of what such goods usually cost.
    pub(super) price_percent: i64,
}

/// Why a quantity is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Damage,
    Theft,
    Count,
    Found,
}

impl Document {
    /// How many movements it makes.
    pub(super) fn movements(&self) -> u64 {
        match self {
            Self::Opening { lines, .. } | Self::Receipt { lines, .. } => lines.len() as u64,
            Self::Adjustment { .. } => 1,
        }
    }
}

/// The documents of one office, in their order.
#[derive(Debug)]
pub(super) struct History {
    dice: Dice,
    locations: usize,
    goods: usize,
    /// On hand, by location and good.
    on_hand: Vec<i64>,
    /// Places with something on hand, some of them several times, some of them empty again.
    filled: Vec<usize>,
    /// Movements to make, and made.
    total: u64,
    made: u64,
}

impl History {
    /// `total` movements over so many locations and goods, none of which is 0.
    pub(super) fn new(dice: Dice, (locations, goods): (usize, usize), total: u64) -> Self {
        Self {
            dice,
            locations,
            goods,
            on_hand: vec![0; locations * goods],
            filled: Vec::new(),
            total,
            made: 0,
        }
    }

    /// A place with something on hand; empty ones that are met are forgotten.
    fn stocked(&mut self) -> Option<usize> {
        while !self.filled.is_empty() {
            let index = self.dice.index(self.filled.len());
            let place = self.filled[index];
            if self.on_hand[place] > 0 {
                return Some(place);
            }
            self.filled.swap_remove(index);
        }
        None
    }

    fn adjustment(&mut self, place: usize, delta: i64, reason: Reason) -> Document {
        self.on_hand[place] += delta;
        Document::Adjustment {
            location: place / self.goods,
            good: place % self.goods,
            delta,
            reason,
        }
    }

    /// Different goods at one location.
    fn lines(&mut self, location: usize) -> Vec<Line> {
        let wanted = self.dice.up_to(LINES_MAX).unsigned_abs();
        let wanted = wanted.min(self.total - self.made);
        let mut lines: Vec<Line> = Vec::new();
        for _ in 0..wanted {
            let good = self.dice.skewed(self.goods);
            if lines.iter().any(|line| line.good == good) {
                continue;
            }
            let quantity = self.dice.up_to(UNITS_MAX);
            let place = location * self.goods + good;
            self.on_hand[place] += quantity;
            self.filled.push(place);
            lines.push(Line {
                good,
                quantity,
                price_percent: 90 + self.dice.up_to(20),
            });
        }
        lines
    }
}

impl Iterator for History {
    type Item = Document;

    fn next(&mut self) -> Option<Document> {
        if self.made >= self.total {
            return None;
        }
        let dice = self.dice.below(100);
        let opening = self.made < self.total.div_ceil(OPENING);
        let stocked = if opening || dice >= TAKING + FINDING {
            None
        } else {
            self.stocked()
        };
        let document = match stocked {
            Some(place) if dice < TAKING => {
                let taken = self.dice.up_to(self.on_hand[place].min(20));
                let reasons = [Reason::Damage, Reason::Theft, Reason::Count];
                let reason = reasons[self.dice.index(reasons.len())];
                self.adjustment(place, -taken, reason)
            }
            Some(place) => {
                let found = self.dice.up_to(5);
                self.adjustment(place, found, Reason::Found)
            }
            None => {
                let location = self.dice.skewed(self.locations);
                let lines = self.lines(location);
                if opening {
                    Document::Opening { location, lines }
                } else {
                    Document::Receipt { location, lines }
                }
            }
        };
        self.made += document.movements();
        Some(document)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn history(seed: u64, places: (usize, usize), total: u64) -> Vec<Document> {
        History::new(Dice::of(&[seed]), places, total).collect()
    }

    proptest! {
        #[test]
        fn no_document_takes_what_is_not_there(
            seed in any::<u64>(), locations in 1..3_usize, goods in 1..20_usize, total in 0..400_u64,
        ) {
            let mut on_hand = vec![0; locations * goods];
            let mut movements = 0;
            for document in history(seed, (locations, goods), total) {
                movements += document.movements();
                match document {
                    Document::Opening { location, lines } | Document::Receipt { location, lines } => {
                        prop_assert!(!lines.is_empty());
                        for line in &lines {
                            prop_assert!(line.quantity >= 1 && line.price_percent > 0);
                            let same = lines.iter().filter(|other| other.good == line.good);
                            prop_assert_eq!(same.count(), 1);
                            on_hand[location * goods + line.good] += line.quantity;
                        }
                    }
                    Document::Adjustment { location, good, delta, reason: _ } => {
                        let place = location * goods + good;
                        // Goods are found where there are some already: an empty level has no value to go by.
                        prop_assert!(delta != 0 && on_hand[place] > 0);
                        on_hand[place] += delta;
                        prop_assert!(on_hand[place] >= 0);
                    }
                }
            }
            prop_assert_eq!(movements, total);
        }
    }

    #[test]
    fn the_same_numbers_make_the_same_history_and_it_is_mixed() {
        assert_eq!(history(7, (2, 50), 1000), history(7, (2, 50), 1000));
        assert_ne!(history(7, (2, 50), 1000), history(8, (2, 50), 1000));
        let documents = history(7, (2, 50), 10_000);
        let share = |wanted: fn(&Document) -> bool| {
            let found = documents.iter().filter(|document| wanted(document));
            found.count() * 100 / documents.len()
        };
        assert!(share(|document| matches!(document, Document::Receipt { .. })) > 30);
        assert!(share(|document| matches!(document, Document::Adjustment { .. })) > 20);
        assert!(matches!(documents[0], Document::Opening { .. }));
    }
}
