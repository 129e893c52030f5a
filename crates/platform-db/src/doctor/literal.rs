//! A statement with values in place of its parameters, for an EXPLAIN that shows which keys are looked for.

use tokio_postgres::types::Type;

/// The statement with each parameter replaced by a value of its type; every text is the name of a region. None when a
/// parameter is of a type that no statement of ours has.
pub(super) fn filled(sql: &str, types: &[Type], region: &str) -> Option<String> {
    let values: Vec<String> = types
        .iter()
        .map(|kind| value(kind, region))
        .collect::<Option<_>>()?;
    let mut text = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, behind) = after.split_at(digits);
        match number.parse::<usize>() {
            Ok(number) => text.push_str(values.get(number.checked_sub(1)?)?),
            Err(_) => text.push('$'),
        }
        rest = behind;
    }
    text.push_str(rest);
    Some(text)
}

fn value(kind: &Type, region: &str) -> Option<String> {
    let one = |literal: &str, name: &str| format!("({literal}::{name})");
    let many = |literal: &str, name: &str| format!("(ARRAY[{literal}]::{name}[])");
    let text = format!("'{region}'");
    let id = "'00000000-0000-0000-0000-000000000007'";
    Some(match *kind {
        Type::TEXT | Type::VARCHAR => one(&text, "TEXT"),
        Type::INT8 | Type::INT4 => one("1", "INT8"),
        Type::BOOL => one("true", "BOOL"),
        Type::FLOAT8 => one("1.5", "FLOAT8"),
        Type::NUMERIC => one("1", "NUMERIC"),
        Type::BYTEA => one("'\\x00'", "BYTEA"),
        Type::JSONB => one("'{}'", "JSONB"),
        Type::UUID => one(id, "UUID"),
        Type::DATE => one("'2026-01-31'", "DATE"),
        Type::TIMESTAMPTZ => one("'2026-01-31 12:00:00+00'", "TIMESTAMPTZ"),
        Type::TEXT_ARRAY => many(&text, "TEXT"),
        Type::INT8_ARRAY => many("1", "INT8"),
        Type::BOOL_ARRAY => many("true", "BOOL"),
        Type::UUID_ARRAY => many(id, "UUID"),
        Type::DATE_ARRAY => many("'2026-01-31'", "DATE"),
        Type::NUMERIC_ARRAY => many("1", "NUMERIC"),
        Type::JSONB_ARRAY => many("'{}'", "JSONB"),
        Type::TIMESTAMPTZ_ARRAY => many("'2026-01-31 12:00:00+00'", "TIMESTAMPTZ"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_become_values() {
        let types = [Type::TEXT, Type::INT8_ARRAY];
        assert_eq!(
            filled(
                "SELECT 1 WHERE r = $1 AND n = ANY ($2) OR $1 = '$'",
                &types,
                "eu1"
            )
            .unwrap(),
            "SELECT 1 WHERE r = ('eu1'::TEXT) AND n = ANY ((ARRAY[1]::INT8[])) OR ('eu1'::TEXT) = '$'"
        );
        assert_eq!(filled("SELECT $3", &types, "eu1"), None);
        assert_eq!(filled("SELECT $1", &[Type::XML], "eu1"), None);
    }

    #[test]
    fn two_digits_are_one_number() {
        let types = vec![Type::BOOL; 12];
        assert_eq!(filled("$12", &types, "eu1").unwrap(), "(true::BOOL)");
    }
}
