//! Pages for people: the API's console (Swagger UI, served by us so that it works without the internet) and one page
//! per problem code.

use std::sync::{Arc, OnceLock};

use sha2::{Digest as _, Sha256};
use utoipa_swagger_ui::Config;

/// One file of the console.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) bytes: Vec<u8>,
    pub(crate) kind: String,
    pub(crate) tag: String,
}

/// A file below `/docs/`; `None` if there is none.
pub(crate) fn swagger(path: &str) -> Option<File> {
    static CONFIG: OnceLock<Arc<Config<'static>>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        Arc::new(
            Config::from("/openapi.json")
                .validator_url("none") // else a picture from validator.swagger.io
                .display_request_duration(true)
                .persist_authorization(true)
                .try_it_out_enabled(true),
        )
    });
    let file = utoipa_swagger_ui::serve(path, Arc::clone(config))
        .ok()
        .flatten()?;
    let bytes = file.bytes.into_owned();
    let tag = Sha256::digest(&bytes)
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    Some(File {
        bytes,
        kind: file.content_type,
        tag: format!("\"{tag}\""),
    })
}

/// All pages: one heading of level two per code.
const PROBLEMS: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/problems.md"
));

/// What a problem code means and what to do.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) markdown: String,
}

/// The page of a code; `None` if there is none.
pub(crate) fn problem(code: &str) -> Option<Page> {
    let heading = format!("\n## {code}\n");
    let start = PROBLEMS.find(&heading)? + 1;
    let rest = &PROBLEMS[start..];
    let end = rest[1..].find("\n## ").map_or(rest.len(), |end| end + 2);
    Some(Page {
        markdown: rest[..end].trim_end().to_owned() + "\n",
    })
}

/// The codes that have a page.
#[must_use]
pub fn documented_codes() -> Vec<&'static str> {
    PROBLEMS
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect()
}

impl Page {
    /// The same for browsers. The pages use headings, paragraphs, lists and `code` only.
    pub(crate) fn html(&self) -> String {
        let mut title = "Problem";
        let mut body = String::new();
        for block in self
            .markdown
            .split("\n\n")
            .map(str::trim)
            .filter(|block| !block.is_empty())
        {
            if let Some(heading) = block.strip_prefix("## ") {
                title = heading;
                body += &format!("<h1><code>{}</code></h1>\n", escape(heading));
            } else if block.starts_with("- ") {
                let items = block
                    .split("\n- ")
                    .map(|item| item.trim_start_matches("- "));
                let items: String = items
                    .map(|item| format!("<li>{}</li>\n", inline(item)))
                    .collect();
                body += &format!("<ul>\n{items}</ul>\n");
            } else {
                body += &format!("<p>{}</p>\n", inline(block));
            }
        }
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{}</title>\n<style>body{{\
             font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem}}</style></head>\n\
             <body>\n{body}</body>\n</html>\n",
            escape(title)
        )
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// `code` between backquotes; every second piece is.
fn inline(text: &str) -> String {
    let pieces = text.split('`').enumerate().map(|(index, piece)| {
        if index % 2 == 1 {
            format!("<code>{}</code>", escape(piece))
        } else {
            escape(piece)
        }
    });
    pieces.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::COMMON;

    #[test]
    fn every_common_code_has_a_page_and_no_page_is_twice() {
        let codes = documented_codes();
        for kind in COMMON {
            assert!(
                codes.contains(&kind.code),
                "docs/problems.md lacks ## {}",
                kind.code
            );
        }
        let mut unique = codes.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), codes.len());
        for code in codes {
            let page = problem(code).unwrap();
            assert!(page.markdown.starts_with(&format!("## {code}\n")), "{code}");
            assert_eq!(
                page.markdown.matches("\n## ").count(),
                0,
                "{code} runs into the next page"
            );
            assert!(page.markdown.lines().count() > 2, "{code} says nothing");
            let html = page.html();
            assert!(
                html.contains(&format!("<h1><code>{code}</code></h1>")),
                "{html}"
            );
            assert!(!html.contains('`'), "{html}");
        }
        assert!(problem("no_such_code").is_none());
    }

    #[test]
    fn the_console_is_served_by_us_alone() {
        for path in [
            "index.html",
            "swagger-initializer.js",
            "swagger-ui-bundle.js",
            "swagger-ui.css",
        ] {
            let file = swagger(path).unwrap_or_else(|| panic!("no {path}"));
            assert!(!file.bytes.is_empty(), "{path}");
        }
        let text = |path| String::from_utf8(swagger(path).unwrap().bytes).unwrap();
        let index = text("index.html");
        assert!(
            !index.contains("http://") && !index.contains("https://"),
            "{index}"
        );
        let initializer = text("swagger-initializer.js");
        assert!(
            initializer.contains("/openapi.json") && initializer.contains("none"),
            "{initializer}"
        );
        assert!(swagger("../Cargo.toml").is_none());
    }
}
