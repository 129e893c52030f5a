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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::import::format::{Lines, RowIds};

    static ITEMS: ImportFormat = ImportFormat {
        columns: &[
            Column::text("sku").required(),
            Column::text("name").required(),
            Column::text("barcode"),
        ],
        prices: true,
        lines: None,
        ids: RowIds::Document,
    };

    static RECEIPTS: ImportFormat = ImportFormat {
        columns: &[
            Column::text("location").required(),
            Column::text("item").required().of_line(),
            Column::integer("quantity").required().of_line(),
        ],
        prices: false,
        lines: Some(Lines {
            member: "lines",
            by: "reference",
        }),
        ids: RowIds::EachRow,
    };

    fn read(
        text: &str,
        format: &'static ImportFormat,
    ) -> Result<Vec<Result<Value, String>>, Problem> {
        let mut table = Table::open(io::Cursor::new(text.to_owned()), format)?;
        let mut bodies = Vec::new();
        while let Some(document) = table.next()? {
            bodies.push(
                document
                    .body
                    .map_err(|problem| problem.kind().code.to_owned()),
            );
        }
        Ok(bodies)
    }

    fn codes(text: &str) -> Vec<String> {
        let problem = read(text, &ITEMS).unwrap_err();
        let errors = problem.0.members.get("errors").cloned().unwrap_or_default();
        let errors = errors.as_array().cloned().unwrap_or_default();
        errors
            .iter()
            .map(|error| {
                format!(
                    "{} {}",
                    error["pointer"].as_str().unwrap(),
                    error["code"].as_str().unwrap()
                )
            })
            .collect()
    }

    #[test]
    fn columns_are_members_and_empty_cells_are_absent() {
        let text = "name,sku,price_EUR,barcode,price_JPY\r\n\"Lamp, \"\"big\"\"\",'=L-7,100,,\r\nDesk,D,,'it,x5";
        let bodies = read(text, &ITEMS).unwrap();
        assert_eq!(
            bodies,
            [
                Ok(
                    json!({"name": "Lamp, \"big\"", "sku": "=L-7", "prices": [{"currency": "EUR", "amount_minor": 100}]})
                ),
                Ok(
                    json!({"name": "Desk", "sku": "D", "barcode": "'it", "prices": [{"currency": "JPY", "amount_minor": "x5"}]})
                ),
            ]
        );
    }

    #[test]
    fn integers_are_json_integers_and_nothing_else() {
        for good in [
            "0",
            "-5",
            "9007199254740992",
            "123456789012345678901234567890",
        ] {
            assert!(integer(good).is_number(), "{good}");
        }
        for bad in [
            "", "-", "1.0", "1e3", "+1", "007", " 1", "1 ", "0x1", "١", "NaN", "null",
        ] {
            assert!(integer(bad).is_string(), "{bad}");
        }
    }

    #[test]
    fn every_fault_of_a_header_is_named() {
        assert_eq!(
            codes("sku,nam,price_EURO,sku,price_XYZ\n"),
            [
                "/nam unknown_column",
                "/price_EURO format",
                "/sku duplicate",
                "/price_XYZ format",
                "/name required"
            ]
        );
        assert_eq!(
            codes("sku;name\n"),
            [
                "/sku;name unknown_column",
                "/sku required",
                "/name required"
            ]
        );
        for none in ["", "\n\n", "\"sku,name\nx"] {
            assert_eq!(
                read(none, &ITEMS).unwrap_err().kind().code,
                "malformed_csv",
                "{none:?}"
            );
        }
        assert_eq!(read("sku,name", &ITEMS).unwrap(), []);
    }

    #[test]
    fn a_row_of_another_length_and_an_open_quote_are_that_rows_errors() {
        let bodies = read("sku,name\nA\nB,b\nC,c,c\n\nD,\"d", &ITEMS).unwrap();
        let ok: Vec<bool> = bodies.iter().map(Result::is_ok).collect();
        assert_eq!(ok, [false, true, false, false]);
        assert!(
            bodies
                .iter()
                .flat_map(|body| body.as_ref().err())
                .all(|code| code == "malformed_csv")
        );
        // What the end is marked with is a text like any other in the file.
        assert_eq!(
            read("sku,name\nA,\"\0end\0\"\n\0end\0\n", &ITEMS)
                .unwrap()
                .len(),
            2
        );
    }

    #[test]
    fn a_row_without_end_is_not_kept_in_memory() {
        let long = format!("sku,name\nA,a\nB,\"{}", "x".repeat(3 * ROW_BYTES_MAX));
        let mut table = Table::open(io::Cursor::new(long), &ITEMS).unwrap();
        let mut read = 0;
        let problem = loop {
            match table.next() {
                Ok(Some(_)) => read += 1,
                Ok(None) => panic!("it has no end"),
                Err(problem) => break problem,
            }
        };
        assert_eq!(read, 1, "what stands before it is read");
        assert_eq!(problem.kind().code, "body_too_large");
        assert!(table.next().unwrap().is_none());
    }

    #[test]
    fn rows_are_grouped_by_a_column_that_is_no_member() {
        let text = "reference,location,item,quantity\nA,ber-main,x,1\nA,,y,2\n,ber-main,z,3\n";
        assert_eq!(
            read(text, &RECEIPTS).unwrap(),
            [
                Ok(
                    json!({"location": "ber-main", "lines": [{"item": "x", "quantity": 1}, {"item": "y", "quantity": 2}]})
                ),
                Ok(json!({"location": "ber-main", "lines": [{"item": "z", "quantity": 3}]})),
            ]
        );
        let text = "location,item,quantity\nber-main,x,1\nber-main,y,2\n";
        assert_eq!(
            read(text, &RECEIPTS).unwrap().len(),
            2,
            "without the column every row stands alone"
        );
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "[a,\"\n\r' \0=]{0,40}") {
            let _ = read(&format!("sku,name\n{text}"), &ITEMS);
            let _ = read(&text, &RECEIPTS);
        }

        /// What is written as CSV is read as it was.
        #[test]
        fn what_is_written_is_read(rows in prop::collection::vec(("[^\0]{1,12}", "[^\0]{1,12}"), 0..6)) {
            let mut table = crate::csv::Table::new(&["sku", "name"]);
            for (sku, name) in &rows {
                table.row(&[sku.into(), name.into()]);
            }
            let text = String::from_utf8(table.into_bytes()).unwrap();
            let expected: Vec<_> = rows.iter().map(|(sku, name)| Ok(json!({"sku": sku, "name": name}))).collect();
            prop_assert_eq!(read(&text, &ITEMS).unwrap(), expected);
        }
    }
}
