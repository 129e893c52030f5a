//! Feeds: lists without an end, read by cursors that have no age, one place per region.
//!
//! A request that finds nothing new may wait (`Prefer: wait=20`). While it waits it holds no connection to the database
//! and gives up its place among the requests at work, so that those who wait never keep others out; it takes one again
//! to read. How many wait is bounded too: who comes later is answered at once, which a preference allows.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::extract::FromRequestParts;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::request::Parts;
use kernel::{Call, RegionTag, call::CallStart};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::{
    IntoParams,
    openapi::{
        ObjectBuilder, Required,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::{SchemaType, Type},
    },
};

use crate::{
    error::ApiError,
    exchange::Exchange,
    headers,
    paging::{LIMIT_DEFAULT, read_limit},
    problem::{self, ParameterError, Problem},
    query::{self, Pairs},
};

/// How far each region's feed was read: the number of the last event.
pub type Places = BTreeMap<RegionTag, i64>;

/// `limit`, `cursor` and `Prefer: wait` of a feed. Name it in `params(…)` of `#[utoipa::path]`.
#[derive(Debug)]
pub struct Feed {
    /// Events of a page, 1–200.
    pub limit: u16,
    /// Where the page before ended; regions that are not named begin with the oldest event that is kept.
    pub places: Places,
    filters: [u8; 8],
    exchange: Exchange,
    wait: Duration,
    seat: Option<OwnedSemaphorePermit>,
}

impl<S: Send + Sync> FromRequestParts<S> for Feed {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let exchange = Exchange::of(parts)?;
        let pairs = query::decode(parts.uri.query()).map_err(Problem::invalid_parameters)?;
        let filters = query::filter_hash(parts.uri.path(), &pairs);
        let (limit, places) = read(&pairs, filters)?;
        Ok(Self {
            limit,
            places,
            filters,
            exchange,
            wait: headers::prefers_wait(&parts.headers),
            seat: None,
        })
    }
}

impl Feed {
    /// The cursor of a page that ended at these places.
    #[must_use]
    pub fn cursor(&self, places: &Places) -> String {
        encode(self.filters, places)
    }

    /// Waits until `moved` ends: then answers the context, with a time of its own, in which to read again. `None`: the
    /// client does not want to wait (any longer), this process shuts down, or too many wait already; answer with what
    /// there is.
    pub async fn wait(&mut self, moved: impl Future<Output = ()>) -> Option<Call> {
        let shared = Arc::clone(self.exchange.shared());
        let left = self.wait.checked_sub(self.exchange.call().elapsed())?;
        if left.is_zero() || shared.config.draining.is_cancelled() {
            return None;
        }
        if self.seat.is_none() {
            self.seat = Some(Arc::clone(&shared.waiting).try_acquire_owned().ok()?);
        }
        let until = Instant::now() + left;
        let given_up = {
            let mut notes = self.exchange.notes();
            notes.unhurried = true;
            notes.permit.take()
        };
        drop(given_up);
        let permit = tokio::select! {
            () = shared.config.draining.cancelled() => return None,
            () = tokio::time::sleep_until(until.into()) => return None,
            permit = async {
                moved.await;
                Arc::clone(&shared.permits).acquire_owned().await
            } => permit.ok()?,
        };
        self.exchange.notes().permit = Some(permit);
        Some(self.call())
    }

    /// Adds what a read behind a wait cost to the answer.
    pub fn add(&self, call: &Call) {
        let later = call.facts().clone();
        self.exchange.call().facts().add(later);
    }

    fn call(&self) -> Call {
        let request = self.exchange.call();
        let config = &self.exchange.shared().config;
        Call::start(CallStart {
            id: request.id().clone(),
            region: request.region().clone(),
            client: request.client(),
            traceparent: request.traceparent().map(str::to_owned),
            received_at: config.clock.now(),
            budget: config.limits.deadline,
        })
    }
}

fn read(pairs: &Pairs, filters: [u8; 8]) -> Result<(u16, Places), Problem> {
    let mut errors = Vec::new();
    let mut refuse = |name: &str, code: &str, detail: &str| {
        errors.push(ParameterError::new(name, code, detail));
    };
    let mut value = |name: &str| {
        let mut values = pairs.iter().filter(|(other, _)| other == name);
        let value = values.next().map(|(_, value)| value.as_str());
        if values.next().is_some() {
            refuse(name, "repeated", "is sent more than once");
            return None;
        }
        value
    };
    let (limit, cursor) = (value("limit"), value("cursor"));
    let limit = limit.map_or(Some(LIMIT_DEFAULT), read_limit);
    if limit.is_none() {
        refuse("limit", "range", "must be an integer of at least 1");
    }
    let cursor = cursor.map(|text| decode(text).ok_or(()));
    if matches!(cursor, Some(Err(()))) {
        refuse("cursor", "format", "is not one that this API gave");
    }
    if !errors.is_empty() {
        return Err(Problem::invalid_parameters(errors));
    }
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    match cursor {
        None | Some(Err(())) => Ok((limit, Places::new())),
        Some(Ok((bound, places))) if bound == filters => Ok((limit, places)),
        Some(Ok(_)) => Err(Problem::new(
            &problem::CURSOR_MISMATCH,
            "The cursor belongs to a feed with other filters.",
        )),
    }
}

const VERSION: u8 = 2; // 1 are the cursors of lists

/// Version, filters, and per region the length of its tag, the tag, and the number. It is not signed: whoever forges one
/// gets events that they may read anyway.
fn encode(filters: [u8; 8], places: &Places) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend(filters);
    for (region, seq) in places {
        let tag = region.as_str().as_bytes();
        bytes.push(u8::try_from(tag.len()).unwrap_or(u8::MAX)); // tags have 16 characters at most
        bytes.extend(tag);
        bytes.extend(seq.to_be_bytes());
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Option<([u8; 8], Places)> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (version, rest) = bytes.split_first()?;
    let (filters, mut rest) = rest.split_first_chunk::<8>()?;
    let mut places = Places::new();
    while let Some((length, tail)) = rest.split_first() {
        let (tag, tail) = tail.split_at_checked(usize::from(*length))?;
        let (seq, tail) = tail.split_first_chunk::<8>()?;
        let region: RegionTag = std::str::from_utf8(tag).ok()?.parse().ok()?;
        let seq = i64::from_be_bytes(*seq);
        // Room to look ahead from any number that is taken.
        if !(0..=i64::MAX / 2).contains(&seq) || places.insert(region, seq).is_some() {
            return None;
        }
        rest = tail;
    }
    (*version == VERSION).then_some((*filters, places))
}

impl IntoParams for Feed {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = |name: &str, place: ParameterIn, kind: ObjectBuilder, description: &str| {
            ParameterBuilder::new()
                .name(name)
                .parameter_in(place)
                .required(Required::False)
                .schema(Some(kind))
                .description(Some(description))
                .build()
        };
        let of = |kind: Type| ObjectBuilder::new().schema_type(SchemaType::new(kind));
        vec![
            parameter(
                "limit",
                ParameterIn::Query,
                of(Type::Integer)
                    .minimum(Some(1))
                    .default(Some(LIMIT_DEFAULT.into())),
                "Events of a page; more than 200 is taken as 200.",
            ),
            parameter(
                "cursor",
                ParameterIn::Query,
                of(Type::String),
                "`next_cursor` of the page before; without it the feed begins with the oldest event that is kept. Good \
                 for as long as the events behind it are kept, with the same filters.",
            ),
            parameter(
                "Prefer",
                ParameterIn::Header,
                of(Type::String).examples(["wait=20"]),
                "`wait=20`: when there is nothing new, wait for it so many seconds (30 at most) before answering with an \
                 empty page.",
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_map, prelude::*};

    use super::*;

    fn places() -> impl Strategy<Value = Places> {
        let region = "[a-z][a-z0-9-]{0,15}".prop_map(|tag| tag.parse().unwrap());
        btree_map(region, 0..=i64::MAX / 2, 0..8)
    }

    proptest! {
        #[test]
        fn cursors_round_trip_and_belong_to_their_filters(filters: [u8; 8], other: [u8; 8], places in places()) {
            let pairs = vec![("cursor".to_owned(), encode(filters, &places))];
            let (limit, read_places) = read(&pairs, filters).unwrap();
            prop_assert_eq!((limit, read_places), (LIMIT_DEFAULT, places));
            if other != filters {
                prop_assert_eq!(read(&pairs, other).unwrap_err().kind().code, "cursor_mismatch");
            }
        }

        /// Whatever is sent, it is refused, or it is the one text of what it says.
        #[test]
        fn any_text_is_a_cursor_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64), text in ".{0,64}") {
            for text in [URL_SAFE_NO_PAD.encode(bytes), text] {
                match decode(&text) {
                    Some((filters, places)) => {
                        let again = encode(filters, &places);
                        prop_assert_eq!(decode(&again), Some((filters, places)));
                    }
                    None => {
                        let pairs = vec![("cursor".to_owned(), text)];
                        prop_assert_eq!(read(&pairs, [0; 8]).unwrap_err().kind().code, "invalid_parameter");
                    }
                }
            }
        }

        #[test]
        fn a_cut_cursor_is_refused(filters: [u8; 8], places in places(), cut in 1_usize..9) {
            prop_assume!(!places.is_empty());
            let bytes = URL_SAFE_NO_PAD.decode(encode(filters, &places)).unwrap();
            prop_assert_eq!(decode(&URL_SAFE_NO_PAD.encode(&bytes[..bytes.len() - cut])), None);
        }
    }

    #[test]
    fn limits_are_coerced_and_every_fault_is_named() {
        let read = |query: &str| read(&query::decode(Some(query)).unwrap(), [0; 8]);
        assert_eq!(read("").unwrap(), (LIMIT_DEFAULT, Places::new()));
        assert_eq!(read("limit=100000").unwrap().0, 200);
        let problem = read("limit=0&cursor=nonsense").unwrap_err();
        assert_eq!(problem.kind().code, "invalid_parameter");
        let errors = problem.0.members["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(read("limit=1&limit=2").is_err());
    }
}
