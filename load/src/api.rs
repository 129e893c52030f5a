//! A client of the regions of a running world.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use kernel::{Clock, Role};
use reqwest::{Client, Method, RequestBuilder, header::HeaderMap};
use serde_json::Value;
use world::{Folder, Grant, GrantedOffices, Issuer, Ttl};

/// The regions of a world, as a manager of all offices sees them.
#[derive(Debug, Clone)]
pub(crate) struct Regions {
    client: Client,
    /// Base URLs; never empty.
    urls: Vec<String>,
    token: String,
    /// Begins every key of this run.
    run: String,
}

/// An answer, and how long it took.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) took: Duration,
    /// Statements sent to the database, by `Request-Cost`.
    pub(crate) statements: u64,
    /// Serializable retries, by `Request-Cost`.
    pub(crate) retries: u64,
    /// It came from the memory of the process that answered, by `Freshness`.
    pub(crate) from_memory: bool,
}

impl Regions {
    /// The world whose state lies in this folder.
    pub(crate) fn of(state: &Path) -> anyhow::Result<Self> {
        let folder = Folder::new(state);
        let world = folder.read_world()?;
        let grant = Grant {
            role: Role::Manager,
            offices: GrantedOffices::All,
            subject: Some("load".into()),
            ttl: Ttl::default(),
        };
        let urls: Vec<String> = world.regions.into_iter().map(|(_, url)| url).collect();
        anyhow::ensure!(!urls.is_empty(), "the world has no regions");
        let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        Ok(Self {
            client: Client::builder().timeout(Duration::from_secs(60)).build()?,
            urls,
            token: Issuer::load(&folder)?.mint(&grant, &Clock::System)?,
            run: format!("load-{:x}", since.as_millis()),
        })
    }

    /// A name that nothing else has.
    pub(crate) fn name(&self) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        format!("{}-{}", self.run, NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// GET from the first region.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.get_from(0, path).await
    }

    /// GET from the `n`-th region, counted round.
    pub(crate) async fn get_from(&self, n: usize, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, (n, path), |request| request).await
    }

    /// GET from the first region, past what it has in memory.
    pub(crate) async fn get_anew(&self, path: &str) -> anyhow::Result<Answer> {
        let no_cache = |request: RequestBuilder| request.header("cache-control", "no-cache");
        self.send(Method::GET, (0, path), no_cache).await
    }

    /// PATCH of whatever version there is under a new key, at the first region.
    pub(crate) async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        let key = self.name();
        let write = |request: RequestBuilder| {
            let request = request.header("idempotency-key", key);
            request.header("if-match", "*").json(body)
        };
        self.send(Method::PATCH, (0, path), write).await
    }

    /// POST under a new key to the `n`-th region, counted round.
    pub(crate) async fn post(&self, n: usize, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.post_as(n, path, &self.name(), body).await
    }

    /// POST under this key.
    pub(crate) async fn post_as(
        &self,
        n: usize,
        path: &str,
        key: &str,
        body: &Value,
    ) -> anyhow::Result<Answer> {
        let write = |request: RequestBuilder| request.header("idempotency-key", key).json(body);
        self.send(Method::POST, (n, path), write).await
    }

    async fn send(
        &self,
        method: Method,
        (n, path): (usize, &str),
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> anyhow::Result<Answer> {
        let url = format!("{}{path}", self.urls[n % self.urls.len()]);
        let request = with(self.client.request(method, &url).bearer_auth(&self.token));
        let started = Instant::now();
        let response = request.send().await.with_context(|| url.clone())?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.with_context(|| url.clone())?;
        let took = started.elapsed();
        let cost = text(&headers, "request-cost");
        Ok(Answer {
            status,
            body: body.to_vec(),
            took,
            statements: cost_of(cost, "sql").unwrap_or(0),
            retries: cost_of(cost, "retries").unwrap_or(0),
            from_memory: text(&headers, "freshness").starts_with("cache;"),
        })
    }
}

impl Answer {
    /// The body as JSON, if the status is this one.
    pub(crate) fn json(&self, status: u16) -> anyhow::Result<Value> {
        let text = String::from_utf8_lossy(&self.body);
        anyhow::ensure!(self.status == status, "answered {}: {text}", self.status);
        Ok(serde_json::from_slice(&self.body)?)
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

/// `sql=4, rows=12, retries=1, xregion=0` and `retries` → 1.
fn cost_of(cost: &str, what: &str) -> Option<u64> {
    let mut parts = cost.split(',').map(str::trim);
    parts
        .find_map(|part| part.strip_prefix(what)?.strip_prefix('='))?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_cost_is_read_by_name() {
        let cost = "sql=4, rows=12, retries=17, xregion=0";
        assert_eq!(cost_of(cost, "retries"), Some(17));
        assert_eq!(cost_of(cost, "sql"), Some(4));
        assert_eq!(cost_of("sql=4, rows=12", "retries"), None);
        assert_eq!(cost_of("", "sql"), None);
    }
}
