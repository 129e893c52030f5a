//! `accounting.periods`.

use std::collections::{BTreeMap, BTreeSet};

use kernel::Month;
use platform_db::{DbError, Session, offices::OfficeHome};

use super::word;
use crate::domain::period::PeriodStatus;

const STATUSES: &str = "SELECT period, status FROM accounting.periods \
    WHERE region = $1 AND office = $2 AND period = ANY ($3::TEXT[])";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[STATUSES];

/// Which of the months were touched before, and whether they take postings.
pub(crate) async fn statuses(
    session: &Session,
    home: &OfficeHome,
    months: &BTreeSet<Month>,
) -> Result<BTreeMap<Month, PeriodStatus>, DbError> {
    let months: Vec<Month> = months.iter().copied().collect();
    let rows = session
        .rows(STATUSES, &[&home.region, &home.office, &months])
        .await?;
    rows.iter()
        .map(|row| Ok((row.get("period")?, word(row, "status")?)))
        .collect()
}
