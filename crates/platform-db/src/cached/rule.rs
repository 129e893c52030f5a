//! Whether a request may be shown what is in memory. Pure.

use std::time::Duration;

use kernel::{ReadMode, ReadWant, Timestamp, Token};

/// What a cache shows is at most this old when the request is received, by this process' own clock.
pub(super) const AGE_MAX: Duration = Duration::from_secs(1);

/// And by the database's clock, clock offsets included: the contract's bound (`api-and-domain` section 5). With
/// CockroachDB's offset of 500 ms, counted once when an entry is filled and once when it is shown, a second is left.
const MAX_MS_MAX: u64 = 2000;

/// How old an entry is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Age {
    /// It shows every write that was acknowledged before this time of the database.
    pub(super) as_of: Timestamp,
    /// From the start of its fill until the request was received; none if that was later.
    pub(super) at_receipt: Duration,
}

/// The request wants the database's word, whatever there is in memory.
pub(super) fn asks_the_database(want: &ReadWant) -> bool {
    want.no_cache || want.mode == Some(ReadMode::Strong)
}

/// What the answer says of its age (`max_ms`) if the request may be shown an entry so old; `None` if it may not.
pub(super) fn max_ms(
    want: &ReadWant,
    (received_at, max_clock_offset): (Timestamp, Duration),
    age: Age,
) -> Option<u64> {
    // Writes of the millisecond `as_of` itself may be missing.
    let as_of = u64::try_from(age.as_of.as_millis()).unwrap_or(0);
    let covered = Token::new(as_of.saturating_mul(1_000_000), 0);
    let since = received_at.since(age.as_of).max(age.at_receipt) + max_clock_offset;
    let max_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    let bound = match want.mode {
        Some(ReadMode::Bounded { max_ms }) => max_ms.min(MAX_MS_MAX),
        Some(ReadMode::Strong | ReadMode::Local) | None => MAX_MS_MAX,
    };
    let young = age.at_receipt <= AGE_MAX && max_ms <= bound;
    let new_enough = want.token.is_none_or(|token| token <= covered);
    (young && new_enough && !asks_the_database(want)).then_some(max_ms)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    fn before(ms: u64) -> Timestamp {
        NOW.minus(Duration::from_millis(ms))
    }

    fn wants() -> impl Strategy<Value = ReadWant> {
        let mode = prop_oneof![
            Just(None),
            Just(Some(ReadMode::Strong)),
            Just(Some(ReadMode::Local)),
            (0_u64..3000).prop_map(|max_ms| Some(ReadMode::Bounded { max_ms })),
        ];
        let token = prop::option::of((0_u64..3000, 0_u64..1_000_000));
        (mode, token, any::<bool>(), any::<bool>()).prop_map(|(mode, token, no_cache, whole)| {
            let nanos = |(ms, ns)| before(ms).as_millis() as u64 * 1_000_000 + ns;
            ReadWant {
                mode,
                token: token.map(|token| Token::new(nanos(token), 0)),
                no_cache,
                whole,
            }
        })
    }

    proptest! {
        /// What is shown is never older than the token, the bound or two seconds, and says so; nor is it shown to whom
        /// asks the database.
        #[test]
        fn hard_case_14_what_is_shown_is_as_young_as_it_says_and_as_was_asked_for(
            want in wants(), age_ms in 0_u64..3000, monotonic_ms in 0_u64..3000, offset_ms in 0_u64..1000,
        ) {
            let offset = Duration::from_millis(offset_ms);
            let age = Age { as_of: before(age_ms), at_receipt: Duration::from_millis(monotonic_ms) };
            if let Some(told) = max_ms(&want, (NOW, offset), age) {
                prop_assert!(told >= age_ms.max(monotonic_ms) + offset_ms, "it says how old it can be");
                prop_assert!(told <= 2000 && monotonic_ms <= 1000);
                prop_assert!(!asks_the_database(&want));
                if let Some(ReadMode::Bounded { max_ms }) = want.mode {
                    prop_assert!(told <= max_ms);
                }
                if let Some(token) = want.token {
                    prop_assert!(token.nanos() <= before(age_ms).as_millis() as u64 * 1_000_000);
                }
            }
        }

        /// Wishes only ever take away: what a request without any is refused, everyone is refused.
        #[test]
        fn a_wish_never_makes_an_older_entry_good_enough(
            want in wants(), age_ms in 0_u64..3000, offset_ms in 0_u64..1000,
        ) {
            let clock = (NOW, Duration::from_millis(offset_ms));
            let age = Age { as_of: before(age_ms), at_receipt: Duration::from_millis(age_ms) };
            if max_ms(&ReadWant::default(), clock, age).is_none() {
                prop_assert_eq!(max_ms(&want, clock, age), None);
            }
        }

        /// Within the bound, whoever has no wish is shown what is there: else there would be no cache.
        #[test]
        fn what_is_young_is_shown(age_ms in 0_u64..=1000, offset_ms in 0_u64..=500) {
            // On CockroachDB the offset is in `as_of` too.
            let age = Age { as_of: before(age_ms + offset_ms), at_receipt: Duration::from_millis(age_ms) };
            let told = max_ms(&ReadWant::default(), (NOW, Duration::from_millis(offset_ms)), age);
            prop_assert_eq!(told, Some(age_ms + 2 * offset_ms));
        }
    }

    #[test]
    fn a_token_of_the_very_millisecond_is_not_covered() {
        let age = Age {
            as_of: before(100),
            at_receipt: Duration::from_millis(100),
        };
        let with = |token| ReadWant {
            token: Some(token),
            ..ReadWant::default()
        };
        let shown = |token| max_ms(&with(token), (NOW, Duration::ZERO), age);
        assert_eq!(shown(Token::at(before(101))), Some(100));
        assert_eq!(shown(Token::at(before(100))), None);
    }
}
