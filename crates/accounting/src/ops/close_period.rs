//! Closes a month of an office's books, and stores its turnover.

use kernel::{Common, Intent, Invalid, Month, OfficeCode, OpError, Reply};
use platform_db::{Refusal, TxError, Txn, offices::OfficeHome};

use super::{emit_period, office_in_path};
use crate::{
    App,
    domain::period::{Period, PeriodStatus},
    storage::{balances, periods},
    views::{json, periods::PeriodView},
};

/// A month as a path names it.
#[derive(Debug, Clone)]
pub(crate) struct PeriodPath {
    pub(crate) office: OfficeCode,
    /// `yyyy-mm`, if there is such a month.
    pub(crate) month: String,
}

/// Why a month is not closed or reopened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PeriodError {
    /// It is in that state already.
    #[error("the month {period} of office {office} is {} already", status.as_str())]
    State {
        office: OfficeCode,
        period: Month,
        status: PeriodStatus,
    },
}

impl Refusal for PeriodError {}

impl PeriodPath {
    /// What the database's sessions wait for: one of a month's closers at a time.
    pub(crate) fn hot(&self) -> String {
        format!("period {} {}", self.office, self.month)
    }

    /// The month, and where the books of its office live.
    pub(crate) async fn find<E>(&self, txn: &Txn<'_>) -> Result<(OfficeHome, Month), TxError<E>> {
        let Ok(month) = self.month.parse::<Month>() else {
            return Err(TxError::Common(Common::NotFound {
                what: format!("period {}", self.month),
            }));
        };
        let office = office_in_path(txn, &self.office).await?;
        let home = OfficeHome {
            region: office.home_region,
            office: office.code,
        };
        Ok((home, month))
    }
}

pub(crate) async fn close_period(
    app: &App,
    mut intent: Intent,
    path: PeriodPath,
    nothing: Result<(), Invalid>,
) -> Result<Reply, OpError<PeriodError>> {
    intent.hot.push(path.hot());
    app.db
        .write(intent, async move |txn| {
            nothing.clone()?;
            let (home, month) = path.find(txn).await?;
            let before = periods::lock(txn, &home, month).await?;
            let closed = close(txn, &home, month, before.as_ref())?;
            if before.is_some() {
                periods::update(txn, &closed).await?;
            } else {
                periods::insert(txn, &closed).await?;
            }
            balances::store(txn, &home, month).await?;
            emit_period(txn, "accounting.period.closed", &closed);
            let before = before
                .as_ref()
                .map(|period| json(&PeriodView::from(period)));
            txn.audit(before, Some(json(&PeriodView::from(&closed))));
            Ok::<_, TxError<_>>(PeriodView::reply(&closed))
        })
        .await
}

fn close(
    txn: &Txn<'_>,
    home: &OfficeHome,
    month: Month,
    before: Option<&Period>,
) -> Result<Period, PeriodError> {
    let Some(period) = before else {
        let place = (home.region.clone(), home.office.clone());
        return Ok(Period::closed(place, month, txn.now()));
    };
    txn.observe(period.updated_at);
    match period.status {
        PeriodStatus::Open => Ok(period.turned(PeriodStatus::Closed, None, txn.now())),
        PeriodStatus::Closed => Err(PeriodError::State {
            office: home.office.clone(),
            period: month,
            status: PeriodStatus::Closed,
        }),
    }
}
