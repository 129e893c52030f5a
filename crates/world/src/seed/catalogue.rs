//! The items of the demo company, and a catalogue of any size.

use kernel::{AmountMinor, CountryCode, CurrencyCode};
use warehouse::catalogue::NewItem;

use super::dice::Dice;

/// The catalogue of the demo that this grew from, prices in euros.
pub(super) fn demo_items() -> Vec<NewItem> {
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
pub(super) fn generate(seed: u64, n: u64) -> NewItem {
    let mut dice = Dice::at(seed ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
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
    fn every_word_of_the_lists_is_legal() {
        for country in COUNTRIES {
            country_code(country);
        }
        for currency in ["EUR", "USD", "JPY"] {
            price(currency, 1);
        }
    }
}
