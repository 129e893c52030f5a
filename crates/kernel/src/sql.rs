//! How the newtypes are bound and read in SQL: codes as TEXT, times as TIMESTAMPTZ.

use std::{
    error::Error,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::BytesMut;
use postgres_types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::{
    CountryCode, CurrencyCode, LocationCode, OfficeCode, RegionTag, Timestamp,
    write::IdempotencyKey,
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
    CountryCode,
    CurrencyCode
);

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
