//! The contract as one document.

use std::sync::Arc;

use kernel::{Clock, RegionTag};
use platform_db::{Db, DbConfig, PoolSizes};
use prometheus_client::registry::Registry;
use topology::Topology;

use super::{choose_tls, runtime, serve};
use crate::{cli::Systems, failure::Failure, print};

/// No connection is made: routes describe themselves.
const NOWHERE: &str = "postgres://nobody@127.0.0.1:1/none";

pub(crate) fn run() -> Result<(), Failure> {
    choose_tls();
    let document = runtime()?.block_on(document())?;
    let text = serde_json::to_string_pretty(&document).map_err(|error| Failure::of(&error))?;
    print(&text);
    Ok(())
}

async fn document() -> Result<serde_json::Value, Failure> {
    let topology = Arc::new(Topology::embedded());
    let region: RegionTag = topology.primary().tag.clone();
    let config = DbConfig {
        url: NOWHERE.into(),
        region: region.clone(),
        region_names: topology.primary().cluster_names(),
        regions: topology.tags(),
        primary: region.clone(),
        pools: PoolSizes::default(),
        application_name: "meridian openapi".into(),
        max_clock_offset: std::time::Duration::ZERO,
    };
    let db = Db::open(config, Clock::System, &mut Registry::default())
        .map_err(|error| Failure::with_causes(&error))?;
    let systems = serve::compose(Systems::All, &db, &topology, &region, &[])?;
    Ok(platform_http::document(systems))
}
