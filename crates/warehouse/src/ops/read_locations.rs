//! Reads of the locations.

use kernel::{Call, Common, LocationCode, OpError, PageRequest, SystemError};
use platform_db::{Never, Read, ReadSpec};

use crate::{
    App,
    domain::location::Location,
    storage::locations::{self, LocationFilter},
};

pub(crate) async fn get_location(
    app: &App,
    call: &Call,
    spec: ReadSpec,
    code: LocationCode,
) -> Result<Location, OpError<Never>> {
    let what = format!("location {code}");
    let read = app
        .db
        .read_row(call, spec, async move |session| {
            locations::get(session, &code).await
        })
        .await?;
    read.value.ok_or_else(|| Common::NotFound { what }.into())
}

pub(crate) async fn list_locations(
    app: &App,
    call: &Call,
    spec: ReadSpec,
    (filter, page): (LocationFilter, PageRequest),
) -> Result<Read<Vec<Location>>, SystemError> {
    app.db
        .read_page(call, spec, async move |session| {
            locations::page(session, &filter, &page).await
        })
        .await
}
