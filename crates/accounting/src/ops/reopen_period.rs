//! Opens a closed month again, and forgets its turnover.

use kernel::{Intent, Invalid, OpError, Reply};
use platform_db::TxError;

use super::{
    close_period::{PeriodError, PeriodPath},
    emit_period,
};
use crate::{
    App,
    domain::period::PeriodStatus,
    storage::{balances, periods},
    views::{json, periods::PeriodView},
};

pub(crate) async fn reopen_period(
    app: &App,
    mut intent: Intent,
    path: PeriodPath,
    reason: Result<String, Invalid>,
) -> Result<Reply, OpError<PeriodError>> {
    intent.hot.push(path.hot());
    app.db
        .write(intent, async move |txn| {
            let reason = reason.clone()?;
            let (home, month) = path.find(txn).await?;
            let found = periods::lock(txn, &home, month).await?;
            let Some(closed) = found.filter(|period| period.status == PeriodStatus::Closed) else {
                return Err(TxError::Refused(PeriodError::State {
                    office: home.office,
                    period: month,
                    status: PeriodStatus::Open,
                }));
            };
            txn.observe(closed.updated_at);
            let open = closed.turned(PeriodStatus::Open, Some(reason), txn.now());
            periods::update(txn, &open).await?;
            balances::forget(txn, &home, month).await?;
            emit_period(txn, "accounting.period.reopened", &open);
            let shown = [&closed, &open].map(|period| json(&PeriodView::from(period)));
            let [before, after] = shown;
            txn.audit(Some(before), Some(after));
            Ok(PeriodView::reply(&open))
        })
        .await
}
