//! Reads the event feed of every region, merged.

use std::{
    collections::BTreeMap,
    str::FromStr,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use kernel::{Call, OfficeCode, OpError, Principal, ReadWant, RegionTag, SystemError};
use platform_db::{Db, FeedEvent, FeedFilter, FeedSlice, Refusal};
use tokio::time::timeout;

use super::shown_offices;
use crate::App;

/// How long a region may take to give its events; then the page does without it.
const REGION_WAIT: Duration = Duration::from_secs(4);
/// How long a page goes on looking for wanted events among others.
const LOOK_FOR: Duration = Duration::from_secs(4);
/// The same once it has some.
const FILL_FOR: Duration = Duration::from_secs(1);

/// How far each region's feed was read.
pub(crate) type Places = BTreeMap<RegionTag, i64>;

/// A type of events, or the beginning of some: `office.created`, `warehouse.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TypePattern {
    Exactly(String),
    /// With the last dot.
    Beginning(String),
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a comma list of types such as office.created, or of their beginnings such as warehouse.*"
)]
pub(crate) struct PatternError;

impl FromStr for TypePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (name, is_beginning) = match text.strip_suffix(".*") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let is_word = |word: &str| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        if !name.split('.').all(is_word) {
            return Err(PatternError);
        }
        Ok(if is_beginning {
            Self::Beginning(format!("{name}."))
        } else {
            Self::Exactly(name.to_owned())
        })
    }
}

impl<'de> serde::Deserialize<'de> for TypePattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Which events are wanted, as asked.
#[derive(Debug, Clone)]
pub(crate) struct EventsWanted {
    pub(crate) types: Option<Vec<TypePattern>>,
    pub(crate) offices: Option<Vec<OfficeCode>>,
}

/// Events, and where the next page begins.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct EventPage {
    pub(crate) events: Vec<FeedEvent>,
    pub(crate) places: Places,
    pub(crate) unreachable: Vec<RegionTag>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadEventsError {
    /// Events behind the cursor are deleted.
    #[error("events behind the cursor are deleted")]
    Expired { regions: Vec<RegionTag> },
}

impl Refusal for ReadEventsError {}

/// What the filters and the token let through.
pub(crate) async fn event_filter(
    app: &App,
    (call, principal): (&Call, &Principal),
    wanted: EventsWanted,
) -> Result<FeedFilter, OpError<ReadEventsError>> {
    let shown = shown_offices(app, call, principal, wanted.offices).await?;
    let mut filter = FeedFilter {
        of_no_office: shown.of_no_office,
        offices: shown.offices,
        ..FeedFilter::default()
    };
    for pattern in wanted.types.into_iter().flatten() {
        match pattern {
            TypePattern::Exactly(name) => filter.types.push(name),
            TypePattern::Beginning(prefix) => filter.prefixes.push(prefix),
        }
    }
    Ok(filter)
}

/// The next page behind the places: as many events as are wanted, as far as they are found in good time. A region that
/// cannot be read keeps its place.
pub(crate) async fn read_events(
    db: &Db,
    (call, want): (&Call, ReadWant),
    filter: &FeedFilter,
    places: Places,
    limit: u16,
) -> Result<EventPage, OpError<ReadEventsError>> {
    let started = Instant::now();
    let mut page = EventPage {
        places,
        ..EventPage::default()
    };
    loop {
        let missing = usize::from(limit).saturating_sub(page.events.len());
        let slices = slices(db, (call, want), filter, &mut page, missing).await?;
        let is_behind = take(&mut page, slices, missing);
        let patience = if page.events.is_empty() {
            LOOK_FOR
        } else {
            FILL_FOR
        };
        if !is_behind || page.events.len() >= usize::from(limit) || started.elapsed() > patience {
            return Ok(page);
        }
    }
}

/// A slice of each region's feed. A region that is missed once is not asked again for this page.
async fn slices(
    db: &Db,
    (call, want): (&Call, ReadWant),
    filter: &FeedFilter,
    page: &mut EventPage,
    limit: usize,
) -> Result<Vec<FeedSlice>, OpError<ReadEventsError>> {
    let limit = u16::try_from(limit).unwrap_or(u16::MAX);
    let asked = db
        .regions()
        .iter()
        .filter(|region| !page.unreachable.contains(region));
    let reads = asked.map(async |region| {
        let after = page.places.get(region).copied().unwrap_or(0);
        let part = call.part();
        let slice = db.feed_slice((&part, want), (region, after), filter, limit);
        let read = timeout(REGION_WAIT, slice).await;
        call.facts().join(part.facts().clone());
        (region, read.unwrap_or(Err(SystemError::DeadlineExceeded)))
    });
    let (mut slices, mut missed, mut expired) = (Vec::new(), Vec::new(), Vec::new());
    let mut last_error = None;
    for (region, read) in join_all(reads).await {
        match read {
            Ok(slice) => {
                if page
                    .places
                    .get(region)
                    .is_some_and(|place| *place < slice.purged)
                {
                    expired.push(region.clone());
                }
                slices.push(slice);
            }
            Err(
                error @ (SystemError::Unavailable { .. }
                | SystemError::RegionsUnreachable { .. }
                | SystemError::DeadlineExceeded),
            ) => {
                tracing::warn!(%region, error = %error, "feed.region_missed");
                missed.push(region.clone());
                last_error = Some(error);
            }
            Err(error) => return Err(error.into()),
        }
    }
    if !expired.is_empty() {
        return Err(OpError::Refused(ReadEventsError::Expired {
            regions: expired,
        }));
    }
    if let Some(error) = last_error.filter(|_| slices.is_empty()) {
        return Err(error.into());
    }
    page.unreachable.extend(missed);
    Ok(slices)
}

/// Adds the first `limit` events of the slices to the page, each region's in their order, merged by time; moves the
/// places behind them and behind what nobody wanted. Whether some region has more.
fn take(page: &mut EventPage, slices: Vec<FeedSlice>, limit: usize) -> bool {
    let mut merged = Vec::new();
    let mut is_behind = false;
    for slice in slices {
        is_behind |= slice.through < slice.head;
        page.places.insert(slice.region.clone(), slice.through);
        // An event that was committed late has an earlier time and a later number: it stays behind those before it.
        let mut newest = None;
        for event in slice.events {
            newest = newest.max(Some(event.time));
            merged.push((newest, slice.region.clone(), event));
        }
    }
    merged.sort_by(|(a_time, a_region, a), (b_time, b_region, b)| {
        (a_time, a_region, a.seq).cmp(&(b_time, b_region, b.seq))
    });
    let left_over = merged.split_off(limit.min(merged.len()));
    // The first one left over of each region is where its next page begins.
    for (_, region, event) in left_over.into_iter().rev() {
        page.places.insert(region, event.seq - 1);
        is_behind = true;
    }
    page.events
        .extend(merged.into_iter().map(|(_, _, event)| event));
    is_behind
}

#[cfg(test)]
mod tests;
