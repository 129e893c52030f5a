//! Reference data in memory, for the GETs of a process: at most a second old, and it says so.
//!
//! - Only what lives everywhere (GLOBAL) is cached, and only for answers: every fact that decides a write is read inside
//!   its transaction (hard case 20). Who may see it is decided before, and nothing of the caller is in an entry.
//! - Those who find nothing wait for one read ([`crate::flight`]), but not longer than a second for another's, or past
//!   their own deadline: they read by themselves then.
//! - That something does not exist is never kept, nor is a failure, nor what a replica said.
//! - `Read-Consistency: strong`, `Cache-Control: no-cache`, a bound that the entry's age does not keep and a token that
//!   it may not cover go to the database; what they bring back is kept for the others.
//! - The entries of what this process changes are dropped with COMMIT ([`crate::generations`]).

mod rule;

use std::{
    fmt,
    hash::Hash,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use kernel::{Call, Freshness, Read, SystemError, Timestamp, Token};
use moka::{Expiry, future::Cache};

use crate::{
    Db, DbError, ReadSpec, Session,
    cached::rule::Age,
    flight::{self, Flight},
    generations::Generation,
    metrics::{CacheOutcome, CacheSize},
};

/// What one cache may take: the six that there are take 48 MiB together.
const BYTES_MAX: u64 = 8 << 20;
/// What an entry takes beside its texts, generously. So there are never more than 8192 of them.
const ENTRY_BYTES: usize = 1024;

/// How what is cached is read: a function, since one that captures something would have to be made for every request.
pub type Load<K, V> = for<'s> fn(&'s Session, K, Timestamp) -> BoxFuture<'s, Result<V, DbError>>;

/// What a cache holds, where it comes from, and which events outdate it.
pub struct Source<K, V> {
    /// Its name in `/metrics`.
    pub name: &'static str,
    /// What it is of: events named `<topic>.<what happened>` change it.
    pub topic: &'static str,
    /// The subject of those events, for one resource. `None` for a list: every event of the topic changes it, and it
    /// is read as a page, so that a walk may begin with it.
    pub subject: Option<fn(&K) -> String>,
    /// It is one row of one table, read as [`Db::read_row`] wants it.
    pub one_row: bool,
    /// Bytes of its texts; `None` for what is not there, which is not kept.
    pub bytes: fn(&V) -> Option<usize>,
    /// Reads it, as it is to be shown at a time.
    pub load: Load<K, V>,
}

/// A cache of reference data. Cheap to clone; clones share what they hold.
pub struct Cached<K: 'static, V: 'static>(Arc<Inner<K, V>>);

struct Inner<K: 'static, V: 'static> {
    db: Db,
    source: &'static Source<K, V>,
    entries: Cache<Slot<K>, Arc<Entry<V>>>,
}

/// Where an entry is filed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Slot<K> {
    key: K,
    generation: Generation,
}

struct Entry<V> {
    value: Arc<V>,
    /// The database's time of the read, for a walk that begins with it.
    at: Timestamp,
    /// What its first reader was given: not older than what it shows.
    token: Token,
    /// It shows every write acknowledged before this time of the database.
    as_of: Timestamp,
    /// When its read began.
    started: Instant,
    /// `None`: not to be kept.
    bytes: Option<usize>,
}

/// An entry lives until a second after its read began, however long that took.
struct UntilTooOld;

impl<K, V> Expiry<Slot<K>, Arc<Entry<V>>> for UntilTooOld {
    fn expire_after_create(
        &self,
        _: &Slot<K>,
        entry: &Arc<Entry<V>>,
        _: Instant,
    ) -> Option<Duration> {
        Some(rule::AGE_MAX.saturating_sub(entry.started.elapsed()))
    }

    fn expire_after_update(
        &self,
        _: &Slot<K>,
        entry: &Arc<Entry<V>>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(rule::AGE_MAX.saturating_sub(entry.started.elapsed()))
    }
}

impl<K, V> fmt::Debug for Source<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

impl<K, V> Clone for Cached<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> fmt::Debug for Cached<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("name", &self.0.source.name)
            .finish_non_exhaustive()
    }
}

impl<K, V> Cached<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// An empty one.
    #[must_use]
    pub fn new(db: &Db, source: &'static Source<K, V>) -> Self {
        let weigh = |_: &Slot<K>, entry: &Arc<Entry<V>>| {
            let bytes = entry.bytes.unwrap_or(0).saturating_add(ENTRY_BYTES);
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Self(Arc::new(Inner {
            db: db.clone(),
            source,
            entries: Cache::builder()
                .max_capacity(BYTES_MAX)
                .weigher(weigh)
                .expire_after(UntilTooOld)
                .build(),
        }))
    }

    /// What there is under `key`, from memory if the request allows it.
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn read(
        &self,
        call: &Call,
        spec: ReadSpec,
        key: K,
    ) -> Result<Read<Arc<V>>, SystemError> {
        let slot = self.slot(key);
        if rule::asks_the_database(&spec.want) {
            return self.alone(call, spec, slot, CacheOutcome::Bypass).await;
        }
        match self.0.entries.get(&slot).await {
            None => self.with_others(call, spec, slot).await,
            Some(entry) => match self.show(call, &spec, &entry) {
                Some(read) => Ok(read),
                None => self.alone(call, spec, slot, CacheOutcome::Bypass).await,
            },
        }
    }

    fn slot(&self, key: K) -> Slot<K> {
        let Source { topic, subject, .. } = self.0.source;
        let subject = subject.map(|of| of(&key));
        let generation = self
            .0
            .db
            .generations()
            .generation(topic, subject.as_deref());
        Slot { key, generation }
    }

    /// The entry, if this request may be shown it.
    fn show(&self, call: &Call, spec: &ReadSpec, entry: &Entry<V>) -> Option<Read<Arc<V>>> {
        let age = Age {
            as_of: entry.as_of,
            at_receipt: entry.started.elapsed().saturating_sub(call.elapsed()),
        };
        let clock = (call.received_at(), self.0.db.max_clock_offset());
        let max_ms = rule::max_ms(&spec.want, clock, age)?;
        let mut facts = call.facts();
        facts.freshness = Some(Freshness::Cache {
            as_of: entry.as_of,
            max_ms,
            home: spec.home.clone(),
        });
        if self.0.source.subject.is_some() {
            facts.token = facts.token.max(Some(entry.token));
        } else {
            facts.moment = Some(entry.token);
        }
        drop(facts);
        self.count(CacheOutcome::Hit);
        Some(entry.read())
    }

    /// Reads for all who ask now, or waits for who does.
    async fn with_others(
        &self,
        call: &Call,
        spec: ReadSpec,
        slot: Slot<K>,
    ) -> Result<Read<Arc<V>>, SystemError> {
        // The future owns what it needs: one that borrows is not Send for every lifetime, which handlers need.
        let load = {
            let (this, call, spec, key) =
                (self.clone(), call.clone(), spec.clone(), slot.key.clone());
            async move { this.load(&call, spec, key).await }
        };
        let keep = |entry: &Arc<Entry<V>>| entry.bytes.map(|_| Arc::clone(entry));
        let patience = call.deadline().min(Instant::now() + rule::AGE_MAX);
        let entries = &self.0.entries;
        match flight::with_others(entries, slot.clone(), patience, load, keep).await {
            Flight::Own(ended) => {
                self.count(CacheOutcome::Miss);
                self.tidy().await;
                return ended.map(|entry| entry.read());
            }
            Flight::Theirs(entry) => {
                if let Some(read) = self.show(call, &spec, &entry) {
                    return Ok(read);
                }
            }
            Flight::Unreachable => {
                self.count(CacheOutcome::Miss);
                return Err(SystemError::Unavailable { source: None });
            }
            Flight::Alone => {}
        }
        self.alone(call, spec, slot, CacheOutcome::Miss).await
    }

    /// Reads for this request, and keeps what it was told for others, unless they have a newer one.
    async fn alone(
        &self,
        call: &Call,
        spec: ReadSpec,
        slot: Slot<K>,
        outcome: CacheOutcome,
    ) -> Result<Read<Arc<V>>, SystemError> {
        self.count(outcome);
        let entry = self.load(call, spec, slot.key.clone()).await?;
        let entries = &self.0.entries;
        if entry.bytes.is_some() {
            let kept = entries.get(&slot).await;
            if kept.is_none_or(|kept| kept.started < entry.started) {
                entries.insert(slot, Arc::clone(&entry)).await;
                self.tidy().await;
            }
        }
        Ok(entry.read())
    }

    /// Asks the database, and judges how old what it says is.
    async fn load(
        &self,
        call: &Call,
        spec: ReadSpec,
        key: K,
    ) -> Result<Arc<Entry<V>>, SystemError> {
        let Inner { db, source, .. } = &*self.0;
        let (started, clock) = (Instant::now(), db.clock().now());
        let (load, now) = (source.load, call.received_at());
        let work = async move |session: &Session| load(session, key.clone(), now).await;
        let read = match source.subject {
            Some(_) if source.one_row => db.read_row(call, spec, work).await?,
            Some(_) => db.read(call, spec, work).await?,
            None => db.read_page(call, spec, work).await?,
        };
        let facts = call.facts();
        // A replica's word is older than what this promises.
        let is_newest = matches!(facts.freshness, Some(Freshness::Strong { .. }));
        let token = facts.reflects().unwrap_or(Token::at(read.at));
        drop(facts);
        Ok(Arc::new(Entry {
            bytes: (source.bytes)(&read.value).filter(|_| is_newest),
            value: Arc::new(read.value),
            at: read.at,
            token,
            as_of: db.time_not_after(started, clock),
            started,
        }))
    }

    fn count(&self, outcome: CacheOutcome) {
        let Inner { db, source, .. } = &*self.0;
        db.metrics().cache_asked(source.name, outcome);
    }

    /// Lets go of what is too old or too much, and says how much is left.
    async fn tidy(&self) {
        let Inner {
            db,
            source,
            entries,
        } = &*self.0;
        entries.run_pending_tasks().await;
        let size = CacheSize {
            entries: entries.entry_count(),
            bytes: entries.weighted_size(),
        };
        db.metrics().cache_holds(source.name, size);
    }
}

impl<V> Entry<V> {
    fn read(&self) -> Read<Arc<V>> {
        Read {
            value: Arc::clone(&self.value),
            at: self.at,
            unreachable: Vec::new(),
        }
    }
}
