//! Time: UTC in whole milliseconds, so that what the API shows is what is stored.

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

/// Milliseconds since 1970-01-01T00:00:00Z; text form is RFC 3339 with milliseconds and `Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// `self + duration`, whole milliseconds, saturating.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// `self − duration`, whole milliseconds, saturating.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// Time from `earlier` to `self`, zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Why a text is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not an RFC 3339 time such as 2026-11-22T13:05:54.120Z")]
pub struct TimeError;

impl FromStr for Timestamp {
    type Err = TimeError;

    /// RFC 3339 with any offset; digits beyond milliseconds are cut.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        // jiff reads more of ISO 8601 than RFC 3339 has, so the frame is checked first.
        let bytes = text.as_bytes();
        let framed = bytes.len() >= 20
            && bytes[4] == b'-'
            && bytes[7] == b'-'
            && matches!(bytes[10], b'T' | b't')
            && bytes[13] == b':'
            && bytes[16] == b':'
            && !text.contains('[');
        if !framed {
            return Err(TimeError);
        }
        let timestamp: jiff::Timestamp = text.parse().map_err(|_| TimeError)?;
        Ok(Self(
            timestamp
                .as_nanosecond()
                .div_euclid(1_000_000)
                .try_into()
                .map_err(|_| TimeError)?,
        ))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp:.3}"),
            Err(_) => write!(f, "{} ms", self.0), // beyond the year 9999
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Whether `name` is a time zone of the IANA database (`Europe/Berlin`), spelt as there.
#[must_use]
pub fn is_time_zone(name: &str) -> bool {
    // Machines keep files of their own beside the database's, and `Factory` means that no zone was set.
    if matches!(name, "localtime" | "posixrules" | "Factory") {
        return false;
    }
    jiff::tz::TimeZone::get(name).is_ok_and(|zone| zone.iana_name() == Some(name))
}

/// Where operations get the time from: once each, before their transaction.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that tests set, in milliseconds.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `time`.
    #[must_use]
    pub fn fixed(time: Timestamp) -> Self {
        Self::Fixed(Arc::new(AtomicI64::new(time.as_millis())))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp(jiff::Timestamp::now().as_millisecond()),
            Self::Fixed(millis) => Timestamp(millis.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_round_trips(millis in -62_135_596_800_000_i64..253_402_300_799_999) {
            let time = Timestamp::from_millis(millis);
            prop_assert_eq!(time.to_string().parse::<Timestamp>(), Ok(time));
        }
    }

    #[test]
    fn offsets_are_turned_into_utc_and_digits_are_cut() {
        let time: Timestamp = "2026-11-22T14:05:54.1209+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-11-22T13:05:54.120Z");
        assert_eq!(
            "2026-11-22T13:05:54Z"
                .parse::<Timestamp>()
                .unwrap()
                .to_string(),
            "2026-11-22T13:05:54.000Z"
        );
    }

    #[test]
    fn what_is_not_rfc_3339_is_refused() {
        for bad in [
            "",
            "2026-11-22",
            "2026-11-22 13:05:54Z",
            "2026-11-22T13:05:54",
            "20261122T130554Z",
            "2026-11-22T13:05:54Z[UTC]",
            "2026-02-30T00:00:00Z",
            "now",
        ] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
    }

    #[test]
    fn time_zones_are_those_of_iana() {
        assert!(is_time_zone("Europe/Berlin"));
        assert!(!is_time_zone("europe/berlin"));
        assert!(!is_time_zone("Mars/Olympus"));
        assert!(!is_time_zone(""));
        assert!(!is_time_zone("localtime") && !is_time_zone("Factory"));
    }
}
