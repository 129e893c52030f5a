//! Where a client is, for operations that sort by distance (`hard-cases` 32).

use kernel::RegionTag;
use serde::Serialize;
use topology::{Point, Topology};
use utoipa::ToSchema;

use crate::{
    auth::EdgeLocation,
    problem::{ParameterError, Problem},
};

/// Where the coordinates came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LocatedBy {
    /// `lat` and `lon` of the query.
    Query,
    /// The edge's geo headers.
    Edge,
    /// The serving region's own place.
    Region,
}

/// The place that the query names (`lat`, `lon`), else the one that a trusted edge found, else that of the serving
/// region `own`.
///
/// # Errors
/// `invalid_parameter` for one of `lat` and `lon` without the other, and for what is no coordinate.
pub fn locate(
    (lat, lon): (Option<f64>, Option<f64>),
    EdgeLocation(edge): EdgeLocation,
    topology: &Topology,
    own: &RegionTag,
) -> Result<(Point, LocatedBy), Problem> {
    let refuse = |name, detail: &str| Problem::invalid_parameter(name, "range", detail);
    match (lat, lon) {
        (Some(lat), Some(lon)) => named(lat, lon).map(|point| (point, LocatedBy::Query)),
        (Some(_), None) => Err(refuse("lon", "is required beside lat")),
        (None, Some(_)) => Err(refuse("lat", "is required beside lon")),
        (None, None) => Ok(
            match edge.and_then(|(lat, lon)| Point::new(lat, lon).ok()) {
                Some(point) => (point, LocatedBy::Edge),
                None => {
                    let region = topology.region(own).unwrap_or(topology.primary());
                    (region.location, LocatedBy::Region)
                }
            },
        ),
    }
}

fn named(lat: f64, lon: f64) -> Result<Point, Problem> {
    Point::new(lat, lon).map_err(|_| {
        // Each is tried beside a good one, so that both are named when both are at fault.
        let tried = [("lat", Point::new(lat, 0.0)), ("lon", Point::new(0.0, lon))];
        let errors = tried.into_iter().filter_map(|(name, tried)| {
            let error = tried.err()?;
            Some(ParameterError::new(name, "range", error.to_string()))
        });
        Problem::invalid_parameters(errors.collect())
    })
}
