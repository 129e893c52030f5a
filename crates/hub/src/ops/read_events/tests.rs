use kernel::{Timestamp, id::EventId};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn region(index: usize) -> RegionTag {
    ["ap1", "eu1", "us1"][index].parse().unwrap()
}

/// Regions with events at these times, by number, of which every `n`-th is wanted.
type Feeds = Vec<Vec<(i64, bool)>>;

fn event(region: RegionTag, seq: i64, time: i64) -> FeedEvent {
    FeedEvent {
        id: EventId::new(region, uuid(seq)),
        time: Timestamp::from_millis(time),
        kind: "office.changed".into(),
        subject: "ber".into(),
        office: None,
        seq,
        resource_version: 1,
        request_id: String::new(),
        data: Value::Null,
    }
}

fn uuid(seq: i64) -> uuid::Uuid {
    uuid::Uuid::from_u128(seq.unsigned_abs().into())
}

/// What the database answers: a window of `window` numbers, `limit` events at most.
fn slice(feeds: &Feeds, index: usize, places: &Places, limit: usize, window: i64) -> FeedSlice {
    let feed = &feeds[index];
    let (region, head) = (region(index), feed.len() as i64);
    let after = places.get(&region).copied().unwrap_or(0);
    let end = (after + window).min(head);
    let at = |seq: i64| feed[usize::try_from(seq - 1).unwrap()];
    let wanted = (after + 1..=end).filter(|seq| at(*seq).1);
    let events: Vec<_> = wanted
        .take(limit)
        .map(|seq| event(region.clone(), seq, at(seq).0))
        .collect();
    let through = match events.last() {
        Some(last) if events.len() == limit => last.seq,
        _ => end,
    };
    FeedSlice {
        region,
        purged: 0,
        head,
        through,
        events,
    }
}

fn feeds() -> impl Strategy<Value = Feeds> {
    let event = (0_i64..50, any::<bool>());
    proptest::collection::vec(proptest::collection::vec(event, 0..40), 3)
}

proptest! {
    /// Along a chain of cursors: every wanted event of every region, in its order, once; the same cursor gives the same.
    #[test]
    fn pages_have_no_gap_and_no_repeat(
        feeds in feeds(), limit in 1_usize..12, window in 1_i64..20, missed in proptest::collection::vec(0_usize..4, 0..20)
    ) {
        let mut page = EventPage::default();
        let mut seen: Vec<(RegionTag, i64)> = Vec::new();
        for round in 0.. {
            prop_assert!(round < 500, "it goes on for ever");
            // A region that is not there keeps its place.
            let gone = missed.get(round).copied();
            let read = || (0..3).filter(|index| Some(*index) != gone)
                .map(|index| slice(&feeds, index, &page.places, limit, window)).collect::<Vec<_>>();
            let (mut next, mut again) = (page.clone(), page.clone());
            next.events.clear();
            again.events.clear();
            let behind = take(&mut next, read(), limit);
            take(&mut again, read(), limit);
            prop_assert_eq!(&next, &again);
            prop_assert!(next.events.len() <= limit);
            seen.extend(next.events.iter().map(|event| (event.id.region().clone(), event.seq)));
            page = next;
            if !behind && gone.is_none_or(|gone| gone > 2) {
                break;
            }
        }
        for (index, feed) in feeds.iter().enumerate() {
            let wanted: Vec<i64> = (1..).zip(feed).filter(|(_, (_, wanted))| *wanted).map(|(seq, _)| seq).collect();
            let got: Vec<i64> = seen.iter().filter(|(tag, _)| *tag == region(index)).map(|(_, seq)| *seq).collect();
            prop_assert_eq!(got, wanted);
        }
    }

    #[test]
    fn a_pattern_is_a_type_or_its_beginning(words in proptest::collection::vec("[a-z][a-z0-9_]{0,8}", 1..4)) {
        let name = words.join(".");
        prop_assert_eq!(name.parse(), Ok(TypePattern::Exactly(name.clone())));
        let text = format!("{name}.*");
        prop_assert_eq!(text.parse(), Ok(TypePattern::Beginning(format!("{name}."))));
    }
}

#[test]
fn what_is_no_pattern() {
    for bad in [
        "", "*", ".*", ".", "a.", ".a", "a..b", "a*", "a.*.b", "a.b*", "A.b", "a b", "a%", "ä",
        "a.**",
    ] {
        assert_eq!(bad.parse::<TypePattern>(), Err(PatternError), "{bad}");
    }
}
