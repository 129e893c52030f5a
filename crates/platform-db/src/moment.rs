//! Which moments a read may show, and in which order they are tried: the only place that decides it. Pure.
//!
//! Every plan but that of a walk's later page ends strong, so that what was promised is kept where the past cannot be
//! had; nothing in a plan is older than the bound or than the token (hard cases 12–15).

mod refusal;
#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use kernel::{ReadMode, ReadWant, SystemError, Timestamp, Token};

use crate::engine::Engine;

pub(crate) use refusal::{Refusal, resolved};

/// A cursor is good for this long (`api-and-domain` section 3.2), and no read looks further back: history is kept for
/// hours (`gc.ttlseconds`), not for ever.
const OLDEST: Duration = Duration::from_secs(3600);
/// Replicas have everything that is this old (`follower_read_timestamp()` is 4.2 s back).
const FOLLOWER_LAG: Duration = Duration::from_secs(5);
/// No replica of a regional table has everything that is younger (`kv.closed_timestamp.target_duration`).
const REPLICA_LAG: Duration = Duration::from_secs(3);
/// A replica that has not come as far as a token is waited for so long (`api-and-domain` section 5) …
const TOKEN_WAIT: Duration = Duration::from_secs(1);
/// … and asked again in between.
const TOKEN_WAITS: u32 = 2;
/// Beyond twice the clock offset a token may still be this far ahead (hard case 14).
const TOKEN_SLACK: Duration = Duration::from_secs(1);

/// Which moment a read shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The newest state.
    Now,
    /// One row as a replica nearby has it (bounded staleness).
    Nearest(Nearest),
    /// The state of that time, from a replica nearby.
    Follower(Timestamp),
    /// The state of a walk's first page.
    Snapshot(Timestamp),
}

/// One row by one statement, as new as the nearest replica has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nearest {
    bound: Bound,
    /// If it is older than the bound, none will do. Otherwise the leaseholder is asked then.
    only: bool,
}

/// What one row may not be older than.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    /// So many seconds before the statement runs.
    Seconds(u64),
    /// That moment.
    Since(Timestamp),
}

/// The clause that ends the FROM clause of the statement. Numbers and times of our own making go into the text, since
/// CockroachDB takes no placeholder there.
impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let only = if self.only { ", true" } else { "" };
        match self.bound {
            Bound::Seconds(seconds) => {
                write!(
                    f,
                    "AS OF SYSTEM TIME with_max_staleness('{seconds}s'{only})"
                )
            }
            Bound::Since(time) => {
                write!(f, "AS OF SYSTEM TIME with_min_timestamp('{time}'{only})")
            }
        }
    }
}

#[cfg(feature = "testing")]
impl Nearest {
    /// One of each form that the clause has.
    pub(crate) fn forms() -> Vec<Self> {
        let since = Bound::Since(Timestamp::from_millis(1_795_000_000_123));
        [Bound::Seconds(9), since]
            .into_iter()
            .flat_map(|bound| [false, true].map(|only| Self { bound, only }))
            .collect()
    }
}

impl Bound {
    /// Rounded towards the present, to whole seconds, beyond a minute to whole minutes: few texts of a statement, so that
    /// the database knows most of them already.
    fn of(age: Duration) -> Self {
        let seconds = age.as_secs();
        Self::Seconds(if seconds < 60 {
            seconds
        } else {
            seconds / 60 * 60
        })
    }
}

impl Moment {
    /// Whether the rows come from their home rather than from a replica nearby.
    pub(crate) fn is_at_home(self) -> bool {
        match self {
            Self::Now | Self::Snapshot(_) => true,
            Self::Nearest(_) | Self::Follower(_) => false,
        }
    }
}

/// One try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) moment: Moment,
    /// How long to wait before it.
    pub(crate) wait: Duration,
}

impl From<Moment> for Step {
    fn from(moment: Moment) -> Self {
        Self {
            moment,
            wait: Duration::ZERO,
        }
    }
}

/// The tries in their order; there is one at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    given: Given,
    steps: Vec<Step>,
}

/// What the choice depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) engine: Engine,
    pub(crate) want: ReadWant,
    pub(crate) snapshot: Option<Timestamp>,
    /// What is read is one row of one table.
    pub(crate) one_row: bool,
    pub(crate) received_at: Timestamp,
    pub(crate) max_clock_offset: Duration,
}

impl Given {
    /// Chooses.
    ///
    /// # Errors
    /// [`SystemError::TokenUnknown`], [`SystemError::CursorExpired`].
    pub(crate) fn plan(self) -> Result<Plan, SystemError> {
        let ahead = self.max_clock_offset * 2 + TOKEN_SLACK;
        if self
            .want
            .token
            .is_some_and(|token| token > Token::at(self.received_at.plus(ahead)))
        {
            return Err(SystemError::TokenUnknown);
        }
        let steps = match (self.snapshot, self.engine, self.want.mode) {
            (Some(snapshot), _, _) => vec![self.page(snapshot)?.into()],
            // PostgreSQL has one copy: everything is read strong, and says so.
            (None, Engine::Postgres, _)
            | (None, Engine::Cockroach, None | Some(ReadMode::Strong)) => {
                vec![Moment::Now.into()]
            }
            (None, Engine::Cockroach, Some(ReadMode::Local)) => self.past(None),
            (None, Engine::Cockroach, Some(ReadMode::Bounded { max_ms })) => {
                self.past(Some(max_ms))
            }
        };
        Ok(Plan { given: self, steps })
    }

    /// On a later page the walk's snapshot wins over the mode, and a newer token ends the walk (hard case 15).
    fn page(self, snapshot: Timestamp) -> Result<Moment, SystemError> {
        let outrun = self
            .want
            .token
            .is_some_and(|token| token > self.token(snapshot));
        let expired = self.received_at.since(snapshot) > OLDEST;
        if outrun || expired || self.is_to_come(snapshot) {
            return Err(SystemError::CursorExpired);
        }
        Ok(Moment::Snapshot(snapshot))
    }

    /// Whether no page can have shown that moment yet: the cursor was made up, and its time must not get into a token.
    fn is_to_come(self, snapshot: Timestamp) -> bool {
        snapshot
            > self
                .received_at
                .plus(self.max_clock_offset * 2 + TOKEN_SLACK)
    }

    /// Whether a node whose clock is behind may take the snapshot for one to come.
    pub(crate) fn may_be_to_come(self, snapshot: Timestamp) -> bool {
        self.received_at.since(snapshot) <= self.max_clock_offset * 2 + TOKEN_SLACK
    }

    /// Replicas nearby, then further back, then strong. A bound that strong cannot keep either is asked for once more, of
    /// the nearest replica alone, which at least says how far it has come.
    fn past(self, max_ms: Option<u64>) -> Vec<Step> {
        // What the clocks may differ by is taken off the bound (hard case 12).
        let allowed = max_ms.map_or(OLDEST, |ms| {
            let bound = Duration::from_millis(ms).saturating_sub(self.max_clock_offset);
            bound.min(OLDEST)
        });
        let nearest = if self.one_row {
            self.nearest(allowed, max_ms.is_none())
        } else {
            Vec::new()
        };
        let last_word = nearest.last().filter(|_| max_ms.is_some()).copied();
        let mut steps = nearest;
        steps.extend(self.followers(allowed));
        steps.push(Moment::Now.into());
        if let Some(Step {
            moment: Moment::Nearest(nearest),
            ..
        }) = last_word
        {
            steps.push(
                Moment::Nearest(Nearest {
                    only: true,
                    ..nearest
                })
                .into(),
            );
        }
        steps
    }

    /// Bounded staleness: by the age allowed; of the nearest replica only, by ages that double, so that the one that
    /// answers tells how old it is at most.
    fn nearest(self, allowed: Duration, only: bool) -> Vec<Step> {
        let since = self.since();
        let young =
            since.is_some_and(|since| self.received_at.since(since) < REPLICA_LAG - TOKEN_WAIT);
        if allowed < REPLICA_LAG || young {
            return Vec::new();
        }
        let step = |bound| Step::from(Moment::Nearest(Nearest { bound, only }));
        let bounds: Vec<Bound> = if only {
            ages(allowed).map(Bound::of).collect()
        } else {
            vec![Bound::of(allowed)]
        };
        let mut steps: Vec<Step> = bounds
            .into_iter()
            .filter(|bound| since.is_none_or(|since| self.floor(*bound) >= since))
            .map(step)
            .collect();
        let Some(since) = since else { return steps };
        if only || steps.is_empty() {
            steps.push(step(Bound::Since(since)));
        }
        if only {
            for _ in 0..TOKEN_WAITS {
                steps.push(Step {
                    wait: TOKEN_WAIT / TOKEN_WAITS,
                    ..step(Bound::Since(since))
                });
            }
        }
        steps
    }

    /// Exact timestamps, each twice as far back as the one before.
    fn followers(self, allowed: Duration) -> Vec<Step> {
        let since = self.since();
        let steps: Vec<Step> = ages(allowed)
            .map(|age| self.received_at.minus(age))
            .filter(|as_of| since.is_none_or(|since| *as_of >= since))
            .map(|as_of| Moment::Follower(as_of).into())
            .collect();
        match since {
            // The state of the token itself: its replicas have it in a moment.
            Some(since) if steps.is_empty() => {
                let age = self.received_at.since(since);
                let wait = FOLLOWER_LAG.saturating_sub(age);
                let step = Step {
                    moment: Moment::Follower(since),
                    wait,
                };
                let kept = age <= allowed && wait <= TOKEN_WAIT;
                kept.then_some(step).into_iter().collect()
            }
            Some(_) | None => steps,
        }
    }

    /// The first moment that has all of the token.
    fn since(self) -> Option<Timestamp> {
        self.want.token.map(|token| {
            let time = token.time();
            if token > self.token(time) {
                time.plus(Duration::from_millis(1))
            } else {
                time
            }
        })
    }

    /// Not before anything that the state of `time` has. CockroachDB shows the state of the very nanosecond; PostgreSQL
    /// is asked in milliseconds and may have any of it.
    pub(crate) fn token(self, time: Timestamp) -> Token {
        match self.engine {
            Engine::Postgres => Token::at(time),
            Engine::Cockroach => {
                let millis = u64::try_from(time.as_millis()).unwrap_or(0);
                Token::new(millis.saturating_mul(1_000_000), 0)
            }
        }
    }

    fn floor(self, bound: Bound) -> Timestamp {
        match bound {
            Bound::Seconds(seconds) => self.received_at.minus(Duration::from_secs(seconds)),
            Bound::Since(time) => time,
        }
    }

    /// What a past moment is no older than; `None` for the newest state.
    pub(crate) fn as_of(self, moment: Moment) -> Option<Timestamp> {
        match moment {
            Moment::Now => None,
            Moment::Nearest(nearest) => Some(self.floor(nearest.bound)),
            Moment::Follower(at) | Moment::Snapshot(at) => Some(at),
        }
    }

    /// What `max_ms` of the answer says of a past state (hard case 12).
    pub(crate) fn max_ms(self, as_of: Timestamp) -> u64 {
        let age = self.received_at.since(as_of) + self.max_clock_offset;
        u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
    }
}

/// From what every replica has, doubling, as far back as is allowed.
fn ages(allowed: Duration) -> impl Iterator<Item = Duration> {
    std::iter::successors(Some(FOLLOWER_LAG), |age| Some(*age * 2))
        .take_while(move |age| *age <= allowed)
}

impl Plan {
    pub(crate) fn given(&self) -> Given {
        self.given
    }

    /// The try at this place.
    pub(crate) fn step(&self, at: usize) -> Step {
        self.steps.get(at).copied().unwrap_or(Moment::Now.into())
    }

    /// Whether the caller would take something else than the newest state.
    pub(crate) fn allows_past(&self) -> bool {
        self.steps.len() > 1
    }

    /// Whether something comes after this place.
    pub(crate) fn has_more(&self, at: usize) -> bool {
        at + 1 < self.steps.len()
    }

    /// The place of what to try next, if what is at this place was refused so.
    pub(crate) fn next(&self, at: usize, refusal: Refusal) -> Option<usize> {
        let failed = self.step(at).moment;
        let mut behind = (at + 1)..self.steps.len();
        match (failed, refusal) {
            (Moment::Now, Refusal::Unserved) => behind.next(),
            (Moment::Now | Moment::Snapshot(_), _) => None,
            // Only an older state may be had where this one could not be, or this one a moment later.
            (Moment::Nearest(_) | Moment::Follower(_), Refusal::Unserved) => behind.find(|next| {
                let Step { moment, wait } = self.step(*next);
                let older = self.given.as_of(moment) < self.given.as_of(failed);
                let again = moment == failed && !wait.is_zero();
                moment == Moment::Now || older || again
            }),
            (Moment::Nearest(_), Refusal::Unsuited) => {
                behind.find(|next| !matches!(self.step(*next).moment, Moment::Nearest(_)))
            }
            (Moment::Follower(_), Refusal::Unsuited) | (_, Refusal::Gone) => {
                behind.find(|next| self.step(*next).moment == Moment::Now)
            }
        }
    }
}
