//! An office inside one transaction: its levels and its books, so that no stock moves past the books.
//!
//! Order within a transaction: open (locks, observes) → each document decides, posts and records → save (entries, then
//! levels and the movements that name them).

use accounting::ledger::{Books, PostError};
use futures_util::try_join;
use kernel::{Invalid, OfficeCode};
use platform_db::{
    DbError, TxError, Txn,
    offices::{self, Office, OfficeHome, OfficeStatus},
};

use super::shelf::{Place, Shelf};

/// Hot rows that one write names (hard case 7): a document of more levels meets another only by chance, and then
/// tries again.
const HOT_MAX: usize = 32;

/// An office with the levels and the month that a transaction needs.
#[derive(Debug)]
pub(crate) struct Premises {
    pub(crate) office: Office,
    pub(crate) shelf: Shelf,
    pub(crate) books: Books,
}

impl Premises {
    /// Reads the office and its month, and locks the levels of these places.
    pub(crate) async fn open(
        txn: &Txn<'_>,
        code: &OfficeCode,
        places: &[Place],
    ) -> Result<Self, DbError> {
        let office = offices::get(txn, code).await?.ok_or(DbError::NoRow)?;
        let (shelf, books) =
            try_join!(Shelf::lock(txn, &office, places), Books::open(txn, &office),)?;
        Ok(Self {
            office,
            shelf,
            books,
        })
    }

    /// What a body that names a location of this office breaks: a closed office takes and gives nothing.
    pub(crate) fn check_open(&self) -> Option<Invalid> {
        (self.office.status == OfficeStatus::Closed)
            .then(|| Invalid::one("/location", "office_closed", "belongs to a closed office"))
    }

    /// Writes what was posted and moved.
    pub(crate) async fn save<E: From<PostError>>(self, txn: &Txn<'_>) -> Result<(), TxError<E>> {
        self.books.save(txn).await?;
        self.shelf.save(txn).await?;
        Ok(())
    }
}

/// Why a body whose location does not exist is refused.
pub(crate) fn location_unknown() -> Invalid {
    Invalid::one("/location", "location_unknown", "does not exist")
}

/// The hot rows of a write to these places.
#[must_use]
pub fn hot_names(home: &OfficeHome, places: &[Place]) -> Vec<String> {
    let mut names: Vec<String> = places
        .iter()
        .map(|place| place.hot_name(&home.region))
        .collect();
    names.sort_unstable();
    names.dedup();
    names.truncate(HOT_MAX);
    names
}
