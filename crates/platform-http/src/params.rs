//! Path and query parameters as types; what does not parse is a 400 that names every parameter at fault.

use std::{cell::Cell, fmt, str::FromStr};

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use serde::{
    Deserialize,
    de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};

use crate::{
    error::ApiError,
    problem::{ParameterError, Problem},
    query::{self, Pairs},
};

/// The path parameter of a route that has one; for routes with two, [`Segments`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<T>(pub T);

/// The two path parameters of a route, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segments<A, B>(pub A, pub B);

impl<S, T> FromRequestParts<S> for Segment<T>
where
    S: Send + Sync,
    T: FromStr<Err: fmt::Display>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = path_params(parts, state).await?;
        Ok(Self(segment(&path, 0)?))
    }
}

impl<S, A, B> FromRequestParts<S> for Segments<A, B>
where
    S: Send + Sync,
    A: FromStr<Err: fmt::Display>,
    B: FromStr<Err: fmt::Display>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = path_params(parts, state).await?;
        Ok(Self(segment(&path, 0)?, segment(&path, 1)?))
    }
}

async fn path_params<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Pairs, ApiError> {
    let raw = RawPathParams::from_request_parts(parts, state)
        .await
        .map_err(|_| {
            ApiError::from(Problem::invalid_parameter(
                "path",
                "encoding",
                "is not UTF-8 in percent-encoding",
            ))
        })?;
    Ok(raw
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

fn segment<T: FromStr<Err: fmt::Display>>(path: &Pairs, index: usize) -> Result<T, ApiError> {
    let (name, value) = path
        .get(index)
        .map_or(("path", ""), |(name, value)| (name, value));
    let refuse = |detail: String| Problem::invalid_parameter(name, "format", detail).into();
    if value.contains('\0') {
        return Err(refuse("must not contain the character U+0000".into()));
    }
    value
        .parse()
        .map_err(|error: T::Err| refuse(error.to_string()))
}

/// The query parameters of an operation as a struct.
///
/// Derive `Deserialize` and `IntoParams` on `T` and name it in `params(…)` of `#[utoipa::path]`: which parameters exist is
/// read from the OpenAPI document, so what is not described is refused. A `Vec` is a comma list, an `Option` may be
/// absent, floating point must be finite, `limit`, `cursor` and `order` belong to [`Paging`](crate::Paging). No
/// `deny_unknown_fields` and no `flatten`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params<T>(pub T);

impl<S, T> FromRequestParts<S> for Params<T>
where
    S: Send + Sync,
    T: for<'de> Deserialize<'de>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let pairs = query::decode(parts.uri.query()).map_err(Problem::invalid_parameters)?;
        Ok(Self(parse(&pairs).map_err(Problem::invalid_parameters)?))
    }
}

/// Reads a struct out of the pairs and collects what is wrong with any of them.
///
/// Serde stops at the first error, so the pair at fault is taken out and the rest is read again, until the rest is
/// fine or lacks something.
fn parse<T: for<'de> Deserialize<'de>>(pairs: &Pairs) -> Result<T, Vec<ParameterError>> {
    let mut errors = Vec::new();
    let mut rest: Vec<(&str, &str)> = Vec::new();
    for (name, value) in pairs {
        if rest.iter().any(|(other, _)| other == name) {
            if !errors
                .iter()
                .any(|error: &ParameterError| error.parameter == *name)
            {
                errors.push(ParameterError::new(
                    name,
                    "repeated",
                    "is sent more than once",
                ));
            }
        } else {
            rest.push((name, value));
        }
    }
    let repeated: Vec<String> = errors.iter().map(|error| error.parameter.clone()).collect();
    rest.retain(|(name, _)| !repeated.iter().any(|other| other == name));
    loop {
        let current = Cell::new(None);
        match T::deserialize(Query {
            rest: &rest,
            current: &current,
        }) {
            Ok(value) if errors.is_empty() => return Ok(value),
            Ok(_) => return Err(errors),
            Err(error) => {
                let missing = error.missing;
                let name = missing.or_else(|| current.get().map(|i: usize| rest[i].0));
                let name = name.unwrap_or("query").to_owned();
                if !errors
                    .iter()
                    .any(|other: &ParameterError| other.parameter == name)
                {
                    errors.push(ParameterError::new(&name, error.code, error.detail));
                }
                if missing.is_some() || !rest.iter().any(|(other, _)| *other == name) {
                    return Err(errors);
                }
                rest.retain(|(other, _)| *other != name);
            }
        }
    }
}

/// What is wrong with one value.
#[derive(Debug)]
struct Wrong {
    code: &'static str,
    detail: String,
    missing: Option<&'static str>,
}

impl Wrong {
    fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            missing: None,
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new("format", message.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            code: "required",
            detail: "is required".into(),
            missing: Some(field),
        }
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new("enum", format!("must be one of {}", expected.join(", ")))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new("range", format!("must be {expected}"))
    }
}

struct Query<'a, 'c> {
    rest: &'a [(&'a str, &'a str)],
    /// The pair that is being read, to be blamed for an error.
    current: &'c Cell<Option<usize>>,
}

impl<'de> Deserializer<'de> for Query<'_, '_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_map(Walk {
            query: self,
            next: 0,
        })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Walk<'a, 'c> {
    query: Query<'a, 'c>,
    next: usize,
}

impl<'de> MapAccess<'de> for Walk<'_, '_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Wrong> {
        let Some((name, _)) = self.query.rest.get(self.next) else {
            self.query.current.set(None);
            return Ok(None);
        };
        self.query.current.set(Some(self.next));
        self.next += 1;
        seed.deserialize((*name).into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let text = self
            .query
            .current
            .get()
            .map_or("", |index| self.query.rest[index].1);
        seed.deserialize(Text(text))
    }
}

/// One value, or one element of a comma list.
struct Text<'a>(&'a str);

impl Text<'_> {
    fn number<T: FromStr>(&self, detail: &str) -> Result<T, Wrong> {
        // `+1` reads as a number in Rust, yet a plus in a query means a space.
        let plain = self
            .0
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.'));
        if plain { self.0.parse().ok() } else { None }.ok_or_else(|| Wrong::new("type", detail))
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            visitor.$visit(self.number("must be an integer in range")?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Text<'_> {
    type Error = Wrong;

    integers! {
        deserialize_i8 visit_i8 deserialize_i16 visit_i16 deserialize_i32 visit_i32 deserialize_i64 visit_i64
        deserialize_u8 visit_u8 deserialize_u16 visit_u16 deserialize_u32 visit_u32 deserialize_u64 visit_u64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_str(self.0)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => Err(Wrong::new("type", "must be true or false")),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let number: f64 = self.number("must be a decimal number")?;
        if !number.is_finite() {
            return Err(Wrong::new("type", "must be a decimal number"));
        }
        visitor.visit_f64(number)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_seq(List(Some(self.0)))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    forward_to_deserialize_any! {
        i128 u128 f32 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier
        ignored_any
    }
}

struct List<'a>(Option<&'a str>);

impl<'de> SeqAccess<'de> for List<'_> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Wrong> {
        let Some(rest) = self.0 else { return Ok(None) };
        let (element, rest) = match rest.split_once(',') {
            Some((element, rest)) => (element, Some(rest)),
            None => (rest, None),
        };
        self.0 = rest;
        if element.is_empty() {
            return Err(Wrong::new(
                "format",
                "must be a comma list without empty elements",
            ));
        }
        seed.deserialize(Text(element)).map(Some)
    }
}

#[cfg(test)]
mod tests;
