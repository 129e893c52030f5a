//! The offices that stock is generated for: where it lies, and what it costs there.

use kernel::{CurrencyCode, LocationCode, id::ItemId};
use platform_db::offices::OfficeHome;
use topology::{Office, Topology};
use warehouse::catalogue::{NewItem, loaded_id};

/// A hundred euros in minor units of each currency, at fixed round rates: plausible, and no rate is anybody's claim.
const RATES: &[(&str, i64)] = &[
    ("AUD", 16_500),
    ("EUR", 10_000),
    ("JPY", 16_000),
    ("KES", 1_500_000),
    ("KWD", 33_000),
    ("MXN", 200_000),
    ("PLN", 43_000),
    ("SGD", 14_500),
    ("USD", 11_000),
];

/// What a unit costs, of a hundred parts of its price.
const COST_PERCENT: i64 = 60;

/// An item that is traded.
#[derive(Debug, Clone)]
pub(super) struct Good {
    pub(super) item: ItemId,
    /// What a unit usually costs, in euro cents.
    cents: i64,
}

impl Good {
    /// An item of the catalogue, whose first price is in euros.
    pub(super) fn of(item: &NewItem) -> Self {
        let price = item.prices.first().map_or(100, |(_, price)| price.get());
        Self {
            item: loaded_id(&item.sku),
            cents: (price * COST_PERCENT / 100).max(1),
        }
    }
}

/// An office, and where its goods lie.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) office: Office,
    /// Its first location, then its shop.
    pub(super) locations: Vec<LocationCode>,
}

impl Site {
    /// Every office of the region files.
    pub(super) fn all(topology: &Topology) -> Vec<Self> {
        let offices = topology.offices().iter();
        offices
            .map(|office| Self {
                office: office.clone(),
                locations: vec![office.default_location.clone(), shop(office)],
            })
            .collect()
    }

    /// Where the office's rows live.
    pub(super) fn home(&self) -> OfficeHome {
        OfficeHome {
            region: self.office.home_region.clone(),
            office: self.office.code.clone(),
        }
    }

    /// So many euros in minor units of the money of the place.
    pub(super) fn money(&self, euros: i64) -> i64 {
        euros * rate(&self.office.currency) / 100
    }

    /// What `quantity` of a good costs here, in minor units, at so many hundredths of what it usually costs.
    pub(super) fn cost(&self, good: &Good, quantity: i64, price_percent: i64) -> i64 {
        quantity * (good.cents * rate(&self.office.currency) * price_percent / 1_000_000).max(1)
    }
}

/// Minor units for a hundred euros.
fn rate(currency: &CurrencyCode) -> i64 {
    let known = RATES.iter().find(|(code, _)| *code == currency.as_str());
    known.map_or(10_000, |(_, rate)| *rate)
}

#[expect(
    clippy::expect_used,
    reason = "an office's code has at most 32 characters, and a test reads those of the region files"
)]
fn shop(office: &Office) -> LocationCode {
    let code: String = office.code.as_str().chars().take(27).collect();
    format!("{code}-shop").parse().expect("a location's code")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::catalogue::demo_items;

    #[test]
    fn every_office_of_the_region_files_has_a_shop_and_a_rate() {
        let topology = Topology::embedded();
        let sites = Site::all(&topology);
        assert_eq!(sites.len(), topology.offices().len());
        for site in sites {
            let currency = site.office.currency.as_str();
            assert!(
                RATES.iter().any(|(code, _)| *code == currency),
                "{currency}"
            );
            assert_eq!(
                site.locations[1].as_str(),
                format!("{}-shop", site.office.code)
            );
        }
    }

    #[test]
    fn goods_cost_what_they_cost_in_the_money_of_the_place() {
        let topology = Topology::embedded();
        let sites = Site::all(&topology);
        let at = |code: &str| {
            let site = sites.iter().find(|site| site.office.code.as_str() == code);
            site.unwrap()
        };
        // A lamp of 100 euros costs 60.
        let good = Good::of(&demo_items()[0]);
        assert_eq!(at("ber").cost(&good, 2, 100), 2 * 6000);
        assert_eq!(at("tyo").cost(&good, 1, 110), 9600 * 110 / 100);
        assert_eq!(at("kwi").cost(&good, 1, 100), 19_800);
        assert_eq!(at("ber").cost(&good, 1, 1), 60);
        assert_eq!((at("kwi").money(10), at("ber").money(10)), (3300, 1000));
        let cheap = Good { cents: 1, ..good };
        assert_eq!(at("ber").cost(&cheap, 3, 1), 3, "never for nothing");
    }
}
