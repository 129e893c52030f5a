//! Keyset pages: cursors that stand for a position in one list at one moment.

use axum::extract::FromRequestParts;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::request::Parts;
use kernel::{Order, PageRequest, Position, Read, RegionTag, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use utoipa::{
    IntoParams, ToSchema,
    openapi::{
        ObjectBuilder, Required,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::{SchemaType, Type},
    },
};

use crate::{
    error::ApiError,
    exchange::Exchange,
    problem::{self, ParameterError, Problem},
    query::{self, Pairs},
};

/// Rows of a page unless `limit` says otherwise.
pub(crate) const LIMIT_DEFAULT: u16 = 50;
/// Rows of a page at most; a larger `limit` is coerced.
const LIMIT_MAX: u16 = 200;
/// Milliseconds that a walk may take.
const WALK_MAX_MS: u64 = 3_600_000;

/// `limit`, `cursor`, `order` and `allow_partial` of a list. Name it in `params(…)` of `#[utoipa::path]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    /// What storage is asked for.
    pub request: PageRequest,
    filters: [u8; 8],
}

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let now = Exchange::of(parts)?.call().received_at();
        let pairs = query::decode(parts.uri.query()).map_err(Problem::invalid_parameters)?;
        Ok(Self::read(parts.uri.path(), &pairs, now)?)
    }
}

impl Paging {
    fn read(path: &str, pairs: &Pairs, now: Timestamp) -> Result<Self, Problem> {
        let mut errors = Vec::new();
        let mut value = |name: &str| {
            let mut values = pairs.iter().filter(|(other, _)| other == name);
            let value = values.next().map(|(_, value)| value.as_str());
            if values.next().is_some() {
                errors.push(ParameterError::new(
                    name,
                    "repeated",
                    "is sent more than once",
                ));
            }
            value
        };
        let (limit, order) = (value("limit"), value("order"));
        let (cursor, partial) = (value("cursor"), value(AllowPartial::NAME));
        let mut refuse = |name: &str, code: &str, detail: &str| {
            if !errors.iter().any(|error| error.parameter == name) {
                errors.push(ParameterError::new(name, code, detail));
            }
        };
        let limit = limit
            .map_or(Some(LIMIT_DEFAULT), read_limit)
            .unwrap_or_else(|| {
                refuse("limit", "range", "must be an integer of at least 1");
                LIMIT_DEFAULT
            });
        let order = match order {
            None | Some("desc") => Order::Desc,
            Some("asc") => Order::Asc,
            Some(_) => {
                refuse("order", "enum", "must be one of desc, asc");
                Order::Desc
            }
        };
        if !AllowPartial::is_readable(partial) {
            refuse(AllowPartial::NAME, "type", AllowPartial::RULE);
        }
        let cursor = cursor.map(Cursor::decode);
        if matches!(cursor, Some(None)) {
            refuse("cursor", "format", "is not one that this API gave");
        }
        if !errors.is_empty() {
            return Err(Problem::invalid_parameters(errors));
        }
        let filters = query::filter_hash(path, pairs);
        let request = match cursor.flatten() {
            None => PageRequest::begin(limit, order),
            Some(cursor) => cursor.check(filters, now)?.into_request(limit, order),
        };
        Ok(Self { request, filters })
    }

    /// The page: the rows read (one more than `limit` when there is a next page), `position` of a row for the cursor.
    pub fn page<R, T>(
        &self,
        read: Read<Vec<R>>,
        position: impl Fn(&R) -> Position,
        view: impl FnMut(R) -> T,
    ) -> Listed<T> {
        let mut rows = read.value;
        let limit = usize::from(self.request.limit);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more).map(position);
        let snapshot = self.request.snapshot.unwrap_or(read.at);
        let next_cursor = last.map(|after| {
            Cursor {
                filters: self.filters,
                snapshot,
                after,
            }
            .encode()
        });
        Listed {
            data: rows.into_iter().map(view).collect(),
            next_cursor,
            unreachable: read.unreachable.iter().map(RegionTag::resource).collect(),
        }
    }
}

/// More digits than fit are a large limit too.
pub(crate) fn read_limit(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let zero = text.bytes().all(|b| b == b'0');
    (digits && !zero).then(|| text.parse().unwrap_or(LIMIT_MAX).min(LIMIT_MAX))
}

/// How much of what has no pages is wanted: read as the `limit` of a list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(pub u16);

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let limit = read_limit(&text);
        limit
            .map(Self)
            .ok_or_else(|| D::Error::custom("must be an integer of at least 1"))
    }
}

/// The body of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Listed<T> {
    /// The rows of this page.
    pub data: Vec<T>,
    /// Where the next page begins; null at the end.
    pub next_cursor: Option<String>,
    /// Regions that could not be asked: `regions/ap1`.
    pub unreachable: Vec<String>,
}

impl<T> Listed<T> {
    /// A whole list on one page.
    #[must_use]
    pub fn whole(data: Vec<T>) -> Self {
        Self {
            data,
            next_cursor: None,
            unreachable: Vec::new(),
        }
    }
}

/// What a cursor says. It is not signed: whoever forges one gets a page of what they may read anyway.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cursor {
    filters: [u8; 8],
    snapshot: Timestamp,
    after: Position,
}

impl Cursor {
    const VERSION: u8 = 1;

    fn encode(&self) -> String {
        let mut bytes = vec![Self::VERSION];
        bytes.extend(self.filters);
        bytes.extend(self.snapshot.as_millis().to_be_bytes());
        bytes.extend(self.after.created_at.as_millis().to_be_bytes());
        bytes.extend(self.after.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (filters, rest) = rest.split_first_chunk::<8>()?;
        let (snapshot, rest) = rest.split_first_chunk::<8>()?;
        let (created_at, id) = rest.split_first_chunk::<8>()?;
        let id = String::from_utf8(id.to_vec()).ok()?;
        let sane =
            *version == Self::VERSION && !id.is_empty() && id.len() <= 128 && !id.contains('\0');
        let time = |bytes: &[u8; 8]| {
            let millis = i64::from_be_bytes(*bytes);
            // Years 1970 to 9999, which the database can compare.
            (0..=253_402_300_799_999)
                .contains(&millis)
                .then_some(Timestamp::from_millis(millis))
        };
        let (snapshot, created_at) = (time(snapshot)?, time(created_at)?);
        sane.then_some(Self {
            filters: *filters,
            snapshot,
            after: Position { created_at, id },
        })
    }

    fn check(self, filters: [u8; 8], now: Timestamp) -> Result<Self, Problem> {
        if self.filters != filters {
            return Err(Problem::new(
                &problem::CURSOR_MISMATCH,
                "The cursor belongs to a list with another path, other filters or another order.",
            ));
        }
        if now.since(self.snapshot).as_millis() > u128::from(WALK_MAX_MS) {
            return Err(Problem::new(
                &problem::CURSOR_EXPIRED,
                "The walk began more than an hour ago; begin again without a cursor.",
            ));
        }
        Ok(self)
    }

    fn into_request(self, limit: u16, order: Order) -> PageRequest {
        PageRequest {
            limit,
            order,
            after: Some(self.after),
            snapshot: Some(self.snapshot),
        }
    }
}

/// `allow_partial` of what is no list but spans several offices too: reports. [`Paging`] has it already. An argument of
/// the handler, so that it is checked, and named in `params(…)`; what it says reaches the database in `caller.want`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllowPartial;

impl AllowPartial {
    const NAME: &str = "allow_partial";
    const RULE: &str = "must be true or false";

    /// Whether a query says that nothing may be missing.
    pub(crate) fn is_refused(raw: Option<&str>) -> bool {
        let pairs = query::decode(raw).unwrap_or_default();
        pairs
            .iter()
            .any(|(name, value)| name == Self::NAME && value == "false")
    }

    fn is_readable(value: Option<&str>) -> bool {
        matches!(value, None | Some("true" | "false"))
    }

    fn parameter() -> Parameter {
        parameter(
            Self::NAME,
            of(Type::Boolean).default(Some(true.into())),
            "Whether the answer may miss what is in regions that cannot be reached, which `unreachable` names. \
             `false`: 503 instead.",
        )
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AllowPartial {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let pairs = query::decode(parts.uri.query()).map_err(Problem::invalid_parameters)?;
        let mut values = pairs.iter().filter(|(name, _)| name == Self::NAME);
        let value = values.next().map(|(_, value)| value.as_str());
        if values.next().is_some() {
            let problem =
                Problem::invalid_parameter(Self::NAME, "repeated", "is sent more than once");
            return Err(problem.into());
        }
        if !Self::is_readable(value) {
            return Err(Problem::invalid_parameter(Self::NAME, "type", Self::RULE).into());
        }
        Ok(Self)
    }
}

impl IntoParams for AllowPartial {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![Self::parameter()]
    }
}

impl IntoParams for Paging {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![
            parameter(
                "limit",
                of(Type::Integer)
                    .minimum(Some(1))
                    .default(Some(LIMIT_DEFAULT.into())),
                "Rows of a page; more than 200 is taken as 200.",
            ),
            parameter(
                "cursor",
                of(Type::String),
                "`next_cursor` of the page before. Good for one hour.",
            ),
            parameter(
                "order",
                of(Type::String)
                    .enum_values(Some(["desc", "asc"]))
                    .default(Some("desc".into())),
                "Direction on `created_at`, then id.",
            ),
            AllowPartial::parameter(),
        ]
    }
}

fn parameter(name: &str, kind: ObjectBuilder, description: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .schema(Some(kind))
        .description(Some(description))
        .build()
}

fn of(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::new(kind))
}

#[cfg(test)]
mod tests;
