//! Just enough of Rust's grammar to tell code from comments and strings.

/// A string literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Literal {
    pub(crate) line: usize,
    /// Its text, escapes resolved as far as SQL needs: `\"`, `\n` and a backslash at the end of a line.
    pub(crate) text: String,
    /// Whether it stands alone, not as a part of `concat!` or `format!`.
    pub(crate) whole: bool,
}

/// A source file taken apart.
#[derive(Debug)]
pub(crate) struct Source {
    /// The text with comments and the insides of strings blanked; lines stay where they were.
    pub(crate) code: String,
    pub(crate) literals: Vec<Literal>,
}

/// Macros whose arguments are pieces of a text, not texts.
const PIECES: &[&str] = &[
    "concat!(",
    "format!(",
    "write!(",
    "writeln!(",
    "select_item!(",
];

/// Takes the part of a file before its unit tests apart.
pub(crate) fn parse(text: &str) -> Source {
    let text = &text[..tests(text)];
    let mut reader = Reader {
        rest: text,
        line: 1,
        code: String::new(),
        literals: Vec::new(),
    };
    while !reader.rest.is_empty() {
        reader.step();
    }
    Source {
        code: reader.code,
        literals: reader.literals,
    }
}

/// Where the unit tests begin that stand in the file itself.
fn tests(text: &str) -> usize {
    text.match_indices("#[cfg(test)]\nmod ")
        .find(|(at, _)| {
            let end = text[*at..].find(['{', ';']);
            end.is_some_and(|end| text[at + end..].starts_with('{'))
        })
        .map_or(text.len(), |(at, _)| at)
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    code: String,
    literals: Vec<Literal>,
}

impl Reader<'_> {
    fn step(&mut self) {
        let rest = self.rest;
        if rest.starts_with("//") {
            self.blank(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.blank(rest.find("*/").map_or(rest.len(), |end| end + 2));
        } else if let Some(length) = char_literal(rest) {
            self.blank(length);
        } else if let Some(hashes) = raw_string(rest) {
            let open = 2 + hashes; // r, hashes, quote
            let close = format!("\"{}", "#".repeat(hashes));
            let inside = rest[open..].find(&close).unwrap_or(rest.len() - open);
            self.literal(rest[open..open + inside].to_owned());
            self.blank((open + inside + close.len()).min(rest.len()));
        } else if rest.starts_with('"') {
            let (text, length) = plain_string(rest);
            self.literal(text);
            self.blank(length);
        } else {
            self.keep();
        }
    }

    fn literal(&mut self, text: String) {
        // The innermost open parenthesis tells whose argument this is.
        let mut depth = 0;
        let opener = self.code.char_indices().rev().find(|(_, c)| {
            depth += match c {
                ')' => 1,
                '(' => -1,
                _ => 0,
            };
            depth < 0
        });
        let before = opener.map_or("", |(at, _)| &self.code[..=at]);
        let whole = !PIECES.iter().any(|piece| before.ends_with(piece));
        self.literals.push(Literal {
            line: self.line,
            text,
            whole,
        });
    }

    fn keep(&mut self) {
        let mut chars = self.rest.chars();
        if let Some(c) = chars.next() {
            self.line += usize::from(c == '\n');
            self.code.push(c);
        }
        self.rest = chars.as_str();
    }

    fn blank(&mut self, length: usize) {
        let (gone, rest) = self.rest.split_at(length);
        self.code
            .extend(gone.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.line += gone.matches('\n').count();
        self.rest = rest;
    }
}

/// The number of hashes of a raw string that starts here.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// The length of a character literal that starts here; a lifetime is none.
fn char_literal(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('\'')?;
    if let Some(escaped) = after.strip_prefix('\\') {
        let skipped = escaped.chars().next()?.len_utf8();
        return Some(2 + skipped + escaped[skipped..].find('\'')? + 1);
    }
    let c = after.chars().next()?;
    after[c.len_utf8()..]
        .starts_with('\'')
        .then_some(2 + c.len_utf8())
}

/// The text of the string that starts here, and its length with quotes.
fn plain_string(rest: &str) -> (String, usize) {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (text, at + 1),
            '\\' => match chars.next() {
                Some((_, '\n')) => while chars.next_if(|(_, c)| c.is_whitespace()).is_some() {},
                Some((_, 'n')) => text.push('\n'),
                Some((_, other)) => text.push(other),
                None => {}
            },
            _ => text.push(c),
        }
    }
    (text, rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_blanked_and_lines_stay() {
        let source = parse(
            "let a = \"use axum\"; // use sql\n/* x\n */ let b = 'c';\nlet c: &'static str = r#\"y\"#;",
        );
        assert!(!source.code.contains("axum") && !source.code.contains("sql"));
        assert_eq!(source.code.lines().count(), 4);
        assert!(source.code.contains("&'static str"));
        let texts: Vec<_> = source
            .literals
            .iter()
            .map(|l| (l.line, l.text.as_str()))
            .collect();
        assert_eq!(texts, [(1, "use axum"), (4, "y")]);
    }

    #[test]
    fn strings_over_several_lines_are_joined() {
        let source = parse(
            "const A: &str = \"SELECT 1 \\\n    FROM \\\"t\\\"\";\nconst B: char = '\"'; const C: &str = \"z\";",
        );
        assert_eq!(source.literals[0].text, "SELECT 1 FROM \"t\"");
        assert_eq!(source.literals[1].text, "z");
    }

    #[test]
    fn pieces_are_not_whole() {
        let source = parse("concat!(\"SELECT \", cols!(\"a\"), \"FROM t\"); f(\"x\")");
        let whole: Vec<_> = source.literals.iter().map(|l| l.whole).collect();
        assert_eq!(whole, [false, true, false, true]);
    }

    #[test]
    fn unit_tests_at_the_end_are_left_out() {
        let elsewhere = parse("fn a() {}\n#[cfg(test)]\nmod tests;\nfn b() {}");
        assert!(elsewhere.code.contains("fn b"));
        assert!(
            parse("fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }")
                .code
                .contains("fn a")
        );
        assert!(
            !parse("fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }")
                .code
                .contains("fn b")
        );
    }
}
