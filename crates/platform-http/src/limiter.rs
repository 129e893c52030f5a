//! Rate limits: one quota per principal, or per client address where nobody is known.
//!
//! tower_governor counts (GCRA: requests are earned back one by one); its headers are turned into `RateLimit` and
//! `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10) on the way out.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use governor::middleware::StateInformationMiddleware;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use kernel::Call;
use tower_governor::{
    GovernorError, GovernorLayer,
    governor::{GovernorConfig, GovernorConfigBuilder},
    key_extractor::KeyExtractor,
};

use crate::{
    config::Quota,
    error::internal,
    exchange::Exchange,
    problem::{self, Problem},
};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const AFTER: HeaderName = HeaderName::from_static("x-ratelimit-after");

/// Who a request is charged to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Payer {
    /// Issuer and subject.
    Principal(String, String),
    /// The client's address; of IPv6 the network of 64 bits, since one client has all of it.
    Address(IpAddr),
}

impl Payer {
    fn of(call: &Call) -> Self {
        Self::Address(match call.client() {
            Some(IpAddr::V6(address)) => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))
            }
            Some(address) => address,
            None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        })
    }
}

/// Finds the payer of a request whose token was looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FindPayer;

impl KeyExtractor for FindPayer {
    type Key = Payer;

    fn extract<T>(&self, request: &Request<T>) -> Result<Payer, GovernorError> {
        let exchange = request.extensions().get::<Exchange>();
        let exchange = exchange.ok_or(GovernorError::UnableToExtractKey)?;
        Ok(match exchange.principal() {
            Some(principal) => {
                Payer::Principal(principal.issuer.clone(), principal.subject.clone())
            }
            None => Payer::of(exchange.call()),
        })
    }
}

/// The limiter of a process.
#[derive(Debug, Clone)]
pub(crate) struct Limiter {
    quota: Quota,
    config: Arc<GovernorConfig<FindPayer, StateInformationMiddleware>>,
}

impl Limiter {
    /// `None` for a quota that [`Quota::new`] refuses.
    pub(crate) fn new(quota: Quota) -> Option<Self> {
        let config = GovernorConfigBuilder::default()
            .period(quota.period())
            .burst_size(quota.requests())
            .key_extractor(FindPayer)
            .use_headers()
            .finish()?;
        Some(Self {
            quota,
            config: Arc::new(config),
        })
    }

    /// The layer that counts, and refuses with 429.
    pub(crate) fn layer(&self) -> GovernorLayer<FindPayer, StateInformationMiddleware, Body> {
        let quota = self.quota;
        GovernorLayer::new(Arc::clone(&self.config))
            .error_handler(move |error| refuse(quota, error))
    }

    /// Forgets payers whose quota is whole again.
    pub(crate) fn evict_idle(&self) {
        self.config.limiter().retain_recent();
        self.config.limiter().shrink_to_fit();
        tracing::debug!(payers = self.payers(), "limiter.evicted");
    }

    /// Payers that are remembered.
    fn payers(&self) -> usize {
        self.config.limiter().len()
    }

    /// Turns the layer's headers into ours. A request that never came to the layer (no such route, too large …) is
    /// charged to its address here, though never refused.
    pub(crate) fn finish(&self, call: &Call, headers: &mut HeaderMap) {
        headers.remove(LIMIT);
        headers.remove(AFTER);
        let counted = headers.remove(REMAINING);
        let counted = counted.and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
        let remaining = counted.unwrap_or_else(|| {
            let state = self.config.limiter().check_key(&Payer::of(call));
            state.map_or(0, |state| state.remaining_burst_capacity())
        });
        let policy = format!("\"api\";{}", self.quota);
        let state = format!(
            "\"api\";r={remaining};t={}",
            self.whole_again_secs(remaining)
        );
        for (name, value) in [("ratelimit-policy", policy), ("ratelimit", state)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }

    /// Seconds, rounded up, until the whole quota is there again.
    fn whole_again_secs(&self, remaining: u32) -> u128 {
        let used = self.quota.requests().saturating_sub(remaining);
        (self.quota.period() * used).as_millis().div_ceil(1000)
    }
}

fn refuse(quota: Quota, error: GovernorError) -> Response {
    let GovernorError::TooManyRequests { wait_time, .. } = error else {
        tracing::error!(%error, "the rate limiter found no payer");
        return internal(false).into_response();
    };
    // The layer cuts the wait to whole seconds, and one request is earned back within a period at the latest.
    let wait = quota.period().min(Duration::from_secs(wait_time + 1));
    let wait_ms = u64::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
    Problem::new(
        &problem::QUOTA_EXCEEDED,
        format!(
            "More than {} requests in {} s.",
            quota.requests(),
            quota.window_secs()
        ),
    )
    .with("violated-policies", vec!["api"])
    .retry_after_ms(wait_ms)
    .header(LIMIT, quota.requests())
    .header(REMAINING, 0)
    .into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn hard_case_29_idle_payers_are_forgotten() {
        let limiter = Limiter::new(Quota::new(1000, 1).unwrap()).unwrap();
        for last in 0..200 {
            let payer = Payer::Address(IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)));
            assert!(limiter.config.limiter().check_key(&payer).is_ok());
        }
        assert_eq!(limiter.payers(), 200);
        let deadline = Instant::now() + Duration::from_secs(10);
        while limiter.payers() > 0 {
            assert!(
                Instant::now() < deadline,
                "{} payers are left",
                limiter.payers()
            );
            limiter.evict_idle();
        }
    }

    #[test]
    fn the_reset_is_when_the_whole_quota_is_there_again() {
        let limiter = Limiter::new("q=36000;w=60".parse().unwrap()).unwrap();
        assert_eq!(limiter.whole_again_secs(36_000), 0);
        assert_eq!(limiter.whole_again_secs(35_999), 1);
        assert_eq!(limiter.whole_again_secs(18_000), 30);
        assert_eq!(limiter.whole_again_secs(0), 60);
    }
}
