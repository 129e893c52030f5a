//! Who owes what.

use std::collections::BTreeMap;

use futures_util::try_join;
use kernel::{Call, OfficeCode, ReadWant, RegionTag, SystemError, Timestamp};
use platform_db::{
    AsOf, Db, ReadOver, Session,
    offices::{self, OfficeHome},
};
use sales::reports::Receivable;

use crate::views::sales_reports::{ReceivableLine, Receivables};

/// Orders whose balance of account 1100 is not nothing, now or at a moment.
pub(crate) async fn get_receivables(
    db: &Db,
    call: &Call,
    want: ReadWant,
    offices: Vec<OfficeHome>,
    as_of: Option<AsOf>,
) -> Result<Receivables, SystemError> {
    let over = ReadOver::new("get_receivables", want, None, offices);
    let at = as_of.map(|as_of| as_of.at);
    let read = db
        .read_snapshot_over(
            call,
            over,
            async move |session: &Session, offices: &[OfficeHome]| {
                try_join!(
                    sales::reports::receivables(session, offices, at),
                    offices::time_zones(session, offices),
                )
            },
        )
        .await?;
    let (owing, zones) = read.value;
    let now = at.unwrap_or_else(|| call.received_at());
    Ok(Receivables {
        data: owing
            .into_iter()
            .map(|owing| line(owing, &zones, now))
            .collect(),
        unreachable: read.unreachable.iter().map(RegionTag::resource).collect(),
        is_final: as_of.map(|as_of| as_of.is_final),
    })
}

fn line(owing: Receivable, zones: &BTreeMap<OfficeCode, String>, now: Timestamp) -> ReceivableLine {
    let today = zones
        .get(&owing.office)
        .and_then(|time_zone| now.date_in(time_zone));
    let age_days = owing.since.zip(today).map_or(0, |(since, today)| {
        i64::from(today.days_since_2000()) - i64::from(since.days_since_2000())
    });
    ReceivableLine {
        office: owing.office,
        order: owing.order,
        customer: owing.customer,
        currency: owing.currency,
        invoiced_minor: owing.invoiced_minor,
        paid_minor: owing.paid_minor,
        refunded_minor: owing.refunded_minor,
        credited_minor: owing.credited_minor,
        open_minor: owing.open_minor,
        age_days: age_days.max(0),
    }
}
