//! What `SHOW CREATE TABLE` says of a table's placement.

use std::collections::BTreeSet;

use super::{Column, Locality, Table};

impl Table {
    /// From the text of `create_statement`.
    pub(super) fn shown(text: &str) -> Self {
        // Columns and constraints stand between the first parenthesis and the last line that begins with one.
        let (head, body) = text.split_once('(').unwrap_or((text, ""));
        let (body, tail) = body.rsplit_once("\n)").unwrap_or((body, head));
        Self {
            locality: locality(tail),
            home: mapped(body, Column::Home),
            next: mapped(body, Column::Next),
            locked: parameter(tail, "schema_locked").is_some_and(|value| value == "true"),
            ttl: parameter(tail, "ttl_expiration_expression"),
        }
    }
}

fn locality(tail: &str) -> Locality {
    let Some((_, named)) = tail.split_once("LOCALITY ") else {
        return Locality::Other;
    };
    let words: Vec<&str> = named
        .trim_end_matches(|c: char| c == ';' || c.is_whitespace())
        .split_whitespace()
        .collect();
    match words.as_slice() {
        ["GLOBAL", ..] => Locality::Global,
        // Without a column of its own it is the hidden one of this name.
        ["REGIONAL", "BY", "ROW"] => Locality::ByRow(Column::Home),
        ["REGIONAL", "BY", "ROW", "AS", name, ..] => [Column::Home, Column::Next]
            .into_iter()
            .find(|column| column.name() == *name)
            .map_or(Locality::Other, Locality::ByRow),
        _ => Locality::Other,
    }
}

/// The regions that a column maps, if it is there. One that does anything else maps none.
fn mapped(body: &str, column: Column) -> Option<BTreeSet<String>> {
    let definition = body.split(",\n").map(str::trim).find_map(|line| {
        let rest = line.strip_prefix(column.name())?;
        rest.starts_with(' ').then_some(rest)
    })?;
    Some(ours(definition).unwrap_or_default())
}

/// `NOT NULL AS (CASE region WHEN 'a' THEN 'a' .. END) STORED`, with the types that the database writes to literals.
fn ours(definition: &str) -> Option<BTreeSet<String>> {
    let (before, expression) = definition.split_once(" AS (CASE region ")?;
    let (cases, after) = expression.rsplit_once("END)")?;
    if !before.contains("NOT NULL") || !after.trim_start().starts_with("STORED") {
        return None;
    }
    let cases = cases.trim().strip_suffix("ELSE NULL").unwrap_or(cases);
    let mut regions = BTreeSet::new();
    let mut cases = cases.split("WHEN ");
    // What stands before the first WHEN.
    if !cases.next()?.trim().is_empty() {
        return None;
    }
    for case in cases {
        let (when, then) = case.split_once(" THEN ")?;
        let region = literal(when)?;
        if literal(then)? != region {
            return None;
        }
        regions.insert(region);
    }
    Some(regions)
}

/// The text of `'eu1'`, `'eu1':::STRING` or `'eu1':::public.crdb_internal_region`.
fn literal(text: &str) -> Option<String> {
    let (value, kind) = text.trim().strip_prefix('\'')?.split_once('\'')?;
    (kind.is_empty() || kind.starts_with("::") && !kind.contains(char::is_whitespace))
        .then(|| value.to_owned())
}

/// A storage parameter's value, without its quotes.
fn parameter(tail: &str, name: &str) -> Option<String> {
    let (_, list) = tail.split_once("WITH (")?;
    let (_, value) = list.split_once(&format!("{name} = "))?;
    match value.strip_prefix('\'') {
        Some(quoted) => quoted.split('\'').next().map(str::to_owned),
        None => value
            .split([',', ')'])
            .next()
            .map(|word| word.trim().to_owned()),
    }
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
    const OUR_COLUMN: &str = "	crdb_region public.crdb_internal_region NOT VISIBLE NOT NULL AS (CASE region WHEN 'eu1':::STRING THEN 'eu1':::public.crdb_internal_region WHEN 'us-east1':::STRING THEN 'us-east1':::public.crdb_internal_region END) STORED,
";
    const END: &str = "	CONSTRAINT idempotency_keys_pkey PRIMARY KEY (region ASC, id ASC),
	CONSTRAINT idempotency_keys_status CHECK (status BETWEEN 200:::INT8 AND 299:::INT8)
)";

    fn set(regions: &[&str]) -> BTreeSet<String> {
        regions.iter().map(|region| (*region).to_owned()).collect()
    }

    fn shown(columns: &str, tail: &str) -> Table {
        Table::shown(&format!("{COLUMNS}{columns}{END}{tail}"))
    }

    #[test]
    fn a_table_that_nobody_placed() {
        assert_eq!(shown("", ""), Table::default());
        assert_eq!(
            shown("", " LOCALITY REGIONAL BY TABLE IN PRIMARY REGION;"),
            Table::default()
        );
        let locked = shown("", " WITH (schema_locked = true);");
        assert!(locked.locked && locked.locality == Locality::Other);
    }

    #[test]
    fn a_table_placed_by_us() {
        let tail = " WITH (ttl = 'on', ttl_expiration_expression = 'expire_at', ttl_job_cron = '@hourly', \
                    schema_locked = true) LOCALITY REGIONAL BY ROW AS crdb_region;";
        let expected = Table {
            locality: Locality::ByRow(Column::Home),
            home: Some(set(&["eu1", "us-east1"])),
            next: None,
            locked: true,
            ttl: Some("expire_at".into()),
        };
        assert_eq!(shown(OUR_COLUMN, tail), expected);
    }

    #[test]
    fn a_table_whose_regions_are_being_changed() {
        let next = OUR_COLUMN.replace("crdb_region public", "crdb_region_next public");
        let table = shown(
            &format!("{OUR_COLUMN}{next}"),
            " LOCALITY REGIONAL BY ROW AS crdb_region_next",
        );
        assert_eq!(table.locality, Locality::ByRow(Column::Next));
        assert_eq!(table.home, Some(set(&["eu1", "us-east1"])));
        assert_eq!(table.next, table.home);
    }

    #[test]
    fn a_global_table() {
        let table = shown("", " WITH (schema_locked = true) LOCALITY GLOBAL;");
        assert!(table.locked && table.locality == Locality::Global);
    }

    /// The column that the database makes by itself, one with ELSE, and one that crosses regions.
    #[test]
    fn a_column_that_is_not_ours_maps_nothing() {
        let hidden = "	crdb_region public.crdb_internal_region NOT VISIBLE NOT NULL DEFAULT \
                      default_to_database_primary_region(gateway_region())::public.crdb_internal_region,\n";
        let table = shown(hidden, " LOCALITY REGIONAL BY ROW;");
        assert_eq!(table.locality, Locality::ByRow(Column::Home));
        assert_eq!(table.home, Some(set(&[])));
        for (from, to) in [
            (" END)", " ELSE 'eu1':::public.crdb_internal_region END)"),
            ("THEN 'us-east1'", "THEN 'eu1'"),
            ("STORED", "VIRTUAL"),
            ("NOT VISIBLE NOT NULL", "NOT VISIBLE NULL"),
        ] {
            let column = OUR_COLUMN.replace(from, to);
            assert_ne!(column, OUR_COLUMN);
            assert_eq!(shown(&column, "").home, Some(set(&[])), "{to}");
        }
        let same = OUR_COLUMN.replace(" END)", " ELSE NULL END)");
        assert_eq!(shown(&same, "").home, Some(set(&["eu1", "us-east1"])));
    }

    #[test]
    fn another_column_is_no_locality_of_ours() {
        let table = shown("", " LOCALITY REGIONAL BY ROW AS continent;");
        assert_eq!(table.locality, Locality::Other);
    }
}
