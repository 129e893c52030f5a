//! Where the PostgreSQL server is: named by the user, on the `PATH`, or in the places where systems put it.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The oldest major version that Meridian runs on.
pub const OLDEST: u32 = 15;

/// A folder with `postgres` and `initdb`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// The folder.
    pub folder: PathBuf,
    /// The major version.
    pub major: u32,
}

/// Where to look.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// `MERIDIAN_PG_BIN`: this folder or none.
    pub named: Option<PathBuf>,
    /// `PATH`.
    pub path: Option<OsString>,
    /// Folders with downloads of ours, one per version.
    pub downloads: Vec<PathBuf>,
    /// The version that existing data needs.
    pub major: Option<u32>,
}

/// The folder that the user named will not do.
#[derive(Debug, thiserror::Error)]
pub enum NamedError {
    /// No server in it.
    #[error(
        "MERIDIAN_PG_BIN={}: no PostgreSQL server (postgres, initdb) there; name the folder that `pg_config --bindir` prints",
        .0.display()
    )]
    NotThere(PathBuf),
    /// A server that is too old.
    #[error("MERIDIAN_PG_BIN={}: PostgreSQL {major} is too old; name one of {OLDEST} or newer", folder.display())]
    TooOld {
        /// The folder.
        folder: PathBuf,
        /// Its version.
        major: u32,
    },
    /// Another version than that of the data.
    #[error(
        "MERIDIAN_PG_BIN={}: PostgreSQL {major} cannot read data of version {data}; name one of {data}, or begin anew with --fresh",
        folder.display()
    )]
    OtherVersion {
        /// The folder.
        folder: PathBuf,
        /// Its version.
        major: u32,
        /// The data's version.
        data: u32,
    },
}

/// The folders above the versions' folders, and what is below them. Sorted by version when they are read.
const PLACES: &[(&str, &str, &str)] = &[
    ("/usr/lib/postgresql", "", "bin"),          // Debian, Ubuntu
    ("/usr", "pgsql-", "bin"),                   // Red Hat, from postgresql.org
    ("/usr/libexec", "postgresql", ""),          // Alpine
    ("/opt/homebrew/opt", "postgresql@", "bin"), // Homebrew on Apple silicon
    ("/usr/local/opt", "postgresql@", "bin"),    // Homebrew on Intel
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"), // Homebrew on Linux
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"), // Postgres.app
];

impl Search {
    /// The named server, else the first one on the `PATH`, else the newest one in the usual places, else a
    /// download; of those only what can be used. `None`: there is none.
    ///
    /// # Errors
    /// [`NamedError`]: a folder that the user named is not passed over in silence.
    pub fn find(&self) -> Result<Option<Binaries>, NamedError> {
        if let Some(folder) = &self.named {
            return self.check_named(folder).map(Some);
        }
        let on_path = self
            .path
            .iter()
            .flat_map(std::env::split_paths)
            .filter_map(|f| look(&f));
        let mut elsewhere: Vec<_> = PLACES
            .iter()
            .flat_map(|(above, prefix, below)| versions(Path::new(above), prefix, below))
            .collect();
        elsewhere.sort_by_key(|binaries| std::cmp::Reverse(binaries.major));
        let downloads = self
            .downloads
            .iter()
            .flat_map(|folder| versions(folder, "", "bin"))
            .collect::<Vec<_>>();
        Ok(on_path
            .chain(elsewhere)
            .chain(downloads)
            .find(|binaries| self.can_use(binaries)))
    }

    fn can_use(&self, binaries: &Binaries) -> bool {
        binaries.major >= OLDEST && self.major.is_none_or(|major| major == binaries.major)
    }

    fn check_named(&self, folder: &Path) -> Result<Binaries, NamedError> {
        let binaries = look(folder).ok_or_else(|| NamedError::NotThere(folder.to_owned()))?;
        let (folder, major) = (binaries.folder.clone(), binaries.major);
        match self.major {
            _ if major < OLDEST => Err(NamedError::TooOld { folder, major }),
            Some(data) if data != major => Err(NamedError::OtherVersion {
                folder,
                major,
                data,
            }),
            _ => Ok(binaries),
        }
    }
}

fn versions(above: &Path, prefix: &str, below: &str) -> Vec<Binaries> {
    let entries = fs::read_dir(above).into_iter().flatten().flatten();
    entries
        .filter(|entry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.starts_with(prefix))
        })
        .filter_map(|entry| look(&entry.path().join(below)))
        .collect()
}

fn look(folder: &Path) -> Option<Binaries> {
    let postgres = folder.join("postgres");
    if !postgres.is_file() || !folder.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(&postgres).arg("--version").output().ok()?;
    let major = major_of(std::str::from_utf8(&output.stdout).ok()?)?;
    // Behind a link, as in /usr/local/bin, are the server's other programs.
    let real = postgres.canonicalize().ok()?.parent().map(Path::to_owned);
    let folder = real
        .filter(|real| real.join("initdb").is_file())
        .unwrap_or(folder.to_owned());
    output
        .status
        .success()
        .then_some(Binaries { folder, major })
}

/// `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`, `postgres (PostgreSQL) 19beta1`.
fn major_of(version: &str) -> Option<u32> {
    let number = version.split_whitespace().nth(2)?;
    let digits = number
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(number.len());
    number[..digits].parse().ok()
}

/// The line that installs a server on the system that this runs on.
#[must_use]
pub fn install_line() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let ids: Vec<_> = release
        .lines()
        .filter_map(|line| {
            line.strip_prefix("ID=")
                .or_else(|| line.strip_prefix("ID_LIKE="))
        })
        .flat_map(|value| value.trim_matches('"').split(' '))
        .collect();
    install_line_for(&ids, cfg!(target_os = "macos")).to_owned()
}

fn install_line_for(ids: &[&str], macos: bool) -> &'static str {
    let is = |id: &str| ids.contains(&id);
    if macos {
        "brew install postgresql@17"
    } else if is("debian") || is("ubuntu") {
        "sudo apt-get install -y postgresql"
    } else if is("fedora") || is("rhel") || is("centos") {
        "sudo dnf install -y postgresql-server"
    } else if is("alpine") {
        "sudo apk add postgresql17"
    } else if is("arch") {
        "sudo pacman -S --noconfirm postgresql"
    } else if is("suse") || is("opensuse") {
        "sudo zypper install -y postgresql-server"
    } else {
        "install the PostgreSQL 15 (or newer) server with your system's packages"
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn fake(folder: &Path, version: &str) {
        fs::create_dir_all(folder).unwrap();
        for name in ["postgres", "initdb"] {
            let file = folder.join(name);
            fs::write(
                &file,
                format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n"),
            )
            .unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn versions_of_all_kinds_are_read() {
        assert_eq!(
            major_of("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(major_of("postgres (PostgreSQL) 19beta1"), Some(19));
        assert_eq!(major_of("zsh: command not found"), None);
    }

    #[test]
    fn a_named_folder_is_taken_or_refused_never_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let named = |folder: &Path, major| {
            Search {
                named: Some(folder.to_owned()),
                major,
                ..Search::default()
            }
            .find()
        };
        let good = dir.path().join("16");
        fake(&good, "16.1");
        assert_eq!(
            named(&good, None).unwrap(),
            Some(Binaries {
                folder: good.clone(),
                major: 16
            })
        );
        assert!(matches!(
            named(dir.path(), None),
            Err(NamedError::NotThere(_))
        ));
        assert!(matches!(
            named(&good, Some(15)),
            Err(NamedError::OtherVersion { data: 15, .. })
        ));
        let old = dir.path().join("14");
        fake(&old, "14.9");
        assert!(matches!(
            named(&old, None),
            Err(NamedError::TooOld { major: 14, .. })
        ));
    }

    #[test]
    fn the_path_goes_before_other_places_unless_it_is_too_old() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        fake(&old, "13.2");
        fake(&new, "99.1");
        let path = std::env::join_paths([&old, &new]).unwrap();
        let found = Search {
            path: Some(path),
            ..Search::default()
        }
        .find()
        .unwrap();
        assert_eq!(
            found,
            Some(Binaries {
                folder: new,
                major: 99
            })
        );
    }

    #[test]
    fn data_of_another_version_is_not_opened_with_a_server_that_cannot() {
        let dir = tempfile::tempdir().unwrap();
        fake(&dir.path().join("98.1.0/bin"), "98.1");
        let search = |major| {
            let downloads = vec![dir.path().to_owned()];
            Search {
                downloads,
                major: Some(major),
                ..Search::default()
            }
            .find()
            .unwrap()
        };
        assert_eq!(search(98).unwrap().major, 98);
        assert_eq!(search(97), None);
    }

    #[test]
    fn every_system_has_a_line_to_type() {
        assert!(install_line_for(&["ubuntu", "debian"], false).contains("apt-get install"));
        assert!(install_line_for(&["rocky", "rhel", "centos"], false).contains("dnf install"));
        assert!(install_line_for(&[], true).contains("brew install"));
        assert!(install_line_for(&["plan9"], false).contains("PostgreSQL 15"));
    }
}
