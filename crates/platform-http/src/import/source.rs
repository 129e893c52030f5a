//! The rows of an upload, in batches of bounded size.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
};

use super::{
    ATOMIC_BYTES_MAX, BATCH_BYTES, ROW_BYTES_MAX, ROWS_MAX, format::ImportFormat, group::Document,
    table::Table, too_long_row,
};
use crate::{
    error::internal,
    json,
    problem::{self, Problem},
};

/// What the rows are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Csv,
    Ndjson,
}

/// A file on its way into bodies.
enum Source {
    Table(Box<Table>),
    Ndjson(Ndjson),
}

/// One JSON value per line; blank lines are skipped and not counted.
struct Ndjson {
    file: BufReader<File>,
    depth: usize,
    number: u64,
}

/// The bodies of a file, batch by batch.
pub(super) struct Batches {
    source: Source,
    /// It did not fit into the batch before.
    held: Option<Document>,
    failed: Option<Problem>,
}

impl Batches {
    /// Reads what stands before the first row.
    ///
    /// # Errors
    /// What is wrong with the file as a whole.
    pub(super) fn open(
        file: File,
        kind: Kind,
        format: &'static ImportFormat,
        depth: usize,
    ) -> Result<Self, Problem> {
        let source = match kind {
            Kind::Csv => Source::Table(Box::new(Table::open(file, format)?)),
            Kind::Ndjson => Source::Ndjson(Ndjson {
                file: BufReader::with_capacity(64 << 10, file),
                depth,
                number: 0,
            }),
        };
        Ok(Self {
            source,
            held: None,
            failed: None,
        })
    }

    /// The next bodies: as many as fit, at least one; none at the end.
    ///
    /// # Errors
    /// What nothing can be read behind.
    pub(super) fn next(&mut self) -> Result<Vec<Document>, Problem> {
        self.take(ROWS_MAX, BATCH_BYTES)
    }

    /// Every body of the file.
    ///
    /// # Errors
    /// `body_too_large` for more than one transaction takes.
    pub(super) fn all(&mut self) -> Result<Vec<Document>, Problem> {
        let batch = self.take(ROWS_MAX, ATOMIC_BYTES_MAX)?;
        if let Some(problem) = self.failed.take() {
            return Err(problem);
        }
        let rows: u64 = batch.iter().map(|document| document.rows).sum();
        if rows > ROWS_MAX || self.held.is_some() {
            return Err(Problem::new(
                &problem::BODY_TOO_LARGE,
                format!(
                    "mode=atomic takes {ROWS_MAX} rows of {ATOMIC_BYTES_MAX} bytes together; there are more. Nothing was changed."
                ),
            )
            .with("limit_rows", ROWS_MAX)
            .with("limit_bytes", ATOMIC_BYTES_MAX));
        }
        Ok(batch)
    }

    fn take(&mut self, rows_max: u64, bytes_max: u64) -> Result<Vec<Document>, Problem> {
        if let Some(problem) = self.failed.take() {
            return Err(problem);
        }
        let mut batch = Vec::new();
        let (mut rows, mut bytes) = (0_u64, 0_u64);
        loop {
            let document = match self.held.take() {
                Some(document) => document,
                None => match self.source.next() {
                    Ok(Some(document)) => document,
                    Ok(None) => return Ok(batch),
                    Err(problem) if batch.is_empty() => return Err(problem),
                    Err(problem) => {
                        self.failed = Some(problem);
                        return Ok(batch);
                    }
                },
            };
            rows = rows.saturating_add(document.rows);
            bytes = bytes.saturating_add(document.bytes);
            if !batch.is_empty() && (rows > rows_max || bytes > bytes_max) {
                self.held = Some(document);
                return Ok(batch);
            }
            batch.push(document);
        }
    }
}

impl Source {
    fn next(&mut self) -> Result<Option<Document>, Problem> {
        match self {
            Self::Table(table) => table.next(),
            Self::Ndjson(lines) => lines.next(),
        }
    }
}

impl Ndjson {
    fn next(&mut self) -> Result<Option<Document>, Problem> {
        loop {
            let Some(line) = self.line()? else {
                return Ok(None);
            };
            let bytes = line.len() as u64;
            let body = if line.len() > ROW_BYTES_MAX {
                Err(too_long_row())
            } else if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            } else {
                json::parse(&line, self.depth).map_err(|why| {
                    Problem::new(
                        &problem::MALFORMED_JSON,
                        format!("The row is not acceptable JSON: {why}."),
                    )
                })
            };
            self.number += 1;
            return Ok(Some(Document {
                first: self.number,
                rows: 1,
                bytes,
                body,
            }));
        }
    }

    /// The next line; of one that is too long only so much that this shows.
    fn line(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        let most = ROW_BYTES_MAX as u64 + 1;
        let mut line = Vec::new();
        let read = self.file.by_ref().take(most).read_until(b'\n', &mut line);
        let read = read.and_then(|read| {
            if line.len() > ROW_BYTES_MAX && line.last() != Some(&b'\n') {
                self.file.skip_until(b'\n')?;
            }
            Ok(read)
        });
        match read {
            Ok(0) => Ok(None),
            Ok(_) => {
                if line.last() == Some(&b'\n') {
                    line.pop();
                }
                Ok(Some(line))
            }
            Err(error) => {
                tracing::error!(%error, "import.read");
                Err(internal(false))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use super::*;
    use crate::import::format::RowIds;

    static FORMAT: ImportFormat = ImportFormat {
        columns: &[],
        prices: false,
        lines: None,
        ids: RowIds::Document,
    };

    fn ndjson(text: &str) -> Batches {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.rewind().unwrap();
        Batches::open(file, Kind::Ndjson, &FORMAT, 32).unwrap()
    }

    fn sizes(mut batches: Batches) -> Vec<usize> {
        let mut sizes = Vec::new();
        loop {
            let batch = batches.next().unwrap();
            if batch.is_empty() {
                return sizes;
            }
            sizes.push(batch.len());
        }
    }

    #[test]
    fn a_batch_has_at_most_500_rows_and_a_megabyte() {
        assert_eq!(sizes(ndjson(&"{}\n".repeat(1001))), [500, 500, 1]);
        let wide = format!("{{\"a\":\"{}\"}}\n", "x".repeat(400_000));
        assert_eq!(sizes(ndjson(&wide.repeat(5))), [2, 2, 1]);
        assert_eq!(sizes(ndjson("")), [0; 0]);
    }

    #[test]
    fn lines_are_bodies_and_blank_ones_are_skipped() {
        let long = "x".repeat(2 * ROW_BYTES_MAX);
        let text = format!("{{\"a\":1}}\r\n\n  \n{{\"a\":1,\"a\":2}}\n\"{long}\"\n[]\n{{\"b\":2}}");
        let batch = ndjson(&text).all().unwrap();
        let seen: Vec<(u64, Result<String, &str>)> = batch
            .iter()
            .map(|document| {
                let body = document.body.as_ref();
                let body = body
                    .map(ToString::to_string)
                    .map_err(|problem| problem.kind().code);
                (document.first, body)
            })
            .collect();
        assert_eq!(
            seen,
            [
                (1, Ok("{\"a\":1}".into())),
                (2, Err("malformed_json")),
                (3, Err("body_too_large")),
                (4, Ok("[]".into())),
                (5, Ok("{\"b\":2}".into())),
            ]
        );
    }

    #[test]
    fn one_transaction_takes_500_rows() {
        assert_eq!(ndjson(&"{}\n".repeat(500)).all().unwrap().len(), 500);
        let refused = ndjson(&"{}\n".repeat(501)).all().unwrap_err();
        assert_eq!(refused.kind().code, "body_too_large");
        let wide = format!("{{\"a\":\"{}\"}}\n", "x".repeat(900_000));
        assert_eq!(ndjson(&wide.repeat(8)).all().unwrap().len(), 8);
        assert!(ndjson(&wide.repeat(10)).all().is_err());
    }
}
