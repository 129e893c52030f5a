//! `/v1/regions` and `/v1/status`: measured, and open to everyone.

use axum::extract::State;
use platform_http::{ApiError, Found, Listed, Open};

use crate::{
    App,
    peers::{Health, RegionStatus},
    views::{RegionSystems, RegionView, StatusView, SystemStatus},
};

/// Lists the regions with what was measured of them in the last second.
#[utoipa::path(get, path = "/v1/regions", operation_id = "list_regions", tag = "regions",
    responses((status = 200, description = "Every region.", body = Listed<RegionView>)),
    security(()))]
pub(super) async fn list_regions(
    State(app): State<App>,
    _open: Open,
) -> Result<Listed<RegionView>, ApiError> {
    let health = app.peers.health(app.topology.tags()).await;
    let regions = app.topology.regions().iter().filter_map(|region| {
        Some(RegionView {
            tag: region.tag.clone(),
            name: region.name.clone(),
            latitude: region.location.latitude(),
            longitude: region.location.longitude(),
            base_url: app
                .peers
                .base_url(&region.tag)
                .unwrap_or(&region.base_url)
                .to_owned(),
            status: health.get(&region.tag)?.status,
        })
    });
    Ok(Listed::whole(regions.collect()))
}

/// Says how every system of every region is, as measured in the last second.
#[utoipa::path(get, path = "/v1/status", operation_id = "get_status", tag = "regions",
    responses((status = 200, description = "Every region and system.", body = StatusView)),
    security(()))]
pub(super) async fn get_status(
    State(app): State<App>,
    _open: Open,
) -> Result<Found<StatusView>, ApiError> {
    let health = app.peers.health(app.topology.tags()).await;
    let regions = health.into_iter().map(|(region, health)| RegionSystems {
        region,
        status: health.status,
        systems: systems(&health, app.peers.systems()),
    });
    Ok(Found::plain(StatusView {
        regions: regions.collect(),
    }))
}

/// A region that does not answer cannot say what it serves: it is taken to serve what this process does.
fn systems(health: &Health, own: &[String]) -> std::collections::BTreeMap<String, SystemStatus> {
    let status = match health.status {
        RegionStatus::Up => SystemStatus::Operational,
        RegionStatus::Draining => SystemStatus::Degraded,
        RegionStatus::Degraded | RegionStatus::Down => SystemStatus::Major,
    };
    let names = if health.systems.is_empty() {
        own
    } else {
        &health.systems
    };
    names.iter().map(|name| (name.clone(), status)).collect()
}
