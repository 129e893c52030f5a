//! A real PostgreSQL for tests: found, started, shared by every test process of a user, ended by itself.
//!
//! `TEST_DATABASE_URL` names a server that is there already (the URL of a superuser). Otherwise the first test
//! starts one in the temporary directory, and a watching shell ends it 20 s after the last test process has gone.
//! As root the server runs as `postgres` or `nobody`, since PostgreSQL refuses root.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    net::{TcpListener, TcpStream},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// Connects as superuser, to the maintenance database.
    url: String,
    port: u16,
    home: Option<Home>,
}

/// Where a server of our own lives.
#[derive(Debug)]
struct Home {
    directory: PathBuf,
    owner: Owner,
    /// Seconds without a test process until it ends.
    linger_s: u32,
}

/// The user a server runs as, when that is not the user of the tests.
#[derive(Debug, Clone, Copy)]
struct Owner(Option<(u32, u32)>);

const READY_WITHIN: Duration = Duration::from_secs(60);
const SHARED_LINGER_S: u32 = 20;
const PRIVATE_LINGER_S: u32 = 2;

impl Server {
    /// The server that all tests of this user share.
    #[must_use]
    pub fn shared() -> Self {
        if let Some(url) = std::env::var_os("TEST_DATABASE_URL") {
            let url = url.into_string().expect("TEST_DATABASE_URL is text");
            return Self {
                url,
                port: 0,
                home: None,
            };
        }
        let uid = own_uid();
        let directory = shared_folder(uid);
        let lock = open(&directory.join("lock"));
        lock.lock().expect("a file can be locked");
        let home = Home {
            directory,
            owner: Owner::find(uid),
            linger_s: SHARED_LINGER_S,
        };
        home.sign_in();
        let port = home.running_port().unwrap_or_else(|| home.start_fresh());
        Self {
            url: superuser_url(port),
            port,
            home: Some(home),
        }
    }

    /// A server of one test's own, in `directory`, which the test may stop, kill and start again.
    #[must_use]
    pub fn private(directory: &Path) -> Self {
        let owner = Owner::find(own_uid());
        let home = Home {
            directory: directory.into(),
            owner,
            linger_s: PRIVATE_LINGER_S,
        };
        // The unprivileged user must be able to enter.
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).expect("it is ours");
        home.sign_in();
        let port = home.start_fresh();
        Self {
            url: superuser_url(port),
            port,
            home: Some(home),
        }
    }

    /// Connects as superuser, to the maintenance database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its port on this machine. Private servers only.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills every process of the server at once, as a machine that loses power. Private servers only.
    pub fn kill(&self) {
        let home = self.home();
        let pid = home.postmaster().expect("the server runs");
        self.signal("KILL");
        wait(|| !is_alive(&pid), "the server is dead");
        wait(
            || TcpStream::connect(("127.0.0.1", self.port)).is_err(),
            "its backends are, too",
        );
        // It says "ready" for ever now.
        fs::remove_file(home.data().join("postmaster.pid")).expect("it was left behind");
    }

    /// Tells the server to end at once: every session gets 57P01. Private servers only.
    pub fn stop(&self) {
        self.signal("INT");
        let home = self.home();
        wait(|| home.postmaster().is_none(), "the server has ended");
    }

    /// Starts it again on the same port, after [`Server::kill`] or [`Server::stop`].
    pub fn start(&self) {
        self.home().start(self.port);
    }

    fn signal(&self, signal: &str) {
        let pid = self.home().postmaster().expect("the server runs");
        let mut kill = Command::new("kill");
        if signal == "KILL" {
            // The postmaster leads a group of its own with the shell that watches it and its backends.
            kill.args(["-s", signal, "--", &format!("-{}", self.home().group())]);
        } else {
            kill.args(["-s", signal, &pid]);
        }
        assert!(
            kill.status().is_ok_and(|status| status.success()),
            "kill -s {signal}"
        );
    }

    fn home(&self) -> &Home {
        self.home.as_ref().expect("the server is not ours to stop")
    }
}

impl Home {
    /// Names this process among the users of the server.
    fn sign_in(&self) {
        let users = self.directory.join("users");
        fs::create_dir_all(&users).expect("a directory can be made");
        self.owner.give(&users);
        File::create(users.join(std::process::id().to_string())).expect("a file can be made");
    }

    fn running_port(&self) -> Option<u16> {
        let port = fs::read_to_string(self.directory.join("port"))
            .ok()?
            .trim()
            .parse()
            .ok()?;
        TcpStream::connect(("127.0.0.1", port))
            .is_ok()
            .then_some(port)
    }

    fn start_fresh(&self) -> u16 {
        let data = self.data();
        if data.exists() {
            fs::remove_dir_all(&data).expect("old data can be removed");
        }
        fs::create_dir(&data).expect("a directory can be made");
        self.owner.give(&data);
        let mut initdb = self.owner.command(&binary("initdb"));
        initdb
            .args([
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
                "-D",
            ])
            .arg(&data);
        let output = initdb.output().expect("initdb can be run");
        assert!(
            output.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .expect("a port can be had")
            .port();
        self.start(port);
        fs::write(self.directory.join("port"), port.to_string()).expect("a file can be written");
        port
    }

    /// Starts the server and the shell that ends it, in a process group of their own.
    fn start(&self, port: u16) {
        let log = self.directory.join("server.log");
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log can be written");
        let mut shell = self.owner.command(Path::new("sh"));
        shell
            .args(["-c", WATCH, "watch"])
            .arg(binary("postgres"))
            .arg(self.data())
            .arg(port.to_string())
            .arg(self.directory.join("users"))
            .arg(self.linger_s.to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .process_group(0);
        let mut watcher = shell.spawn().expect("a shell can be run");
        fs::write(self.directory.join("group"), watcher.id().to_string()).expect("it is ours");
        wait(
            || {
                if watcher.try_wait().is_ok_and(|ended| ended.is_some()) {
                    // Killed backends may still hold the old shared memory: try again.
                    watcher = shell.spawn().expect("a shell can be run");
                    let group = watcher.id().to_string();
                    fs::write(self.directory.join("group"), group).expect("it is ours");
                }
                TcpStream::connect(("127.0.0.1", port)).is_ok() && self.is_ready()
            },
            "the server is ready",
        );
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn group(&self) -> String {
        fs::read_to_string(self.directory.join("group")).expect("the server was started")
    }

    /// The process id of the server, if it runs.
    fn postmaster(&self) -> Option<String> {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        text.lines().next().map(str::to_owned)
    }

    /// The last line of `postmaster.pid` says so.
    fn is_ready(&self) -> bool {
        fs::read_to_string(self.data().join("postmaster.pid")).is_ok_and(|text| {
            text.lines()
                .last()
                .is_some_and(|line| line.trim() == "ready")
        })
    }
}

/// `$1` postgres, `$2` data, `$3` port, `$4` directory of users, `$5` seconds to linger. No fsync: a test's data may
/// die with the machine, but not with the server: commits are written out (synchronous_commit), only not flushed. Every process of tests has a file by its process id in `$4`.
const WATCH: &str = r#"
"$1" -D "$2" -p "$3" -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=500 \
    -c fsync=off -c full_page_writes=off -c wal_level=minimal -c max_wal_senders=0 \
    -c shared_buffers=64MB -c jit=off -c autovacuum_naptime=5s &
server=$!
idle=0
while kill -0 "$server" 2>/dev/null; do
    sleep 1
    used=no
    for user in "$4"/*; do
        pid=${user##*/}
        if [ -d "/proc/$pid" ] || ps -p "$pid" >/dev/null 2>&1; then used=yes; else rm -f "$user"; fi
    done
    if [ $used = yes ]; then idle=0; else idle=$((idle + 1)); fi
    if [ $idle -ge "$5" ]; then kill -QUIT "$server"; fi
done
"#;

impl Owner {
    fn find(uid: u32) -> Self {
        if uid != 0 {
            return Self(None);
        }
        let passwd = fs::read_to_string("/etc/passwd").expect("/etc/passwd can be read");
        let find = |name: &str| {
            passwd.lines().find_map(|line| {
                let mut fields = line.split(':');
                if fields.next() != Some(name) {
                    return None;
                }
                Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
            })
        };
        Self(Some(
            find("postgres")
                .or_else(|| find("nobody"))
                .expect("postgres or nobody exists"),
        ))
    }

    fn give(self, path: &Path) {
        if let Self(Some((uid, gid))) = self {
            chown(path, Some(uid), Some(gid)).expect("root may give files away");
        }
    }

    fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/");
        if let Self(Some((uid, gid))) = self {
            command.uid(uid).gid(gid);
        }
        command
    }
}

fn superuser_url(port: u16) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/postgres")
}

/// Where a server binary is: `MERIDIAN_PG_BIN`, `PATH`, the places of Debian, Homebrew and Postgres.app.
fn binary(name: &str) -> PathBuf {
    let mut folders: Vec<PathBuf> = std::env::var_os("MERIDIAN_PG_BIN")
        .map(PathBuf::from)
        .into_iter()
        .collect();
    folders.extend(
        std::env::var_os("PATH")
            .iter()
            .flat_map(std::env::split_paths),
    );
    for parent in [
        "/usr/lib/postgresql",
        "/opt/homebrew/opt",
        "/Applications/Postgres.app/Contents/Versions",
    ] {
        let mut versions: Vec<PathBuf> = fs::read_dir(parent)
            .map(|entries| {
                entries
                    .flatten()
                    .map(|entry| entry.path().join("bin"))
                    .collect()
            })
            .unwrap_or_default();
        versions.sort();
        folders.extend(versions.into_iter().rev());
    }
    folders
        .into_iter()
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| {
            panic!("no {name} found: apt-get install postgresql, or set MERIDIAN_PG_BIN")
        })
}

/// Whether a process runs; one that nobody has asked for its exit status does not.
fn is_alive(pid: &str) -> bool {
    Command::new("ps")
        .args(["-o", "stat=", "-p", pid])
        .output()
        .is_ok_and(|ps| ps.status.success() && !ps.stdout.starts_with(b"Z"))
}

/// Where what all tests of this user share stands.
fn shared_folder(uid: u32) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("meridian-test-{uid}"));
    fs::create_dir_all(&folder).expect("a temporary directory can be made");
    folder
}

/// The same, whoever this user is.
pub(crate) fn own_folder() -> PathBuf {
    shared_folder(own_uid())
}

fn own_uid() -> u32 {
    let file = tempfile::tempfile().expect("a temporary file can be made");
    file.metadata().expect("it is ours").uid()
}

fn open(path: &Path) -> File {
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .expect("a lock file can be made");
    file.flush().expect("nothing to flush");
    file
}

fn wait(mut is_so: impl FnMut() -> bool, what: &str) {
    let until = Instant::now() + READY_WITHIN;
    while !is_so() {
        assert!(
            Instant::now() < until,
            "a minute passed, and still not: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
