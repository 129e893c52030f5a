//! Connections that many reads use at once. A statement that hangs delays what was sent behind it, so new reads avoid a
//! connection that has been silent for a while, and those that wait behind another's statement leave it.
//!
//! A connection is made by a task of its own, once for all who want it, however long each of them waits. One that is due to
//! be replaced serves until the next one is there.

use std::{
    ops::Deref,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{timeout, timeout_at},
};

use crate::{Connection, DbError};

/// A connection that owes an answer for this long is silent.
const SILENT_AFTER: Duration = Duration::from_millis(500);
/// How often who waits looks whether it waits for another.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How soon another is made in place of one that is due, where the last try failed.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// A few places of shared connections.
#[derive(Debug)]
pub(super) struct Lane {
    slots: Vec<Arc<Slot>>,
    /// As many connections again as there are slots may be silent ones that only their hanging statement still uses.
    room: Arc<Semaphore>,
}

/// The place of one shared connection.
#[derive(Debug, Default)]
struct Slot {
    current: Mutex<Option<Arc<Shared>>>,
    /// The last one that was made, or is being made.
    making: Mutex<Option<Making>>,
}

/// A connection on its way into its slot.
#[derive(Debug, Clone)]
struct Making {
    begun: Instant,
    /// Ends when it is there.
    end: futures_util::future::Shared<BoxFuture<'static, Result<(), DbError>>>,
}

/// A connection that many reads use at once.
#[derive(Debug)]
pub(crate) struct Shared {
    connection: Connection,
    queue: Mutex<Queue>,
    /// It is no slot's any more.
    is_given_up: AtomicBool,
    room: Arc<Semaphore>,
    _place: OwnedSemaphorePermit,
}

/// Statements under way. They are answered in the order in which they were sent.
#[derive(Debug)]
struct Queue {
    sent: u64,
    answered: u64,
    /// When the first of them was sent, or the last answer came.
    since: Instant,
}

/// The place of a statement in the queue of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// Somebody else's statement hangs before this one.
#[derive(Debug, thiserror::Error)]
#[error("another statement before it was not answered")]
struct Behind;

impl Lane {
    pub(super) fn new(slots: usize) -> Self {
        let slots = slots.max(1);
        Self {
            slots: (0..slots).map(|_| Arc::default()).collect(),
            room: Arc::new(Semaphore::new(2 * slots)),
        }
    }

    /// The connection whose turn it is, made if there is none.
    pub(super) async fn take<F>(
        &self,
        turn: usize,
        deadline: Instant,
        make: impl Fn() -> F,
    ) -> Result<Arc<Shared>, DbError>
    where
        F: Future<Output = Result<Connection, DbError>> + Send + 'static,
    {
        let slot = &self.slots[turn % self.slots.len()];
        loop {
            let current = slot.usable();
            let making = match &current {
                Some(shared) if !shared.is_due() => None,
                Some(_) | None => slot.make(&self.room, &make),
            };
            if let Some(shared) = current {
                return Ok(shared);
            }
            if let Some(making) = making {
                let made = timeout_at(deadline.into(), making.end).await;
                made.unwrap_or(Err(DbError::Timeout))?;
            }
        }
    }

    pub(super) fn forget(&self, broken: &Arc<Shared>) {
        for slot in &self.slots {
            let mut current = slot.current();
            if current
                .as_ref()
                .is_some_and(|shared| Arc::ptr_eq(shared, broken))
            {
                *current = None;
                broken.is_given_up.store(true, Ordering::Relaxed);
            }
        }
    }
}

impl Slot {
    fn current(&self) -> MutexGuard<'_, Option<Arc<Shared>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn usable(&self) -> Option<Arc<Shared>> {
        let current = self.current();
        let usable = |shared: &&Arc<Shared>| {
            let is_left = shared.is_silent() && shared.can_be_replaced();
            !shared.is_closed() && !is_left
        };
        current.as_ref().filter(usable).map(Arc::clone)
    }

    /// Makes a connection for this slot, unless one is under way or has just come.
    #[expect(
        clippy::disallowed_methods,
        reason = "the task ends by itself, with the time that connecting may take"
    )]
    fn make<F>(self: &Arc<Self>, room: &Arc<Semaphore>, make: impl Fn() -> F) -> Option<Making>
    where
        F: Future<Output = Result<Connection, DbError>> + Send + 'static,
    {
        let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.usable();
        let last = making.as_ref();
        let ended = last.map(|last| (last.begun, last.end.peek().cloned()));
        match ended {
            Some((_, None)) => return last.cloned(),
            Some((begun, Some(Err(_)))) if current.is_some() && begun.elapsed() < TRY_EVERY => {
                return None;
            }
            Some((_, Some(_))) | None => {}
        }
        if current.is_some_and(|shared| !shared.is_due()) {
            return None;
        }
        let (slot, room, made) = (Arc::clone(self), Arc::clone(room), make());
        let end = async move { slot.fill(room, made).await }.boxed().shared();
        tokio::spawn(end.clone());
        *making = Some(Making {
            begun: Instant::now(),
            end,
        });
        making.clone()
    }

    async fn fill(
        &self,
        room: Arc<Semaphore>,
        made: impl Future<Output = Result<Connection, DbError>>,
    ) -> Result<(), DbError> {
        let place = Arc::clone(&room).acquire_owned().await;
        let place = place.map_err(|_| DbError::Timeout)?; // never closed
        let shared = Arc::new(Shared::new(made.await?, &room, place));
        if let Some(before) = self.current().replace(shared) {
            before.is_given_up.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Shared {
    fn new(connection: Connection, room: &Arc<Semaphore>, place: OwnedSemaphorePermit) -> Self {
        let queue = Queue {
            sent: 0,
            answered: 0,
            since: Instant::now(),
        };
        Self {
            connection,
            queue: Mutex::new(queue),
            is_given_up: AtomicBool::new(false),
            room: Arc::clone(room),
            _place: place,
        }
    }

    /// Polls for the first time, which sends the statement. Its ticket, unless it was answered from memory.
    pub(crate) fn send<F: Future>(
        &self,
        asking: Pin<&mut F>,
        context: &mut Context<'_>,
    ) -> Result<Ticket, F::Output> {
        // Held meanwhile, so that tickets are in the order of the wire.
        let mut queue = self.queue();
        if let Poll::Ready(answer) = asking.poll(context) {
            return Err(answer);
        }
        if queue.sent == queue.answered {
            queue.since = Instant::now();
        }
        queue.sent += 1;
        Ok(Ticket(queue.sent))
    }

    /// The answer to a statement that was sent, unless somebody else's hangs before all of `own`, of which it is one.
    pub(crate) async fn answer<F: Future>(
        &self,
        mut asking: Pin<&mut F>,
        ticket: Ticket,
        own: impl Fn() -> Vec<Ticket>,
    ) -> Result<F::Output, DbError> {
        loop {
            if let Ok(answer) = timeout(LOOK_EVERY, asking.as_mut()).await {
                let mut queue = self.queue();
                queue.answered = queue.answered.max(ticket.0);
                queue.since = Instant::now();
                return Ok(answer);
            }
            let next = Ticket(self.queue().answered + 1);
            if self.is_silent() && !own().contains(&next) && self.can_be_replaced() {
                return Err(DbError::Lost {
                    source: Arc::new(Behind),
                });
            }
        }
    }

    fn is_silent(&self) -> bool {
        let queue = self.queue();
        queue.sent > queue.answered && queue.since.elapsed() >= SILENT_AFTER
    }

    /// Another is there in its place, or may be made.
    fn can_be_replaced(&self) -> bool {
        self.is_given_up.load(Ordering::Relaxed) || self.room.available_permits() > 0
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Shared {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}
