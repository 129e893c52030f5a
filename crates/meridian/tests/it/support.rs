//! Running the binary.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Standard error, which must be one line.
    pub(crate) fn line(&self) -> &str {
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        assert!(self.stderr.starts_with("meridian: "), "{self:?}");
        self.stderr.trim_end()
    }
}

/// The binary in `folder`, with nothing of ours in its environment.
pub(crate) fn meridian(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meridian"));
    command.current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        // Where the server's programs are is the machine's matter, not the test's.
        if name.to_string_lossy().starts_with("MERIDIAN_") && name != "MERIDIAN_PG_BIN" {
            command.env_remove(name);
        }
    }
    command
}

pub(crate) fn run(folder: &Path, args: &[&str]) -> Ended {
    ended(meridian(folder).args(args))
}

pub(crate) fn ended(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A world in the foreground of a test. Dropped, it is told to stop and waited for.
pub(crate) struct World {
    pub(crate) child: Child,
    pub(crate) regions: Vec<(String, String)>,
    pub(crate) database: String,
}

impl World {
    pub(crate) fn up(folder: &Path, args: &[&str]) -> Self {
        Self::start(folder, meridian(folder).arg("up").args(args))
    }

    /// By an `up` that is all said; what it tells people goes to `up.stderr`.
    pub(crate) fn start(folder: &Path, up: &mut Command) -> Self {
        let log = std::fs::File::create(folder.join("up.stderr")).unwrap();
        let mut child = up.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (send, receive) = mpsc::channel();
        thread::spawn(move || {
            let mut regions = Vec::new();
            while let Some(Ok(line)) = lines.next() {
                let (name, value) = line.split_once(' ').expect("name and value");
                if name == "database" {
                    let _ = send.send((regions, value.to_owned()));
                    break;
                }
                regions.push((name.to_owned(), value.to_owned()));
            }
            // The rest is for people; the pipe stays open as a terminal would.
            let _ = lines.count();
        });
        let Ok((regions, database)) = receive.recv_timeout(Duration::from_secs(90)) else {
            let _ = child.kill();
            panic!(
                "not up: {}",
                std::fs::read_to_string(folder.join("up.stderr")).unwrap()
            );
        };
        Self {
            child,
            regions,
            database,
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Host and port of a region.
    pub(crate) fn authority(&self, index: usize) -> String {
        self.regions[index]
            .1
            .strip_prefix("http://")
            .unwrap()
            .to_owned()
    }

    /// Host and port of everything that listens.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let after = self.database.rsplit('@').next().unwrap();
        let database = after.split('/').next().unwrap().to_owned();
        (0..self.regions.len())
            .map(|index| self.authority(index))
            .chain([database])
            .collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.signal(Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

/// Runs one statement with `psql`, as a user of the printed URL would, and returns what it prints.
pub(crate) fn psql(database: &str, statement: &str) -> String {
    let search = world::engine::Search {
        named: std::env::var_os("MERIDIAN_PG_BIN").map(Into::into),
        path: std::env::var_os("PATH"),
        ..world::engine::Search::default()
    };
    let programs = search.find().unwrap().expect("PostgreSQL").folder;
    let mut command = Command::new(programs.join("psql"));
    command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement, database]);
    let ended = ended(&mut command);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout.trim().to_owned()
}

/// Whether somebody listens there.
pub(crate) fn listens(authority: &str) -> bool {
    std::net::TcpStream::connect(authority).is_ok()
}

/// One GET; status and body.
pub(crate) fn get(authority: &str, path: &str) -> Option<(u16, String)> {
    let answer = send(authority, &format!("GET {path}"), &[], "")?;
    Some((answer.status, answer.body))
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.unwrap_or_else(|| panic!("{name}: {self:?}")).1
    }
}

/// One request, such as `GET /readyz`.
pub(crate) fn send(
    authority: &str,
    request: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Answer> {
    use std::io::Write as _;
    let mut stream = std::net::TcpStream::connect(authority).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .ok()?;
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let length = body.len();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
    .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some(Answer {
        status: head.split(' ').nth(1)?.parse().ok()?,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

/// Waits for a condition instead of for a time.
pub(crate) fn eventually(what: &str, longest: Duration, condition: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < longest, "not within {longest:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
    start.elapsed()
}

/// A folder that the database's user may enter, as most clones are.
pub(crate) fn open_folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    dir
}
