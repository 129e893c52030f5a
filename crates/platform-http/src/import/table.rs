//! Reads a CSV file (RFC 4180) row by row, with bounded memory.

use std::{
    collections::VecDeque,
    io::{self, Read},
};

use csv::ByteRecord;
use kernel::CurrencyCode;
use serde_json::{Value, json};

use super::{
    ROW_BYTES_MAX,
    format::{Column, ImportFormat},
    group::{Cells, Document, Grouping, Row},
    too_long_row,
};
use crate::{
    csv::unescape,
    error::internal,
    problem::{self, Problem},
    suggest::suggest,
};

const PRICE: &str = "price_";
/// A record of its own behind the file's last one. If it is swallowed, a quote was never closed.
const END: &[u8] = b"\n\0end\0\n";
/// [`END`] as a record's only cell.
const END_CELL: &[u8] = b"\0end\0";

/// A CSV file, its header read.
pub(super) struct Table {
    rows: Rows,
    columns: Vec<Place>,
    by: Option<usize>,
    format: &'static ImportFormat,
    grouping: Grouping,
    ready: VecDeque<Document>,
    number: u64,
    ended: bool,
}

/// What the cells of one column are for.
#[derive(Debug, Clone)]
enum Place {
    Member(Column),
    Price(CurrencyCode),
    /// It only groups rows.
    Group,
}

impl Table {
    /// Reads the header.
    ///
    /// # Errors
    /// `malformed_csv` without a header, `validation_failed` for missing, unknown and repeated columns.
    pub(super) fn open(
        file: impl Read + Send + 'static,
        format: &'static ImportFormat,
    ) -> Result<Self, Problem> {
        let mut rows = Rows::new(Box::new(file));
        let header = rows.next()?.ok_or_else(no_header)?;
        if header.unclosed {
            return Err(no_header());
        }
        let names: Vec<&str> = header
            .cells
            .iter()
            .map(|name| std::str::from_utf8(name).unwrap_or(""))
            .collect();
        let columns = places(&names, format)?;
        let by = format
            .lines
            .and_then(|lines| names.iter().position(|name| *name == lines.by));
        Ok(Self {
            rows,
            columns,
            by,
            grouping: Grouping::new(format.lines),
            format,
            ready: VecDeque::new(),
            number: 0,
            ended: false,
        })
    }

    /// The next body.
    ///
    /// # Errors
    /// What nothing can be read behind.
    pub(super) fn next(&mut self) -> Result<Option<Document>, Problem> {
        loop {
            if let Some(document) = self.ready.pop_front() {
                return Ok(Some(document));
            }
            if self.ended {
                return Ok(None);
            }
            match self.rows.next()? {
                Some(record) => {
                    self.number += 1;
                    let row = Row {
                        number: self.number,
                        bytes: record.bytes,
                        cells: self.cells(&record),
                    };
                    self.ready.extend(self.grouping.push(row));
                }
                None => {
                    self.ended = true;
                    self.ready.extend(self.grouping.end());
                }
            }
        }
    }

    fn cells(&self, record: &Record) -> Result<Cells, Problem> {
        let malformed = |detail: String| Problem::new(&problem::MALFORMED_CSV, detail);
        if record.unclosed {
            return Err(malformed("A quote is opened and never closed.".into()));
        }
        if record.cells.len() != self.columns.len() {
            return Err(malformed(format!(
                "The row has {} cells, the header {}.",
                record.cells.len(),
                self.columns.len()
            )));
        }
        let mut cells = Cells::default();
        let mut prices = Vec::new();
        for (index, (bytes, place)) in record.cells.iter().zip(&self.columns).enumerate() {
            // The upload was found to be UTF-8, and no cell is cut inside a character.
            let cell =
                std::str::from_utf8(bytes).map_err(|_| malformed("A cell is not UTF-8.".into()))?;
            if cell.is_empty() {
                continue;
            }
            if self.by == Some(index) {
                cells.reference = Some(unescape(cell).to_owned());
            }
            match place {
                Place::Group => {}
                Place::Price(currency) => {
                    prices.push(json!({"currency": currency, "amount_minor": integer(cell)}));
                }
                Place::Member(column) => {
                    let value = if column.integer {
                        integer(cell)
                    } else {
                        unescape(cell).into()
                    };
                    let object = if column.of_line {
                        &mut cells.line
                    } else {
                        &mut cells.head
                    };
                    object.insert(column.name.to_owned(), value);
                }
            }
        }
        if self.format.prices && !prices.is_empty() {
            cells.head.insert("prices".into(), prices.into());
        }
        Ok(cells)
    }
}

fn no_header() -> Problem {
    Problem::new(
        &problem::MALFORMED_CSV,
        "The first row must name the columns.",
    )
}

/// The JSON integer that the cell spells; anything else as a text, which the member's own rule then refuses.
fn integer(cell: &str) -> Value {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = if plain {
        serde_json::from_str(cell).ok()
    } else {
        None
    };
    number.unwrap_or_else(|| cell.into())
}

/// The meaning of each column.
fn places(names: &[&str], format: &ImportFormat) -> Result<Vec<Place>, Problem> {
    let by = format.lines.map(|lines| lines.by);
    let mut known: Vec<&str> = format.columns.iter().map(|column| column.name).collect();
    known.extend(by);
    let mut errors = Vec::new();
    let mut error = |name: &str, code: &str, detail: String| {
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        errors.push(json!({"pointer": pointer, "code": code, "detail": detail}));
    };
    let mut places = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        if names.iter().take(index).any(|other| other == name) {
            error(name, "duplicate", "is a column twice".into());
            continue;
        }
        let column = format.columns.iter().find(|column| column.name == *name);
        let currency = name.strip_prefix(PRICE).filter(|_| format.prices);
        match (column, currency.map(str::parse::<CurrencyCode>)) {
            (Some(column), _) => places.push(Place::Member(*column)),
            (None, Some(Ok(currency))) => places.push(Place::Price(currency)),
            (None, Some(Err(why))) => error(name, "format", format!("names a currency that {why}")),
            (None, None) if by == Some(*name) => places.push(Place::Group),
            (None, None) => {
                let mut detail = "is not a column of this import".to_owned();
                if name.contains([';', '\t']) {
                    detail += "; separate columns by commas";
                } else if let Some(near) = suggest(name, known.iter().copied()) {
                    detail += &format!("; did you mean {near}?");
                }
                error(name, "unknown_column", detail);
            }
        }
    }
    for column in format.columns.iter().filter(|column| column.required) {
        if !names.contains(&column.name) {
            error(column.name, "required", "is required as a column".into());
        }
    }
    if errors.is_empty() {
        return Ok(places);
    }
    Err(Problem::new(
        &problem::VALIDATION_FAILED,
        "The header does not name the columns of this import.",
    )
    .with("errors", errors))
}

/// One record.
struct Record {
    cells: ByteRecord,
    bytes: u64,
    /// The file ended inside its quotes.
    unclosed: bool,
}

/// The records of a file, each within bounds.
struct Rows {
    reader: csv::Reader<Bounded>,
    held: Option<Record>,
    failed: Option<Problem>,
    ended: bool,
}

impl Rows {
    fn new(file: Box<dyn Read + Send>) -> Self {
        let bounded = Bounded {
            inner: file.chain(END),
            left: ROW_BYTES_MAX,
        };
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(64 << 10)
            .from_reader(bounded);
        Self {
            reader,
            held: None,
            failed: None,
            ended: false,
        }
    }

    fn next(&mut self) -> Result<Option<Record>, Problem> {
        if let Some(problem) = self.failed.take() {
            return Err(problem);
        }
        if self.held.is_none() {
            self.held = self.read()?;
        }
        // Which record is the last one shows only behind it.
        let next = match self.read() {
            Ok(next) => next,
            Err(problem) => {
                self.failed = Some(problem);
                return Ok(self.held.take());
            }
        };
        let record = std::mem::replace(&mut self.held, next);
        Ok(match (record, &self.held) {
            (Some(mut record), None) => {
                let end = record.cells.len() == 1 && record.cells.get(0) == Some(END_CELL);
                record.unclosed = true;
                (!end).then_some(record)
            }
            (record, _) => record,
        })
    }

    fn read(&mut self) -> Result<Option<Record>, Problem> {
        if self.ended {
            return Ok(None);
        }
        self.reader.get_mut().left = ROW_BYTES_MAX;
        let start = self.reader.position().byte();
        let mut cells = ByteRecord::new();
        match self.reader.read_byte_record(&mut cells) {
            Ok(true) => {
                let bytes = self.reader.position().byte().saturating_sub(start);
                Ok(Some(Record {
                    cells,
                    bytes,
                    unclosed: false,
                }))
            }
            Ok(false) => {
                self.ended = true;
                Ok(None)
            }
            Err(error) => {
                self.ended = true;
                Err(fault(&error))
            }
        }
    }
}

fn fault(error: &csv::Error) -> Problem {
    if let csv::ErrorKind::Io(error) = error.kind()
        && error.kind() == io::ErrorKind::FileTooLarge
    {
        return too_long_row();
    }
    tracing::error!(%error, "import.read");
    internal(false)
}

/// A reader that gives so many bytes until more are allowed.
struct Bounded {
    inner: io::Chain<Box<dyn Read + Send>, &'static [u8]>,
    left: usize,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let most = buffer.len().min(self.left);
        let read = self.inner.read(&mut buffer[..most])?;
        self.left -= read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
