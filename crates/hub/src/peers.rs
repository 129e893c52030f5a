//! How the regions are: measured by asking each one's `/readyz`, at most once a second.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kernel::RegionTag;
use moka::future::Cache;
use platform_db::Db;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How old a measurement may be.
const AGE_MAX: Duration = Duration::from_secs(1);
/// How long a region may take to answer before it counts as down: across the globe and back, several times.
const ANSWER_MAX: Duration = Duration::from_millis(1500);

/// How a region is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RegionStatus {
    /// It answers and can serve.
    Up,
    /// It answers but cannot serve, such as without its database.
    Degraded,
    /// It does not answer.
    Down,
    /// It finishes what it has and takes nothing new.
    Draining,
}

/// What a region says of itself.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    pub(crate) status: RegionStatus,
    /// The systems it serves; empty when it does not answer.
    pub(crate) systems: Vec<String>,
}

/// The regions by their base URLs, and a client to ask them with.
#[derive(Debug, Clone)]
pub struct Peers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    own: RegionTag,
    systems: Vec<String>,
    db: Db,
    urls: BTreeMap<RegionTag, String>,
    client: reqwest::Client,
    measured: Cache<RegionTag, Health>,
}

/// The body of `/readyz`.
#[derive(Debug, Deserialize)]
struct Readiness {
    region: RegionTag,
    #[serde(default)]
    status: String,
    #[serde(default)]
    systems: Vec<String>,
}

impl Peers {
    /// Regions by base URL (`https://eu1.example.com`, no slash at the end). This process' own region, which
    /// serves `systems`, is measured by its database.
    #[must_use]
    pub fn new(
        own: RegionTag,
        systems: Vec<String>,
        urls: BTreeMap<RegionTag, String>,
        db: Db,
        client: reqwest::Client,
    ) -> Self {
        let measured = Cache::builder()
            .time_to_live(AGE_MAX)
            .max_capacity(64)
            .build();
        Self(Arc::new(Inner {
            own,
            systems,
            db,
            urls,
            client,
            measured,
        }))
    }

    /// Where a region is reached.
    pub(crate) fn base_url(&self, region: &RegionTag) -> Option<&str> {
        self.0.urls.get(region).map(String::as_str)
    }

    /// The systems that this process serves.
    pub(crate) fn systems(&self) -> &[String] {
        &self.0.systems
    }

    /// How each of the regions is; all are asked at once, each at most once a second.
    pub(crate) async fn health(&self, regions: Vec<RegionTag>) -> BTreeMap<RegionTag, Health> {
        let asked = regions.into_iter().map(async |region| {
            let health = self
                .0
                .measured
                .get_with(region.clone(), self.measure(&region))
                .await;
            (region, health)
        });
        futures_util::future::join_all(asked)
            .await
            .into_iter()
            .collect()
    }

    async fn measure(&self, region: &RegionTag) -> Health {
        if *region == self.0.own {
            let status = match self.0.db.ping().await {
                Ok(()) => RegionStatus::Up,
                Err(_) => RegionStatus::Degraded,
            };
            return Health {
                status,
                systems: self.0.systems.clone(),
            };
        }
        match self.ask(region).await {
            Ok(health) => health,
            Err(error) => {
                tracing::debug!(region = %region, error = &*error, "region did not answer");
                Health {
                    status: RegionStatus::Down,
                    systems: Vec::new(),
                }
            }
        }
    }

    async fn ask(
        &self,
        region: &RegionTag,
    ) -> Result<Health, Box<dyn std::error::Error + Send + Sync>> {
        let url = self.base_url(region).ok_or("no base URL is configured")?;
        let request = self
            .0
            .client
            .get(format!("{url}/readyz"))
            .timeout(ANSWER_MAX);
        let response = request.send().await?;
        let serves = response.status().is_success();
        let readiness: Readiness = response.json().await?;
        if readiness.region != *region {
            return Err(format!("{url} is region {}", readiness.region).into());
        }
        let status = match (serves, readiness.status.as_str()) {
            (true, _) => RegionStatus::Up,
            (false, "draining") => RegionStatus::Draining,
            (false, _) => RegionStatus::Degraded,
        };
        Ok(Health {
            status,
            systems: readiness.systems,
        })
    }
}
