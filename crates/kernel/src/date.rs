//! Days and months of the books, in the time zone of an office.

use std::{fmt, str::FromStr};

use jiff::{
    ToSpan as _,
    civil::{self, date},
};

use crate::Timestamp;

/// A day of the years 1 to 9999: `2026-11-22`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(civil::Date);

/// A month of the books: `2026-11`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i16,
    month: i8,
}

/// Why a text is not a day or a month.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DateError(&'static str);

const NOT_A_DATE: DateError = DateError("is not a date such as 2026-11-22");
const NOT_A_MONTH: DateError = DateError("is not a month such as 2026-11");
const EPOCH: civil::Date = date(2000, 1, 1);

impl Date {
    /// Before every date.
    pub const FIRST: Self = Self(date(1, 1, 1));
    /// After every date but itself.
    pub const LAST: Self = Self(date(9999, 12, 31));

    /// The month it lies in.
    #[must_use]
    pub fn month(self) -> Month {
        Month {
            year: self.0.year(),
            month: self.0.month(),
        }
    }

    /// Days since 2000-01-01, as PostgreSQL counts them.
    #[must_use]
    pub fn days_since_2000(self) -> i32 {
        // Counted in days, since a span of other units has no such number. The years 1 to 9999 always fit.
        EPOCH
            .until((jiff::Unit::Day, self.0))
            .map(|span| span.get_days())
            .unwrap_or_default()
    }

    /// The day so many days after 2000-01-01; `None` outside the years 1 to 9999.
    #[must_use]
    pub fn from_days_since_2000(days: i32) -> Option<Self> {
        let day = EPOCH.checked_add(i64::from(days).days()).ok()?;
        (1..=9999).contains(&day.year()).then_some(Self(day))
    }
}

impl Timestamp {
    /// The day that it is in the time zone (IANA name); `None` for a name that is none.
    #[must_use]
    pub fn date_in(self, time_zone: &str) -> Option<Date> {
        let zone = jiff::tz::TimeZone::get(time_zone).ok()?;
        let time = jiff::Timestamp::from_millisecond(self.as_millis()).ok()?;
        Some(Date(time.to_zoned_datetime(zone).date()))
    }
}

impl Month {
    /// Its first day.
    #[must_use]
    pub fn first(self) -> Date {
        Date(date(self.year, self.month, 1))
    }

    /// Its last day.
    #[must_use]
    pub fn last(self) -> Date {
        Date(date(self.year, self.month, 1).last_of_month())
    }
}

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        let (month, day) = text.rsplit_once('-').ok_or(NOT_A_DATE)?;
        let month: Month = month.parse().map_err(|_| NOT_A_DATE)?;
        let day = digits(day, 2).ok_or(NOT_A_DATE)?;
        let day = i8::try_from(day).map_err(|_| NOT_A_DATE)?;
        civil::Date::new(month.year, month.month, day)
            .map(Self)
            .map_err(|_| NOT_A_DATE)
    }
}

impl FromStr for Month {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        let (year, month) = text.split_once('-').ok_or(NOT_A_MONTH)?;
        let year = digits(year, 4).ok_or(NOT_A_MONTH)?;
        let month = digits(month, 2).and_then(|month| i8::try_from(month).ok());
        match (year, month) {
            (1..=9999, Some(month @ 1..=12)) => Ok(Self { year, month }),
            _ => Err(NOT_A_MONTH),
        }
    }
}

/// A number of exactly so many ASCII digits.
fn digits(text: &str, count: usize) -> Option<i16> {
    let all = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:02}", self.month(), self.0.day())
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

macro_rules! as_text {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_text!(Date Month);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_and_wire_round_trip(days in -730_000_i32..2_921_000) {
            if let Some(day) = Date::from_days_since_2000(days) {
                prop_assert_eq!(day.days_since_2000(), days);
                prop_assert_eq!(day.to_string().parse::<Date>(), Ok(day));
                prop_assert!(day.month().first() <= day && day <= day.month().last());
                prop_assert_eq!(day.month().to_string().parse::<Month>(), Ok(day.month()));
            }
        }

        #[test]
        fn any_text_is_refused_or_is_its_own_text(text in "[0-9+-]{4,12}") {
            if let Ok(day) = text.parse::<Date>() {
                prop_assert_eq!(day.to_string(), text);
            }
        }
    }

    #[test]
    fn what_is_not_a_day_is_refused() {
        for bad in [
            "",
            "2026-02-29",
            "2026-2-01",
            "26-02-01",
            "2026-02-01T00:00:00Z",
            "0000-01-01",
            "2026-13-01",
        ] {
            assert!(bad.parse::<Date>().is_err(), "{bad}");
        }
        assert!("2024-02-29".parse::<Date>().is_ok());
        assert!("2026-00".parse::<Month>().is_err());
        assert_eq!(Date::FIRST.to_string(), "0001-01-01");
        assert_eq!(Date::LAST.days_since_2000(), 2_921_939);
    }

    #[test]
    fn the_day_depends_on_the_zone() {
        let time: Timestamp = "2026-11-22T23:30:00Z".parse().unwrap();
        let day = |zone| time.date_in(zone).map(|day| day.to_string());
        assert_eq!(day("Europe/Berlin").as_deref(), Some("2026-11-23"));
        assert_eq!(day("America/New_York").as_deref(), Some("2026-11-22"));
        assert_eq!(day("Mars/Olympus"), None);
    }
}
