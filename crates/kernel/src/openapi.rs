//! How the newtypes look in the OpenAPI document.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{KnownFormat, SchemaFormat, SchemaType, Type},
    },
};

use crate::{
    AccountCode, AmountMinor, CountryCode, CurrencyCode, Date, Id, Kind, LocationCode, Month,
    OfficeCode, PositiveAmount, Quantity, RegionTag, Timestamp, money::AMOUNT_MAX,
};

fn text(pattern: &str, example: &str, description: &str) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .pattern(Some(pattern))
        .examples([example])
        .description(Some(description))
        .into()
}

macro_rules! texts {
    ($($name:ident $pattern:literal $example:literal $description:literal;)*) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> { text($pattern, $example, $description) }
        }
        impl ToSchema for $name {}
    )*};
}

texts! {
    RegionTag "^[a-z][a-z0-9-]{0,15}$" "eu1" "A region.";
    OfficeCode "^[a-z][a-z0-9-]{1,31}$" "ber" "An office.";
    LocationCode "^[a-z][a-z0-9-]{1,31}$" "ber-main" "A location of an office.";
    AccountCode "^[0-9A-Za-z][0-9A-Za-z.-]{0,31}$" "1300" "An account of the chart.";
    Month "^[0-9]{4}-[0-9]{2}$" "2026-11" "A month of the books.";
    CountryCode "^[A-Z]{2}$" "DE" "A country (ISO 3166-1 alpha-2).";
    CurrencyCode "^[A-Z]{3}$" "EUR" "A currency (ISO 4217).";
}

impl<K: Kind> PartialSchema for Id<K> {
    fn schema() -> RefOr<Schema> {
        let pattern = format!(
            "^{}_[a-z][a-z0-9-]{{0,15}}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$",
            K::PREFIX
        );
        let example = format!("{}_g_3v9kq2m8x0c7d5f1h4j6n9p2rs", K::PREFIX);
        text(&pattern, &example, "An id: kind, region, 128 bits.")
    }
}

impl<K: Kind> ToSchema for Id<K> {
    fn name() -> std::borrow::Cow<'static, str> {
        let mut name = K::PREFIX.to_owned();
        name[..1].make_ascii_uppercase();
        format!("{name}Id").into()
    }
}

macro_rules! numbers {
    ($($name:ident $minimum:expr, $example:literal $description:literal;)*) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(SchemaType::new(Type::Integer))
                    .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
                    .minimum(Some($minimum))
                    .maximum(Some(AMOUNT_MAX))
                    .examples([$example])
                    .description(Some($description))
                    .into()
            }
        }
        impl ToSchema for $name {}
    )*};
}

numbers! {
    AmountMinor -AMOUNT_MAX, 10_000 "Minor units of the currency beside it.";
    PositiveAmount 1, 10_000 "Minor units of the currency beside it, more than nothing.";
    Quantity 0, 5 "Whole units of the item.";
}

impl PartialSchema for Date {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)))
            .examples(["2026-11-22"])
            .description(Some("A day in the time zone of the office."))
            .into()
    }
}

impl ToSchema for Date {}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .examples(["2026-11-22T13:05:54.120Z"])
            .description(Some("RFC 3339, UTC, milliseconds."))
            .into()
    }
}

impl ToSchema for Timestamp {}
