//! Spawning. A task spawned elsewhere could be cut off in the middle of a write when the process ends.

use std::{future::Future, time::Duration};

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// The tasks of a process. Cheap to clone; clones share the list.
#[derive(Debug, Clone, Default)]
pub struct Tasks(TaskTracker);

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `future` to its end in the background. Dropping the handle does not stop it.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.spawn(future)
    }

    /// The list itself, for libraries that spawn and do not know this crate.
    #[must_use]
    pub fn tracker(&self) -> &TaskTracker {
        &self.0
    }

    /// Tasks that have not ended.
    #[must_use]
    pub fn running(&self) -> usize {
        self.0.len()
    }

    /// Waits until every task has ended, at most `longest`. `false`: some were still running.
    pub async fn wait(&self, longest: Duration) -> bool {
        self.0.close();
        tokio::time::timeout(longest, self.0.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn wait_ends_when_the_last_task_has() {
        let tasks = Tasks::new();
        let done = Arc::new(AtomicBool::new(false));
        let (go, gone) = oneshot::channel::<()>();
        drop(tasks.spawn({
            let done = Arc::clone(&done);
            async move {
                gone.await.unwrap();
                done.store(true, Ordering::SeqCst);
            }
        }));
        assert!(
            !tasks.wait(Duration::from_millis(20)).await,
            "the task cannot have ended"
        );
        assert_eq!(tasks.running(), 1);
        go.send(()).unwrap();
        assert!(tasks.wait(Duration::from_secs(10)).await);
        assert!(done.load(Ordering::SeqCst));
    }
}
