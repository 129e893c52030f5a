//! Tables as CSV (RFC 4180): what answers, and what an import has to undo.
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`, tab or CR for a formula, and runs it. Text that
//! begins so is written with a leading apostrophe; numbers are not touched, since `-5` is one. Text that already has
//! apostrophes before such a character gets one more, so that every text comes back as it was.

use http::HeaderValue;

/// `Content-Type` of a table: the first line names the columns.
pub const CONTENT_TYPE: HeaderValue =
    HeaderValue::from_static("text/csv; charset=utf-8; header=present");

/// One cell of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// Text, of anyone's making.
    Text(&'a str),
    /// A number, as a number.
    Number(i64),
    /// Null.
    Empty,
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Cell<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl<'a, T: Into<Cell<'a>>> From<Option<T>> for Cell<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

/// A table on its way out: a header line, then rows, each ended by CR LF.
#[derive(Debug, Clone, Default)]
pub struct Table {
    text: String,
}

impl Table {
    /// A table with its header line.
    #[must_use]
    pub fn new(columns: &[&str]) -> Self {
        let mut table = Self::default();
        let cells: Vec<Cell<'_>> = columns.iter().map(|name| Cell::Text(name)).collect();
        table.row(&cells);
        table
    }

    /// A table without a header line, for what is written after one.
    #[must_use]
    pub fn headless() -> Self {
        Self::default()
    }

    /// Adds a row.
    pub fn row(&mut self, cells: &[Cell<'_>]) {
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            match cell {
                Cell::Empty => {}
                Cell::Number(number) => self.text += &number.to_string(),
                Cell::Text(text) => self.write_text(text),
            }
        }
        self.text += "\r\n";
    }

    /// The table as it is sent.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    fn write_text(&mut self, text: &str) {
        // Text of no characters is quoted, so that it differs from null.
        let quoted = text.is_empty() || text.contains(['"', ',', '\r', '\n']);
        if quoted {
            self.text.push('"');
        }
        if is_formula(text) {
            self.text.push('\'');
        }
        for character in text.chars() {
            if character == '"' {
                self.text.push('"');
            }
            self.text.push(character);
        }
        if quoted {
            self.text.push('"');
        }
    }
}

/// The text that a cell stands for.
#[must_use]
pub fn unescape(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if is_formula(text) => text,
        _ => cell,
    }
}

/// Whether a spreadsheet would take the text for a formula once its apostrophes are gone.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'')
        .starts_with(['=', '+', '-', '@', '\t', '\r'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(cells: &[Cell<'_>]) -> String {
        let mut table = Table::headless();
        table.row(cells);
        String::from_utf8(table.into_bytes()).unwrap()
    }

    /// A reader of RFC 4180, as small as can be.
    fn read(text: &str) -> Vec<Vec<String>> {
        let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
        let (mut quoted, mut rest) = (false, text.chars().peekable());
        while let Some(character) = rest.next() {
            match (quoted, character) {
                (true, '"') if rest.peek() == Some(&'"') => cell.extend(rest.next()),
                (_, '"') => quoted = !quoted,
                (false, ',') => row.push(std::mem::take(&mut cell)),
                (false, '\r') => {
                    assert_eq!(rest.next(), Some('\n'));
                    row.push(std::mem::take(&mut cell));
                    rows.push(std::mem::take(&mut row));
                }
                (_, other) => cell.push(other),
            }
        }
        assert!(!quoted && cell.is_empty() && row.is_empty(), "{text:?}");
        rows
    }

    #[test]
    fn a_formula_is_text_again_and_a_number_stays_one() {
        for (text, written) in [
            ("=1+1", "'=1+1"),
            ("+49 30", "'+49 30"),
            ("-5", "'-5"),
            ("@sum", "'@sum"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("a=b", "a=b"),
            ("'=x", "''=x"),
            ("it's", "it's"),
            ("", "\"\""),
            ("a,b", "\"a,b\""),
            ("say \"a\"", "\"say \"\"a\"\"\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(line(&[Cell::Text(text)]), format!("{written}\r\n"));
        }
        let cells = [
            Cell::Number(-5),
            Cell::Empty,
            Cell::from(Some("x")),
            Cell::from(None::<i64>),
        ];
        assert_eq!(line(&cells), "-5,,x,\r\n");
    }

    #[test]
    fn columns_are_the_first_line() {
        let mut table = Table::new(&["office", "value_minor"]);
        table.row(&["ber".into(), 7.into()]);
        assert_eq!(
            table.into_bytes(),
            b"office,value_minor\r\nber,7\r\n".to_vec()
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(texts in prop::collection::vec("[=+@'\",;\r\n\ta-]{0,8}", 1..5)) {
            let cells: Vec<Cell<'_>> = texts.iter().map(|text| Cell::Text(text)).collect();
            let text = line(&cells);
            let rows = read(&text);
            prop_assert_eq!(rows.len(), 1);
            for (read, text) in rows[0].iter().zip(&texts) {
                prop_assert!(!read.starts_with(['=', '+', '-', '@', '\t', '\r']), "{}", read);
                prop_assert_eq!(unescape(read), text);
            }
            prop_assert_eq!(rows[0].len(), texts.len());
        }
    }
}
