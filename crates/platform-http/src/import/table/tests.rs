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

fn read(text: &str, format: &'static ImportFormat) -> Result<Vec<Result<Value, String>>, Problem> {
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
