//! The data folder: where it is, and how it comes to be.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use super::{Account, Binaries, EngineError};
use crate::{
    files,
    guard::{Ending, Guarded},
    process::{Running, Spec, telling_line},
    state::{Folder, Hold},
};

/// The role that owns everything, and the database.
pub(super) const OWNER: &str = "meridian";

/// Folders that everyone may enter, for data whose owner may not enter the state folder. Made by root inside
/// folders that belong to root, or in a name that nobody else can have taken.
const OPEN_FOLDERS: [&str; 2] = ["/var/lib", "/var/tmp"];

/// Where the server's files are: the state folder, or a folder elsewhere that the server's user can enter.
/// The latter is recorded in the state folder.
pub(super) fn home(hold: &Hold, account: Option<&Account>) -> Result<PathBuf, EngineError> {
    let folder = hold.folder();
    if let Some(home) = recorded_home(folder)? {
        return Ok(home);
    }
    let Some(account) = account else {
        return Ok(folder.path().to_owned());
    };
    if account
        .can_enter(folder.path())
        .map_err(EngineError::io(folder.path()))?
    {
        return Ok(folder.path().to_owned());
    }
    let home = open_folder(folder.path(), account)?;
    // What lies there belongs to a state folder that was deleted by hand: nothing knows its password.
    files::remove(&home).map_err(EngineError::io(&home))?;
    let above = home.parent().unwrap_or(&home);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(above)
        .map_err(EngineError::io(above))?;
    fs::DirBuilder::new()
        .mode(0o711)
        .create(&home)
        .map_err(EngineError::io(&home))?;
    let record = folder.home_record();
    let text = home.display().to_string();
    files::write_private(&record, text.as_bytes()).map_err(EngineError::io(record))?;
    Ok(home)
}

/// Removes what `home` put outside the state folder.
pub(super) fn wipe_elsewhere(folder: &Folder) -> Result<(), EngineError> {
    match recorded_home(folder)? {
        Some(home) => files::remove(&home).map_err(EngineError::io(home)),
        None => Ok(()),
    }
}

/// The recorded folder, if it is one that `home` could have made: what a hand wrote there is never removed.
pub(super) fn recorded_home(folder: &Folder) -> Result<Option<PathBuf>, EngineError> {
    let record = folder.home_record();
    let text = match fs::read_to_string(&record) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(EngineError::io(record)(error)),
    };
    let name = name_of(folder.path());
    let ours = OPEN_FOLDERS
        .iter()
        .map(|above| Path::new(above).join("meridian").join(&name));
    Ok(ours
        .into_iter()
        .find(|home| home.as_os_str() == text.trim()))
}

fn open_folder(state: &Path, account: &Account) -> Result<PathBuf, EngineError> {
    for above in OPEN_FOLDERS.map(Path::new) {
        if above.is_dir() && account.can_enter(above).map_err(EngineError::io(above))? {
            let ours = above.join("meridian");
            // Where others may write, a folder of this name may be somebody else's.
            if fs::metadata(&ours).is_ok_and(|metadata| metadata.uid() != 0) {
                continue;
            }
            return Ok(ours.join(name_of(state)));
        }
    }
    Err(EngineError::io(state)(std::io::Error::other(format!(
        "the user {} can enter neither this folder nor /var/lib: clone into a folder that everyone may enter",
        account.name
    ))))
}

/// One name per state folder.
fn name_of(state: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    Sha256::digest(state.as_os_str().as_bytes())
        .iter()
        .take(8)
        .fold(String::new(), |mut name, byte| {
            // Writing to a String cannot fail.
            let _ = write!(name, "{byte:02x}");
            name
        })
}

/// The major version that made the data, if there is data.
pub(super) fn version_of(data: &Path) -> Option<u32> {
    fs::read_to_string(data.join("PG_VERSION"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// How a new cluster is made.
#[derive(Debug)]
pub(super) struct Initdb<'a> {
    pub(super) folder: &'a Folder,
    pub(super) binaries: &'a Binaries,
    pub(super) account: Option<&'a Account>,
    pub(super) exe: &'a Path,
    pub(super) password: &'a str,
}

/// `initdb` takes two seconds here; a slow disk may need far more.
const INITDB: Duration = Duration::from_secs(120);

impl Initdb<'_> {
    /// Makes `data`, whole or not at all, with one role and one database of ours. Passwords are checked by
    /// SCRAM, also from this machine.
    pub(super) async fn run(&self, data: &Path) -> Result<(), EngineError> {
        let new = data.with_extension("new");
        files::remove(&new).map_err(EngineError::io(&new))?;
        let password = data.with_extension("password");
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&new)
            .map_err(EngineError::io(&new))?;
        self.give(&new)?;
        files::write_private(&password, self.password.as_bytes())
            .map_err(EngineError::io(&password))?;
        self.give(&password)?;
        let made = self.initdb(&new, &password).await;
        files::remove(&password).map_err(EngineError::io(&password))?;
        made?;
        self.create_database(&new).await?;
        fs::rename(&new, data).map_err(EngineError::io(data))
    }

    fn give(&self, path: &Path) -> Result<(), EngineError> {
        self.account.map_or(Ok(()), |account| {
            chown(path, Some(account.uid), Some(account.gid)).map_err(EngineError::io(path))
        })
    }

    async fn initdb(&self, new: &Path, password: &Path) -> Result<(), EngineError> {
        let text = |path: &Path| path.display().to_string();
        let guarded = Guarded {
            program: self.binaries.folder.join("initdb"),
            args: vec![
                format!("--pgdata={}", text(new)),
                format!("--pwfile={}", text(password)),
                format!("--username={OWNER}"),
                "--auth=scram-sha-256".into(),
                "--encoding=UTF8".into(),
                "--locale=C".into(), // bytes in their order, as CockroachDB sorts them
                "--data-checksums".into(),
            ],
            folder: new.to_owned(),
            account: self.account.map(|account| (account.uid, account.gid)),
            ending: Ending::Fast,
        };
        let log = self.folder.log("initdb");
        let failed = |reason| EngineError::Failed {
            what: "initdb",
            reason,
            log: log.clone(),
        };
        let spec = Spec::guarded("initdb", self.exe, &guarded);
        let mut running = Running::spawn(self.folder, &spec, Duration::from_secs(10)).await?;
        match tokio::time::timeout(INITDB, running.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(_)) => Err(failed(
                telling_line(&log).unwrap_or_else(|| "it said nothing".into()),
            )),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed(format!(
                "it did not end within {} s",
                INITDB.as_secs()
            ))),
        }
    }

    /// In single-user mode: no server listens before its data is whole.
    async fn create_database(&self, new: &Path) -> Result<(), EngineError> {
        let log = self.folder.log("initdb");
        let failed = |reason: String| EngineError::Failed {
            what: "creating the database",
            reason,
            log: log.clone(),
        };
        let mut command = Command::new(self.binaries.folder.join("postgres"));
        command
            .args(["--single", "-D"])
            .arg(new)
            .arg("postgres")
            .current_dir(new)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(account) = self.account {
            command.uid(account.uid).gid(account.gid);
        }
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        if let Some(mut stdin) = child.stdin.take() {
            use tokio::io::AsyncWriteExt as _;
            let statement = format!("CREATE DATABASE {OWNER};\n");
            stdin
                .write_all(statement.as_bytes())
                .await
                .map_err(|error| failed(error.to_string()))?;
        }
        let output = child
            .wait_with_output()
            .await
            .map_err(|error| failed(error.to_string()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        // Single-user mode ends with 0 also after a statement that failed.
        match said
            .lines()
            .find(|line| line.contains("ERROR:") || line.contains("FATAL:"))
        {
            None if output.status.success() => Ok(()),
            line => Err(failed(line.unwrap_or("it ended early").to_owned())),
        }
    }
}
