//! Reads of the offices.

use kernel::{Call, Common, OfficeCode, OpError, PageRequest, SystemError};
use platform_db::{
    Db, Never, Read, ReadSpec,
    offices::{self, Office, OfficeFilter},
};

pub(crate) async fn get_office(
    db: &Db,
    call: &Call,
    spec: ReadSpec,
    code: OfficeCode,
) -> Result<Office, OpError<Never>> {
    let what = format!("office {code}");
    let read = db
        .read_row(call, spec, async move |session| {
            offices::get(session, &code).await
        })
        .await?;
    read.value.ok_or_else(|| Common::NotFound { what }.into())
}

pub(crate) async fn list_offices(
    db: &Db,
    call: &Call,
    spec: ReadSpec,
    (filter, page): (OfficeFilter, PageRequest),
) -> Result<Read<Vec<Office>>, SystemError> {
    db.read_page(call, spec, async move |session| {
        offices::list(session, &filter, &page).await
    })
    .await
}
