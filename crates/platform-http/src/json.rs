//! JSON bodies, read strictly: one value, no member twice, a bounded depth; and their canonical form.
//!
//! Two readers that disagree about a body (which of two members of one name counts?) would let a signature, a log and
//! a database speak of different writes, so what is ambiguous is refused.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use sha2::{Digest as _, Sha256};

/// Reads one JSON value of at most `depth` levels.
///
/// # Errors
/// What is wrong and where, for people.
pub(crate) fn parse(bytes: &[u8], depth: usize) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("it is not UTF-8 from byte {} on", error.valid_up_to()))?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Node { depth }
        .deserialize(&mut deserializer)
        .map_err(|error| error.to_string())?;
    deserializer.end().map_err(|error| error.to_string())?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Node {
    /// Levels that may still be opened.
    depth: usize,
}

impl Node {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth }),
            None => Err(E::custom("it is nested too deeply")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let element = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(element)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let member = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(member)?;
            if object.contains_key(&name) {
                return Err(de::Error::custom(format_args!(
                    "the member {name:?} is sent twice"
                )));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

/// SHA-256 over parts that cannot run into each other, the last of them a JSON value with its members sorted.
pub(crate) fn fingerprint(parts: &[&[u8]], body: &Value) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut canonical = String::new();
    write_canonical(body, &mut canonical);
    hash.update(canonical.as_bytes());
    hash.finalize().into()
}

/// Without white space, members sorted by the bytes of their names: two releases must agree on it.
fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => {
            let mut members: Vec<_> = object.iter().collect();
            members.sort_unstable_by_key(|(name, _)| name.as_bytes());
            out.push('{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write_canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(value, out);
            }
            out.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn nested(levels: usize) -> String {
        "[".repeat(levels) + &"]".repeat(levels)
    }

    #[test]
    fn hard_case_10_a_member_sent_twice_is_refused_at_any_level() {
        for twice in [r#"{"a":1,"a":1}"#, r#"{"b":[{"a":1,"\u0061":2}]}"#] {
            assert!(
                parse(twice.as_bytes(), 32)
                    .unwrap_err()
                    .contains("sent twice"),
                "{twice}"
            );
        }
    }

    #[test]
    fn hard_case_30_depth_is_counted_in_levels() {
        assert!(parse(nested(32).as_bytes(), 32).is_ok());
        assert!(
            parse(nested(33).as_bytes(), 32)
                .unwrap_err()
                .contains("too deeply")
        );
        assert!(parse(nested(100_000).as_bytes(), 32).is_err());
        assert!(parse(br#"{"a":1}"#, 1).is_ok() && parse(b"[[]]", 1).is_err());
    }

    #[test]
    fn what_is_not_one_json_value_is_refused() {
        let bad: [&[u8]; 9] = [
            b"",
            b"{",
            b"{} {}",
            b"{'a':1}",
            b"\xff",
            b"\xef\xbb\xbf{}",
            br#""\ud800""#,
            b"1e999",
            b"[01]",
        ];
        for bytes in bad {
            assert!(
                parse(bytes, 32).is_err(),
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn hard_case_10_the_fingerprint_ignores_order_and_white_space(value in any_json()) {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let mut canonical = String::new();
            write_canonical(&value, &mut canonical);
            let read = parse(pretty.as_bytes(), 32).unwrap();
            prop_assert_eq!(fingerprint(&[b"POST"], &read), fingerprint(&[b"POST"], &value));
            prop_assert_eq!(parse(canonical.as_bytes(), 32).unwrap(), value);
        }

        #[test]
        fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes, 32);
        }
    }

    #[test]
    fn the_fingerprint_depends_on_every_part() {
        let body = json!({"a": 1});
        let base = fingerprint(&[b"POST", b"/v1/x"], &body);
        assert_ne!(base, fingerprint(&[b"POST", b"/v1/y"], &body));
        assert_ne!(base, fingerprint(&[b"POST/", b"v1/x"], &body));
        assert_ne!(base, fingerprint(&[b"POST", b"/v1/x"], &json!({"a": 2})));
        assert_ne!(base, fingerprint(&[b"POST", b"/v1/x"], &json!({"a": "1"})));
    }
}
