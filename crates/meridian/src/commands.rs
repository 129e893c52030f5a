//! One file per subcommand.

pub(crate) mod doctor;
pub(crate) mod guard;
pub(crate) mod healthcheck;
pub(crate) mod migrate;
pub(crate) mod openapi;
pub(crate) mod regions;
pub(crate) mod seed;
pub(crate) mod serve;
pub(crate) mod token;
pub(crate) mod up;

use tokio::runtime::{Builder, Runtime};

use crate::failure::{FAILED, Failure};

/// One thread is plenty for a subcommand that waits for others most of the time.
fn runtime() -> Result<Runtime, Failure> {
    let unable = |error| Failure::new(FAILED, format!("could not start the runtime: {error}"));
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(unable)
}

/// TLS needs a provider of its algorithms, chosen once per process, before the first connection.
fn choose_tls() {
    // An error means that it was chosen before, and there is only one choice.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
