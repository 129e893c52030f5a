//! Stands in for the program `cockroach` in tests: as much of it as `meridian up --engine cockroach` runs.
//!
//! Its nodes are processes. Each locks its store, listens on its ports, serves nobody before it is of a cluster, and leaves
//! when it is told to. What they serve is one PostgreSQL, which [`SERVER`] names, by [`CockroachProxy`]. Nodes ask each
//! other by a line, on the port of their clients: whose first byte is a zero speaks PostgreSQL's protocol.
//!
//! Flags are those that we give, as the documents of `cockroach` have them; others are refused. To give another one, look
//! it up there, and add it here.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    io,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use testkit::CockroachProxy;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
    time::{interval, timeout},
};

/// The URL of a superuser of the PostgreSQL behind all nodes.
const SERVER: &str = "COCKROACH_STAND_IN";

const START: [&str; 10] = [
    "insecure",
    "store",
    "listen-addr",
    "http-addr",
    "join",
    "locality",
    "max-offset",
    "cache",
    "max-sql-memory",
    "pid-file",
];
const INIT: [&str; 2] = ["insecure", "host"];

/// As the program says it to `init` of a cluster that is one.
const INITIALISED: &str = "cluster has already been initialized";

/// An empty cluster: `root`, and what who names no database is connected to.
const EMPTY: [&str; 6] = [
    "DROP DATABASE IF EXISTS meridian WITH (FORCE)",
    "DROP DATABASE IF EXISTS root WITH (FORCE)",
    "DROP ROLE IF EXISTS meridian_app",
    "DROP ROLE IF EXISTS root",
    "CREATE ROLE root SUPERUSER LOGIN",
    "CREATE DATABASE root",
];

#[tokio::main]
async fn main() -> ExitCode {
    let said: Vec<_> = env::args().skip(1).collect();
    let command = said.first().map_or("", String::as_str);
    let flags = said.get(1..).unwrap_or_default();
    let ended = match command {
        "start" => start(flags).await,
        "init" => init(flags).await,
        other => Err(format!("unknown command \"{other}\" for \"cockroach\"")),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("ERROR: {why}\nFailed running \"{command}\"");
            ExitCode::FAILURE
        }
    }
}

/// What was said behind a command, by the names of the flags.
struct Flags(BTreeMap<String, String>);

impl Flags {
    fn read(said: &[String], known: &[&str]) -> Result<Self, String> {
        let mut flags = BTreeMap::new();
        for flag in said {
            let (name, value) = flag.split_once('=').unwrap_or((flag, "true"));
            let name = name.strip_prefix("--").filter(|name| known.contains(name));
            let name = name.ok_or_else(|| format!("unknown flag: {flag}"))?;
            if flags.insert(name.to_owned(), value.to_owned()).is_some() {
                return Err(format!("--{name} is said twice"));
            }
        }
        let flags = Self(flags);
        match flags.value("insecure")? {
            "true" => Ok(flags),
            _ => Err("there are no certificates".into()),
        }
    }

    fn value(&self, name: &str) -> Result<&str, String> {
        let value = self.0.get(name);
        value
            .map(String::as_str)
            .ok_or_else(|| format!("--{name} is missing"))
    }

    /// `path=…`: nothing else is said of a store, and a path by itself may hold no `=`.
    fn store(&self) -> Result<PathBuf, String> {
        let fields = self.value("store")?;
        match fields.strip_prefix("path=") {
            Some(path) if !path.contains([',', '=']) => Ok(path.into()),
            _ => Err(format!("invalid argument \"{fields}\" for \"--store\"")),
        }
    }

    fn region(&self) -> Result<&str, String> {
        let tiers = self.value("locality")?;
        let region = tiers
            .split(',')
            .find_map(|tier| tier.strip_prefix("region="));
        region.ok_or_else(|| format!("no region in --locality={tiers}"))
    }

    /// Whether quantities are such.
    fn check_quantities(&self) -> Result<(), String> {
        for (name, unit) in [
            ("max-offset", "ms"),
            ("cache", "MiB"),
            ("max-sql-memory", "MiB"),
        ] {
            let value = self.value(name)?;
            let number = value.strip_suffix(unit).map(str::parse::<u32>);
            if !matches!(number, Some(Ok(_))) {
                return Err(format!("invalid argument \"{value}\" for \"--{name}\""));
            }
        }
        Ok(())
    }

    async fn listen(&self, name: &str) -> Result<TcpListener, String> {
        let address = self.value(name)?;
        let bound = TcpListener::bind(address).await;
        bound.map_err(|error| {
            let words = error.to_string();
            let taken = error.kind() == io::ErrorKind::AddrInUse;
            let why = if taken {
                "bind: address already in use"
            } else {
                &words
            };
            format!("failed to start server: listen tcp {address}: {why}")
        })
    }
}

/// `cockroach start`: a node, until it is told to leave.
async fn start(said: &[String]) -> Result<(), String> {
    let flags = Flags::read(said, &START)?;
    flags.check_quantities()?;
    let store = flags.store()?;
    let told = |error: io::Error| format!("{}: {error}", store.display());
    fs::create_dir_all(&store).map_err(told)?;
    let lock = File::create(store.join("LOCK")).map_err(told)?;
    lock.try_lock()
        .map_err(|_| format!("could not lock {}/LOCK", store.display()))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(told)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(told)?;
    let (clients, _console) = (
        flags.listen("listen-addr").await?,
        flags.listen("http-addr").await?,
    );
    let server = env::var_os(SERVER).and_then(|url| url.into_string().ok());
    let server = server.ok_or_else(|| format!("{SERVER} names no server"))?;
    let record = store.join("cluster");
    let node = Arc::new(Node {
        cluster: watch::Sender::new(fs::read_to_string(&record).ok()),
        sql: CockroachProxy::node(&server, flags.region()?).await,
        server,
        record,
    });
    let others: Vec<_> = flags.value("join")?.split(',').collect();
    let started = async {
        node.join(&others).await?;
        fs::write(
            flags.value("pid-file").map_err(io::Error::other)?,
            std::process::id().to_string(),
        )
    };
    tokio::select! {
        ended = async { tokio::try_join!(started, Arc::clone(&node).listen(clients)) } => ended.map(drop).map_err(told),
        _ = terminate.recv() => {
            eprintln!("received signal 'terminated', initiating graceful shutdown of server");
            Ok(())
        }
        _ = interrupt.recv() => Err("interrupted".into()),
    }
}

struct Node {
    /// Which cluster it is of, once it is of one.
    cluster: watch::Sender<Option<String>>,
    /// The same, in its store.
    record: PathBuf,
    sql: CockroachProxy,
    server: String,
}

impl Node {
    /// Asks the others until it is of the cluster that one of them is of.
    async fn join(&self, others: &[&str]) -> io::Result<()> {
        let mut pauses = interval(Duration::from_millis(100));
        while self.cluster.borrow().is_none() {
            pauses.tick().await;
            for other in others {
                if let Some(cluster) = ask(other, "join").await.filter(|id| !id.is_empty()) {
                    self.become_of(cluster)?;
                }
            }
        }
        Ok(())
    }

    fn become_of(&self, cluster: String) -> io::Result<()> {
        fs::write(&self.record, &cluster)?;
        self.cluster.send_replace(Some(cluster));
        Ok(())
    }

    async fn listen(self: Arc<Self>, listener: TcpListener) -> io::Result<()> {
        let mut clients = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (client, _) = accepted?;
                    // How a connection ends is its client's matter.
                    clients.spawn(Arc::clone(&self).answer(client));
                }
                Some(_) = clients.join_next() => {}
            }
        }
    }

    async fn answer(self: Arc<Self>, mut client: TcpStream) -> io::Result<()> {
        let mut first = [0];
        client.peek(&mut first).await?;
        if first == [0] {
            // Who comes before there is a cluster waits for it.
            let mut cluster = self.cluster.subscribe();
            cluster
                .wait_for(Option::is_some)
                .await
                .map_err(io::Error::other)?;
            self.sql.serve(client).await;
            return Ok(());
        }
        let mut asked = String::new();
        BufReader::new(&mut client).read_line(&mut asked).await?;
        let known = self.cluster.borrow().clone();
        let told = match (asked.trim_end(), known) {
            ("join", known) => known.unwrap_or_default(),
            ("init", Some(_)) => INITIALISED.into(),
            ("init", None) => self.initialise().await.map_err(io::Error::other)?,
            _ => return Ok(()),
        };
        client.write_all(format!("{told}\n").as_bytes()).await
    }

    /// A new cluster has nothing, whatever the server had for another one.
    async fn initialise(&self) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        let client = platform_db::connect(&self.server, "cockroach").await?;
        for statement in EMPTY {
            client.batch_execute(statement).await?;
        }
        let cluster = format!("{:016x}", rand::random::<u64>());
        self.become_of(cluster.clone())?;
        Ok(cluster)
    }
}

/// `cockroach init`: said to one node, once in the life of a cluster.
async fn init(said: &[String]) -> Result<(), String> {
    let flags = Flags::read(said, &INIT)?;
    match ask(flags.value("host")?, "init").await.as_deref() {
        Some(INITIALISED) => Err(INITIALISED.into()),
        Some(_) => Ok(()),
        None => Err("cannot dial server.\nIs the server running?".into()),
    }
}

/// The answer of a node, if it answers.
async fn ask(node: &str, question: &str) -> Option<String> {
    let asked = async {
        let mut node = TcpStream::connect(node).await.ok()?;
        node.write_all(format!("{question}\n").as_bytes())
            .await
            .ok()?;
        let mut told = String::new();
        let read = BufReader::new(node).read_line(&mut told).await.ok()?;
        (read > 0).then(|| told.trim_end().to_owned())
    };
    timeout(Duration::from_secs(10), asked).await.ok()?
}
