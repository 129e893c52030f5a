//! Token verification that survives the issuer's outages.
//!
//! Keys are read when first needed, again every five minutes in the background, and at once when a token names a key
//! that we do not have: one reading at a time, at most once a second, by a task that no request can end. A failed
//! reading changes nothing, and says nothing about a token whose key was looked for.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use jsonwebtoken::Validation;
use kernel::{Clock, Principal, Timestamp};
use moka::future::Cache;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    task::JoinHandle,
};
use tokio_util::task::TaskTracker;

use super::{
    claims::{Claims, Expected},
    keys::{JwksSource, Key, KeysError},
};
use crate::exchange::Credentials;

/// Keys older than this are read again, in the background.
const REFRESH_AFTER: Duration = Duration::from_secs(300);
/// Unknown key ids make us ask the issuer no more often than this.
const REFRESH_MIN: Duration = Duration::from_secs(1);
/// While the issuer is down, old keys are tried to be renewed this often.
const RENEW_MIN: Duration = Duration::from_secs(30);
/// Principals of 10 000 tokens take about 5 MB; a token is verified again when it fell out.
const CACHED_TOKENS: u64 = 10_000;
/// Tokens are a few hundred bytes; the header limit is 16 KiB anyway.
const TOKEN_BYTES_MAX: usize = 8 << 10;

/// Verifies tokens of one issuer. Cheap to clone; clones share keys and cache.
#[derive(Debug, Clone)]
pub struct Verifier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: JwksSource,
    expected: Expected,
    clock: Clock,
    keys: RwLock<Option<KeySet>>,
    /// Held while keys are read; holds how that ended last.
    reading: Arc<Mutex<Option<Reading>>>,
    /// By the SHA-256 of the token, so that the cache holds no token.
    verified: Cache<[u8; 32], Arc<Verified>>,
    asked: Family<Asked, Counter>,
    /// Readings of the keys. Nothing is lost when the process ends in the middle of one.
    readings: TaskTracker,
}

/// A reading of the keys that has ended.
#[derive(Debug, Clone, Copy)]
struct Reading {
    ended: Instant,
    failed: bool,
}

/// Whether a token was known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    outcome: &'static str,
}

#[derive(Debug, Clone)]
struct KeySet {
    keys: Arc<Vec<Key>>,
    read_at: Instant,
}

#[derive(Debug)]
struct Verified {
    principal: Arc<Principal>,
    until: Timestamp,
    /// The key set that it was verified by: a key that the issuer took back must not live on here.
    keys: Arc<Vec<Key>>,
}

impl Verifier {
    /// A verifier of `issuer`'s tokens for `audience`. Reads nothing yet.
    #[must_use]
    pub fn new(
        source: JwksSource,
        issuer: impl Into<String>,
        audience: impl Into<String>,
        clock: Clock,
    ) -> Self {
        Self(Arc::new(Inner {
            source,
            expected: Expected {
                issuer: issuer.into(),
                audience: audience.into(),
            },
            clock,
            keys: RwLock::new(None),
            reading: Arc::default(),
            verified: Cache::builder()
                .max_capacity(CACHED_TOKENS)
                .time_to_live(Duration::from_secs(3600))
                .build(),
            asked: Family::default(),
            readings: TaskTracker::new(),
        }))
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "auth_cache_requests",
            "Tokens, by whether they had been verified before (hit) or were verified anew (miss)",
            self.0.asked.clone(),
        );
    }

    fn count(&self, outcome: &'static str) {
        self.0.asked.get_or_create(&Asked { outcome }).inc();
    }

    /// Reads the keys now, for a process that wants to know at its start.
    ///
    /// # Errors
    /// Why they could not be read; those read before stay.
    pub async fn load(&self) -> Result<(), KeysError> {
        let mut reading = self.0.reading.lock().await;
        self.read(&mut reading).await
    }

    /// Whether keys were ever read; tries to if not.
    pub async fn is_ready(&self) -> bool {
        if self.keys().is_none() {
            self.refresh(REFRESH_MIN).await;
        }
        self.keys().is_some()
    }

    pub(crate) async fn verify(&self, token: &str) -> Credentials {
        if token.len() > TOKEN_BYTES_MAX {
            return Credentials::Bad("is too long");
        }
        let hash: [u8; 32] = Sha256::digest(token).into();
        let now = self.0.clock.now();
        let known = self.0.verified.get(&hash).await;
        if let Some(verified) = known.filter(|verified| self.is_current(&verified.keys)) {
            self.count("hit");
            return if now < verified.until {
                Credentials::Good(Arc::clone(&verified.principal))
            } else {
                Credentials::Bad("has expired")
            };
        }
        self.count("miss");
        match self.verify_new(token, now).await {
            Ok(Some(verified)) => {
                let verified = Arc::new(verified);
                self.0.verified.insert(hash, Arc::clone(&verified)).await;
                Credentials::Good(Arc::clone(&verified.principal))
            }
            Ok(None) => Credentials::NoKeys,
            Err(why) => Credentials::Bad(why),
        }
    }

    fn is_current(&self, keys: &Arc<Vec<Key>>) -> bool {
        self.keys().is_some_and(|set| Arc::ptr_eq(&set.keys, keys))
    }

    /// `None`: the keys to judge it by could not be read.
    async fn verify_new(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<Verified>, &'static str> {
        let header = jsonwebtoken::decode_header(token)
            .map_err(|_| "is not a JSON Web Token signed with EdDSA, ES256 or RS256")?;
        if header.crit.is_some() {
            return Err("has critical header parameters that we do not know");
        }
        let Some(keys) = self.keys_for(header.kid.as_deref()).await else {
            return Ok(None);
        };
        let candidates = keys.iter().filter(|key| {
            // The key decides the algorithm, never the token: a public RSA key is no HMAC secret.
            key.algorithm == header.alg && (header.kid.is_none() || key.kid == header.kid)
        });
        for key in candidates {
            let mut validation = Validation::new(key.algorithm);
            // Our own clock and rules judge the claims.
            validation.required_spec_claims.clear();
            validation.validate_exp = false;
            validation.validate_aud = false;
            if let Ok(data) = jsonwebtoken::decode::<Claims>(token, &key.key, &validation) {
                let (principal, until) = data.claims.check(&self.0.expected, now)?;
                return Ok(Some(Verified {
                    principal: Arc::new(principal),
                    until,
                    keys: Arc::clone(&keys),
                }));
            }
        }
        Err("is not signed with a key of the issuer")
    }

    /// The keys, read anew if they are old or lack this one. `None`: it may be among those that could not be read.
    async fn keys_for(&self, kid: Option<&str>) -> Option<Arc<Vec<Key>>> {
        let lacks =
            |set: &KeySet| kid.is_some() && !set.keys.iter().any(|key| key.kid.as_deref() == kid);
        if let Some(set) = self.keys().filter(|set| !lacks(set)) {
            if set.read_at.elapsed() > REFRESH_AFTER
                && let Ok(last) = Arc::clone(&self.0.reading).try_lock_owned()
                && last.is_none_or(|last| last.ended.elapsed() >= RENEW_MIN)
            {
                drop(self.start_reading(last));
            }
            return Some(set.keys);
        }
        let was_read = self.refresh(REFRESH_MIN).await;
        let set = self.keys()?;
        (was_read || !lacks(&set)).then_some(set.keys)
    }

    fn keys(&self) -> Option<KeySet> {
        self.0
            .keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Reads the keys unless another request just did: whoever waits for the lock shares its outcome, which is
    /// whether they could be read.
    async fn refresh(&self, interval: Duration) -> bool {
        let last = Arc::clone(&self.0.reading).lock_owned().await;
        match *last {
            Some(last) if last.ended.elapsed() < interval => !last.failed,
            _ => self.start_reading(last).await.unwrap_or(false),
        }
    }

    /// A request that ends early must not take the reading with it that others wait for.
    fn start_reading(&self, mut last: OwnedMutexGuard<Option<Reading>>) -> JoinHandle<bool> {
        let verifier = self.clone();
        self.0.readings.spawn(async move {
            let outcome = verifier.read(&mut last).await;
            if let Err(error) = &outcome {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                tracing::warn!(source = %verifier.0.source, %error, cause, "auth.keys_not_read");
            }
            outcome.is_ok()
        })
    }

    async fn read(&self, last: &mut Option<Reading>) -> Result<(), KeysError> {
        let outcome = self.0.source.read().await.map(|keys| self.replace(keys));
        *last = Some(Reading {
            ended: Instant::now(),
            failed: outcome.is_err(),
        });
        outcome
    }

    /// A set that has not changed stays the same one, so that the tokens verified by it stay known.
    fn replace(&self, keys: Vec<Key>) {
        let mut slot = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
        let keys = match slot.take() {
            Some(set) if *set.keys == keys => set.keys,
            _ => Arc::new(keys),
        };
        *slot = Some(KeySet {
            keys,
            read_at: Instant::now(),
        });
    }
}
