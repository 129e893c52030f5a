//! Query strings, decoded once and strictly.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::{
    problem::{self, ParameterError, Problem},
    suggest::suggest,
};

/// Names and values in the order sent.
pub(crate) type Pairs = Vec<(String, String)>;

/// Decodes `a=1&b=%20`. A name without `=` has the empty value.
///
/// # Errors
/// Every name or value that is not UTF-8 in percent-encoding, or holds U+0000.
pub(crate) fn decode(raw: Option<&str>) -> Result<Pairs, Vec<ParameterError>> {
    let (mut pairs, mut errors) = (Pairs::new(), Vec::new());
    for part in raw.unwrap_or("").split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match (percent_decode(name), percent_decode(value)) {
            (Some(name), Some(value)) => pairs.push((name, value)),
            _ => errors.push(ParameterError::new(
                name,
                "encoding",
                "is not UTF-8 in percent-encoding without U+0000",
            )),
        }
    }
    if errors.is_empty() {
        Ok(pairs)
    } else {
        Err(errors)
    }
}

/// `+` is a space, as browsers' forms send it.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (rest.next()?, rest.next()?);
                let digit = |byte: u8| char::from(byte).to_digit(16);
                u8::try_from(digit(high)? * 16 + digit(low)?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'))
}

/// Refuses parameters that the operation does not have, each with the one that was probably meant.
pub(crate) fn refuse_unknown(raw: Option<&str>, known: &[String]) -> Result<(), Problem> {
    let mut errors: Vec<ParameterError> = Vec::new();
    for part in raw.unwrap_or("").split('&').filter(|part| !part.is_empty()) {
        let name = part.split_once('=').map_or(part, |(name, _)| name);
        let name = percent_decode(name).unwrap_or_else(|| name.to_owned());
        if !known.contains(&name) && !errors.iter().any(|error| error.parameter == name) {
            errors.push(unknown(name, known));
        }
    }
    if errors.is_empty() {
        return Ok(());
    }
    let suggestion = errors.iter().find_map(|error| error.suggestion.clone());
    let problem = Problem::of_parameters(&problem::UNKNOWN_PARAMETER, errors);
    Err(match suggestion {
        Some(name) => problem.with("suggestion", name),
        None => problem,
    })
}

fn unknown(name: String, known: &[String]) -> ParameterError {
    let suggestion = suggest(&name, known.iter().map(String::as_str)).map(str::to_owned);
    let mut detail = "is not a parameter of this operation".to_owned();
    let _ = match &suggestion {
        Some(near) => write!(detail, "; did you mean {near}?"),
        None if known.is_empty() => write!(detail, ", which has none"),
        None => write!(detail, ", which has {}", known.join(", ")),
    };
    ParameterError {
        parameter: name,
        code: "unknown_parameter".into(),
        detail,
        suggestion,
    }
}

/// Binds a cursor to its list: path and filters, whatever their order, without what may change from page to page.
pub(crate) fn filter_hash(path: &str, pairs: &Pairs) -> [u8; 8] {
    let mut filters: Vec<_> = pairs
        .iter()
        .filter(|(name, _)| {
            !matches!(
                name.as_str(),
                "limit" | "cursor" | "allow_partial" | "expand"
            )
        })
        .filter(|(name, value)| (name.as_str(), value.as_str()) != ("order", "desc")) // the default
        .collect();
    filters.sort_unstable();
    let mut hash = Sha256::new();
    let parts = filters
        .iter()
        .flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    for part in std::iter::once(path).chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut short = [0; 8];
    short.copy_from_slice(&digest[..8]);
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_decoded() {
        let pairs = decode(Some("a=1&b=x%20y+z&c&d=%C3%A9&&e==")).unwrap();
        let expected = [
            ("a", "1"),
            ("b", "x y z"),
            ("c", ""),
            ("d", "é"),
            ("e", "="),
        ];
        assert_eq!(
            pairs,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn every_undecodable_parameter_is_named() {
        let errors = decode(Some("a=%FF&b=1&c=%0&d=%00&e=%zz")).unwrap_err();
        let names: Vec<_> = errors
            .iter()
            .map(|error| error.parameter.as_str())
            .collect();
        assert_eq!(names, ["a", "c", "d", "e"]);
    }

    #[test]
    fn an_unknown_parameter_comes_with_a_suggestion() {
        let known = ["office".to_owned(), "limit".to_owned()];
        let problem = refuse_unknown(Some("offcie=ber&limit=1&zzz=1"), &known).unwrap_err();
        assert_eq!(problem.kind().code, "unknown_parameter");
        assert_eq!(problem.0.members["suggestion"], "office");
        assert_eq!(problem.0.members["errors"][0]["suggestion"], "office");
        assert_eq!(problem.0.members["errors"][1]["parameter"], "zzz");
        assert!(refuse_unknown(Some("office=ber&limit=1"), &known).is_ok());
        assert!(refuse_unknown(None, &[]).is_ok());
    }

    #[test]
    fn the_filter_hash_covers_path_filters_and_order_but_not_limit() {
        let hash = |path: &str, query: &str| filter_hash(path, &decode(Some(query)).unwrap());
        let base = hash("/v1/x", "office=ber&status=active");
        assert_eq!(
            base,
            hash(
                "/v1/x",
                "status=active&limit=7&office=ber&cursor=abc&order=desc"
            )
        );
        assert_ne!(base, hash("/v1/y", "office=ber&status=active"));
        assert_ne!(base, hash("/v1/x", "office=ber"));
        assert_ne!(base, hash("/v1/x", "office=ber&status=active&order=asc"));
    }

    proptest! {
        #[test]
        fn decoding_never_panics_and_keeps_plain_text(text in ".{0,24}", plain in "[a-z0-9_.-]{1,12}") {
            let _ = decode(Some(&text));
            let query = format!("a={plain}");
            prop_assert_eq!(decode(Some(&query)).unwrap()[0].1.clone(), plain);
        }
    }
}
