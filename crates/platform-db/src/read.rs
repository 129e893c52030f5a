//! The read path: what a read is, and the ways to ask for one.

mod reading;

use std::time::Instant;

use kernel::{Call, Read, ReadWant, RegionTag, SystemError, Timestamp};

use crate::{
    Db, DbError, Session, engine::Engine, moment::Given, read::reading::Reading,
    read_over::SEVERAL_OFFICES,
};

pub(crate) use reading::{COCKROACH_STATEMENTS, LOGICAL_TIME, begin_read, ceil_to_ms};

/// What a read is and how fresh it must be.
#[derive(Debug, Clone)]
pub struct ReadSpec {
    /// The operation, named as in the OpenAPI document.
    pub operation: &'static str,
    /// What the caller wants.
    pub want: ReadWant,
    /// Home region of the data; `g` for data that lives everywhere.
    pub home: RegionTag,
    /// The moment that a walk shows, for every page but its first.
    pub snapshot: Option<Timestamp>,
}

impl ReadSpec {
    /// A read of reference data, which every region has: no home, no trip to another region.
    #[must_use]
    pub fn reference(operation: &'static str, want: ReadWant, snapshot: Option<Timestamp>) -> Self {
        Self {
            operation,
            want,
            home: RegionTag::global(),
            snapshot,
        }
    }

    /// A read over whatever offices there are.
    #[must_use]
    pub fn several(operation: &'static str, mut want: ReadWant) -> Self {
        want.mode.get_or_insert(SEVERAL_OFFICES);
        Self::reference(operation, want, None)
    }
}

/// How the statements of a read hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Each on its own.
    Single,
    /// One, of one row of one table.
    Row,
    /// A walk's page.
    Page,
    /// All from one moment.
    Snapshot,
}

/// What a read does with its connection. A trait, since a closure that holds another one by reference makes futures
/// that are not `Send` for every lifetime, which handlers need.
pub(crate) trait Work<T> {
    async fn run(&self, session: &Session) -> Result<T, DbError>;

    /// Whether some of what it reads is another region's, beside the home of the read.
    fn crosses(&self, _: &Db) -> bool {
        false
    }
}

/// The work of a read over nothing in particular.
pub(crate) struct Alone<W>(pub(crate) W);

impl<T, W: AsyncFn(&Session) -> Result<T, DbError>> Work<T> for Alone<W> {
    async fn run(&self, session: &Session) -> Result<T, DbError> {
        (self.0)(session).await
    }
}

impl Db {
    /// Runs single-statement reads on a connection that many requests share. `work` may run again when the
    /// connection broke.
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn read<T>(
        &self,
        call: &Call,
        spec: ReadSpec,
        work: impl AsyncFn(&Session) -> Result<T, DbError>,
    ) -> Result<Read<T>, SystemError> {
        self.read_shaped(call, spec, Shape::Single, &Alone(work))
            .await
    }

    /// As [`Db::read`], for what is one row of one table: what may be old is then read by bounded staleness on
    /// CockroachDB (hard case 13). Its statement names the whole primary key and says `/* AS OF */` where its FROM
    /// clause ends; one that does not is read at an exact time, or strong.
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn read_row<T>(
        &self,
        call: &Call,
        spec: ReadSpec,
        work: impl AsyncFn(&Session) -> Result<T, DbError>,
    ) -> Result<Read<T>, SystemError> {
        self.read_shaped(call, spec, Shape::Row, &Alone(work)).await
    }

    /// As [`Db::read`], for a page of a list: with its first page the moment is fixed that all pages show. The
    /// same as `read` on PostgreSQL; on CockroachDB the first page reads its transaction's timestamp (hard case 12).
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn read_page<T>(
        &self,
        call: &Call,
        spec: ReadSpec,
        work: impl AsyncFn(&Session) -> Result<T, DbError>,
    ) -> Result<Read<T>, SystemError> {
        self.read_shaped(call, spec, Shape::Page, &Alone(work))
            .await
    }

    /// Runs several reads that see one moment, in a read-only transaction of their own.
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn read_snapshot<T>(
        &self,
        call: &Call,
        spec: ReadSpec,
        work: impl AsyncFn(&Session) -> Result<T, DbError>,
    ) -> Result<Read<T>, SystemError> {
        self.read_shaped(call, spec, Shape::Snapshot, &Alone(work))
            .await
    }

    /// What the choice of the moment depends on; connects if nothing has connected yet.
    pub(crate) async fn given(
        &self,
        call: &Call,
        spec: &ReadSpec,
        shape: Shape,
    ) -> Result<Given, DbError> {
        if self.engine().is_none() {
            let everywhere = RegionTag::global();
            self.pools()
                .shared(&everywhere, self.next_turn(), call.deadline())
                .await?;
        }
        Ok(Given {
            engine: self.engine().unwrap_or(Engine::Postgres), // told by every connection
            want: spec.want,
            snapshot: spec.snapshot,
            one_row: shape == Shape::Row,
            received_at: call.received_at(),
            max_clock_offset: self.max_clock_offset(),
        })
    }

    pub(crate) async fn read_shaped<T>(
        &self,
        call: &Call,
        spec: ReadSpec,
        shape: Shape,
        work: &impl Work<T>,
    ) -> Result<Read<T>, SystemError> {
        let started = Instant::now();
        let result = Reading::new(self, call, &spec, shape).run(work).await;
        call.facts().database += started.elapsed();
        self.metrics()
            .read(spec.operation, &result, started.elapsed());
        result
    }
}
