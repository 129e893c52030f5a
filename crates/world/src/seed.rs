//! A small company to look at, and a catalogue of any size, loaded through the rules of the warehouse.
//!
//! Loading twice loads once: batches have idempotency keys, and items are known by their SKU.

use kernel::{AmountMinor, CountryCode, CurrencyCode, IdempotencyKey};
use topology::Topology;
use warehouse::catalogue::{BATCH_ITEMS, LoadError, NewItem, load_items};

use crate::{
    progress::Progress,
    setup::{self, with_causes},
};

/// Why nothing, or not all, was loaded.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The database cannot be opened.
    #[error("{}", with_causes(.0))]
    Db(#[from] platform_db::DbError),
    /// Statistics could not be taken.
    #[error("{}", with_causes(.0))]
    Analyze(#[from] platform_db::MigrateError),
    /// Items were refused or could not be written.
    #[error("{}; what was loaded stays, so the same command goes on from there", with_causes(.0))]
    Load(#[from] LoadError),
}

/// What to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Catalogue {
    /// How many items to generate besides the demo company.
    pub items: u64,
    /// The same number gives the same items.
    pub seed: u64,
}

/// What was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Seeded {
    /// Items that were new.
    pub loaded: u64,
    /// Items that had been there.
    pub present: u64,
}

/// Loads the demo company; answers how many items were new.
pub(crate) async fn demo(app_url: &str, topology: &Topology) -> Result<u64, SeedError> {
    let db = setup::open(app_url, topology)?;
    Ok(load_items(&db, &key("demo"), demo_items()).await?)
}

/// Loads the demo company and the catalogue, and lets the database take new statistics.
///
/// # Errors
/// [`SeedError`].
pub async fn seed(
    owner_url: &str,
    topology: &Topology,
    catalogue: Catalogue,
    progress: &Progress,
) -> Result<Seeded, SeedError> {
    let db = setup::open(owner_url, topology)?;
    let mut loaded = load_items(&db, &key("demo"), demo_items()).await?;
    let total = catalogue.items;
    for (first, count) in batches(total) {
        let items = (first..first + count)
            .map(|n| generate(catalogue.seed, n))
            .collect();
        // Named by its size too, so that a larger catalogue loads what a smaller one left out of its last batch.
        let name = key(&format!("{}:{first}:{count}", catalogue.seed));
        loaded += load_items(&db, &name, items).await?;
        let done = first + count;
        if done % PROGRESS_EVERY == 0 || done == total {
            progress.step(&format!("{done} of {total} items"));
        }
    }
    platform_db::analyze(owner_url, &setup::systems()).await?;
    let all = total + demo_items().len() as u64;
    Ok(Seeded {
        loaded,
        present: all.saturating_sub(loaded),
    })
}

const PROGRESS_EVERY: u64 = 10_000;

/// First item and number of items of each transaction.
fn batches(items: u64) -> impl Iterator<Item = (u64, u64)> {
    let size = BATCH_ITEMS as u64;
    (0..items.div_ceil(size)).map(move |batch| {
        let first = batch * size;
        (first, size.min(items - first))
    })
}

#[expect(
    clippy::expect_used,
    reason = "every name is made here, of letters, digits and colons"
)]
fn key(name: &str) -> IdempotencyKey {
    format!("seed-load:{name}")
        .parse()
        .expect("a seed's name is a key")
}

/// The catalogue of the demo that this grew from, prices in euros.
fn demo_items() -> Vec<NewItem> {
    [
        ("item_1", "DE", 10_000),
        ("item_2", "FR", 5_000),
        ("item_3", "ES", 7_000),
    ]
    .map(|(sku, country, cents)| NewItem {
        sku: sku.into(),
        name: sku.into(),
        description: "From the demo company.".into(),
        country_of_origin: country_code(country),
        prices: vec![price("EUR", cents)],
    })
    .into()
}

/// The `n`-th item of the catalogue `seed`: nothing but these two numbers decides what it is.
fn generate(seed: u64, n: u64) -> NewItem {
    let mut dice = Dice(seed ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let (adjective, noun) = (dice.pick(ADJECTIVES), dice.pick(NOUNS));
    let cents = 100 + dice.below(99_900).cast_signed();
    // Prices elsewhere follow the euro's at fixed round rates: plausible, and no rate is anybody's claim.
    let mut prices = vec![price("EUR", cents)];
    if dice.below(2) == 0 {
        prices.push(price("USD", cents * 11 / 10));
    }
    if dice.below(4) == 0 {
        prices.push(price("JPY", cents * 16 / 10));
    }
    NewItem {
        sku: format!("GEN-{seed}-{n:07}"),
        name: format!("{adjective} {noun} {n}"),
        description: format!("{adjective} {noun} of the generated catalogue {seed}."),
        country_of_origin: country_code(dice.pick(COUNTRIES)),
        prices,
    }
}

#[expect(
    clippy::expect_used,
    reason = "the lists of this file, which a test reads whole"
)]
fn country_code(text: &str) -> CountryCode {
    text.parse().expect("a country of this file")
}

#[expect(
    clippy::expect_used,
    reason = "the lists of this file, which a test reads whole"
)]
fn price(currency: &str, minor: i64) -> (CurrencyCode, AmountMinor) {
    let currency = currency.parse().expect("a currency of this file");
    (currency, AmountMinor::new(minor).expect("a small amount"))
}

/// splitmix64 (Steele, Lea, Flood 2014): a few lines that give the same numbers on every machine, for ever, which
/// no generator of a library promises.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        let index = self.below(list.len() as u64);
        list[usize::try_from(index).unwrap_or(0)] // below the length, so it always fits
    }
}

const ADJECTIVES: &[&str] = &[
    "Brass", "Oak", "Linen", "Walnut", "Steel", "Glass", "Copper", "Woollen", "Cotton", "Marble",
    "Bamboo", "Leather", "Ceramic", "Enamel", "Folding", "Round", "Narrow", "Tall", "Striped",
    "Plain",
];

const NOUNS: &[&str] = &[
    "lamp",
    "table",
    "chair",
    "shelf",
    "mirror",
    "kettle",
    "basket",
    "blanket",
    "cushion",
    "clock",
    "vase",
    "tray",
    "stool",
    "bench",
    "curtain",
    "bowl",
    "candlestick",
    "cupboard",
    "rug",
    "frame",
];

const COUNTRIES: &[&str] = &[
    "DE", "FR", "ES", "PL", "IT", "PT", "SE", "DK", "NL", "CZ", "US", "MX", "BR", "IN", "VN", "TH",
    "JP", "KR", "ZA", "KE",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_demo_company_is_that_of_the_demo() {
        let items: Vec<_> = demo_items()
            .iter()
            .map(|item| {
                let (currency, amount) = &item.prices[0];
                (
                    item.sku.clone(),
                    item.country_of_origin.to_string(),
                    currency.to_string(),
                    amount.get(),
                )
            })
            .collect();
        let expected = [
            ("item_1", "DE", 10_000),
            ("item_2", "FR", 5_000),
            ("item_3", "ES", 7_000),
        ]
        .map(|(sku, country, cents)| (sku.to_owned(), country.to_owned(), "EUR".to_owned(), cents));
        assert_eq!(items, expected);
    }

    #[test]
    fn the_same_seed_gives_the_same_items_and_another_others() {
        let text = |seed, n| format!("{:?}", generate(seed, n));
        assert_eq!(text(7, 12_345), text(7, 12_345));
        assert_ne!(text(7, 12_345), text(8, 12_345));
        assert_eq!(generate(1, 0).sku, "GEN-1-0000000");
        let skus: BTreeSet<_> = (0..10_000).map(|n| generate(7, n).sku).collect();
        assert_eq!(skus.len(), 10_000);
        let names: BTreeSet<_> = (0..1_000).map(|n| generate(7, n).name).collect();
        assert!(names.len() > 300, "the catalogue is varied");
    }

    #[test]
    fn batches_cover_every_item_once() {
        for items in [0, 1, 999, 1000, 1001, 100_000] {
            let covered: Vec<_> = batches(items)
                .flat_map(|(first, count)| first..first + count)
                .collect();
            assert_eq!(covered, (0..items).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_word_of_the_lists_is_legal() {
        for country in COUNTRIES {
            country_code(country);
        }
        for currency in ["EUR", "USD", "JPY"] {
            price(currency, 1);
        }
        key(&format!("{}:{}:{}", u64::MAX, u64::MAX, u64::MAX));
    }
}
