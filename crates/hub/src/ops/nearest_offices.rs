//! The active offices nearest to a place.

use kernel::{Call, SystemError};
use platform_db::{
    Db, ReadSpec,
    offices::{self, Office},
};
use topology::{Point, by_distance};

/// Active offices, nearest first, with their distance in whole kilometres.
pub(crate) async fn nearest_offices(
    db: &Db,
    call: &Call,
    spec: ReadSpec,
    (from, limit): (Point, usize),
) -> Result<Vec<(u32, Office)>, SystemError> {
    let read = db
        .read(call, spec, async move |session| {
            offices::active(session).await
        })
        .await?;
    // Coordinates were checked when they were written; one that is not a place cannot be near anything.
    let places = read
        .value
        .into_iter()
        .filter_map(|office| Some((Point::new(office.latitude, office.longitude).ok()?, office)));
    let mut ranked = by_distance(from, places, |(point, _)| *point);
    ranked.truncate(limit);
    Ok(ranked
        .into_iter()
        .map(|(km, (_, office))| (km, office))
        .collect())
}
