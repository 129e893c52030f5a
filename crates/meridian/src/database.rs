//! Where the database's URL comes from: it has a password, so it is no argument of a long-running process.

use std::{fs, path::Path};

use platform_runtime::Secret;
use topology::Topology;
use world::Folder;

use crate::{
    cli::DatabaseArgs,
    failure::{FAILED, Failure},
};

const VARIABLE: &str = "MERIDIAN_DATABASE_URL";

/// The URL in `file`, else that of the environment.
pub(crate) fn url(file: Option<&Path>) -> Result<Option<Secret<String>>, Failure> {
    match file {
        Some(file) => read_secret(file).map(Some),
        None => Ok(from_environment()),
    }
}

/// The URL in a file, of the environment, or of the world that runs on the state folder.
pub(crate) fn url_or_world(args: &DatabaseArgs) -> Result<Secret<String>, Failure> {
    match url(args.database_url_file.as_deref())? {
        Some(url) => Ok(url),
        None => {
            let world = Folder::new(&args.state)
                .read_world()
                .map_err(|error| Failure::of(&error))?;
            Ok(Secret::new(world.database))
        }
    }
}

/// One line of a file that only we may read.
pub(crate) fn read_secret(file: &Path) -> Result<Secret<String>, Failure> {
    let unreadable = |error| {
        Failure::new(
            FAILED,
            format!(
                "could not read {}: {error}; name a file that holds it",
                file.display()
            ),
        )
    };
    let text = fs::read_to_string(file).map_err(unreadable)?;
    Ok(Secret::new(text.trim().to_owned()))
}

/// The region files in `folder`, in ./regions, or of the build.
pub(crate) fn regions(folder: Option<&Path>) -> Result<Topology, Failure> {
    match folder.map(Path::to_owned).or_else(regions_here) {
        Some(folder) => Topology::load(&folder).map_err(|error| Failure::of(&error)),
        None => Ok(Topology::embedded()),
    }
}

/// `regions` in the current folder, if it has the files that a topology needs.
pub(crate) fn regions_here() -> Option<std::path::PathBuf> {
    let folder = Path::new("regions").canonicalize().ok()?;
    folder.join("offices.yaml").is_file().then_some(folder)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a secret: as an option of clap's it could be typed where everyone sees it"
)]
fn from_environment() -> Option<Secret<String>> {
    std::env::var(VARIABLE)
        .ok()
        .filter(|url| !url.is_empty())
        .map(Secret::new)
}
