//! PostgreSQL refuses to run as root: then it runs as somebody who owns nothing.

use std::{
    io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
};

/// A user that the server runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name, for messages.
    pub name: &'static str,
    /// Its number.
    pub uid: u32,
    /// Its group's number.
    pub gid: u32,
}

/// There is nobody to run as.
#[derive(Debug, thiserror::Error)]
#[error(
    "PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody: add one with `useradd --system postgres`"
)]
pub struct NoAccount;

impl Account {
    /// Whom to run the server as: `None` is ourselves, as long as we are not root.
    ///
    /// # Errors
    /// [`NoAccount`].
    pub fn choose() -> Result<Option<Self>, NoAccount> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| {
                Some(Self {
                    name,
                    uid: number("-u", name)?,
                    gid: number("-g", name)?,
                })
            })
            .map(Some)
            .ok_or(NoAccount)
    }

    /// Whether this user may step into the folder: all folders above it must let it pass. Tried, not computed,
    /// since access lists and mounts have a say in it.
    ///
    /// # Errors
    /// Where the trial cannot be made for another reason.
    pub fn can_enter(&self, folder: &Path) -> io::Result<bool> {
        let trial = Command::new("/bin/sh")
            .args(["-c", ":"])
            .current_dir(folder)
            .uid(self.uid)
            .gid(self.gid)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match trial {
            Ok(status) => Ok(status.success()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// `id` knows users of every source that the system has, `/etc/passwd` only some.
fn number(option: &str, name: &str) -> Option<u32> {
    let output = Command::new("id")
        .args([option, name])
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let uid: u32 = std::str::from_utf8(&output.stdout)
        .ok()?
        .trim()
        .parse()
        .ok()?;
    (output.status.success() && uid != 0).then_some(uid)
}

/// Runs `command` as `account`, if there is one.
pub(crate) fn run_as(command: &mut Command, account: Option<&Account>) {
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_root_needs_somebody_else() {
        let account = Account::choose().unwrap();
        assert_eq!(account.is_some(), rustix::process::geteuid().is_root());
        if let Some(account) = account {
            assert_ne!(account.uid, 0);
        }
    }

    #[test]
    fn a_closed_folder_is_found_closed_by_trying() {
        let Some(account) = Account::choose().unwrap() else {
            return;
        };
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        let open = |mode| {
            std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        };
        open(0o711);
        assert!(account.can_enter(&inner).unwrap());
        open(0o700);
        assert!(!account.can_enter(&inner).unwrap());
    }
}
