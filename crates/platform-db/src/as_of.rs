//! `as_of`: what had been recorded up to a moment, computed from rows that are only ever added.

use std::time::Duration;

use kernel::{Call, Common, OpError, ReadMode, ReadWant, Timestamp};

use crate::{Db, DbError, Never, ReadOver, Session};

/// The oldest audit row of each region: every write has one, and none is ever removed.
const BEGINNING: &str = concat!(
    "SELECT min(a.at) AS beginning FROM unnest($1::TEXT[]) AS r (region)",
    first_of_each!(
        "x.at FROM platform.audit_log AS x",
        "x.region = r.region ORDER BY x.at ASC, x.id ASC LIMIT 1",
        "x.region = r.region AND x.id = '00000000-0000-0000-0000-000000000000' AND r.region IS NULL"
    ),
    " AS a"
);

/// Every statement of this module.
pub(crate) const STATEMENTS: &[&str] = &[BEGINNING];

/// A transaction may commit this long after the time that its rows carry: until then more may come (hard case 17).
const FINAL_AFTER: Duration = Duration::from_secs(20);

/// A moment of the past that a read may show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsOf {
    /// Rows with `recorded_at` at it or before it count.
    pub at: Timestamp,
    /// Whether the same question will always have the same answer.
    pub is_final: bool,
}

impl Db {
    /// Checks a query's `as_of`.
    ///
    /// # Errors
    /// [`Common::AsOfInFuture`]; [`Common::AsOfTooOld`] before anything was recorded.
    pub async fn as_of(
        &self,
        call: &Call,
        at: Option<Timestamp>,
    ) -> Result<Option<AsOf>, OpError<Never>> {
        let Some(at) = at else { return Ok(None) };
        let now = call.received_at();
        if at > now {
            return Err(Common::AsOfInFuture { now }.into());
        }
        let regions = self.regions().to_vec();
        let want = ReadWant {
            mode: Some(ReadMode::Strong),
            ..ReadWant::default()
        };
        let over = ReadOver::new("find_beginning", want, None, regions);
        let read = self.read_over(call, over, beginning).await?;
        match read.value {
            // Where a region is silent, nobody knows what it recorded first; what is shown is the others' part.
            _ if !read.unreachable.is_empty() => {}
            Some(beginning) if at >= beginning => {}
            Some(beginning) => return Err(Common::AsOfTooOld { beginning }.into()),
            None => return Err(Common::AsOfTooOld { beginning: now }.into()),
        }
        Ok(Some(AsOf {
            at,
            is_final: now.since(at) >= FINAL_AFTER,
        }))
    }
}

async fn beginning(
    session: &Session,
    regions: &[kernel::RegionTag],
) -> Result<Option<Timestamp>, DbError> {
    session.row(BEGINNING, &[&regions]).await?.get("beginning")
}
