//! What each office sold and was paid, day by day.

use kernel::{Call, OpError, ReadWant, RegionTag, money::OutOfRange};
use platform_db::{AsOf, Db, ReadOver, Session, offices::OfficeHome};
use sales::reports::Span;

use super::reports::ReportError;
use crate::views::sales_reports::{SalesByOfficeDay, SalesDayLine};

/// Orders by the office's day on which they were placed, money by the day on which it came or went.
pub(crate) async fn get_sales_by_office_day(
    db: &Db,
    call: &Call,
    want: ReadWant,
    offices: Vec<OfficeHome>,
    (span, as_of): (Span, Option<AsOf>),
) -> Result<SalesByOfficeDay, OpError<ReportError>> {
    let over = ReadOver::new("get_sales_by_office_day", want, None, offices);
    let read = db
        .read_snapshot_over(
            call,
            over,
            async move |session: &Session, offices: &[OfficeHome]| {
                sales::reports::sales_by_day(session, offices, span).await
            },
        )
        .await?;
    let lines = read.value.into_iter().map(SalesDayLine::of);
    let data = lines
        .collect::<Result<_, _>>()
        .map_err(|OutOfRange| OpError::Refused(ReportError::OutOfRange))?;
    Ok(SalesByOfficeDay {
        data,
        unreachable: read.unreachable.iter().map(RegionTag::resource).collect(),
        is_final: as_of.map(|as_of| as_of.is_final),
    })
}
