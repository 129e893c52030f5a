//! The database's time, asked for seldom.
//!
//! A token must not be older than what its answer shows, so the time behind a read is needed with every read.
//! Instead of asking each time, a sample is carried forward by our own monotonic clock for up to a second: time
//! sampled + time since the sample was asked for is never before the database's time now, by more than the drift
//! of two quartz clocks in a second (0.1 ms), for which one millisecond is added. What a cache shows, on the other hand, must not be
//! taken for newer than it is: time sampled + time since the sample was answered is never after the database's time now,
//! less the same millisecond.
//!
//! On CockroachDB `clock_timestamp()` is the machine clock of the node that was asked. Its hybrid clock, by which it
//! stamps, may be ahead of that, but not of the fastest machine clock of the cluster, and that is ahead by the maximum
//! offset at most: whoever makes a token of this time adds it, so it does not matter which node was asked.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use kernel::Timestamp;

use crate::{DbError, Session};

/// Asks for the time.
pub(crate) const CLOCK: &str = "SELECT clock_timestamp() AS now";

/// Every statement of this module.
pub(crate) const STATEMENTS: &[&str] = &[CLOCK];

/// How long a sample is carried forward: a database that came back with another clock is noticed after it.
const SAMPLE_AGE_MAX: Duration = Duration::from_secs(1);

/// The newest sample of the database's time.
#[derive(Debug, Default)]
pub(crate) struct DbTime {
    sample: Mutex<Option<Sample>>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    time: Timestamp,
    /// Before it was asked for, so that what is made of it errs towards later.
    asked: Instant,
    /// After it was answered, for what must err towards earlier.
    answered: Instant,
}

impl DbTime {
    /// Asks the database, behind what the session sent before.
    pub(crate) async fn ask(&self, session: &Session) -> Result<Timestamp, DbError> {
        let asked = Instant::now();
        let time: Timestamp = session.row(CLOCK, &[]).await?.get("now")?;
        *self.sample.lock().unwrap_or_else(PoisonError::into_inner) = Some(Sample {
            time,
            asked,
            answered: Instant::now(),
        });
        Ok(time)
    }

    /// A time not before the database's now, if there is a sample to tell it from.
    pub(crate) fn now(&self) -> Option<Timestamp> {
        self.at(Instant::now())
    }

    /// A time not after what the database's was at that instant, shortly before or after the newest sample.
    pub(crate) fn not_after(&self, instant: Instant) -> Option<Timestamp> {
        let sample = (*self.sample.lock().unwrap_or_else(PoisonError::into_inner))?;
        let since = instant.saturating_duration_since(sample.answered);
        let until = sample.answered.saturating_duration_since(instant);
        (since <= SAMPLE_AGE_MAX).then(|| {
            let drift = Duration::from_millis(1);
            sample.time.plus(since).minus(until + drift)
        })
    }

    fn at(&self, instant: Instant) -> Option<Timestamp> {
        let sample = (*self.sample.lock().unwrap_or_else(PoisonError::into_inner))?;
        let age = instant.saturating_duration_since(sample.asked);
        (age <= SAMPLE_AGE_MAX).then(|| sample.time.plus(age + Duration::from_millis(1)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the database's time was within the millisecond sampled, the bound is not before it.
        #[test]
        fn a_carried_sample_is_never_early(micros in 0_u64..1_000, waited_us in 0_u64..1_000_000) {
            let time = Timestamp::from_millis(1_795_000_000_000);
            let asked = Instant::now();
            let carried = DbTime { sample: Mutex::new(Some(Sample { time, asked, answered: asked })) };
            let bound = carried.at(asked + Duration::from_micros(waited_us)).unwrap();
            let true_us = 1_795_000_000_000_000 + micros + waited_us;
            // A token covers its millisecond to the end.
            prop_assert!(bound.as_millis() as u64 * 1000 + 999 >= true_us);
        }

        /// Nor is the other bound ever late, before the sample and after it.
        #[test]
        fn what_a_cache_shows_is_never_taken_for_newer(
            micros in 0_u64..1_000, trip_us in 0_u64..100_000, behind: bool, far_us in 0_u64..1_000_000,
        ) {
            let time = Timestamp::from_millis(1_795_000_000_000);
            let asked = Instant::now() + Duration::from_secs(2);
            let (far, trip) = (Duration::from_micros(far_us), Duration::from_micros(trip_us));
            let sample = Sample { time, asked, answered: asked + trip };
            let carried = DbTime { sample: Mutex::new(Some(sample)) };
            let instant = if behind { sample.answered + far } else { sample.answered - far };
            // The database looked at its clock when it was asked, at the earliest.
            let sampled_us = 1_795_000_000_000_000 + micros;
            let true_us = if behind { sampled_us + far_us } else { sampled_us - far_us };
            let bound = carried.not_after(instant).unwrap();
            prop_assert!(bound.as_millis() as u64 * 1000 <= true_us);
        }
    }

    #[test]
    fn an_old_sample_is_not_carried() {
        let asked = Instant::now();
        let time = Timestamp::from_millis(1_795_000_000_000);
        let carried = DbTime {
            sample: Mutex::new(Some(Sample {
                time,
                asked,
                answered: asked,
            })),
        };
        assert!(carried.at(asked + Duration::from_millis(1001)).is_none());
    }
}
