//! The body of a request, shared between the handler and whoever drains what the handler did not read.
//!
//! A client that sends its whole body before it reads the answer never sees an answer given earlier: the connection is
//! closed with data unread, so its kernel throws the answer away. What is left is therefore read and dropped first.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, SizeHint};

/// A client that sends nothing for so long waits for the answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Clones share one body.
#[derive(Debug, Clone)]
pub(crate) struct Upload(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    body: Mutex<Body>,
    begun: AtomicBool,
}

impl Upload {
    pub(crate) fn new(body: Body) -> Self {
        Self(Arc::new(Inner {
            body: Mutex::new(body),
            begun: AtomicBool::new(false),
        }))
    }

    /// Reads and drops what is left: at most `max` bytes, for `patience`, and not from a client that pauses. A body that the client only sends when told
    /// to (`waits`: `Expect: 100-continue`) is left alone unless that has happened.
    pub(crate) async fn drain(mut self, max: usize, patience: Duration, waits: bool) {
        if self.is_end_stream() || (waits && !self.0.begun.load(Ordering::Relaxed)) {
            return;
        }
        let work = async {
            let mut dropped = 0;
            while let Ok(Some(Ok(frame))) = tokio::time::timeout(PAUSE, self.frame()).await {
                dropped += frame.data_ref().map_or(0, Bytes::len);
                if dropped > max {
                    break;
                }
            }
        };
        // Whoever sends too slowly does not get to see the answer.
        let _ = tokio::time::timeout(patience, work).await;
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.0.begun.store(true, Ordering::Relaxed);
        let mut body = self.0.body.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0
            .body
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0
            .body
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .size_hint()
    }
}
