//! What a write brings with it (key, principal, fingerprint) and the answer that is stored with its effect.

use std::{fmt, str::FromStr};

use crate::{Call, Common, Id, Kind, OfficeCode, Principal, RegionTag, RequestId, Scope};

/// The name of one write: 8–128 characters of `[A-Za-z0-9._:-]`, unique per principal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// Why a text is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Length or alphabet.
    #[error("must be 8 to 128 characters of A-Z, a-z, 0-9, '.', '_', ':' and '-'")]
    Malformed,
    /// `auto:` names writes that came without a key.
    #[error("must not begin with 'auto:', which names writes sent without a key")]
    Reserved,
}

impl IdempotencyKey {
    const AUTO: &'static str = "auto:";

    /// The key of a write that came without one.
    #[must_use]
    pub fn auto(request: &RequestId) -> Self {
        Self(format!("{}{request}", Self::AUTO))
    }

    /// A key in the path of `/v1/writes/{key}`, where those of writes without a key and of rows are allowed too.
    ///
    /// # Errors
    /// [`KeyError::Malformed`].
    pub fn from_receipt(text: &str) -> Result<Self, KeyError> {
        match text.split_once('#') {
            None if Self::is_plain(text) => Ok(Self(text.into())),
            Some((key, number))
                if Self::is_plain(key)
                    && number.parse().is_ok_and(|n: u64| n.to_string() == number) =>
            {
                Ok(Self(text.into()))
            }
            None | Some(_) => Err(KeyError::Malformed),
        }
    }

    fn is_plain(text: &str) -> bool {
        matches!(text.len(), 8..=128)
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
    }

    /// The key of the `number`-th row of a write of many: `#` is not legal in keys that clients send.
    #[must_use]
    pub fn row(&self, number: u64) -> Self {
        Self(format!("{}#{number}", self.0))
    }

    /// Whether this names a write that came without a key.
    #[must_use]
    pub fn is_auto(&self) -> bool {
        self.0.starts_with(Self::AUTO)
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if !Self::is_plain(text) {
            Err(KeyError::Malformed)
        } else if text.starts_with(Self::AUTO) {
            Err(KeyError::Reserved)
        } else {
            Ok(Self(text.into()))
        }
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The precondition of a PATCH or DELETE (RFC 9110, section 13.1.1), compared by version only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: whatever version there is.
    Any,
    /// One of these versions.
    Versions(Vec<i64>),
}

/// One write on its way to the database: everything but what it does.
#[derive(Debug, Clone)]
pub struct Intent {
    /// The request.
    pub call: Call,
    /// The operation, named as in the OpenAPI document: `create_item`.
    pub operation: &'static str,
    /// Who writes.
    pub principal: Principal,
    /// The right that the route asks for; a replay and its receipt ask for it again.
    pub scope: Scope,
    /// The write's name.
    pub key: IdempotencyKey,
    /// SHA-256 of method, path, query, `If-Match` and canonical body.
    pub fingerprint: [u8; 32],
    /// HTTP method.
    pub method: &'static str,
    /// Path without query.
    pub path: String,
    /// `If-Match`, if sent.
    pub if_match: Option<IfMatch>,
    /// Rehearse: do all, answer, roll back.
    pub dry_run: bool,
    /// The office written to; `None` for rows that belong to none.
    pub office: Option<OfficeCode>,
    /// Where key, audit and event rows live: the office's home, or the primary region.
    pub home: RegionTag,
    /// Names of hot rows, locked one after the other on PostgreSQL before the transaction begins.
    pub hot: Vec<String>,
}

impl Intent {
    /// The id of the `index`-th resource of kind `K` that this write makes, homed in `region`.
    #[must_use]
    pub fn new_id<K: Kind>(&self, region: RegionTag, index: u32) -> Id<K> {
        Id::derived(region, &self.principal, &self.key, index)
    }

    /// Compares `If-Match` with the version found.
    ///
    /// # Errors
    /// [`Common::IfMatchRequired`] without the header, [`Common::VersionChanged`] when it names another version.
    pub fn require_version(&self, current: i64) -> Result<(), Common> {
        match &self.if_match {
            None => Err(Common::IfMatchRequired),
            Some(IfMatch::Any) => Ok(()),
            Some(IfMatch::Versions(versions)) if versions.contains(&current) => Ok(()),
            Some(IfMatch::Versions(_)) => Err(Common::VersionChanged { current }),
        }
    }
}

/// The answer to a write, stored beside its effect and given again to every repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status, 2xx.
    pub status: u16,
    /// Path of what was made.
    pub location: Option<String>,
    /// Version of what is shown.
    pub version: Option<i64>,
    /// JSON text; `None` for 204.
    pub body: Option<String>,
    /// Ids of what was made or changed, for the receipt.
    pub effect_ids: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_a_length_and_an_alphabet() {
        for good in ["12345678", "a.b_c:d-E", &"k".repeat(128)] {
            assert!(good.parse::<IdempotencyKey>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "1234567",
            "key with space",
            "schlüssel",
            "key#00001",
            &"k".repeat(129),
        ] {
            assert_eq!(
                bad.parse::<IdempotencyKey>(),
                Err(KeyError::Malformed),
                "{bad}"
            );
        }
    }

    #[test]
    fn hard_case_37_a_rows_key_is_known_to_receipts_only() {
        let key: IdempotencyKey = "import-1".parse().unwrap();
        let row = key.row(17);
        assert_eq!(row.as_str(), "import-1#17");
        assert_eq!(IdempotencyKey::from_receipt("import-1#17"), Ok(row));
        assert!("import-1#17".parse::<IdempotencyKey>().is_err());
        for bad in [
            "import-1#",
            "import-1#x",
            "import-1#+1",
            "import-1#01",
            "short#1",
            "import-1#1#2",
        ] {
            assert!(IdempotencyKey::from_receipt(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hard_case_06_a_clients_key_never_begins_with_auto() {
        assert_eq!(
            "auto:12345".parse::<IdempotencyKey>(),
            Err(KeyError::Reserved)
        );
        assert!(IdempotencyKey::from_receipt("auto:12345").is_ok_and(|key| key.is_auto()));
        assert!(
            "12345:auto"
                .parse::<IdempotencyKey>()
                .is_ok_and(|key| !key.is_auto())
        );
    }
}
