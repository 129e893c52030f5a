//! A proxy on the wire between a client and a server: counts round trips, holds answers back, cuts connections.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use platform_db::{DatabaseUrl, open_wire};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::TestDb;

/// A proxy in front of the server of a test's database. Its clients speak without TLS; where the server wants it, the
/// proxy does.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    to: DatabaseUrl,
    wire: Arc<Wire>,
    /// Changes when every connection is to be cut.
    cut: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Wire {
    round_trips: AtomicU64,
    /// Answers are swallowed: a black hole.
    silent: AtomicBool,
    /// Connections accepted so far.
    connections: AtomicU64,
    /// What clients say on the connections up to this one is held back.
    held_up_to: AtomicU64,
}

impl Proxy {
    /// A proxy in front of the database's server, on a free port of its own.
    pub async fn before(db: &TestDb) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a port can be had");
        let to = DatabaseUrl::parse(db.app_url()).expect("our own URL");
        Self::listening(listener, to)
    }

    /// Drops the proxy, which closes its port and every connection; what is returned brings it back on the same port.
    pub fn down(self) -> impl AsyncFnOnce() -> Self {
        let (own, to) = (self.port, self.to.clone());
        drop(self);
        async move || {
            let mut listener = TcpListener::bind(("127.0.0.1", own)).await;
            while listener.is_err() {
                tokio::time::sleep(HELD_FOR).await; // whoever accepts has not noticed yet
                listener = TcpListener::bind(("127.0.0.1", own)).await;
            }
            Self::listening(listener.expect("it was just bound"), to)
        }
    }

    fn listening(listener: TcpListener, to: DatabaseUrl) -> Self {
        let own = listener.local_addr().expect("it is bound").port();
        let wire = Arc::new(Wire::default());
        let (cut, cuts) = watch::channel(0);
        spawn(accept(listener, to.clone(), Arc::clone(&wire), cuts));
        Self {
            port: own,
            to,
            wire,
            cut,
        }
    }

    /// Where clients connect.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How often a client has spoken after the server had, over all connections: what distance costs.
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        self.wire.round_trips.load(Ordering::SeqCst)
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.wire.connections.load(Ordering::SeqCst)
    }

    /// From now on answers are swallowed, or passed on again.
    pub fn swallow_answers(&self, swallow: bool) {
        self.wire.silent.store(swallow, Ordering::SeqCst);
    }

    /// From now on what clients say on the connections there are now arrives late; new connections work.
    pub fn hold(&self) {
        let connections = self.wire.connections.load(Ordering::SeqCst);
        self.wire.held_up_to.store(connections, Ordering::SeqCst);
    }

    /// Lets it arrive after all.
    pub fn release(&self) {
        self.wire.held_up_to.store(0, Ordering::SeqCst);
    }

    /// Cuts every connection there is; new ones are accepted.
    pub fn cut(&self) {
        self.cut.send_modify(|count| *count += 1);
    }
}

async fn accept(
    listener: TcpListener,
    to: DatabaseUrl,
    wire: Arc<Wire>,
    mut cuts: watch::Receiver<u64>,
) {
    loop {
        tokio::select! {
            // The proxy was dropped.
            gone = wait_for_end(&mut cuts) => return gone,
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { return };
                spawn(pass(client, to.clone(), Arc::clone(&wire), cuts.clone()));
            }
        }
    }
}

async fn wait_for_end(cuts: &mut watch::Receiver<u64>) {
    while cuts.changed().await.is_ok() {}
}

async fn pass(client: TcpStream, to: DatabaseUrl, wire: Arc<Wire>, mut cuts: watch::Receiver<u64>) {
    let Ok(server) = open_wire(&to).await else {
        return;
    };
    client.set_nodelay(true).ok();
    cuts.mark_unchanged();
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = tokio::io::split(server);
    let answered = AtomicBool::new(true);
    let number = wire.connections.fetch_add(1, Ordering::SeqCst) + 1;
    tokio::select! {
        () = asks(client_in, server_out, (&wire, number), &answered) => {}
        () = answers(server_in, client_out, &wire, &answered) => {}
        _ = cuts.changed() => {}
    }
}

async fn asks(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    (wire, number): (&Wire, u64),
    answered: &AtomicBool,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if answered.swap(false, Ordering::SeqCst) {
            wire.round_trips.fetch_add(1, Ordering::SeqCst);
        }
        while wire.held_up_to.load(Ordering::SeqCst) >= number {
            tokio::time::sleep(HELD_FOR).await;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// How long what is held waits before it looks again.
const HELD_FOR: Duration = Duration::from_millis(5);

async fn answers(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    wire: &Wire,
    answered: &AtomicBool,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        answered.store(true, Ordering::SeqCst);
        let silent = wire.silent.load(Ordering::SeqCst);
        if !silent && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's proxy ends with the test's runtime"
)]
pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(future);
}
