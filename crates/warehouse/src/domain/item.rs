//! Items and their prices. Pure: `now` comes from outside.

use std::{fmt, str::FromStr};

use kernel::{AmountMinor, CountryCode, CurrencyCode, Timestamp, id::ItemId};

/// Prices, present and future, that one item may list: its answers stay far below the size of a stored reply.
pub(crate) const PRICES_MAX: usize = 250;

/// What the company buys and sells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) id: ItemId,
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) country_of_origin: CountryCode,
    pub(crate) unit: Unit,
    pub(crate) barcode: Option<String>,
    pub(crate) status: ItemStatus,
    /// The present and every future price, by currency and time.
    pub(crate) prices: Vec<Price>,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// A net price per unit from a moment on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Price {
    pub(crate) currency: CurrencyCode,
    pub(crate) amount: AmountMinor,
    pub(crate) valid_from: Timestamp,
}

/// What a change does to an item's members; `None` leaves a member as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ItemPatch {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) country_of_origin: Option<CountryCode>,
    /// `Some(None)` clears it.
    pub(crate) barcode: Option<Option<String>>,
    pub(crate) status: Option<ItemStatus>,
}

impl Item {
    /// The item with the patch applied at `now`; the same version if nothing is different.
    pub(crate) fn patched(&self, patch: ItemPatch, now: Timestamp) -> Self {
        let mut item = self.clone();
        if let Some(name) = patch.name {
            item.name = name;
        }
        if let Some(description) = patch.description {
            item.description = description;
        }
        if let Some(country) = patch.country_of_origin {
            item.country_of_origin = country;
        }
        if let Some(barcode) = patch.barcode {
            item.barcode = barcode;
        }
        if let Some(status) = patch.status {
            item.status = status;
        }
        if item != *self {
            item.touch(now);
        }
        item
    }

    /// The price in force at `time`.
    pub(crate) fn price_at(&self, currency: &CurrencyCode, time: Timestamp) -> Option<&Price> {
        self.prices
            .iter()
            .filter(|price| price.currency == *currency && price.valid_from <= time)
            .max_by_key(|price| price.valid_from)
    }

    /// The item with a price set from `valid_from` (default `now`) on, and the row to write;
    /// `None` if that price is in force, or planned, already.
    pub(crate) fn priced(
        &self,
        currency: &CurrencyCode,
        amount: AmountMinor,
        valid_from: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<(Self, Price)> {
        let standing = match valid_from {
            None => self.price_at(currency, now),
            Some(from) => self
                .prices
                .iter()
                .find(|price| price.currency == *currency && price.valid_from == from),
        };
        if standing.is_some_and(|price| price.amount == amount) {
            return None;
        }
        let price = Price {
            currency: currency.clone(),
            amount,
            valid_from: valid_from.unwrap_or(now),
        };
        let mut item = self.clone();
        item.prices
            .retain(|old| old.currency != price.currency || old.valid_from != price.valid_from);
        item.prices.push(price.clone());
        item.drop_past_prices(now);
        item.touch(now);
        Some((item, price))
    }

    /// Leaves the present and every future price, by currency and time.
    pub(crate) fn drop_past_prices(&mut self, now: Timestamp) {
        self.prices
            .sort_by(|a, b| (&a.currency, a.valid_from).cmp(&(&b.currency, b.valid_from)));
        let prices = std::mem::take(&mut self.prices);
        self.prices = prices
            .iter()
            .enumerate()
            .filter(|(index, price)| {
                let replaced = prices
                    .get(index + 1)
                    .is_some_and(|next| next.currency == price.currency && next.valid_from <= now);
                !replaced
            })
            .map(|(_, price)| price.clone())
            .collect();
    }

    /// Whether what is shown at `now` is what was shown when the version was written: a price that came into
    /// force since then changed the answer without a new version.
    pub(crate) fn is_as_written(&self, now: Timestamp) -> bool {
        !self
            .prices
            .iter()
            .any(|price| self.updated_at < price.valid_from && price.valid_from <= now)
    }

    /// Bytes that its texts and prices take in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        let texts = [&self.sku, &self.name, &self.description].map(String::len);
        let barcode = self.barcode.as_ref().map_or(0, String::len);
        let prices = self.prices.len() * size_of::<Price>();
        texts.iter().sum::<usize>() + barcode + prices
    }

    fn touch(&mut self, now: Timestamp) {
        self.version += 1;
        self.updated_at = now;
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($variant,)* }

        impl $name {
            /// As stored and shown.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(UnknownWord(&[$($text,)*])),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use words;

/// A text that is none of the words allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnknownWord(pub(crate) &'static [&'static str]);

impl std::error::Error for UnknownWord {}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must be one of {}", self.0.join(", "))
    }
}

words! {
    /// What one of an item is.
    Unit { Each "each", Gram "g", Millilitre "ml", Millimetre "mm", }
}

words! {
    /// Whether an item may still be stocked and sold.
    ItemStatus { Active "active", Archived "archived", }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::time::Duration;

    use kernel::RegionTag;

    use super::*;

    fn item(prices: Vec<Price>) -> Item {
        Item {
            id: ItemId::random(RegionTag::global()),
            sku: "LAMP-7".into(),
            name: "Lamp".into(),
            description: "A lamp.".into(),
            country_of_origin: "DE".parse().unwrap(),
            unit: Unit::Each,
            barcode: None,
            status: ItemStatus::Active,
            prices,
            version: 1,
            created_at: at(0),
            updated_at: at(0),
        }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_795_000_000_000).plus(Duration::from_secs(seconds))
    }

    fn eur(amount: i64, from: u64) -> Price {
        Price {
            currency: "EUR".parse().unwrap(),
            amount: AmountMinor::new(amount).unwrap(),
            valid_from: at(from),
        }
    }

    #[test]
    fn hard_case_41_the_present_and_every_future_price_are_listed() {
        let euro: CurrencyCode = "EUR".parse().unwrap();
        let amount = |minor| AmountMinor::new(minor).unwrap();
        let item = item(vec![eur(100, 0)]);
        let (item, _) = item
            .priced(&euro, amount(120), Some(at(60)), at(10))
            .unwrap();
        assert_eq!(item.prices, [eur(100, 0), eur(120, 60)]);
        let (item, row) = item.priced(&euro, amount(110), None, at(20)).unwrap();
        assert_eq!(row, eur(110, 20));
        assert_eq!(item.prices, [eur(110, 20), eur(120, 60)]);
        assert_eq!(item.version, 3);
    }

    #[test]
    fn hard_case_41_a_price_that_changes_nothing_keeps_the_version() {
        let euro: CurrencyCode = "EUR".parse().unwrap();
        let item = item(vec![eur(100, 0), eur(120, 60)]);
        let amount = |minor| AmountMinor::new(minor).unwrap();
        assert!(item.priced(&euro, amount(100), None, at(10)).is_none());
        assert!(
            item.priced(&euro, amount(120), Some(at(60)), at(10))
                .is_none()
        );
        assert!(item.priced(&euro, amount(120), None, at(10)).is_some());
        assert!(item.priced(&euro, amount(100), None, at(61)).is_some());
    }

    #[test]
    fn hard_case_19_an_answer_changes_by_itself_when_a_price_comes_into_force() {
        let item = item(vec![eur(100, 0), eur(120, 60)]);
        assert!(item.is_as_written(at(59)));
        assert!(!item.is_as_written(at(60)));
    }

    #[test]
    fn a_patch_that_changes_nothing_keeps_the_version() {
        let item = item(vec![]);
        let same = ItemPatch {
            name: Some("Lamp".into()),
            barcode: Some(None),
            ..Default::default()
        };
        assert_eq!(item.patched(same, at(9)), item);
        let other = item.patched(
            ItemPatch {
                barcode: Some(Some("4".into())),
                ..Default::default()
            },
            at(9),
        );
        assert_eq!((other.version, other.updated_at), (2, at(9)));
    }

    proptest! {
        /// Whatever prices are set in whatever order, at most one per currency is not in the future, it is the
        /// one in force, and the list is sorted.
        #[test]
        fn one_price_is_in_force(steps in prop::collection::vec((0_i64..5, prop::option::of(0_u64..50)), 1..20)) {
            let euro: CurrencyCode = "EUR".parse().unwrap();
            let mut item = item(vec![]);
            for (step, (amount, ahead)) in steps.into_iter().enumerate() {
                let now = at(step as u64 * 3);
                let from = ahead.map(|ahead| now.plus(Duration::from_secs(ahead)));
                item.drop_past_prices(now);
                let Some((next, price)) =
                    item.priced(&euro, AmountMinor::new(amount).unwrap(), from, now) else { continue };
                prop_assert_eq!(next.version, item.version + 1);
                prop_assert_eq!(next.price_at(&euro, price.valid_from), Some(&price));
                let present = next.prices.iter().filter(|price| price.valid_from <= now).count();
                prop_assert!(present <= 1);
                prop_assert!(next.prices.is_sorted_by_key(|price| price.valid_from));
                item = next;
            }
        }
    }
}
