//! The handle that everything else holds.

use kernel::{
    Call, Clock, IdempotencyKey, Intent, OfficeCode, OpError, Principal, ReadWant, RegionTag, Reply,
    Scope, SystemError, Timestamp,
};
use prometheus_client::registry::Registry;

use crate::{
    DbConfig, DbError, Migrations, Receipt, Refusal, SchemaError, Session, Txn, TxError,
};

/// The database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {}

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

/// What was read, and when.
#[derive(Debug, Clone)]
pub struct Read<T> {
    /// What the closure gave.
    pub value: T,
    /// The database's time of the read: the snapshot of the walk that it begins.
    pub at: Timestamp,
}

impl Db {
    /// Prepares to connect; does not connect yet.
    ///
    /// # Errors
    /// [`DbError::Config`].
    pub fn open(_config: DbConfig, _clock: Clock, _registry: &mut Registry) -> Result<Self, DbError> {
        unimplemented!()
    }

    /// Whether the database answers within a second.
    ///
    /// # Errors
    /// [`SystemError::Unavailable`].
    pub async fn ping(&self) -> Result<(), SystemError> {
        unimplemented!()
    }

    /// Whether this program may serve the schemas it finds.
    ///
    /// # Errors
    /// [`SchemaError`].
    pub async fn check_schema(&self, _systems: &[&'static Migrations]) -> Result<(), SchemaError> {
        unimplemented!()
    }

    /// Every region.
    #[must_use]
    pub fn regions(&self) -> &[RegionTag] {
        unimplemented!()
    }

    /// The region of rows that belong to no office.
    #[must_use]
    pub fn primary(&self) -> &RegionTag {
        unimplemented!()
    }

    /// The region of this process.
    #[must_use]
    pub fn region(&self) -> &RegionTag {
        unimplemented!()
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        unimplemented!()
    }

    /// Runs single-statement reads on a shared connection.
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn read<T>(
        &self,
        _call: &Call,
        _spec: ReadSpec,
        _work: impl AsyncFn(&Session) -> Result<T, DbError>,
    ) -> Result<Read<T>, SystemError> {
        unimplemented!()
    }

    /// As [`Db::read`], for a page of a list: on its first page the moment is fixed that all pages show.
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn read_page<T>(
        &self,
        _call: &Call,
        _spec: ReadSpec,
        _work: impl AsyncFn(&Session) -> Result<T, DbError>,
    ) -> Result<Read<T>, SystemError> {
        unimplemented!()
    }

    /// Runs several reads that see one moment.
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn read_snapshot<T>(
        &self,
        _call: &Call,
        _spec: ReadSpec,
        _work: impl AsyncFn(&Session) -> Result<T, DbError>,
    ) -> Result<Read<T>, SystemError> {
        unimplemented!()
    }

    /// Runs a write exactly once.
    ///
    /// # Errors
    /// [`OpError`].
    pub async fn write<E: Refusal, W>(&self, _intent: Intent, _work: W) -> Result<Reply, OpError<E>>
    where
        W: AsyncFn(&Txn<'_>) -> Result<Reply, TxError<E>>,
    {
        unimplemented!()
    }

    /// What became of a write; `region` `None`: every region is asked.
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn receipt(
        &self,
        _call: &Call,
        _principal: &Principal,
        _key: &IdempotencyKey,
        _region: Option<&RegionTag>,
    ) -> Result<Option<Receipt>, SystemError> {
        unimplemented!()
    }

    /// Makes sure that nothing will ever be written under the key, or says what was.
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn void(&self, _void: Void<'_>) -> Result<Receipt, SystemError> {
        unimplemented!()
    }

    /// Effects per key of this principal, counted from audit rows, in the order of `keys`.
    ///
    /// # Errors
    /// [`SystemError`].
    pub async fn verify(
        &self,
        _call: &Call,
        _principal: &Principal,
        _keys: &[IdempotencyKey],
    ) -> Result<Vec<u64>, SystemError> {
        unimplemented!()
    }

    /// The fault switch.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn faults(&self) -> &crate::Faults {
        unimplemented!()
    }
}

/// A key to make void.
#[derive(Debug, Clone, Copy)]
pub struct Void<'a> {
    /// The request.
    pub call: &'a Call,
    /// Whose key it is.
    pub principal: &'a Principal,
    /// The key.
    pub key: &'a IdempotencyKey,
    /// The office that the write named.
    pub office: Option<&'a OfficeCode>,
    /// Where the key row lives: the office's home, or the primary region.
    pub home: &'a RegionTag,
    /// The right that the route asked for.
    pub scope: Scope,
}
