use kernel::money::AMOUNT_MAX;
use proptest::prelude::*;

use super::*;

fn quantity(units: i64) -> Quantity {
    Quantity::new(units).unwrap()
}

fn amount(minor_units: i64) -> AmountMinor {
    AmountMinor::new(minor_units).unwrap()
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Receive(i64, i64),
    Find(i64, Option<i64>),
    Issue(i64),
    Reserve(i64),
    Release(i64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..40_i64, 0..1000_i64).prop_map(|(units, cost)| Step::Receive(units, cost)),
        (1..40_i64, prop::option::of(0..50_i64)).prop_map(|(units, cost)| Step::Find(units, cost)),
        (1..60_i64).prop_map(Step::Issue),
        (1..60_i64).prop_map(Step::Reserve),
        (1..60_i64).prop_map(Step::Release),
    ]
}

/// The same rules in plain numbers.
#[derive(Debug, Default, Clone, Copy)]
struct Model {
    on_hand: i64,
    reserved: i64,
    value: i64,
}

impl Model {
    fn share(&self, units: i64) -> i64 {
        (2 * self.value * units + self.on_hand) / (2 * self.on_hand)
    }

    /// What goes in and out; `None` for a step that is refused.
    fn step(&mut self, step: Step) -> Option<i64> {
        let before = *self;
        match step {
            Step::Receive(units, cost) => {
                self.on_hand += units;
                self.value += cost;
            }
            Step::Find(units, cost) => {
                self.value += match self.on_hand {
                    0 => units * cost.unwrap_or(0),
                    _ => self.share(units),
                };
                self.on_hand += units;
            }
            Step::Issue(units) if units <= self.on_hand - self.reserved => {
                self.value -= self.share(units);
                self.on_hand -= units;
            }
            Step::Reserve(units) if self.reserved + units <= self.on_hand => self.reserved += units,
            Step::Release(units) if units <= self.reserved => self.reserved -= units,
            Step::Issue(_) | Step::Reserve(_) | Step::Release(_) => return None,
        }
        Some(self.value - before.value)
    }
}

fn step(level: Level, step: Step) -> Option<(Level, i64)> {
    match step {
        Step::Receive(units, cost) => {
            let after = level.receive(quantity(units), amount(cost)).ok()?;
            Some((after, cost))
        }
        Step::Find(units, cost) => {
            let (after, worth) = level.find(quantity(units), cost.map(amount)).ok()?;
            Some((after, worth.get()))
        }
        Step::Issue(units) => {
            let (after, worth) = level.issue(quantity(units)).ok()?;
            Some((after, -worth.get()))
        }
        Step::Reserve(units) => Some((level.reserve(quantity(units)).ok()?, 0)),
        Step::Release(units) => Some((level.release(quantity(units)).ok()?, 0)),
    }
}

proptest! {
    /// Any steps: the level is what the model says, never less than nothing, and worth exactly what went in less what
    /// went out.
    #[test]
    fn a_level_follows_its_rules(steps in prop::collection::vec(any_step(), 1..60)) {
        let (mut level, mut model, mut balance) = (Level::EMPTY, Model::default(), 0);
        for one in steps {
            let (done, wanted) = (step(level, one), model.step(one));
            prop_assert_eq!(done.map(|(_, moved)| moved), wanted, "{:?} at {:?}", one, level);
            let Some((after, moved)) = done else { continue };
            level = after;
            balance += moved;
            prop_assert_eq!(
                (level.on_hand.get(), level.reserved.get(), level.value.get()),
                (model.on_hand, model.reserved, balance)
            );
            prop_assert_eq!(
                Level::restore(level.on_hand, level.reserved, level.incoming, level.value), Some(level)
            );
            prop_assert_eq!(level.available().get(), model.on_hand - model.reserved);
        }
        let all = level.release(level.reserved).unwrap();
        let (empty, worth) = all.issue(all.on_hand).unwrap();
        prop_assert_eq!((empty, worth), (Level::EMPTY, all.value));
    }

    /// Down to the last unit, in whatever parts: no cent stays behind.
    #[test]
    fn the_last_unit_takes_what_is_left(value in 0..=AMOUNT_MAX, parts in prop::collection::vec(1_i64..1000, 1..20)) {
        let mut level = Level::EMPTY.receive(quantity(parts.iter().sum()), amount(value)).unwrap();
        let mut out = 0;
        for part in parts {
            let (after, worth) = level.issue(quantity(part)).unwrap();
            out += worth.get();
            level = after;
        }
        prop_assert_eq!((level, out), (Level::EMPTY, value));
    }
}

#[test]
fn hard_case_26_a_level_never_leaves_its_bounds() {
    let full = Level::EMPTY
        .receive(quantity(1), amount(AMOUNT_MAX))
        .unwrap();
    assert_eq!(full.receive(quantity(1), amount(1)), Err(OutOfRange));
    assert_eq!(
        full.receive(quantity(AMOUNT_MAX), amount(0)),
        Err(OutOfRange)
    );
    assert_eq!(full.find(quantity(2), None), Err(OutOfRange));
    assert_eq!(
        Level::EMPTY.find(quantity(AMOUNT_MAX), Some(amount(2))),
        Err(OutOfRange)
    );
}

#[test]
fn goods_found_are_worth_as_much_as_those_there() {
    let level = Level::EMPTY.receive(quantity(3), amount(10)).unwrap();
    let worth = |found: Result<(Level, AmountMinor), OutOfRange>| found.unwrap().1.get();
    // 10 × 1 ÷ 3 = 3.33, 10 × 2 ÷ 3 = 6.67; a price that somebody thinks of does not count.
    assert_eq!(worth(level.find(quantity(1), Some(amount(99)))), 3);
    assert_eq!(worth(level.find(quantity(2), None)), 7);
    assert_eq!(worth(Level::EMPTY.find(quantity(2), Some(amount(99)))), 198);
    assert_eq!(worth(Level::EMPTY.find(quantity(2), None)), 0);
    assert_eq!(level.unit_cost().map(AmountMinor::get), Some(3));
    assert_eq!(Level::EMPTY.unit_cost(), None);
}

#[test]
fn what_is_put_aside_is_not_taken() {
    let level = Level::EMPTY.receive(quantity(3), amount(10)).unwrap();
    let level = level.reserve(quantity(2)).unwrap();
    assert_eq!(level.issue(quantity(2)), Err(NotEnough));
    assert_eq!(level.issue(quantity(1)).unwrap().1.get(), 3);
    assert_eq!(level.reserve(quantity(2)), Err(NotEnough));
    assert_eq!(level.release(quantity(3)), Err(NotEnough));
}

#[test]
fn a_level_is_named_by_its_place() {
    let eu1: RegionTag = "eu1".parse().unwrap();
    let item = ItemId::new(RegionTag::global(), derive_bits(&[b"an item"]));
    let id =
        |location: &str, item: &ItemId| level_id(eu1.clone(), &location.parse().unwrap(), item);
    assert_eq!(id("ber-main", &item), id("ber-main", &item));
    assert_ne!(id("ber-main", &item), id("ber-shop", &item));
    let other = ItemId::new(RegionTag::global(), derive_bits(&[b"another item"]));
    assert_ne!(id("ber-main", &item), id("ber-main", &other));
}
