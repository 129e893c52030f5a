//! Writers that want the same row, and writers that do not.
//!
//! Every write finds one unit of an item: a level, a movement, an entry, a key row, an audit row and two events. It
//! commits or it is retried; nothing else can happen to it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    api::Regions,
    table::{head, line, ms, percentile, ratio, row},
};

const LOCATION: &str = "ber-main";
const CLIENTS: [usize; 3] = [1, 8, 64];
const ROWS: [usize; 2] = [1, 1000];
/// Lines of a receipt at most.
const LINES_MAX: usize = 500;

/// What the clients of one case did.
#[derive(Debug, Default)]
struct Done {
    /// Of the committed ones.
    took: Vec<Duration>,
    retries: u64,
    /// Answers that were not 201.
    refused: u64,
}

/// Measures every number of clients on every number of rows, and prints a table.
pub(crate) async fn measure(regions: &Regions, time: Duration) -> anyhow::Result<()> {
    let items = Arc::new(items(regions, ROWS[1]).await?);
    stock(regions, &items).await?;
    line(&format!(
        "Adjustments of {LOCATION}, {} s each, clients spread over the regions.\n",
        time.as_secs()
    ));
    head(&[
        "rows",
        "clients",
        "committed/s",
        "retries per commit",
        "median ms",
        "p99 ms",
        "not committed",
    ]);
    for rows in ROWS {
        for clients in CLIENTS {
            let mut done = case(regions, &items, (rows, clients), time).await?;
            done.took.sort_unstable();
            let committed = done.took.len() as u64;
            row(&[
                rows.to_string(),
                clients.to_string(),
                (committed / time.as_secs().max(1)).to_string(),
                ratio(done.retries, committed),
                ms(percentile(&done.took, 50)),
                ms(percentile(&done.took, 99)),
                done.refused.to_string(),
            ]);
        }
    }
    Ok(())
}

async fn case(
    regions: &Regions,
    items: &Arc<Vec<String>>,
    (rows, clients): (usize, usize),
    time: Duration,
) -> anyhow::Result<Done> {
    let until = Instant::now() + time;
    let mut running = JoinSet::new();
    for client in 0..clients {
        let (regions, items) = (regions.clone(), Arc::clone(items));
        running.spawn(async move {
            let mut done = Done::default();
            // A step that has no divisor in common with the rows takes each client through all of them.
            let mut n = client * 127;
            while Instant::now() < until {
                let item = &items[n % rows];
                let body =
                    json!({"location": LOCATION, "item": item, "delta": 1, "reason": "found"});
                let answer = regions.post(n, "/v1/warehouse/adjustments", &body).await?;
                done.retries += answer.retries;
                if answer.status == 201 {
                    done.took.push(answer.took);
                } else {
                    done.refused += 1;
                }
                n += 7;
            }
            anyhow::Ok(done)
        });
    }
    let mut all = Done::default();
    while let Some(done) = running.join_next().await {
        let done = done??;
        all.took.extend(done.took);
        all.retries += done.retries;
        all.refused += done.refused;
    }
    Ok(all)
}

/// So many items of the catalogue.
async fn items(regions: &Regions, wanted: usize) -> anyhow::Result<Vec<String>> {
    let mut items = Vec::new();
    let mut path = "/v1/warehouse/items?limit=200&order=asc".to_owned();
    loop {
        let page = regions.get(&path).await?.json(200)?;
        let found = page["data"].as_array().into_iter().flatten();
        let active = found.filter(|item| item["status"] == "active");
        items.extend(active.filter_map(|item| item["id"].as_str().map(str::to_owned)));
        match page["next_cursor"].as_str() {
            Some(cursor) if items.len() < wanted => {
                path = format!("/v1/warehouse/items?limit=200&order=asc&cursor={cursor}");
            }
            _ => break,
        }
    }
    anyhow::ensure!(
        items.len() >= wanted,
        "there are {} items and {wanted} are needed: run `meridian seed`",
        items.len()
    );
    items.truncate(wanted);
    Ok(items)
}

/// Brings some of each, so that every level is there and worth something.
async fn stock(regions: &Regions, items: &[String]) -> anyhow::Result<()> {
    for items in items.chunks(LINES_MAX) {
        let lines: Vec<Value> = items
            .iter()
            .map(|item| json!({"item": item, "quantity": 100, "unit_cost_minor": 250}))
            .collect();
        let body = json!({"location": LOCATION, "reference": "load", "lines": lines});
        regions
            .post(0, "/v1/warehouse/receipts", &body)
            .await?
            .json(201)?;
    }
    Ok(())
}
