//! Which moment a read shows: now, or a past one that a replica nearby has. Pure.

use std::time::Duration;

use kernel::{ReadMode, ReadWant, SystemError, Timestamp, Token};

use crate::engine::Engine;

/// A cursor is good for this long (`api-and-domain` section 3.2).
const SNAPSHOT_AGE_MAX: Duration = Duration::from_secs(3600);
/// Replicas have everything that is this old (`follower_read_timestamp()` is 4.2 s back).
const FOLLOWER_LAG: Duration = Duration::from_secs(5);
/// Beyond twice the clock offset a token may still be this far ahead (hard case 14).
const TOKEN_SLACK: Duration = Duration::from_secs(1);

/// Which moment a read shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The newest state.
    Now,
    /// The state of that time, from a replica nearby.
    Follower(Timestamp),
    /// The state of a walk's first page.
    Snapshot(Timestamp),
}

/// What the choice depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given {
    pub(crate) engine: Engine,
    pub(crate) want: ReadWant,
    pub(crate) snapshot: Option<Timestamp>,
    pub(crate) received_at: Timestamp,
    pub(crate) max_clock_offset: Duration,
}

impl Given {
    /// Chooses.
    ///
    /// # Errors
    /// [`SystemError::TokenUnknown`], [`SystemError::CursorExpired`].
    pub(crate) fn moment(&self) -> Result<Moment, SystemError> {
        let ahead = self.max_clock_offset * 2 + TOKEN_SLACK;
        if self
            .want
            .token
            .is_some_and(|token| token > Token::at(self.received_at.plus(ahead)))
        {
            return Err(SystemError::TokenUnknown);
        }
        if let Some(snapshot) = self.snapshot {
            // On a later page the walk's snapshot wins over the mode, and a newer token ends the walk (hard case 15).
            let outrun = self
                .want
                .token
                .is_some_and(|token| token > Token::at(snapshot));
            let expired = self.received_at.since(snapshot) > SNAPSHOT_AGE_MAX;
            // No page showed that moment yet: the cursor was made up, and its time must not get into a token.
            let to_come = snapshot > self.received_at.plus(ahead);
            return if outrun || expired || to_come {
                Err(SystemError::CursorExpired)
            } else {
                Ok(Moment::Snapshot(snapshot))
            };
        }
        Ok(match (self.engine, self.want.mode) {
            // PostgreSQL has one copy: everything is read strong, and says so.
            (Engine::Postgres, _) | (Engine::Cockroach, None | Some(ReadMode::Strong)) => {
                Moment::Now
            }
            (Engine::Cockroach, Some(ReadMode::Local)) => self.follower(u64::MAX),
            (Engine::Cockroach, Some(ReadMode::Bounded { max_ms })) => self.follower(max_ms),
        })
    }

    /// A replica's state, if bound and token allow one so old.
    fn follower(&self, max_ms: u64) -> Moment {
        let as_of = self.received_at.minus(FOLLOWER_LAG);
        let too_old_for_token = self
            .want
            .token
            .is_some_and(|token| token > Token::at(as_of));
        if self.max_ms(as_of) > max_ms || too_old_for_token {
            Moment::Now
        } else {
            Moment::Follower(as_of)
        }
    }

    /// What `max_ms` of the answer says of a past state (hard case 12).
    pub(crate) fn max_ms(&self, as_of: Timestamp) -> u64 {
        let age = self.received_at.since(as_of) + self.max_clock_offset;
        u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);
    const OFFSET: Duration = Duration::from_millis(250);

    fn given(engine: Engine) -> Given {
        Given {
            engine,
            want: ReadWant::default(),
            snapshot: None,
            received_at: NOW,
            max_clock_offset: OFFSET,
        }
    }

    fn before(ms: u64) -> Timestamp {
        NOW.minus(Duration::from_millis(ms))
    }

    proptest! {
        /// Whatever is asked for, a past state is never older than the bound or than the token.
        #[test]
        fn a_bound_and_a_token_are_always_kept(
            max_ms: Option<u64>, token_ms in prop::option::of(0_u64..20_000), postgres: bool,
        ) {
            let mut given = given(if postgres { Engine::Postgres } else { Engine::Cockroach });
            given.want.mode = Some(max_ms.map_or(ReadMode::Local, |max_ms| ReadMode::Bounded { max_ms }));
            given.want.token = token_ms.map(|ms| Token::at(before(ms)));
            match given.moment().unwrap() {
                Moment::Now => {}
                Moment::Follower(as_of) => {
                    prop_assert!(!postgres);
                    prop_assert!(max_ms.is_none_or(|bound| given.max_ms(as_of) <= bound));
                    prop_assert!(given.want.token.is_none_or(|token| token <= Token::at(as_of)));
                }
                Moment::Snapshot(_) => prop_assert!(false, "nobody asked for one"),
            }
        }
    }

    #[test]
    fn hard_case_12_the_age_told_includes_the_clock_offset() {
        assert_eq!(given(Engine::Cockroach).max_ms(before(5000)), 5250);
        let mut given = given(Engine::Cockroach);
        given.want.mode = Some(ReadMode::Bounded { max_ms: 5249 });
        assert_eq!(given.moment().unwrap(), Moment::Now);
        given.want.mode = Some(ReadMode::Bounded { max_ms: 5250 });
        assert_eq!(given.moment().unwrap(), Moment::Follower(before(5000)));
    }

    #[test]
    fn hard_case_14_a_token_is_unknown_only_beyond_two_offsets_and_a_second() {
        let mut given = given(Engine::Postgres);
        let ahead = |ms| Some(Token::at(NOW.plus(Duration::from_millis(ms))));
        given.want.token = ahead(1500);
        assert_eq!(given.moment().unwrap(), Moment::Now);
        given.want.token = ahead(1501);
        assert!(matches!(given.moment(), Err(SystemError::TokenUnknown)));
    }

    #[test]
    fn hard_case_15_on_a_page_with_cursor_the_snapshot_wins() {
        for engine in [Engine::Postgres, Engine::Cockroach] {
            let mut given = given(engine);
            given.snapshot = Some(before(2000));
            given.want.mode = Some(ReadMode::Strong);
            given.want.token = Some(Token::at(before(2000)));
            assert_eq!(given.moment().unwrap(), Moment::Snapshot(before(2000)));
            given.want.token = Some(Token::at(before(1999)));
            assert!(matches!(given.moment(), Err(SystemError::CursorExpired)));
        }
    }

    #[test]
    fn a_cursor_expires_after_an_hour() {
        let mut given = given(Engine::Postgres);
        given.snapshot = Some(before(3_600_000));
        assert!(given.moment().is_ok());
        given.snapshot = Some(before(3_600_001));
        assert!(matches!(given.moment(), Err(SystemError::CursorExpired)));
    }

    #[test]
    fn a_cursor_from_the_future_shows_nothing() {
        let mut given = given(Engine::Postgres);
        given.snapshot = Some(NOW.plus(Duration::from_millis(1500)));
        assert!(given.moment().is_ok());
        given.snapshot = Some(NOW.plus(Duration::from_millis(1501)));
        assert!(matches!(given.moment(), Err(SystemError::CursorExpired)));
    }
}
