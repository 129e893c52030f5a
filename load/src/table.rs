//! What was measured, as a Markdown table.

use std::{
    io::{self, Write as _},
    time::Duration,
};

/// Prints a line. A reader that has gone is no failure.
pub(crate) fn line(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// Prints a row of a table.
pub(crate) fn row(cells: &[String]) {
    line(&format!("| {} |", cells.join(" | ")));
}

/// Prints the head of a table.
pub(crate) fn head(columns: &[&str]) {
    line(&format!("| {} |", columns.join(" | ")));
    line(&format!("|{}", " --- |".repeat(columns.len())));
}

/// Milliseconds with one decimal, without floating point.
pub(crate) fn ms(duration: Duration) -> String {
    let tenths = duration.as_micros() / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// `count / of` with two decimals, without floating point.
pub(crate) fn ratio(count: u64, of: u64) -> String {
    let hundredths = count * 100 / of.max(1);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// The duration that `percent` of the sorted ones do not exceed.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let last = sorted.len().saturating_sub(1);
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index.min(last)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_down_and_percentiles_are_values() {
        assert_eq!(ms(Duration::from_micros(12_345)), "12.3");
        assert_eq!((ratio(1, 3), ratio(7, 0)), ("0.33".into(), "7.00".into()));
        let sorted: Vec<Duration> = (1..=10).map(Duration::from_secs).collect();
        for (percent, seconds) in [(1, 1), (50, 5), (51, 6), (99, 10), (100, 10)] {
            assert_eq!(percentile(&sorted, percent), Duration::from_secs(seconds));
        }
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
