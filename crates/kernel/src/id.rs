//! Ids: `<type>_<region>_<26 characters of lower-case Crockford base32>` over 128 bits.
//!
//! The bits look random, since ordered keys put every insert on one range of the database. An id of a new
//! resource is derived from the principal, the idempotency key and the kind, so that a repeat of a write
//! finds its own row. The region is a hint of where the row lives (`g` for rows that live everywhere).

use std::{
    fmt,
    hash::{Hash, Hasher},
    marker::PhantomData,
    str::FromStr,
};

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{IdempotencyKey, Principal, RegionTag};

/// A kind of resource; its prefix is part of the id's text.
pub trait Kind: Send + Sync + 'static {
    /// `itm`, `lvl`, … (three lower-case letters).
    const PREFIX: &'static str;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $alias:ident $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {}
        impl Kind for $name { const PREFIX: &'static str = $prefix; }
        #[doc = concat!("`", $prefix, "_…`")]
        pub type $alias = Id<$name>;
    )*};
}

kinds! {
    /// An item of the catalogue.
    Item ItemId "itm";
    /// The stock of one item at one location.
    Level LevelId "lvl";
    /// One change of a level's stock or value.
    Movement MovementId "mov";
    /// Stock put aside.
    Reservation ReservationId "rsv";
    /// Somebody who buys.
    Customer CustomerId "cus";
    /// An order.
    Order OrderId "ord";
    /// One line of an order.
    OrderLine OrderLineId "oln";
    /// Goods that left for an order.
    Shipment ShipmentId "shp";
    /// Goods that came back.
    Return ReturnId "ret";
    /// Money for an order, or back.
    Payment PaymentId "pay";
    /// A journal entry.
    Entry EntryId "jrn";
    /// One posting of a journal entry.
    Posting PostingId "pst";
    /// An event of the feed.
    Event EventId "evt";
    /// One request; also the audit row it wrote.
    Request RequestId "req";
}

/// An id of kind `K`. Equality and order are those of region and bits.
pub struct Id<K> {
    region: RegionTag,
    uuid: Uuid,
    kind: PhantomData<fn() -> K>,
}

impl<K: Kind> Id<K> {
    /// The id with these bits, homed in `region`.
    #[must_use]
    pub fn new(region: RegionTag, uuid: Uuid) -> Self {
        Self {
            region,
            uuid,
            kind: PhantomData,
        }
    }

    /// Fresh random bits: for requests only; resources derive theirs.
    #[must_use]
    pub fn random(region: RegionTag) -> Self {
        Self::new(region, Uuid::from_u128(rand::random()))
    }

    /// The id that the `index`-th new resource of this kind gets from a write: SHA-256 over
    /// issuer, subject, key, kind and index, cut to 128 bits. The same write always names the same id.
    #[must_use]
    pub fn derived(
        region: RegionTag,
        principal: &Principal,
        key: &IdempotencyKey,
        index: u32,
    ) -> Self {
        let uuid = derive_bits(&[
            principal.issuer.as_bytes(),
            principal.subject.as_bytes(),
            key.as_str().as_bytes(),
            K::PREFIX.as_bytes(),
            &index.to_be_bytes(),
        ]);
        Self::new(region, uuid)
    }

    /// Where the row probably lives.
    #[must_use]
    pub fn region(&self) -> &RegionTag {
        &self.region
    }

    /// The 128 bits, as stored.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.uuid
    }
}

/// 128 bits of SHA-256 over the parts, each preceded by its length so that no two lists collide.
#[must_use]
pub fn derive_bits(parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut bits = [0; 16];
    bits.copy_from_slice(&digest[..16]);
    Uuid::from_bytes(bits)
}

/// Why a text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not an id of the form {expected}_<region>_<26 characters>")]
pub struct IdError {
    expected: &'static str,
}

impl<K: Kind> FromStr for Id<K> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = IdError {
            expected: K::PREFIX,
        };
        let mut parts = text.splitn(3, '_');
        let (Some(prefix), Some(region), Some(bits)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(error);
        };
        if prefix != K::PREFIX {
            return Err(error);
        }
        let region = RegionTag::from_str(region).map_err(|_| error.clone())?;
        let bits = decode_base32(bits).ok_or(error)?;
        Ok(Self::new(region, Uuid::from_u128(bits)))
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}_{}_{}",
            K::PREFIX,
            self.region,
            encode_base32(self.uuid.as_u128())
        )
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        Self {
            region: self.region.clone(),
            uuid: self.uuid,
            kind: PhantomData,
        }
    }
}

impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid && self.region == other.region
    }
}

impl<K> Eq for Id<K> {}

impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.region, self.uuid).hash(state);
    }
}

impl<K: Kind> serde::Serialize for Id<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> serde::Deserialize<'de> for Id<K> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Crockford's alphabet (crockford.com/base32.html), lower case.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// 128 bits are 25.6 digits of 5 bits: the first digit holds 3 bits only.
const DIGITS: u32 = 26;

fn encode_base32(bits: u128) -> String {
    (0..DIGITS)
        .rev()
        .map(|digit| char::from(ALPHABET[usize::from(((bits >> (digit * 5)) & 31) as u8)]))
        .collect()
}

/// Exactly one text per value: upper case and look-alikes are refused, so are bits beyond 128.
fn decode_base32(text: &str) -> Option<u128> {
    if text.len() != DIGITS as usize || text.as_bytes()[0] > b'7' {
        return None;
    }
    text.bytes().try_fold(0_u128, |bits, byte| {
        let digit = ALPHABET.iter().position(|letter| *letter == byte)?;
        Some((bits << 5) | digit as u128)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_round_trips(bits: u128) {
            let id = ItemId::new(RegionTag::global(), Uuid::from_u128(bits));
            prop_assert_eq!(id.to_string().parse::<ItemId>(), Ok(id));
        }

        #[test]
        fn any_text_is_refused_or_is_its_own_text(text in "itm_[a-z0-9]{1,3}_[0-9a-zA-Z]{25,27}") {
            if let Ok(id) = text.parse::<ItemId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn another_kind_is_refused() {
        let text = ItemId::new(RegionTag::global(), Uuid::nil()).to_string();
        assert!(text.parse::<EventId>().is_err());
    }

    #[test]
    fn derived_ids_depend_on_every_part() {
        let ada = Principal::test("ada");
        let bob = Principal::test("bob");
        let key: IdempotencyKey = "key-00001".parse().unwrap();
        let other: IdempotencyKey = "key-00002".parse().unwrap();
        let region = RegionTag::global;
        let id = ItemId::derived(region(), &ada, &key, 0);
        assert_eq!(id, ItemId::derived(region(), &ada, &key, 0));
        assert_ne!(id, ItemId::derived(region(), &bob, &key, 0));
        assert_ne!(id, ItemId::derived(region(), &ada, &other, 0));
        assert_ne!(id, ItemId::derived(region(), &ada, &key, 1));
        assert_ne!(id.uuid(), EventId::derived(region(), &ada, &key, 0).uuid());
    }
}
