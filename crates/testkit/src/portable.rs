//! What one engine takes and the other refuses, or understands otherwise: what can be told from a statement's text and
//! from the types of what it answers.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::{Statement, types::Type};

/// Not there, or with other answers, on CockroachDB. Regular expressions and similarities are there, but slow.
const ABSENT: &[&str] = &[
    " COLLATE ",
    " AT TIME ZONE ",
    "to_char(",
    "to_date(",
    "date_part(",
    "extract(",
    "hashtext(",
    "similarity(",
    "FOR SHARE",
    "FOR KEY SHARE",
    "NULLS NOT DISTINCT",
    "LOCK TABLE",
    "::INT ",
    "::INTEGER",
    " ~ ",
    "crdb_internal",
];

/// Columns that may be null, by table with its schema.
pub(crate) type Nullable = BTreeMap<String, BTreeSet<String>>;

/// What is wrong with a statement.
pub(crate) fn faults(sql: &str, nullable: &Nullable) -> Vec<String> {
    let mut faults: Vec<String> = ABSENT
        .iter()
        .filter(|word| sql.contains(**word))
        .map(|word| format!("{word}: CockroachDB has it not, or means something else"))
        .collect();
    for part in bracketed(sql, "AS (") {
        let writes = ["INSERT", "UPDATE", "DELETE"];
        if writes
            .iter()
            .any(|word| part.trim_start().starts_with(word))
            && !part.contains("RETURNING ")
        {
            faults.push(
                "a WITH clause that writes and returns no columns is refused by CockroachDB".into(),
            );
        }
    }
    for part in bracketed(sql, "LATERAL (") {
        if part.trim_start().starts_with("VALUES") {
            faults.push("LATERAL (VALUES …) is planned anew for every row by CockroachDB".into());
        }
        let before = sql.split(part).next().unwrap_or_default();
        if part.contains(" LIMIT ")
            && !part.contains(" UNION ")
            && before.ends_with("CROSS JOIN LATERAL (")
        {
            faults.push(
                "a lateral LIMIT reads all rows on CockroachDB: see platform_db::first_of_each"
                    .into(),
            );
        }
    }
    if sql.contains(" / ") && !sql.contains("::NUMERIC") {
        faults.push("whole numbers divided are not whole on CockroachDB: divide NUMERIC".into());
    }
    faults.extend(nulls_in_order(sql, nullable));
    faults
}

/// What is wrong with the types of what a statement asks for and answers: CockroachDB has other ones for the sum of whole
/// numbers, for literals and for lengths.
pub(crate) fn other_types(statement: &Statement) -> Vec<String> {
    let columns = statement
        .columns()
        .iter()
        .map(|column| (column.name(), column.type_()));
    let params = statement
        .params()
        .iter()
        .map(|param| ("a parameter", param));
    columns
        .chain(params)
        .filter(|(_, of)| {
            [
                Type::INT2,
                Type::INT4,
                Type::NUMERIC,
                Type::VARCHAR,
                Type::UNKNOWN,
            ]
            .contains(of)
        })
        .map(|(what, of)| format!("{what} is {of}: cast it to INT8 or TEXT"))
        .collect()
}

/// What stands in brackets behind each `opening`, which ends in one.
fn bracketed<'a>(sql: &'a str, opening: &'a str) -> impl Iterator<Item = &'a str> {
    sql.match_indices(opening)
        .map(move |(at, _)| upto_bracket(&sql[at + opening.len()..]))
}

/// The text up to the bracket that closes what it stands in, or to its end.
fn upto_bracket(text: &str) -> &str {
    let mut depth = 0_u32;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return &text[..at],
            ')' => depth -= 1,
            _ => {}
        }
    }
    text
}

/// Places where rows are ordered by what may be null and it is not said where nulls come: first on CockroachDB, last on
/// PostgreSQL. What a condition compares is not null.
fn nulls_in_order(sql: &str, nullable: &Nullable) -> Vec<String> {
    let tables = tables(sql);
    let mut faults = Vec::new();
    for (at, _) in sql.match_indices("ORDER BY ") {
        let list = upto_bracket(&sql[at + "ORDER BY ".len()..]);
        let list = list.split(" LIMIT ").next().unwrap_or_default();
        let list = list.split(" FOR UPDATE").next().unwrap_or_default();
        for item in list.split(',') {
            let name = item.split_whitespace().next().unwrap_or_default();
            let (alias, column) = name.rsplit_once('.').unwrap_or(("", name));
            let may_be_null = tables
                .iter()
                .filter(|(of, _)| of == alias || !tables.iter().any(|(known, _)| known == alias))
                .any(|(_, table)| {
                    nullable
                        .get(table)
                        .is_some_and(|columns| columns.contains(column))
                });
            let compared = [" IS NOT NULL", " <= ", " >= ", " < ", " > ", " = "]
                .iter()
                .any(|sign| sql.contains(&format!("{name}{sign}")));
            if may_be_null && !compared && !item.contains("NULLS ") {
                faults.push(format!("ORDER BY {name}: say NULLS FIRST or NULLS LAST"));
            }
        }
    }
    faults
}

/// The tables that a statement reads, with the names it calls them by.
fn tables(sql: &str) -> Vec<(String, String)> {
    let words: Vec<&str> = sql
        .split(|c: char| c.is_whitespace() || "(),".contains(c))
        .filter(|w| !w.is_empty())
        .collect();
    let mut tables = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let reads = at > 0 && ["FROM", "JOIN", "UPDATE", "INTO"].contains(&words[at - 1]);
        if reads && word.contains('.') {
            let alias = match words.get(at + 1..at + 3) {
                Some(["AS", alias]) => *alias,
                _ => "",
            };
            tables.push((alias.to_owned(), (*word).to_owned()));
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(sql: &str) -> usize {
        let columns = BTreeSet::from(["expires_at".to_owned()]);
        faults(sql, &BTreeMap::from([("a.holds".to_owned(), columns)])).len()
    }

    #[test]
    fn what_cockroachdb_takes_otherwise_is_named() {
        for bad in [
            "WITH w AS (INSERT INTO a.b (c) VALUES ($1)) INSERT INTO a.d (c) VALUES ($1)",
            "SELECT 1 FROM a.o AS o CROSS JOIN LATERAL (SELECT x.c FROM a.b AS x WHERE x.o = o.id LIMIT $1) AS x",
            "SELECT 1 FROM a.o AS o CROSS JOIN LATERAL (VALUES (o.c)) AS v (c)",
            "SELECT h.id FROM a.holds AS h WHERE h.id = $1 ORDER BY h.id, h.expires_at LIMIT $2",
            "SELECT id FROM a.holds ORDER BY expires_at",
            "SELECT h.id FROM (SELECT id, expires_at FROM a.holds) AS h ORDER BY h.expires_at",
            "SELECT a / b FROM c.d",
            "SELECT name COLLATE \"C\" FROM c.d",
        ] {
            assert_eq!(said(bad), 1, "{bad}");
        }
    }

    #[test]
    fn what_both_take_alike_is_not() {
        for good in [
            "WITH w AS (INSERT INTO a.b (c) VALUES ($1) RETURNING 1) INSERT INTO a.d (c) VALUES ($1)",
            "SELECT o.id FROM a.o AS o LEFT JOIN LATERAL (SELECT x.c FROM a.b AS x LIMIT $1) AS x ON true",
            "SELECT 1 FROM a.o AS o CROSS JOIN LATERAL ((SELECT x.c FROM a.b AS x LIMIT $1) UNION ALL (SELECT 1)) AS x",
            "SELECT h.id FROM a.holds AS h ORDER BY h.expires_at NULLS LAST, h.id",
            "SELECT id FROM a.holds WHERE expires_at <= $1 ORDER BY expires_at, id",
            "SELECT o.id FROM a.holds AS h JOIN a.orders AS o ON o.id = h.id ORDER BY o.expires_at",
            "SELECT floor(a::NUMERIC / b)::INT8 FROM c.d",
        ] {
            assert_eq!(said(good), 0, "{good}");
        }
    }
}
