//! A proxy that speaks the PostgreSQL protocol and makes statements fail as a distributed database would.

mod dialect;
mod history;
mod link;
mod message;

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kernel::Clock;
use platform_db::{DatabaseUrl, open_wire};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
};

use crate::{
    TestDb, eventually,
    proxy::spawn,
    wire::{dialect::Dialect, history::Before, link::Link},
};

/// What a rule waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// A new connection, before the server hears of it.
    Connect,
    /// Any statement that is run.
    Any,
    /// Any statement that is run, but for those by which a new connection is made ready.
    OfRequest,
    /// A statement that is run inside an explicit transaction and does not end it.
    InTransaction,
    /// A statement that is run and whose text contains this.
    Text(&'static str),
    /// A statement that is prepared and whose text contains this.
    Prepare(&'static str),
    /// COMMIT, of a transaction that has not failed.
    Commit,
}

/// What the server did before the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    /// It never heard of the statement; in place of COMMIT it rolls back.
    Nothing,
    /// It ran the statement to its end.
    All,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Answers an error. A transaction that is open fails by it, on the server too.
    Answer(&'static str, Did),
    /// Answers an error and closes the connection, as a node does that goes away.
    Die(&'static str, Did),
    /// Closes the connection without an answer.
    Cut(Did),
    /// Closes the connection when half of the request has been passed on.
    CutInRequest,
    /// Closes the connection when half of the answer has been passed on.
    CutInAnswer,
    /// Passes the statement on late.
    Delay(Duration),
    /// Takes what the client says and answers nothing any more, until the client leaves.
    Silence(Did),
    /// Puts a NOTICE before the answer.
    Notice(&'static str),
}

/// A fault: when, what, how often.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    when: When,
    act: Act,
    skip: u32,
    times: u32,
    connection: Option<u64>,
}

impl Rule {
    /// Strikes once, the first time.
    #[must_use]
    pub fn new(when: When, act: Act) -> Self {
        Self {
            when,
            act,
            skip: 0,
            times: 1,
            connection: None,
        }
    }

    /// Strikes this often.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// Strikes for ever.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u32::MAX)
    }

    /// Lets this many pass first: after `n - 1` it is the n-th that is struck.
    #[must_use]
    pub fn after(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    /// Strikes on the n-th connection only, counted from 1.
    #[must_use]
    pub fn on_connection(self, number: u64) -> Self {
        Self {
            connection: Some(number),
            ..self
        }
    }
}

/// A proxy in front of a server that speaks the PostgreSQL protocol.
///
/// It takes one request after the other, each with its answer, so that pipelined statements keep their order and what
/// follows a fault is the server's own doing. COPY and Flush are not spoken: a connection that tries is closed.
#[derive(Debug)]
pub struct WireProxy {
    port: u16,
    to: DatabaseUrl,
    rules: Arc<Rules>,
    /// Its end tells the one who accepts.
    _alive: watch::Sender<()>,
}

/// The rules there are now, and what they did.
#[derive(Debug, Default)]
struct Rules {
    state: Mutex<State>,
    /// Spoken to the client, if it is not the server's own.
    dialect: Option<Dialect>,
    /// Told of every strike.
    struck: Notify,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    hits: u32,
    connections: u64,
}

impl WireProxy {
    /// A proxy in front of the database, on a free port of its own, without a rule. It speaks as the database does.
    pub async fn before(db: &TestDb) -> Self {
        let node = db.nodes().first();
        Self::speaking(server_of(db), node.map(|node| node.dialect().clone())).await
    }

    /// The same in front of the server that a URL names. Clients speak without TLS; where the URL wants it, the proxy does.
    pub async fn before_url(url: &str) -> Self {
        Self::speaking(DatabaseUrl::parse(url).expect("our own URL"), None).await
    }

    async fn speaking(to: DatabaseUrl, dialect: Option<Dialect>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a port can be had");
        let own = listener.local_addr().expect("it is bound").port();
        let rules = Arc::new(Rules {
            state: Mutex::default(),
            dialect,
            struck: Notify::new(),
        });
        let (alive, gone) = watch::channel(());
        spawn(accept(listener, to.clone(), Arc::clone(&rules), gone));
        Self {
            port: own,
            to,
            rules,
            _alive: alive,
        }
    }

    /// Where clients connect.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Adds a rule. Of several that would strike, the one added first does.
    pub fn arm(&self, rule: Rule) {
        self.rules.state().rules.push(rule);
    }

    /// Forgets every rule and what was counted.
    pub fn disarm(&self) {
        let mut state = self.rules.state();
        state.rules.clear();
        state.hits = 0;
    }

    /// How often rules have struck.
    #[must_use]
    pub fn hits(&self) -> u32 {
        self.rules.state().hits
    }

    /// Waits until a rule has struck; panics after 20 s.
    pub async fn struck(&self) {
        let struck = async {
            loop {
                let next = self.rules.struck.notified();
                if self.hits() > 0 {
                    return;
                }
                next.await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(20), struck).await;
        in_time.expect("a rule strikes within 20 s");
    }

    /// Connections accepted so far: the newest one's number.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.rules.state().connections
    }
}

/// A PostgreSQL that speaks CockroachDB: everything that is sent to CockroachDB only is translated or simulated, all else
/// is passed on. It shows what we send, and that we understand the answers; not that a CockroachDB gives them.
///
/// - It gives its version as CockroachDB's, `SHOW COMMIT TIMESTAMP` and `cluster_logical_timestamp()` as it does.
/// - `BEGIN AS OF SYSTEM TIME` shows the state that there was then, to a tenth of a second: snapshots are kept from the
///   proxy's beginning on. What lies before, no table was there (42P01); what is to come is XXUUU.
/// - Bounded staleness shows one row as a replica has it that lags behind. Where that is too old, `true` is refused by
///   XCUBS, and the state there is now is the leaseholder's. In a transaction, or of several rows, it is 0A000.
/// - What PostgreSQL alone knows (advisory locks, its planner's settings) is refused.
#[derive(Debug)]
pub struct CockroachProxy {
    wire: WireProxy,
}

impl CockroachProxy {
    /// A proxy in front of a PostgreSQL, as a node of this region.
    ///
    /// # Panics
    /// When the server is another one.
    pub async fn before(db: &TestDb, region: &str) -> Self {
        assert!(
            db.speaks_postgres_with("snapshots that are given away"),
            "a CockroachDB needs no proxy to speak so"
        );
        let dialect = Dialect::over(db, region, Before::Nothing).await;
        Self {
            wire: WireProxy::speaking(server_of(db), Some(dialect.listening())).await,
        }
    }

    /// The same for a process that plays a node of this region before the server of this URL, whichever of its databases a
    /// client names. It keeps no states: who asks for the past is shown the present.
    pub async fn node(server_url: &str, region: &str) -> Self {
        let server = DatabaseUrl::parse(server_url).expect("the URL of a server");
        let dialect = Dialect::of_the_present(region);
        Self {
            wire: WireProxy::speaking(server, Some(dialect)).await,
        }
    }

    /// Serves a connection that was accepted elsewhere, to its end.
    pub async fn serve(&self, client: TcpStream) {
        // However a connection ends, both sides are closed by it.
        let _ = pass(client, self.wire.to.clone(), Arc::clone(&self.wire.rules)).await;
    }

    /// A node in each of these regions, of a cluster whose database has long been as it is now. What they are told is not
    /// kept.
    pub(crate) async fn nodes(db: &TestDb, regions: &[&str]) -> Vec<Self> {
        let dialect = Dialect::over(db, regions[0], Before::TheSame).await;
        let mut nodes = Vec::new();
        for region in regions {
            let wire = WireProxy::speaking(server_of(db), Some(dialect.in_region(region))).await;
            nodes.push(Self { wire });
        }
        nodes
    }

    /// Where clients connect.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.wire.port()
    }

    /// The wire, to arm rules on.
    #[must_use]
    pub fn wire(&self) -> &WireProxy {
        &self.wire
    }

    /// How far the nearest replica lags behind from now on.
    pub fn lag(&self, lag: Duration) {
        self.dialect().lag(lag);
    }

    /// What was run since this was asked last, over all connections.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        self.dialect().said()
    }

    /// Waits until the present state is kept: what is written from now on is not in it.
    pub async fn keeps_this(&self) {
        let now = Clock::System.now();
        eventually("the state is kept", async || self.dialect().keeps(now)).await;
    }

    fn dialect(&self) -> &Dialect {
        let dialect = self.wire.rules.dialect.as_ref();
        dialect.expect("it was made with one")
    }
}

fn server_of(db: &TestDb) -> DatabaseUrl {
    DatabaseUrl::parse(db.owner_url()).expect("our own URL")
}

impl Rules {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_connection(&self) -> u64 {
        let mut state = self.state();
        state.connections += 1;
        state.connections
    }

    /// What happens to a request of the connection `number`, if anything does.
    fn strike(&self, number: u64, mut meets: impl FnMut(When) -> bool) -> Option<Act> {
        let mut state = self.state();
        for rule in &mut state.rules {
            let here = rule.connection.is_none_or(|only| only == number);
            if rule.times == 0 || !here || !meets(rule.when) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            if rule.times < u32::MAX {
                rule.times -= 1;
            }
            let act = rule.act;
            state.hits += 1;
            self.struck.notify_waiters();
            return Some(act);
        }
        None
    }
}

async fn accept(
    listener: TcpListener,
    to: DatabaseUrl,
    rules: Arc<Rules>,
    mut alive: watch::Receiver<()>,
) {
    loop {
        tokio::select! {
            // The proxy was dropped.
            _ = alive.changed() => return,
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { return };
                let (to, rules, mut alive) = (to.clone(), Arc::clone(&rules), alive.clone());
                spawn(async move {
                    tokio::select! {
                        _ = alive.changed() => {}
                        // However a connection ends, both sides are closed by it.
                        _ = pass(client, to, rules) => {}
                    }
                });
            }
        }
    }
}

async fn pass(client: TcpStream, to: DatabaseUrl, rules: Arc<Rules>) -> io::Result<()> {
    let server = open_wire(&to).await?;
    client.set_nodelay(true)?;
    Link::new(client, server, rules).run().await
}
