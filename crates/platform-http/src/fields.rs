//! Reads a JSON object into a command and collects every broken rule, each with its JSON Pointer (RFC 6901).
//!
//! A getter returns `None` both for "absent" and for "broken"; `finish` tells them apart, since it returns the errors
//! if there are any. Four families, by what absent and null mean:
//!
//! | | absent | null | for |
//! | --- | --- | --- | --- |
//! | `text`, `parse`, … | error `required` | error `required` | required members |
//! | `opt_…` | `None` | `None` | optional members of POST and PUT |
//! | `change_…` | `None` | error `required` | PATCH of a member that must have a value |
//! | `patch_…` | `None` | `Some(None)`: clear it | PATCH of an optional member (RFC 7396) |

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use kernel::{AmountMinor, FieldError, Invalid, money::AMOUNT_MAX, text};
use serde_json::{Map, Value};

use crate::suggest::suggest;

/// Why one value is refused: code and the end of a sentence.
type Refusal = (&'static str, String);

/// One JSON object on its way into a command.
#[derive(Debug)]
pub struct Fields<'a> {
    object: Option<&'a Map<String, Value>>,
    pointer: String,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// Of a whole body.
    #[must_use]
    pub fn of(body: &'a Value) -> Self {
        Self::at(body, String::new())
    }

    fn at(value: &'a Value, pointer: String) -> Self {
        let object = value.as_object();
        let mut fields = Self {
            object,
            pointer,
            known: Vec::new(),
            errors: Vec::new(),
        };
        if object.is_none() {
            fields.errors.push(FieldError {
                pointer: fields.pointer.clone(),
                code: "type",
                detail: "must be a JSON object".into(),
            });
        }
        fields
    }

    /// A text that is there, of at most `max` characters and not blank.
    pub fn text(&mut self, name: &'static str, max: usize) -> Option<String> {
        self.required(name, |value| as_text(value, max))
    }

    /// As [`text`](Self::text); absent or null is `None`.
    pub fn opt_text(&mut self, name: &'static str, max: usize) -> Option<String> {
        self.optional(name, |value| as_text(value, max))
    }

    /// As [`text`](Self::text); absent is `None`.
    pub fn change_text(&mut self, name: &'static str, max: usize) -> Option<String> {
        self.change(name, |value| as_text(value, max))
    }

    /// As [`text`](Self::text); absent is `None`, null is `Some(None)`.
    pub fn patch_text(&mut self, name: &'static str, max: usize) -> Option<Option<String>> {
        self.patch(name, |value| as_text(value, max))
    }

    /// A text that `T` can be parsed from; its error ends a sentence that begins with the member's name.
    pub fn parse<T: FromStr<Err: Display>>(&mut self, name: &'static str) -> Option<T> {
        self.required(name, as_parsed)
    }

    /// As [`parse`](Self::parse); absent or null is `None`.
    pub fn opt_parse<T: FromStr<Err: Display>>(&mut self, name: &'static str) -> Option<T> {
        self.optional(name, as_parsed)
    }

    /// As [`parse`](Self::parse); absent is `None`.
    pub fn change_parse<T: FromStr<Err: Display>>(&mut self, name: &'static str) -> Option<T> {
        self.change(name, as_parsed)
    }

    /// As [`parse`](Self::parse); absent is `None`, null is `Some(None)`.
    pub fn patch_parse<T: FromStr<Err: Display>>(
        &mut self,
        name: &'static str,
    ) -> Option<Option<T>> {
        self.patch(name, as_parsed)
    }

    /// A whole number within the range.
    pub fn integer(&mut self, name: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        self.required(name, |value| as_integer(value, &range))
    }

    /// As [`integer`](Self::integer); absent or null is `None`.
    pub fn opt_integer(&mut self, name: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        self.optional(name, |value| as_integer(value, &range))
    }

    /// As [`integer`](Self::integer); absent is `None`.
    pub fn change_integer(
        &mut self,
        name: &'static str,
        range: RangeInclusive<i64>,
    ) -> Option<i64> {
        self.change(name, |value| as_integer(value, &range))
    }

    /// An amount of at least `min` minor units; beyond 2^53 − 1 the error is `amount_out_of_range`.
    pub fn amount(&mut self, name: &'static str, min: i64) -> Option<AmountMinor> {
        self.required(name, |value| as_amount(value, min))
    }

    /// As [`amount`](Self::amount); absent or null is `None`.
    pub fn opt_amount(&mut self, name: &'static str, min: i64) -> Option<AmountMinor> {
        self.optional(name, |value| as_amount(value, min))
    }

    /// Decimal degrees within ±`max` with at most 6 decimals.
    pub fn degrees(&mut self, name: &'static str, max: f64) -> Option<f64> {
        self.required(name, |value| as_degrees(value, max))
    }

    /// As [`degrees`](Self::degrees); absent is `None`.
    pub fn change_degrees(&mut self, name: &'static str, max: f64) -> Option<f64> {
        self.change(name, |value| as_degrees(value, max))
    }

    /// `true` or `false`; absent or null is `None`.
    pub fn opt_boolean(&mut self, name: &'static str) -> Option<bool> {
        self.optional(name, |value| {
            value
                .as_bool()
                .ok_or_else(|| ("type", "must be true or false".into()))
        })
    }

    /// One of a few names.
    pub fn one_of<T: Copy>(
        &mut self,
        name: &'static str,
        names: &[(&'static str, T)],
    ) -> Option<T> {
        self.required(name, |value| as_one_of(value, names))
    }

    /// As [`one_of`](Self::one_of); absent or null is `None`.
    pub fn opt_one_of<T: Copy>(
        &mut self,
        name: &'static str,
        names: &[(&'static str, T)],
    ) -> Option<T> {
        self.optional(name, |value| as_one_of(value, names))
    }

    /// As [`one_of`](Self::one_of); absent is `None`.
    pub fn change_one_of<T: Copy>(
        &mut self,
        name: &'static str,
        names: &[(&'static str, T)],
    ) -> Option<T> {
        self.change(name, |value| as_one_of(value, names))
    }

    /// At most `max` objects, each read by `element`; absent or null is `None`.
    pub fn opt_list<T>(
        &mut self,
        name: &'static str,
        max: usize,
        element: impl FnMut(&mut Fields<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let values = self.optional_array(name, max)?;
        self.objects(name, values, element)
    }

    /// As [`opt_list`](Self::opt_list); absent or null is an error.
    pub fn list<T>(
        &mut self,
        name: &'static str,
        max: usize,
        element: impl FnMut(&mut Fields<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let values = self.required_array(name, max)?;
        self.objects(name, values, element)
    }

    /// At most `max` texts, each read by `element`, whose error ends a sentence.
    pub fn texts<T, E: Display>(
        &mut self,
        name: &'static str,
        max: usize,
        mut element: impl FnMut(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let values = self.required_array(name, max)?;
        let mut texts = Vec::with_capacity(values.len());
        for (index, value) in values.iter().enumerate() {
            let parsed = as_str(value)
                .and_then(|text| element(text).map_err(|error| ("format", error.to_string())));
            match parsed {
                Ok(text) => texts.push(text),
                Err((code, detail)) => {
                    let pointer = format!("{}/{name}/{index}", self.pointer);
                    self.errors.push(FieldError {
                        pointer,
                        code,
                        detail,
                    });
                }
            }
        }
        Some(texts)
    }

    /// Members that only the server sets: refused where a client sends them.
    pub fn read_only(&mut self, names: &[&'static str]) {
        self.refuse(
            names,
            "read_only",
            "is set by the server and cannot be sent",
        );
    }

    /// Members that can be set at creation only: refused where a client sends them.
    pub fn immutable(&mut self, names: &[&'static str]) {
        self.refuse(names, "immutable", "cannot be changed");
    }

    /// Adds a broken rule that spans members, or one that only the operation knows.
    pub fn error(&mut self, name: &str, code: &'static str, detail: impl Into<String>) {
        self.errors.push(FieldError {
            pointer: pointer_to(&self.pointer, name),
            code,
            detail: detail.into(),
        });
    }

    /// Whether it is an object at all; where it is not, that was said, and nothing more need be said of its members.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.object.is_some()
    }

    /// Whether the member is there and not null.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| !value.is_null())
    }

    /// Refuses members that nobody asked for, then builds the command if nothing was refused.
    ///
    /// # Errors
    /// Every broken rule. `build` returns `None` only if a required member is missing, which is among them.
    pub fn finish<T>(mut self, build: impl FnOnce() -> Option<T>) -> Result<T, Invalid> {
        self.refuse_unknown();
        if !self.errors.is_empty() {
            return Err(Invalid {
                errors: self.errors,
            });
        }
        build().ok_or_else(|| Invalid::one(self.pointer, "required", "lacks a required member"))
    }

    fn refuse_unknown(&mut self) {
        for name in self.object.into_iter().flat_map(Map::keys) {
            if !self.known.contains(&name.as_str()) {
                let mut detail = "is not a member of this object".to_owned();
                if let Some(near) = suggest(name, self.known.iter().copied()) {
                    detail = format!("{detail}; did you mean {near}?");
                }
                let pointer = pointer_to(&self.pointer, name);
                self.errors.push(FieldError {
                    pointer,
                    code: "unknown_member",
                    detail,
                });
            }
        }
    }

    fn refuse(&mut self, names: &[&'static str], code: &'static str, detail: &str) {
        for name in names {
            if self.value(name).is_some() {
                self.error(name, code, detail);
            }
            self.known.push(name);
        }
    }

    fn value(&self, name: &str) -> Option<&'a Value> {
        self.object?.get(name)
    }

    fn read<T>(
        &mut self,
        name: &'static str,
        value: &'a Value,
        read: impl FnOnce(&'a Value) -> Result<T, Refusal>,
    ) -> Option<T> {
        match read(value) {
            Ok(value) => Some(value),
            Err((code, detail)) => {
                self.error(name, code, detail);
                None
            }
        }
    }

    fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'a Value) -> Result<T, Refusal>,
    ) -> Option<T> {
        self.known.push(name);
        match self.value(name) {
            Some(value) if !value.is_null() => self.read(name, value, read),
            _ if self.object.is_none() => None, // said once, for the object
            _ => {
                self.error(name, "required", "is required");
                None
            }
        }
    }

    fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'a Value) -> Result<T, Refusal>,
    ) -> Option<T> {
        self.known.push(name);
        let value = self.value(name).filter(|value| !value.is_null())?;
        self.read(name, value, read)
    }

    fn change<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'a Value) -> Result<T, Refusal>,
    ) -> Option<T> {
        if self.value(name).is_some() {
            return self.required(name, read);
        }
        self.known.push(name);
        None
    }

    fn patch<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'a Value) -> Result<T, Refusal>,
    ) -> Option<Option<T>> {
        self.known.push(name);
        let value = self.value(name)?;
        if value.is_null() {
            Some(None)
        } else {
            self.read(name, value, read).map(Some)
        }
    }

    fn optional_array(&mut self, name: &'static str, max: usize) -> Option<&'a [Value]> {
        self.optional(name, |value| as_array(value, max))
    }

    fn required_array(&mut self, name: &'static str, max: usize) -> Option<&'a [Value]> {
        self.required(name, |value| as_array(value, max))
    }

    fn objects<T>(
        &mut self,
        name: &'static str,
        values: &'a [Value],
        mut element: impl FnMut(&mut Fields<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut list = Vec::with_capacity(values.len());
        for (index, value) in values.iter().enumerate() {
            let mut fields = Fields::at(value, format!("{}/{name}/{index}", self.pointer));
            list.extend(element(&mut fields));
            fields.refuse_unknown();
            self.errors.append(&mut fields.errors);
        }
        Some(list)
    }
}

fn pointer_to(base: &str, name: &str) -> String {
    format!("{base}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn as_str(value: &Value) -> Result<&str, Refusal> {
    let text = value
        .as_str()
        .ok_or_else(|| ("type", "must be a string".to_owned()))?;
    if text.contains('\0') {
        return Err(("character", text::TextError::Nul.to_string()));
    }
    Ok(text)
}

fn as_text(value: &Value, max: usize) -> Result<String, Refusal> {
    let text = as_str(value)?;
    match text::check(text, max) {
        Ok(()) => Ok(text.to_owned()),
        Err(error @ text::TextError::Nul) => Err(("character", error.to_string())),
        Err(error) => Err(("length", error.to_string())),
    }
}

fn as_parsed<T: FromStr<Err: Display>>(value: &Value) -> Result<T, Refusal> {
    as_str(value)?
        .parse()
        .map_err(|error: T::Err| ("format", error.to_string()))
}

/// JSON integers only: `1.0` and `1e3` are refused, though some readers call them whole.
fn as_i64(value: &Value) -> Result<Option<i64>, Refusal> {
    let Value::Number(number) = value else {
        return Err(("type", "must be an integer".into()));
    };
    match number.as_i64() {
        Some(integer) => Ok(Some(integer)),
        // serde_json keeps integers beyond 64 bits as floating point; `1.5` and `1e30` get there too.
        None if number.is_u64() => Ok(None),
        None if number.as_f64().is_some_and(|float| float.abs() >= 9.2e18) => Ok(None),
        None => Err(("type", "must be an integer".into())),
    }
}

fn as_integer(value: &Value, range: &RangeInclusive<i64>) -> Result<i64, Refusal> {
    as_i64(value)?
        .filter(|integer| range.contains(integer))
        .ok_or_else(|| {
            (
                "range",
                format!("must be between {} and {}", range.start(), range.end()),
            )
        })
}

fn as_amount(value: &Value, min: i64) -> Result<AmountMinor, Refusal> {
    let amount = as_i64(value)?.and_then(AmountMinor::new).ok_or_else(|| {
        (
            "amount_out_of_range",
            format!("must be between {} and {AMOUNT_MAX}", -AMOUNT_MAX),
        )
    })?;
    if amount.get() < min {
        return Err(("range", format!("must be at least {min}")));
    }
    Ok(amount)
}

fn as_degrees(value: &Value, max: f64) -> Result<f64, Refusal> {
    let Some(degrees) = value.as_f64() else {
        return Err(("type", "must be a number".into()));
    };
    if degrees.abs() > max {
        return Err(("range", format!("must be between -{max} and {max}")));
    }
    // The shortest text that reads back as the same number shows how many decimals were sent.
    let text = format!("{degrees}");
    if text
        .split_once('.')
        .is_some_and(|(_, decimals)| decimals.len() > 6)
    {
        return Err(("precision", "must have at most 6 decimals".into()));
    }
    Ok(degrees)
}

fn as_one_of<T: Copy>(value: &Value, names: &[(&'static str, T)]) -> Result<T, Refusal> {
    let text = as_str(value)?;
    names
        .iter()
        .find(|(name, _)| *name == text)
        .map(|(_, meaning)| *meaning)
        .ok_or_else(|| {
            let list: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
            ("enum", format!("must be one of {}", list.join(", ")))
        })
}

fn as_array(value: &Value, max: usize) -> Result<&[Value], Refusal> {
    let array = value
        .as_array()
        .ok_or_else(|| ("type", "must be an array".to_owned()))?;
    if array.len() > max {
        return Err(("length", format!("must have at most {max} elements")));
    }
    Ok(array)
}

#[cfg(test)]
mod tests;
