//! The upload, kept in a temporary file until it has ended: never whole in memory, and nothing of it is written before
//! its end was seen (`hard-cases` 37).

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom},
    time::Duration,
};

use axum::body::Body;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncWriteExt as _, BufWriter};

use crate::problem::{self, Problem, ProblemType};

/// A token lives for an hour at most; an upload that takes longer is not one of a client that means it.
const LONGEST: Duration = Duration::from_secs(3600);
const BUFFER: usize = 64 << 10;
const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

/// How an upload is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spool {
    /// Bytes that are taken.
    pub(super) bytes_max: usize,
    /// Time without a byte that ends it.
    pub(super) pause_max: Duration,
    /// What a body that is no text of its kind is called.
    pub(super) malformed: &'static ProblemType,
}

/// Why an upload is not kept.
#[derive(Debug)]
enum Broken {
    Refused(Problem),
    File(io::Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

impl Spool {
    /// Reads the body to its end into a file that nobody else sees, which stands at its first character.
    ///
    /// # Errors
    /// `body_too_large`, `malformed_…` for a body that broke off or is not UTF-8, `overloaded` without room.
    pub(super) async fn keep(self, body: Body) -> Result<File, Problem> {
        let kept = tokio::time::timeout(LONGEST, self.read(body))
            .await
            .unwrap_or_else(|_| Err(self.refuse("The body did not end within an hour.")));
        kept.map_err(|broken| match broken {
            Broken::Refused(problem) => problem,
            Broken::File(error) => {
                tracing::error!(%error, "import.spool");
                Problem::new(
                    &problem::OVERLOADED,
                    "There is no room to keep the upload; nothing was done.",
                )
                .retry_after_ms(1000)
            }
        })
    }

    pub(super) fn too_large(self) -> Problem {
        let max = self.bytes_max;
        Problem::new(
            &problem::BODY_TOO_LARGE,
            format!("The body has more than the {max} bytes that are taken."),
        )
        .with("limit_bytes", max)
    }

    fn refuse(self, detail: impl Into<String>) -> Broken {
        Broken::Refused(Problem::new(self.malformed, detail))
    }

    async fn read(self, mut body: Body) -> Result<File, Broken> {
        let file = tokio::task::spawn_blocking(tempfile::tempfile)
            .await
            .map_err(io::Error::other)??;
        let mut writer = BufWriter::with_capacity(BUFFER, tokio::fs::File::from_std(file));
        let mut text = Text::default();
        let mut length = 0_usize;
        loop {
            let frame = tokio::time::timeout(self.pause_max, body.frame())
                .await
                .map_err(|_| {
                    let seconds = self.pause_max.as_secs();
                    self.refuse(format!("The body broke off: no byte came for {seconds} s."))
                })?;
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|_| self.refuse("The body broke off before its end."))?;
            let Ok(data) = frame.into_data() else {
                continue; // trailers
            };
            length = length.saturating_add(data.len());
            if length > self.bytes_max {
                return Err(Broken::Refused(self.too_large()));
            }
            text.push(&data).map_err(|at| self.not_utf8(at))?;
            writer.write_all(&data).await?;
        }
        text.end().map_err(|at| self.not_utf8(at))?;
        writer.flush().await?;
        let mut file = writer.into_inner().into_std().await;
        let start = if text.first == BOM {
            BOM.len() as u64
        } else {
            0
        };
        file.seek(SeekFrom::Start(start))?;
        Ok(file)
    }

    fn not_utf8(self, at: usize) -> Broken {
        self.refuse(format!("The body is not UTF-8 from byte {at} on."))
    }
}

/// Whether bytes that come in pieces are UTF-8.
#[derive(Debug, Default)]
struct Text {
    /// The first three bytes.
    first: Vec<u8>,
    /// The beginning of a character whose end has not come.
    carry: Vec<u8>,
    /// Bytes before `carry`.
    seen: usize,
}

impl Text {
    /// # Errors
    /// The place of the first byte that does not fit.
    fn push(&mut self, piece: &[u8]) -> Result<(), usize> {
        let missing = BOM.len().saturating_sub(self.first.len());
        self.first.extend(piece.iter().take(missing));
        let mut bytes = std::mem::take(&mut self.carry);
        let joined: &[u8] = if bytes.is_empty() {
            piece
        } else {
            bytes.extend_from_slice(piece);
            &bytes
        };
        match std::str::from_utf8(joined) {
            Ok(_) => self.seen += joined.len(),
            Err(error) if error.error_len().is_some() => {
                return Err(self.seen + error.valid_up_to());
            }
            Err(error) => {
                let (whole, rest) = joined.split_at(error.valid_up_to());
                self.seen += whole.len();
                self.carry = rest.to_vec();
            }
        }
        Ok(())
    }

    fn end(&self) -> Result<(), usize> {
        if self.carry.is_empty() {
            Ok(())
        } else {
            Err(self.seen)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judge(bytes: &[u8], cuts: &[usize]) -> Result<(), usize> {
        let mut text = Text::default();
        let mut rest = bytes;
        for cut in cuts {
            let (piece, behind) = rest.split_at((*cut).min(rest.len()));
            text.push(piece)?;
            rest = behind;
        }
        text.push(rest)?;
        text.end()
    }

    proptest! {
        /// However the bytes are cut, the pieces are judged as the whole is.
        #[test]
        fn pieces_are_judged_as_the_whole(
            text in ".{0,20}", junk in prop::collection::vec(any::<u8>(), 0..4), cuts in prop::collection::vec(0_usize..5, 0..20),
        ) {
            let bytes = [text.as_bytes(), &junk, text.as_bytes()].concat();
            let whole = std::str::from_utf8(&bytes).map(drop).map_err(|error| error.valid_up_to());
            prop_assert_eq!(judge(&bytes, &cuts), whole);
        }
    }
}
