//! What became of a write, told by its key: receipts, voiding, counting.

use std::time::Instant;

use futures_util::future::{join, join4};
use kernel::{
    Call, IdempotencyKey, OfficeCode, Principal, ReadWant, RegionTag, Scope, SystemError, Timestamp,
};
use tokio::time::timeout_at;
use uuid::Uuid;

use crate::{
    Db, DbError, ReadSpec, Session, Void,
    keys::{self, AUDIT_RECEIPT, COUNT_EFFECTS, KEY_RECEIPT},
    metrics::Why,
    verdict::Verdict,
    write::{RECONNECT_PAUSE_MS, pause, system_error},
};

/// What a key row, or after its time the audit row, says of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The key asked for.
    pub key: IdempotencyKey,
    /// How the write ended.
    pub status: ReceiptStatus,
    /// Ids of what was made or changed.
    pub effect_ids: Vec<String>,
    /// When it was committed; when the key was made void.
    pub committed_at: Timestamp,
    /// The region that keeps the row: the home of the office written to.
    pub region: RegionTag,
    /// The region whose process wrote it.
    pub served_in: RegionTag,
    /// The request that wrote it.
    pub request_id: String,
    /// The office written to.
    pub office: Option<OfficeCode>,
    /// The right that the write needed.
    pub scope: Scope,
}

/// How a write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptStatus {
    /// It is done.
    Committed,
    /// It will never be done.
    Void,
}

impl Db {
    /// What became of a write, asked in each of the regions where its key row can be. `None`: nothing is known of the
    /// key there, now.
    ///
    /// # Errors
    /// [`SystemError`]: a region that cannot be asked is never taken for one that knows nothing.
    pub async fn receipt(
        &self,
        call: &Call,
        principal: &Principal,
        key: &IdempotencyKey,
        regions: &[RegionTag],
    ) -> Result<Option<Receipt>, SystemError> {
        let id = keys::write_id(principal, key);
        let spec = self.keys_spec("get_write", regions);
        let regions = regions.to_vec();
        let key = key.clone();
        let read = self
            .read(call, spec, async move |session: &Session| {
                find_receipt(session, &regions, id, &key).await
            })
            .await?;
        Ok(read.value)
    }

    /// Makes sure that nothing will ever be written under the key, or says what was (hard case 3).
    ///
    /// # Errors
    /// [`SystemError`]; once the row may have been sent, in vain or not, only [`SystemError::OutcomeUnknown`].
    pub async fn void(&self, void: Void<'_>) -> Result<Receipt, SystemError> {
        const OPERATION: &str = "void_write";
        let mut sent_at = None;
        let mut replanned = false;
        loop {
            let tried = timeout_at(
                void.call.deadline().into(),
                self.void_once(&void, &mut sent_at),
            )
            .await;
            let error = match tried.unwrap_or(Err(DbError::Timeout)) {
                Ok(receipt) => return Ok(receipt),
                Err(error) => error,
            };
            let why = match Verdict::of(&error) {
                Verdict::Lost => Why::Connection,
                Verdict::Conflict => Why::Conflict,
                Verdict::StalePlan if !replanned => {
                    replanned = true;
                    Why::StalePlan
                }
                Verdict::Deadline
                | Verdict::Unique
                | Verdict::Constraint
                | Verdict::StalePlan
                | Verdict::Unavailable
                | Verdict::Bug => return Err(unless_sent(sent_at, error)),
            };
            if void.call.remaining().is_zero() {
                return Err(unless_sent(sent_at, error));
            }
            self.metrics().retried(OPERATION, why);
            pause(RECONNECT_PAUSE_MS).await;
        }
    }

    async fn void_once(
        &self,
        void: &Void<'_>,
        sent_at: &mut Option<Timestamp>,
    ) -> Result<Receipt, DbError> {
        let started = Instant::now();
        let lease = self.pools().lease(void.call.deadline()).await?;
        let session = Session::leased(lease, void.call, self.is_remote(void.home));
        session.warm(keys::VOID).await?;
        let id = keys::write_id(void.principal, void.key);
        let earlier = sent_at.replace(self.clock().now());
        let regions = [void.home.clone()];
        // One statement, hence one transaction; an attempt of the write that is about to COMMIT is waited for. The
        // connection may now write outside of BEGIN, so it does not go back to the pool.
        let (opened, inserted, found, at) = join4(
            session.batch("SET default_transaction_read_only = off"),
            keys::insert_void(&session, void),
            find_receipt(&session, &regions, id, void.key),
            self.time().ask(&session),
        )
        .await;
        // A statement that is its own transaction and met another writer was certainly not run.
        if let Err(error) = &inserted
            && Verdict::of(error).is_definite_at_commit()
        {
            *sent_at = earlier;
        }
        opened.and(inserted)?;
        let receipt = found?.ok_or(DbError::NoRow)?;
        void.call.facts().database += started.elapsed();
        self.answer_strong(void.call, void.home, at?);
        Ok(receipt)
    }

    /// Effects per key of this principal, in the order of `keys`, counted from the audit rows of every region and
    /// independently of key rows: 1 for a write that was acknowledged.
    ///
    /// # Errors
    /// [`SystemError`]: a region that cannot be asked is never taken for a 0.
    pub async fn verify(
        &self,
        call: &Call,
        principal: &Principal,
        keys: &[IdempotencyKey],
    ) -> Result<Vec<u64>, SystemError> {
        let ids: Vec<Uuid> = keys
            .iter()
            .map(|key| keys::write_id(principal, key))
            .collect();
        let spec = self.keys_spec("verify_writes", self.regions());
        let regions = self.regions().to_vec();
        let read = self
            .read(call, spec, async move |session: &Session| {
                count_effects(session, &regions, &ids).await
            })
            .await?;
        Ok(read.value)
    }

    fn keys_spec(&self, operation: &'static str, regions: &[RegionTag]) -> ReadSpec {
        let home = match regions {
            [home] => home,
            _ => self.primary(),
        };
        ReadSpec {
            operation,
            want: ReadWant::default(),
            home: home.clone(),
            snapshot: None,
        }
    }
}

/// The committed one first: a key used for two offices has a row in each home.
async fn find_receipt(
    session: &Session,
    regions: &[RegionTag],
    id: Uuid,
    key: &IdempotencyKey,
) -> Result<Option<Receipt>, DbError> {
    let (by_key, by_audit) = join(
        session.rows(KEY_RECEIPT, &[&regions, &id]),
        session.rows(AUDIT_RECEIPT, &[&regions, &id]),
    )
    .await;
    let mut receipts = Vec::new();
    for row in by_key?.iter().chain(&by_audit?) {
        receipts.push(keys::receipt(row, key)?);
    }
    receipts.sort_by_key(|receipt| receipt.status == ReceiptStatus::Void);
    Ok(receipts.into_iter().next())
}

async fn count_effects(
    session: &Session,
    regions: &[RegionTag],
    ids: &[Uuid],
) -> Result<Vec<u64>, DbError> {
    let rows = session.rows(COUNT_EFFECTS, &[&regions, &ids]).await?;
    let mut most = std::collections::HashMap::new();
    for row in rows {
        // Per (key, office): two offices under one key are the client's mistake, not a doubled write.
        let (id, effects): (Uuid, i64) = (row.get("id")?, row.get("effects")?);
        let most: &mut u64 = most.entry(id).or_default();
        *most = (*most).max(u64::try_from(effects).unwrap_or(0));
    }
    Ok(ids
        .iter()
        .map(|id| most.get(id).copied().unwrap_or(0))
        .collect())
}

/// A void that was sent may be in force, whatever became of its answer (hard case 2).
fn unless_sent(sent_at: Option<Timestamp>, error: DbError) -> SystemError {
    match sent_at {
        Some(attempt_at) => SystemError::OutcomeUnknown {
            attempt_at,
            source: Some(Box::new(error)),
        },
        None => system_error(error),
    }
}
