//! Every statement of a system stands in a list that a test prepares and explains, so that none is forgotten.

use std::ops::RangeInclusive;

use super::{Finding, rust, sources};
use crate::tree::File;

/// Crates that speak SQL when they serve.
const CRATES: &[&str] = &[
    "platform-db",
    "accounting",
    "warehouse",
    "sales",
    "hub",
    "world",
    "meridian",
    "platform-http",
];

/// What the doctor asks is asked by hand, and may look at all there is; its own tests run it.
const BY_HAND: &str = "platform-db/src/doctor";

/// Macros that make texts of all kinds; any other one that makes a constant text makes a statement.
const TEXTS: &[&str] = &[
    "concat",
    "env",
    "format",
    "include_str",
    "option_env",
    "stringify",
];

/// A source file of one of the crates.
struct Module<'a> {
    file: &'a File,
    krate: &'a str,
    /// `levels` of `storage/levels.rs`
    stem: &'a str,
    source: rust::Source,
}

/// A constant text.
struct Constant<'a> {
    name: &'a str,
    lines: RangeInclusive<usize>,
    value: &'a str,
}

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let modules: Vec<Module<'_>> = files.iter().filter_map(module).collect();
    let mut findings = Vec::new();
    for module in &modules {
        let constants = constants(&module.source.code);
        let of_crate: Vec<&Module<'_>> = modules
            .iter()
            .filter(|other| other.krate == module.krate)
            .collect();
        for constant in constants.iter().filter(|constant| is_sql(constant, module)) {
            if !of_crate
                .iter()
                .any(|other| lists(other, module, constant.name))
            {
                findings.push(Finding::new(
                    &module.file.path,
                    *constant.lines.start(),
                    format!(
                        "{} is a statement that stands in no list of STATEMENTS",
                        constant.name
                    ),
                ));
            }
        }
        findings.extend(nameless(module, &constants));
        findings.extend(unread(module, &of_crate));
    }
    findings.extend(untested(files, &modules));
    findings
}

fn module(file: &File) -> Option<Module<'_>> {
    let (krate, path) = file.path.strip_prefix("crates/")?.split_once('/')?;
    let stem = file.path.rsplit('/').next()?.strip_suffix(".rs")?;
    let is_ours = CRATES.contains(&krate)
        && path.starts_with("src/")
        && !sources::is_test(&file.path)
        && !file.path.contains(BY_HAND);
    is_ours.then(|| Module {
        file,
        krate,
        stem,
        source: rust::parse(&file.text),
    })
}

/// What is prepared; other statements are run as they are.
fn is_prepared(text: &str) -> bool {
    let text = text.trim_start_matches(['(', ' ', '\n']);
    [
        "SELECT ",
        "INSERT INTO ",
        "UPDATE ",
        "DELETE FROM ",
        "WITH ",
    ]
    .iter()
    .any(|keyword| text.starts_with(keyword))
        && !text.starts_with("WITH (")
}

fn constants(code: &str) -> Vec<Constant<'_>> {
    let mut found = Vec::new();
    for (at, word) in code.match_indices("const ") {
        let Some((name, rest)) = code[at + word.len()..].split_once(':') else {
            continue;
        };
        let text = ["&str =", "&'static str ="]
            .iter()
            .find_map(|kind| rest.trim_start().strip_prefix(kind));
        let (Some(text), false) = (text, name.contains(char::is_whitespace)) else {
            continue;
        };
        let value = &text[..text.find(';').unwrap_or(text.len())];
        let line = |text: &str| text.matches('\n').count();
        let start = 1 + line(&code[..at]);
        let end = 1 + line(&code[..code.len() - text.len() + value.len()]);
        found.push(Constant {
            name,
            lines: start..=end,
            value,
        });
    }
    found
}

fn is_sql(constant: &Constant<'_>, module: &Module<'_>) -> bool {
    let mut literals = module.source.literals.iter();
    let by_text = literals
        .any(|literal| constant.lines.contains(&literal.line) && is_prepared(&literal.text));
    let by_macro = constant.value.match_indices("!(").any(|(at, _)| {
        let name = constant.value[..at].rsplit(|c: char| !c.is_alphanumeric() && c != '_');
        name.take(1).any(|name| !TEXTS.contains(&name))
    });
    by_text || by_macro
}

/// The lists of a file: name and entries.
fn lists_of(code: &str) -> impl Iterator<Item = (&str, &str)> {
    code.match_indices("STATEMENTS: &[&str] =")
        .filter_map(|(at, word)| {
            let start = code[..at].rfind(' ').map_or(0, |space| space + 1);
            let entries = code[at + word.len()..].trim_start().strip_prefix("&[")?;
            let name = &code[start..at + "STATEMENTS".len()];
            Some((name, entries.split(']').next().unwrap_or(entries)))
        })
}

/// Whether a file lists a constant of a module.
fn lists(file: &Module<'_>, module: &Module<'_>, constant: &str) -> bool {
    let is_same = file.file.path == module.file.path;
    let qualified = format!("{}::{constant}", module.stem);
    lists_of(&file.source.code)
        .flat_map(|(_, entries)| entries.split(','))
        .map(str::trim)
        .any(|entry| {
            is_same && entry == constant
                || entry == qualified
                || entry.ends_with(&format!("::{qualified}"))
        })
}

/// Statements that have no name.
fn nameless(module: &Module<'_>, constants: &[Constant<'_>]) -> Vec<Finding> {
    let literals = module.source.literals.iter();
    literals
        .filter(|literal| {
            literal.whole && is_prepared(&literal.text) && !literal.text.contains('{')
        })
        .filter(|literal| {
            let mut constants = constants.iter();
            constants.all(|constant| !constant.lines.contains(&literal.line))
        })
        .filter(|literal| !is_in_macro(module, literal.line))
        .map(|literal| {
            let problem =
                "a statement without a name: make it a constant, and list it in STATEMENTS";
            Finding::new(&module.file.path, literal.line, problem)
        })
        .collect()
}

/// Whether a line is part of the definition of a macro: what it makes has a name where it is used.
fn is_in_macro(module: &Module<'_>, line: usize) -> bool {
    let code = &module.source.code;
    code.match_indices("macro_rules!").any(|(at, _)| {
        let start = 1 + code[..at].matches('\n').count();
        let length = code[at..].find("\n}").unwrap_or(code.len() - at);
        let end = start + code[at..at + length].matches('\n').count();
        (start..=end).contains(&line)
    })
}

/// Lists that no other file of the crate reads.
fn unread(module: &Module<'_>, of_crate: &[&Module<'_>]) -> Vec<Finding> {
    lists_of(&module.source.code)
        .filter(|(name, _)| {
            !of_crate
                .iter()
                .filter(|other| other.file.path != module.file.path)
                .any(|other| names(&other.source.code, module.stem, name))
        })
        .map(|(name, _)| {
            let problem = format!("no test reads {name}: chain it to those of the other modules");
            Finding::new(&module.file.path, 1, problem)
        })
        .collect()
}

/// Whether `stem::NAME` or `stem::{…, NAME}` occurs.
fn names(code: &str, stem: &str, name: &str) -> bool {
    let start = format!("{stem}::");
    code.match_indices(&start).any(|(at, _)| {
        let rest = &code[at + start.len()..];
        match rest.strip_prefix('{') {
            Some(list) => list
                .split('}')
                .next()
                .is_some_and(|list| list.split(',').any(|word| word.trim() == name)),
            None => rest
                .strip_prefix(name)
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')),
        }
    })
}

/// Crates with lists whose tests explain none of them.
fn untested(files: &[File], modules: &[Module<'_>]) -> Vec<Finding> {
    let mut crates: Vec<&str> = modules
        .iter()
        .filter(|module| lists_of(&module.source.code).next().is_some())
        .map(|module| module.krate)
        .collect();
    crates.dedup();
    crates.sort_unstable();
    crates.dedup();
    let is_explained = |krate: &&str| {
        let folder = format!("crates/{krate}/");
        files.iter().any(|file| {
            file.path.starts_with(&folder)
                && file.text.contains("statements()")
                && file.text.contains(".explain(")
        })
    };
    crates
        .into_iter()
        .filter(|krate| !is_explained(krate))
        .map(|krate| {
            let problem = "no test explains every one of its statements()";
            Finding::new(&format!("crates/{krate}/src/lib.rs"), 1, problem)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| File {
                path: (*path).into(),
                text: (*text).into(),
            })
            .collect();
        check(&files).iter().map(ToString::to_string).collect()
    }

    const ROOT: &str =
        "fn statements() { levels::STATEMENTS }\nfn test() { db.explain(statements()) }";

    fn of_module(text: &str) -> Vec<String> {
        found(&[
            ("crates/warehouse/src/storage.rs", ROOT),
            ("crates/warehouse/src/storage/levels.rs", text),
        ])
    }

    #[test]
    fn what_is_listed_is_well() {
        let text = "const GET: &str = \"SELECT 1\";\nconst PAGE: &str = page!(\"<\");\nconst NAME: &str = \"level\";\n\
            pub(crate) const STATEMENTS: &[&str] = &[GET, PAGE];";
        assert_eq!(of_module(text), Vec::<String>::new());
    }

    #[test]
    fn a_statement_that_is_forgotten_is_named() {
        let list = "const STATEMENTS: &[&str] = &[GET];\nconst GET: &str = \"SELECT 1\";\n";
        for (forgotten, line, says) in [
            (
                "const PUT: &str = \"\n    INSERT INTO warehouse.levels VALUES (1)\";",
                3,
                "PUT",
            ),
            ("const PUT: &str = put!(\"x\");", 3, "PUT"),
            ("const PUT: &str = concat!(\"UPDATE \", \"x\");", 3, "PUT"),
            (
                "fn f() { session.rows(\"SELECT 2\", &[]) }",
                3,
                "without a name",
            ),
        ] {
            let found = of_module(&format!("{list}{forgotten}"));
            assert_eq!(found.len(), 1, "{forgotten}: {found:?}");
            let place = format!("crates/warehouse/src/storage/levels.rs:{line}: ");
            assert!(
                found[0].starts_with(&place) && found[0].contains(says),
                "{found:?}"
            );
        }
    }

    #[test]
    fn a_list_that_nobody_reads_is_named() {
        let text = "const GET: &str = \"SELECT 1\";\nconst STATEMENTS: &[&str] = &[GET];";
        let found = found(&[
            ("crates/warehouse/src/storage.rs", ROOT),
            ("crates/warehouse/src/storage/levels.rs", text),
            ("crates/warehouse/src/storage/places.rs", text),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("places.rs:1: no test reads STATEMENTS"),
            "{found:?}"
        );
    }

    #[test]
    fn a_crate_whose_statements_no_test_explains_is_named() {
        let found = found(&[
            ("crates/hub/src/a.rs", "const STATEMENTS: &[&str] = &[];"),
            ("crates/hub/src/b.rs", "use a::{STATEMENTS};"),
        ]);
        assert_eq!(
            found,
            ["crates/hub/src/lib.rs:1: no test explains every one of its statements()"]
        );
    }
}
