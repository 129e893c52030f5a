#![doc = include_str!("../README.md")]

pub mod call;
pub mod code;
pub mod date;
pub mod error;
pub mod expand;
pub mod id;
pub mod money;
#[cfg(feature = "openapi")]
mod openapi;
pub mod page;
pub mod principal;
pub mod rows;
#[cfg(feature = "sql")]
mod sql;
pub mod text;
pub mod time;
pub mod write;

pub use call::{Call, Freshness, ReadMode, ReadWant, Token};
pub use code::{AccountCode, CountryCode, CurrencyCode, LocationCode, OfficeCode, RegionTag};
pub use date::{Date, Month};
pub use error::{Common, FieldError, Invalid, OpError, SystemError};
pub use expand::{Expand, Inlined};
pub use id::{Id, Kind, RequestId};
pub use money::{AmountMinor, PositiveAmount, Quantity};
pub use page::{Order, PageRequest, Position, Read};
pub use principal::{Offices, Principal, Role, Scope};
pub use rows::{RowEnd, RowRefusal, RowsEnd};
pub use time::{Clock, Timestamp};
pub use write::{IdempotencyKey, IfMatch, Intent, Reply};
