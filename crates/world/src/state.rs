//! The state folder (`.meridian/`): what survives a restart, and who may use it.
//!
//! Two kinds of locks guard it, both on open files, so that they end with their processes and no pid has to be
//! believed: `lock` is held by one running `up`; `run/<child>.lock` is the standard output of a child, held
//! until the last process that inherited it has ended, whatever became of `up`.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::files;

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A second `up`.
    #[error(
        "another `meridian up` (process {holder}) runs on {}: end it, or give this one a state of its own with --state",
        path.display()
    )]
    Held {
        /// The state folder.
        path: PathBuf,
        /// Who holds it, as it said.
        holder: String,
    },
    /// A file of the state cannot be read or written.
    #[error("could not use {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of the state is not what was written.
    #[error("{} cannot be read ({reason}): run `meridian up --fresh` to begin anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Nothing runs here.
    #[error(
        "no world runs on {}: start one there with `meridian up`, or name a database by MERIDIAN_DATABASE_URL",
        .0.display()
    )]
    NoWorld(PathBuf),
}

impl StateError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// Where the parts of a state lie. Holds no lock: `token` reads while `up` runs.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The state in this folder, which need not exist.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The issuer's private key, PKCS#8 in PEM.
    #[must_use]
    pub fn issuer_key(&self) -> PathBuf {
        self.0.join("issuer.pem")
    }

    /// The issuer's public key, for the servers.
    #[must_use]
    pub fn jwks(&self) -> PathBuf {
        self.0.join("jwks.json")
    }

    /// What children print to their standard error.
    #[must_use]
    pub fn log(&self, child: &str) -> PathBuf {
        self.0.join("logs").join(format!("{child}.log"))
    }

    /// The file that a child of this name keeps locked.
    #[must_use]
    pub fn child_lock(&self, child: &str) -> PathBuf {
        self.0.join("run").join(format!("{child}.lock"))
    }

    /// Names the folder of the database server's files where it is not the state folder itself.
    pub(crate) fn home_record(&self) -> PathBuf {
        self.0.join("home")
    }

    pub(crate) fn secrets(&self) -> PathBuf {
        self.0.join("secrets.json")
    }

    fn world(&self) -> PathBuf {
        self.0.join("world.json")
    }

    /// What the running `up` told about itself.
    ///
    /// # Errors
    /// [`StateError::NoWorld`] where none runs.
    pub fn read_world(&self) -> Result<WorldFile, StateError> {
        read_json(&self.world())?.ok_or_else(|| StateError::NoWorld(self.0.clone()))
    }
}

/// What a running world tells the other subcommands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorldFile {
    /// The process of `up`.
    pub pid: u32,
    /// The owner's database URL, password included.
    pub database: String,
    /// The regions' base URLs by tag.
    pub regions: Vec<(String, String)>,
}

/// The right to change a state, as long as it is not dropped.
#[derive(Debug)]
pub struct Hold {
    folder: Folder,
    _lock: File,
}

impl Hold {
    /// Takes the state in `path`, making the folder if need be. `path` becomes absolute.
    ///
    /// # Errors
    /// [`StateError::Held`] while another process has it.
    pub fn take(path: &Path) -> Result<Self, StateError> {
        // Others may pass through to the database's data, which has its own owner; every file is 0600.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(path)
            .map_err(StateError::io(path))?;
        let path = path.canonicalize().map_err(StateError::io(path))?;
        let lock = path.join("lock");
        let mut file = open_lock(&lock).map_err(StateError::io(&lock))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder)
                    .map_err(StateError::io(&lock))?;
                let holder = if holder.is_empty() {
                    "unknown".into()
                } else {
                    holder
                };
                return Err(StateError::Held { path, holder });
            }
            Err(TryLockError::Error(error)) => return Err(StateError::io(&lock)(error)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "{}", std::process::id()))
            .map_err(StateError::io(&lock))?;
        for folder in ["logs", "run"] {
            let folder = path.join(folder);
            fs::create_dir_all(&folder).map_err(StateError::io(&folder))?;
        }
        Ok(Self {
            folder: Folder::new(path),
            _lock: file,
        })
    }

    /// The folder held.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The names of children that have left a lock file, running or not.
    pub(crate) fn known_children(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.0.join("run"))
            .into_iter()
            .flatten();
        entries
            .filter_map(|entry| {
                entry
                    .ok()?
                    .file_name()
                    .to_str()?
                    .strip_suffix(".lock")
                    .map(str::to_owned)
            })
            .collect()
    }

    /// Forgets everything but downloaded server binaries. No child may be running.
    ///
    /// # Errors
    /// [`StateError::Io`].
    pub fn wipe(&self) -> Result<(), StateError> {
        for entry in fs::read_dir(&self.folder.0).map_err(StateError::io(&self.folder.0))? {
            let entry = entry.map_err(StateError::io(&self.folder.0))?;
            let name = entry.file_name();
            let kept = name == "lock" || name == "binaries";
            if !kept {
                files::remove(&entry.path()).map_err(StateError::io(&entry.path()))?;
            }
        }
        for folder in ["logs", "run"] {
            let folder = self.folder.0.join(folder);
            fs::create_dir_all(&folder).map_err(StateError::io(&folder))?;
        }
        Ok(())
    }

    /// Tells other subcommands what runs here.
    ///
    /// # Errors
    /// [`StateError::Io`].
    pub fn publish(&self, world: &WorldFile) -> Result<(), StateError> {
        write_json(&self.folder.world(), world)
    }

    /// Tells that nothing runs here any more.
    pub fn retract(&self) {
        // A file that stays tells of a database that does not answer, which its reader is told then.
        let _ = files::remove(&self.folder.world());
    }

    /// The password of the role that the services connect as.
    pub(crate) fn app_password(&self) -> Result<String, StateError> {
        Ok(self.passwords()?.app)
    }

    /// Passwords of the embedded database, made on first use.
    ///
    /// # Errors
    /// [`StateError`].
    pub(crate) fn passwords(&self) -> Result<Passwords, StateError> {
        let path = self.folder.secrets();
        if let Some(passwords) = read_json(&path)? {
            return Ok(passwords);
        }
        let passwords = Passwords {
            owner: random_password(),
            app: random_password(),
        };
        write_json(&path, &passwords)?;
        Ok(passwords)
    }
}

/// Passwords of the embedded database.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Passwords {
    /// Of the role that owns everything.
    pub(crate) owner: String,
    /// Of the role that the services connect as.
    pub(crate) app: String,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passwords(..)")
    }
}

/// 128 bits from the operating system's generator, in hexadecimal: legal in a URL as it stands.
fn random_password() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Opens a lock file without touching what its holder wrote.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, StateError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StateError::io(path)(error)),
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| StateError::Damaged {
            path: path.to_owned(),
            reason: error.to_string(),
        })
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), StateError> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|error| StateError::Damaged {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    files::write_private(path, &bytes).map_err(StateError::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_up_on_the_same_state_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let first = Hold::take(&path).unwrap();
        let refusal = Hold::take(&path).unwrap_err().to_string();
        assert!(
            refusal.contains(&std::process::id().to_string()),
            "{refusal}"
        );
        assert!(refusal.contains("--state"), "{refusal}");
        drop(first);
        Hold::take(&path).unwrap();
    }

    #[test]
    fn passwords_stay_until_wiped_and_are_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let hold = Hold::take(dir.path()).unwrap();
        let first = hold.passwords().unwrap();
        assert_eq!(hold.passwords().unwrap().owner, first.owner);
        assert_ne!(first.owner, first.app);
        let mode = fs::metadata(hold.folder().secrets())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!format!("{first:?}").contains(&first.owner));
        hold.wipe().unwrap();
        assert_ne!(hold.passwords().unwrap().owner, first.owner);
    }

    #[test]
    fn wiping_keeps_downloads_and_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let hold = Hold::take(dir.path()).unwrap();
        fs::create_dir_all(dir.path().join("binaries/17.6.0/bin")).unwrap();
        fs::create_dir_all(dir.path().join("data/base")).unwrap();
        hold.wipe().unwrap();
        assert!(dir.path().join("binaries/17.6.0/bin").is_dir());
        assert!(!dir.path().join("data").exists());
        assert!(Hold::take(dir.path()).is_err());
    }

    #[test]
    fn a_world_is_told_of_while_it_runs() {
        let dir = tempfile::tempdir().unwrap();
        let hold = Hold::take(dir.path()).unwrap();
        assert!(matches!(
            hold.folder().read_world(),
            Err(StateError::NoWorld(_))
        ));
        let world = WorldFile {
            pid: 1,
            database: "postgres://x".into(),
            regions: Vec::new(),
        };
        hold.publish(&world).unwrap();
        assert_eq!(hold.folder().read_world().unwrap().database, "postgres://x");
        hold.retract();
        assert!(hold.folder().read_world().is_err());
    }
}
