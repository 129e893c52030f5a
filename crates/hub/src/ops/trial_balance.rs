//! The trial balance.

use kernel::{Call, Date, OpError, ReadWant, money::OutOfRange};
use platform_db::{AsOf, Db, ReadSpec, Session, offices::OfficeHome};

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
    let spec = ReadSpec::over("get_trial_balance", want, None, &offices);
    let at = as_of.map(|as_of| as_of.at);
    let read = db
        .read_snapshot(call, spec, async move |session: &Session| {
            accounting::reports::trial_balance(session, &offices, from, to, at).await
        })
        .await?;
    let is_final = as_of.map(|as_of| as_of.is_final);
    let report = read
        .value
        .rows()
        .and_then(|rows| TrialBalance::of(rows, is_final));
    report.map_err(|OutOfRange| OpError::Refused(ReportError::OutOfRange))
}
