//! What `SHOW CREATE TABLE` says of a table's placement.
//!
//! Releases differ in how they print types, quotes and what follows the table, so what is not needed is not looked at.

use super::{Column, Locality, Mapping, Table};

impl Table {
    /// From the text of `create_statement`.
    pub(super) fn shown(text: &str) -> Self {
        // What comes after the first semicolon is about partitions, comments and policies.
        let text = text.split(";\n").next().unwrap_or(text);
        let text = text.trim_end().trim_end_matches(';');
        // Columns and constraints stand between the first parenthesis and the last line that begins with one.
        let (head, body) = text.split_once('(').unwrap_or((text, ""));
        let (body, tail) = body.rsplit_once("\n)").unwrap_or((body, head));
        let after = parameter(tail, "ttl_expire_after");
        Self {
            locality: locality(tail),
            home: mapped(body, Column::Home),
            next: mapped(body, Column::Next),
            locked: parameter(tail, "schema_locked").is_some_and(|value| value != "false"),
            ttl: after.or_else(|| parameter(tail, "ttl_expiration_expression")),
        }
    }
}

fn locality(tail: &str) -> Locality {
    let Some((_, named)) = tail.rsplit_once("LOCALITY ") else {
        return Locality::Other;
    };
    let words: Vec<&str> = named
        .split_whitespace()
        .map(|word| word.trim_matches('"'))
        .collect();
    match words.as_slice() {
        ["GLOBAL", ..] => Locality::Global,
        ["REGIONAL", "BY", "ROW", "AS", name, ..] => [Column::Home, Column::Next]
            .into_iter()
            .find(|column| column.name() == *name)
            .map_or(Locality::Other, Locality::ByRow),
        // Without a column of its own it is the hidden one of this name.
        ["REGIONAL", "BY", "ROW", ..] => Locality::ByRow(Column::Home),
        _ => Locality::Other,
    }
}

/// What a column maps, if it is there. One that does anything else maps nothing.
fn mapped(body: &str, column: Column) -> Option<Mapping> {
    let definition = body.split(",\n").map(str::trim).find_map(|line| {
        let (name, rest) = line.split_once(' ')?;
        (name.trim_matches('"') == column.name()).then_some(rest)
    })?;
    Some(ours(definition).unwrap_or_default())
}

/// `NOT NULL AS (CASE region WHEN 'a' THEN 'a' .. END) STORED`, with the types that the database writes to literals.
fn ours(definition: &str) -> Option<Mapping> {
    let (before, expression) = definition.split_once(" AS (")?;
    let (expression, after) = expression.rsplit_once(')')?;
    let around = format!("{before} {after}");
    if !around.contains("NOT NULL") || !around.contains("STORED") {
        return None;
    }
    let expression = expression.trim_matches(['(', ')', ' ']);
    let cases = expression
        .strip_prefix("CASE ")?
        .strip_suffix("END")?
        .trim_end();
    let cases = cases.strip_suffix("ELSE NULL").unwrap_or(cases);
    let mut cases = cases.split("WHEN ");
    if cases.next()?.trim().trim_matches('"') != "region" {
        return None;
    }
    let mut mapping = Mapping::new();
    for case in cases {
        let (tag, name) = case.split_once(" THEN ")?;
        mapping.insert(literal(tag)?, region(name)?);
    }
    Some(mapping)
}

/// The text of `'eu1'`, `'eu1':::STRING` or `'eu1':::public.crdb_internal_region`.
fn literal(text: &str) -> Option<String> {
    let (value, kind) = text.trim().strip_prefix('\'')?.split_once('\'')?;
    is_type(kind).then(|| value.to_owned())
}

/// As [`literal`]; or empty, where the database prints the bytes that stand for a region: `x'40':::@100104`.
fn region(text: &str) -> Option<String> {
    let bytes = ["x'", "b'"]
        .into_iter()
        .find_map(|start| text.trim().strip_prefix(start));
    match bytes {
        Some(bytes) => is_type(bytes.split_once('\'')?.1).then(String::new),
        None => literal(text),
    }
}

fn is_type(text: &str) -> bool {
    text.is_empty() || text.starts_with("::") && !text.contains(char::is_whitespace)
}

/// A storage parameter's value, without its quotes.
fn parameter(tail: &str, name: &str) -> Option<String> {
    let (_, list) = tail.split_once("WITH (")?;
    let starts = [format!(", {name} = "), format!("{name} = ")];
    let value = match list.split_once(&starts[0]) {
        Some((_, value)) => value,
        None => list.strip_prefix(&starts[1])?,
    };
    let quoted = value
        .strip_prefix("e'")
        .or_else(|| value.strip_prefix('\''));
    let value = match quoted {
        Some(quoted) => quoted.split('\'').next(),
        None => value.split([',', ')']).next().map(str::trim),
    };
    value.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &str = "CREATE TABLE platform.idempotency_keys (
	region STRING NOT NULL,
	id UUID NOT NULL,
	effect_ids STRING[] NOT NULL,
	expire_at TIMESTAMPTZ NOT NULL,
";
    const OUR_COLUMN: &str = "	crdb_region public.crdb_internal_region NOT VISIBLE NOT NULL AS (CASE region WHEN 'eu1':::STRING THEN 'eu1':::public.crdb_internal_region WHEN 'us1':::STRING THEN 'us-east1':::public.crdb_internal_region END) STORED,
";
    const END: &str = "	CONSTRAINT idempotency_keys_pkey PRIMARY KEY (region ASC, id ASC),
	INDEX idempotency_keys_expiry_idx (region ASC, expire_at ASC, id ASC) WITH (skip_unique_checks = true),
	CONSTRAINT idempotency_keys_status CHECK (status BETWEEN 200:::INT8 AND 299:::INT8)
)";

    fn ours() -> Mapping {
        [("eu1", "eu1"), ("us1", "us-east1")]
            .map(|(tag, name)| (tag.to_owned(), name.to_owned()))
            .into()
    }

    fn shown(columns: &str, tail: &str) -> Table {
        Table::shown(&format!("{COLUMNS}{columns}{END}{tail}"))
    }

    #[test]
    fn a_table_that_nobody_placed() {
        for tail in [
            "",
            ";",
            " LOCALITY REGIONAL BY TABLE IN PRIMARY REGION",
            " LOCALITY REGIONAL BY TABLE IN PRIMARY REGION;",
            " LOCALITY REGIONAL BY TABLE IN \"us-east1\";",
        ] {
            assert_eq!(shown("", tail), Table::default(), "{tail}");
        }
        let locked = shown("", " WITH (schema_locked = true);");
        assert!(locked.locked && locked.locality == Locality::Other);
        assert!(!shown("", " WITH (schema_locked = false);").locked);
    }

    #[test]
    fn a_table_placed_by_us() {
        let expected = Table {
            locality: Locality::ByRow(Column::Home),
            home: Some(ours()),
            next: None,
            locked: true,
            ttl: Some("expire_at".into()),
        };
        for tail in [
            " WITH (ttl = 'on', ttl_expiration_expression = 'expire_at', ttl_job_cron = '@hourly', \
              schema_locked = true) LOCALITY REGIONAL BY ROW AS crdb_region",
            " WITH (ttl = 'on', ttl_expiration_expression = 'expire_at', ttl_job_cron = '@hourly', \
              schema_locked = true) LOCALITY REGIONAL BY ROW AS crdb_region;",
            " WITH (schema_locked = true, ttl = 'on', ttl_expiration_expression = e'expire_at') \
              LOCALITY REGIONAL BY ROW AS \"crdb_region\";",
            // As releases print a partition's own settings, and comments, behind the table.
            " WITH (ttl = 'on', ttl_expiration_expression = 'expire_at', schema_locked = true) \
              LOCALITY REGIONAL BY ROW AS crdb_region;\nALTER PARTITION \"us-east1\" OF INDEX \
              m.platform.idempotency_keys@idempotency_keys_pkey CONFIGURE ZONE USING \"gc.ttlseconds\" = 10;\n\
              COMMENT ON TABLE platform.idempotency_keys IS 'a\n) LOCALITY GLOBAL';",
        ] {
            assert_eq!(shown(OUR_COLUMN, tail), expected, "{tail}");
        }
    }

    #[test]
    fn types_are_printed_in_several_ways() {
        for (from, to) in [
            (":::STRING", ""),
            (":::STRING", "::STRING"),
            (":::STRING", ":::TEXT"),
            (":::public.", "::public."),
            (":::public.", ":::meridian.public."),
            ("(CASE region", "((CASE \"region\""),
            (" END)", " ELSE NULL END)"),
        ] {
            let column = OUR_COLUMN.replace(from, to);
            assert_ne!(column, OUR_COLUMN);
            assert_eq!(shown(&column, "").home, Some(ours()), "{column}");
        }
    }

    /// The bytes tell nothing of the name.
    #[test]
    fn a_region_may_be_printed_as_its_bytes() {
        let column = OUR_COLUMN
            .replace("'eu1':::public.crdb_internal_region", "x'40':::@100104")
            .replace(
                "'us-east1':::public.crdb_internal_region",
                "b'\\x80':::@100104",
            );
        let expected = ["eu1", "us1"].map(|tag| (tag.to_owned(), String::new()));
        assert_eq!(shown(&column, "").home, Some(expected.into()));
    }

    #[test]
    fn a_table_whose_regions_are_being_changed() {
        let next = OUR_COLUMN.replace("crdb_region public", "crdb_region_next public");
        let table = shown(
            &format!("{OUR_COLUMN}{next}"),
            " LOCALITY REGIONAL BY ROW AS crdb_region_next",
        );
        assert_eq!(table.locality, Locality::ByRow(Column::Next));
        assert_eq!(table.home, Some(ours()));
        assert_eq!(table.next, table.home);
    }

    #[test]
    fn a_global_table() {
        for tail in [
            " WITH (schema_locked = true) LOCALITY GLOBAL;",
            " WITH (schema_locked = true) LOCALITY GLOBAL",
        ] {
            let table = shown("", tail);
            assert!(table.locked && table.locality == Locality::Global, "{tail}");
        }
    }

    /// The column that the database makes by itself, one with ELSE, and others that do not refuse what they do not know.
    #[test]
    fn a_column_that_is_not_ours_maps_nothing() {
        let hidden = "	crdb_region public.crdb_internal_region NOT VISIBLE NOT NULL DEFAULT \
                      default_to_database_primary_region(gateway_region())::public.crdb_internal_region,\n";
        let table = shown(hidden, " LOCALITY REGIONAL BY ROW;");
        assert_eq!(table.locality, Locality::ByRow(Column::Home));
        assert_eq!(table.home, Some(Mapping::new()));
        for (from, to) in [
            (" END)", " ELSE 'eu1':::public.crdb_internal_region END)"),
            ("CASE region", "CASE office"),
            ("'us1':::STRING", "lower('US1')"),
            ("STORED", "VIRTUAL"),
            ("NOT VISIBLE NOT NULL", "NOT VISIBLE NULL"),
        ] {
            let column = OUR_COLUMN.replace(from, to);
            assert_ne!(column, OUR_COLUMN);
            assert_eq!(shown(&column, "").home, Some(Mapping::new()), "{to}");
        }
    }

    #[test]
    fn another_column_is_no_locality_of_ours() {
        let table = shown("", " LOCALITY REGIONAL BY ROW AS continent;");
        assert_eq!(table.locality, Locality::Other);
    }

    /// As CockroachDB's own tests print them.
    #[test]
    fn a_lifetime_that_is_not_ours_is_seen() {
        for (parameters, expected) in [
            (
                "ttl = 'on', ttl_expire_after = '00:10:00':::INTERVAL, ttl_job_cron = '@daily'",
                "00:10:00",
            ),
            (
                "ttl = 'on', ttl_expiration_expression = e'((expire_at AT TIME ZONE \\'UTC\\') + \\'5 minutes\\')'",
                "((expire_at AT TIME ZONE \\",
            ),
        ] {
            let table = shown("", &format!(" WITH ({parameters})"));
            assert_eq!(table.ttl.as_deref(), Some(expected));
        }
    }
}
