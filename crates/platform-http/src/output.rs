//! An answer that is sent piece by piece, as it comes about. A reader that takes nothing for too long is given up.

use std::{io, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::problem::{Effect, Problem};

/// What was written is sent on when it has so many bytes, and when it is flushed.
const PIECE: usize = 64 << 10;
/// Pieces that wait for the reader.
const PIECES: usize = 4;

#[derive(Debug)]
enum Piece {
    Bytes(Bytes),
    /// There is nothing more, and that is as it should be.
    End,
}

/// Where an answer goes.
#[derive(Debug)]
pub(crate) struct Output {
    /// `None`: nobody reads any more.
    pieces: Option<mpsc::Sender<Piece>>,
    bytes: Vec<u8>,
    /// Time for a reader to take one piece.
    patience: Duration,
}

impl Output {
    /// The writing and the reading end.
    pub(crate) fn new(patience: Duration) -> (Self, Body) {
        let (pieces, receiver) = mpsc::channel(PIECES);
        let output = Self {
            pieces: Some(pieces),
            bytes: Vec::new(),
            patience,
        };
        (output, body(receiver))
    }

    /// Adds a line.
    pub(crate) async fn line(&mut self, value: &Value) {
        self.write(|bytes| {
            bytes.extend_from_slice(value.to_string().as_bytes());
            bytes.push(b'\n');
        })
        .await;
    }

    /// Adds what `append` appends.
    pub(crate) async fn write(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        if self.pieces.is_none() {
            return;
        }
        append(&mut self.bytes);
        if self.bytes.len() >= PIECE {
            self.flush().await;
        }
    }

    /// Sends what there is.
    pub(crate) async fn flush(&mut self) {
        if !self.bytes.is_empty() {
            let bytes = Bytes::from(std::mem::take(&mut self.bytes));
            self.send(Piece::Bytes(bytes)).await;
        }
    }

    /// Whether somebody still reads, as far as is known.
    pub(crate) fn is_read(&self) -> bool {
        self.pieces.is_some()
    }

    /// Ends when the reader hangs up.
    pub(crate) fn hung_up(&self) -> impl Future<Output = ()> + Send + use<> {
        let pieces = self.pieces.clone();
        async move {
            if let Some(pieces) = pieces {
                pieces.closed().await;
            }
        }
    }

    /// Ends the answer well. Without it, the reader sees that it broke off.
    pub(crate) async fn end(mut self) {
        self.flush().await;
        self.send(Piece::End).await;
    }

    async fn send(&mut self, piece: Piece) {
        let Some(pieces) = &self.pieces else { return };
        let sent = tokio::time::timeout(self.patience, pieces.send(piece)).await;
        if !matches!(sent, Ok(Ok(()))) {
            tracing::info!(slow = sent.is_err(), "answer.nobody_reads");
            self.pieces = None;
        }
    }
}

/// Why an answer of lines is not whole: its last line.
pub(crate) fn last_line(problem: &Problem) -> Value {
    let mut line = json!({
        "status": problem.kind().status, "code": problem.kind().code, "detail": problem.detail(),
        "retryable": problem.0.retryable,
    });
    if let Some(milliseconds) = problem.0.retry_after_ms {
        line["retry_after_ms"] = milliseconds.into();
    }
    if matches!(problem.0.effect, Effect::Unknown { .. }) {
        line["effect"] = "unknown".into();
    }
    line
}

fn body(receiver: mpsc::Receiver<Piece>) -> Body {
    let pieces = stream::unfold(Some(receiver), async |receiver| {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(receiver))),
            Some(Piece::End) => None,
            None => Some((Err(io::Error::other("the answer broke off")), None)),
        }
    });
    Body::from_stream(pieces.fuse())
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn an_answer_that_ends_well_has_every_line() {
        let (mut output, body) = Output::new(Duration::from_secs(20));
        let writing = async {
            for row in 0..20_000 {
                output.line(&json!({"row": row})).await;
            }
            output.end().await;
        };
        let ((), read) = tokio::join!(writing, body.collect());
        let text = String::from_utf8(read.unwrap().to_bytes().to_vec()).unwrap();
        assert_eq!(text.lines().count(), 20_000);
        assert!(text.ends_with("{\"row\":19999}\n"));
    }

    #[tokio::test]
    async fn a_reader_that_stops_loses_the_answer_and_not_the_work() {
        let (mut output, body) = Output::new(Duration::from_millis(1));
        for row in 0..100_000 {
            output.line(&json!({"row": row})).await;
        }
        assert!(output.pieces.is_none());
        output.end().await;
        // What it reads at last shows that it is not whole.
        assert!(body.collect().await.is_err());

        let (mut output, body) = Output::new(Duration::from_secs(20));
        drop(body);
        output.line(&json!({"row": 1})).await;
        output.flush().await;
        assert!(output.pieces.is_none());
    }
}
