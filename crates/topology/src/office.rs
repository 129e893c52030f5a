//! One entry of `offices.yaml`.

use kernel::{CountryCode, CurrencyCode, LocationCode, OfficeCode, RegionTag, time::is_time_zone};
use yaml_serde::Mapping;

use crate::{
    Point,
    fields::{Fields, Report},
};

/// An office that a new database starts with.
#[derive(Debug, Clone, PartialEq)]
pub struct Office {
    /// Short immutable code.
    pub code: OfficeCode,
    /// Name for people.
    pub name: String,
    /// Where it is.
    pub country: CountryCode,
    /// Where it is.
    pub city: String,
    /// A name of the IANA database.
    pub time_zone: String,
    /// The currency of its books.
    pub currency: CurrencyCode,
    /// Where it is.
    pub location: Point,
    /// The region its rows live in.
    pub home_region: RegionTag,
    /// Its first location: `<code>-main` unless the file says otherwise.
    pub default_location: LocationCode,
    /// Tax on what it sells, in basis points, 0 to 10 000.
    pub default_tax_rate_bp: i64,
}

impl Office {
    pub(crate) fn read(mapping: &Mapping, prefix: String, report: &mut Report<'_>) -> Option<Self> {
        let mut fields = Fields::of(mapping, prefix, report);
        let code = fields.parse::<OfficeCode>("code");
        let name = fields.name("name");
        let country = fields.parse("country");
        let city = fields.name("city");
        let time_zone = fields.checked("time_zone", |zone| match is_time_zone(zone) {
            true => Ok(()),
            false => Err("is not a time zone of the IANA database".into()),
        });
        let currency = fields.parse("currency");
        let location = fields.point();
        let home_region = fields.parse("home_region");
        let default_location = match (fields.parse_optional("default_location"), &code) {
            (Some(None), Some(code)) => {
                fields.own("default_location", format!("{code}-main").parse())
            }
            (given, _) => given.flatten(),
        };
        let default_tax_rate_bp = fields.integer("default_tax_rate_bp", 0..=10_000);
        fields.finish();
        Some(Self {
            code: code?,
            name: name?,
            country: country?,
            city: city?,
            time_zone: time_zone?,
            currency: currency?,
            location: location?,
            home_region: home_region?,
            default_location: default_location?,
            default_tax_rate_bp: default_tax_rate_bp?,
        })
    }
}
