//! One request, from the moment its head was read: who serves it, until when, what it cost, how fresh it is.

use std::{
    fmt,
    net::IpAddr,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{RegionTag, RequestId, Timestamp};

/// The shared context of one request. Cheap to clone; every clone writes into the same [`Facts`].
#[derive(Debug, Clone)]
pub struct Call(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: RequestId,
    region: RegionTag,
    client: Option<IpAddr>,
    traceparent: Option<String>,
    received_at: Timestamp,
    received: Instant,
    deadline: Instant,
    facts: Mutex<Facts>,
}

/// What a [`Call`] is made from.
#[derive(Debug, Clone)]
pub struct CallStart {
    /// The id of the request.
    pub id: RequestId,
    /// The region that serves it.
    pub region: RegionTag,
    /// The client's address, if there is a client.
    pub client: Option<IpAddr>,
    /// The W3C trace context it came with, verified to be well-formed.
    pub traceparent: Option<String>,
    /// When its head was read.
    pub received_at: Timestamp,
    /// How long it may take.
    pub budget: Duration,
}

impl Call {
    /// Starts the clock of a request.
    #[must_use]
    pub fn start(start: CallStart) -> Self {
        let received = Instant::now();
        Self(Arc::new(Inner {
            id: start.id,
            region: start.region,
            client: start.client,
            traceparent: start.traceparent,
            received_at: start.received_at,
            received,
            deadline: received + start.budget,
            facts: Mutex::default(),
        }))
    }

    /// A part of the same request, with facts of its own.
    #[must_use]
    pub fn part(&self) -> Self {
        Self(Arc::new(Inner {
            id: self.0.id.clone(),
            region: self.0.region.clone(),
            traceparent: self.0.traceparent.clone(),
            facts: Mutex::default(),
            ..*self.0
        }))
    }

    /// The id in logs, audit rows, events and problem documents.
    #[must_use]
    pub fn id(&self) -> &RequestId {
        &self.0.id
    }

    /// The region whose process runs this.
    #[must_use]
    pub fn region(&self) -> &RegionTag {
        &self.0.region
    }

    /// The client's address, if there is a client.
    #[must_use]
    pub fn client(&self) -> Option<IpAddr> {
        self.0.client
    }

    /// The W3C trace context, for the comment on `BEGIN` and for logs.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.0.traceparent.as_deref()
    }

    /// When the request was received, by this process' clock: the operation's one `now`.
    #[must_use]
    pub fn received_at(&self) -> Timestamp {
        self.0.received_at
    }

    /// Time since the request was received.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.received.elapsed()
    }

    /// When the answer is due; no COMMIT is sent after it.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.0.deadline
    }

    /// Time left until the deadline, zero when it passed.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.0.deadline.saturating_duration_since(Instant::now())
    }

    /// The facts so far, to read or to add to. Never held across an await.
    pub fn facts(&self) -> MutexGuard<'_, Facts> {
        self.0.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the answer says about itself in its headers.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Statements sent to the database.
    pub statements: u32,
    /// Rows that came back or were written.
    pub rows: u32,
    /// Serializable retries.
    pub retries: u32,
    /// Round trips to another region's database nodes.
    pub cross_region: u32,
    /// Time spent verifying the token.
    pub auth: Duration,
    /// Time spent waiting for the database, less COMMIT.
    pub database: Duration,
    /// Time spent waiting for COMMIT.
    pub commit: Option<Duration>,
    /// How fresh the data of the answer is; `None` while no data was read.
    pub freshness: Option<Freshness>,
    /// The newest state that was seen for the answer.
    pub token: Option<Token>,
    /// Of a page or a report: the one moment that it shows. That is what the answer reflects, however new was what was
    /// looked up for it: sent back with the next page, it must not end the walk (hard case 15).
    pub moment: Option<Token>,
    /// The answer is the stored one of an earlier request.
    pub replayed: bool,
    /// The request was a rehearsal: it was rolled back.
    pub dry_run: bool,
}

impl Facts {
    /// Adds what a later part of the same request cost; how fresh the answer is, is said by the later part.
    pub fn add(&mut self, later: Self) {
        self.statements = self.statements.saturating_add(later.statements);
        self.rows = self.rows.saturating_add(later.rows);
        self.retries = self.retries.saturating_add(later.retries);
        self.cross_region = self.cross_region.saturating_add(later.cross_region);
        self.database += later.database;
        self.freshness = later.freshness.or(self.freshness.take());
        self.token = self.token.max(later.token);
        self.moment = later.moment.or(self.moment);
    }

    /// Adds what another part of the same request cost, whose data stand beside this one's in the answer: that is as fresh
    /// as the older of them.
    pub fn join(&mut self, beside: Self) {
        let freshness = match (self.freshness.take(), beside.freshness.clone()) {
            (Some(one), Some(other)) => Some(one.older(other)),
            (one, other) => one.or(other),
        };
        self.add(beside);
        self.freshness = freshness;
    }

    /// The newest state that the answer reflects.
    #[must_use]
    pub fn reflects(&self) -> Option<Token> {
        self.moment.or(self.token)
    }
}

/// Where an answer's data came from and how old it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Freshness {
    /// The leaseholder's word.
    Strong {
        /// Home region of the data.
        home: RegionTag,
    },
    /// A replica's word.
    Follower {
        /// The state shown is that of this moment.
        as_of: Timestamp,
        /// Writes acknowledged this long before the request was received are in the answer.
        max_ms: u64,
        /// Home region of the data.
        home: RegionTag,
    },
    /// This process' memory.
    Cache {
        /// The state shown is that of this moment.
        as_of: Timestamp,
        /// As for [`Freshness::Follower`].
        max_ms: u64,
        /// Home region of the data.
        home: RegionTag,
    },
    /// One moment for a whole walk, report or export.
    Snapshot {
        /// The state shown is that of this moment.
        as_of: Timestamp,
        /// As for [`Freshness::Follower`].
        max_ms: u64,
        /// Home region of the data.
        home: RegionTag,
    },
}

impl Freshness {
    fn parts(&mut self) -> (u64, &mut RegionTag) {
        match self {
            Self::Strong { home } => (0, home),
            Self::Follower { max_ms, home, .. }
            | Self::Cache { max_ms, home, .. }
            | Self::Snapshot { max_ms, home, .. } => (*max_ms, home),
        }
    }

    /// The one that promises less, of data that have no one home unless both have it.
    fn older(mut self, mut other: Self) -> Self {
        let ((one, home), (two, beside)) = (self.parts(), other.parts());
        if home != beside {
            *home = RegionTag::global();
            *beside = RegionTag::global();
        }
        if two > one { other } else { self }
    }
}

impl fmt::Display for Freshness {
    /// The value of the `Freshness` header (RFC 9651 item with parameters).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, as_of, max_ms, home) = match self {
            Self::Strong { home } => {
                return write!(f, "strong;max_ms=0;home=\"{home}\"");
            }
            Self::Follower {
                as_of,
                max_ms,
                home,
            } => ("follower", as_of, max_ms, home),
            Self::Cache {
                as_of,
                max_ms,
                home,
            } => ("cache", as_of, max_ms, home),
            Self::Snapshot {
                as_of,
                max_ms,
                home,
            } => ("snapshot", as_of, max_ms, home),
        };
        write!(
            f,
            "{kind};as_of=\"{as_of}\";max_ms={max_ms};home=\"{home}\""
        )
    }
}

/// How fresh a caller wants a read to be (header `Read-Consistency`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadMode {
    /// Everything acknowledged before.
    Strong,
    /// Everything acknowledged `max_ms` before.
    Bounded {
        /// The bound in milliseconds.
        max_ms: u64,
    },
    /// Whatever the nearest replica has.
    Local,
}

/// What a read must honour: the mode, if the caller named one, and the token, if it sent one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadWant {
    /// `None`: the default of the resource.
    pub mode: Option<ReadMode>,
    /// Nothing older than this.
    pub token: Option<Token>,
    /// `Cache-Control: no-cache`: nothing from memory.
    pub no_cache: bool,
    /// `allow_partial=false`: no answer rather than one that a region is missing from.
    pub whole: bool,
}

/// A moment of the database's clock: an answer that carries it reflects that state or a newer one.
///
/// Text form: base64url without padding over one version byte, eight bytes of nanoseconds since the epoch and
/// four bytes of logical clock, big-endian. It names no region: it is good in every region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    nanos: u64,
    logical: u32,
}

impl Token {
    const VERSION: u8 = 1;

    /// A moment of a hybrid logical clock.
    #[must_use]
    pub fn new(nanos: u64, logical: u32) -> Self {
        Self { nanos, logical }
    }

    /// The end of the millisecond `time`: not before anything that happened in it.
    #[must_use]
    pub fn at(time: Timestamp) -> Self {
        let millis = u64::try_from(time.as_millis()).unwrap_or(0);
        Self::new(millis.saturating_mul(1_000_000).saturating_add(999_999), 0)
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub fn nanos(self) -> u64 {
        self.nanos
    }

    /// Logical clock within the nanosecond.
    #[must_use]
    pub fn logical(self) -> u32 {
        self.logical
    }

    /// The millisecond that the moment lies in.
    #[must_use]
    pub fn time(self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.nanos / 1_000_000).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 13];
        bytes[0] = Self::VERSION;
        bytes[1..9].copy_from_slice(&self.nanos.to_be_bytes());
        bytes[9..].copy_from_slice(&self.logical.to_be_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// Why a text is not a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not a consistency token that this API gave")]
pub struct TokenError;

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError)?;
        let bytes: [u8; 13] = bytes.try_into().map_err(|_| TokenError)?;
        let [version, n0, n1, n2, n3, n4, n5, n6, n7, l0, l1, l2, l3] = bytes;
        if version != Self::VERSION {
            return Err(TokenError);
        }
        Ok(Self {
            nanos: u64::from_be_bytes([n0, n1, n2, n3, n4, n5, n6, n7]),
            logical: u32::from_be_bytes([l0, l1, l2, l3]),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn token_text_round_trips(nanos: u64, logical: u32) {
            let token = Token::new(nanos, logical);
            prop_assert_eq!(token.to_string().parse::<Token>(), Ok(token));
        }

        #[test]
        fn token_never_panics(text in ".{0,40}") {
            let _ = text.parse::<Token>();
        }
    }

    #[test]
    fn a_token_of_a_millisecond_covers_all_of_it() {
        let time = Timestamp::from_millis(1_795_000_000_123);
        assert_eq!(Token::at(time).time(), time);
        assert!(Token::at(time) < Token::at(time.plus(Duration::from_millis(1))));
    }

    #[test]
    fn an_answer_of_two_parts_is_as_fresh_as_the_older_one() {
        let home = |tag: &str| tag.parse::<RegionTag>().unwrap();
        let old = Freshness::Follower {
            as_of: Timestamp::from_millis(1_000),
            max_ms: 4_800,
            home: home("us1"),
        };
        let new = Freshness::Strong { home: home("us1") };
        let part = |freshness: &Freshness, statements| Facts {
            freshness: Some(freshness.clone()),
            statements,
            ..Facts::default()
        };
        for (one, other) in [(&old, &new), (&new, &old)] {
            let mut facts = part(one, 1);
            facts.join(part(other, 2));
            assert_eq!(
                (facts.freshness.as_ref(), facts.statements),
                (Some(&old), 3)
            );
        }
        let mut facts = part(&Freshness::Strong { home: home("eu1") }, 0);
        facts.join(part(&old, 0));
        let told = facts.freshness.unwrap().to_string();
        assert!(
            told.starts_with("follower;") && told.ends_with(";max_ms=4800;home=\"g\""),
            "{told}"
        );
    }
}
