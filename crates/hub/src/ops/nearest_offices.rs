//! The active offices nearest to a place.

use futures_util::FutureExt as _;
use kernel::{Call, SystemError};
use platform_db::{
    ReadSpec, Source,
    offices::{self, Office},
};
use topology::{Point, by_distance};

use super::read_offices::bytes;
use crate::App;

/// All offices that are open.
pub(crate) static ACTIVE: Source<(), Vec<Office>> = Source {
    name: "active_offices",
    topic: "office",
    subject: None,
    one_row: false,
    bytes: |offices| Some(offices.iter().map(bytes).sum()),
    load: |session, (), _| async move { offices::active(session).await }.boxed(),
};

/// Active offices, nearest first, with their distance in whole kilometres.
pub(crate) async fn nearest_offices(
    app: &App,
    call: &Call,
    spec: ReadSpec,
    (from, limit): (Point, usize),
) -> Result<Vec<(u32, Office)>, SystemError> {
    let read = app.active_offices.read(call, spec, ()).await?;
    // Coordinates were checked when they were written; one that is not a place cannot be near anything.
    let places = read
        .value
        .iter()
        .filter_map(|office| Some((Point::new(office.latitude, office.longitude).ok()?, office)));
    let mut ranked = by_distance(from, places, |(point, _)| *point);
    ranked.truncate(limit);
    Ok(ranked
        .into_iter()
        .map(|(km, (_, office))| (km, office.clone()))
        .collect())
}
