//! One read for all who look for the same thing at once.
//!
//! It belongs to the request that began it and ends with that request; then another of those who wait takes over. How a
//! read went that brought nothing to keep is that request's own: the others learn at most that the database cannot be
//! reached, and read by themselves otherwise.

use std::{
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
                Err(SystemError::Unavailable { .. }) => Err(Unkept::Unreachable),
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
