//! What to do after each attempt of a write: the rules of retrying, replaying and not knowing. No I/O.

use kernel::{Clock, Common, Intent, OpError, Reply, SystemError, Timestamp};

use crate::{
    DbError, Refusal,
    keys::KeyRow,
    metrics::Why,
    verdict::Verdict,
    write::{
        RECONNECT_PAUSE_MS,
        attempt::{End, TxRefusal},
        system_error,
    },
};

/// Attempts that met another writer (hard case 8).
const ATTEMPTS_MAX: u32 = 20;
/// The first pause is up to 10 ms, each next one up to twice as long, up to 640 ms: twenty of them take 4 s on
/// average, well inside the deadline.
const PAUSE_MS_FIRST: u64 = 10;
const PAUSE_DOUBLINGS_MAX: u32 = 6;

/// One write's way through its attempts.
#[derive(Debug)]
pub(super) struct Course<'a> {
    intent: &'a Intent,
    clock: &'a Clock,
    /// Attempts begun.
    attempts: u32,
    /// Attempts that met another writer.
    conflicts: u32,
    /// A constraint was broken once already, and no twin was found.
    collided: bool,
    /// A statement's plan was stale once already.
    replanned: bool,
    /// COMMIT was sent then and is not known to have failed. From here on the write ends in its stored answer or
    /// in an unknown outcome, and in nothing else (hard case 2).
    unresolved: Option<Timestamp>,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Next<E> {
    /// The write has ended.
    Answer(Result<Reply, OpError<E>>),
    /// Another attempt.
    Again { why: Why, pause_ms_max: u64 },
    /// Nobody knows whether COMMIT happened: the key row tells.
    Resolve(DbError),
}

impl<'a> Course<'a> {
    pub(super) fn new(intent: &'a Intent, clock: &'a Clock) -> Self {
        Self {
            intent,
            clock,
            attempts: 0,
            conflicts: 0,
            collided: false,
            replanned: false,
            unresolved: None,
        }
    }

    /// Begins an attempt; whether it reads the key row first. A rehearsal has none, and a key that this very
    /// request made up cannot have been used before its first attempt.
    pub(super) fn begins(&mut self) -> bool {
        self.attempts += 1;
        !self.intent.dry_run && (self.attempts > 1 || !self.intent.key.is_auto())
    }

    /// What follows from the end of an attempt.
    pub(super) fn after<E: Refusal>(&mut self, end: End<E>) -> Next<E> {
        match end {
            End::Committed(reply) => Next::Answer(Ok(reply)),
            End::Rehearsed(reply) => {
                self.intent.call.facts().dry_run = true;
                Next::Answer(Ok(reply))
            }
            End::Known(row) => self.known(row),
            End::DoneLongAgo { location } => {
                self.certain(OpError::Common(Common::AlreadyExists { location }))
            }
            End::Refused(TxRefusal::Own(refusal)) => self.certain(OpError::Refused(refusal)),
            End::Refused(TxRefusal::Common(common)) => self.certain(OpError::Common(common)),
            End::Failed(error) => self.failed(error),
            End::Unknown(error) => {
                self.unresolved = Some(self.clock.now());
                Next::Resolve(error)
            }
        }
    }

    /// What follows from looking for the key row after a COMMIT without a clear answer to it (`error`).
    pub(super) fn resolved<E: Refusal>(
        &mut self,
        found: Result<Option<KeyRow>, DbError>,
        error: DbError,
    ) -> Next<E> {
        match found {
            Ok(Some(row)) => self.known(row),
            // Not there now. COMMIT may still be on its way, but the same key row lets only one attempt in.
            Ok(None) if !self.intent.call.remaining().is_zero() => Next::Again {
                why: Why::Unresolved,
                pause_ms_max: PAUSE_MS_FIRST,
            },
            Ok(None) => Next::Answer(Err(self.unknown(error).into())),
            Err(unreachable) => Next::Answer(Err(self.unknown(unreachable).into())),
        }
    }

    /// The key row is there. Order of checks: hard case 10.
    fn known<E: Refusal>(&self, row: KeyRow) -> Next<E> {
        // An earlier attempt of this very request had landed: its own answer, not a replay.
        let own = row.request_id == self.intent.call.id().to_string();
        let forbidden = row
            .office
            .filter(|office| !self.intent.principal.offices.allow(office));
        let refusal = match (forbidden, row.reply) {
            (Some(office), _) => Common::OfficeForbidden { office },
            (None, None) => Common::KeyVoided,
            (None, Some(_)) if !own && row.fingerprint != self.intent.fingerprint => {
                Common::KeyReused
            }
            (None, Some(reply)) => {
                self.intent.call.facts().replayed = !own;
                return Next::Answer(Ok(reply));
            }
        };
        self.certain(OpError::Common(refusal))
    }

    /// A failure that certainly wrote nothing in this attempt.
    fn failed<E: Refusal>(&mut self, error: DbError) -> Next<E> {
        let time_is_up = self.intent.call.remaining().is_zero();
        match Verdict::of(&error) {
            Verdict::Conflict => self.conflict(time_is_up),
            Verdict::Lost if !time_is_up => Next::Again {
                why: Why::Connection,
                pause_ms_max: RECONNECT_PAUSE_MS,
            },
            Verdict::Deadline if self.conflicts > 0 => self.certain(SystemError::Contended.into()),
            Verdict::StalePlan if !self.replanned => {
                self.replanned = true;
                Next::Again {
                    why: Why::StalePlan,
                    pause_ms_max: 0,
                }
            }
            Verdict::Unique if is_ours(&error) => self.conflict(time_is_up),
            Verdict::Unique if !self.collided && !self.intent.dry_run => {
                self.collided = true;
                Next::Again {
                    why: Why::Collision,
                    pause_ms_max: 0,
                }
            }
            Verdict::Unique | Verdict::Constraint => {
                match error.constraint().and_then(E::from_constraint) {
                    Some(refusal) => self.certain(OpError::Refused(refusal)),
                    None => self.certain(system_error(error).into()),
                }
            }
            Verdict::Lost
            | Verdict::Deadline
            | Verdict::StalePlan
            | Verdict::Unavailable
            | Verdict::Bug => self.certain(system_error(error).into()),
        }
    }

    fn conflict<E>(&mut self, time_is_up: bool) -> Next<E> {
        self.intent.call.facts().retries += 1;
        self.conflicts += 1;
        if time_is_up || self.conflicts >= ATTEMPTS_MAX {
            return self.certain(SystemError::Contended.into());
        }
        let doublings = (self.conflicts - 1).min(PAUSE_DOUBLINGS_MAX);
        Next::Again {
            why: Why::Conflict,
            pause_ms_max: PAUSE_MS_FIRST << doublings,
        }
    }

    /// An end that says that nothing was written: true only while no COMMIT is unresolved.
    fn certain<E>(&self, error: OpError<E>) -> Next<E> {
        Next::Answer(Err(match self.unresolved {
            None => error,
            Some(attempt_at) => SystemError::OutcomeUnknown {
                attempt_at,
                source: None,
            }
            .into(),
        }))
    }

    /// The end of a write that nobody can tell.
    pub(super) fn unknown(&self, error: DbError) -> SystemError {
        SystemError::OutcomeUnknown {
            attempt_at: self.unresolved.unwrap_or_else(|| self.clock.now()),
            source: Some(Box::new(error)),
        }
    }
}

/// The key row or the audit row was in the way and is gone again, which only another writer can have done.
fn is_ours(error: &DbError) -> bool {
    matches!(
        error.constraint(),
        Some("idempotency_keys_pkey" | "audit_log_pkey")
    )
}

#[cfg(test)]
#[path = "course_tests.rs"]
mod tests;
