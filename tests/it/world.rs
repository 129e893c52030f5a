//! `meridian up` in a folder of its own.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead as _, BufReader, Read},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, LazyLock, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::{http::Api, processes, wait};

/// How long `up` may take until three regions serve once it is compiled.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// The same over a server that was given: on a cluster it takes minutes to migrate and to place tables.
const READY_THERE_WITHIN: Duration = Duration::from_secs(1200);

/// User and group of nobody in particular.
const NOBODY: (u32, u32) = (65_534, 65_534);

/// A running world. Dropping it interrupts `up` and waits for its end.
#[derive(Debug)]
pub(crate) struct World {
    up: Child,
    /// The end of this pipe interrupts `up`: also when this process ends without dropping anything.
    _leash: ChildStdin,
    folder: Arc<TempDir>,
    program: PathBuf,
    user: Option<(u32, u32)>,
    /// Tag and base URL, in the order printed.
    pub(crate) regions: Vec<(String, String)>,
    pub(crate) database: String,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
    tokens: Mutex<BTreeMap<String, String>>,
}

/// How to start a world.
#[derive(Debug, Default)]
pub(crate) struct Start<'a> {
    /// Further arguments of `up`.
    pub(crate) arguments: &'a [&'a str],
    /// As whom, when not as ourselves.
    pub(crate) user: Option<(u32, u32)>,
    /// The folder of an earlier world.
    pub(crate) folder: Option<Arc<TempDir>>,
    /// Whether nobody will drop it.
    pub(crate) shared: bool,
}

/// The world that tests share as long as they leave it whole. Nobody drops it: its leash ends it with this
/// process, and removes its folder. Where `ACCEPTANCE_DATABASE_URL` names a server, it is over a database there, new each time,
/// which stays behind; worlds that tests break have their own PostgreSQL.
pub(crate) async fn shared() -> &'static World {
    static SHARED: OnceCell<World> = OnceCell::const_new();
    SHARED
        .get_or_init(async || {
            Start {
                shared: true,
                ..Start::default()
            }
            .up()
            .await
        })
        .await
}

/// A new database's URL on the server that was given.
fn given_database() -> Option<String> {
    let url = env::var_os("ACCEPTANCE_DATABASE_URL")?.into_string().ok()?;
    let (place, options) = url.split_once('?').unwrap_or((&url, ""));
    let (scheme, rest) = place.split_once("://")?;
    // Behind user and password, which may hold anything.
    let (who, hosts) = rest
        .split_once('@')
        .map_or(("", rest), |(who, hosts)| (who, hosts));
    let at = if who.is_empty() { "" } else { "@" };
    let hosts = hosts.split('/').next()?;
    let now = std::time::UNIX_EPOCH.elapsed().ok()?.as_nanos();
    Some(format!(
        "{scheme}://{who}{at}{hosts}/meridian_acceptance_{now:x}?{options}"
    ))
}

/// Another user than root, when we are root and can become one.
pub(crate) fn another_user() -> Option<(u32, u32)> {
    processes::is_root().then_some(NOBODY)
}

/// The binary: `MERIDIAN_BIN`, else built now.
pub(crate) fn binary() -> &'static Path {
    static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
        if let Some(given) = env::var_os("MERIDIAN_BIN") {
            return given.into();
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "-p", "meridian"])
            .current_dir(root)
            .status();
        assert!(built.unwrap().success());
        let target =
            env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), |target| root.join(target));
        target.join("debug/meridian")
    });
    &BINARY
}

/// A folder that `user` owns, with the binary where the printed lines expect it.
fn folder_for(user: Option<(u32, u32)>) -> TempDir {
    let folder = tempfile::Builder::new()
        .prefix("meridian-acceptance-")
        .tempdir()
        .unwrap();
    let release = folder.path().join("target/release");
    fs::create_dir_all(&release).unwrap();
    let program = release.join("meridian");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    match user {
        None => std::os::unix::fs::symlink(binary(), program).unwrap(),
        // Another user may not enter the folder where it was built.
        Some((uid, gid)) => {
            fs::copy(binary(), program).unwrap();
            std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid)).unwrap();
        }
    }
    folder
}

impl Start<'_> {
    /// A command of `meridian` in the world's folder, as its user, with its terminal closed.
    fn command(&self, folder: &TempDir) -> Command {
        let mut command = Command::new(folder.path().join("target/release/meridian"));
        command.current_dir(folder.path()).stdin(Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid).env("HOME", folder.path());
        }
        command
    }

    /// Starts `up` and waits until every region is ready.
    pub(crate) async fn up(self) -> World {
        let folder = self
            .folder
            .clone()
            .unwrap_or_else(|| Arc::new(folder_for(self.user)));
        let given = self.shared.then(given_database).flatten();
        let within = match given {
            Some(_) => READY_THERE_WITHIN,
            None => READY_WITHIN,
        };
        let mut command = self.command(&folder);
        command
            .arg("up")
            .args(self.arguments)
            .args(given.iter().flat_map(|url| ["--database-url", url]))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut up = command.spawn().unwrap();
        let stdout = collect(up.stdout.take().unwrap());
        let stderr = collect(up.stderr.take().unwrap());
        let leash = leash(up.id(), self.shared.then(|| folder.path()));
        let mut world = World {
            up,
            _leash: leash,
            program: folder.path().join("target/release/meridian"),
            folder,
            user: self.user,
            regions: Vec::new(),
            database: String::new(),
            stdout,
            stderr,
            tokens: Mutex::default(),
        };
        let ((regions, database), _) = wait::until("the lines of up", within, async || {
            if let Some(status) = world.up.try_wait().unwrap() {
                panic!("up ended: {status}\n{}", world.stderr());
            }
            contract(&world.stdout())
        })
        .await;
        world.regions = regions;
        world.database = database;
        for (tag, url) in &world.regions {
            let api = Api::new(url, None);
            wait::until(&format!("{tag} is ready"), READY_WITHIN, async || {
                let answer = crate::http::send(api.request("GET", "/readyz")).await;
                answer
                    .is_ok_and(|answer| answer.status == 200)
                    .then_some(())
            })
            .await;
        }
        world
    }

    /// Runs `up` to its end, which must come soon.
    pub(crate) fn up_fails(self) -> (ExitStatus, String) {
        let folder = self
            .folder
            .clone()
            .unwrap_or_else(|| Arc::new(folder_for(self.user)));
        let output = self
            .command(&folder)
            .arg("up")
            .args(self.arguments)
            .output()
            .unwrap();
        (output.status, String::from_utf8(output.stderr).unwrap())
    }
}

/// The lines that scripts stand on, once all are there: regions in their order, then the database.
fn contract(stdout: &str) -> Option<(Vec<(String, String)>, String)> {
    let mut regions = Vec::new();
    for line in stdout.lines() {
        if let Some(database) = line.strip_prefix("database ") {
            // A line that is still being written has no end yet.
            let whole = stdout.contains(&format!("{line}\n"));
            return whole.then(|| (regions, database.to_owned()));
        }
        let (tag, url) = line.split_once(' ').unwrap_or_default();
        if url.starts_with("http://127.0.0.1:") && !tag.is_empty() {
            regions.push((tag.to_owned(), url.trim().to_owned()));
        }
    }
    None
}

/// A process that interrupts `pid` when the other end of its input is closed, however that came about, and
/// then removes the folder, if one is given.
fn leash(pid: u32, folder: Option<&Path>) -> ChildStdin {
    const SCRIPT: &str = r#"
        read -r _
        kill -INT "$1" 2>/dev/null
        if [ -n "$2" ]; then
            while kill -0 "$1" 2>/dev/null; do sleep 0.1; done
            rm -rf "$2"
        fi"#;
    let mut keeper = Command::new("sh");
    keeper
        .args(["-c", SCRIPT, "keeper"])
        .arg(pid.to_string())
        .arg(folder.unwrap_or(Path::new("")));
    keeper
        .stdin(Stdio::piped())
        .spawn()
        .unwrap()
        .stdin
        .take()
        .unwrap()
}

/// Keeps reading, so that the writer never waits, and keeps what was read.
fn collect(from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let kept = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&kept);
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut kept = into.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push_str(&line);
            kept.push('\n');
        }
    });
    kept
}

impl World {
    pub(crate) fn folder(&self) -> &Arc<TempDir> {
        &self.folder
    }

    pub(crate) fn up_pid(&self) -> u32 {
        self.up.id()
    }

    /// All that `up` printed so far.
    pub(crate) fn stdout(&self) -> String {
        self.stdout
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// All that `up` logged so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The base URL of a region.
    pub(crate) fn url(&self, tag: &str) -> &str {
        let region = self.regions.iter().find(|(other, _)| other == tag);
        region
            .map(|(_, url)| url.as_str())
            .unwrap_or_else(|| panic!("no region {tag}: {:?}", self.regions))
    }

    /// The port of a region.
    pub(crate) fn port(&self, tag: &str) -> u16 {
        port_of(self.url(tag))
    }

    /// The port of the database.
    pub(crate) fn database_port(&self) -> u16 {
        port_of(&self.database)
    }

    /// A region as a manager of all offices sees it.
    pub(crate) fn manager(&self, tag: &str) -> Api {
        self.role(tag, "manager")
    }

    /// A region as a role with all offices sees it.
    pub(crate) fn role(&self, tag: &str, role: &str) -> Api {
        Api::new(self.url(tag), Some(self.token(&["--role", role])))
    }

    /// What `meridian token` prints with these arguments; asked once per arguments.
    pub(crate) fn token(&self, arguments: &[&str]) -> String {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let token = tokens.entry(arguments.join(" ")).or_insert_with(|| {
            let mut all = vec!["token"];
            all.extend(arguments);
            let output = self.meridian(&all);
            assert!(output.0.success(), "{arguments:?}: {}", output.2);
            let token = output.1.strip_suffix('\n').expect("a token and a newline");
            assert!(
                !token.contains(char::is_whitespace),
                "a token and nothing else: {token:?}"
            );
            token.to_owned()
        });
        token.clone()
    }

    /// A token signed with this world's own key, with these claims over those of an ordinary one; `null`
    /// leaves one out.
    pub(crate) fn mint(&self, claims: Value) -> String {
        let state = self.folder.path().join(".meridian");
        let pem = fs::read(state.join("issuer.pem")).unwrap();
        let keys: Value =
            serde_json::from_slice(&fs::read(state.join("jwks.json")).unwrap()).unwrap();
        let mut all = payload(&self.token(&["--role", "viewer"]));
        for (name, value) in claims.as_object().unwrap() {
            if value.is_null() {
                all.as_object_mut().unwrap().remove(name);
            } else {
                all[name] = value.clone();
            }
        }
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
        header.kid = keys["keys"][0]["kid"].as_str().map(str::to_owned);
        let key = jsonwebtoken::EncodingKey::from_ed_pem(&pem).unwrap();
        jsonwebtoken::encode(&header, &all, &key).unwrap()
    }

    /// Runs another command in the folder of `up`: status, stdout, stderr.
    pub(crate) fn meridian(&self, arguments: &[&str]) -> (ExitStatus, String, String) {
        let mut command = Command::new(&self.program);
        command
            .current_dir(self.folder.path())
            .args(arguments)
            .stdin(Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status, text(output.stdout), text(output.stderr))
    }

    /// Waits for the end of `up`, which a signal has asked for.
    pub(crate) async fn ended(&mut self, within: Duration) -> ExitStatus {
        let up = &mut self.up;
        wait::until("the end of up", within, async || up.try_wait().unwrap())
            .await
            .0
    }
}

/// The claims of a token.
pub(crate) fn payload(token: &str) -> Value {
    jsonwebtoken::dangerous::insecure_decode_claims(token).unwrap()
}

fn port_of(url: &str) -> u16 {
    let authority = url
        .split("://")
        .nth(1)
        .and_then(|rest| rest.split('/').next())
        .unwrap_or_default();
    let port = authority
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok());
    port.unwrap_or_else(|| panic!("no port in {url}"))
}

impl Drop for World {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.stderr();
            let tail: Vec<_> = log.lines().rev().take(40).collect();
            eprintln!("the last lines of up's log:");
            tail.iter().rev().for_each(|line| eprintln!("  {line}"));
        }
        if matches!(self.up.try_wait(), Ok(None)) {
            processes::signal(self.up.id(), "INT");
            let deadline = Instant::now() + Duration::from_secs(20);
            while matches!(self.up.try_wait(), Ok(None)) {
                if Instant::now() > deadline {
                    processes::signal(self.up.id(), "KILL");
                    break;
                }
                thread::park_timeout(Duration::from_millis(20));
            }
        }
        drop(self.up.wait());
    }
}
