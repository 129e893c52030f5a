//! Reads over several homes, of which some may be out of reach: the answer misses their part and names them.

use std::{collections::BTreeSet, pin::pin, time::Instant};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Either, select},
};
use kernel::{Call, Read, ReadMode, ReadWant, RegionTag, SystemError, Timestamp};
use tokio::time::timeout;

use crate::{
    Db, DbError, ReadSpec, Session,
    engine::{Engine, READ_NEARLY_ALL},
    metrics::Why,
    offices::OfficeHome,
    read::{Shape, Work},
};

/// The whole read may take this part of what is left of the request before its regions are asked whether they
/// answer: of 10 s that leaves 6 for asking and for reading again.
const PATIENCE: u32 = 3;

/// How old a read over several offices may be, unless the caller wants it otherwise (`api-and-domain` section 5).
pub(crate) const SEVERAL_OFFICES: ReadMode = ReadMode::Bounded { max_ms: 10_000 };

/// What lives in a region.
pub trait Homed {
    /// Its home region.
    fn home(&self) -> &RegionTag;
}

impl Homed for OfficeHome {
    fn home(&self) -> &RegionTag {
        &self.region
    }
}

impl Homed for RegionTag {
    fn home(&self) -> &RegionTag {
        self
    }
}

/// A read of what several offices (or regions) have.
#[derive(Debug, Clone)]
pub struct ReadOver<H = OfficeHome> {
    operation: &'static str,
    want: ReadWant,
    snapshot: Option<Timestamp>,
    homes: Vec<H>,
}

impl<H: Homed> ReadOver<H> {
    /// `operation` is named as in the OpenAPI document; `snapshot` is a walk's, `None` for what is no list.
    #[must_use]
    pub fn new(
        operation: &'static str,
        mut want: ReadWant,
        snapshot: Option<Timestamp>,
        homes: Vec<H>,
    ) -> Self {
        if homes.len() > 1 {
            want.mode.get_or_insert(SEVERAL_OFFICES);
        }
        Self {
            operation,
            want,
            snapshot,
            homes,
        }
    }

    /// The read of all of it.
    pub(crate) fn whole(&self) -> ReadSpec {
        self.spec(&self.regions())
    }

    fn regions(&self) -> BTreeSet<RegionTag> {
        self.homes.iter().map(|home| home.home().clone()).collect()
    }

    /// The read of what is in `regions`; it has no home unless there is only one.
    fn spec(&self, regions: &BTreeSet<RegionTag>) -> ReadSpec {
        let only = regions.first().filter(|_| regions.len() == 1);
        ReadSpec {
            operation: self.operation,
            want: self.want,
            home: only.cloned().unwrap_or_else(RegionTag::global),
            snapshot: self.snapshot,
        }
    }
}

/// The work of a read over some of its homes.
struct Part<'a, H, W> {
    homes: Vec<H>,
    work: &'a W,
}

impl<H: Homed, T, W> Work<T> for Part<'_, H, W>
where
    W: AsyncFn(&Session, &[H]) -> Result<T, DbError>,
{
    async fn run(&self, session: &Session) -> Result<T, DbError> {
        (self.work)(session, &self.homes).await
    }

    fn crosses(&self, db: &Db) -> bool {
        self.homes.iter().any(|home| db.is_remote(home.home()))
    }
}

/// How the first try to read everything ended.
enum Whole<T> {
    Ended(Result<Read<T>, SystemError>),
    /// Without an answer, since these did not answer.
    Silent(BTreeSet<RegionTag>),
    /// Without an answer, for whatever reason.
    Unanswered,
}

impl Db {
    /// As [`Db::read`], over several homes; `work` is given those to read. It may run again, for fewer of them: when
    /// the read failed or took long, every region is asked for a row, and those that are silent are left out and named
    /// in [`Read::unreachable`].
    ///
    /// # Errors
    /// [`SystemError::RegionsUnreachable`] if nothing could be shown, or the caller wants all or nothing.
    pub async fn read_over<H: Homed + Clone, T>(
        &self,
        call: &Call,
        over: ReadOver<H>,
        work: impl AsyncFn(&Session, &[H]) -> Result<T, DbError>,
    ) -> Result<Read<T>, SystemError> {
        self.read_parts(call, &over, Shape::Single, work).await
    }

    /// As [`Db::read_page`], over several homes, as [`Db::read_over`] does it.
    ///
    /// # Errors
    /// As there.
    pub async fn read_page_over<H: Homed + Clone, T>(
        &self,
        call: &Call,
        over: ReadOver<H>,
        work: impl AsyncFn(&Session, &[H]) -> Result<T, DbError>,
    ) -> Result<Read<T>, SystemError> {
        self.read_parts(call, &over, Shape::Page, work).await
    }

    /// As [`Db::read_snapshot`], over several homes, as [`Db::read_over`] does it.
    ///
    /// # Errors
    /// As there.
    pub async fn read_snapshot_over<H: Homed + Clone, T>(
        &self,
        call: &Call,
        over: ReadOver<H>,
        work: impl AsyncFn(&Session, &[H]) -> Result<T, DbError>,
    ) -> Result<Read<T>, SystemError> {
        self.read_parts(call, &over, Shape::Snapshot, work).await
    }

    /// Says that what `session` reads from now on is nearly all rows of large tables, which PostgreSQL then reads another
    /// way than a few of them.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn read_nearly_all(&self, session: &Session) -> Result<(), DbError> {
        if self.engine() == Some(Engine::Postgres) {
            session.batch(READ_NEARLY_ALL).await?;
        }
        Ok(())
    }

    async fn read_parts<H: Homed + Clone, T>(
        &self,
        call: &Call,
        over: &ReadOver<H>,
        shape: Shape,
        work: impl AsyncFn(&Session, &[H]) -> Result<T, DbError>,
    ) -> Result<Read<T>, SystemError> {
        let regions = over.regions();
        // A region that was silent is asked first, so that not every reader waits for it in vain.
        let whole = if self.watch().suspects(&regions) {
            Whole::Unanswered
        } else {
            self.read_whole(call, over, shape, &work).await
        };
        let silent = match whole {
            Whole::Ended(ended) => return ended,
            Whole::Silent(silent) => silent,
            Whole::Unanswered => self.silent(&regions).await,
        };
        let answering: BTreeSet<RegionTag> = regions.difference(&silent).cloned().collect();
        let unreachable: Vec<RegionTag> = silent.into_iter().collect();
        if !unreachable.is_empty() && (over.want.whole || answering.is_empty()) {
            return Err(SystemError::RegionsUnreachable {
                regions: unreachable,
            });
        }
        if !unreachable.is_empty() {
            self.metrics().retried(over.operation, Why::SilentRegion);
            tracing::warn!(
                db.operation = over.operation,
                db.unreachable = ?unreachable,
                "reading without regions that do not answer"
            );
        }
        let read = self
            .read_some(call, over, shape, (&answering, &work))
            .await?;
        Ok(Read {
            unreachable,
            ..read
        })
    }

    async fn read_whole<H: Homed + Clone, T>(
        &self,
        call: &Call,
        over: &ReadOver<H>,
        shape: Shape,
        work: &impl AsyncFn(&Session, &[H]) -> Result<T, DbError>,
    ) -> Whole<T> {
        let regions = over.regions();
        let mut whole = pin!(self.read_some(call, over, shape, (&regions, work)));
        match timeout(call.remaining() / PATIENCE, whole.as_mut()).await {
            Ok(Err(
                SystemError::Unavailable { .. }
                | SystemError::DeadlineExceeded
                | SystemError::Contended,
            )) => Whole::Unanswered,
            Ok(ended) => Whole::Ended(ended),
            // It may stand in a line behind a statement that hangs: it is dropped, and runs again elsewhere.
            Err(_) if shape != Shape::Snapshot => Whole::Unanswered,
            // It has a connection of its own, and may just have much to add up: it goes on meanwhile.
            Err(_) => match select(whole, self.silent(&regions)).await {
                Either::Left((ended, _)) => Whole::Ended(ended),
                Either::Right((silent, whole)) if silent.is_empty() => Whole::Ended(whole.await),
                Either::Right((silent, _)) => Whole::Silent(silent),
            },
        }
    }

    /// Reads what is in some of the regions.
    async fn read_some<H: Homed + Clone, T, W>(
        &self,
        call: &Call,
        over: &ReadOver<H>,
        shape: Shape,
        (regions, work): (&BTreeSet<RegionTag>, &W),
    ) -> Result<Read<T>, SystemError>
    where
        W: AsyncFn(&Session, &[H]) -> Result<T, DbError>,
    {
        let homes = over.homes.iter();
        let homes: Vec<H> = homes
            .filter(|home| regions.contains(home.home()))
            .cloned()
            .collect();
        let part = Part { homes, work };
        self.read_shaped(call, over.spec(regions), shape, &part)
            .await
    }

    /// Those of the regions that do not answer, as of now.
    fn silent(&self, regions: &BTreeSet<RegionTag>) -> BoxFuture<'static, BTreeSet<RegionTag>> {
        // The future owns what it needs: one that borrows is not Send for every lifetime, which handlers need.
        let (db, regions) = (self.clone(), regions.clone());
        async move {
            let since = Instant::now();
            db.watch().silent(db.pools(), &regions, since).await
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_over_several_offices_may_be_ten_seconds_old() {
        let home = |region: &str, office: &str| OfficeHome {
            region: region.parse().unwrap(),
            office: office.parse().unwrap(),
        };
        let (ber, par, nyc) = (home("eu1", "ber"), home("eu1", "par"), home("us1", "nyc"));
        let bounded = Some(ReadMode::Bounded { max_ms: 10_000 });
        for (offices, mode, region) in [
            (vec![], None, "g"),
            (vec![ber.clone()], None, "eu1"),
            (vec![ber.clone(), par], bounded, "eu1"),
            (vec![ber.clone(), nyc.clone()], bounded, "g"),
        ] {
            let over = ReadOver::new("list", ReadWant::default(), None, offices);
            let spec = over.spec(&over.regions());
            assert_eq!((spec.want.mode, spec.home.as_str()), (mode, region));
        }
        let strong = ReadWant {
            mode: Some(ReadMode::Strong),
            ..ReadWant::default()
        };
        let over = ReadOver::new("list", strong, None, vec![ber, nyc]);
        let eu1 = BTreeSet::from(["eu1".parse().unwrap()]);
        let part = over.spec(&eu1);
        assert_eq!(part.want.mode, Some(ReadMode::Strong));
        assert_eq!(part.home.as_str(), "eu1", "of what is shown");
    }
}
