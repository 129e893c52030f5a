//! Stock and books: those of the demo company, and two years of any number of movements.
//!
//! Every document has a key, so that a second load adds nothing and one that broke off goes on. Offices are filled
//! side by side, each of them from its oldest document on.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use accounting::{
    journal::{NewJournalEntry, load_entry},
    ledger::chart,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use kernel::{AmountMinor, LocationCode, Quantity, Timestamp, id::ItemId};
use platform_db::Db;
use warehouse::loading::{
    BATCH_DOCUMENTS, LoadedStock, NewAdjustment, NewDocument, NewLine, NewReceipt, Reason,
    load_stock,
};

use super::{
    SeedError,
    company::{Good, Site},
    dice::Dice,
    history::{self, Document, History},
    key,
};
use crate::progress::Progress;

/// How long ago the history begins.
const SPAN: Duration = Duration::from_secs(2 * 365 * 24 * 3600);

/// Transactions that an office's history is spread over at least, so that a short one has several months too.
const MOMENTS_MIN: u64 = 24;

/// Offices that are filled at once: the database's two cores are busy with as many.
const SIDE_BY_SIDE: usize = 4;

/// Movements between two lines of progress.
const PROGRESS_EVERY: u64 = 10_000;

/// A history of stock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// The same number gives the same history.
    pub(super) seed: u64,
    /// Movements of all offices together.
    pub(super) movements: u64,
    /// When it ends.
    pub(super) now: Timestamp,
}

/// Loads a history over the offices and goods, neither of which is empty.
pub(super) async fn load_history(
    db: &Db,
    scale: Scale,
    (sites, goods): (&[Site], &[Good]),
    progress: &Progress,
) -> Result<LoadedStock, SeedError> {
    let count = sites.len() as u64;
    let done = AtomicU64::new(0);
    let offices = (0..).zip(sites).map(|(n, site)| {
        let share = scale.movements / count + u64::from(n < scale.movements % count);
        load_office(db, (scale, share, n), (site, goods), |movements| {
            let before = done.fetch_add(movements, Ordering::Relaxed);
            let after = before + movements;
            if after / PROGRESS_EVERY > before / PROGRESS_EVERY || after == scale.movements {
                progress.step(&format!("{after} of {} movements", scale.movements));
            }
        })
    });
    stream::iter(offices)
        .buffer_unordered(SIDE_BY_SIDE)
        .try_fold(LoadedStock::default(), async |sum, office| {
            Ok(plus(sum, office))
        })
        .await
}

async fn load_office(
    db: &Db,
    (scale, share, n): (Scale, u64, u64),
    (site, goods): (&Site, &[Good]),
    told: impl Fn(u64),
) -> Result<LoadedStock, SeedError> {
    let dice = Dice::of(&[scale.seed, scale.movements, n]);
    let places = (site.locations.len(), goods.len());
    let mut history = History::new(dice, places, share);
    let home = site.home();
    let mut loaded = LoadedStock::default();
    let (mut made, mut number) = (0, 0_u64);
    loop {
        let at = moment(scale.now, made, share);
        let mut documents = Vec::new();
        let mut movements = 0;
        for document in history.by_ref().take(batch_size(share)) {
            movements += document.movements();
            let name = format!(
                "stock:{}:{}:{}:{number}",
                scale.seed, scale.movements, site.office.code
            );
            documents.push((key(&name), translate((site, goods), document, number)));
            number += 1;
        }
        if documents.is_empty() {
            return Ok(loaded);
        }
        loaded = plus(loaded, load_stock(db, &home, at, documents).await?);
        made += movements;
        told(movements);
    }
}

/// Documents of one transaction: a document makes two movements on average.
fn batch_size(share: u64) -> usize {
    let size = (share / 2 / MOMENTS_MIN).max(1);
    usize::try_from(size).map_or(BATCH_DOCUMENTS, |size| size.min(BATCH_DOCUMENTS))
}

/// When the next of `made` out of `all` movements happen.
fn moment(now: Timestamp, made: u64, all: u64) -> Timestamp {
    let span = u128::from(all.saturating_sub(made)) * SPAN.as_millis() / u128::from(all.max(1));
    now.minus(Duration::from_millis(u64::try_from(span).unwrap_or(0)))
}

fn translate((site, goods): (&Site, &[Good]), document: Document, number: u64) -> NewDocument {
    let receipt = |location: usize, opening, lines: Vec<history::Line>| {
        let lines = lines.into_iter().map(|line| {
            let good = &goods[line.good];
            let cost = site.cost(good, line.quantity, line.price_percent);
            new_line(&good.item, line.quantity, cost)
        });
        NewDocument::Receipt(NewReceipt {
            location: site.locations[location].clone(),
            opening,
            reference: format!("PO-{number}"),
            lines: lines.collect(),
        })
    };
    match document {
        Document::Opening { location, lines } => receipt(location, true, lines),
        Document::Receipt { location, lines } => receipt(location, false, lines),
        Document::Adjustment {
            location,
            good,
            delta,
            reason,
        } => NewDocument::Adjustment(NewAdjustment {
            location: site.locations[location].clone(),
            item: goods[good].item.clone(),
            delta,
            reason: match reason {
                history::Reason::Damage => Reason::Damage,
                history::Reason::Theft => Reason::Theft,
                history::Reason::Count => Reason::Count,
                history::Reason::Found => Reason::Found,
            },
        }),
    }
}

/// What happens at each office of the demo company: quantities of its goods that are there when it opens, that come
/// and that go.
const OPENING: [i64; 3] = [40, 25, 60];
const COMING: [i64; 3] = [10, 0, 20];
const GOING: [i64; 3] = [-3, -1, 0];

/// Loads the stock of the demo company: at each office what it opened with, a receipt, and what broke.
pub(super) async fn load_demo(
    db: &Db,
    (sites, goods): (&[Site], &[Good]),
    now: Timestamp,
) -> Result<LoadedStock, SeedError> {
    let mut loaded = LoadedStock::default();
    for site in sites {
        let location = &site.locations[0];
        let receipt = |opening, quantities: [i64; 3]| {
            let lines = goods.iter().zip(quantities);
            let lines = lines.filter(|(_, quantity)| *quantity > 0);
            let lines = lines.map(|(good, quantity)| {
                new_line(&good.item, quantity, site.cost(good, quantity, 100))
            });
            NewDocument::Receipt(NewReceipt {
                location: location.clone(),
                opening,
                reference: if opening { "OPENING" } else { "PO-1001" }.into(),
                lines: lines.collect(),
            })
        };
        let mut documents = vec![receipt(true, OPENING), receipt(false, COMING)];
        let gone = goods.iter().zip(GOING).filter(|(_, delta)| *delta != 0);
        documents.extend(gone.map(|(good, delta)| breakage(location, &good.item, delta)));
        let named = (0..).zip(documents).map(|(n, document)| {
            let n: u64 = n;
            (key(&format!("demo:{}:{n}", site.office.code)), document)
        });
        let stocked = load_stock(db, &site.home(), now, named.collect()).await?;
        loaded = plus(loaded, stocked);
    }
    Ok(loaded)
}

/// Loads what the people of the demo company posted: its money in the bank, and a bill that was paid.
pub(super) async fn load_demo_entries(
    app: &accounting::App,
    sites: &[Site],
) -> Result<u64, SeedError> {
    let mut new = 0;
    for site in sites {
        let paid = [
            (
                "money in the bank",
                (chart::bank(), chart::opening_balances()),
                50_000,
            ),
            (
                "paid for PO-1001, in part",
                (chart::goods_received(), chart::bank()),
                500,
            ),
        ];
        for (n, (description, (debit, credit), euros)) in (0..).zip(paid) {
            let n: u64 = n;
            let entry = NewJournalEntry {
                office: site.office.code.clone(),
                currency: site.office.currency.clone(),
                description: description.into(),
                effective_date: None,
                debit,
                credit,
                amount: amount(site.money(euros)),
            };
            let name = key(&format!("demo:{}:entry:{n}", site.office.code));
            new += u64::from(load_entry(app, &name, entry).await?);
        }
    }
    Ok(new)
}

fn breakage(location: &LocationCode, item: &ItemId, delta: i64) -> NewDocument {
    NewDocument::Adjustment(NewAdjustment {
        location: location.clone(),
        item: item.clone(),
        delta,
        reason: Reason::Damage,
    })
}

fn new_line(item: &ItemId, quantity: i64, cost: i64) -> NewLine {
    NewLine {
        item: item.clone(),
        quantity: Quantity::new(quantity).unwrap_or(Quantity::ONE),
        cost: amount(cost),
    }
}

#[expect(
    clippy::expect_used,
    reason = "a few hundred units of what costs a few thousand euros at most"
)]
fn amount(minor: i64) -> AmountMinor {
    AmountMinor::new(minor).expect("a small amount")
}

fn plus(one: LoadedStock, other: LoadedStock) -> LoadedStock {
    LoadedStock {
        documents: one.documents + other.documents,
        movements: one.movements + other.movements,
        entries: one.entries + other.entries,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_spread_over_two_years_and_ends_before_now() {
        let now = Timestamp::from_millis(1_795_000_000_000);
        assert_eq!(moment(now, 0, 100), now.minus(SPAN));
        assert_eq!(moment(now, 50, 100), now.minus(SPAN / 2));
        assert!(moment(now, 99, 100) < now);
        assert_eq!(moment(now, 0, 0), now);
    }

    #[test]
    fn a_short_history_has_several_moments_and_a_long_one_whole_batches() {
        assert_eq!(batch_size(1), 1);
        assert_eq!(batch_size(1000), 20);
        assert_eq!(batch_size(1_000_000), BATCH_DOCUMENTS);
    }
}
