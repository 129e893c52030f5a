//! Reports over everything that the world has recorded.

use std::time::Duration;

use crate::{
    api::Regions,
    table::{head, line, ms, percentile, row},
};

/// Asked before what is measured: plans, pages and pools are warm then.
const WARM_UP: u64 = 3;

const REPORTS: [(&str, &str); 6] = [
    ("trial balance", "/v1/reports/trial-balance"),
    ("stock valuation", "/v1/reports/stock-valuation"),
    ("sold items", "/v1/reports/sold-items"),
    ("sales by office and day", "/v1/reports/sales-by-office-day"),
    ("receivables", "/v1/reports/receivables"),
    ("overview of an office", "/v1/offices/ber/overview"),
];

/// Measures each report over all offices, prints a table, and answers whether every median is within the bound.
pub(crate) async fn measure(
    regions: &Regions,
    times: u64,
    bound: Duration,
) -> anyhow::Result<bool> {
    line(&format!(
        "All offices, {times} times each, after {WARM_UP} to warm up.\n"
    ));
    head(&[
        "report",
        "rows",
        "KiB",
        "median ms",
        "longest ms",
        "bound ms",
    ]);
    let mut within = true;
    for (name, path) in REPORTS {
        let mut took = Vec::new();
        let (mut rows, mut bytes) = (0, 0);
        for n in 0..WARM_UP + times {
            let answer = regions.get(path).await?;
            if n == 0 {
                let report = answer.json(200)?;
                rows = report["data"].as_array().map_or(0, Vec::len);
            }
            anyhow::ensure!(answer.status == 200, "{path} answered {}", answer.status);
            bytes = answer.body.len();
            if n >= WARM_UP {
                took.push(answer.took);
            }
        }
        took.sort_unstable();
        let median = percentile(&took, 50);
        within &= median <= bound;
        row(&[
            name.into(),
            rows.to_string(),
            (bytes / 1024).to_string(),
            ms(median),
            ms(percentile(&took, 100)),
            bound.as_millis().to_string(),
        ]);
    }
    Ok(within)
}
