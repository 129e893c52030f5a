//! Token verification that survives the issuer's outages.
//!
//! Keys are read when first needed, again every five minutes in the background, and at once when a token names a key
//! that we do not have: by one request at a time, at most once a second. A failed reading changes nothing.

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
use tokio::sync::Mutex;
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
    /// Held while keys are read; holds when that began last.
    reading: Mutex<Option<Instant>>,
    /// By the SHA-256 of the token, so that the cache holds no token.
    verified: Cache<[u8; 32], Arc<Verified>>,
    asked: Family<Asked, Counter>,
    /// Renewals in the background. Nothing is lost when the process ends in the middle of one.
    renewals: TaskTracker,
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
            reading: Mutex::new(None),
            verified: Cache::builder()
                .max_capacity(CACHED_TOKENS)
                .time_to_live(Duration::from_secs(3600))
                .build(),
            asked: Family::default(),
            renewals: TaskTracker::new(),
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
        *reading = Some(Instant::now());
        self.read().await
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
        if let Some(verified) = self.0.verified.get(&hash).await {
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

    /// `None`: there are no keys to judge it by.
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
                }));
            }
        }
        Err("is not signed with a key of the issuer")
    }

    /// The keys, read anew if they are old or lack this one.
    async fn keys_for(&self, kid: Option<&str>) -> Option<Arc<Vec<Key>>> {
        let lacks =
            |set: &KeySet| kid.is_some() && !set.keys.iter().any(|key| key.kid.as_deref() == kid);
        match self.keys() {
            Some(set) if !lacks(&set) => {
                if set.read_at.elapsed() > REFRESH_AFTER && self.0.reading.try_lock().is_ok() {
                    let verifier = self.clone();
                    self.0
                        .renewals
                        .spawn(async move { verifier.refresh(RENEW_MIN).await });
                }
                Some(set.keys)
            }
            _ => {
                self.refresh(REFRESH_MIN).await;
                self.keys().map(|set| set.keys)
            }
        }
    }

    fn keys(&self) -> Option<KeySet> {
        self.0
            .keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Reads the keys unless another request just did: whoever waits for the lock shares its outcome.
    async fn refresh(&self, interval: Duration) {
        let mut reading = self.0.reading.lock().await;
        if reading.is_some_and(|began| began.elapsed() < interval) {
            return;
        }
        *reading = Some(Instant::now());
        if let Err(error) = self.read().await {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(source = %self.0.source, %error, cause, "auth.keys_not_read");
        }
    }

    async fn read(&self) -> Result<(), KeysError> {
        let keys = self.0.source.read().await?;
        let mut slot = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
        let changed = slot.as_ref().is_some_and(|set| *set.keys != keys);
        *slot = Some(KeySet {
            keys: Arc::new(keys),
            read_at: Instant::now(),
        });
        drop(slot);
        if changed {
            // A key that the issuer took back must not live on in verified tokens.
            self.0.verified.invalidate_all();
        }
        Ok(())
    }
}
