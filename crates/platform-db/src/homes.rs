//! Where things live, from memory.

use std::{
    hash::Hash,
    time::{Duration, Instant},
};

use kernel::{Call, SystemError};
use moka::future::Cache;

use crate::flight::{self, Flight};

/// Far more offices or locations than there will be; bounded all the same.
const HOMES_MAX: u64 = 100_000;
/// How long one waits for another's read.
const PATIENCE: Duration = Duration::from_secs(1);

/// Homes by code. Kept for ever, since a home never changes (hard case 34), and filled single-flight; that something does
/// not exist is never kept. A home says where to ask or to write, and decides nothing: whether an office is open is read
/// in the transaction (hard case 20).
#[derive(Debug, Clone)]
pub struct Homes<K, V>(Cache<K, V>)
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static;

impl<K, V> Default for Homes<K, V>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        Self(Cache::new(HOMES_MAX))
    }
}

impl<K, V> Homes<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// The home of what `key` names, which `read` finds in the database; `None` if there is no such thing.
    ///
    /// # Errors
    /// Those of this request's own `read`; [`SystemError::Unavailable`] too where another's could not reach the database.
    pub async fn find<F>(
        &self,
        call: &Call,
        key: &K,
        read: impl Fn() -> F,
    ) -> Result<Option<V>, SystemError>
    where
        F: Future<Output = Result<Option<V>, SystemError>> + Send + 'static,
    {
        if let Some(home) = self.0.get(key).await {
            return Ok(Some(home));
        }
        let patience = call.deadline().min(Instant::now() + PATIENCE);
        match flight::with_others(&self.0, key.clone(), patience, read(), Option::clone).await {
            Flight::Own(found) => found,
            Flight::Theirs(home) => Ok(Some(home)),
            Flight::Unreachable => Err(SystemError::Unavailable { source: None }),
            Flight::Alone => {
                let found = read().await?;
                if let Some(home) = &found {
                    self.0.insert(key.clone(), home.clone()).await;
                }
                Ok(found)
            }
        }
    }
}
