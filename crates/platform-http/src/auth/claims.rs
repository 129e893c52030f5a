//! What a token says, and the rules that hold for it whatever its signature (`api-and-domain` section 12).

use kernel::{OfficeCode, Offices, Principal, Scope, Timestamp};
use serde::Deserialize;
use serde_json::Value;

/// The longest that a token may live, in seconds.
const LIFE_MAX_SECS: i64 = 3600;
/// How far another machine's clock may be ahead of ours, in seconds; `exp` has no such slack.
const SKEW_SECS: i64 = 5;
/// Bytes of `iss` and `sub`: they are stored with every write.
const NAME_MAX: usize = 255;

/// The members that we read. Their types are checked here and not by serde, so that each has its own message.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    #[serde(default)]
    iss: Value,
    #[serde(default)]
    sub: Value,
    #[serde(default)]
    aud: Value,
    #[serde(default)]
    exp: Value,
    #[serde(default)]
    iat: Value,
    #[serde(default)]
    nbf: Value,
    #[serde(default)]
    scope: Value,
    #[serde(default)]
    offices: Value,
}

/// What the process expects of every token.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) issuer: String,
    pub(super) audience: String,
}

impl Claims {
    /// The principal and when its token ends, or why it does not hold.
    pub(super) fn check(
        &self,
        expected: &Expected,
        now: Timestamp,
    ) -> Result<(Principal, Timestamp), &'static str> {
        if self.iss.as_str() != Some(&expected.issuer) {
            return Err("is not from the issuer that is trusted here");
        }
        if !names(&self.aud, &expected.audience) {
            return Err("is for another audience");
        }
        let subject = self.sub.as_str().unwrap_or("");
        if subject.trim().is_empty() || subject.len() > NAME_MAX || subject.contains('\0') {
            return Err("has no usable sub");
        }
        let exp = self.check_times(now)?;
        let scope = self.scope.as_str().ok_or("has no scope")?;
        let principal = Principal {
            issuer: expected.issuer.clone(),
            subject: subject.to_owned(),
            // Scopes that we do not know are another audience's matter.
            scopes: scope
                .split_ascii_whitespace()
                .filter_map(|s| s.parse::<Scope>().ok())
                .collect(),
            offices: offices(&self.offices)?,
        };
        Ok((principal, exp))
    }

    fn check_times(&self, now: Timestamp) -> Result<Timestamp, &'static str> {
        let now = now.as_millis().div_euclid(1000);
        let exp = seconds(&self.exp)?.ok_or("has no exp")?;
        if exp <= now {
            return Err("has expired");
        }
        if exp > now + LIFE_MAX_SECS + SKEW_SECS {
            return Err("lives for more than an hour");
        }
        if let Some(iat) = seconds(&self.iat)? {
            if iat > now + SKEW_SECS {
                return Err("was issued in the future");
            }
            if exp - iat > LIFE_MAX_SECS {
                return Err("lives for more than an hour");
            }
        }
        if seconds(&self.nbf)?.is_some_and(|nbf| nbf > now + SKEW_SECS) {
            return Err("does not hold yet");
        }
        Ok(Timestamp::from_millis(exp.saturating_mul(1000)))
    }
}

/// NumericDate (RFC 7519): seconds, a fraction is cut. `None` if absent.
fn seconds(claim: &Value) -> Result<Option<i64>, &'static str> {
    const MALFORMED: &str = "has a malformed exp, iat or nbf";
    // Beyond the year 9999 nothing is a time, and sums could overflow.
    let in_range = |seconds: i64| (0..=253_402_300_799).contains(&seconds).then_some(seconds);
    match claim {
        Value::Null => Ok(None),
        Value::Number(number) => match number.as_i64() {
            Some(seconds) => in_range(seconds).map(Some).ok_or(MALFORMED),
            None => {
                let text = number.as_f64().map(|float| format!("{:.0}", float.floor()));
                let seconds = text.and_then(|text| text.parse().ok()).and_then(in_range);
                seconds.map(Some).ok_or(MALFORMED)
            }
        },
        Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => Err(MALFORMED),
    }
}

fn names(aud: &Value, audience: &str) -> bool {
    match aud {
        Value::String(one) => one == audience,
        Value::Array(many) => many.iter().any(|one| one.as_str() == Some(audience)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

fn offices(claim: &Value) -> Result<Offices, &'static str> {
    const MALFORMED: &str = "has no usable offices";
    let codes: Vec<&str> = match claim {
        Value::String(text) => text
            .split([' ', ','])
            .filter(|code| !code.is_empty())
            .collect(),
        Value::Array(codes) => codes
            .iter()
            .map(Value::as_str)
            .collect::<Option<_>>()
            .ok_or(MALFORMED)?,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            return Err(MALFORMED);
        }
    };
    if codes.contains(&"*") {
        return Ok(Offices::All);
    }
    let codes = codes.into_iter().map(str::parse::<OfficeCode>);
    codes
        .collect::<Result<_, _>>()
        .map(Offices::Some)
        .map_err(|_| MALFORMED)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_795_000_000;

    fn check(change: impl FnOnce(&mut Value)) -> Result<Principal, &'static str> {
        let mut claims = json!({"iss": "https://issuer.test", "sub": "ada", "aud": "meridian", "iat": NOW,
            "exp": NOW + 3600, "scope": "offices:read openid", "offices": ["ber", "nyc"]});
        change(&mut claims);
        let claims: Claims = serde_json::from_value(claims).unwrap();
        let expected = Expected {
            issuer: "https://issuer.test".into(),
            audience: "meridian".into(),
        };
        claims
            .check(&expected, Timestamp::from_millis(NOW * 1000))
            .map(|(principal, _)| principal)
    }

    #[test]
    fn a_good_token_gives_its_principal() {
        let principal = check(|_| {}).unwrap();
        assert_eq!(
            (principal.issuer.as_str(), principal.subject.as_str()),
            ("https://issuer.test", "ada")
        );
        assert_eq!(principal.scopes, [Scope::OfficesRead].into());
        assert_eq!(
            principal.offices,
            Offices::Some(["ber".parse().unwrap(), "nyc".parse().unwrap()].into())
        );
        for all in [json!("*"), json!(["*"]), json!(["ber", "*"])] {
            assert_eq!(check(|c| c["offices"] = all).unwrap().offices, Offices::All);
        }
        assert!(check(|c| c["aud"] = json!(["other", "meridian"])).is_ok());
        assert!(check(|c| c["nbf"] = json!(NOW)).is_ok());
        assert!(check(|c| c["exp"] = json!(1_795_000_100.5)).is_ok());
        assert!(check(|c| c["offices"] = json!([])).is_ok());
    }

    #[test]
    fn every_claim_is_required_but_iat_and_nbf() {
        for claim in ["iss", "sub", "aud", "exp", "scope", "offices"] {
            let without = check(|c| drop(c.as_object_mut().unwrap().remove(claim)));
            assert!(without.is_err(), "{claim}");
        }
        assert!(check(|c| drop(c.as_object_mut().unwrap().remove("iat"))).is_ok());
    }

    #[test]
    fn what_does_not_hold_is_refused() {
        let bad = [
            ("iss", json!("https://other.test")),
            ("iss", json!(["https://issuer.test"])),
            ("aud", json!("other")),
            ("aud", json!(7)),
            ("sub", json!("")),
            ("sub", json!(7)),
            ("sub", json!("a\0b")),
            ("sub", json!("x".repeat(256))),
            ("exp", json!(NOW)),
            ("exp", json!(NOW - 1)),
            ("exp", json!(NOW + 3601)),
            ("exp", json!("soon")),
            ("exp", json!(1e300)),
            ("exp", json!(-1)),
            ("iat", json!(NOW + 6)),
            ("iat", json!("now")),
            ("nbf", json!(NOW + 6)),
            ("scope", json!(["offices:read"])),
            ("offices", json!(["Not A Code"])),
            ("offices", json!([7])),
            ("offices", json!({})),
        ];
        for (claim, value) in bad {
            assert!(
                check(|c| c[claim] = value.clone()).is_err(),
                "{claim}: {value}"
            );
        }
        let without_iat = check(|c| {
            c.as_object_mut().unwrap().remove("iat");
            c["exp"] = json!(NOW + 3606);
        });
        assert_eq!(without_iat, Err("lives for more than an hour"));
    }
}
