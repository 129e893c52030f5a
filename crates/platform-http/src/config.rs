//! What one process is told about itself. Figures are those of the contract; tests and operators may lower them.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use kernel::{Clock, RegionTag};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What a [`Service`](crate::Service) is made from, besides the systems.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// The region that this process serves.
    pub region: RegionTag,
    /// The process, as shown in `Served-By`.
    pub node: String,
    /// Requests per principal (or, without one, per client address).
    pub quota: Quota,
    /// Peers whose `X-Forwarded-For` and `X-Geo-*` are believed.
    pub trusted_proxies: TrustedProxies,
    /// Sizes and times.
    pub limits: Limits,
    /// The other regions and their base URLs, for problems that say "try elsewhere".
    pub alternatives: Vec<(RegionTag, String)>,
    /// The largest difference between two clocks of the cluster.
    pub max_clock_offset: Duration,
    /// Where requests get their time from.
    pub clock: Clock,
    /// Cancelled when the process is to stop: from then on new requests are told to go elsewhere.
    pub draining: CancellationToken,
    /// Where writes run, so that shutdown waits for them.
    pub tasks: TaskTracker,
}

impl HttpConfig {
    /// The contract's figures for a process of `region` called `node`.
    #[must_use]
    pub fn new(region: RegionTag, node: impl Into<String>) -> Self {
        Self {
            region,
            node: node.into(),
            quota: Quota::default(),
            trusted_proxies: TrustedProxies::default(),
            limits: Limits::default(),
            alternatives: Vec::new(),
            max_clock_offset: Duration::from_millis(500), // CockroachDB's default --max-offset
            clock: Clock::System,
            draining: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }
}

/// Sizes and times that requests must keep to (`hard-cases` 30).
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Bytes of an import's body.
    pub import_bytes: usize,
    /// Time without a byte that ends an import's upload, and time for the reader of an import's or an export's answer to
    /// take a piece of it.
    pub import_pause: Duration,
    /// Imports at work at once; more are turned away.
    pub imports: usize,
    /// Exports at work at once; more are turned away. Each has a connection to the database of its own.
    pub exports: usize,
    /// Time for a whole export: as long is the state held that it shows.
    pub export_time: Duration,
    /// Bytes of a refused body that are read and dropped, so that the client gets to see the refusal.
    pub drain_bytes: usize,
    /// Header fields.
    pub headers: usize,
    /// Bytes of header names and values.
    pub header_bytes: usize,
    /// Bytes of path and query.
    pub uri_bytes: usize,
    /// Levels of objects and arrays in a JSON body.
    pub json_depth: usize,
    /// Requests at work at once; more are turned away rather than queued.
    pub concurrent: usize,
    /// Requests that wait for something to happen (`Prefer: wait`) at once; more are answered without waiting.
    pub waiting: usize,
    /// Time to send the whole head of a request.
    pub head_timeout: Duration,
    /// Time that a connection may stay open between requests. Longer than the 60 s of NGINX, so that the edge closes
    /// first and never sends into a connection that is just going away.
    pub idle_timeout: Duration,
    /// Time from the head to the answer; no COMMIT is sent after it.
    pub deadline: Duration,
    /// Time after the deadline in which a write finds out how its COMMIT ended.
    pub resolve: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            import_bytes: 50 << 20,
            import_pause: Duration::from_secs(30),
            imports: 8,
            exports: 4, // of 20 connections
            export_time: Duration::from_secs(900),
            drain_bytes: 16 << 20,
            headers: 64,
            header_bytes: 16 << 10,
            uri_bytes: 8 << 10,
            json_depth: 32,
            concurrent: 512,
            waiting: 1024,
            head_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(75),
            deadline: Duration::from_secs(10),
            resolve: Duration::from_secs(5),
        }
    }
}

/// How many requests in how long: `q=600;w=60`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    requests: u32,
    window_secs: u32,
}

impl Quota {
    /// `requests` per `window_secs` seconds.
    ///
    /// # Errors
    /// When either is zero, or more than a thousand million requests a second are asked for.
    pub fn new(requests: u32, window_secs: u32) -> Result<Self, QuotaError> {
        let quota = Self {
            requests,
            window_secs,
        };
        if requests == 0 || window_secs == 0 || quota.period().is_zero() {
            return Err(QuotaError);
        }
        Ok(quota)
    }

    /// Requests in one window.
    #[must_use]
    pub fn requests(self) -> u32 {
        self.requests
    }

    /// The window in seconds.
    #[must_use]
    pub fn window_secs(self) -> u32 {
        self.window_secs
    }

    /// Time in which one request is earned back; zero only for quotas that [`Quota::new`] refuses.
    pub(crate) fn period(self) -> Duration {
        Duration::from_secs(u64::from(self.window_secs)) / self.requests
    }
}

impl Default for Quota {
    /// 600 requests a second.
    fn default() -> Self {
        Self {
            requests: 600,
            window_secs: 1,
        }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "q={};w={}", self.requests, self.window_secs)
    }
}

impl FromStr for Quota {
    type Err = QuotaError;

    fn from_str(text: &str) -> Result<Self, QuotaError> {
        let (requests, window) = text.split_once(';').ok_or(QuotaError)?;
        let requests = requests.trim().strip_prefix("q=").ok_or(QuotaError)?;
        let window = window.trim().strip_prefix("w=").ok_or(QuotaError)?;
        Self::new(
            requests.parse().map_err(|_| QuotaError)?,
            window.parse().map_err(|_| QuotaError)?,
        )
    }
}

/// Why a text is not a quota.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not a quota such as q=600;w=60 (requests and seconds, at least 1 each)")]
pub struct QuotaError;

/// Networks whose word about the client's address is believed: `127.0.0.1,10.0.0.0/8,fd00::/8`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustedProxies(Vec<Network>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u32,
}

impl TrustedProxies {
    /// Whether the address lies in one of the networks.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }

    /// The client of a request: the peer, or the right-most address of `X-Forwarded-For` that is not one of ours.
    pub(crate) fn client(&self, peer: IpAddr, forwarded: &[&str]) -> IpAddr {
        let mut client = peer.to_canonical();
        let entries = forwarded
            .iter()
            .flat_map(|value| value.split(','))
            .map(str::trim);
        for entry in entries.collect::<Vec<_>>().into_iter().rev() {
            if !self.contain(client) {
                break;
            }
            match entry.parse::<IpAddr>() {
                Ok(address) => client = address.to_canonical(),
                Err(_) => break, // whoever wrote that cannot be believed further
            }
        }
        client
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        let (bits, network, other) = match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                (32, u128::from(a.to_bits()), u128::from(b.to_bits()))
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => (128, a.to_bits(), b.to_bits()),
            _ => return false,
        };
        (network ^ other)
            .checked_shr(bits - self.prefix)
            .unwrap_or(0)
            == 0
    }
}

impl FromStr for TrustedProxies {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        text.split(',')
            .map(str::trim)
            .filter(|network| !network.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let error = || NetworkError(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| error())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| error())?,
            None => bits,
        };
        if prefix > bits {
            Err(error())
        } else {
            Ok(Self { address, prefix })
        }
    }
}

/// Why a text is not a list of networks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an address or network such as 10.0.0.0/8")]
pub struct NetworkError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_have_a_text_form() {
        for text in ["q=600;w=60", "q=1;w=1", "q=1000000;w=1"] {
            assert_eq!(text.parse::<Quota>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "600",
            "q=0;w=1",
            "q=1;w=0",
            "w=1;q=1",
            "q=-1;w=1",
            "q=4000000000;w=1",
        ] {
            assert!(bad.parse::<Quota>().is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_hold_their_addresses_only() {
        let trusted: TrustedProxies = "127.0.0.1, 10.0.0.0/8,fd00::/8".parse().unwrap();
        for inside in ["127.0.0.1", "10.255.0.1", "fd12::1", "::ffff:10.1.2.3"] {
            assert!(trusted.contain(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["127.0.0.2", "11.0.0.1", "fe80::1"] {
            assert!(!trusted.contain(outside.parse().unwrap()), "{outside}");
        }
        assert!(
            "0.0.0.0/0"
                .parse::<TrustedProxies>()
                .unwrap()
                .contain([9, 9, 9, 9].into())
        );
        assert!("10.0.0.0/33".parse::<TrustedProxies>().is_err());
        assert!("example.org".parse::<TrustedProxies>().is_err());
    }

    #[test]
    fn hard_case_29_the_client_is_the_right_most_address_that_is_not_ours() {
        let trusted: TrustedProxies = "10.0.0.0/8".parse().unwrap();
        let client = |peer: &str, forwarded: &[&str]| {
            trusted.client(peer.parse().unwrap(), forwarded).to_string()
        };
        assert_eq!(
            client("9.9.9.9", &["1.2.3.4"]),
            "9.9.9.9",
            "a stranger's word is not taken"
        );
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(
            client("10.0.0.1", &["6.6.6.6, 1.2.3.4, 10.0.0.2"]),
            "1.2.3.4"
        );
        assert_eq!(client("10.0.0.1", &["6.6.6.6", "1.2.3.4"]), "1.2.3.4");
        assert_eq!(client("10.0.0.1", &["1.2.3.4, nonsense"]), "10.0.0.1");
    }
}
