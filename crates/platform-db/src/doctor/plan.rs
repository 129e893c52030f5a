//! Reading what CockroachDB's EXPLAIN prints. No I/O.
//!
//! The forms are those of its own tests (`regional_by_row_query_behavior`) and of its program that prints them
//! (`opt/exec/explain/emit.go`).

use std::collections::BTreeSet;

/// One operator of a plan, with what stands below its name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    depth: usize,
    name: String,
    attributes: Vec<(String, String)>,
}

/// A plan: operators from the top down, as they are printed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Plan(Vec<Node>);

impl Plan {
    /// From the lines that EXPLAIN prints.
    pub(super) fn read<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut nodes: Vec<Node> = Vec::new();
        for line in lines {
            let text = line.trim_start_matches(|c: char| "│├└─ ".contains(c));
            let depth = line.chars().count() - text.chars().count();
            if let Some(name) = text.strip_prefix("• ") {
                nodes.push(Node {
                    depth,
                    name: name.trim().to_owned(),
                    attributes: Vec::new(),
                });
            } else if let Some(node) = nodes.last_mut() {
                let (key, value) = text.split_once(':').unwrap_or((text, ""));
                if !key.trim().is_empty() {
                    let pair = (key.trim().to_owned(), value.trim().to_owned());
                    node.attributes.push(pair);
                }
            }
        }
        Self(nodes)
    }

    /// Whether nothing of it was understood.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tables read from end to end.
    pub(super) fn full_scans(&self) -> BTreeSet<String> {
        let full = self.0.iter().filter(|node| {
            let spans = node.attribute("spans").unwrap_or_default();
            spans.starts_with("FULL SCAN")
        });
        full.filter_map(Node::table).collect()
    }

    /// Tables of which rows of other regions than ours are looked at: by spans that begin with another one's name than
    /// `ours`, or by a look-up that does not know the region.
    pub(super) fn abroad(&self, ours: &[String]) -> BTreeSet<String> {
        let far = self.0.iter().filter(|node| {
            node.regions().iter().any(|region| !ours.contains(region)) || node.looks_everywhere()
        });
        far.filter_map(Node::table).collect()
    }

    /// Tables whose uniqueness is checked by looking into other regions.
    pub(super) fn uniqueness_checks(&self) -> BTreeSet<String> {
        let fast = self.0.iter().flat_map(|node| node.all("uniqueness check"));
        let mut tables: BTreeSet<String> = fast.map(bare).collect();
        for check in self.checks() {
            if !is_foreign_key(check) {
                tables.extend(check.iter().find_map(Node::table));
            }
        }
        tables
    }

    /// Tables that foreign keys look for in more than one region, or from end to end.
    pub(super) fn foreign_keys_abroad(&self) -> BTreeSet<String> {
        let keys = self.checks().filter(|check| is_foreign_key(check));
        let far = keys.flatten().filter(|node| {
            let spans = node.attribute("spans").unwrap_or_default();
            node.looks_everywhere() || spans.starts_with("FULL SCAN")
        });
        far.filter_map(Node::table).collect()
    }

    /// How many foreign keys are checked.
    pub(super) fn foreign_keys(&self) -> usize {
        let fast = self.0.iter().map(|node| node.all("FK check").count());
        fast.sum::<usize>() + self.checks().filter(|check| is_foreign_key(check)).count()
    }

    /// The operators of each `constraint-check`.
    fn checks(&self) -> impl Iterator<Item = &[Node]> {
        self.0.iter().enumerate().filter_map(|(index, node)| {
            let below = self.0.get(index + 1..)?;
            let end = below.iter().position(|other| other.depth <= node.depth);
            let below = &below[..end.unwrap_or(below.len())];
            (node.name == "constraint-check").then_some(below)
        })
    }
}

/// A row without its parent is what an anti join is left with; a row with a twin what any other is.
fn is_foreign_key(check: &[Node]) -> bool {
    check.iter().any(|node| node.name.ends_with("(anti)"))
}

impl Node {
    fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        let of_key = self.attributes.iter().filter(move |(name, _)| name == key);
        of_key.map(|(_, value)| value.as_str())
    }

    fn attribute(&self, key: &str) -> Option<&str> {
        self.all(key).next()
    }

    fn table(&self) -> Option<String> {
        self.attribute("table").map(bare)
    }

    /// The first column of each span, where that is a name.
    fn regions(&self) -> BTreeSet<String> {
        let spans = self.attribute("spans").unwrap_or_default();
        let starts = spans.split('[').filter_map(|span| span.strip_prefix("/'"));
        starts
            .filter_map(|span| Some(span.split_once('\'')?.0.to_owned()))
            .collect()
    }

    /// Whether it looks rows up without knowing their region.
    fn looks_everywhere(&self) -> bool {
        ["lookup condition", "remote lookup condition"]
            .iter()
            .any(|key| {
                let condition = self.attribute(key).unwrap_or_default();
                condition.contains("crdb_region IN (") || condition.contains("crdb_region = '")
            })
    }
}

/// `orders` of `orders@orders_pkey (partial index)`.
fn bare(table: &str) -> String {
    table.split('@').next().unwrap_or(table).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Plan {
        Plan::read(text.lines())
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// `regional_by_row_query_behavior`: one row, a primary key without the region.
    const TWIN_ELSEWHERE: &str = "
distribution: local
vectorized: true

• root
│
├── • insert
│   │ into: child(c_id, c_p_id, crdb_region)
│   │
│   └── • buffer
│       │ label: buffer 1
│       │
│       └── • values
│             size: 4 columns, 1 row
│
├── • constraint-check
│   │
│   └── • error if rows
│       │
│       └── • cross join
│           │
│           ├── • values
│           │     size: 1 column, 1 row
│           │
│           └── • scan
│                 missing stats
│                 table: child@child_pkey
│                 spans: [/'ca-central-1'/1 - /'ca-central-1'/1] [/'us-east-1'/1 - /'us-east-1'/1]
│                 limit: 1
│
└── • constraint-check
    │
    └── • error if rows
        │
        └── • lookup join (anti)
            │ table: parent@parent_pkey
            │ equality cols are key
            │ lookup condition: (column2 = p_id) AND (crdb_region IN ('ca-central-1', 'us-east-1'))
            │
            └── • lookup join (anti)
                │ table: parent@parent_pkey
                │ equality cols are key
                │ lookup condition: (column2 = p_id) AND (crdb_region = 'ap-southeast-2')
                │
                └── • scan buffer
                      label: buffer 1
";

    /// The same with several rows.
    const TWINS_ELSEWHERE: &str = "
• root
├── • insert
│   │ into: child(c_id, c_p_id, crdb_region)
│   └── • buffer
│         label: buffer 1
└── • constraint-check
    └── • error if rows
        └── • lookup join (semi)
            │ table: child@child_pkey
            │ lookup condition: (column1 = c_id) AND (crdb_region IN ('ap-southeast-2', 'ca-central-1', 'us-east-1'))
            │ pred: crdb_region_default != crdb_region
            └── • scan buffer
                  label: buffer 1
";

    /// Ours: the region is part of every key.
    const AT_HOME: &str = "
• root
├── • insert
│   │ into: stock_movements(region, id, level, crdb_region)
│   └── • buffer
│         label: buffer 1
└── • constraint-check
    └── • error if rows
        └── • lookup join (anti)
            │ table: stock_levels@stock_levels_pkey
            │ equality: (crdb_region_eq, column1, column3) = (crdb_region, region, id)
            │ equality cols are key
            └── • scan buffer
                  label: buffer 1
";

    const FAST_PATH: &str = "
• insert fast path
  into: audit_log(region, id, crdb_region)
  auto commit
  FK check: offices@offices_pkey
  size: 20 columns, 1 row
";

    const HASHED: &str = "
• root
├── • insert
│     into: child(c_id, c_p_id)
└── • constraint-check
    └── • error if rows
        └── • hash join (anti)
            │ equality: (column2) = (p_id)
            ├── • scan buffer
            │     label: buffer 1
            └── • scan
                  table: parent@parent_pkey
                  spans: FULL SCAN
";

    #[test]
    fn a_uniqueness_check_that_visits_other_regions_is_seen() {
        for plan in [TWIN_ELSEWHERE, TWINS_ELSEWHERE] {
            assert_eq!(read(plan).uniqueness_checks(), set(&["child"]), "{plan}");
        }
        let fast = FAST_PATH.replace("auto commit", "uniqueness check: audit_log@audit_log_pkey");
        assert_eq!(read(&fast).uniqueness_checks(), set(&["audit_log"]));
        for plan in [AT_HOME, FAST_PATH, HASHED] {
            assert_eq!(read(plan).uniqueness_checks(), set(&[]), "{plan}");
        }
    }

    #[test]
    fn a_foreign_key_without_the_region_is_seen() {
        for (plan, keys, abroad) in [
            (TWIN_ELSEWHERE, 1, set(&["parent"])),
            (TWINS_ELSEWHERE, 0, set(&[])),
            (AT_HOME, 1, set(&[])),
            (FAST_PATH, 1, set(&[])),
            (HASHED, 1, set(&["parent"])),
        ] {
            let read = read(plan);
            assert_eq!(
                (read.foreign_keys(), read.foreign_keys_abroad()),
                (keys, abroad),
                "{plan}"
            );
        }
    }

    #[test]
    fn a_scan_is_of_one_region_of_several_or_of_all() {
        let scan = |spans: &str| {
            read(&format!(
                "• scan\n  table: orders@orders_pkey\n  spans: {spans}\n"
            ))
        };
        let one = scan("[/'eu1'/'eu1'/'ber' - /'eu1'/'eu1'/'ber']");
        assert_eq!(
            (one.full_scans(), one.abroad(&["eu1".to_owned()])),
            (set(&[]), set(&[]))
        );
        assert_eq!(one.abroad(&["us1".to_owned()]), set(&["orders"]));
        let several = scan("[/'ap1' - /'ap1'] [/'eu1' - /'eu1']");
        assert_eq!(several.abroad(&["eu1".to_owned()]), set(&["orders"]));
        for spans in ["FULL SCAN", "FULL SCAN (SOFT LIMIT)"] {
            assert_eq!(scan(spans).full_scans(), set(&["orders"]));
        }
        for spans in ["LIMITED SCAN", "1 span"] {
            assert_eq!(scan(spans).full_scans(), set(&[]));
        }
        let everywhere = read(
            AT_HOME
                .replace(
                    "equality: (crdb_region_eq, column1, column3) = (crdb_region, region, id)",
                    "lookup condition: (column3 = id) AND (crdb_region IN ('ap1', 'eu1'))",
                )
                .as_str(),
        );
        assert_eq!(
            everywhere.abroad(&["eu1".to_owned()]),
            set(&["stock_levels"])
        );
        assert_eq!(read("").full_scans(), set(&[]));
    }
}
