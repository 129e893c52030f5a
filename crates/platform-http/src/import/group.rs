//! Rows → bodies: the rows of a run with equal reference are the lines of one.
//!
//! A row that cannot be read may belong to the body before or behind it. Both are refused then, since a body without
//! one of its lines is worse than none.

use serde_json::{Map, Value, json};

use super::{ROWS_MAX, format::Lines};
use crate::problem::{self, Problem};

/// One body, made of one or more rows in a run.
#[derive(Debug)]
pub(super) struct Document {
    /// Number of its first row, from 1.
    pub(super) first: u64,
    /// Rows that it is made of.
    pub(super) rows: u64,
    /// What it weighs.
    pub(super) bytes: u64,
    /// The body of the single POST, or what is wrong with a row.
    pub(super) body: Result<Value, Problem>,
}

/// One row.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) number: u64,
    pub(super) bytes: u64,
    pub(super) cells: Result<Cells, Problem>,
}

/// What a row says.
#[derive(Debug, Default)]
pub(super) struct Cells {
    pub(super) reference: Option<String>,
    pub(super) head: Map<String, Value>,
    pub(super) line: Map<String, Value>,
}

/// The rows of a run so far.
#[derive(Debug)]
struct Run {
    document: Document,
    reference: Option<String>,
    head: Map<String, Value>,
    lines: Vec<Value>,
}

/// Makes bodies of rows.
#[derive(Debug)]
pub(super) struct Grouping {
    lines: Option<Lines>,
    run: Option<Run>,
    /// The row before could not be read.
    after_broken: bool,
}

impl Grouping {
    pub(super) fn new(lines: Option<Lines>) -> Self {
        Self {
            lines,
            run: None,
            after_broken: false,
        }
    }

    /// Takes the next row; answers the bodies that are whole now.
    pub(super) fn push(&mut self, row: Row) -> Vec<Document> {
        let Some(lines) = self.lines else {
            let body = row.cells.map(|cells| Value::Object(cells.head));
            return vec![Document {
                first: row.number,
                rows: 1,
                bytes: row.bytes,
                body,
            }];
        };
        match row.cells {
            Ok(cells) => {
                let goes_on = self
                    .run
                    .as_mut()
                    .filter(|run| cells.reference.is_some() && run.reference == cells.reference);
                if let Some(run) = goes_on {
                    run.add(row.bytes, cells, lines);
                    return Vec::new();
                }
                let mut run = Run::begin(row.number, row.bytes, cells);
                if self.after_broken && run.reference.is_some() {
                    run.refuse(neighbour());
                }
                self.after_broken = false;
                let ended = self.run.replace(run);
                ended.map(|run| run.end(lines)).into_iter().collect()
            }
            Err(problem) => {
                self.after_broken = true;
                let mut documents = Vec::new();
                // Whatever its reference was: the run before it ends here, and the next one knows.
                if let Some(mut run) = self.run.take() {
                    if run.reference.is_some() {
                        run.refuse(neighbour());
                    }
                    documents.push(run.end(lines));
                }
                documents.push(Document {
                    first: row.number,
                    rows: 1,
                    bytes: row.bytes,
                    body: Err(problem),
                });
                documents
            }
        }
    }

    /// The last body, after the last row.
    pub(super) fn end(&mut self) -> Option<Document> {
        let lines = self.lines?;
        self.run.take().map(|run| run.end(lines))
    }
}

impl Run {
    fn begin(number: u64, bytes: u64, cells: Cells) -> Self {
        Self {
            document: Document {
                first: number,
                rows: 1,
                bytes,
                body: Ok(Value::Null),
            },
            reference: cells.reference,
            head: cells.head,
            lines: vec![Value::Object(cells.line)],
        }
    }

    fn add(&mut self, bytes: u64, cells: Cells, lines: Lines) {
        self.document.rows += 1;
        self.document.bytes = self.document.bytes.saturating_add(bytes);
        if self.document.rows > ROWS_MAX {
            self.refuse(too_long(lines));
        }
        // A later row may leave a member of the whole out; it may not contradict the first.
        let differing = cells.head.iter();
        let differing: Vec<&String> = differing
            .filter(|(name, value)| self.head.get(*name) != Some(*value))
            .map(|(name, _)| name)
            .collect();
        if !differing.is_empty() {
            let problem = differs(lines, &differing);
            self.refuse(problem);
        }
        if self.document.body.is_ok() {
            self.lines.push(Value::Object(cells.line));
        }
    }

    /// The first thing that is wrong is told.
    fn refuse(&mut self, problem: Problem) {
        if self.document.body.is_ok() {
            self.document.body = Err(problem);
            self.lines = Vec::new();
        }
    }

    fn end(self, lines: Lines) -> Document {
        let Self {
            mut document,
            mut head,
            lines: values,
            ..
        } = self;
        if document.body.is_ok() {
            head.insert(lines.member.to_owned(), Value::Array(values));
            document.body = Ok(Value::Object(head));
        }
        document
    }
}

fn neighbour() -> Problem {
    Problem::new(
        &problem::MALFORMED_CSV,
        "A row beside it cannot be read and may belong to it; nothing of it was written.",
    )
}

fn too_long(lines: Lines) -> Problem {
    let detail = format!("More than {ROWS_MAX} rows have one {}.", lines.by);
    Problem::new(&problem::VALIDATION_FAILED, detail).with(
        "errors",
        json!([{
            "pointer": format!("/{}", lines.member), "code": "length",
            "detail": format!("must have at most {ROWS_MAX} elements"),
        }]),
    )
}

fn differs(lines: Lines, names: &[&String]) -> Problem {
    let errors: Vec<Value> = names
        .iter()
        .map(|name| {
            json!({
                "pointer": format!("/{name}"), "code": "differs",
                "detail": format!("must be the same in all rows of one {}", lines.by),
            })
        })
        .collect();
    Problem::new(
        &problem::VALIDATION_FAILED,
        format!("The rows of one {} contradict each other.", lines.by),
    )
    .with("errors", errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: Lines = Lines {
        member: "lines",
        by: "reference",
    };

    fn row(number: u64, reference: &str, location: &str, item: &str) -> Row {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let mut cells = Cells {
            reference: text(reference),
            ..Cells::default()
        };
        for (name, value) in [("reference", reference), ("location", location)] {
            if let Some(value) = text(value) {
                cells.head.insert(name.into(), value.into());
            }
        }
        cells.line.insert("item".into(), item.into());
        Row {
            number,
            bytes: 10,
            cells: Ok(cells),
        }
    }

    fn broken(number: u64) -> Row {
        Row {
            number,
            bytes: 10,
            cells: Err(Problem::new(&problem::MALFORMED_CSV, "no")),
        }
    }

    /// First row, rows, and the body or the code.
    fn group(rows: Vec<Row>) -> Vec<(u64, u64, Value)> {
        let mut grouping = Grouping::new(Some(LINES));
        let mut documents: Vec<Document> = Vec::new();
        for row in rows {
            documents.extend(grouping.push(row));
        }
        documents.extend(grouping.end());
        documents
            .into_iter()
            .map(|d| {
                let body = d.body.unwrap_or_else(|problem| problem.kind().code.into());
                (d.first, d.rows, body)
            })
            .collect()
    }

    #[test]
    fn rows_of_a_run_with_equal_reference_are_one_body() {
        let groups = group(vec![
            row(1, "A", "ber-main", "x"),
            row(2, "A", "", "y"),
            row(3, "B", "ber-main", "x"),
            row(4, "", "ber-main", "x"),
            row(5, "", "ber-main", "y"),
            row(6, "A", "ber-main", "z"),
        ]);
        let spans: Vec<(u64, u64)> = groups
            .iter()
            .map(|(first, rows, _)| (*first, *rows))
            .collect();
        assert_eq!(spans, [(1, 2), (3, 1), (4, 1), (5, 1), (6, 1)]);
        assert_eq!(
            groups[0].2,
            json!({"reference": "A", "location": "ber-main", "lines": [{"item": "x"}, {"item": "y"}]})
        );
        assert_eq!(
            groups[2].2,
            json!({"location": "ber-main", "lines": [{"item": "x"}]})
        );
    }

    #[test]
    fn rows_that_contradict_each_other_are_refused_together() {
        let groups = group(vec![
            row(1, "A", "ber-main", "x"),
            row(2, "A", "nyc-main", "y"),
        ]);
        assert_eq!(groups, [(1, 2, json!("validation_failed"))]);
        // A member that only a later row has is one that the first row contradicts.
        let groups = group(vec![row(1, "A", "", "x"), row(2, "A", "nyc-main", "y")]);
        assert_eq!(groups, [(1, 2, json!("validation_failed"))]);
    }

    #[test]
    fn a_row_that_cannot_be_read_refuses_the_bodies_beside_it() {
        let groups = group(vec![
            row(1, "A", "ber-main", "x"),
            broken(2),
            row(3, "A", "ber-main", "z"),
            row(4, "B", "ber-main", "x"),
            broken(5),
            row(6, "", "ber-main", "x"),
        ]);
        let codes: Vec<&Value> = groups.iter().map(|(_, _, body)| body).collect();
        let no = json!("malformed_csv");
        assert_eq!(codes[..5], [&no, &no, &no, &no, &no]);
        assert!(
            codes[5].is_object(),
            "a row without reference stands alone: {groups:?}"
        );
    }

    #[test]
    fn a_run_without_end_is_refused_and_not_kept() {
        let mut grouping = Grouping::new(Some(LINES));
        for number in 1..=10_000 {
            assert!(grouping.push(row(number, "A", "ber-main", "x")).is_empty());
        }
        assert!(grouping.run.as_ref().unwrap().lines.is_empty());
        let document = grouping.end().unwrap();
        assert_eq!(document.rows, 10_000);
        assert_eq!(document.body.unwrap_err().kind().code, "validation_failed");
    }
}
