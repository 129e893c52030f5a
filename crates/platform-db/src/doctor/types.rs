//! Whether every type of our columns goes to the database and comes back unchanged, as a parameter of a prepared
//! statement. Nothing is stored: the statement gives back what it was given.

use std::error::Error;

use kernel::Timestamp;
use serde_json::{Value, json};
use tokio_postgres::types::{FromSql, ToSql};
use uuid::Uuid;

use super::{
    Exam, Finding,
    exam::{For, Line},
    some_of,
};
use crate::DbError;

/// Whether each of them comes back.
pub(super) async fn round_trip(exam: &Exam) -> Result<Finding, DbError> {
    exam.on(For::Reading, async |line| {
        let now = exam.patient.clock.now();
        let mut lost = Vec::new();
        let mut note = |name: &str, back: Result<(), String>| {
            lost.extend(back.err().map(|why| format!("{name} {why}")));
        };
        note("TEXT", back(line, "TEXT", "ä 東京 'x'".to_owned()).await);
        note("INT8", back(line, "INT8", i64::MIN).await);
        note("BOOL", back(line, "BOOL", true).await);
        note("FLOAT8", back(line, "FLOAT8", 52.52_f64).await);
        note("BYTEA", back(line, "BYTEA", vec![0_u8, 255]).await);
        note(
            "JSONB",
            back::<Value>(line, "JSONB", json!({"a": [1, null, "ä"]})).await,
        );
        note("UUID", back(line, "UUID", Uuid::from_u128(7)).await);
        note(
            "TIMESTAMPTZ",
            back::<Timestamp>(line, "TIMESTAMPTZ", now).await,
        );
        note(
            "TEXT[]",
            back(line, "TEXT[]", vec![String::new(), "{,}".to_owned()]).await,
        );
        note("INT8[]", back(line, "INT8[]", vec![i64::MAX, 0]).await);
        note(
            "UUID[]",
            back(line, "UUID[]", vec![Uuid::from_u128(7)]).await,
        );
        note("DATE", text_back(line, "DATE", "2024-02-29").await);
        note(
            "NUMERIC",
            text_back(line, "NUMERIC", "170141183460469231731687303715884105727").await,
        );
        Ok(judge(&lost))
    })
    .await
}

fn judge(lost: &[String]) -> Finding {
    if lost.is_empty() {
        Finding::pass("every type comes back as it was sent")
    } else {
        Finding::fail(some_of(lost))
    }
}

async fn back<T>(line: &Line, name: &str, value: T) -> Result<(), String>
where
    T: PartialEq + ToSql + Sync + for<'a> FromSql<'a>,
{
    let sql = format!("SELECT $1::{name}");
    let row = line.client.query_one(&sql, &[&value]).await;
    let found = row.and_then(|row| row.try_get::<_, T>(0));
    same(
        found
            .map_err(|error| told(&error))
            .map(|found| found == value),
    )
}

/// Those that the services send and read as text.
async fn text_back(line: &Line, name: &str, value: &str) -> Result<(), String> {
    let sql = format!("SELECT $1::TEXT::{name}::TEXT");
    let row = line.client.query_one(&sql, &[&value]).await;
    let found = row.and_then(|row| row.try_get::<_, String>(0));
    same(
        found
            .map_err(|error| told(&error))
            .map(|found| found == value),
    )
}

fn same(found: Result<bool, String>) -> Result<(), String> {
    match found {
        Ok(true) => Ok(()),
        Ok(false) => Err("comes back as something else".into()),
        Err(error) => Err(error),
    }
}

fn told(error: &tokio_postgres::Error) -> String {
    let cause = error
        .source()
        .map_or_else(String::new, |cause| format!(": {cause}"));
    format!("{error}{cause}")
}
