//! Reads of the months.

use kernel::{Call, OfficeCode, OpError, PageRequest, Principal, ReadWant, Timestamp};
use platform_db::{Never, Read, ReadOver, Session, offices::OfficeHome};

use crate::{
    App,
    domain::period::{Period, PeriodStatus},
    storage::periods::{self, PeriodFilter},
};

/// Which periods are wanted, as asked.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) offices: Option<Vec<OfficeCode>>,
    pub(crate) status: Option<PeriodStatus>,
    pub(crate) created_from: Option<Timestamp>,
    pub(crate) created_to: Option<Timestamp>,
}

pub(crate) async fn list_periods(
    app: &App,
    (call, principal, want): (&Call, &Principal, ReadWant),
    wanted: Wanted,
    page: PageRequest,
) -> Result<Read<Vec<Period>>, OpError<Never>> {
    let offices = app.directory.shown(call, principal, wanted.offices).await?;
    let over = ReadOver::new("list_periods", want, page.snapshot, offices);
    let filter = PeriodFilter {
        status: wanted.status,
        created_from: wanted.created_from,
        created_to: wanted.created_to,
    };
    let read = app
        .db
        .read_page_over(
            call,
            over,
            async move |session: &Session, offices: &[OfficeHome]| {
                periods::page(session, offices, &filter, &page).await
            },
        )
        .await?;
    Ok(read)
}
