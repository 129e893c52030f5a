//! How the newtypes are bound and read in SQL: codes as TEXT, times as TIMESTAMPTZ.

use std::{
    error::Error,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::BytesMut;
use postgres_types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::{
    AccountCode, AmountMinor, CountryCode, CurrencyCode, Date, LocationCode, Month, OfficeCode,
    PositiveAmount, Quantity, RegionTag, Timestamp, write::IdempotencyKey,
};

type Failure = Box<dyn Error + Sync + Send>;

macro_rules! text {
    ($($name:ty),*) => {$(
        impl ToSql for $name {
            fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
                self.as_str().to_sql(ty, out)
            }
            fn accepts(ty: &Type) -> bool { <&str as ToSql>::accepts(ty) }
            to_sql_checked!();
        }

        impl<'a> FromSql<'a> for $name {
            fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
                Ok(<&str as FromSql>::from_sql(ty, raw)?.parse()?)
            }
            fn accepts(ty: &Type) -> bool { <&str as FromSql>::accepts(ty) }
        }
    )*};
}

text!(
    RegionTag,
    OfficeCode,
    LocationCode,
    AccountCode,
    CountryCode,
    CurrencyCode
);

macro_rules! number {
    ($($name:ty),*) => {$(
        impl ToSql for $name {
            fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
                self.get().to_sql(ty, out)
            }
            fn accepts(ty: &Type) -> bool { <i64 as ToSql>::accepts(ty) }
            to_sql_checked!();
        }

        impl<'a> FromSql<'a> for $name {
            fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
                let number = <i64 as FromSql>::from_sql(ty, raw)?;
                Self::new(number).ok_or_else(|| format!("{number} is out of range").into())
            }
            fn accepts(ty: &Type) -> bool { <i64 as FromSql>::accepts(ty) }
        }
    )*};
}

number!(AmountMinor, PositiveAmount, Quantity);

impl ToSql for Month {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        self.to_string().to_sql(ty, out)
    }
    fn accepts(ty: &Type) -> bool {
        <&str as ToSql>::accepts(ty)
    }
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Month {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        Ok(<&str as FromSql>::from_sql(ty, raw)?.parse()?)
    }
    fn accepts(ty: &Type) -> bool {
        <&str as FromSql>::accepts(ty)
    }
}

impl ToSql for Date {
    /// The wire format: days since 2000-01-01.
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        self.days_since_2000().to_sql(ty, out)
    }
    fn accepts(ty: &Type) -> bool {
        *ty == Type::DATE
    }
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Date {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        let days = i32::from_sql(ty, raw)?;
        Self::from_days_since_2000(days)
            .ok_or_else(|| "is not a date of the years 1 to 9999".into())
    }
    fn accepts(ty: &Type) -> bool {
        *ty == Type::DATE
    }
}

impl ToSql for IdempotencyKey {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        self.as_str().to_sql(ty, out)
    }
    fn accepts(ty: &Type) -> bool {
        <&str as ToSql>::accepts(ty)
    }
    to_sql_checked!();
}

impl ToSql for Timestamp {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        let distance = Duration::from_millis(self.as_millis().unsigned_abs());
        let time = if self.as_millis() < 0 {
            UNIX_EPOCH - distance
        } else {
            UNIX_EPOCH + distance
        };
        time.to_sql(ty, out)
    }
    fn accepts(ty: &Type) -> bool {
        <SystemTime as ToSql>::accepts(ty)
    }
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Timestamp {
    /// Truncates to the millisecond before.
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        let time = SystemTime::from_sql(ty, raw)?;
        let micros = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros())?,
            Err(before) => -i64::try_from(before.duration().as_micros())?,
        };
        Ok(Self::from_millis(micros.div_euclid(1000)))
    }
    fn accepts(ty: &Type) -> bool {
        <SystemTime as FromSql>::accepts(ty)
    }
}
