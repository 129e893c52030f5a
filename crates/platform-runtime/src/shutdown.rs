//! The one signal to stop. It only ever goes from serving to draining.

use std::{future::Future, io};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::Tasks;

/// Whether the process is on its way out. Cheap to clone; clones share the state.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// Serving.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Turns to draining on SIGTERM or SIGINT. Further signals change nothing: what is in flight is finished.
    ///
    /// # Errors
    /// When the signal handlers cannot be installed.
    pub fn on_signals(&self, tasks: &Tasks) -> io::Result<()> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let stop = self.clone();
        drop(tasks.spawn(async move {
            let name = tokio::select! {
                _ = interrupt.recv() => "SIGINT",
                _ = terminate.recv() => "SIGTERM",
                () = stop.draining() => return,
            };
            tracing::info!(signal = name, "shutdown.begin");
            stop.begin();
        }));
        Ok(())
    }

    /// Turns to draining.
    pub fn begin(&self) {
        self.0.cancel();
    }

    /// Whether it has turned.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Ends when it turns.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + 'static {
        self.0.clone().cancelled_owned()
    }

    /// The state itself, for libraries that do not know this crate.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_sees_the_turn() {
        let shutdown = Shutdown::new();
        let (clone, wait) = (shutdown.clone(), shutdown.draining());
        assert!(!clone.is_draining());
        shutdown.begin();
        wait.await;
        assert!(clone.is_draining() && clone.token().is_cancelled());
    }
}
