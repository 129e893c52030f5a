//! The accept loop: hyper by hand, since `axum::serve` cannot set its limits (`hard-cases` 30).
//!
//! hyper's own ceilings lie above the contract's, so that the service sees what is too large and answers it with all
//! headers. Time limits: the head of a request must arrive within 5 s of its first byte; between requests a connection
//! may idle longer, since closing early makes clients' next requests fail.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{extract::ConnectInfo, response::IntoResponse as _};
use futures_util::{FutureExt as _, future::Either};
use hyper::{Request, body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Instant, Sleep},
};
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::{error::internal, service::Service};

/// Header fields that hyper takes; the service refuses from 65 on.
const HEADERS_CEILING: usize = 512;
/// Bytes of a request's head that hyper takes; the service refuses from 16 KiB on.
const HEAD_CEILING: usize = 512 << 10;
/// What the last answers may take to get out after the last request has ended.
const CLOSING: Duration = Duration::from_secs(1);
/// After an accept that failed for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often the rate limiter forgets idle payers.
const EVICT_EVERY: Duration = Duration::from_secs(60);

/// Serves until draining begins and every request in flight has ended (at most the deadline and what resolving takes).
/// While draining, connections are still accepted: new requests are told where to go.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(listener: TcpListener, service: Service) -> io::Result<()> {
    let shared = Arc::clone(&service.shared);
    let limits = shared.config.limits.clone();
    let connections = GracefulShutdown::new();
    let tasks = TaskTracker::new();
    let drained = async {
        shared.config.draining.cancelled().await;
        let all = u32::try_from(limits.concurrent).unwrap_or(u32::MAX);
        let patience = limits.deadline + limits.resolve + CLOSING;
        let ended = tokio::time::timeout(patience, shared.permits.acquire_many(all))
            .await
            .is_ok();
        tracing::info!(ended, "server.drained");
    };
    let mut drained = std::pin::pin!(drained);
    let mut evict = tokio::time::interval(EVICT_EVERY);
    loop {
        tokio::select! {
            () = &mut drained => break,
            _ = evict.tick() => if let Some(limiter) = &shared.limiter { limiter.evict_idle() },
            accepted = listener.accept() => match accepted {
                Ok(pair) => connect(&service, pair, &connections, &tasks),
                Err(error) => {
                    tracing::warn!(%error, "server.accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    // What idles is closed, what answers may end.
    if tokio::time::timeout(CLOSING, connections.shutdown())
        .await
        .is_err()
    {
        tracing::info!("server.closed_busy_connections");
    }
    Ok(())
}

fn connect(
    service: &Service,
    (stream, peer): (TcpStream, SocketAddr),
    connections: &GracefulShutdown,
    tasks: &TaskTracker,
) {
    let limits = &service.shared.config.limits;
    // Answers are written in one piece, so there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    let phase = Arc::new(Phase(AtomicU8::new(Phase::HEAD)));
    let io = TokioIo::new(Timed {
        stream,
        phase: Arc::clone(&phase),
        head_timeout: limits.head_timeout,
        due: Box::pin(tokio::time::sleep(limits.head_timeout)),
    });
    let router = service.router();
    let writes = tasks.clone();
    let answer = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        phase.set(Phase::BUSY);
        request.extensions_mut().insert(ConnectInfo(peer));
        let phase = Arc::clone(&phase);
        let safe = request.method().is_safe();
        let answer = router.clone().oneshot(request.map(axum::body::Body::new));
        let answer = if safe {
            Either::Left(answer)
        } else {
            // Begun before the first poll: hyper reads a small body at once, finds the end of the stream
            // behind it when the client has hung up, and drops what it has not polled yet.
            let begun = writes.spawn(answer);
            Either::Right(async move {
                begun.await.unwrap_or_else(|error| {
                    tracing::error!(%error, "the task of a write ended without an answer");
                    Ok(internal(true).into_response())
                })
            })
        };
        answer.inspect(move |_| phase.set(Phase::IDLE))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle_timeout)
        .max_headers(HEADERS_CEILING)
        .max_buf_size(HEAD_CEILING)
        .serve_connection(io, answer);
    let connection = connections.watch(connection);
    tasks.spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%peer, %error, "server.connection");
        }
    });
}

/// Where a connection is between two requests.
#[derive(Debug)]
struct Phase(AtomicU8);

impl Phase {
    /// The head of a request is being read.
    const HEAD: u8 = 0;
    /// A request is at work.
    const BUSY: u8 = 1;
    /// An answer was given; the next byte begins a new head.
    const IDLE: u8 = 2;

    fn get(&self) -> u8 {
        self.0.load(Ordering::Acquire)
    }

    fn set(&self, phase: u8) {
        self.0.store(phase, Ordering::Release);
    }
}

/// A connection that must send the head of a request within a time that begins with its first byte (of the first
/// request: with the connection).
#[derive(Debug)]
struct Timed {
    stream: TcpStream,
    phase: Arc<Phase>,
    head_timeout: Duration,
    /// When the head that is being read must be whole.
    due: Pin<Box<Sleep>>,
}

impl AsyncRead for Timed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if self.phase.get() == Phase::IDLE && buf.filled().len() > before {
            let due = Instant::now() + self.head_timeout;
            self.due.as_mut().reset(due);
            self.phase.set(Phase::HEAD);
        }
        let late = self.phase.get() == Phase::HEAD
            && read.is_pending()
            && self.due.as_mut().poll(cx).is_ready();
        if late {
            Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
        } else {
            read
        }
    }
}

impl AsyncWrite for Timed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
