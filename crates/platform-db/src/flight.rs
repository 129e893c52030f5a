//! One read for all who look for the same thing at once.
//!
//! It belongs to the request that began it and ends with that request; then another of those who wait takes over. How a
//! read went that brought nothing to keep is that request's own: the others learn at most that the database cannot be
//! reached, and read by themselves otherwise.

use std::{
    error::Error,
    hash::Hash,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use futures_util::FutureExt as _;
use kernel::SystemError;
use moka::future::Cache;
use tokio::time::timeout_at;

use crate::{DbError, verdict::Verdict};

/// How it ended for one of those who looked.
pub(crate) enum Flight<T, V> {
    /// The read was its own, and this is all of what it brought.
    Own(Result<T, SystemError>),
    /// Another's read brought this.
    Theirs(V),
    /// Another's read found the database out of reach.
    Unreachable,
    /// Nobody's read was of use, or none ended in time.
    Alone,
}

/// Why there is nothing to keep.
enum Unkept {
    Unreachable,
    Nothing,
}

/// Whether it was only the reader's own time that was over.
fn is_late(source: Option<&(dyn Error + Send + Sync + 'static)>) -> bool {
    source
        .and_then(|source| source.downcast_ref::<DbError>())
        .is_some_and(|error| Verdict::of(error) == Verdict::Deadline)
}

/// Begins `load`, or waits until `patience` for who did. What `keep` finds in it is kept under `key`.
pub(crate) async fn with_others<K, V, T>(
    cache: &Cache<K, V>,
    key: K,
    patience: Instant,
    load: impl Future<Output = Result<T, SystemError>> + Send + 'static,
    keep: impl FnOnce(&T) -> Option<V> + Send + 'static,
) -> Flight<T, V>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    T: Send + 'static,
{
    let begun = Arc::new(AtomicBool::new(false));
    let own: Arc<Mutex<Option<Result<T, SystemError>>>> = Arc::default();
    // On the side, since an error of moka's belongs to all who wait, and is told apart by nobody.
    let fill = {
        let (begun, own) = (Arc::clone(&begun), Arc::clone(&own));
        async move {
            begun.store(true, Ordering::Relaxed);
            let ended = load.await;
            let others = match &ended {
                Ok(found) => keep(found).ok_or(Unkept::Nothing),
                Err(SystemError::Unavailable { source }) if !is_late(source.as_deref()) => {
                    Err(Unkept::Unreachable)
                }
                Err(_) => Err(Unkept::Nothing),
            };
            *own.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
            others
        }
    };
    let mut flight = pin!(cache.try_get_with(key, fill.boxed()));
    let others = match timeout_at(patience.into(), flight.as_mut()).await {
        Ok(ended) => Some(ended),
        Err(_) if begun.load(Ordering::Relaxed) => Some(flight.await),
        Err(_) => None,
    };
    if let Some(ended) = own.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Flight::Own(ended);
    }
    match others {
        Some(Ok(kept)) => Flight::Theirs(kept),
        Some(Err(why)) if matches!(*why, Unkept::Unreachable) => Flight::Unreachable,
        Some(Err(_)) | None => Flight::Alone,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::join;
    use tokio::sync::Notify;

    use super::*;

    /// What one's read that ends so is to another who waits for it.
    async fn to_another(ended: Result<Option<u8>, SystemError>) -> Flight<Option<u8>, u8> {
        let cache = Cache::<&str, u8>::new(1);
        let patience = Instant::now() + Duration::from_secs(60);
        let (waits, asked) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let load = {
            let (waits, asked) = (Arc::clone(&waits), Arc::clone(&asked));
            async move {
                asked.notify_one();
                waits.notified().await;
                ended
            }
        };
        let own = with_others(&cache, "lamp", patience, load, Option::clone);
        let other = async {
            asked.notified().await;
            let load = async { Ok(Some(2)) };
            let mut other = pin!(with_others(&cache, "lamp", patience, load, Option::clone));
            assert!(futures_util::poll!(other.as_mut()).is_pending());
            waits.notify_one();
            other.await
        };
        let (own, other) = join(own, other).await;
        assert!(matches!(own, Flight::Own(_)));
        other
    }

    #[tokio::test]
    async fn what_ended_one_read_is_told_to_nobody_else_but_that_nobody_answers() {
        assert!(matches!(to_another(Ok(Some(1))).await, Flight::Theirs(1)));
        assert!(matches!(to_another(Ok(None)).await, Flight::Alone));
        let late = SystemError::DeadlineExceeded;
        assert!(matches!(to_another(Err(late)).await, Flight::Alone));
        let unavailable = |source: DbError| {
            Err(SystemError::Unavailable {
                source: Some(Box::new(source)),
            })
        };
        let late = to_another(unavailable(DbError::Timeout)).await;
        assert!(matches!(late, Flight::Alone));
        let lost = DbError::Lost {
            source: Arc::new(std::io::Error::other("gone")),
        };
        let lost = to_another(unavailable(lost)).await;
        assert!(matches!(lost, Flight::Unreachable));
    }
}
