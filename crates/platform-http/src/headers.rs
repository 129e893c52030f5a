//! Request headers, read once: what they mean, or a problem that names them.

use std::time::Duration;

use http::{HeaderMap, HeaderName, header, request::Parts};
use kernel::{IdempotencyKey, IfMatch, ReadMode, ReadWant, Token, write::KeyError};

use crate::problem::{self, Problem};

/// `Read-Consistency`
pub(crate) const READ_CONSISTENCY: HeaderName = HeaderName::from_static("read-consistency");
/// `Consistency-Token`
pub(crate) const CONSISTENCY_TOKEN: HeaderName = HeaderName::from_static("consistency-token");
/// `Idempotency-Key`
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// `Prefer`
pub(crate) const PREFER: HeaderName = HeaderName::from_static("prefer");
/// `traceparent`
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// `X-Forwarded-For`
pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The one value of a header as text; `None` if absent.
///
/// # Errors
/// `invalid_parameter` when it is sent twice or is not visible ASCII.
pub(crate) fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(bad(name, "repeated", "is sent more than once"));
    }
    match value.to_str() {
        Ok(text) => Ok(Some(text.trim())),
        Err(_) => Err(bad(
            name,
            "character",
            "has characters other than visible ASCII",
        )),
    }
}

fn bad(name: &HeaderName, code: &str, detail: &str) -> Problem {
    Problem::invalid_parameter(display_name(name), code, detail)
}

/// As people write it.
fn display_name(name: &HeaderName) -> &str {
    match name.as_str() {
        "read-consistency" => "Read-Consistency",
        "consistency-token" => "Consistency-Token",
        "idempotency-key" => "Idempotency-Key",
        "if-match" => "If-Match",
        "if-none-match" => "If-None-Match",
        other => other,
    }
}

/// What a read must honour.
pub(crate) fn read_want(headers: &HeaderMap) -> Result<ReadWant, Problem> {
    let mode = match single(headers, &READ_CONSISTENCY)? {
        None => None,
        Some(text) => Some(read_mode(text).ok_or_else(|| {
            bad(
                &READ_CONSISTENCY,
                "format",
                "is not one of strong, bounded;max_ms=<n>, local",
            )
        })?),
    };
    let token = match headers.get_all(CONSISTENCY_TOKEN).iter().count() {
        0 => None,
        1 => Some(token(headers).ok_or_else(|| {
            Problem::new(
                &problem::TOKEN_MALFORMED,
                "The Consistency-Token is not one that this API gave.",
            )
        })?),
        _ => {
            return Err(bad(
                &CONSISTENCY_TOKEN,
                "repeated",
                "is sent more than once",
            ));
        }
    };
    let no_cache = headers
        .get_all(header::CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|directive| directive.trim().eq_ignore_ascii_case("no-cache"));
    Ok(ReadWant {
        mode,
        token,
        no_cache,
        whole: false, // said by the query
    })
}

fn token(headers: &HeaderMap) -> Option<Token> {
    headers
        .get(CONSISTENCY_TOKEN)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn read_mode(text: &str) -> Option<ReadMode> {
    match text {
        "strong" => Some(ReadMode::Strong),
        "local" => Some(ReadMode::Local),
        _ => {
            let digits = text
                .strip_prefix("bounded;")?
                .trim_start()
                .strip_prefix("max_ms=")?;
            // 15 digits are what an integer of RFC 9651 may have.
            let valid =
                matches!(digits.len(), 1..=15) && digits.bytes().all(|b| b.is_ascii_digit());
            valid.then(|| {
                digits
                    .parse()
                    .ok()
                    .map(|max_ms| ReadMode::Bounded { max_ms })
            })?
        }
    }
}

/// The write's name, quoted or bare; `None` if absent.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let invalid = |detail: &str| {
        Problem::new(
            &problem::IDEMPOTENCY_KEY_INVALID,
            format!("The Idempotency-Key {detail}."),
        )
    };
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(invalid("is sent more than once"));
    }
    let text = value
        .to_str()
        .map_err(|_| invalid(&KeyError::Malformed.to_string()))?
        .trim();
    let bare = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    bare.parse()
        .map(Some)
        .map_err(|error: KeyError| invalid(&error.to_string()))
}

/// The precondition of a write; `None` if absent.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<IfMatch>, Problem> {
    Ok(
        entity_tags(headers, &header::IF_MATCH)?.map(|tags| match tags {
            EntityTags::Any => IfMatch::Any,
            EntityTags::List(tags) => {
                IfMatch::Versions(tags.iter().filter_map(|tag| version_of(tag)).collect())
            }
        }),
    )
}

/// The version in a tag: `7` of `7` and of `7-…`, which an expanded representation has.
fn version_of(tag: &str) -> Option<i64> {
    let version = tag.split_once('-').map_or(tag, |(version, _)| version);
    let digits = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit());
    if digits { version.parse().ok() } else { None }
}

/// The value of `If-Match` or `If-None-Match` (RFC 9110, section 8.8.3), weak marks dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EntityTags {
    /// `*`
    Any,
    /// The texts between the quotes.
    List(Vec<String>),
}

impl EntityTags {
    /// Weak comparison with the opaque part of a tag.
    pub(crate) fn contain(&self, tag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::List(tags) => tags.iter().any(|other| other == tag),
        }
    }
}

/// Reads a list of entity tags, over several header lines too; `None` if absent.
pub(crate) fn entity_tags(
    headers: &HeaderMap,
    name: &HeaderName,
) -> Result<Option<EntityTags>, Problem> {
    let error = || {
        bad(
            name,
            "format",
            "is not * or a list of entity tags such as \"7\"",
        )
    };
    let mut lines = Vec::new();
    for value in headers.get_all(name) {
        lines.push(value.to_str().map_err(|_| error())?.trim());
    }
    match lines.as_slice() {
        [] => return Ok(None),
        ["*"] => return Ok(Some(EntityTags::Any)),
        _ => {}
    }
    let mut tags = Vec::new();
    for line in lines {
        tags.extend(tag_list(line).ok_or_else(error)?);
    }
    if tags.is_empty() {
        Err(error())
    } else {
        Ok(Some(EntityTags::List(tags)))
    }
}

/// The tags of one line; commas inside the quotes belong to the tag, empty elements are skipped.
fn tag_list(mut rest: &str) -> Option<Vec<String>> {
    let mut tags = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(tags);
        }
        let opaque = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?;
        let (tag, behind) = opaque.split_once('"')?;
        tags.push(tag.to_owned());
        rest = behind.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
    }
}

/// Whether the client takes one of these media types (RFC 9110, section 12.5.1).
pub(crate) fn accepts(headers: &HeaderMap, types: &[impl AsRef<str>]) -> bool {
    types.iter().any(|media| {
        let (kind, subtype) = media.as_ref().split_once('/').unwrap_or_default();
        weight(headers, kind, subtype) > 0
    })
}

/// The weight in thousandths that `Accept` gives to a media type; all of them where there is no preference.
pub(crate) fn weight(headers: &HeaderMap, kind: &str, subtype: &str) -> u32 {
    let values: Vec<&str> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    if values.iter().all(|value| value.trim().is_empty()) {
        return 1000; // no preference
    }
    quality(&values, kind, subtype)
}

/// The weight in thousandths that the most specific matching range gives to a media type.
pub(crate) fn quality(accept: &[&str], kind: &str, subtype: &str) -> u32 {
    let mut best = (0, 0); // specificity, weight
    for range in accept.iter().flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let (k, s) = parts
            .next()
            .and_then(|range| range.split_once('/'))
            .unwrap_or_default();
        let specificity = match (
            k.eq_ignore_ascii_case(kind),
            s.eq_ignore_ascii_case(subtype),
        ) {
            (true, true) => 3,
            (true, false) if s == "*" => 2,
            _ if (k, s) == ("*", "*") => 1,
            _ => continue,
        };
        let weight = parts
            .find_map(|parameter| {
                parameter
                    .strip_prefix("q=")
                    .or(parameter.strip_prefix("Q="))
            })
            .map_or(1000, thousandths);
        best = best.max((specificity, weight));
    }
    best.1
}

/// `0.5` → 500; what is not a weight counts as none.
fn thousandths(text: &str) -> u32 {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    match (whole, decimals.len()) {
        ("1", _) => 1000,
        ("0", 0..=3) => format!("{decimals:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

/// `Prefer: return=minimal` (RFC 7240), among other preferences.
pub(crate) fn prefers_minimal(headers: &HeaderMap) -> bool {
    headers
        .get_all(PREFER)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .any(|preference| preference.trim().eq_ignore_ascii_case("return=minimal"))
}

/// Seconds that a client wants to wait for something to happen, at most (`api-and-domain` section 3.3).
const WAIT_MAX_S: u64 = 30;

/// `Prefer: wait=20` (RFC 7240, section 4.3): the first one counts, more than 30 s are taken as 30, and what cannot be
/// read is not a preference.
pub(crate) fn prefers_wait(headers: &HeaderMap) -> Duration {
    let preferences = headers
        .get_all(PREFER)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let seconds = preferences
        .filter_map(|preference| {
            let named = preference.split(';').next()?;
            let (name, value) = named.split_once('=')?;
            name.trim().eq_ignore_ascii_case("wait").then_some(value)
        })
        .next()
        .map(|value| value.trim().trim_matches('"'))
        .filter(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        // More digits than fit are many seconds too.
        .map_or(0, |digits| digits.parse().unwrap_or(WAIT_MAX_S));
    Duration::from_secs(seconds.min(WAIT_MAX_S))
}

/// The W3C trace context (w3.org/TR/trace-context, section 3.2) if it is well-formed, cut to what version 00 has.
///
/// It goes into SQL comments, so nothing but the digits and dashes of the grammar may pass.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let text = values.next()?.to_str().ok()?.trim();
    if values.next().is_some() || !text.is_ascii() {
        return None;
    }
    let (head, tail) = text.split_at_checked(55)?;
    let fields: Vec<&str> = head.split('-').collect();
    let [version, trace, parent, flags] = fields.as_slice() else {
        return None;
    };
    let hex = |field: &str, len: usize| {
        field.len() == len
            && field
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |field: &str| field.bytes().all(|b| b == b'0');
    let well_formed = hex(version, 2) && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    let length = if *version == "00" {
        tail.is_empty()
    } else {
        tail.is_empty() || tail.starts_with('-')
    };
    let valid = well_formed && length && *version != "ff" && !zero(trace) && !zero(parent);
    valid.then(|| head.to_owned())
}

/// Checks the headers that mean the same on every route; `types` are those of its answers.
pub(crate) fn common<T>(parts: &Parts, types: &[T]) -> Result<ReadWant, Problem>
where
    T: AsRef<str>,
{
    if !accepts(&parts.headers, types) {
        let types: Vec<&str> = types.iter().map(AsRef::as_ref).collect();
        return Err(Problem::new(
            &problem::NOT_ACCEPTABLE,
            format!(
                "Answers are {} (problems application/problem+json); Accept rules that out.",
                types.join(" or ")
            ),
        ));
    }
    read_want(&parts.headers)
}

#[cfg(test)]
mod tests;
