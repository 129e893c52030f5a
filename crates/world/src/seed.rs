//! A small company to look at, and a catalogue of any size, loaded through the rules of the warehouse.
//!
//! Loading twice loads once: batches have idempotency keys, and items are known by their SKU.

mod catalogue;
mod company;
mod dice;
mod history;
mod sales;
mod stock;

use std::{sync::Arc, time::Instant};

use ::sales::loading::LoadSalesError;
use accounting::journal::LoadEntryError;
use kernel::IdempotencyKey;
use platform_db::{Db, Directory, Never};
use topology::Topology;
use warehouse::{
    catalogue::{BATCH_ITEMS, LoadError, NewShop, load_items, load_shop},
    loading::{LoadStockError, LoadedStock},
};

use self::{
    catalogue::{demo_items, generate},
    company::{Good, Site},
    stock::Scale,
};
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
    /// A shop.
    #[error("could not open a shop: {}", with_causes(.0))]
    Shop(#[source] kernel::OpError<Never>),
    /// Documents were refused or could not be written.
    #[error("{}; what was loaded stays, so the same command goes on from there", with_causes(.0))]
    Stock(#[from] LoadStockError),
    /// Entries were refused or could not be written.
    #[error("{}; what was loaded stays, so the same command goes on from there", with_causes(.0))]
    Entry(#[from] LoadEntryError),
    /// Customers or orders could not be written.
    #[error("{}; what was loaded stays, so the same command goes on from there", with_causes(.0))]
    Sales(#[from] LoadSalesError),
}

/// What to load besides the demo company.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generated {
    /// Items to generate.
    pub items: u64,
    /// Movements of stock to generate, over all offices.
    pub movements: u64,
    /// The same number gives the same items and movements.
    pub seed: u64,
}

/// What was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Seeded {
    /// Items that were new.
    pub loaded: u64,
    /// Items that had been there.
    pub present: u64,
    /// Movements that were new.
    pub movements: u64,
    /// Journal entries that were new.
    pub entries: u64,
    /// New movements of each second that the generated ones took.
    pub movements_per_second: u64,
}

/// Loads the demo company.
pub(crate) async fn demo(app_url: &str, topology: &Topology) -> Result<Seeded, SeedError> {
    let db = setup::open(app_url, topology)?;
    load_demo(&db, topology).await
}

async fn load_demo(db: &Db, topology: &Topology) -> Result<Seeded, SeedError> {
    let items = demo_items();
    let goods: Vec<Good> = items.iter().map(Good::of).collect();
    let all = items.len() as u64;
    let loaded = load_items(db, &key("demo"), items).await?;
    let sites = Site::all(topology);
    let stocked = stock::load_demo(db, (&sites, &goods), db.clock().now()).await?;
    let books = accounting::App::new(db.clone(), Directory::new(db.clone()));
    let posted = stock::load_demo_entries(&books, &sites).await?;
    let directory = Directory::new(db.clone());
    let warehouse = warehouse::App::new(db.clone(), directory, Arc::new(topology.clone()));
    sales::load_demo(db, warehouse, (&sites, &goods)).await?;
    Ok(Seeded {
        loaded,
        present: all.saturating_sub(loaded),
        movements: stocked.movements,
        entries: stocked.entries + posted,
        movements_per_second: 0,
    })
}

/// Loads the demo company, the catalogue and the movements, and lets the database take new statistics.
///
/// # Errors
/// [`SeedError`].
pub async fn seed(
    owner_url: &str,
    topology: &Topology,
    generated: Generated,
    progress: &Progress,
) -> Result<Seeded, SeedError> {
    let db = setup::open(owner_url, topology)?;
    let mut seeded = load_demo(&db, topology).await?;
    let loaded = load_catalogue(&db, generated, progress).await?;
    seeded.loaded += loaded;
    seeded.present += generated.items.saturating_sub(loaded);
    if generated.movements > 0 {
        let started = Instant::now();
        let stocked = load_history(&db, topology, generated, progress).await?;
        let milliseconds = started.elapsed().as_millis().max(1);
        let per_second = u128::from(stocked.movements) * 1000 / milliseconds;
        seeded.movements_per_second = u64::try_from(per_second).unwrap_or(u64::MAX);
        seeded.movements += stocked.movements;
        seeded.entries += stocked.entries;
    }
    platform_db::analyze(owner_url, &setup::systems()).await?;
    Ok(seeded)
}

/// Loads the items of the catalogue; how many were new.
async fn load_catalogue(
    db: &Db,
    generated: Generated,
    progress: &Progress,
) -> Result<u64, SeedError> {
    let (seed, total) = (generated.seed, generated.items);
    let mut loaded = 0;
    for (first, count) in batches(total) {
        let items = (first..first + count).map(|n| generate(seed, n)).collect();
        // Named by its size too, so that a larger catalogue loads what a smaller one left out of its last batch.
        let name = key(&format!("{seed}:{first}:{count}"));
        loaded += load_items(db, &name, items).await?;
        let done = first + count;
        if done % PROGRESS_EVERY == 0 || done == total {
            progress.step(&format!("{done} of {total} items"));
        }
    }
    Ok(loaded)
}

/// Generated goods that are traded at most: an office's history is made from a table of all of them.
const GOODS_MAX: u64 = 10_000;

/// Loads movements of the demo company's items and of the catalogue's, over every location of every office.
async fn load_history(
    db: &Db,
    topology: &Topology,
    generated: Generated,
    progress: &Progress,
) -> Result<LoadedStock, SeedError> {
    let sites = Site::all(topology);
    let directory = Directory::new(db.clone());
    let app = warehouse::App::new(db.clone(), directory, Arc::new(topology.clone()));
    for site in &sites {
        for code in site.locations.iter().skip(1) {
            let shop = NewShop {
                code: code.clone(),
                office: site.office.code.clone(),
                name: format!("{} shop", site.office.name),
            };
            let opened = load_shop(&app, &key(&format!("shop:{code}")), shop).await;
            opened.map_err(SeedError::Shop)?;
        }
    }
    let mut traded = demo_items();
    traded.extend((0..generated.items.min(GOODS_MAX)).map(|n| generate(generated.seed, n)));
    let goods: Vec<Good> = traded.iter().map(Good::of).collect();
    let scale = Scale {
        seed: generated.seed,
        movements: generated.movements,
        now: db.clock().now(),
    };
    stock::load_history(db, scale, (&sites, &goods), progress).await
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn every_name_is_a_key() {
        key(&format!("{}:{}:{}", u64::MAX, u64::MAX, u64::MAX));
    }
}
