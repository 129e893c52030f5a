//! The answer, line by line. Whoever does not read it loses it; the work goes on.

use std::{io, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use tokio::sync::mpsc;

/// Lines are sent on when there are so many bytes of them, and after every batch.
const PIECE: usize = 64 << 10;
/// Pieces that wait for the reader.
const PIECES: usize = 4;

#[derive(Debug)]
enum Piece {
    Lines(Bytes),
    /// There is nothing more, and that is as it should be.
    End,
}

/// Where the lines go.
#[derive(Debug)]
pub(super) struct Output {
    /// `None`: nobody reads any more.
    pieces: Option<mpsc::Sender<Piece>>,
    lines: Vec<u8>,
    /// Time for a reader to take one piece.
    patience: Duration,
}

impl Output {
    /// The writing and the reading end.
    pub(super) fn new(patience: Duration) -> (Self, Body) {
        let (pieces, receiver) = mpsc::channel(PIECES);
        let output = Self {
            pieces: Some(pieces),
            lines: Vec::new(),
            patience,
        };
        (output, body(receiver))
    }

    /// Adds a line.
    pub(super) async fn line(&mut self, value: &Value) {
        if self.pieces.is_none() {
            return;
        }
        self.lines.extend_from_slice(value.to_string().as_bytes());
        self.lines.push(b'\n');
        if self.lines.len() >= PIECE {
            self.flush().await;
        }
    }

    /// Sends what there is.
    pub(super) async fn flush(&mut self) {
        if !self.lines.is_empty() {
            let lines = Bytes::from(std::mem::take(&mut self.lines));
            self.send(Piece::Lines(lines)).await;
        }
    }

    /// Ends the answer well. Without it, the reader sees that it broke off.
    pub(super) async fn end(mut self) {
        self.flush().await;
        self.send(Piece::End).await;
    }

    async fn send(&mut self, piece: Piece) {
        let Some(pieces) = &self.pieces else { return };
        let sent = tokio::time::timeout(self.patience, pieces.send(piece)).await;
        if !matches!(sent, Ok(Ok(()))) {
            tracing::info!(slow = sent.is_err(), "import.nobody_reads");
            self.pieces = None;
        }
    }
}

fn body(receiver: mpsc::Receiver<Piece>) -> Body {
    let pieces = stream::unfold(Some(receiver), async |receiver| {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Piece::Lines(lines)) => Some((Ok(lines), Some(receiver))),
            Some(Piece::End) => None,
            None => Some((
                Err(io::Error::other("the results of an import broke off")),
                None,
            )),
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
