//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

/// How often a condition is looked at: often enough that the wait adds little, rarely enough to leave the
/// two cores to what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Looks until there is something, and returns it with the time that it took.
///
/// # Panics
/// When the deadline passes; `what` says what was missed.
pub(crate) async fn until<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> (T, Duration) {
    let started = Instant::now();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        if let Some(found) = look().await {
            return (found, started.elapsed());
        }
        assert!(started.elapsed() < within, "{what}: not within {within:?}");
    }
}
