use kernel::OfficeCode;
use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Active,
    Archived,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Filters {
    name: String,
    lat: Option<f64>,
    office: Option<Vec<OfficeCode>>,
    status: Option<Status>,
    count: Option<u16>,
    whole: Option<bool>,
}

fn read(query: &str) -> Result<Filters, Vec<(String, String)>> {
    parse(&query::decode(Some(query)).unwrap()).map_err(|errors| {
        errors
            .into_iter()
            .map(|error| (error.parameter, error.code))
            .collect()
    })
}

fn names(query: &str) -> Vec<String> {
    read(query)
        .unwrap_err()
        .into_iter()
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn every_kind_of_value_is_read() {
    let filters =
        read("name=a%20b&lat=-48.2&office=ber,nyc&status=active&count=7&whole=true&limit=5");
    assert_eq!(
        filters,
        Ok(Filters {
            name: "a b".into(),
            lat: Some(-48.2),
            office: Some(vec!["ber".parse().unwrap(), "nyc".parse().unwrap()]),
            status: Some(Status::Active),
            count: Some(7),
            whole: Some(true),
        })
    );
    assert_eq!(read("name=x").unwrap().office, None);
}

#[test]
fn all_bad_values_are_named_at_once() {
    assert_eq!(
        read("lat=NaN&office=Ber&status=gone&count=70000&whole=yes&name=x"),
        Err([
            ("lat", "type"),
            ("office", "format"),
            ("status", "enum"),
            ("count", "type"),
            ("whole", "type")
        ]
        .map(|(name, code)| (name.to_owned(), code.to_owned()))
        .to_vec())
    );
}

#[test]
fn missing_and_repeated_are_named() {
    assert_eq!(names("lat=1&lat=2&lat=3&count=x"), ["lat", "count", "name"]);
    assert_eq!(names("name=a&name=b"), ["name"]);
    assert_eq!(names(""), ["name"]);
}

#[test]
fn numbers_are_plain_decimals() {
    for bad in [
        "inf", "-inf", "NaN", "1e5", "+1", "", "1,5", "0x10", "1_0", ".",
    ] {
        assert_eq!(
            names(&format!("name=x&lat={}", bad.replace('+', "%2B"))),
            ["lat"],
            "{bad}"
        );
    }
    for bad in ["-1", "1.0", "65536", "x", ""] {
        assert_eq!(names(&format!("name=x&count={bad}")), ["count"], "{bad}");
    }
    for bad in ["ber,", ",ber", "", "ber,,nyc"] {
        assert_eq!(names(&format!("name=x&office={bad}")), ["office"], "{bad}");
    }
}

proptest! {
    #[test]
    fn whatever_is_sent_every_error_names_a_parameter(query in "[a-z=&%0-9,.+-]{0,60}") {
        if let Ok(pairs) = query::decode(Some(&query))
            && let Err(errors) = parse::<Filters>(&pairs)
        {
            prop_assert!(!errors.is_empty());
            for error in errors {
                let known = ["name", "lat", "office", "status", "count", "whole"].contains(&error.parameter.as_str());
                prop_assert!(known || pairs.iter().filter(|(name, _)| *name == error.parameter).count() > 1);
            }
        }
    }
}
