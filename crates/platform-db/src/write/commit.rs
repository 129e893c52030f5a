//! The last round trip of an attempt: the record, COMMIT, the time of the commit.

use std::time::{Duration, Instant};

use futures_util::future::{join, join4};
use kernel::{Reply, Token};
use tokio::time::timeout_at;

#[cfg(feature = "testing")]
use crate::faults::Fault;
use crate::{
    DbError,
    engine::Engine,
    keys::{self, RECORD},
    search::{self, EntryColumns, PUT},
    session::Session,
    txn::Notes,
    verdict::Verdict,
    write::attempt::{Attempt, End},
};

/// COMMIT is waited for at most this long: a region that fails over takes 4–8 s, and behind it the key row must
/// still be asked for within 5 s of the deadline.
const COMMIT_WAIT: Duration = Duration::from_secs(5);
const COMMIT_WAIT_AFTER_DEADLINE: Duration = Duration::from_millis(2500);

/// The commit timestamp of the transaction just committed on this connection, `<nanoseconds>.<logical>`.
const SHOW_COMMIT_TIMESTAMP: &str = "SHOW COMMIT TIMESTAMP";

/// How the last batch was answered.
struct Answered {
    record: Result<(), DbError>,
    commit: Result<(), DbError>,
    token: Result<Token, DbError>,
}

impl Attempt<'_> {
    /// Records and commits; the answer is judged by every statement of the batch.
    pub(super) async fn commit<E>(
        &self,
        mut session: Session,
        notes: &Notes,
        reply: Reply,
    ) -> End<E> {
        let deadline = self.intent.call.deadline().into();
        for (wanted, statement) in [(!notes.entries.is_empty(), PUT), (true, RECORD)] {
            if !wanted {
                continue;
            }
            match timeout_at(deadline, session.warm(statement)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return self.rolled_back(session, error).await,
                // Who does not answer will not answer ROLLBACK either.
                Err(_) => return End::Failed(DbError::Timeout),
            }
        }
        #[cfg(feature = "testing")]
        if let Some(end) = self.injected(&mut session, notes, &reply).await {
            return end;
        }
        let sent = Instant::now();
        let until =
            (sent + COMMIT_WAIT).min(self.intent.call.deadline() + COMMIT_WAIT_AFTER_DEADLINE);
        let answered = timeout_at(until.into(), self.send_commit(&session, notes, &reply)).await;
        self.intent.call.facts().commit = Some(sent.elapsed());
        let Ok(answered) = answered else {
            return End::Unknown(DbError::Timeout);
        };
        match judge(&answered) {
            Outcome::Committed => {
                self.outdate(notes);
                if let Ok(token) = answered.token {
                    session.mark_clean();
                    self.db
                        .answer_token(&self.intent.call, &self.intent.home, token);
                } else {
                    let now = self.db.time_bound();
                    self.db
                        .answer_strong(&self.intent.call, &self.intent.home, now);
                }
                End::Committed(reply)
            }
            Outcome::RolledBack(error) => self.rolled_back(session, error).await,
            Outcome::Unknown(error) => End::Unknown(error),
        }
    }

    /// Drops from this process' caches what the write changed.
    fn outdate(&self, notes: &Notes) {
        let generations = self.db.generations();
        for event in &notes.events {
            generations.happened(event.kind, &event.subject);
        }
        for (kind, subject) in &notes.of_rows {
            generations.happened(kind, subject);
        }
    }

    /// Search entries, the record, COMMIT and the time, in one trip: [`PUT`] and [`RECORD`] are prepared, so they go
    /// over the wire in this order.
    async fn send_commit(&self, session: &Session, notes: &Notes, reply: &Reply) -> Answered {
        let home = &self.intent.home;
        let entries = EntryColumns::of(notes.entries.iter().map(|entry| (home, entry)));
        let (put, record, commit, token) = join4(
            search::put(session, &entries),
            keys::record(session, self.intent, notes, reply),
            session.batch("COMMIT"),
            self.commit_time(session),
        )
        .await;
        Answered {
            record: put.and(record),
            commit,
            token,
        }
    }

    async fn commit_time(&self, session: &Session) -> Result<Token, DbError> {
        if self.db.engine() == Some(Engine::Cockroach) {
            return parse_commit_timestamp(&session.text(SHOW_COMMIT_TIMESTAMP).await?);
        }
        let (time, unlocked) = join(self.db.time().ask(session), self.unlock(session)).await;
        unlocked?;
        time.map(Token::at)
    }

    #[cfg(feature = "testing")]
    async fn injected<E>(
        &self,
        session: &mut Session,
        notes: &Notes,
        reply: &Reply,
    ) -> Option<End<E>> {
        let lost = || DbError::Lost {
            source: std::sync::Arc::new(std::io::Error::other("injected")),
        };
        match self.db.faults().before_commit(self.intent.operation)? {
            Fault::Serialization { .. } => {
                self.roll_back(session).await;
                Some(End::Failed(DbError::Sql {
                    code: "40001".into(),
                    constraint: None,
                    source: std::sync::Arc::new(std::io::Error::other("injected")),
                }))
            }
            Fault::BeforeCommit { .. } => Some(End::Failed(lost())),
            Fault::ReplyLost | Fault::OutcomeUnknown => {
                let answered = self.send_commit(session, notes, reply).await;
                Some(match judge(&answered) {
                    Outcome::RolledBack(error) => End::Failed(error),
                    Outcome::Committed | Outcome::Unknown(_) => End::Unknown(lost()),
                })
            }
            Fault::CommitLost => Some(End::Unknown(lost())),
        }
    }
}

/// What the answers to the last batch say together.
#[derive(Debug)]
enum Outcome {
    Committed,
    RolledBack(DbError),
    Unknown(DbError),
}

/// A write is acknowledged only when every statement before COMMIT answered Ok: COMMIT of a failed transaction
/// answers the tag ROLLBACK, which the driver takes for Ok (hard case 1, rust-postgres#1334).
fn judge(answered: &Answered) -> Outcome {
    match (&answered.record, &answered.commit) {
        (Ok(()), Ok(())) => Outcome::Committed,
        (Ok(()), Err(error)) if Verdict::of(error).is_definite_at_commit() => {
            Outcome::RolledBack(error.clone())
        }
        (Ok(()), Err(error)) => Outcome::Unknown(error.clone()),
        // An error that the database answered the record with: COMMIT behind it could only roll back. A broken
        // connection says nothing of what was behind.
        (Err(error), _) => {
            let answered = error.code().is_some() && Verdict::of(error) != Verdict::Lost;
            let outcome = if answered {
                Outcome::RolledBack
            } else {
                Outcome::Unknown
            };
            outcome(error.clone())
        }
    }
}

/// `1795000000123456789.0000000002`
fn parse_commit_timestamp(text: &str) -> Result<Token, DbError> {
    let (nanos, logical) = text.split_once('.').unwrap_or((text, "0"));
    let decode = |source: std::num::ParseIntError| DbError::Decode {
        column: "commit_timestamp".into(),
        source: std::sync::Arc::new(source),
    };
    Ok(Token::new(
        nanos.parse().map_err(decode)?,
        logical.parse().map_err(decode)?,
    ))
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc};

    use super::*;

    fn sql(code: &str) -> DbError {
        let source = Arc::new(io::Error::other("test"));
        DbError::Sql {
            code: code.into(),
            constraint: None,
            source,
        }
    }

    fn lost() -> DbError {
        DbError::Lost {
            source: Arc::new(io::Error::other("test")),
        }
    }

    fn judged(record: Result<(), DbError>, commit: Result<(), DbError>) -> Outcome {
        judge(&Answered {
            record,
            commit,
            token: Ok(Token::new(1, 0)),
        })
    }

    #[test]
    fn hard_case_01_commit_is_believed_only_when_everything_before_it_was_ok() {
        assert!(matches!(judged(Ok(()), Ok(())), Outcome::Committed));
        // COMMIT says Ok, but what it did was ROLLBACK.
        assert!(matches!(
            judged(Err(sql("23505")), Ok(())),
            Outcome::RolledBack(_)
        ));
        assert!(matches!(
            judged(Err(sql("40001")), Ok(())),
            Outcome::RolledBack(_)
        ));
        assert!(matches!(
            judged(Err(sql("42601")), Ok(())),
            Outcome::RolledBack(_)
        ));
    }

    #[test]
    fn hard_case_02_what_is_not_certain_at_commit_is_unknown() {
        assert!(matches!(
            judged(Ok(()), Err(sql("40001"))),
            Outcome::RolledBack(_)
        ));
        assert!(matches!(
            judged(Ok(()), Err(sql("40003"))),
            Outcome::Unknown(_)
        ));
        assert!(matches!(
            judged(Ok(()), Err(sql("57P01"))),
            Outcome::Unknown(_)
        ));
        assert!(matches!(
            judged(Ok(()), Err(sql("57014"))),
            Outcome::Unknown(_)
        ));
        assert!(matches!(judged(Ok(()), Err(lost())), Outcome::Unknown(_)));
        assert!(matches!(
            judged(Err(lost()), Err(lost())),
            Outcome::Unknown(_)
        ));
        assert!(matches!(
            judged(Err(sql("57P01")), Err(lost())),
            Outcome::Unknown(_)
        ));
    }

    #[test]
    fn hard_case_14_a_commit_timestamp_is_a_token() {
        let token = parse_commit_timestamp("1795000000123456789.0000000002").unwrap();
        assert_eq!(
            (token.nanos(), token.logical()),
            (1_795_000_000_123_456_789, 2)
        );
        assert!(parse_commit_timestamp("soon").is_err());
    }
}
