//! Reads of the offices.

use futures_util::FutureExt as _;
use kernel::{Call, Common, OfficeCode, OpError, Order, PageRequest, SystemError};
use platform_db::{
    Never, Read, ReadSpec, Source,
    offices::{self, Office, OfficeFilter},
};

use crate::App;

/// Offices by code.
pub(crate) static OFFICES: Source<OfficeCode, Option<Office>> = Source {
    name: "offices",
    topic: "office",
    subject: Some(ToString::to_string),
    one_row: true,
    bytes: |office| office.as_ref().map(bytes),
    load: |session, code, _| async move { offices::get(session, &code).await }.boxed(),
};

/// The first page of all offices, by its length and order.
pub(crate) static ALL: Source<(u16, Order), Vec<Office>> = Source {
    name: "all_offices",
    topic: "office",
    subject: None,
    one_row: false,
    bytes: |offices| Some(offices.iter().map(bytes).sum()),
    load: |session, (limit, order), _| {
        let page = PageRequest::begin(limit, order);
        async move { offices::list(session, &OfficeFilter::default(), &page).await }.boxed()
    },
};

/// Bytes that an office takes in memory, about: its codes are short.
pub(super) fn bytes(office: &Office) -> usize {
    size_of::<Office>() + office.name.len() + office.city.len() + office.time_zone.len()
}

pub(crate) async fn get_office(
    app: &App,
    call: &Call,
    spec: ReadSpec,
    code: OfficeCode,
) -> Result<Office, OpError<Never>> {
    let what = format!("office {code}");
    let read = app.offices.read(call, spec, code).await?;
    Option::clone(&read.value).ok_or_else(|| Common::NotFound { what }.into())
}

pub(crate) async fn list_offices(
    app: &App,
    call: &Call,
    spec: ReadSpec,
    (filter, page): (OfficeFilter, PageRequest),
) -> Result<Read<Vec<Office>>, SystemError> {
    if filter == OfficeFilter::default()
        && let Some(first) = page.first()
    {
        let read = app.all_offices.read(call, spec, first).await?;
        return Ok(read.map(|offices| Vec::clone(&offices)));
    }
    app.db
        .read_page(call, spec, async move |session| {
            offices::list(session, &filter, &page).await
        })
        .await
}
