//! A client of the regions of a running world.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use kernel::{Clock, Role};
use reqwest::{Client, Method};
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
    /// Serializable retries, by `Request-Cost`.
    pub(crate) retries: u64,
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
        self.send(Method::GET, (n, path), None).await
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
        self.send(Method::POST, (n, path), Some((key, body))).await
    }

    async fn send(
        &self,
        method: Method,
        (n, path): (usize, &str),
        write: Option<(&str, &Value)>,
    ) -> anyhow::Result<Answer> {
        let url = format!("{}{path}", self.urls[n % self.urls.len()]);
        let mut request = self.client.request(method, &url).bearer_auth(&self.token);
        if let Some((key, body)) = write {
            request = request.header("idempotency-key", key).json(body);
        }
        let started = Instant::now();
        let response = request.send().await.with_context(|| url.clone())?;
        let status = response.status().as_u16();
        let cost = response.headers().get("request-cost");
        let retries = cost.and_then(|cost| retries(cost.to_str().ok()?));
        let body = response.bytes().await.with_context(|| url.clone())?;
        Ok(Answer {
            status,
            body: body.to_vec(),
            took: started.elapsed(),
            retries: retries.unwrap_or(0),
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

/// `sql=4, rows=12, retries=1, xregion=0` → 1.
fn retries(cost: &str) -> Option<u64> {
    let mut parts = cost.split(',').map(str::trim);
    parts
        .find_map(|part| part.strip_prefix("retries="))?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_read_from_what_a_request_cost() {
        assert_eq!(retries("sql=4, rows=12, retries=17, xregion=0"), Some(17));
        assert_eq!(retries("sql=4, rows=12"), None);
        assert_eq!(retries(""), None);
    }
}
