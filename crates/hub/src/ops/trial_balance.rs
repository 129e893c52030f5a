//! The trial balance.

use kernel::{Call, Date, OpError, ReadWant, money::OutOfRange};
use platform_db::{AsOf, Db, ReadOver, Session, offices::OfficeHome};

use super::reports::ReportError;
use crate::views::reports::TrialBalance;

/// What every account of the offices had, moved and has, over effective dates, both included.
pub(crate) async fn get_trial_balance(
    db: &Db,
    call: &Call,
    want: ReadWant,
    offices: Vec<OfficeHome>,
    (from, to, as_of): (Option<Date>, Option<Date>, Option<AsOf>),
) -> Result<TrialBalance, OpError<ReportError>> {
    let over = ReadOver::new("get_trial_balance", want, None, offices);
    let at = as_of.map(|as_of| as_of.at);
    let read = db
        .read_snapshot_over(
            call,
            over,
            async move |session: &Session, offices: &[OfficeHome]| {
                accounting::reports::trial_balance(session, offices, from, to, at).await
            },
        )
        .await?;
    let is_final = as_of.map(|as_of| as_of.is_final);
    let rows = read.value.rows();
    let report = rows.and_then(|rows| TrialBalance::of(rows, &read.unreachable, is_final));
    report.map_err(|OutOfRange| OpError::Refused(ReportError::OutOfRange))
}
