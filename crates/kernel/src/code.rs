//! Short immutable codes: regions, offices, locations, countries, currencies.

use std::{borrow::Borrow, fmt, str::FromStr};

/// Why a text is not a code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CodeError(&'static str);

macro_rules! code {
    ($(#[$doc:meta])* $name:ident, $valid:expr, $message:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            /// The code as text.
            #[must_use]
            pub fn as_str(&self) -> &str { &self.0 }
        }

        impl FromStr for $name {
            type Err = CodeError;
            fn from_str(text: &str) -> Result<Self, CodeError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(text.into())) } else { Err(CodeError($message)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(&self.0) }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }

        impl AsRef<str> for $name { fn as_ref(&self) -> &str { &self.0 } }
        impl Borrow<str> for $name { fn borrow(&self) -> &str { &self.0 } }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

code!(
    /// A deployment site, also the database region: `eu1`. `g` marks rows that live everywhere.
    RegionTag,
    |text| matches!(text.len(), 1..=16)
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
    "is not a region: [a-z][a-z0-9-]{0,15}"
);
code!(
    /// An office: `ber`.
    OfficeCode, is_place_code, "is not an office code: [a-z][a-z0-9-]{1,31}"
);
code!(
    /// A location of an office: `ber-main`.
    LocationCode, is_place_code, "is not a location code: [a-z][a-z0-9-]{1,31}"
);
code!(
    /// An account of the chart: `1300`.
    AccountCode,
    |text| matches!(text.len(), 1..=32)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-'),
    "is not an account code: [0-9A-Za-z][0-9A-Za-z.-]{0,31}"
);
code!(
    /// A country, ISO 3166-1 alpha-2: `DE`.
    CountryCode,
    |text| COUNTRIES.split_ascii_whitespace().any(|code| code == text),
    "is not an ISO 3166-1 alpha-2 country code in capitals"
);
code!(
    /// A currency, ISO 4217: `EUR`.
    CurrencyCode,
    |text| exponent_of(text).is_some(),
    "is not an ISO 4217 currency code in capitals"
);

impl RegionTag {
    /// The mark of rows that live everywhere.
    #[must_use]
    pub fn global() -> Self {
        Self("g".into())
    }

    /// How an answer names it: `regions/ap1`.
    #[must_use]
    pub fn resource(&self) -> String {
        format!("regions/{self}")
    }
}

impl CurrencyCode {
    /// Decimal digits of the minor unit: 2 for EUR, 0 for JPY, 3 for KWD.
    #[must_use]
    pub fn exponent(&self) -> u8 {
        exponent_of(&self.0).unwrap_or(2) // every value was found in the list when it was parsed
    }

    /// Every currency of ISO 4217 that people pay with.
    pub fn all() -> impl Iterator<Item = Self> {
        CURRENCIES
            .iter()
            .flat_map(|(_, codes)| codes.split_ascii_whitespace())
            .map(|code| Self(code.into()))
    }
}

fn is_place_code(text: &str) -> bool {
    matches!(text.len(), 2..=32)
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn exponent_of(text: &str) -> Option<u8> {
    CURRENCIES
        .iter()
        .find(|(_, codes)| codes.split_ascii_whitespace().any(|code| code == text))
        .map(|(exponent, _)| *exponent)
}

/// ISO 4217 list one, less funds, metals and testing codes, by exponent.
const CURRENCIES: &[(u8, &str)] = &[
    (
        0,
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    ),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (
        2,
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD \
         CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD \
         GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL \
         MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN \
         PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP \
         SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG",
    ),
];

/// ISO 3166-1 alpha-2, officially assigned.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ \
    BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ \
    DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT \
    GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY \
    KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX \
    MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS \
    RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN \
    TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_codes_have_two_to_thirty_two_characters() {
        for good in ["be", "ber", "ber-main", &"a".repeat(32)] {
            assert!(good.parse::<OfficeCode>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "b",
            "Ber",
            "1er",
            "-er",
            "bér",
            "ber_main",
            &"a".repeat(33),
        ] {
            assert!(bad.parse::<OfficeCode>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_lists_are_whole() {
        assert_eq!(COUNTRIES.split_ascii_whitespace().count(), 249);
        let exponent = |code: &str| code.parse::<CurrencyCode>().unwrap().exponent();
        assert_eq!(
            (exponent("EUR"), exponent("JPY"), exponent("KWD")),
            (2, 0, 3)
        );
        assert!("eur".parse::<CurrencyCode>().is_err());
        let mut all: Vec<_> = CurrencyCode::all().collect();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(count > 150);
    }
}
