//! Many writes in one transaction, each with its own key, audit row, events and receipt: imports, generated data.
//!
//! The transaction as a whole is a write like any other, under a key that this request makes up: that key's row
//! resolves a COMMIT whose end is not known. The keys of the rows are looked up before each transaction; a twin
//! that commits in between is found when the key rows are stored, and the rest is tried again without its rows.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

use futures_util::try_join;
use kernel::{
    Common, IdempotencyKey, Intent, OpError, ReadWant, Reply, RowEnd, RowRefusal, RowsEnd,
    SystemError, Timestamp,
};

use crate::{
    Db, DbError, ReadSpec, Refusal, Session, TxError, Txn,
    keys::{self, KeyRow, StoredRow},
    search::{self, EntryColumns},
    txn::Notes,
};

/// Transactions that met a twin's rows: each time at least one row more is known.
const TWINS_MAX: u32 = 20;

/// What so many rows leave behind is stored by one statement: CockroachDB takes no message of more than 16 MiB.
const STORED_AT_ONCE: usize = 500;

/// The rows that a transaction has still to write.
#[derive(Debug, Clone)]
pub struct OpenRows {
    intents: Arc<Vec<Intent>>,
    open: Vec<usize>,
}

impl OpenRows {
    /// Index among all rows, and the row's write.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Intent)> {
        self.open
            .iter()
            .filter_map(|index| self.intents.get(*index).map(|intent| (*index, intent)))
    }

    /// Those without an end.
    fn of<E>(intents: &Arc<Vec<Intent>>, ends: &[Option<RowEnd<E>>]) -> Self {
        Self {
            intents: Arc::clone(intents),
            open: (0..)
                .zip(ends)
                .filter_map(|(index, end)| end.is_none().then_some(index))
                .collect(),
        }
    }

    /// Whether one of them was found to be written.
    fn any_known<E>(&self, ends: &[Option<RowEnd<E>>]) -> bool {
        self.open
            .iter()
            .any(|index| matches!(ends.get(*index), Some(Some(_))))
    }
}

/// A row that the closure has written: made by [`Txn::wrote`].
#[derive(Debug)]
pub struct RowWrite {
    notes: Notes,
    reply: Reply,
}

/// What the closure leaves: for each open row, in their order, what it wrote or why not.
#[derive(Debug)]
pub struct RowsDone<E> {
    /// One per open row.
    pub rows: Vec<Result<RowWrite, RowRefusal<E>>>,
    /// Whether to commit what was written.
    pub commit: bool,
}

impl Txn<'_> {
    /// The transaction as one of its rows sees it: ids, events and audit are the row's own, the time is that of
    /// this transaction now. Ask after every row was locked.
    #[must_use]
    pub fn for_row<'r>(&'r self, intent: &'r Intent) -> Txn<'r> {
        Txn::at(self, intent, self.now())
    }

    /// Ends a row with its answer.
    #[must_use]
    pub fn wrote(self, reply: Reply) -> RowWrite {
        RowWrite {
            notes: self.into_notes(),
            reply,
        }
    }
}

/// Why a transaction of many rows is not committed.
#[derive(Debug, thiserror::Error)]
enum NotCommitted<E: std::error::Error + 'static> {
    #[error("a twin wrote one of the rows")]
    Twin,
    #[error("the closure did not want it")]
    Unwanted,
    #[error(transparent)]
    Own(E),
}

impl<E: Refusal> Refusal for NotCommitted<E> {
    fn from_constraint(name: &str) -> Option<Self> {
        E::from_constraint(name).map(Self::Own)
    }
}

/// What the last attempt of a transaction did with its rows.
type Left<E> = Arc<Mutex<Option<Vec<Result<Reply, RowRefusal<E>>>>>>;

impl Db {
    /// Writes many rows in one serializable transaction: those whose key is known are replayed, the others are
    /// given to `work`, which may refuse some of them. All rows share call, operation, principal and rehearsal.
    /// `work` may run several times and in vain. Rows whose twins may be under way at the same time name something
    /// that both have in common among their hot rows, else many twins at once hinder each other.
    ///
    /// # Errors
    /// [`OpError`] for the transaction as a whole; a broken constraint that `E` knows is [`OpError::Refused`].
    pub async fn write_rows<E: Refusal, W>(
        &self,
        rows: Vec<Intent>,
        work: W,
    ) -> Result<RowsEnd<E>, OpError<E>>
    where
        W: AsyncFn(&Txn<'_>, OpenRows) -> Result<RowsDone<E>, TxError<E>>,
    {
        let Some(whole) = whole(&rows) else {
            return Ok(RowsEnd {
                rows: Vec::new(),
                committed: false,
            });
        };
        let (intents, work) = (Arc::new(rows), Arc::new(work));
        let mut ends: Vec<Option<RowEnd<E>>> = intents.iter().map(|_| None).collect();
        // Something is committed that is not told of yet: from then on no failure may say that nothing was written.
        let mut landed: Option<Timestamp> = None;
        for _ in 0..TWINS_MAX {
            self.look_up(&intents, &mut ends, landed).await?;
            let open = OpenRows::of(&intents, &ends);
            if open.open.is_empty() {
                break;
            }
            let left: Left<E> = Arc::default();
            let attempts: Arc<AtomicU32> = Arc::default();
            let batch = Intent {
                key: next_key(&whole),
                ..whole.clone()
            };
            let written = self
                .write_open(
                    batch,
                    open.clone(),
                    (Arc::clone(&left), Arc::clone(&attempts)),
                    Arc::clone(&work),
                )
                .await;
            let committed = match written {
                Ok(()) => true,
                Err(OpError::Refused(NotCommitted::Unwanted)) => false,
                Err(OpError::Refused(NotCommitted::Twin)) => continue,
                Err(error) => {
                    // What is in the way may be a twin's (hard case 4): then one row more is known now.
                    if may_be_a_twins(&error) {
                        self.look_up(&intents, &mut ends, landed).await?;
                        if open.any_known(&ends) {
                            continue;
                        }
                    }
                    return Err(never_denied(landed, own(error)));
                }
            };
            if committed && !whole.dry_run {
                landed = Some(self.clock().now());
            }
            let left = left.lock().unwrap_or_else(PoisonError::into_inner).take();
            let left = left.unwrap_or_default();
            if left.iter().any(Result::is_err) {
                // So may what a row was refused for. What is not wanted then may be wanted without that row.
                self.look_up(&intents, &mut ends, landed).await?;
                if !committed && open.any_known(&ends) {
                    continue;
                }
            }
            // Of several attempts an earlier one may have landed: then the key rows tell what it wrote.
            let certain = attempts.load(Ordering::Relaxed) == 1 || !committed || whole.dry_run;
            for (index, done) in open.open.iter().copied().zip(left) {
                match done {
                    Ok(reply) if certain => settle(&mut ends, index, RowEnd::Written(reply)),
                    Ok(_) => {}
                    Err(refusal) => settle(&mut ends, index, RowEnd::Refused(refusal)),
                }
            }
            if certain {
                return finish(ends, committed && !whole.dry_run);
            }
        }
        finish(ends, true).map_err(|error| never_denied(landed, error))
    }

    /// One transaction over the open rows.
    async fn write_open<E: Refusal, W>(
        &self,
        batch: Intent,
        open: OpenRows,
        (left, attempts): (Left<E>, Arc<AtomicU32>),
        work: Arc<W>,
    ) -> Result<(), OpError<NotCommitted<E>>>
    where
        W: AsyncFn(&Txn<'_>, OpenRows) -> Result<RowsDone<E>, TxError<E>>,
    {
        self.write(batch, async move |txn: &Txn<'_>| {
            attempts.fetch_add(1, Ordering::Relaxed);
            let open = open.clone();
            let done = work(txn, open.clone()).await.map_err(|error| match error {
                TxError::Refused(refusal) => TxError::Refused(NotCommitted::Own(refusal)),
                TxError::Common(common) => TxError::Common(common),
                TxError::Db(error) => TxError::Db(error),
            })?;
            let commit = done.commit;
            let stored = store(txn, &open, done, &left).await?;
            if !commit {
                return Err(TxError::Refused(NotCommitted::Unwanted));
            }
            let Some(stored) = stored else {
                return Err(TxError::Refused(NotCommitted::Twin));
            };
            txn.audit(None, Some(serde_json::json!({ "rows": stored })));
            Ok(Reply {
                status: 200,
                location: None,
                version: None,
                body: None,
                effect_ids: Vec::new(),
            })
        })
        .await
        .map(drop)
    }

    /// Finds the rows that were written before; `landed`: some were by this very request.
    async fn look_up<E>(
        &self,
        intents: &Arc<Vec<Intent>>,
        ends: &mut [Option<RowEnd<E>>],
        landed: Option<Timestamp>,
    ) -> Result<(), SystemError> {
        let Some(first) = intents.first().filter(|intent| !intent.dry_run) else {
            return Ok(());
        };
        let spec = ReadSpec {
            operation: first.operation,
            want: ReadWant::default(),
            home: first.home.clone(),
            snapshot: None,
        };
        let asked = Arc::clone(intents);
        let found = self
            .read(&first.call, spec, async move |session: &Session| {
                keys::find_rows(session, &asked).await
            })
            .await
            .map_err(|error| unless_landed(landed, error))?
            .value;
        for (index, row) in found {
            if let Some(intent) = intents.get(index) {
                settle(ends, index, replay(intent, row));
            }
        }
        Ok(())
    }
}

fn never_denied<E>(landed: Option<Timestamp>, error: OpError<E>) -> OpError<E> {
    match error {
        OpError::System(error) => unless_landed(landed, error).into(),
        OpError::Refused(_) | OpError::Common(_) => error,
    }
}

/// What is committed may not be denied, whatever became of asking for it.
fn unless_landed(landed: Option<Timestamp>, error: SystemError) -> SystemError {
    match landed {
        Some(attempt_at) => SystemError::OutcomeUnknown {
            attempt_at,
            source: Some(Box::new(error)),
        },
        None => error,
    }
}

/// Whether a constraint was broken, perhaps one that no stranger breaks: that of an id that derives from a row's key.
fn may_be_a_twins<E: std::error::Error + 'static>(error: &OpError<NotCommitted<E>>) -> bool {
    match error {
        OpError::Refused(_) => true,
        OpError::System(SystemError::Bug { effect_unknown, .. }) => !effect_unknown,
        OpError::Common(_) | OpError::System(_) => false,
    }
}

fn own<E: std::error::Error + 'static>(error: OpError<NotCommitted<E>>) -> OpError<E> {
    match error {
        OpError::Refused(NotCommitted::Own(refusal)) => OpError::Refused(refusal),
        OpError::Refused(NotCommitted::Twin | NotCommitted::Unwanted) => {
            SystemError::Contended.into()
        }
        OpError::Common(common) => OpError::Common(common),
        OpError::System(error) => OpError::System(error),
    }
}

/// The write that the transaction as a whole is.
fn whole(rows: &[Intent]) -> Option<Intent> {
    let first = rows.first()?;
    let mut hot: Vec<String> = rows
        .iter()
        .flat_map(|row| row.hot.iter().cloned())
        .collect();
    hot.sort_unstable();
    hot.dedup();
    Some(Intent {
        fingerprint: [0; 32],
        if_match: None,
        hot,
        ..first.clone()
    })
}

/// A key for one transaction of this request.
fn next_key(whole: &Intent) -> IdempotencyKey {
    static TAKEN: AtomicU64 = AtomicU64::new(0);
    IdempotencyKey::auto(whole.call.id()).row(TAKEN.fetch_add(1, Ordering::Relaxed))
}

/// Stores what the rows that were written leave behind; `None` if a twin was there first.
async fn store<E>(
    txn: &Txn<'_>,
    open: &OpenRows,
    done: RowsDone<E>,
    left: &Left<E>,
) -> Result<Option<usize>, DbError> {
    let mut ends = Vec::with_capacity(done.rows.len());
    let mut stored = Vec::with_capacity(done.rows.len());
    for ((_, intent), row) in open.iter().zip(done.rows) {
        match row {
            Ok(RowWrite { notes, reply }) => {
                txn.emitted(&notes);
                ends.push(Ok(reply.clone()));
                stored.push(StoredRow {
                    intent,
                    notes,
                    reply,
                });
            }
            Err(refusal) => ends.push(Err(refusal)),
        }
    }
    *left.lock().unwrap_or_else(PoisonError::into_inner) = Some(ends);
    if !done.commit {
        return Ok(None);
    }
    let count = stored.len();
    let mut inserted = 0;
    for part in stored.chunks(STORED_AT_ONCE) {
        let entries = EntryColumns::of(part.iter().flat_map(|row| {
            let entries = row.notes.entries.iter();
            entries.map(|entry| (&row.intent.home, entry))
        }));
        let ((), new) = try_join!(search::put(txn, &entries), keys::record_rows(txn, part))?;
        inserted += new;
    }
    Ok((usize::try_from(inserted) == Ok(count)).then_some(count))
}

/// What a row's key row says, in the order of hard case 10.
fn replay<E>(intent: &Intent, row: Result<KeyRow, Option<String>>) -> RowEnd<E> {
    let row = match row {
        Ok(row) => row,
        Err(location) => {
            return RowEnd::Refused(Common::AlreadyExists { location }.into());
        }
    };
    let own = row.request_id == intent.call.id().to_string();
    let forbidden = row
        .office
        .filter(|office| !intent.principal.offices.allow(office));
    match (forbidden, row.reply) {
        (Some(office), _) => RowEnd::Refused(Common::OfficeForbidden { office }.into()),
        (None, None) => RowEnd::Refused(Common::KeyVoided.into()),
        (None, Some(_)) if !own && row.fingerprint != intent.fingerprint => {
            RowEnd::Refused(Common::KeyReused.into())
        }
        (None, Some(reply)) if own => RowEnd::Written(reply),
        (None, Some(reply)) => RowEnd::Replayed(reply),
    }
}

/// The first end of a row is its end.
fn settle<E>(ends: &mut [Option<RowEnd<E>>], index: usize, end: RowEnd<E>) {
    if let Some(slot @ None) = ends.get_mut(index) {
        *slot = Some(end);
    }
}

fn finish<E>(ends: Vec<Option<RowEnd<E>>>, committed: bool) -> Result<RowsEnd<E>, OpError<E>> {
    let rows: Option<Vec<RowEnd<E>>> = ends.into_iter().collect();
    rows.map(|rows| RowsEnd { rows, committed })
        .ok_or_else(|| SystemError::Contended.into())
}
