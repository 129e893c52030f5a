//! What an answer to a write says of itself, and whether it may.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::Answer;

use super::scenarios::Kind;

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Says {
    /// 2xx: it is done.
    Done,
    /// 503 `contention`, `effect: none`.
    Contention,
    /// 503 `region_unavailable`, `effect: none`.
    Unavailable,
    /// 504 `deadline_exceeded`, `effect: none`.
    Late,
    /// 503 `outcome_unknown`, `effect: unknown`, with a receipt.
    Unknown,
    /// 500 `internal`, `effect: none`: a mistake of ours, and honest.
    Bug,
}

impl Says {
    /// Reads an answer to a write; one that is not as the contract has it fails here.
    pub(super) fn of(kind: Kind, answer: &Answer) -> Self {
        if kind == Kind::Import && answer.status == 200 {
            return Self::of_lines(answer);
        }
        if answer.status.is_success() {
            return Self::Done;
        }
        assert_eq!(
            answer.header("content-type"),
            "application/problem+json",
            "{}",
            answer.text
        );
        for member in ["type", "title", "detail", "instance", "code", "request_id"] {
            assert!(answer.body[member].is_string(), "{member}: {}", answer.text);
        }
        assert_eq!(
            answer.body["status"],
            answer.status.as_u16(),
            "{}",
            answer.text
        );
        assert_eq!(answer.body["region"], "eu1", "{}", answer.text);
        if answer.status == 503 {
            assert_ne!(answer.header("retry-after"), "", "{}", answer.text);
        }
        let says = Self::of_problem(answer.status.as_u16(), &answer.body);
        assert_eq!(
            answer.body["retryable"],
            says != Self::Bug,
            "{}",
            answer.text
        );
        let effect = if says == Self::Unknown {
            "unknown"
        } else {
            "none"
        };
        assert_eq!(answer.body["effect"], effect, "{}", answer.text);
        let receipt = answer.body["receipt"].is_string();
        assert_eq!(receipt, says == Self::Unknown, "{}", answer.text);
        says
    }

    fn of_problem(status: u16, problem: &Value) -> Self {
        match (status, problem["code"].as_str().unwrap_or_default()) {
            (503, "contention") => Self::Contention,
            (503, "region_unavailable") => Self::Unavailable,
            (504, "deadline_exceeded") => Self::Late,
            (503, "outcome_unknown") => Self::Unknown,
            (500, "internal") => Self::Bug,
            _ => panic!("{problem}"),
        }
    }

    /// An import answers row by row; a last line without a row says why the rest was not done.
    fn of_lines(answer: &Answer) -> Self {
        let lines = answer.lines();
        let says = match lines.iter().find(|line| line["row"].is_null()) {
            Some(last) => Self::of_problem(
                u16::try_from(last["status"].as_u64().unwrap()).unwrap(),
                last,
            ),
            None => Self::Done,
        };
        for row in lines.iter().filter(|line| !line["row"].is_null()) {
            assert_eq!(row["status"], 201, "{}", answer.text);
        }
        says
    }
}

/// How many resources an import says that it made.
pub(super) fn done(answer: &Answer) -> i64 {
    let rows = answer.lines();
    let ids = rows
        .iter()
        .filter_map(|row| row["id"].as_str().map(str::to_owned));
    let ids: BTreeSet<String> = ids.collect();
    i64::try_from(ids.len()).unwrap()
}

/// What an answer shows, whatever its ids and times, and whatever stands in for these names.
pub(super) fn shown(names: &[String], answer: &Answer) -> Value {
    let lines: Vec<Value> = match serde_json::from_str::<Value>(&answer.text) {
        Ok(one) => vec![one],
        Err(_) if answer.text.is_empty() => Vec::new(),
        Err(_) => answer.lines(),
    };
    let mut all = json!({
        "status": answer.status.as_u16(), "location": answer.header("location"), "etag": answer.header("etag"),
        "lines": lines,
    });
    mask(&mut all, names);
    all
}

fn mask(value: &mut Value, names: &[String]) {
    match value {
        Value::String(text) => *text = masked(text, names),
        Value::Array(values) => values.iter_mut().for_each(|value| mask(value, names)),
        // A receipt names the region that served; whoever repeats a write may have been served by another. How regions
        // are is asked of them, not of the database.
        Value::Object(members) => {
            members
                .iter_mut()
                .for_each(|(name, value)| match name.as_str() {
                    "region" | "region_status" => *value = Value::Null,
                    _ => mask(value, names),
                })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn masked(text: &str, names: &[String]) -> String {
    let mut text = text.to_owned();
    for name in names {
        text = text.replace(name, "name");
    }
    if is_time(&text) {
        return "time".to_owned();
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split_inclusive(|c| !is_word(c));
    words
        .map(|word| {
            let id = word.trim_end_matches(|c| !is_word(c));
            if is_id(id) {
                word.replace(id, &id[..3])
            } else {
                word.to_owned()
            }
        })
        .collect()
}

/// `ord_eu1_` and 26 characters.
fn is_id(word: &str) -> bool {
    let parts: Vec<&str> = word.split('_').collect();
    matches!(parts.as_slice(), [kind, _, bits] if kind.len() == 3 && bits.len() == 26)
}

/// A day or a moment.
fn is_time(text: &str) -> bool {
    let pattern = text.get(..10).unwrap_or_default();
    let day = pattern.char_indices().all(|(at, c)| match at {
        4 | 7 => c == '-',
        _ => c.is_ascii_digit(),
    });
    day && (text.len() == 10 || (text.len() == 24 && text.ends_with('Z')))
}
