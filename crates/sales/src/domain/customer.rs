//! Customers: who buys of an office.

use std::str::FromStr;

use kernel::{OfficeCode, Timestamp, id::CustomerId};

use super::words;

/// What stands for the name of a person who is not to be known any more.
pub(crate) const ANONYMOUS: &str = "Anonymised customer";

/// Who buys of an office.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Customer {
    pub(crate) id: CustomerId,
    pub(crate) office: OfficeCode,
    pub(crate) name: String,
    pub(crate) email: Option<Email>,
    pub(crate) phone: Option<String>,
    pub(crate) tax_id: Option<String>,
    pub(crate) status: CustomerStatus,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// What a change does to a customer's members; `None` leaves a member as it is, `Some(None)` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CustomerPatch {
    pub(crate) name: Option<String>,
    pub(crate) email: Option<Option<Email>>,
    pub(crate) phone: Option<Option<String>>,
    pub(crate) tax_id: Option<Option<String>>,
}

/// Nothing can be said any more of a customer who was made anonymous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Anonymised;

impl Customer {
    /// Whether the person is known.
    pub(crate) fn is_anonymised(&self) -> bool {
        self.status == CustomerStatus::Anonymised
    }

    /// The customer with the patch applied at `now`; the same version if nothing is different.
    pub(crate) fn patched(&self, patch: CustomerPatch, now: Timestamp) -> Result<Self, Anonymised> {
        if self.is_anonymised() {
            return Err(Anonymised);
        }
        let mut customer = self.clone();
        if let Some(name) = patch.name {
            customer.name = name;
        }
        if let Some(email) = patch.email {
            customer.email = email;
        }
        if let Some(phone) = patch.phone {
            customer.phone = phone;
        }
        if let Some(tax_id) = patch.tax_id {
            customer.tax_id = tax_id;
        }
        if customer != *self {
            customer.version += 1;
            customer.updated_at = now;
        }
        Ok(customer)
    }

    /// The customer without the person, from `now` on; the same version if that is so already.
    pub(crate) fn anonymised(&self, now: Timestamp) -> Self {
        if self.is_anonymised() {
            return self.clone();
        }
        Self {
            id: self.id.clone(),
            office: self.office.clone(),
            name: ANONYMOUS.into(),
            email: None,
            phone: None,
            tax_id: None,
            status: CustomerStatus::Anonymised,
            version: self.version + 1,
            created_at: self.created_at,
            updated_at: now,
        }
    }
}

words! {
    /// Whether the person is known.
    CustomerStatus { Active "active", Anonymised "anonymised", }
}

/// An e-mail address, kept as sent and compared in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Email(String);

/// Longest address that mail servers pass on (RFC 5321, 4.5.3.1.3, less the brackets).
pub(crate) const EMAIL_MAX: usize = 254;
/// Longest part before the `@` (RFC 5321, 4.5.3.1.1).
const LOCAL_MAX: usize = 64;

/// Why a text is not an e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an e-mail address of at most {EMAIL_MAX} characters, such as kim@example.com")]
pub(crate) struct NotAnEmail;

impl Email {
    /// As sent.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What two spellings of one address have in common.
    pub(crate) fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl FromStr for Email {
    type Err = NotAnEmail;

    /// Whether mail can be sent to it only sending tells; this refuses what certainly is no address: another shape than
    /// `local@domain`, white space, a domain that is not made of labels.
    fn from_str(text: &str) -> Result<Self, NotAnEmail> {
        let (local, domain) = text.rsplit_once('@').ok_or(NotAnEmail)?;
        let length = |text: &str| text.chars().count();
        let is_local = (1..=LOCAL_MAX).contains(&length(local))
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && !local
                .chars()
                .any(|c| c.is_whitespace() || c.is_control() || "@,;:<>()[]\\\"".contains(c));
        if is_local && domain.split('.').all(is_label) && length(text) <= EMAIL_MAX {
            Ok(Self(text.into()))
        } else {
            Err(NotAnEmail)
        }
    }
}

/// Letters and digits of any script, and `-` between them.
fn is_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(|c| c.is_alphanumeric() || c == '-')
}

impl<'de> serde::Deserialize<'de> for Email {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use kernel::RegionTag;
    use proptest::prelude::*;

    use super::*;

    fn kim() -> Customer {
        Customer {
            id: CustomerId::random("eu1".parse::<RegionTag>().unwrap()),
            office: "ber".parse().unwrap(),
            name: "Kim Example".into(),
            email: Some("Kim@Example.com".parse().unwrap()),
            phone: None,
            tax_id: Some("DE123".into()),
            status: CustomerStatus::Active,
            version: 1,
            created_at: at(0),
            updated_at: at(0),
        }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_795_000_000_000 + ms)
    }

    #[test]
    fn addresses_have_a_shape() {
        for good in [
            "kim@example.com",
            "k.i-m+shop@mail.example.co.uk",
            "o'neil@example.com",
            "käthe@müller.example",
            "a@localhost",
            &format!("{}@example.com", "a".repeat(64)),
        ] {
            assert!(good.parse::<Email>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "kim",
            "@example.com",
            "kim@",
            "kim@@example.com",
            "kim@example..com",
            "kim@.com",
            "kim@-x.com",
            "kim example@x.com",
            "kim@exa mple.com",
            " kim@example.com",
            ".kim@example.com",
            "kim.@example.com",
            "k..m@example.com",
            "Kim <kim@example.com>",
            &format!("{}@example.com", "a".repeat(65)),
            &format!("a@{}.com", "a".repeat(250)),
        ] {
            assert_eq!(bad.parse::<Email>(), Err(NotAnEmail), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn spellings_of_one_address_share_a_key(local in "[a-zA-Z0-9]{1,10}", domain in "[a-z]{1,10}") {
            let text = format!("{local}@{domain}.example");
            let email: Email = text.parse().unwrap();
            let upper: Email = text.to_uppercase().parse().unwrap();
            prop_assert_eq!(email.as_str(), &text);
            prop_assert_eq!(email.key(), upper.key());
        }

        #[test]
        fn a_version_rises_by_one_exactly_when_something_changes(
            name in proptest::option::of("[AB]"), phone in proptest::option::of(proptest::option::of("[12]")),
        ) {
            let before = kim();
            let patch = CustomerPatch { name, phone, ..CustomerPatch::default() };
            let after = before.patched(patch.clone(), at(5)).unwrap();
            prop_assert_eq!(after == before, after.version == before.version);
            prop_assert!(after == before || (after.version == 2 && after.updated_at == at(5)));
            prop_assert_eq!(after.patched(patch, at(9)).unwrap(), after);
        }
    }

    #[test]
    fn who_is_anonymous_stays_so() {
        let after = kim().anonymised(at(5));
        assert_eq!((after.name.as_str(), after.version), (ANONYMOUS, 2));
        assert_eq!(
            (&after.email, &after.phone, &after.tax_id),
            (&None, &None, &None)
        );
        assert_eq!(after.anonymised(at(9)), after);
        assert_eq!(
            after.patched(CustomerPatch::default(), at(9)),
            Err(Anonymised)
        );
    }
}
