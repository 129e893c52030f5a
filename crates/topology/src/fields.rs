//! Reads the members of a YAML mapping, collecting everything that is wrong with them.

use std::{fmt::Display, str::FromStr};

use kernel::text;
use yaml_serde::{Mapping, Value};

use crate::{Point, PointError, TopologyError};

/// Collects the errors of one file.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    file: &'a str,
    errors: Vec<TopologyError>,
}

impl<'a> Report<'a> {
    pub(crate) fn of(file: &'a str) -> Self {
        Self {
            file,
            errors: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, field: Option<String>, problem: impl Into<String>) {
        self.errors.push(TopologyError {
            file: self.file.into(),
            field,
            problem: problem.into(),
        });
    }

    pub(crate) fn into_errors(self) -> Vec<TopologyError> {
        self.errors
    }
}

/// The mapping that a file is, or `None` and an error that says what is there instead.
pub(crate) fn mapping_of(report: &mut Report<'_>, text: &str) -> Option<Mapping> {
    match yaml_serde::from_str::<Value>(text) {
        Ok(Value::Mapping(mapping)) => Some(mapping),
        Ok(_) => {
            report.add(None, "must be a mapping of fields");
            None
        }
        Err(error) => {
            report.add(None, format!("is not YAML: {error}"));
            None
        }
    }
}

/// The members of one mapping: each method takes one, `finish` refuses what nobody took.
#[derive(Debug)]
pub(crate) struct Fields<'m, 'r, 'f> {
    members: &'m Mapping,
    prefix: String,
    report: &'r mut Report<'f>,
    known: Vec<&'static str>,
}

impl<'m, 'r, 'f> Fields<'m, 'r, 'f> {
    /// `prefix` is put before the names in errors: `offices[2].`.
    pub(crate) fn of(members: &'m Mapping, prefix: String, report: &'r mut Report<'f>) -> Self {
        Self {
            members,
            prefix,
            report,
            known: Vec::new(),
        }
    }

    /// Something required, read by its own `FromStr`.
    pub(crate) fn parse<T>(&mut self, name: &'static str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.text(name)?;
        self.own(name, text.parse())
    }

    /// The result of parsing a member, its error reported.
    pub(crate) fn own<T, E: Display>(
        &mut self,
        name: &'static str,
        parsed: Result<T, E>,
    ) -> Option<T> {
        parsed
            .map_err(|error| self.refuse(name, error.to_string()))
            .ok()
    }

    /// As `parse`; the outer `None` is an error, the inner one absence.
    #[expect(
        clippy::option_option,
        reason = "an error and an absence are told apart"
    )]
    pub(crate) fn parse_optional<T>(&mut self, name: &'static str) -> Option<Option<T>>
    where
        T: FromStr,
        T::Err: Display,
    {
        if self.members.contains_key(name) {
            self.parse(name).map(Some)
        } else {
            self.known.push(name);
            Some(None)
        }
    }

    /// A name of at most 200 characters.
    pub(crate) fn name(&mut self, name: &'static str) -> Option<String> {
        self.checked(name, |text| {
            text::check(text, text::NAME_MAX).map_err(|e| e.to_string())
        })
    }

    /// A text that obeys `rule`.
    pub(crate) fn checked(
        &mut self,
        name: &'static str,
        rule: impl FnOnce(&str) -> Result<(), String>,
    ) -> Option<String> {
        let text = self.text(name)?;
        match rule(text) {
            Ok(()) => Some(text.to_owned()),
            Err(problem) => {
                self.refuse(name, problem);
                None
            }
        }
    }

    /// `true`, `false`, or absent, which is false.
    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.known.push(name);
        match self.members.get(name) {
            None => Some(false),
            Some(Value::Bool(flag)) => Some(*flag),
            Some(_) => {
                self.refuse(name, "must be true or false");
                None
            }
        }
    }

    /// A whole number of the range.
    pub(crate) fn integer(
        &mut self,
        name: &'static str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Option<i64> {
        match self.required(name)?.as_i64() {
            Some(number) if range.contains(&number) => Some(number),
            _ => {
                let (min, max) = range.into_inner();
                self.refuse(
                    name,
                    format!("must be a whole number between {min} and {max}"),
                );
                None
            }
        }
    }

    /// The members `latitude` and `longitude`, at most 6 decimals each.
    pub(crate) fn point(&mut self) -> Option<Point> {
        let latitude = self.degrees("latitude");
        let longitude = self.degrees("longitude");
        // Each is judged also where the other is missing, so that no error waits for the next run.
        let judged = Point::new(latitude.unwrap_or(0.0), longitude.unwrap_or(0.0));
        match judged {
            Ok(point) => latitude.and(longitude).map(|_| point),
            Err(error @ PointError::Latitude) => {
                self.refuse("latitude", error.to_string());
                let longitude = longitude.map(|longitude| Point::new(0.0, longitude));
                if let Some(Err(error)) = longitude {
                    self.refuse("longitude", error.to_string());
                }
                None
            }
            Err(error @ PointError::Longitude) => {
                self.refuse("longitude", error.to_string());
                None
            }
        }
    }

    /// Refuses every member that no method has taken.
    pub(crate) fn finish(self) {
        for key in self.members.keys() {
            let name = key
                .as_str()
                .map_or_else(|| format!("{key:?}"), str::to_owned);
            if !self.known.iter().any(|known| *known == name) {
                let problem = format!("is not a field; there are {}", self.known.join(", "));
                self.report
                    .add(Some(format!("{}{name}", self.prefix)), problem);
            }
        }
    }

    fn degrees(&mut self, name: &'static str) -> Option<f64> {
        let Some(degrees) = self.required(name)?.as_f64() else {
            self.refuse(name, "must be a number of degrees");
            return None;
        };
        // The shortest text that means this number, so `13.405` has three decimals.
        let decimals = degrees
            .to_string()
            .split_once('.')
            .map_or(0, |(_, decimals)| decimals.len());
        if decimals > 6 {
            self.refuse(name, "must have at most 6 decimals");
            return None;
        }
        Some(degrees)
    }

    fn text(&mut self, name: &'static str) -> Option<&'m str> {
        let text = self.required(name)?.as_str();
        if text.is_none() {
            self.refuse(name, "must be text");
        }
        text
    }

    fn required(&mut self, name: &'static str) -> Option<&'m Value> {
        self.known.push(name);
        let value = self.members.get(name);
        if value.is_none() {
            self.refuse(name, "is missing");
        }
        value
    }

    fn refuse(&mut self, name: &'static str, problem: impl Into<String>) {
        self.report
            .add(Some(format!("{}{name}", self.prefix)), problem);
    }
}
